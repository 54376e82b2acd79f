"""dwh: a day's image usage, deduplicated, on any Spark backend.

    raw_images ──► transformed_images ──► filtered_images          promotion extracts ──► promotions
    (observed)     a run folder per run   pointer per day                                 one merge

The partition is the local day (`partitions`). Assets and launch configs are in `assets`, checks in `checks`,
the step that runs a job here or on a platform in `steps`; sensors in `sensors.dwh`, jobs in `jobs.dwh`, the
resources are `spark`, `compute`, `object_store` and `warehouse`. `stages` joins the rules with resources and
knows no Dagster: what a step and an entry on a platform (`scripts.dwh_entry`) both run. `frames` are the
rules for whole runs, as PySpark frames. `sql` is the merge of the promotions.

The other modules are the rules themselves, which know neither Spark nor Dagster:

- `routing` is the public name of what users script against: command lines (`arguments`), job names
  (`registry`), job configurations (`job_config`, `config_keys`, `job_settings`), and the contract of a job
  and its factory (`job_contract`).
- `days`: local days, their windows in UTC, prefixes, instants. `run_ids` and `paths`: how runs and objects
  are called. `intervals` and `coverage`: what of a day was read and what is missing.
- `documents`: how JSON documents are written and read; of these `transform_manifests`, `filter_manifests`,
  and `adoption` for inputs that somebody else wrote. `inputs` says what a day consists of, `lineage` where
  its rows came from.
- `raw_records`: the rule for one raw line, on `json_text` and `decryptor`. `promotion_rows`: the same for one
  promotion; `promotion_tables`: the columns of its table.
- `quality`: whether the rows of a run are good enough. `metrics`: what a run counted, and how long it took.
  `reports`: what a run shows of itself; `pictures`: the day, drawn.
- `job_events`: how a run ended, told without secrets (`redaction`); `publishers`: to whom, and the outbox.
"""
