"""Rates per named limiter, shared by all processes: who may call now, and how long the others wait.

Each rate is kept as the instant at which its bucket will be full again (microseconds, for 3 calls a second
are 333.3 ms apart), which is a token bucket in one number. Taking a turn moves that instant, so whoever asks
first goes first. Not here: the waiting itself, which holds neither a transaction nor a lease.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from assets.transactions import transaction


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls per so many seconds, and up to `burst` at once (by default as many as the rate)."""

    calls: float
    per_s: float
    burst: float | None = None

    def spacing_us(self) -> float:
        """Microseconds between two calls at this rate."""
        return self.per_s * 1e6 / self.calls

    def slack_us(self) -> float:
        """How far calls may run ahead of the rate."""
        return self.spacing_us() * (self.calls if self.burst is None else self.burst)


def take_turn(
    connection: sqlite3.Connection,
    name: str,
    rates: Sequence[Rate],
    now: int,
    weight: float = 1,
    *,
    patience: int | None = None,
) -> int:
    """Take the next free turn of a limiter; return the milliseconds to wait for it, 0 to go at once.

    The turn is taken: who does not go after the wait has used up its share. Only a turn further off than
    `patience` milliseconds is left to others. A weight above the burst would never fit, it waits until the
    bucket is full.
    """
    with transaction(connection):
        full_at, at = _next(connection, name, rates, now, weight)
        wait = _milliseconds(at, now)
        if patience is None or wait <= patience:
            taken = [
                round(max(full, at) + rate.spacing_us() * weight)
                for full, rate in zip(full_at, rates, strict=True)
            ]
            connection.execute(
                "INSERT INTO limiters (name, kind, tokens_json, updated_at) VALUES (?, 'rate', ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET tokens_json = excluded.tokens_json, "
                "updated_at = excluded.updated_at",
                (name, json.dumps(taken), now),
            )
    return wait


def next_turn(
    connection: sqlite3.Connection, name: str, rates: Sequence[Rate], now: int, weight: float = 1
) -> int:
    """The milliseconds until a turn is free, without taking it."""
    return _milliseconds(_next(connection, name, rates, now, weight)[1], now)


def _next(
    connection: sqlite3.Connection, name: str, rates: Sequence[Rate], now: int, weight: float
) -> tuple[list[int], int]:
    """When each bucket is full again, and when the next turn is: microseconds."""
    row = connection.execute(
        "SELECT tokens_json, cooldown_until FROM limiters WHERE name = ?", (name,)
    ).fetchone()
    full_at, cooldown_until = (json.loads(row[0]), row[1]) if row else ([], 0)
    if len(full_at) != len(rates):
        full_at = [0] * len(rates)
    return full_at, max([now * 1000, cooldown_until * 1000, *_earliest(full_at, rates, weight)])


def _milliseconds(at: int, now: int) -> int:
    return -((now * 1000 - at) // 1000)  # Rounded up: never too early.


def _earliest(full_at: Sequence[int], rates: Sequence[Rate], weight: float) -> list[int]:
    return [
        round(full + rate.spacing_us() * weight - max(rate.slack_us(), rate.spacing_us() * weight))
        for full, rate in zip(full_at, rates, strict=True)
    ]


def cool(connection: sqlite3.Connection, name: str, until: int, now: int) -> None:
    """Let a limiter rest until then, or longer if it does already. Joins the caller's transaction."""
    connection.execute(
        "INSERT INTO limiters (name, kind, updated_at, cooldown_until) VALUES (?, 'rate', ?, ?) "
        "ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at, "
        "cooldown_until = max(cooldown_until, excluded.cooldown_until)",
        (name, now, until),
    )


def ahead_of(connection: sqlite3.Connection, now: int) -> list[str]:
    """The limiters that were written later than `now`: the clock was set back."""
    query = "SELECT name FROM limiters WHERE updated_at > ? ORDER BY name"
    return [name for (name,) in connection.execute(query, (now,))]


def clamp(connection: sqlite3.Connection, now: int) -> list[str]:
    """Bring limiters that were written in the future back to `now`; return their names.

    Their rates begin anew. A cool-down lies in the future by right: it keeps the length that it had. Joins
    the caller's transaction.
    """
    names = ahead_of(connection, now)
    connection.execute(
        "UPDATE limiters SET cooldown_until = CASE WHEN cooldown_until > updated_at "
        "THEN cooldown_until - updated_at + :now ELSE 0 END, "
        "tokens_json = CASE kind WHEN 'rate' THEN '[]' ELSE tokens_json END, updated_at = :now "
        "WHERE updated_at > :now",
        {"now": now},
    )
    return names
