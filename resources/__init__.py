"""One module per external system: the handle that assets are given, and its variants.

    home            where Quintet keeps things on this machine (QUINTET_HOME)
    deployments     which variant each deployment gets, and the variables that choose another
    object_store    objects in buckets: a directory, S3, GCS
    spark           Spark sessions: Sail in a child process, Java, Spark Connect
    compute         where a job runs: here, in a process, on Glue, EMR, Databricks, in a container
    compute_host    files, commands and detached jobs of a machine: this one, one behind SSH
    dose_engine     Monte Carlo engines for protons: MCsquare here, moqui on GPUs
    ledger          SQLite databases that keep the state of work
    http            documents of the web, politely and within limits; recordings of it
    notifier        messages to people: the log, a recording, a webhook, SNS
    warehouse       GoogleSQL over tables: a DuckDB file, BigQuery
    waves           tyre recommendations: the embedded ranker, the service over HTTP
    google_answers  the errors that all clients of Google have in common

What belongs here: connections, credentials, time-outs, retries, and one clear sentence when a system fails.
What does not: what the data mean (assets), when something runs (sensors, jobs).
"""
