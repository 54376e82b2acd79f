"""The predecessor's factory modules: each has a `main(**kwargs)` that runs one job and returns its metrics.

A module per job of the registry, each a line over `scripts.dwh_runs`. Not here: the entries that call them
(`scripts.dwh_entry`), and the factories as Python objects (`assets.dwh.stages.jobs`).
"""
