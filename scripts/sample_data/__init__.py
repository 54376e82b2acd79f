"""Realistic, deterministic inputs for every pipeline: `python -m scripts.sample_data <pipeline>`.

- `__main__`: the command; one sub-command per pipeline; `arguments`: what several of them take
- `aim`: all inputs of the aim pipeline under a local root; its `write_inputs` serves tests and benchmarks
- `aim_shop`: what these inputs speak of, at one scale, made of `aim_vehicles`, `aim_fitments` (sizes and
  CAMs) and `aim_products`
- `aim_sales`, `aim_runlist`, `aim_events`: what feed, work list and shoppers say about it
- `aim_event_texts`: the pieces of JSON of an event; `aim_draws`: how all of them draw
- `beams`: cases of the beams pipeline below a scan root, sound or with one thing wrong; its `write_case`
  serves tests, demo and benchmarks
- `beams_case`: the plan, deliveries and files of one case, made of `beams_fields` (what is planned),
  `beams_plan` (as DICOM) and `beams_logs` (as the machine logs it)
- `beams_corruptions`: what can be wrong, with `beams_plan_corruptions` and `beams_delivery_corruptions`
- `beams_engine`, `beams_nvidia_smi`: programs that stand in for the GPU engine and for `nvidia-smi`
- `dwh`: raw images and promotions of the dwh pipeline under a folder that stands for its bucket; its
  `write_inputs`, `raw_lines`, `promotions` and `expected` serve tests and benchmarks
- `dwh_records`: where a day's raw records lie and what is wrong with them; `dwh_variants` says what can be,
  `dwh_lines` writes them, `dwh_expected` counts what a reader should find; `dwh_promotions`: the extracts
- `market`: the market's vendor files, one per month; its `vendor_file` serves tests and benchmarks
- `market_hours`: the seconds on which the futures market is open
- `market_contracts`: the contracts that trade in a month, and their rolls
- `market_bars`: prices and volumes of a month, as vendor records
- `dbn_writer`: the vendor's file format, good files and bad ones

A pipeline's module offers the command `SUMMARY`, one line of help, and `register(parser)`, which adds the
arguments and sets `run`: it takes the parsed arguments and returns the exit code.

Not here: readers of these formats (`assets/<pipeline>/`), and anything that a pipeline needs to run.
"""
