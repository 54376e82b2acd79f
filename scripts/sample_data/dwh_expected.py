"""What a reader should find in the raw objects of the dwh samples, known from the plan of their records.

Nothing here reads a line, so a pipeline that agrees has read them right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from assets.dwh.days import INTERVAL_MINUTES
from assets.dwh.paths import Category
from scripts.sample_data.dwh_records import KINDS, TIMEZONE, Records, records_of
from scripts.sample_data.dwh_variants import DROPPED, PROCESSORS


@dataclass(frozen=True, slots=True)
class Expected:
    """Counts of records, by the rules of `transformed_images` and `filtered_images`.

    `dropped` has every reason that occurs, `rows` is by category and row day. Of a row day, `keys` is how
    many different media ids it has, `null_keys` how many rows have none. `gaps` are half open and in UTC, in
    order of time.
    """

    read: int
    dropped: Mapping[str, int]
    rows: Mapping[tuple[Category, date], int]
    keys: Mapping[date, int]
    null_keys: Mapping[date, int]
    gaps: tuple[tuple[datetime, datetime], ...]

    @property
    def written(self) -> int:
        """The records that are not dropped."""
        return sum(self.rows.values())


def expected(day: date, rows: int, seed: int = 0, days: int = 1) -> Expected:
    """What is in the raw objects of local days that follow one another, each with `rows` records."""
    return expected_of(*(records_of(day + timedelta(days=after), rows, seed) for after in range(days)))


def expected_of(*days: Records) -> Expected:
    """What is in these records of days that follow one another."""
    kinds = sum(
        (np.bincount(records.kind, minlength=len(KINDS)) for records in days), np.zeros(len(KINDS), int)
    )
    dropped: dict[str, int] = dict.fromkeys(DROPPED, 0)
    for kind, count in zip(KINDS, kinds.tolist(), strict=True):
        if kind.reason is not None:
            dropped[kind.reason] += count
    kept = pl.concat(_kept(records) for records in days)
    rows = kept.group_by("nautilus", "day").len().sort("nautilus", "day")
    named, unnamed = kept.filter(pl.col("media") >= 0), kept.filter(pl.col("media") < 0)
    return Expected(
        read=int(kinds.sum()),
        dropped={reason: count for reason, count in dropped.items() if count},
        rows={("nautilus" if is_one else "savedproject", day): n for is_one, day, n in rows.iter_rows()},
        keys=dict(named.group_by("day").agg(pl.n_unique("media")).sort("day").iter_rows()),
        null_keys=dict(unnamed.group_by("day").len().sort("day").iter_rows()),
        gaps=tuple(gap for records in days for gap in _gaps(records)),
    )


def _kept(records: Records) -> pl.DataFrame:
    """Category, row day and media of the records that are not dropped."""
    kept = np.array([kind.reason is None for kind in KINDS])[records.kind]
    updated = pl.Series(records.updated[kept]).cast(pl.Datetime("us", "UTC"))
    nautilus = np.array([processor.nautilus for processor in PROCESSORS])
    return pl.DataFrame(
        {
            "nautilus": nautilus[records.processor[kept]],
            "day": updated.dt.convert_time_zone(TIMEZONE).dt.date(),
            "media": records.media[kept],
        }
    )


def _gaps(records: Records) -> list[tuple[datetime, datetime]]:
    """Prefixes without data; those that follow one another are one gap."""
    gaps: list[tuple[datetime, datetime]] = []
    for slot in sorted([*records.slots.missing, records.slots.empty]):
        begin = records.slots.begins[slot]
        end = begin + timedelta(minutes=INTERVAL_MINUTES)
        gaps.append((gaps.pop()[0] if gaps and gaps[-1][1] == begin else begin, end))
    return gaps
