"""Which partitions are left failed, and the standing check that none is.

A partition is left failed while the last attempt at it that nobody cancelled has failed, nothing has made it
since, and no run is at it now: what the web UI draws red. It counts for each asset that the attempt should
have made, the assets behind the one that failed included. Items of discovery that failed by themselves are
the ledger's business, since they do not fail their run; those that a failed run left undone are counted.

Not here: assets without partitions, and partitions that nobody has tried to make.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from typing import Final

import dagster as dg

from jobs.run_failures import full_failure_reason, presentable

EXAMINED: Final = dg.AssetSpec(
    ["operations", "partitions"],
    description="The partitions of all pipelines. Its check says which of them are left failed, since when "
    "and why. `python -m scripts.failed_partitions` says it on a command line.",
    group_name="operations",
    kinds={"dagster"},
)
CHECK: Final = dg.AssetCheckKey(EXAMINED.key, "no_partition_is_left_failed")
MOST_ROWS: Final = 100
"""In the table of the check; each reason is read from the log of a run, which takes some 5 ms."""
MOST_LINES: Final = 8
"""In its sentence, which an alert quotes."""

_RUNS_PER_QUERY: Final = 500
_NO_TIME: Final = datetime.fromtimestamp(0, tz=UTC)


@dataclass(frozen=True, slots=True, order=True)
class FailedPartition:
    """A partition of one asset, and the run that failed to make it."""

    asset: str
    """The asset key, with slashes."""
    partition: str
    run_id: str
    since: datetime
    """When the run failed, in UTC."""


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """The partition that a run failed to make, of all assets for which it did."""

    partition: str
    run_id: str
    since: datetime
    assets: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        return f"{self.partition} of {', '.join(self.assets)}: {self.reason}"


def partitioned(assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]) -> dict[dg.AssetKey, dg.AssetSpec]:
    """Those that have partitions, by key."""
    specs = (
        spec
        for asset in assets
        for spec in (asset.specs if isinstance(asset, dg.AssetsDefinition) else [asset])
    )
    return {spec.key: spec for spec in specs if spec.partitions_def is not None}


def failed_partitions(
    instance: dg.DagsterInstance, assets: Iterable[dg.AssetsDefinition | dg.AssetSpec]
) -> list[FailedPartition]:
    """The partitions of these assets that are left failed, by asset and partition.

    Partitions that are none any more (removed items and beams) are passed over, as are runs that somebody has
    deleted: then the attempt before counts.
    """
    runs = _Runs(instance)
    specs = partitioned(assets)
    return sorted(
        FailedPartition(key.to_user_string(), partition, run_id, runs.end(run_id))
        for key, spec in specs.items()
        for partition, run_id in _failed_attempts(instance, spec, runs).items()
    )


def with_reasons(
    instance: dg.DagsterInstance, partitions: Iterable[FailedPartition]
) -> Iterator[FailedAttempt]:
    """The same by partition and run, with what each run said of the partition; the last to fail first."""
    full_reason = cache(lambda run_id: full_failure_reason(instance, run_id))
    assets: dict[tuple[datetime, str, str], list[str]] = defaultdict(list)
    for failed in partitions:
        assets[failed.since, failed.partition, failed.run_id].append(failed.asset)
    # Of one run the partitions in their order, the runs the last first.
    by_partition = sorted(assets, key=lambda attempt: attempt[1:])
    for since, partition, run_id in sorted(by_partition, key=lambda attempt: attempt[0], reverse=True):
        reason = presentable(_of_partition(full_reason(run_id), partition))
        yield FailedAttempt(partition, run_id, since, tuple(assets[since, partition, run_id]), reason)


def examination(assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]) -> dg.AssetChecksDefinition:
    """The standing check over these assets. It blocks, so that its run fails and somebody is told."""

    @dg.asset_check(
        asset=EXAMINED.key,
        name=CHECK.name,
        description="Every partition that was tried is made, or being made.",
        blocking=True,
    )
    def no_partition_is_left_failed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        found = failed_partitions(context.instance, assets)
        attempts = list(islice(with_reasons(context.instance, found), MOST_ROWS))
        return dg.AssetCheckResult(
            passed=not found,
            description=_sentence(found, attempts),
            metadata={"failed_partitions": len(found), **_table(attempts)},
        )

    return no_partition_is_left_failed


examine_partitions = dg.define_asset_job(
    "examine_partitions",
    selection=dg.AssetSelection.checks(CHECK),
    description="Look for partitions that are left failed. Fails if there are any.",
)

# Once a day: of each failed run an alert was sent at once, and what is left is told again until it is mended.
examine_partitions_schedule = dg.ScheduleDefinition(
    name="examine_partitions_schedule",
    job=examine_partitions,
    cron_schedule="0 7 * * *",
    execution_timezone="UTC",
    description="Every day at 07:00 UTC.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)


class _Runs:
    """How runs ended and when, each asked for once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._records: dict[str, dg.RunRecord] = {}

    def read(self, run_ids: Iterable[str]) -> None:
        """Get the records of runs that are still there."""
        unread = sorted(set(run_ids) - self._records.keys())
        for start in range(0, len(unread), _RUNS_PER_QUERY):
            chunk = dg.RunsFilter(run_ids=unread[start : start + _RUNS_PER_QUERY])
            for record in self._instance.get_run_records(chunk):
                self._records[record.dagster_run.run_id] = record

    def status(self, run_id: str) -> dg.DagsterRunStatus | None:
        """How the run stands; `None` if somebody has deleted it."""
        record = self._records.get(run_id)
        return record and record.dagster_run.status

    def end(self, run_id: str) -> datetime:
        """When the run ended, in UTC."""
        ended = self._records[run_id].end_time
        return datetime.fromtimestamp(ended, tz=UTC) if ended else _NO_TIME


