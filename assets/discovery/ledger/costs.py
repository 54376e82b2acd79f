"""What was spent and what is reserved: rows of one table, in whole micro-USD, summed and never counted.

A row belongs to the local day of its job at the time when it is written. The functions here join the
caller's transaction. Not here: what a limit refuses (`budgets`).
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from assets.discovery.ledger import events
from assets.discovery.ledger.events import Subject


@dataclass(frozen=True, slots=True)
class Cost:
    """One thing that a handler paid for; `micros=None` says that its price is unknown."""

    micros: int | None
    provider: str = ""
    model: str = ""
    units: Mapping[str, object] = field(default_factory=dict)
    price_list: str | None = None


@dataclass(frozen=True, slots=True)
class Spender:
    """Who pays: a job's item and stage, and the attempt. Test runs pay from the same purse."""

    job_id: str
    item_id: int | None = None
    stage: str | None = None
    attempt_id: int | None = None
    mode: Literal["production", "test"] = "production"


class Totals(NamedTuple):
    """Spent and reserved micros."""

    spent: int
    reserved: int


def local_day(now: int, zone: str) -> date:
    """The calendar day of the instant `now` in the time zone."""
    return datetime.fromtimestamp(now / 1000, tz=UTC).astimezone(ZoneInfo(zone)).date()


def midnight(day: date, zone: str) -> int:
    """The instant at which the day begins in the time zone, in milliseconds UTC."""
    return round(datetime.combine(day, time(), ZoneInfo(zone)).timestamp() * 1000)


def next_day(now: int, zone: str) -> int:
    """When the next local day begins."""
    return midnight(local_day(now, zone) + timedelta(days=1), zone)


def next_month(now: int, zone: str) -> int:
    """When the next local month begins."""
    return midnight((local_day(now, zone).replace(day=1) + timedelta(days=32)).replace(day=1), zone)


def reserve(
    connection: sqlite3.Connection, spender: Spender, micros: int, zone: str, now: int, expires_at: int
) -> int:
    """Hold an estimate for an attempt; return the row's id."""
    (row,) = connection.execute(
        "INSERT INTO costs (at, day_local, job_id, item_id, stage, attempt_id, mode, state, micros, "
        "expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, 'reserved', ?, ?) RETURNING id",
        (
            now,
            local_day(now, zone).isoformat(),
            spender.job_id,
            spender.item_id,
            spender.stage,
            spender.attempt_id,
            spender.mode,
            micros,
            expires_at,
        ),
    ).fetchone()
    return row


def release(connection: sqlite3.Connection, attempt_id: int, job_id: str, reserved_at: int) -> int:
    """Let go of what an attempt had reserved; return how many rows. `reserved_at` finds them by index."""
    days = [(local_day(reserved_at, "UTC") + timedelta(days=n)).isoformat() for n in (-1, 1)]
    return connection.execute(
        "UPDATE costs SET state = 'released' WHERE day_local BETWEEN ? AND ? AND job_id = ? "
        "AND attempt_id = ? AND state = 'reserved'",
        (*days, job_id, attempt_id),
    ).rowcount


def release_expired(connection: sqlite3.Connection, now: int) -> int:
    """Let go of reservations that nobody settled in time; those of a running attempt stay."""
    return connection.execute(
        "UPDATE costs SET state = 'released' WHERE state = 'reserved' AND expires_at <= ? AND NOT EXISTS "
        "(SELECT 1 FROM attempts a WHERE a.id = costs.attempt_id AND a.outcome IS NULL)",
        (now,),
    ).rowcount


def has_expired(connection: sqlite3.Connection, now: int) -> bool:
    """Whether any reservation is past its time. It reads the whole table, so ask outside of a transaction."""
    query = "SELECT 1 FROM costs WHERE state = 'reserved' AND expires_at <= ? LIMIT 1"
    return connection.execute(query, (now,)).fetchone() is not None


def settle(
    connection: sqlite3.Connection, spender: Spender, costs: Sequence[Cost], zone: str, now: int
) -> int:
    """Write what was really spent, one row each; return the micros. An unknown price also writes an event."""
    day = local_day(now, zone).isoformat()
    for cost in costs:
        connection.execute(
            "INSERT INTO costs (at, day_local, job_id, item_id, stage, attempt_id, mode, state, provider, "
            "model, units_json, micros, price_list) VALUES (?, ?, ?, ?, ?, ?, ?, 'settled', ?, ?, ?, ?, ?)",
            (
                now,
                day,
                spender.job_id,
                spender.item_id,
                spender.stage,
                spender.attempt_id,
                spender.mode,
                cost.provider,
                cost.model,
                json.dumps(dict(cost.units), sort_keys=True),
                cost.micros,
                cost.price_list,
            ),
        )
        if cost.micros is None:
            subject = Subject(spender.job_id, spender.item_id, spender.stage)
            names = {"provider": cost.provider, "model": cost.model}
            events.write(connection, "unpriced", subject, now, names, "warn")
    return sum(cost.micros or 0 for cost in costs)


def job_totals(connection: sqlite3.Connection, job_id: str, first: date, last: date) -> Totals:
    """What a job spent and holds on its local days from `first` to `last`, both included."""
    return Totals(
        *connection.execute(
            "SELECT coalesce(sum(micros) FILTER (WHERE state = 'settled'), 0), "
            "coalesce(sum(micros) FILTER (WHERE state = 'reserved'), 0) "
            "FROM costs WHERE day_local BETWEEN ? AND ? AND job_id = ?",
            (first.isoformat(), last.isoformat(), job_id),
        ).fetchone()
    )


def overall_totals(connection: sqlite3.Connection, now: int) -> Totals:
    """What all jobs spent and hold on the day of `now` in UTC, the only day that they share."""
    day = local_day(now, "UTC")
    return Totals(
        *connection.execute(
            "SELECT coalesce(sum(micros) FILTER (WHERE state = 'settled'), 0), "
            "coalesce(sum(micros) FILTER (WHERE state = 'reserved'), 0) "
            "FROM costs WHERE day_local BETWEEN ? AND ? AND at >= ? AND at < ?",
            (
                (day - timedelta(days=1)).isoformat(),  # Local days reach one day to both sides.
                (day + timedelta(days=1)).isoformat(),
                midnight(day, "UTC"),
                next_day(now, "UTC"),
            ),
        ).fetchone()
    )


def item_totals(connection: sqlite3.Connection, item_id: int) -> Totals:
    """What an item has spent and holds, over all time. It reads the whole table."""
    return Totals(
        *connection.execute(
            "SELECT coalesce(sum(micros) FILTER (WHERE state = 'settled'), 0), "
            "coalesce(sum(micros) FILTER (WHERE state = 'reserved'), 0) FROM costs WHERE item_id = ?",
            (item_id,),
        ).fetchone()
    )


def forecast(connection: sqlite3.Connection, job_id: str, stage: str) -> int:
    """The median of the last 20 attempts' costs of a stage; 0 without any."""
    query = (
        "SELECT sum(micros) FROM costs WHERE job_id = ? AND stage = ? AND state = 'settled' "
        "AND micros IS NOT NULL GROUP BY coalesce(attempt_id, -id) ORDER BY max(id) DESC LIMIT 20"
    )
    amounts = sorted(micros for (micros,) in connection.execute(query, (job_id, stage)))
    return amounts[len(amounts) // 2] if amounts else 0
