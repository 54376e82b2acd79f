"""beams: an independent dose check of every delivered proton beam. Research use only, not a medical device.

- What is the same everywhere: `failures` has every code with its phase and category, `keys` the names of
  cases, beams, layers and their folders, `machines` the constants of the two gantries, in dated blocks
  (`machines/<gantry>.yaml`), `durable_files` the way to write what must survive a crash.
- The plan: `plan` is the plan of a case. `plan_files` finds and reads its file, `beam_items` says what one
  item of it is, `gantry` for which gantry, `layers` its energy layers, `spot_maps` where their weight goes,
  `line_scan` the private form of that, `apertures` its blocks and leaves; `attributes` reads one attribute.
- What was delivered: `deliveries` reads the folders of a case, with `plan_info` and `plan_range` on
  `strict_text`, and `timestamps`. `identity` says whose each delivery is, `fractions` groups them, `join`
  gives every log its layer, `reference` chooses the logs to simulate. `case_input` judges a case by all of
  these in their order, `case_warnings` tells what is remarkable.
- Logs for the engine: `ptn` decodes a log, `samples` says what its words mean, `spot_csv` writes a layer,
  `log_publication` all layers of a beam. `tps_file` is the grammar of the engine's input, `tps_input` what it
  says of a beam, `seeds` the random number seed.
- The check of deliveries: `delivery_check` is the verdict on one, by the `gamma` of its layers; with
  `gamma_samples`, `planned_elements` and `nearest_elements`. `monitors` compares the two dose monitors.
- How work stands: `states` and their legal edges, `progress`, `aggregation` over the beams of a case,
  `retry_waits`; `nvidia_smi` reads what a host says of its GPUs; `registry/` keeps all of it.

Four numbers name a beam and are never mixed: `dicom_number` (BeamNumber), `plan_position` (place in the
plan from 1, setup beams counted), `treatment_index` (place among the treatment beams from 1; the partition
key has it) and the folder, which begins with the plan position.

Not here: engines, compute hosts and GPUs (`resources`), what starts a run (`sensors`, `jobs`).
"""
