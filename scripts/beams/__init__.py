"""`python -m scripts.beams scan|status|explain|rerun|cancel|gpus|archive`: cases and beams by hand.

    __main__     the command line: options, exit codes, what goes to which stream
    desk         what a command works with: settings, resources, registry, Dagster instance, clock

One module for each command, with its options, its work and how its answer looks to people:

    scan         one tick of the sensor by hand, which launches nothing
    explain      what cases come to, and what is next
    status       every case and beam of the registry
    rerun        another attempt of a case or a beam
    cancel       the end of a case that a person asks for
    gpus         the GPUs of the compute host, and who holds them
    archive      the end of cases whose input is gone

And what `scripts/beam_watcher.py` is made of, the loop that runs without a person:

    sensor_loop  Dagster's daemon and what comes from it
    drain        how the loop ends

Exit 0 when done, 1 when the work failed or was refused, 2 for wrong usage, an unknown or unsafe key, or a
wrong setting. With `--json` standard output is one JSON document; everything else goes to standard error.

Not here: rules of the domain (`assets/beams`).
"""
