"""Publishing: publishable rows as the lists that go out, and the guard before them.

Not here: which answers are publishable (`results`), how tables change (`sql/publish_lists.sql` and
`sql/merge_cam_sku.sql`), and the files themselves.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from assets.aim.cams import cam_identities
from assets.aim.results import ROW_SCHEMA
from assets.aim.settings import WriteDisposition
from assets.aim.sizes import size_keys
from assets.aim.slots import EMPTY, SLOTS

PUBLISHING_SCRIPTS: Final[Mapping[WriteDisposition, tuple[str, ...]]] = {
    "WRITE_TRUNCATE": ("clear_lists", "publish_lists"),
    "WRITE_APPEND": ("publish_lists",),
    # The table has no rows, or the run would have ended before it asked for a list.
    "WRITE_EMPTY": ("publish_lists",),
}
"""The files of `sql/` that bring the lists in line, in order, to be run in one transaction."""

_LONDON: Final = ZoneInfo("Europe/London")
_HOUR_OF_RUNS: Final = time(6)
_PLACES: Final = range(1, len(SLOTS) + 1)


def last_modified(run_date: date) -> datetime:
    """The moment that a run date stands for, 06:00 in London, in UTC: the same for every run of that date."""
    return datetime.combine(run_date, _HOUR_OF_RUNS, _LONDON).astimezone(UTC)


def publish_refusal(attempted: int, succeeded: int, limit: float, failures: Mapping[str, int]) -> str | None:
    """Why a run may not publish, as a sentence; None where it may.

    Args:
        attempted: CAMs of the run.
        succeeded: those with a publishable row.
        limit: the least `succeeded / attempted` that publishes, `AIM_MIN_SUCCESS_RATIO`.
        failures: how many failed, by error code.
    """
    if not attempted:
        return (
            "The run published nothing: it had no CAM to ask for; check the runlist and AIM_LIMIT_SEGMENTS."
        )
    # A division rounds once, as the reading of the limit does: 8 of 10 is the same number as 0.8.
    if succeeded and succeeded / attempted >= limit:
        return None
    # Cut, not rounded: 7,999 of 10,000 must not read as the limit that it missed.
    ratio = succeeded * 10_000 // attempted / 10_000
    frequent_first = sorted(failures.items(), key=lambda failure: (-failure[1], failure[0]))
    counts = ", ".join(f"{code}: {count}" for code, count in frequent_first)
    return (
        f"The run published nothing: {succeeded} of {attempted} CAMs have a list that may be shown, a ratio "
        f"of {ratio}, and only one above 0 and of at least {limit} (AIM_MIN_SUCCESS_RATIO) is published"
        f"{f' ({counts})' if counts else ''}; the lists stay as they were, see to the recommendation service "
        "and run the date again."
    )


def staged_lists(rows: pl.DataFrame) -> pl.DataFrame:
    """Publishable rows, in runlist order, as the working table that the SQL of publishing reads.

    Besides the rows, it holds what SQL cannot say: the position from 1, the vehicle key, the size key and its
    three parts (where Size holds no size its folded text, and nulls), and the ids of the 24 slots without
    gaps, then nulls.
    """
    # A column, not an expression: the 24 columns below would each filter anew, 1 s for 10,000 rows.
    ids = pl.concat_list(SLOTS).list.filter(pl.element() != EMPTY).alias("ids")
    keys = size_keys(rows["Size"])
    keyed = rows.hstack(keys).hstack(cam_identities(rows, keys["size_key"])).with_columns(ids)
    return keyed.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("position"),
        *ROW_SCHEMA,
        "vehicle_key",
        "size_identity",
        "Width",
        "Profile",
        "Rim",
        *(pl.col("ids").list.get(at - 1, null_on_oob=True).alias(f"cam_sku_{at}") for at in _PLACES),
    )


def results_csv(rows: pl.DataFrame) -> bytes:
    """Publishable rows as `results_<run_id>.csv`: the columns of AIMData, `-` for an empty slot."""
    return rows.select(*ROW_SCHEMA).write_csv().encode()


def cam_sku_csv(rows: pl.DataFrame, moment: datetime) -> bytes:
    """Publishable rows as `cam_sku_<run_id>.csv`: empty slots are blank, then the moment, ISO 8601 in UTC."""
    modified = moment.astimezone(UTC).isoformat(timespec="seconds")
    blank = pl.col(SLOTS).replace(EMPTY, None)
    return (
        rows.select(*ROW_SCHEMA)
        .with_columns(blank, pl.lit(modified).alias("last_modified"))
        .write_csv()
        .encode()
    )
