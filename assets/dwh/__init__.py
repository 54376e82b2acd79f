"""dwh: a day's image usage, deduplicated, on any Spark backend.

So far the parts that know neither Spark nor Dagster; nothing in this package runs by itself yet:

- `routing` is the public name of what users script against: command lines (`arguments`), job names
  (`registry`), job configurations (`job_config`, `config_keys`, `job_settings`), and the contract of a job
  and its factory (`job_contract`).
- `days`: local days, their windows in UTC, prefixes, instants. `run_ids` and `paths`: how runs and objects
  are called. `intervals` and `coverage`: what of a day was read and what is missing.
- `documents`: how JSON documents are written and read; of these `transform_manifests`, `filter_manifests`,
  and `adoption` for inputs that somebody else wrote. `inputs` says what a day consists of, `lineage` where
  its rows came from.
- `raw_records`: the rule for one raw line, which the frames of a run follow, on `json_text` and `decryptor`.
  `promotion_rows`: the same for one promotion.
- `quality`: whether the rows of a run are good enough. `metrics`: what a run counted, and how long it took.
- `job_events`: how a run ended, told without secrets (`redaction`); `publishers`: to whom, and the outbox.

The partition is the day in a configurable zone. Not here yet: the Spark frames and the assets.
"""
