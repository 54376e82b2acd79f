"""Instances with a past, for the tests of retention: assets that do as they are told, and runs made old."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.runs.schema import RunsTable

DAY = 86_400.0
PARTITIONS = dg.StaticPartitionsDefinition(["a", "b", "c"])


class Told(dg.Config):
    """What a run of the assets below does."""

    fails: bool = False
    observes: bool = False


@dg.asset(partitions_def=PARTITIONS, check_specs=[dg.AssetCheckSpec("is_good", asset="table")])
def table(context: dg.AssetExecutionContext, config: Told) -> Iterator[Any]:
    print("said something")  # noqa: T201 - for the compute logs
    if config.observes:
        context.log_event(dg.AssetObservation("watched", partition=context.partition_key))
    if config.fails:
        raise dg.Failure("as it was told", allow_retries=False)
    yield dg.MaterializeResult(tags={"quality": "good"})
    yield dg.AssetCheckResult(passed=True, check_name="is_good")


@dg.asset
def summary() -> None:
    """An asset without partitions."""


def run(
    instance: dg.DagsterInstance,
    partition: str = "a",
    *,
    fails: bool = False,
    observes: bool = False,
    days_ago: float = 100,
    tags: Mapping[str, str] | None = None,
) -> str:
    """Run `table` for a partition, so many days ago; the id of the run."""
    result = dg.materialize(
        [table],
        partition_key=partition,
        instance=instance,
        run_config={"ops": {"table": {"config": {"fails": fails, "observes": observes}}}},
        tags=dict(tags or {}),
        raise_on_error=False,
    )
    assert result.success is not fails
    make_old(instance, result.run_id, days_ago)
    return result.run_id


def run_summary(instance: dg.DagsterInstance, days_ago: float = 100) -> str:
    """Run the asset without partitions."""
    result = dg.materialize([summary], instance=instance)
    make_old(instance, result.run_id, days_ago)
    return result.run_id


def make_old(instance: dg.DagsterInstance, run_id: str, days_ago: float) -> None:
    """Have a run end so many days ago."""
    end = time.time() - days_ago * DAY
    with instance.run_storage.connect() as connection:  # pyright: ignore[reportAttributeAccessIssue]
        connection.execute(
            sa.update(RunsTable).where(RunsTable.c.run_id == run_id).values(start_time=end - 1, end_time=end)
        )


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    """All runs that there are."""
    return {found.run_id for found in instance.get_runs()}


def table_rows(instance: dg.DagsterInstance, table: sa.Table, run_id: str) -> int:
    """The rows of a run in a table of the event log."""
    with instance.event_log_storage.index_connection() as connection:  # pyright: ignore[reportAttributeAccessIssue]
        return connection.execute(
            sa.select(sa.func.count()).select_from(table).where(table.c.run_id == run_id)
        ).scalar_one()


@contextmanager
def opened(folder: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of a folder."""
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance
