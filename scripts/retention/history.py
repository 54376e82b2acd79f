"""The instance's tables: what runs hold, and how runs are taken out. SQLite and PostgreSQL alike.

Dagster's own `delete_run` (1.13) takes one run at a time, the run before its events, and leaves its check
evaluations and, on SQLite, its tags and its event file for ever. Which run holds the latest event of a
partition no method tells for all assets at once. So this module reads and writes the tables themselves, by
Dagster's own definitions of them; it is the only one that does.

Not here: which runs may go (`past_runs`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import dagster as dg
import sqlalchemy as sa
from dagster import DagsterEventType
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from assets.failures import PermanentFailure
from scripts.retention.past_runs import PastRun, Reason

BATCH: Final = 250
"""Runs that are taken out together: SQLite syncs once for each, and takes 32,766 parameters."""

_PAGE: Final = 2_000
_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_OPEN_BACKFILLS: Final = (BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING)
_HOLDING: Final[Mapping[str, Reason]] = {
    DagsterEventType.ASSET_MATERIALIZATION.value: Reason.MATERIALISATION,
    DagsterEventType.ASSET_OBSERVATION.value: Reason.OBSERVATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value: Reason.ATTEMPT,
    DagsterEventType.ASSET_FAILED_TO_MATERIALIZE.value: Reason.ATTEMPT,
}
_TAGGED: Final = (DagsterEventType.ASSET_MATERIALIZATION.value, DagsterEventType.ASSET_OBSERVATION.value)
_PLANNED_CHECK: Final = "PLANNED"


def past_runs(instance: dg.DagsterInstance) -> list[PastRun]:
    """All runs of the instance."""
    runs: list[PastRun] = []
    cursor: str | None = None
    while page := instance.get_run_records(limit=_PAGE, cursor=cursor):
        runs += [
            PastRun(
                run.run_id,
                record.storage_id,
                run.job_name,
                record.create_timestamp.timestamp(),
                _ended_at(record) if run.status in _ENDED else None,
                run.tags,
            )
            for record in page
            for run in (record.dagster_run,)
        ]
        cursor = page[-1].dagster_run.run_id
    return runs


def open_backfills(instance: dg.DagsterInstance) -> frozenset[str]:
    """The ids of the backfills that are not over."""
    filters = BulkActionsFilter(statuses=list(_OPEN_BACKFILLS))
    return frozenset(backfill.backfill_id for backfill in instance.get_backfills(filters))


def holders(instance: dg.DagsterInstance) -> dict[str, Reason]:
    """The runs that hold the latest of something, each with why it stays; the strongest reason counts."""
    with _events(instance).index_connection() as connection:
        found = [*_event_holders(connection), *_check_holders(connection), *_last_event(connection)]
    ranks = {reason: rank for rank, reason in enumerate(Reason)}
    held: dict[str, Reason] = {}
    for run_id, reason in found:
        if run_id not in held or ranks[reason] < ranks[held[run_id]]:
            held[run_id] = reason
    return held


def delete_runs(
    instance: dg.DagsterInstance, run_ids: Sequence[str], told: Callable[[int], None] = lambda done: None
) -> None:
    """Take runs out, and all that the instance keeps of them but what they printed.

    The order makes it safe to be killed: what a run holds goes before the run, so the run is found again.

    Args:
        instance: whose runs they are.
        run_ids: runs that have ended.
        told: called with the number of runs that are gone by then.
    """
    events, runs = _events(instance), _runs(instance)
    waiting = events.get_concurrency_run_ids() if events.supports_global_concurrency_limits else set()
    for start in range(0, len(run_ids), BATCH):
        batch = run_ids[start : start + BATCH]
        with events.index_transaction() as connection:
            _delete_events(connection, batch)
        for run_id in batch:
            if run_id in waiting:
                events.free_concurrency_slots_for_run(run_id)
            _remove_event_file(events, run_id)
        with runs.connect() as connection:
            # PostgreSQL would see to the tags itself; SQLite does so only when it is told to.
            connection.execute(sa.delete(RunTagsTable).where(RunTagsTable.c.run_id.in_(batch)))
            connection.execute(sa.delete(RunsTable).where(RunsTable.c.run_id.in_(batch)))
        told(start + len(batch))


def event_files(instance: dg.DagsterInstance) -> frozenset[str]:
    """The ids of the runs that have an event file; only SQLite has such files.

    Dagster leaves the file of a run that it deletes. To tell those, list the files first and the runs after
    it: a run is there before its file.
    """
    events = _events(instance)
    return frozenset(events.get_all_run_ids()) if isinstance(events, SqliteEventLogStorage) else frozenset()


def remove_event_files(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> None:
    """Remove the event files of runs that are gone."""
    for run_id in run_ids:
        _remove_event_file(_events(instance), run_id)


def _ended_at(record: dg.RunRecord) -> float:
    # A run that was cancelled while it was queued has no end.
    return record.end_time or record.update_timestamp.timestamp()


def _event_holders(connection: sa.Connection) -> Iterator[tuple[str, Reason]]:
    """The runs of the latest event of each kind, asset and partition; an attempt counts until it is made."""
    table = SqlEventLogStorageTable.c
    latest = (
        sa.select(sa.func.max(table.id).label("id"))
        .where(table.asset_key.is_not(None), table.dagster_event_type.in_(_HOLDING))
        .group_by(table.asset_key, table.partition, table.dagster_event_type)
        .subquery()
    )
    rows = connection.execute(
        sa.select(table.id, table.run_id, table.asset_key, table.partition, table.dagster_event_type).join(
            latest, latest.c.id == table.id
        )
    ).all()
    made = {
        (asset, partition): number
        for number, _, asset, partition, kind in rows
        if _HOLDING[kind] is Reason.MATERIALISATION
    }
    for number, run_id, asset, partition, kind in rows:
        reason = _HOLDING[kind]
        if reason is not Reason.ATTEMPT or number > made.get((asset, partition), 0):
            yield run_id, reason


def _check_holders(connection: sa.Connection) -> Iterator[tuple[str, Reason]]:
    """The runs of the latest evaluation of each check, and of the latest that did not come to one."""
    table = AssetCheckExecutionsTable.c
    for only in (sa.true(), table.execution_status != _PLANNED_CHECK):
        latest = (
            sa.select(sa.func.max(table.id).label("id"))
            .where(only)
            .group_by(table.asset_key, table.check_name, table.partition)
            .subquery()
        )
        for (run_id,) in connection.execute(
            sa.select(table.run_id).join(latest, latest.c.id == table.id)
        ).all():
            yield run_id, Reason.CHECK


def _last_event(connection: sa.Connection) -> Iterator[tuple[str, Reason]]:
    """The run of the last event: see `Reason.NEWEST` in `past_runs`."""
    table = SqlEventLogStorageTable.c
    last = connection.execute(sa.select(table.run_id).order_by(table.id.desc()).limit(1)).scalar()
    if last:
        yield last, Reason.NEWEST


def _delete_events(connection: sa.Connection, run_ids: Sequence[str]) -> None:
    events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
    tagged = sa.select(events.id).where(events.run_id.in_(run_ids), events.dagster_event_type.in_(_TAGGED))
    connection.execute(sa.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(tagged)))
    connection.execute(sa.delete(AssetCheckExecutionsTable).where(checks.run_id.in_(run_ids)))
    connection.execute(sa.delete(SqlEventLogStorageTable).where(events.run_id.in_(run_ids)))


def _remove_event_file(events: SqlEventLogStorage, run_id: str) -> None:
    if isinstance(events, SqliteEventLogStorage):
        file = events.path_for_shard(run_id)
        for ending in ("-wal", "-shm", "-journal", ""):
            Path(f"{file}{ending}").unlink(missing_ok=True)


def _events(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise _unknown(storage)
    return storage


def _runs(instance: dg.DagsterInstance) -> SqlRunStorage:
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        raise _unknown(storage)
    return storage


def _unknown(storage: object) -> PermanentFailure:
    return PermanentFailure(
        f"The instance keeps its history in a {type(storage).__name__}, which is no SQL database; retention "
        "knows SQLite and PostgreSQL only, so prune it by its own means."
    )
