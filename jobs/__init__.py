"""What can be launched by name: one module per pipeline with its asset jobs and schedules.

A job is a selection of assets, named `<verb>_<noun>`; a schedule is stopped until someone starts it. Those of
`discovery` are made from its jobs file, two for each job there, so their names begin with `discovery_<job>`.

Of all pipelines together: `failed_partitions` is the standing check that no partition is left failed, with
its job and schedule; `run_failures` says why a run failed.

Not here: what the assets do (`assets`), what reacts to files and failures (`sensors`).
"""
