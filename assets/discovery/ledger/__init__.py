"""The ledger of discovery: the truth about every item, stage, attempt, result and cost, in one SQLite file.

All functions take a `sqlite3.Connection` in autocommit mode (the `ledger` resource opens them) and `now`, in
milliseconds UTC. Nothing here reads a clock, opens a file of its own or knows the jobs file: what it needs of
that comes as `plans`.

A run calls `schema.migrate`, `jobs.sync` and `reconciliation.reconcile`; to discover `listings.begin`, then
`items.upsert` for each batch, then `listings.close`; to drain `claims.claim`, before each row is started
`claims.standing`, from a side thread `claims.heartbeat`, and for every claim, whatever became of it, once
`finishing.finish`.

Transactions of their own, one BEGIN IMMEDIATE each:

    jobs            what the jobs file says, and what became of those it dropped; the one word for a job
    alignment       the rows of items beside the stages of the jobs file
    listings        the beginning and end of a discovery: outcome, anomalies, missing and gone items
    items           upserts in batches, with the cursor
    claims          claim, heartbeat, and why something may not start now
    finishing       the end of claims: everything that a result, a failure or a release changes
    reaping         leases that nobody will end
    reconciliation  one pass over all that no worker puts right
    pauses          pause, resume, wake
    by_hand         retry, skip, cancel by a person
    limiters        turns of a rate, shared by all processes
    staleness       what is out of date (reading), and running it again
    stale_items     how many items are out of date, faster (reading)
    previews        what upserts would count and a run would claim (reading)
    copies          items on trial in a ledger of their own, and what that costs
    pruning         removing old events that were exported
    upkeep          what the file wants now and then

Reading only:

    waiting         when the next row falls due, and whether any is claimable
    demand          what a job asks of whoever schedules it
    mirror          which items are done since others were told, and what they may be told
    history         what discoveries found, and how far a run has come

Joining the caller's transaction:

    events          what happened, in a sequence that never goes back
    results         what handlers returned; input and output hashes
    revisions       new content of an item, and content that waits while a stage runs
    costs, budgets  what was spent and reserved; what a limit lets go
    breakers        circuit breakers
    stage_rows      how a stage's row looks after each move

Values and rules:

    plans           a job, its stages, retry, breaker and budget, as plain values
    outcomes        how an attempt may end, as the worker tells it
    transitions     the legal edges between statuses, and who may go them
    owners          who holds a lease, and whether that process still lives
    schema          the tables and their migrations (`sql/version_<n>.sql`)

Not here: handlers and strategies, waiting and threads (the engine), files of big payloads, what people read.
"""
