"""The sensors of dwh over a store on disk: what a tick asks Dagster for, and what it says."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from assets.dwh.days import day_window, format_instant, local_day, prefix_of
from assets.dwh.partitions import TIMEZONE, local_days
from assets.dwh.paths import day_folder
from resources.object_store import LocalObjectStore, ObjectInfo, ObjectNotFound
from sensors.dwh import (
    RECENT_DAYS,
    TRANSFORMED_IMAGES,
    dwh_promotions_sensor,
    dwh_raw_sensor,
    dwh_transform_sensor,
    promotions_result,
    raw_result,
    transform_result,
)
from tests.assets.dwh.transform_runs import DAY, hour, hours, output, transform_run

pytestmark = pytest.mark.materialise

STEP = timedelta(minutes=5)
START = day_window(DAY, TIMEZONE)[0]
LOG = logging.getLogger("dwh sensor tests")
BUCKET = "dwh-data"


class Window(dg.Config):
    """The part of the launch config that a sensor sets."""

    window_start: str
    window_end: str


@dg.asset(key=["dwh", "transformed_images"], partitions_def=local_days)
def transformed_images(context: dg.AssetExecutionContext, config: Window) -> None:
    """Stands for the asset; its op has the name that the sensor configures."""
    context.log.info("%s %s", config.window_start, config.window_end)


@dg.asset(key=["dwh", "filtered_images"], partitions_def=local_days)
def filtered_images() -> None:
    """Stands for the asset."""


@dg.asset(key=["dwh", "promotions"], partitions_def=local_days)
def promotions() -> None:
    """Stands for the asset."""


@pytest.fixture
def store(tmp_path) -> LocalObjectStore:
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def defs(store) -> dg.Definitions:
    return dg.Definitions(
        assets=[transformed_images, filtered_images, promotions],
        jobs=[
            dg.define_asset_job("transform_images", [transformed_images]),
            dg.define_asset_job("filter_images", [filtered_images]),
            dg.define_asset_job("load_promos", [promotions]),
        ],
        sensors=[dwh_raw_sensor, dwh_transform_sensor, dwh_promotions_sensor],
        resources={"object_store": store},
    )


def tick(
    defs: dg.Definitions, name: str, cursor: str | None, instance: dg.DagsterInstance
) -> SensorExecutionData:
    """One tick as the daemon makes it."""
    with dg.build_sensor_context(instance, cursor, resources=defs.resources, definitions=defs) as context:
        return defs.resolve_sensor_def(name).evaluate_tick(context)


def put_raw(
    store: LocalObjectStore, instant: datetime, content: bytes = b"{}\n", name: str = "a.json"
) -> None:
    store.put_bytes(BUCKET, f"raw_images/{prefix_of(instant)}/{name}", content)


def put_manifest(store: LocalObjectStore, run_id: str, *, day: date = DAY, **changes) -> str:
    run = transform_run(run_id, day=day, **changes)
    key = f"transformed_images/_manifests/pacific/{day_folder(day)}/manifest-{run_id}.json"
    store.put_bytes(BUCKET, key, run.content())
    return key


def settled(store: LocalObjectStore, cursor: str | None = None, now: datetime = START + timedelta(hours=9)):
    """The second of two looks at the raw images."""
    first = raw_result(store, cursor, now, LOG)
    return raw_result(store, first.cursor, now + STEP, LOG)


def asked(result: dg.SensorResult) -> list[tuple[str | None, str, str]]:
    """The partitions and windows of the requests."""
    configs = [
        (request.partition_key, request.run_config["ops"]["dwh__transformed_images"]["config"])
        for request in result.run_requests or []
    ]
    return [(day, config["window_start"], config["window_end"]) for day, config in configs]


@pytest.mark.parametrize(
    ("sensor", "name", "job", "seconds"),
    [
        (dwh_raw_sensor, "dwh_raw_sensor", "transform_images", 120),
        (dwh_transform_sensor, "dwh_transform_sensor", "filter_images", 60),
        (dwh_promotions_sensor, "dwh_promotions_sensor", "load_promos", 300),
    ],
)
def test_each_sensor_is_stopped_until_someone_starts_it(sensor, name, job, seconds):
    assert (sensor.name, sensor.job_name, sensor.minimum_interval_seconds) == (name, job, seconds)
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_a_raw_prefix_that_settled_asks_for_its_window_and_the_run_that_is_asked_for_starts(store, defs):
    now = datetime.now(UTC)
    instant = now - timedelta(minutes=30)
    put_raw(store, instant)
    before = raw_result(store, None, now - timedelta(minutes=6), LOG)
    with dg.instance_for_test() as instance:
        found = tick(defs, "dwh_raw_sensor", before.cursor, instance)
        (request,) = found.run_requests or []
        day = local_day(instant, TIMEZONE)
        assert request.partition_key == str(day)
        assert request.tags["quintet/exclusive"] == f"dwh-{day}"
        assert (request.run_key or "").startswith(f"{day}:")
        (observation,) = found.asset_events
        assert observation.asset_key == dg.AssetKey(["dwh", "raw_images"])
        assert observation.partition == str(day)
        assert {name: value.value for name, value in observation.metadata.items()}.keys() == {
            "objects",
            "size_bytes",
            "empty_prefixes",
        }
        run = defs.resolve_job_def("transform_images").execute_in_process(
            run_config=dict(request.run_config),
            tags=dict(request.tags),
            partition_key=request.partition_key,
            instance=instance,
        )
        assert run.success
        again = tick(defs, "dwh_raw_sensor", found.cursor, instance)
    assert not again.run_requests
    assert "was asked for before, in its present state" in (again.skip_message or "")


def test_the_window_is_half_open_utc_text_and_the_day_is_observed(store):
    put_raw(store, START + 2 * STEP, b"12345")
    put_raw(store, START + 3 * STEP, b"123", "b.json")
    result = settled(store)
    assert asked(result) == [("2025-01-15", "2025-01-15T08:00:00Z", "2025-01-15T08:20:00Z")]
    (observation,) = result.asset_events
    assert {name: value.value for name, value in observation.metadata.items()} == {
        "objects": 2,
        "size_bytes": 8,
        "empty_prefixes": 9 * 12 + 1 - 2,
    }


def test_the_two_utc_folders_of_a_local_day_are_both_looked_at(store):
    put_raw(store, START)
    put_raw(store, START + timedelta(hours=24) - STEP)
    result = settled(store, now=START + timedelta(days=1, hours=1))
    assert asked(result) == [("2025-01-15", "2025-01-15T08:00:00Z", "2025-01-16T08:00:00Z")]


def test_days_that_time_does_not_suffice_for_are_looked_at_in_the_next_ticks(store):
    put_raw(store, START)
    put_raw(store, START - timedelta(days=2))
    now, cursor, found = START + timedelta(hours=1), None, set()
    for _ in range(9):
        result = raw_result(store, cursor, now, LOG, listing_seconds=-1)
        found |= {request.partition_key for request in result.run_requests or []}
        cursor, now = result.cursor, now + STEP
    assert found == {"2025-01-13", "2025-01-15"}


def test_what_a_run_has_read_is_asked_for_again_in_its_window_if_it_changes(store):
    put_raw(store, START)
    only_first = hours(1 / 12, 24)
    put_manifest(store, "r1", missing=(only_first,))
    put_manifest(store, "r0", window=hours(0, 30), created_at=hour(1))
    put_manifest(store, "r3", window=hours(0, 12), status="PENDING_APPROVAL", created_at=hour(30))
    assert asked(settled(store)) == [("2025-01-15", "2025-01-15T08:00:00Z", "2025-01-16T08:00:00Z")]


def test_a_manifest_that_cannot_be_read_is_said_and_the_day_asked_for_all_the_same(store, caplog):
    put_raw(store, START)
    key = put_manifest(store, "r1")
    store.put_bytes(BUCKET, key, b"{")
    assert asked(settled(store)) == [("2025-01-15", "2025-01-15T08:00:00Z", "2025-01-15T08:05:00Z")]
    assert f"{key} cannot be read" in caplog.text


def test_what_someone_removed_after_it_was_read_is_warned_about(store, caplog):
    put_raw(store, START)
    put_manifest(store, "r1")
    assert asked(settled(store)) == [("2025-01-15", "2025-01-15T08:00:00Z", "2025-01-15T08:05:00Z")]
    assert "2025-01-15: 287 prefixes that a run read are gone by now" in caplog.text


def test_a_manifest_asks_for_the_days_that_it_touches(store, defs):
    today = local_day(datetime.now(UTC), TIMEZONE)
    yesterday = today - timedelta(days=1)
    put_manifest(store, "r1", day=yesterday, outputs=(output("r1", today),))
    with dg.instance_for_test() as instance:
        found = tick(defs, "dwh_transform_sensor", None, instance)
        assert [request.partition_key for request in found.run_requests or []] == [str(yesterday), str(today)]
        for request in found.run_requests or []:
            assert (request.run_key or "").startswith(f"r1:{request.partition_key}:")
            assert request.tags["quintet/exclusive"] == f"dwh-{request.partition_key}"
        again = tick(defs, "dwh_transform_sensor", found.cursor, instance)
    assert not again.run_requests
    assert again.skip_message == "Each of the 1 listed transform manifests was looked into before."


def test_a_day_long_ago_is_looked_at_when_dagster_transformed_it(store, defs):
    put_manifest(store, "r1")
    old = dg.AssetMaterialization(TRANSFORMED_IMAGES, partition=str(DAY))
    with dg.instance_for_test() as instance:
        instance.report_runless_asset_event(old)
        first = tick(defs, "dwh_transform_sensor", None, instance)
        assert first.skip_message == "No transform manifest is listed.", "what was before the sensor is past"
        instance.report_runless_asset_event(old)
        second = tick(defs, "dwh_transform_sensor", first.cursor, instance)
        assert [request.partition_key for request in second.run_requests or []] == [str(DAY)]
        third = tick(defs, "dwh_transform_sensor", second.cursor, instance)
    assert third.skip_message == "No transform manifest is listed."


@pytest.mark.parametrize(("age", "count"), [(RECENT_DAYS, 1), (RECENT_DAYS + 1, 0)])
def test_run_days_are_looked_at_for_two_weeks(store, age, count):
    put_manifest(store, "r1")
    now = START + timedelta(days=age, hours=1)
    assert len(transform_result(store, None, now, LOG).run_requests or []) == count


def test_a_manifest_that_cannot_be_read_is_logged_and_the_others_ask(store, caplog):
    put_manifest(store, "r1")
    broken = put_manifest(store, "r2")
    store.put_bytes(BUCKET, broken, b"[]")
    result = transform_result(store, None, START + timedelta(hours=1), LOG)
    assert len(result.run_requests or []) == 1
    assert f"{broken} cannot be read" in caplog.text


def put_extract(
    store: LocalObjectStore, day: str, name: str = "part-0.parquet", content: bytes = b"1"
) -> None:
    store.put_bytes(BUCKET, f"promotions_raw/ptn_ingress_date={day}/{name}", content)


def test_an_extract_is_loaded_when_two_looks_found_the_same(store, defs):
    put_extract(store, "2025-01-15")
    with dg.instance_for_test() as instance:
        first = tick(defs, "dwh_promotions_sensor", None, instance)
        assert "Waiting until two looks" in (first.skip_message or "")
        put_extract(store, "2025-01-15", "part-1.parquet")
        grown = tick(defs, "dwh_promotions_sensor", first.cursor, instance)
        assert not grown.run_requests
        whole = tick(defs, "dwh_promotions_sensor", grown.cursor, instance)
        (request,) = whole.run_requests or []
        assert request.partition_key == "2025-01-15"
        assert request.tags["quintet/exclusive"] == "dwh-promotions"
        again = tick(defs, "dwh_promotions_sensor", whole.cursor, instance)
    assert not again.run_requests


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2025-01-15", "_temporary.parquet"),
        ("2025-01-15", "notes.txt"),
        ("2025-01-15", "deeper/part-0.parquet"),
        ("20250115", "part-0.parquet"),
        ("2025-02-30", "part-0.parquet"),
        ("2024-12-31", "part-0.parquet"),
        ("2025-01-16", "part-0.parquet"),
    ],
)
def test_what_is_no_extract_of_a_partition_is_ignored(store, day, name):
    put_extract(store, day, name)
    result = promotions_result(store, None, START + timedelta(hours=23))
    assert str(result.skip_reason.skip_message if result.skip_reason else "") == "No file is listed."


class NoBucket(LocalObjectStore):
    """A store such as S3, whose bucket nobody has made."""

    def _list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        raise ObjectNotFound(f"{bucket} does not exist.")


def test_without_a_bucket_each_sensor_says_that_there_is_nothing(tmp_path):
    store, now = NoBucket(root=str(tmp_path)), START + timedelta(hours=1)
    results = [
        raw_result(store, None, now, LOG),
        transform_result(store, None, now, LOG),
        promotions_result(store, None, now),
    ]
    assert [result.skip_reason for result in results] == [
        dg.SkipReason(f"No raw image lies in the days 2025-01-12 to {DAY}."),
        dg.SkipReason("No transform manifest is listed."),
        dg.SkipReason("No file is listed."),
    ]


def test_the_day_of_these_tests_begins_at_eight_utc():
    assert format_instant(START) == "2025-01-15T08:00:00Z"
