"""The sensor of market: one run per new or replaced vendor file, neighbouring months in one run."""

import hashlib
import time
from collections.abc import Mapping, Sequence

import dagster as dg

from assets.market.assets import raw_bars
from assets.market.months import BUCKET, RAW_PREFIX, month_of_raw_key
from assets.market.partitions import months
from assets.market.published import month_state
from assets.market.recipe import Recipe
from jobs.market import build_market_month
from resources.object_store import ObjectInfo, ObjectStore
from sensors.planning import SourceFile, plan, run_key, stretches

# Telling whether a month is done takes 50 ms on a disk, and on S3 13 requests or about half a second; Dagster
# ends a tick after 60 s.
_FILES_PER_TICK = 60


@dg.sensor(
    name="market_month_sensor",
    job=build_market_month,
    minimum_interval_seconds=60,
    description="Makes the month of each new or replaced vendor file that was the same on two looks.",
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def market_month_sensor(context: dg.SensorEvaluationContext, object_store: ObjectStore) -> dg.SensorResult:
    """Look for vendor files, observe those that have settled, and ask for the months that are not done."""
    found = _vendor_months(object_store)
    listing = [SourceFile(name=month, version=info.etag, size=info.size) for month, info in found.items()]
    planned = plan(listing, context.cursor, time.time(), limit=_FILES_PER_TICK)
    states = {
        file.name: month_state(object_store, file.name, Recipe(), input_now=found[file.name])
        for file in planned.requests
    }
    wanted = {file.name: file for file in planned.requests if states[file.name] != "done"}
    done = [month for month, state in states.items() if state == "done"]
    if wanted and done:  # A tick that requests runs cannot give a reason for what it skips.
        context.log.info(_skip_reason(done, None))
    return dg.SensorResult(
        run_requests=[_run_request([wanted[month] for month in stretch]) for stretch in _stretches(wanted)],
        asset_events=[_observation(month, found[month]) for month in states],
        cursor=planned.new_cursor,
        skip_reason=None if wanted else _skip_reason(done, planned.skip_reason),
    )


def _vendor_months(store: ObjectStore) -> dict[str, ObjectInfo]:
    """The vendor files by month; other names and months that are no partition are ignored."""
    partitions = set(months.get_partition_keys())
    named = ((month_of_raw_key(info.key), info) for info in store.list(BUCKET, RAW_PREFIX))
    return {month: info for month, info in named if month in partitions}


def _stretches(wanted: Mapping[str, SourceFile]) -> list[tuple[str, ...]]:
    return stretches(wanted, months.get_partition_keys())


def _run_request(files: Sequence[SourceFile]) -> dg.RunRequest:
    config = {"ops": {"market_month": {"config": {"skip_unchanged": True}}}}
    first, last = files[0], files[-1]
    if len(files) == 1:
        return dg.RunRequest(run_key=run_key(first), partition_key=first.name, run_config=config)
    versions = hashlib.sha256("\n".join(run_key(file) for file in files).encode()).hexdigest()[:16]
    return dg.RunRequest(
        run_key=f"{first.name}...{last.name}:{versions}",
        run_config=config,
        tags={
            "dagster/asset_partition_range_start": first.name,
            "dagster/asset_partition_range_end": last.name,
        },
    )


def _observation(month: str, info: ObjectInfo) -> dg.AssetObservation:
    return dg.AssetObservation(
        raw_bars.key,
        partition=month,
        metadata={
            "size_bytes": info.size,
            "etag": info.etag,
            "modified": dg.MetadataValue.timestamp(info.modified),
        },
        tags={"dagster/data_version": f"{info.size}-{info.etag}"},
    )


def _skip_reason(done: Sequence[str], reason: str | None) -> str:
    said = [f"{', '.join(done)}: done already, made from the same input, config and code"] if done else []
    return "; ".join([*said, *([reason] if reason else [])])
