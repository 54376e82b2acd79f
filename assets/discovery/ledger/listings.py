"""The beginning and the end of a discovery: its row, its outcome, and the items that it did not show.

Only a complete listing says anything about absent items, and only one that is not suspiciously short. Not
here: taking what it shows (`items`).
"""

import sqlite3
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from assets.discovery.ledger import events
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.items import Listing
from assets.discovery.ledger.plans import JobPlan
from assets.transactions import transaction

Outcome = Literal["ok", "not_modified", "anomalous", "failed"]

HISTORY: Final = 10
SMALLEST_MEDIAN: Final = 5
SUSPICIOUS_SHARE: Final = 0.2
BELIEVED_AT: Final = 3


@dataclass(frozen=True, slots=True)
class Report:
    """How reading the source ended.

    `complete`: the last mark said so, and no limit, page cap or error cut it short. `whole`: one whole
    document was read, or a complete listing; an incremental read is never judged.
    """

    complete: bool = False
    whole: bool = False
    not_modified: bool = False
    error_text: str | None = None
    pages: int = 0
    http_status: int | None = None


class Past(NamedTuple):
    """An earlier discovery of the job."""

    outcome: str
    n_read: int


class Closed(NamedTuple):
    """How a discovery ended, how many items it marked, and why it failed."""

    outcome: Outcome
    n_missing: int
    n_gone: int
    error_text: str | None = None


def begin(connection: sqlite3.Connection, job_id: str, now: int, run_id: str | None = None) -> Listing:
    """Open a discovery of the job; it reads from the cursor that the job's last checkpoint stored.

    It starts after every earlier one of the job ended, by a millisecond if need be, so that an item's
    `last_seen_at` tells which listing showed it.
    """
    with transaction(connection):
        (latest,) = connection.execute(
            "SELECT max(coalesce(finished_at, started_at)) FROM discoveries WHERE job_id = ?", (job_id,)
        ).fetchone()
        started_at = now if latest is None else max(now, latest + 1)
        cursor, validators = connection.execute(
            "SELECT cursor_json, validators_json FROM job_state WHERE job_id = ?", (job_id,)
        ).fetchone()
        (discovery_id,) = connection.execute(
            "INSERT INTO discoveries (job_id, run_id, started_at, cursor_before_json, cursor_after_json) "
            "VALUES (?, ?, ?, ?, ?) RETURNING id",
            (job_id, run_id, started_at, cursor, cursor),
        ).fetchone()
    return Listing(discovery_id, started_at, cursor, validators, run_id)


def close(
    connection: sqlite3.Connection,
    job: JobPlan,
    listing: Listing,
    report: Report,
    now: int,
) -> Closed:
    """End a discovery in one transaction: judge it, mark what a complete one did not show, tell of it."""
    now, job_id = max(now, listing.started_at), job.job_id
    with transaction(connection):
        (n_read,) = connection.execute(
            "SELECT n_read FROM discoveries WHERE id = ?", (listing.discovery_id,)
        ).fetchone()
        error = report.error_text
        if error is None and job.discovery.empty_is_error and n_read == 0 and not report.not_modified:
            error = f"The source of {job_id} listed nothing, which is an error for this job (empty_is_error)."
        report = replace(report, error_text=error)
        outcome = _outcome(connection, job_id, report, n_read)
        closed = Closed(outcome, 0, 0, error)
        if outcome == "ok" and report.complete:
            closed = Closed(outcome, *_mark_absent(connection, job, listing, now))
        _write(connection, job_id, listing, report, closed, now)
        subject = Subject(job_id, run_id=listing.run_id)
        if outcome == "failed":
            events.write(connection, "discovery_failed", subject, now, {"error": error}, "error")
        elif outcome == "anomalous":
            events.write(connection, "discovery_anomalous", subject, now, {"n_read": n_read}, "warn")
    return closed


