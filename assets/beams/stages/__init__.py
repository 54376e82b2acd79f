"""The stages of beams: what the assets do, free of Dagster. They join the domain, the registry and resources.

    site              settings, registry, clock and run, which every stage has
    case_manifest     a case is judged, its plan copied, its folders made, its manifest written
    beam_step         what the stages of one beam share: taking it, recording the step, keeping a failure
    spot_csvs         `log_csv`
    tps_files         `tps_input`
    dose              `dose`, by `simulation`, which lists the modules behind it
    rtdose_files      `rtdose`
    delivery_checks   `delivery_check`
    case_reports      `case_report`
    scanning          a tick of the sensor; `orphans` what runs that died left behind

Not here: partitions, checks and metadata (`assets.beams.assets`, `.checks`), Dagster's runs (`.steps`), and
the rules themselves (`assets.beams`).
"""
