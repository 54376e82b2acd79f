"""Vendor files of the market pipeline: one zstd-compressed DBN file of 1-second bars per month.

`vendor_file` makes one in memory for tests and benchmarks; the command writes them where the `local`
deployment's object store looks for them. A month's bytes depend on month, size and seed, and on nothing else.

Not here: what the bars look like (`market_bars`) and the file format (`dbn_writer`).
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from assets.market.months import BUCKET, FIRST_MONTH, Month, months_between, raw_key
from resources.home import quintet_home
from scripts.sample_data.arguments import whole_number
from scripts.sample_data.dbn_writer import compress, encode
from scripts.sample_data.market_bars import Size, month_records
from scripts.sample_data.market_contracts import mappings_of
from scripts.sample_data.market_hours import utc_bounds
from scripts.whole_file import whole_file

SUMMARY: Final = "vendor files of 1-second E-mini bars, one per month"

_DEFAULT_MONTH: Final = Month(2025, 10)
_NANOSECONDS: Final = 1_000_000_000


def vendor_file(month: str, *, size: Size = "small", seed: int = 0) -> bytes:
    """Return the vendor file of a month `YYYY-MM`, as it would be downloaded.

    `full` has as many records as the real market, about a million in most months. `small` has the same
    sessions, contracts, price walk and roll, but trades in every tenth second or so, and stays below 1.5 MB.

    Raises ValueError for a month that is malformed or before 2010-07, and for a negative seed.
    """
    parsed = _sample_month(month)
    return _encoded(parsed, month_records(parsed, size=size, seed=seed))


def register(parser: argparse.ArgumentParser) -> None:
    """Give the sub-command its arguments and its `run`."""
    parser.description = f"Write {SUMMARY}. A bound that is not given equals the other one."
    parser.add_argument("--start", type=_month_argument, metavar="YYYY-MM", help="first month of a range")
    parser.add_argument(
        "--end", type=_month_argument, metavar="YYYY-MM", help="last month of a range, included"
    )
    parser.add_argument(
        "--month",
        type=_month_argument,
        metavar="YYYY-MM",
        action="append",
        help=f"one month instead of a range, repeatable (default: {_DEFAULT_MONTH})",
    )
    parser.add_argument("--size", choices=["full", "small"], default="small", help="records (default: small)")
    parser.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="another market (default: 0)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"folder that stands for the bucket (default: $QUINTET_HOME/storage/{BUCKET})",
    )
    parser.set_defaults(run=lambda arguments: _write_months(arguments, _months(arguments, parser)))


def _months(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Month]:
    if arguments.month:
        if arguments.start or arguments.end:
            parser.error("--month stands for itself; leave out --start and --end")
        return sorted(set(arguments.month))
    start = arguments.start or arguments.end or _DEFAULT_MONTH
    end = arguments.end or start
    if start > end:
        parser.error(f"--start {start} lies after --end {end}; exchange the two")
    return list(months_between(start, end))


def _write_months(arguments: argparse.Namespace, months: list[Month]) -> int:
    """Write the months one by one; one that fails does not stop the others. Returns the exit code."""
    bucket: Path = arguments.out or quintet_home() / "storage" / BUCKET
    exit_code = 0
    for month in months:
        path = bucket / raw_key(str(month))
        began = time.perf_counter()
        records = month_records(month, size=arguments.size, seed=arguments.seed)
        data = _encoded(month, records)
        try:
            with whole_file(path) as unfinished:
                unfinished.write_bytes(data)
        except OSError as error:
            print(f"{path}: not written ({error}); choose another folder with --out", file=sys.stderr)
            exit_code = 1
            continue
        seconds = time.perf_counter() - began
        print(f"{path}: {len(records):,} records, {len(data):,} bytes, {seconds:.1f} s", flush=True)
    return exit_code


def _encoded(month: Month, records: np.ndarray) -> bytes:
    start, end = (second * _NANOSECONDS for second in utc_bounds(month))
    return compress(encode(records, mappings_of(month), start=start, end=end))


def _sample_month(text: str) -> Month:
    month = Month.parse(text)
    if month < Month.parse(FIRST_MONTH):
        raise ValueError(f"{month} lies before {FIRST_MONTH}, the market's first month; ask for a later one")
    return month


def _month_argument(text: str) -> Month:
    try:
        return _sample_month(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
