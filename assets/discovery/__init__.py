"""discovery: things are found once, wherever they appear, and taken through stages within budget.

    jobs file ──► a strategy finds candidates ──► items in the ledger ──► a handler for each stage ──► results

The ledger (`ledger`, an SQLite file) is the truth; everything else reads it or writes to it. What users
configure is one file, `jobs.yaml`. Dagster mirrors it: per job NAME the assets `discovery/NAME/discovered`
and `discovery/NAME/items`, a partition per item.

In Dagster: `assets`, `partitions` and `checks` are what the web UI shows; `steps` is how a run of them works,
`side_work` keeps it interruptible, `run_facts` and `pictures` are what it tells, `mirroring` what is recorded
of items. `roster` is the jobs file as a process that lives long holds it. Beside: `sensors/discovery`,
`jobs/discovery`, `scripts/discovery_cli`.

The work:

- `contract`: what a strategy and a handler get and give. `strategies`: the ways of finding, a module each.
  `handlers`: what is done with an item in one stage, a module each. `stage_input`: what handlers read of
  their work. `web`: what the web is asked through, and its errors as failures.
- `engine`: one job's run, from the source to the last stage that may be done now. `due`: when it looks again.
- `ledger`: every table and transition. `job_plans`: jobs as the ledger needs them.
- `readers`: what people ask of the ledger. `doctor`: what they should have asked.
- `keys`: what makes a thing the same thing, and digests. `urls`: the same for links. `credentials`: what is
  secret, and how it stays so.

The jobs file:

- `jobs_file`: how it is read. `job_model` and `job_settings`: its keys and defaults. `job_rules`: what holds
  between jobs. `config_values`: the kinds of values; `yaml_text`: scalars that keep their text;
  `config_problems`: how mistakes are told. `handler_modules`: the handlers, imported, and their versions.
"""
