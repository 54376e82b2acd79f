"""What Quintet produces: one package per pipeline, and the few modules that all pipelines share.

Pipelines:

- `market`: a labelled, featured training table of 1-second bars, one file per month.
- `aim`: ranked tyre recommendations per vehicle and size, in nine stages, one run per run date.
- `dwh`: a day's image usage, one row per picture, on any Spark backend.
- `discovery`: things found once, wherever they appear, and taken through stages within budget.
- `beams`: an independent dose check of delivered proton beams. So far its domain: no asset of it exists yet.

Inside a pipeline, `assets.py` holds the assets, `checks.py` the claims about them, `partitions.py` the
partition definitions, and every other module a part of the domain, free of Dagster. Where a command line
runs the same work without Dagster, `stages/` joins domain and resources, and `steps.py` shows the stages to
Dagster.

Shared by all pipelines:

- `failures`: the three kinds of failure: transient, permanent, not ready.
- `retries`: the one translation of those kinds into Dagster's retries.
- `recording`: one materialisation per finished key, also when a run covers many; progress lines.
- `parallel`: a function over many keys, in processes of this machine.
- `transactions`, `migrations`: SQLite ledgers: one writer at a time, schemas that only go forward.
- `pictures`: a drawing as markdown for metadata, within a size cap.

Not here: clients of other systems (`resources`), what starts a run (`sensors`, `jobs`), the wiring
(`definitions.py`). Pipelines do not import each other.
"""
