"""The sensor of aim: one run per date whose two feeds are there and stay as they are."""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import dagster as dg

from assets.aim.feed_files import FEED_KINDS, FeedKind, feed_files
from assets.aim.partitions import run_dates
from assets.aim.stages.sites import BUCKET, Sources, deployed_store
from jobs.aim import GLOBAL_RUN, run_aim
from resources.object_store import FolderObjectStore, ObjectInfo, ObjectNotFound, ObjectStore
from sensors.planning import NAMES_IN_A_REASON, Plan, SourceFile, plan, run_key

# A run may cost money for every date; whoever starts the sensor on an old folder sees what happens first.
_RUNS_PER_TICK = 5


@dg.sensor(
    name="aim_feed_sensor",
    job=run_aim,
    minimum_interval_seconds=300,
    description="Runs each London date whose two feeds were there and the same on two looks.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def aim_feed_sensor(context: dg.SensorEvaluationContext, object_store: ObjectStore) -> dg.SensorResult:
    """Look for pairs of feeds, and ask for the run of each date whose pair has settled."""
    settings = Sources().read().settings
    store = deployed_store(object_store, os.environ)
    bucket = BUCKET if isinstance(store, FolderObjectStore) else settings.feed_bucket or settings.bucket
    if bucket is None:
        return dg.SensorResult(skip_reason="TYRESCORE_BUCKET is not set; name the bucket of the feeds.")
    listed = {info.key: info for info in _listed(store, bucket, settings.feed_folder)}
    feeds = feeds_by_date(listed, settings.feed_folder, settings.feed_extension)
    planned = plan(feed_pairs(feeds, listed), context.cursor, time.time(), limit=_RUNS_PER_TICK)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=run_key(pair), partition_key=pair.name, run_config=GLOBAL_RUN)
            for pair in planned.requests
        ],
        cursor=planned.new_cursor,
        skip_reason=_skip_reason(planned, feeds, settings.feed_folder),
    )


def feeds_by_date(listed: Iterable[str], folder: str, extension: str) -> dict[date, dict[FeedKind, str]]:
    """The path of each feed of each run date, dates ascending, as a run of that date would choose it."""
    first, last = run_dates.get_first_partition_key() or "", run_dates.get_last_partition_key() or ""
    dates: dict[date, dict[FeedKind, str]] = {}
    # Sorted by path: of two files with one date and kind the last counts.
    for file in feed_files(listed, folder, extension):
        if file.date is not None and first <= file.date.isoformat() <= last:
            dates.setdefault(file.date, {})[file.kind] = file.path
    return dict(sorted(dates.items()))


def feed_pairs(
    feeds: Mapping[date, Mapping[FeedKind, str]], listed: Mapping[str, ObjectInfo]
) -> list[SourceFile]:
    """The run dates that have both feeds, as one file each: its version is a digest of both."""
    pairs = []
    for day, paths in feeds.items():
        if len(paths) == len(FEED_KINDS):
            both = [listed[paths[kind]] for kind in FEED_KINDS]
            digest = hashlib.sha256("\n".join(info.etag for info in both).encode()).hexdigest()[:16]
            pairs.append(SourceFile(day.isoformat(), digest, sum(info.size for info in both)))
    return pairs


def _skip_reason(planned: Plan, feeds: Mapping[date, Mapping[FeedKind, str]], folder: str) -> str | None:
    """Why nothing is asked for, with the newest dates of which only one feed came."""
    if planned.requests:
        return None
    alone = [
        f"the {kind} feed of {day}"
        for day in sorted(feeds, reverse=True)
        for kind in FEED_KINDS
        if kind not in feeds[day]
    ]
    names = ", ".join(alone[:NAMES_IN_A_REASON])
    if len(alone) > NAMES_IN_A_REASON:
        names += f" and {len(alone) - NAMES_IN_A_REASON} more"
    reasons = [f"Waiting for {names}."] if alone else []
    if len(alone) < len(feeds):
        reasons.append(planned.skip_reason or "")
    return " ".join(reasons) or f"No feed of a run date lies in {folder!r}."


def _listed(store: ObjectStore, bucket: str, folder: str) -> Sequence[ObjectInfo]:
    try:
        return store.list(bucket, f"{folder}/")
    except ObjectNotFound:
        return []
