"""`costs`: what was spent and is reserved, summed by job, model, stage or day, in micro-USD."""

import sqlite3
from collections.abc import Mapping
from datetime import date
from typing import Final, Literal, TypedDict

Grouping = Literal["job", "model", "stage", "day"]

NOT_NAMED: Final = "-"
"""The group of costs whose model or stage is not known, such as reservations by model."""

_COLUMNS: Final[Mapping[Grouping, str]] = {
    "job": "job_id",
    "model": "model",
    "stage": "stage",
    "day": "day_local",
}


class CostRow(TypedDict):
    """One group. `calls` are those that were paid for, `unpriced` those of them without a known price."""

    group: str
    micros: int
    reserved_micros: int
    calls: int
    unpriced: int


class CostReport(TypedDict):
    """The document of `costs`. The total is what was spent, without reservations."""

    rows: list[CostRow]
    total_micros: int


def cost_report(
    connection: sqlite3.Connection,
    by: Grouping = "job",
    *,
    job_id: str | None = None,
    day: date | None = None,
) -> CostReport:
    """The document of `costs`, of all jobs or one, of all days or one local day of each job; test runs count.

    Days come in their order, other groups with the dearest first.
    """
    order = "1" if by == "day" else "2 DESC, 1"
    rows = connection.execute(
        f"SELECT coalesce(nullif({_COLUMNS[by]}, ''), ?), "  # noqa: S608 - a name of the schema
        "coalesce(sum(micros) FILTER (WHERE state = 'settled'), 0), "
        "coalesce(sum(micros) FILTER (WHERE state = 'reserved'), 0), "
        "count(*) FILTER (WHERE state = 'settled'), "
        "count(*) FILTER (WHERE state = 'settled' AND micros IS NULL) FROM costs "
        "WHERE state <> 'released' AND day_local BETWEEN ? AND ? AND (? IS NULL OR job_id = ?) "
        f"GROUP BY 1 ORDER BY {order}",
        (
            NOT_NAMED,
            day.isoformat() if day else "0000-00-00",
            day.isoformat() if day else "9999-99-99",
            job_id,
            job_id,
        ),
    )
    found = [
        CostRow(group=group, micros=micros, reserved_micros=reserved, calls=calls, unpriced=unpriced)
        for group, micros, reserved, calls, unpriced in rows
    ]
    return {"rows": found, "total_micros": sum(row["micros"] for row in found)}
