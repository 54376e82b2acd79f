"""beams: an independent dose check of every delivered proton beam. Research use only, not a medical device.

    case_manifest ── log_csv ── tps_input ── dose ── rtdose ─┐
                └─── delivery_check ─────────────────────────┴── case_report

`case_manifest` and `case_report` are partitioned by case, the others by beam, `<case>|<treatment_index>`
(`partitions`); `assets` and `checks` are thin, `steps` is their Dagster side, `stages/` what they do.
Resources: `ledger` (the registry), `compute_host`, `dose_engine`. Sensors: `sensors.beams`; jobs:
`jobs.beams`.

- What is the same everywhere: `failures` has every code with its phase and category, `keys` the names of
  cases, beams, layers and their folders, `settings` every variable, `machines` the constants of the two
  gantries, in dated blocks (`machines/<gantry>.yaml`), `durable_files` the way to write what must survive.
- The plan: `plan` is the plan of a case. `plan_files` finds and reads its file, `beam_items` says what one
  item of it is, `gantry` for which gantry, `layers` its energy layers, `spot_maps` where their weight goes,
  `line_scan` the private form of that, `apertures` its blocks and leaves; `attributes` reads one attribute.
- What was delivered: `deliveries` reads the folders of a case, with `plan_info` and `plan_range` on
  `strict_text`, and `timestamps`. `identity` says whose each delivery is, `fractions` groups them, `join`
  gives every log its layer, `reference` chooses the logs to simulate. `case_input` judges a case by all of
  these in their order, `case_warnings` tells what is remarkable. `manifest` keeps what was judged, and
  `manifested_case` reads it again for later stages; `explanation` tells it to a person.
- Logs for the engine: `ptn` decodes a log, `samples` says what its words mean, `spot_csv` writes a layer,
  `log_publication` all layers of a beam, `csv_record` whose they are. `tps_file` is the grammar of the GPU
  engine's input, `tps_input` what it says of a beam, `mcsquare_plan` the spots for the CPU engine, `seeds`
  the random number seed.
- The dose: `engine_log` reads what an engine says, `evidence` whether its run may be believed, `dose_grid` is
  the dose, `run_records` what stays of a run. `rtdose` writes it as DICOM, with the pixels of `dose_pixels`,
  and `rtdose_check` reads it back.
- The check of deliveries: `delivery_check` is the verdict on one, by the `gamma` of its layers; with
  `gamma_samples`, `planned_elements` and `nearest_elements`. `monitors` compares the two dose monitors.
- What people read: `case_results` the values, `report_summary` their JSON, `delivery_report` and
  `case_report_page` the pages (`report_page`, `templates/`), with `pictures`, `pictures_of_deliveries`,
  `pictures_of_doses`, and the numbers of `depth_dose` and `spot_errors`.
- What is due: `listing` finds cases by the shapes of `folder_shapes`, `planning` and `stage_planning` say
  what to ask for (`run_requests`), `scan_memory` is the cursor; `draining` the word to end.
- How work stands: `states` and their legal edges, `progress`, `aggregation` over the beams of a case,
  `retry_waits`; `nvidia_smi` reads what a host says of its GPUs; `registry/` keeps all of it.

Four numbers name a beam and are never mixed: `dicom_number` (BeamNumber), `plan_position` (place in the
plan from 1, setup beams counted), `treatment_index` (place among the treatment beams from 1; the partition
key has it) and the folder, which begins with the plan position.

Not here: engines, compute hosts and GPUs (`resources`), what starts a run (`sensors`, `jobs`).
"""
