"""What the verbs do, a module per subject: each returns an `Answer` and prints nothing.

- `jobs`: list, status. `runs`: run, test, dry-run.
- `items`: items, show, retry, skip. `pauses`: pause, unpause, wake. `staleness`: stale, reprocess.
- `records`: costs, events. `upkeep`: doctor, migrate, export, report.

Verbs that change something need a job of the jobs file, and make the ledger where there is none; those that
only look also know the jobs that left the file.
"""
