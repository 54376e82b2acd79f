"""The sensors of dwh: from raw prefixes to transforms, from their manifests to filtered days, and promotions.

Runs that a sensor asks for carry `quintet/exclusive`: of one day, and of the promotions, one runs at a time.

Not here: what to ask for (`dwh_raw_planning`, `dwh_transform_planning`, `planning`), and the jobs, which are
named only.
"""

import hashlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg

from assets.dwh.coverage import Reading
from assets.dwh.days import day_window, format_instant, local_day
from assets.dwh.documents import UnreadableDocument
from assets.dwh.filter_manifests import is_manifest_name
from assets.dwh.intervals import Interval
from assets.dwh.partitions import FIRST_DAY, TIMEZONE
from assets.dwh.paths import Location, RawPromotions, TransformedImages, day_folder, is_data
from assets.dwh.transform_manifests import TransformManifest, superseded_run_ids
from resources.object_store import ObjectInfo, ObjectNotFound, ObjectStore
from sensors.dwh_raw_planning import (
    DayCounts,
    Look,
    WindowRequest,
    days_to_look_at,
    plan_windows,
    raw_prefixes,
)
from sensors.dwh_transform_planning import Remembered, plan_filters
from sensors.planning import SourceFile, plan, run_key

RAW: Final = Location("dwh-data", "raw_images")
TRANSFORMED: Final = TransformedImages(Location("dwh-data", "transformed_images"), TIMEZONE)
PROMOTIONS: Final = RawPromotions(Location("dwh-data", "promotions_raw"))

RAW_IMAGES: Final = dg.AssetKey(["dwh", "raw_images"])
TRANSFORMED_IMAGES: Final = dg.AssetKey(["dwh", "transformed_images"])

LISTING_SECONDS: Final = 30.0
"""For the listings of a tick, which Dagster ends after 60 s; days that do not fit come first next time."""

RECENT_DAYS: Final = 14
"""Run days before today whose manifests are looked for; of older ones those that Dagster made."""

_EVENTS_PER_TICK: Final = 50
_LOADS_PER_TICK: Final = 5
_FIRST_DAY: Final = date.fromisoformat(FIRST_DAY)


@dg.sensor(
    name="dwh_raw_sensor",
    job_name="transform_images",
    minimum_interval_seconds=120,
    description="Transforms the windows of new and replaced raw prefixes that were unchanged for 5 minutes. "
    "Looks at the days since it last looked and 3 before, at most 14.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def dwh_raw_sensor(context: dg.SensorEvaluationContext, object_store: ObjectStore) -> dg.SensorResult:
    """Look for raw prefixes, ask for their windows, and observe the days that have some."""
    return raw_result(object_store, context.cursor, datetime.now(UTC), context.log)


@dg.sensor(
    name="dwh_transform_sensor",
    job_name="filter_images",
    minimum_interval_seconds=60,
    description="Filters every day that a new, successful transform manifest touches, late rows included. "
    "Looks at the last 14 run days, and at older ones that Dagster transforms.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def dwh_transform_sensor(context: dg.SensorEvaluationContext, object_store: ObjectStore) -> dg.SensorResult:
    """Look for transform manifests, and ask for the days that they touch."""
    # The events first: a manifest is there before Dagster hears of it.
    made, mark = _transformed_since(context.instance, Remembered.read(context.cursor).mark)
    return transform_result(object_store, context.cursor, datetime.now(UTC), context.log, made, mark)


@dg.sensor(
    name="dwh_promotions_sensor",
    job_name="load_promos",
    minimum_interval_seconds=300,
    description="Loads the promotions of each ingress day whose extract was the same on two looks.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def dwh_promotions_sensor(context: dg.SensorEvaluationContext, object_store: ObjectStore) -> dg.SensorResult:
    """Look for promotion extracts, and ask for the load of each that has settled."""
    return promotions_result(object_store, context.cursor, datetime.now(UTC))


def raw_result(
    store: ObjectStore,
    cursor: str | None,
    now: datetime,
    log: logging.Logger,
    listing_seconds: float = LISTING_SECONDS,
) -> dg.SensorResult:
    """What a tick of `dwh_raw_sensor` comes to."""
    days = days_to_look_at(cursor, local_day(now, TIMEZONE), _FIRST_DAY)
    planned = plan_windows(
        days,
        _raw_looks(store, days, time.monotonic() + listing_seconds),
        cursor,
        now,
        lambda day: _readings(store, day, log),
        timezone=TIMEZONE,
    )
    _warn(log, planned.warnings)
    return dg.SensorResult(
        run_requests=[_transform_run(request) for request in planned.requests],
        asset_events=[_observation(counts) for counts in planned.observed],
        cursor=planned.new_cursor,
        skip_reason=planned.skip_reason,
    )


def transform_result(
    store: ObjectStore,
    cursor: str | None,
    now: datetime,
    log: logging.Logger,
    made: Iterable[date] = (),
    mark: int | None = None,
) -> dg.SensorResult:
    """What a tick of `dwh_transform_sensor` comes to; `made` are run days to look at, however old."""
    today = local_day(now, TIMEZONE)
    recent = [today - timedelta(days=number) for number in range(RECENT_DAYS + 1)]
    bucket = TRANSFORMED.base.bucket
    planned = plan_filters(
        {day: _manifests(store, day) for day in {*recent, *made, *Remembered.read(cursor).seen}},
        recent,
        cursor,
        lambda name: _content(store, bucket, name),
        is_partition=lambda day: _FIRST_DAY <= day <= today,
        mark=mark,
    )
    _warn(log, planned.warnings)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=request.run_key,
                partition_key=request.day.isoformat(),
                tags=_one_at_a_time(request.day),
            )
            for request in planned.requests
        ],
        cursor=planned.new_cursor,
        skip_reason=planned.skip_reason,
    )


