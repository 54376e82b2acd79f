"""The alert on failed runs and the notice when they are made good, for all pipelines.

What belongs here: when to notify and of what. What does not: why a run failed (`jobs.run_failures`), assets
that are late without any run (`sensors.freshness`), and delivery, which is the `notifier` resource.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import dagster as dg

from jobs.run_failures import failure_reason
from resources.notifier import Notifier

MOST_EARLIER_RUNS = 50  # Of one partition: who mends it after more attempts gets no notice.

_BACKFILL_TAG = "dagster/backfill"
_MOST_FAILED_RUNS = 50  # Of one backfill, the first launched: among them is one that was told.
_RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_PARTITION_TAGS = ("dagster/partition", *_RANGE_TAGS)


@dg.run_failure_sensor(
    name="run_failure_alert",
    description="Tells the notifier of each run that failed and will not be retried; of a backfill, of the "
    "first one.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def run_failure_alert(context: dg.RunFailureSensorContext, notifier: Notifier) -> None:
    """Notify of the failed run, unless Dagster is going to retry it and so may still mend it.

    A backfill can fail a thousand times for one reason, so only its first failed run is told.
    """
    run = context.dagster_run
    # A tick looks at several runs. A skip reason for one of them would end the tick (1.13.27), and after a
    # message it would fail it, so that the next tick sends the message again.
    if _will_be_retried(run):
        context.log.info("Run %s failed and will be retried.", run.run_id)
        return
    if told := _told_failure_of_backfill(context.instance, run):
        context.log.info("Run %s failed; run %s of the same backfill was told.", run.run_id, told)
        return
    what, partitions = run_target(run), run_partitions(run.tags)
    lines = [f"Run {run.run_id} of {what}", *([f"Partition {partitions}"] if partitions else [])]
    lines.append(failure_reason(context.instance, run.run_id))
    if backfill := run.tags.get(_BACKFILL_TAG):
        lines.append(f"It is the first to fail of backfill {backfill}; of others no message is sent.")
    notifier.notify(
        subject=f"{what} failed" + (f" for {partitions}" if partitions else ""),
        text="\n".join(lines),
        link=_run_page(run),
    )


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    name="run_recovery_notice",
    description="Tells the notifier, once, of each run that makes good what an alerted run had failed to do.",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def run_recovery_notice(context: dg.RunStatusSensorContext, notifier: Notifier) -> None:
    """Notify of the run if its partition had failed before; whoever launched it, and from which job."""
    run = context.dagster_run
    earlier = _earlier_runs(context.instance, run)
    failed = None
    # Of most runs the partition never failed: what they made need not be asked for.
    if any(other.is_failure for other in earlier):
        outcomes = (_outcome(context.instance, other) for other in earlier)
        failed = made_good(_outcome(context.instance, run), outcomes)
    if failed is None or not _was_told(context.instance, failed.run_id):
        context.log.info("Run %s succeeded, and no alert was open for what it made.", run.run_id)
        return
    what, partitions = run_target(run), run_partitions(run.tags)
    lines = [f"Run {run.run_id} of {what}", *([f"Partition {partitions}"] if partitions else [])]
    lines.append(f"It makes good the failed run {failed.run_id}.")
    notifier.notify(
        subject=f"{what} recovered" + (f" for {partitions}" if partitions else ""),
        text="\n".join(lines),
        link=_run_page(run),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: of which targets it says something, and whether they failed."""

    run_id: str
    targets: frozenset[str]
    """The assets that it made, or failed to make; the name of its job if it makes none."""
    failed: bool


def made_good(run: Outcome, earlier: Iterable[Outcome]) -> Outcome | None:
    """The last failed run one of whose targets this run has made, unless a run in between had made it.

    Args:
        run: a run that succeeded.
        earlier: the runs of the same partition that ended before it, the last first.
    """
    left = run.targets
    for other in earlier:
        if other.failed and other.targets & left:
            return other
        left -= other.targets
        if not left:
            return None
    return None


def _earlier_runs(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.DagsterRun]:
    """The runs of the same partition that ended before this one, the last first, without retried ones.

    Runs without a partition are those of the same job.
    """
    partition = {tag: run.tags[tag] for tag in _PARTITION_TAGS if tag in run.tags}
    records = instance.get_run_records(
        dg.RunsFilter(
            job_name=None if partition else run.job_name,
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            tags=partition,
        ),
        limit=MOST_EARLIER_RUNS,
    )
    ends = {record.dagster_run.run_id: record.end_time or inf for record in records}
    own_end = ends.get(run.run_id, inf)
    found = [
        other
        for record in records
        if (other := record.dagster_run).run_id != run.run_id
        and ends[other.run_id] <= own_end
        and run_partitions(other.tags) == run_partitions(run.tags)
        and not _will_be_retried(other)
    ]
    return sorted(found, key=lambda other: ends[other.run_id], reverse=True)


def _outcome(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Outcome:
    made = instance.get_asset_keys_for_run(run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
    if run.is_failure:
        planned = instance.get_asset_keys_for_run(
            run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        )
        # Where all were made, a check or some keys of a range failed.
        made = planned - made or planned
    targets = {key.to_user_string() for key in made} or {f"job {run.job_name}"}
    return Outcome(run.run_id, frozenset(targets), run.is_failure)


def _was_told(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and _told_failure_of_backfill(instance, run) is None


def _told_failure_of_backfill(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """A run of the same backfill that failed before this one; there is none for the first that failed."""
    backfill = run.tags.get(_BACKFILL_TAG)
    own = instance.get_run_record_by_id(run.run_id)
    if not backfill or own is None:
        return None
    failed = instance.get_run_records(
        dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={_BACKFILL_TAG: backfill}),
        limit=_MOST_FAILED_RUNS,
        ascending=True,
    )
    own_end = (own.end_time or inf, run.run_id)
    ends = [
        (record.end_time or inf, record.dagster_run.run_id)
        for record in failed
        if not _will_be_retried(record.dagster_run)
    ]
    return next((run_id for end, run_id in sorted(ends) if (end, run_id) < own_end), None)


def run_target(run: dg.DagsterRun) -> str:
    """The run's job, or its assets where a person picked them in the UI and Dagster made up the job."""
    if run.job_name.startswith("__") and run.asset_selection:
        return ", ".join(sorted(key.to_user_string() for key in run.asset_selection))
    return run.job_name


def run_partitions(tags: Mapping[str, str]) -> str | None:
    """The run's partition, or its range of partitions, as its tags say."""
    first, last = (tags.get(tag) for tag in _RANGE_TAGS)
    return f"{first} to {last}" if first and last else tags.get("dagster/partition")


def _will_be_retried(run: dg.DagsterRun) -> bool:
    return run.tags.get("dagster/will_retry") == "true"


def _run_page(run: dg.DagsterRun) -> str | None:
    """The run in the web UI, if `QUINTET_UI_URL` says where that is."""
    ui = os.environ.get("QUINTET_UI_URL", "").strip().rstrip("/")
    return f"{ui}/runs/{run.run_id}" if ui else None
