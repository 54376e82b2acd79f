"""Whether two outputs of a day hold the same rows, whatever their files and their order.

Not here: what the rows are (`assets.dwh.frames.schemas`).
"""

from pathlib import Path
from typing import NamedTuple

import duckdb

from assets.dwh.frames.schemas import FILTERED_COLUMNS


class Fingerprint(NamedTuple):
    """What outputs of equal rows have in common."""

    rows: int
    digest: str
    """The sum of a 64-bit hash of each row, so a row that comes twice counts twice."""


def fingerprint(folder: Path) -> Fingerprint:
    """Read all parquet files of a folder."""
    with duckdb.connect() as connection:
        # The names of the folders above look like columns of the rows, and would take their place.
        rows = connection.read_parquet(f"{folder}/*.parquet", hive_partitioning=False)
        columns = ", ".join(f'"{name}"' for name in FILTERED_COLUMNS)
        found = rows.aggregate(f"count(*), coalesce(sum(hash({columns})::HUGEINT), 0)::VARCHAR").fetchone()
    if found is None:
        raise ValueError(f"{folder} cannot be read")
    return Fingerprint(*found)
