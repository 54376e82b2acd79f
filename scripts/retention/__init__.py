"""`python -m scripts.retention`: old history and old files go, what anything still stands on stays.

    __main__       the command line: options, exit codes, what people and programs are told
    sweep          one pass over all of it, as a rehearsal or in earnest
    past_runs      which runs of the Dagster instance may go, and why each of the others stays. Pure
    history        the instance's tables: what its runs hold, and how runs are taken out
    compute_logs   what steps and ticks printed
    work_folders   what killed runs left in Quintet's work folder
    dwh_folders    the run folders of dwh that no pointer and no manifest leads to any more

Without `--yes` nothing is changed. A pass that is killed leaves nothing inconsistent: what a run holds goes
before the run itself, so the next pass finds the rest.

Not here: ticks of sensors and schedules (`retention:` in the instance file), the events of discovery's ledger
(`inv jobs.export --prune`), cases of beams (`python -m scripts.beams archive`).
"""
