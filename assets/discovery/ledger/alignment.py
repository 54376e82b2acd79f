"""The rows of items beside the stages of today's jobs file: what is missing, misplaced or too much.

Not here: what a run does with the rows (`claims`, `finishing`).
"""

import sqlite3
from collections.abc import Collection
from typing import Final, NamedTuple

from assets.discovery.ledger import events, stage_rows
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan
from assets.transactions import transaction

# Counted once over the whole ledger: asking for each stage of each job took 4.3 s on 100,000 items.
_LIVE_ITEMS: Final = (
    "SELECT job_id, count(*) FROM work_items WHERE gone_at IS NULL AND cancelled_at IS NULL GROUP BY job_id"
)
_ROWS: Final = (
    "SELECT job_id, stage, ord, count(*), count(*) FILTER (WHERE status IN ('pending', 'failed')), "
    "min(max_attempts) FILTER (WHERE status = 'pending' AND attempt = 0), "
    "max(max_attempts) FILTER (WHERE status = 'pending' AND attempt = 0) "
    "FROM item_stages GROUP BY job_id, stage, ord"
)
_ROWS_OF_DEAD_ITEMS: Final = (
    "SELECT s.job_id, s.stage, count(*) FROM work_items AS w CROSS JOIN item_stages AS s ON s.item_id = w.id "
    "WHERE w.gone_at IS NOT NULL OR w.cancelled_at IS NOT NULL GROUP BY s.job_id, s.stage"
)


class _Rows(NamedTuple):
    """The rows of a stage at one place. `open` ones wait or failed; untried ones may take new attempts."""

    stage: str
    ord: int
    n: int
    open: int
    fewest_attempts: int | None
    most_attempts: int | None


def align_stages(connection: sqlite3.Connection, job: JobPlan, now: int) -> int:
    """Give every live item the rows of today's stages, and cancel what waits in stages that were removed.

    Returns how many rows that changed. Rows that were never tried take over today's number of attempts.
    """
    with transaction(connection):
        changed = _cancel_removed(connection, job, now)
        for ord_, stage in enumerate(job.stages):
            connection.execute(
                "UPDATE item_stages SET ord = ? WHERE job_id = ? AND stage = ? AND ord <> ?",
                (ord_, job.job_id, stage.name, ord_),
            )
            changed += connection.execute(
                "INSERT INTO item_stages (item_id, job_id, stage, ord, revision, priority, max_attempts) "
                "SELECT w.id, w.job_id, ?, ?, w.revision, w.priority, ? FROM work_items AS w "
                "WHERE w.job_id = ? AND w.gone_at IS NULL AND w.cancelled_at IS NULL AND NOT EXISTS "
                "(SELECT 1 FROM item_stages AS s WHERE s.item_id = w.id AND s.stage = ?) ORDER BY w.id",
                (stage.name, ord_, stage.retry.max_attempts, job.job_id, stage.name),
            ).rowcount
            connection.execute(
                "UPDATE item_stages SET max_attempts = ? WHERE job_id = ? AND stage = ? "
                "AND status = 'pending' AND attempt = 0 AND max_attempts <> ?",
                (stage.retry.max_attempts, job.job_id, stage.name, stage.retry.max_attempts),
            )
    return changed


def misaligned(connection: sqlite3.Connection, jobs: Collection[JobPlan]) -> set[str]:
    """The jobs whose rows are not those of today's stages, by name. It reads the whole ledger."""
    live = dict(connection.execute(_LIVE_ITEMS).fetchall())
    dead = {(job_id, stage): n for job_id, stage, n in connection.execute(_ROWS_OF_DEAD_ITEMS)}
    rows: dict[str, list[_Rows]] = {}
    for job_id, *values in connection.execute(_ROWS):
        rows.setdefault(job_id, []).append(_Rows(*values))
    return {
        job.job_id for job in jobs if not _fits(job, rows.get(job.job_id, []), live.get(job.job_id, 0), dead)
    }


def _fits(job: JobPlan, rows: list[_Rows], live_items: int, dead: dict[tuple[str, str], int]) -> bool:
    places = {stage.name: (ord_, stage.retry.max_attempts) for ord_, stage in enumerate(job.stages)}
    present = dict.fromkeys(places, 0)
    for each in rows:
        if each.stage not in places:
            if each.open:
                return False
            continue
        ord_, attempts = places[each.stage]
        untried = {each.fewest_attempts, each.most_attempts} - {None, attempts}
        if each.ord != ord_ or untried:
            return False
        present[each.stage] += each.n
    return all(n - dead.get((job.job_id, stage), 0) == live_items for stage, n in present.items())


def _removed(connection: sqlite3.Connection, job: JobPlan) -> list[tuple[int, int, str]]:
    """Rows that wait or failed in stages which the job no longer has."""
    names = {stage.name for stage in job.stages}
    rows = connection.execute(
        "SELECT id, item_id, stage FROM item_stages WHERE job_id = ? AND status IN ('pending', 'failed')",
        (job.job_id,),
    )
    return [row for row in rows if row[2] not in names]


def _cancel_removed(connection: sqlite3.Connection, job: JobPlan, now: int) -> int:
    rows = _removed(connection, job)
    if rows:
        stages = sorted({stage for _, _, stage in rows})
        payload = {"removed_stages": stages, "rows": len(rows)}
        seq = events.write(connection, "config_changed", Subject(job.job_id), now, payload)
        for stage_id, _, _ in rows:
            reason = "The stage was removed from the jobs file."
            stage_rows.set_aside(connection, stage_id, "cancelled", now, reason, seq)
    return len(rows)
