"""The engine of discovery: one job's run, from the source to the last stage that may be done now.

    run_job ── discovering: a strategy's candidates into the ledger
       └────── draining: claims, attempts, ends, until nothing is claimable

- `run`: `run_job`, the entry of everybody (Dagster, the command line, tests), and the modes.
- `context`: what a run is asked and what it answers. `registry`: what it uses.
- `discovering`: taking what a source shows into the ledger. `reading`: reading it, batch by batch.
- `draining`: the loop of a drain; `drain_plans`: what it is given. `attempts`: one handler at work;
  `handler_loop`: where those that await are. `ends`: what they came to. `leases`: the heartbeat beside them.
  `pacer`: the rates that stages keep; `turns`: waiting for them. `payloads`: results in the row, or in a
  file of their own.
- `trial`: a test, on a scratch ledger. `forecast`: a dry run.

One worker path serves all jobs and modes. The engine knows the ledger's functions and no table of it, the
resources only in the shapes of `registry`, and nothing of Dagster.
"""
