"""discovery: things are found once, wherever they appear, and taken through stages within budget.

    jobs file ──► a strategy finds candidates ──► items in the ledger ──► a handler for each stage ──► results

The ledger (`ledger`, an SQLite file) is the truth; everything else reads it or writes to it. What users
configure is one file, `jobs.yaml`. So far there are the parts that are listed here, each by itself; the
engine that joins them, and the assets, are still to come.

- `contract`: what a strategy and a handler get and give. `strategies`: the ways of finding, a module each.
  `handlers`: what is done with an item in one stage, a module each.
- `keys`: what makes a thing the same thing, and digests. `urls`: the same for links.
- `jobs_file`: how the jobs file is read. `job_model` and `job_settings`: its keys and defaults. `job_rules`:
  what holds between jobs. `config_values`: the kinds of values; `yaml_text`: scalars that keep their text;
  `config_problems`: how mistakes are told. `handler_modules`: the handlers, imported, and their versions.
- `web`: what the web is asked through, and its errors as failures. `stage_input`: what handlers read of
  their work.
- `credentials`: what is secret, and how it stays so.
"""
