"""What people read of the ledger: pure functions over a read-only connection, and `now` in milliseconds UTC.

Nothing here writes, reads a clock or opens a file. What is a JSON document on the command line comes as plain
values in exactly that shape; every text in it has passed the redaction of `credentials`.

    jobs_today      a job as its readers need it: plan, schedule, limiters; `list`; jobs that left the file
    job_status      `status`: the one word for a job and why, items and stages by status, stale, next wake
    job_figures     how a job does: throughput, durations, waits, retries, cost, time left
    item_list       `items`; finding an item by what a person calls it
    item_story      `show`: an item with everything that happened to it
    standstill      why an item does not move: one code and one sentence
    stale_plan      `stale`: what is out of date, why, and what running it again would cost
    cost_report     `costs`
    event_log       `events`
    export          `export`: everything of a job as JSON lines
    report          the static page of all jobs
    failure_kinds   the failed stages of a job, counted by kind
    error_messages  failures as kinds, for counting
    shown_rows      rows as people may see them
    instants        times and spans as people read them
    absent_ledger   an empty ledger, for who reads before the first run

Not here: what the ledger itself asks of its tables (`ledger`), the verbs and how they print (the command
line), the standing examination (`doctor`).
"""
