"""The command line of discovery: `inv jobs.<verb>` at the root of the repository.

    commands ──► verbs.<subject> ──► Answer ──► one JSON document, or views.<subject> for people

- `commands`: every verb with its options, as Invoke reads them. `options`: what several verbs share.
- `scripts.terminal`: answers and exit codes, tables, standard output.
- `conduct`: one command from start to end: exit codes, errors as sentences, what goes to which stream.
- `workplace`: what a command works with: jobs, handlers, resources, the ledger to read or to write.
- `selection`: jobs, stages and numbers by what a person typed. `moments`: times likewise.
- `verbs`: what is done, a module per subject; each returns an `Answer`, the JSON document.
- `views`: how a document looks to people, in modules and functions of the same names. `amounts`: amounts
  and times in them. `output`: what is told beside an answer, and answers that come bit by bit.
- `interruption`: SIGINT and SIGTERM. `dagster_runs`: what the Dagster instance of this machine knows.

Exit codes: 0 done, 1 work failed, 2 wrong usage or configuration, 3 paused or over budget. Not here: what the
verbs do, which is the engine's, the ledger's, the readers' and the doctor's (`assets.discovery`).
"""