def _failed_attempts(instance: dg.DagsterInstance, spec: dg.AssetSpec, runs: _Runs) -> dict[str, str]:
    """The run that failed to make it, of each partition of an asset that is left failed."""
    # One query over the asset's events, whatever the number of partitions. The web UI adds a cache, which
    # forgets that a partition is failed once a later attempt has been cancelled.
    attempts = {
        partition: run_id
        for partition, (run_id, _) in (
            instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(
                spec.key
            ).items()
        )
    }
    runs.read(attempts.values())
    cancelled = [
        partition
        for partition, run_id in attempts.items()
        if runs.status(run_id) == dg.DagsterRunStatus.CANCELED
    ]
    if cancelled:
        attempts |= _attempts_before_cancelled(instance, spec.key, cancelled, runs)
    failed = {
        partition: run_id
        for partition, run_id in attempts.items()
        if runs.status(run_id) == dg.DagsterRunStatus.FAILURE
    }
    if not failed or spec.partitions_def is None:
        return {}
    existing = set(spec.partitions_def.get_partition_keys(dynamic_partitions_store=instance))
    return {partition: run_id for partition, run_id in failed.items() if partition in existing}


def _attempts_before_cancelled(
    instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str], runs: _Runs
) -> dict[str, str]:
    """The last attempt that was not cancelled, since the partition was last made."""
    made = instance.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, set(partitions)
    )
    planned = instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
            asset_key=key,
            asset_partitions=list(partitions),
        )
    )
    since_made = [
        (record.partition_key, record.run_id)
        for record in planned
        if record.partition_key is not None and record.storage_id > made.get(record.partition_key, 0)
    ]
    runs.read(run_id for _, run_id in since_made)
    found: dict[str, str] = {}
    for partition, run_id in since_made:
        if runs.status(run_id) not in (dg.DagsterRunStatus.CANCELED, None):
            found.setdefault(partition, run_id)
    return found


def _of_partition(reason: str, partition: str) -> str:
    """What a run over a range said of one of its partitions; all that it said if it named none."""
    prefix = f"{partition}: "
    own = (line.removeprefix(prefix) for line in reason.splitlines() if line.startswith(prefix))
    return next(own, reason)


def _sentence(found: Sequence[FailedPartition], attempts: Sequence[FailedAttempt]) -> str:
    if not found:
        return "No partition is left failed."
    count = len({(failed.partition, failed.run_id) for failed in found})
    head = "1 partition is left failed:" if count == 1 else f"{count:,} partitions are left failed:"
    lines = [str(attempt) for attempt in attempts[:MOST_LINES]]
    more = [f"and {count - MOST_LINES:,} more"] if count > MOST_LINES else []
    return "\n".join([head, *lines, *more])


def _table(attempts: Sequence[FailedAttempt]) -> Mapping[str, dg.TableMetadataValue]:
    rows = [
        dg.TableRecord(
            {
                "partition": attempt.partition,
                "assets": ", ".join(attempt.assets),
                "since": f"{attempt.since:%Y-%m-%d %H:%M} UTC",
                "reason": attempt.reason,
                "run": attempt.run_id,
            }
        )
        for attempt in attempts
    ]
    return {"left_failed": dg.MetadataValue.table(rows)} if rows else {}
