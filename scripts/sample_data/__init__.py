"""Realistic, deterministic inputs for every pipeline: `python -m scripts.sample_data <pipeline>`.

- `__main__`: the command; one sub-command per pipeline
- `market`: the market's vendor files, one per month; its `vendor_file` serves tests and benchmarks
- `market_hours`: the seconds on which the futures market is open
- `market_contracts`: the contracts that trade in a month, and their rolls
- `market_bars`: prices and volumes of a month, as vendor records
- `dbn_writer`: the vendor's file format, good files and bad ones

A pipeline's module offers the command `SUMMARY`, one line of help, and `register(parser)`, which adds the
arguments and sets `run`: it takes the parsed arguments and returns the exit code.

Not here: readers of these formats (`assets/<pipeline>/`), and anything that a pipeline needs to run.
"""
