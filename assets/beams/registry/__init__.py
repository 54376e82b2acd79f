"""The registry of beams: cases, beams, steps, deliveries, GPUs and their leases, in one SQLite file.

All functions take a `sqlite3.Connection` in autocommit mode (the `ledger` resource opens `beams`) and `now`,
a datetime with a zone. Nothing here reads a clock, opens a file or asks a host: which runs are active and
what `nvidia-smi` said come as values. A process calls `schema.migrate` before anything else.

A scan: `cases.see`, then `wait`, `make_ready` or a `reopening`. A manifest: `begin_manifest`, then
`publish_manifest` or `failing.fail_case`. A beam: `beams.take`; for each step `begin_step`, `end_step`;
`move` and `advance`; `failing.fail_beam`. Its GPUs: `gpus.record`, `leases.acquire`, `heartbeat` every 10 s,
at last `release`. The report: `begin_report`, `complete`.

Transactions of their own, one BEGIN IMMEDIATE each:

    cases              a case from its first sight to the end of its report
    beams              a beam at work; every write shows attempt, run and leases
    failing            the failure of a case or a beam, with its step
    reopening          another attempt: retry, rerun, new fingerprint, by hand, resume
    cancelling         the end that a person asked for
    checks             the gamma check of each delivery
    gpus               the GPUs as they were last seen, and the end of a quarantine
    leases             the right of one run to one GPU, with its fencing token

Joining the caller's transaction:

    moves              the write of a status, after `assets.beams.states` has let it pass
    settling           what its beams make of a case; the one way in which a case fails
    recorded_failures  the root cause once, later failures behind it
    steps              one row for each step and attempt, closed in place
    engine_faults      faults in a row on one GPU (reading)
    standings          how a case stands for the planner of a scan (reading)

Values and rules:

    rows               cases and beams as values, and reading them
    instants           moments as UTC text of one width
    schema             the tables and their migrations (`sql/version_<n>.sql`)

Not here: legal states and progress (`assets.beams.states`, `.progress`), what beams come to together
(`.aggregation`), reading `nvidia-smi` (`.nvidia_smi`), Dagster's runs and partitions, files of cases.
"""