def interrupt(connection: sqlite3.Connection, listing: Listing, pages: int, now: int) -> None:
    """End a discovery that was broken off: it has no outcome and judges nothing, and the job stays due."""
    with transaction(connection):
        connection.execute(
            "UPDATE discoveries SET finished_at = ?, pages = ? WHERE id = ?",
            (max(now, listing.started_at), pages, listing.discovery_id),
        )


def _outcome(connection: sqlite3.Connection, job_id: str, report: Report, n_read: int) -> Outcome:
    if report.error_text is not None:
        return "failed"
    if report.not_modified:
        return "not_modified"
    if not (report.complete or report.whole):
        return "ok"
    rows = connection.execute(
        "SELECT outcome, n_read FROM discoveries WHERE job_id = ? AND outcome IN ('ok', 'anomalous') "
        "ORDER BY id DESC LIMIT ?",
        (job_id, HISTORY * BELIEVED_AT),  # Between two good ones lie at most two anomalous ones.
    )
    return "anomalous" if is_anomalous(n_read, [Past(*row) for row in rows]) else "ok"


def is_anomalous(n_read: int, past: Sequence[Past]) -> bool:
    """Whether a listing is too short to be believed, given the earlier ones, newest first.

    Too short: less than a fifth of the median of the last ten good ones, if that is at least 5. The third
    short one in a row is believed, and what came before it no longer counts: the source has shrunk.
    """
    good: list[int] = []
    for position, listing in enumerate(past):
        if listing.outcome != "ok" or len(good) == HISTORY:
            continue
        good.append(listing.n_read)
        before = past[position + 1 : position + BELIEVED_AT]
        if len(before) == BELIEVED_AT - 1 and all(each.outcome == "anomalous" for each in before):
            break
    streak = next((n for n, each in enumerate(past) if each.outcome != "anomalous"), len(past))
    if not good or streak + 1 >= BELIEVED_AT:
        return False
    median = statistics.median(good)
    return median >= SMALLEST_MEDIAN and n_read < SUSPICIOUS_SHARE * median


def _mark_absent(connection: sqlite3.Connection, job: JobPlan, listing: Listing, now: int) -> tuple[int, int]:
    """Count one more listing without them for all absent items; returns (newly missing, gone by now)."""
    absent = connection.execute(
        "UPDATE work_items SET missing_since = coalesce(missing_since, ?), "
        "missing_count = missing_count + 1, gone_at = CASE WHEN missing_count + 1 >= ? THEN ? END "
        "WHERE job_id = ? AND last_seen_at < ? AND gone_at IS NULL RETURNING id, missing_count, gone_at",
        (now, job.discovery.gone_after, now, job.job_id, listing.started_at),
    ).fetchall()
    for item_id, count, gone_at in sorted(absent):
        subject = Subject(job.job_id, item_id, run_id=listing.run_id)
        if count == 1:
            events.write(connection, "missing", subject, now)
        if gone_at is not None:
            events.write(connection, "gone", subject, now, {"listings_without_it": count})
    missing = sum(count == 1 for _, count, _ in absent)
    return missing, sum(gone_at is not None for _, _, gone_at in absent)


def _write(
    connection: sqlite3.Connection,
    job_id: str,
    listing: Listing,
    report: Report,
    closed: Closed,
    now: int,
) -> None:
    connection.execute(
        "UPDATE discoveries SET finished_at = ?, outcome = ?, complete = ?, n_missing = ?, "
        "n_gone = n_gone + ?, pages = ?, http_status = ?, error_text = ? WHERE id = ?",
        (
            now,
            closed.outcome,
            int(report.complete and report.error_text is None),
            closed.n_missing,
            closed.n_gone,
            report.pages,
            report.http_status,
            report.error_text,
            listing.discovery_id,
        ),
    )
    connection.execute(
        "UPDATE job_state SET last_discovery_at = ?, last_discovery_id = ?, "
        "wake_at = CASE WHEN wake_at > ? THEN wake_at END WHERE job_id = ?",
        (listing.started_at, listing.discovery_id, listing.started_at, job_id),
    )
