"""The demos, one module per pipeline: each makes sample input, runs the pipeline and shows what came out.

A module has a `TITLE` and one function, `demonstrate`, which gives the table that it ends in. `steps` says
where the demo is, and runs commands. `python -m scripts.demo` calls them.
"""
