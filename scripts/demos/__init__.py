"""The demos, one module per pipeline: each makes sample input, runs the pipeline and shows what came out.

A module has one function, `demonstrate`, which gives the steps that it ran. `steps` runs and times commands.
`python -m scripts.demo` calls them.
"""