def promotions_result(store: ObjectStore, cursor: str | None, now: datetime) -> dg.SensorResult:
    """What a tick of `dwh_promotions_sensor` comes to."""
    extracts = _extracts(store, local_day(now, TIMEZONE))
    planned = plan(extracts, cursor, now.timestamp(), limit=_LOADS_PER_TICK)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=run_key(extract),
                partition_key=extract.name,
                # All days are merged into one table.
                tags={"quintet/exclusive": "dwh-promotions"},
            )
            for extract in planned.requests
        ],
        cursor=planned.new_cursor,
        skip_reason=planned.skip_reason,
    )


def _raw_looks(store: ObjectStore, days: Sequence[date], deadline: float) -> dict[date, Look]:
    """The prefixes of as many days as can be listed until the deadline, one at least.

    Raw folders are those of UTC days, of which a local day has two; each is listed once.
    """
    looks: dict[date, Look] = {}
    folders: dict[date, list[SourceFile]] = {}
    for day in days:
        if looks and time.monotonic() > deadline:
            break
        start, end = day_window(day, TIMEZONE)
        files: list[SourceFile] = []
        for folder in (start.date(), end.date()):
            if folder not in folders:
                folders[folder] = _files(store, RAW / day_folder(folder))
            files += folders[folder]
        looks[day] = raw_prefixes(files, Interval(start=start, end=end))
    return looks


def _readings(store: ObjectStore, day: date, log: logging.Logger) -> list[Reading]:
    """What the standing runs of a run day have read; a manifest that cannot be read is passed over, aloud."""
    manifests = []
    for file in _manifests(store, day):
        content = _content(store, TRANSFORMED.base.bucket, file.name)
        try:
            manifests += [] if content is None else [TransformManifest.read(file.name, content)]
        except UnreadableDocument as error:
            _warn(log, [str(error)])
    superseded = superseded_run_ids(manifests)
    standing = (run for run in manifests if run.status == "SUCCESS" and run.run_id not in superseded)
    return [run.reading for run in standing if run.reading is not None]


def _manifests(store: ObjectStore, day: date) -> list[SourceFile]:
    files = _files(store, TRANSFORMED.manifests(day))
    return [file for file in files if is_manifest_name(file.name.rpartition("/")[2])]


def _transformed_since(instance: dg.DagsterInstance, mark: int | None) -> tuple[list[date], int]:
    """The days that Dagster recorded as transformed after a mark, and the mark after them."""
    if mark is None:
        newest = instance.fetch_materializations(TRANSFORMED_IMAGES, limit=1).records
        return [], max((record.storage_id for record in newest), default=0)
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(TRANSFORMED_IMAGES, after_storage_id=mark),
        limit=_EVENTS_PER_TICK,
        ascending=True,
    ).records
    days = [date.fromisoformat(record.partition_key) for record in records if record.partition_key]
    return days, max((record.storage_id for record in records), default=mark)


def _extracts(store: ObjectStore, today: date) -> list[SourceFile]:
    """The ingress days that are partitions and have an extract, as one file each."""
    found: dict[date, list[SourceFile]] = {}
    for file in _files(store, PROMOTIONS.base):
        day = _ingress_day(file.name)
        if day is not None and _FIRST_DAY <= day <= today:
            found.setdefault(day, []).append(file)
    return [
        SourceFile(day.isoformat(), _digest(files), sum(file.size for file in files))
        for day, files in sorted(found.items())
    ]


def _ingress_day(key: str) -> date | None:
    """The day of a parquet file directly in the folder of an extract; None for anything else."""
    folder, _, name = key.rpartition("/")
    try:
        day = date.fromisoformat(folder.rpartition("=")[2])
    except ValueError:
        return None
    is_extract = folder == PROMOTIONS.extract(day).key and is_data(key) and name.endswith(".parquet")
    return day if is_extract else None


def _transform_run(request: WindowRequest) -> dg.RunRequest:
    window = {
        "window_start": format_instant(request.window.start),
        "window_end": format_instant(request.window.end),
    }
    return dg.RunRequest(
        run_key=request.run_key,
        partition_key=request.day.isoformat(),
        run_config={"ops": {"dwh__transformed_images": {"config": window}}},
        tags=_one_at_a_time(request.day),
    )


def _observation(counts: DayCounts) -> dg.AssetObservation:
    return dg.AssetObservation(
        RAW_IMAGES,
        partition=counts.day.isoformat(),
        metadata={
            "objects": counts.objects,
            "size_bytes": counts.size,
            "empty_prefixes": counts.empty_prefixes,
        },
    )


def _one_at_a_time(day: date) -> Mapping[str, str]:
    return {"quintet/exclusive": f"dwh-{day}"}


def _files(store: ObjectStore, folder: Location) -> list[SourceFile]:
    """The objects of a folder, at any depth; a bucket that nobody has made yet has none."""
    try:
        found: Sequence[ObjectInfo] = store.list(folder.bucket, f"{folder.key}/")
    except ObjectNotFound:
        return []
    return [SourceFile(info.key, info.etag, info.size) for info in found]


def _content(store: ObjectStore, bucket: str, key: str) -> bytes | None:
    try:
        return store.read_bytes(bucket, key)
    except ObjectNotFound:
        return None


def _digest(files: Iterable[SourceFile]) -> str:
    lines = sorted(f"{file.name} {file.version} {file.size}" for file in files)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def _warn(log: logging.Logger, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        log.warning(sentence)
