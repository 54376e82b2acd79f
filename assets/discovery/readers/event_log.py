"""`events`: what happened, in the order of the ledger; once, or again and again from where it was left."""

import sqlite3
from dataclasses import dataclass
from typing import Any, TypedDict

from assets.discovery.ledger.events import EVENT_TYPES
from assets.discovery.readers.shown_rows import shown_rows
from assets.failures import PermanentFailure


class UnknownEventType(PermanentFailure):
    """There are no events of that type."""


class EventLog(TypedDict):
    """The document of `events`: oldest first, each with its `seq`, time in milliseconds UTC and payload."""

    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; what is `None` is not asked. `since` is milliseconds UTC, `after` a sequence number."""

    job_id: str | None = None
    since: int | None = None
    type: str | None = None
    after: int | None = None
    limit: int = 50


def events(connection: sqlite3.Connection, chosen: EventFilter) -> EventLog:
    """The newest `limit` events; with `after`, the first `limit` behind that one, so that none is left out.

    Raises:
        UnknownEventType: the ledger has no events of the type asked for.
    """
    if chosen.type is not None and chosen.type not in EVENT_TYPES:
        known = ", ".join(sorted(EVENT_TYPES))
        raise UnknownEventType(f"{chosen.type!r} is no type of event; use one of {known}.")
    direction = "DESC" if chosen.after is None else "ASC"
    job = "TRUE" if chosen.job_id is None else "e.job_id = ?"
    rows = shown_rows(
        connection,
        "SELECT e.seq, e.at, e.job_id AS job, e.item_id, w.key, e.stage, e.type, e.level, e.run_id, "  # noqa: S608 - of constants
        "e.payload_json FROM events AS e LEFT JOIN work_items AS w ON w.id = e.item_id "
        f"WHERE {job} AND e.seq > ? AND (? IS NULL OR e.at >= ?) AND (? IS NULL OR e.type = ?) "
        f"ORDER BY e.seq {direction} LIMIT ?",
        (
            *([] if chosen.job_id is None else [chosen.job_id]),
            chosen.after or 0,
            chosen.since,
            chosen.since,
            chosen.type,
            chosen.type,
            chosen.limit,
        ),
    )
    return {"events": sorted(rows, key=lambda event: event["seq"])}
