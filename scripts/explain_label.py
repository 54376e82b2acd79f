#!/usr/bin/env python3
"""Tell how one label came about: `explain_label.py --at 2025-10-15T09:00:00-05:00 --mode low_vol_long`.

Reads the published training table only. Exit 0 when told, 2 for a time or mode that has no label.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import polars as pl

from assets.market.explanation import explain_label, month_of
from assets.market.months import BUCKET, training_table_key
from assets.market.published import DECAY_KEY, table_metadata
from resources.deployments import resources_for
from resources.object_store import ObjectStore


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="explain_label.py", description="How one label came about.", allow_abbrev=False
    )
    parser.add_argument("--at", required=True, help="a second with its UTC offset: 2025-10-15T09:00:00-05:00")
    parser.add_argument("--mode", required=True, help="the bracket, for example low_vol_long")
    options = parser.parse_args(arguments)
    store = cast("ObjectStore", resources_for()["object_store"])
    try:
        lines = _explain(store, options.at, options.mode)
    except ValueError as error:
        print(f"explain_label: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


def _explain(store: ObjectStore, text: str, mode: str) -> list[str]:
    at = datetime.fromisoformat(text)
    month = month_of(at)
    metadata = table_metadata(store, training_table_key(month))
    if metadata is None:
        raise ValueError(f"{text} has no row: no training table of {month} has been published")
    source = store.scan_source(BUCKET, training_table_key(month))
    table = pl.scan_parquet(source.uri, storage_options=source.storage_options, glob=False)
    return explain_label(table, metadata[DECAY_KEY], at, mode)


if __name__ == "__main__":
    sys.exit(main())
