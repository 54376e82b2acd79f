"""The doctor: the standing examination of the ledger, its jobs and the disk that it lies on.

    examination ──► case (ledger, jobs, time, surroundings) ──► checks ──► findings

- `examination`: `examine` runs all checks and writes nothing, `fix` puts right what is safe to.
- `findings`: what a check finds: its id, how bad it is, the evidence, the next command. `wording`: amounts,
  times and examples as evidence names them.
- `case`: what is examined. `standing_jobs`: the jobs of the jobs file, with those whose handler is broken.
- `surroundings`: what only the caller can know: files, environment, processes, Dagster.

Checks, one function for each id, by subject:

    lost_work           leases that nobody ends, stages that nobody can work on
    inconsistent_rows   stages and results that do not fit the jobs file or each other
    money               limits reached, calls without a price, forgotten reservations
    sources             discoveries that are late or suspicious, links that are one thing twice
    repeated_failures   the same error again and again, retries, a backlog that grows
    machinery           limiters, clocks, what Dagster has been told
    storage             the file: intact, of this version, on a good disk with room
    leaked_secrets      credentials that got into the ledger

Not here: what a run puts right by itself (`ledger.reconciliation`, which `fix` calls), and how findings are
shown (the command line).
"""
