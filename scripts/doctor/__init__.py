"""`python -m scripts.doctor`: what of a deployment is configured, reachable and writable, and what to do.

    __main__        the command line, and which probes there are
    findings        Finding: ok, warning or problem, of what, and the remedy; errors as sentences
    probing         probes beside each other, each with a time limit; what one raises is a finding
    installation    the deployment that is looked at: its resources, and who needs which
    machine         Python, the locked packages, folders of this machine
    instance        the Dagster instance: file, storage, daemon
    pipelines       the settings of each pipeline
    buckets         the places in the object store that pipelines read and write
    warehouses      the tables' engine, and the datasets
    engines         Spark, and the platform of dwh jobs
    hosts           the machine of the dose engine, its GPUs, the engine
    services        the recommendation service, alerts, who we are on the web
    ledgers         the SQLite files
    view            the table

What belongs here: asking. What does not: what a variable may be and what its sentence is (the resource or the
pipeline that reads it), the state of runs and items (`inv jobs.doctor`, `scripts.beams status`).
"""
