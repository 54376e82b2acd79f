"""What steps printed, what killed runs left in the work folder, and the run folders of dwh."""

import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from assets.dwh.filter_manifests import FilterManifest, FilterOutput, FilterStatus
from assets.dwh.intervals import Interval
from assets.dwh.paths import FilteredImages, Location, TransformedImages
from assets.dwh.transform_manifests import TransformManifest, TransformOutput, TransformStatus
from resources.object_store import LocalObjectStore
from scripts.retention import compute_logs, dwh_folders, work_folders

NOW = time.time()
DAY = 86_400
BEFORE = NOW - 10 * DAY
RUN, OTHER = "0b0e2f3c-0000-4000-8000-000000000001", "0b0e2f3c-0000-4000-8000-000000000002"


def file(path, days=20.0, content=b"12345"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    aged(path, days)
    return path


def aged(path, days):
    os.utime(path, (NOW - days * DAY,) * 2)


# ---- logs ----


def found_logs(folder, live=(), known=(RUN, OTHER)):
    return compute_logs.old_logs(compute_logs.listed(folder), live, known, BEFORE)


def old_logs(folder, live=(), known=(RUN, OTHER)):
    return {log.path.relative_to(folder).as_posix() for log in found_logs(folder, live, known)}


def test_logs_of_a_run_go_by_the_age_of_the_newest_of_them(tmp_path):
    file(tmp_path / RUN / "compute_logs" / "a.err")
    file(tmp_path / OTHER / "compute_logs" / "a.err")
    file(tmp_path / OTHER / "compute_logs" / "b.err", days=9)
    assert old_logs(tmp_path) == {f"{RUN}/compute_logs"}


def test_logs_of_a_run_that_is_gone_go_at_once_and_those_of_one_at_work_never(tmp_path):
    file(tmp_path / RUN / "compute_logs" / "a.err", days=0)
    file(tmp_path / OTHER / "compute_logs" / "a.err", days=200)
    assert old_logs(tmp_path, live=[OTHER], known=[OTHER]) == {f"{RUN}/compute_logs"}


def test_logs_of_a_run_that_was_launched_after_the_listing_are_not_taken_for_those_of_one_that_is_gone(
    tmp_path,
):
    entries = compute_logs.listed(tmp_path)
    file(tmp_path / RUN / "compute_logs" / "a.err", days=0)
    assert list(compute_logs.old_logs(entries, (), (), BEFORE)) == []


def test_what_is_no_log_stays_whatever_its_age(tmp_path):
    file(tmp_path / RUN / "step" / "result")
    file(tmp_path / "market" / "table" / "2025-10")
    file(tmp_path / "__repository__" / "asset" / "12.parquet")
    assert old_logs(tmp_path, known=()) == set()


def test_logs_of_ticks_go_by_age(tmp_path):
    file(tmp_path / "__repository__" / "files_sensor" / "17.err")
    file(tmp_path / "__repository__" / "files_sensor" / "18.err", days=1)
    assert old_logs(tmp_path) == {"__repository__/files_sensor/17.err"}


def test_removing_logs_takes_the_empty_folder_and_leaves_what_else_lies_there(tmp_path):
    file(tmp_path / RUN / "compute_logs" / "a.err")
    file(tmp_path / OTHER / "compute_logs" / "a.err")
    kept = file(tmp_path / OTHER / "step" / "result")
    for log in found_logs(tmp_path, (), ()):
        assert log.size == 5
        compute_logs.remove(log)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
    assert not (tmp_path / RUN).exists()


def test_logs_of_another_system_are_none_of_ours():
    assert compute_logs.log_folder(SimpleNamespace(compute_log_manager=object())) is None  # pyright: ignore[reportArgumentType]


# ---- work ----


def spark_folder(work, name, days):
    path = file(work / name / "block", days).parent
    aged(path, days)
    return path


def job_folder(work, job, run_id, days=20.0):
    record = file(
        work / "beams" / "QA1" / "002_F2" / job / "launch.json", days, json.dumps({"run_id": run_id}).encode()
    )
    file(record.with_name("engine.log"), days)
    aged(record.parent, days)
    return record.parent


def leftovers(work, live=None, running=()):
    found = work_folders.leftovers(work, live or {}, BEFORE, lambda folder: folder.name in running)
    return {leftover.path.name for leftover in found}


def test_files_of_an_engine_go_when_no_run_is_left_that_may_own_them(tmp_path):
    spark_folder(tmp_path, "spark-old", 20)
    spark_folder(tmp_path, "spark-young", 9)
    assert leftovers(tmp_path) == {"spark-old"}
    assert leftovers(tmp_path, live={RUN: NOW - 19 * DAY}) == {"spark-old"}
    assert leftovers(tmp_path, live={RUN: NOW - 21 * DAY}) == set()


def test_a_job_goes_when_its_run_has_ended_and_its_engine_too(tmp_path):
    job_folder(tmp_path, "attempt-1", RUN)
    job_folder(tmp_path, "attempt-2", OTHER)
    job_folder(tmp_path, "attempt-3", OTHER, days=2)
    assert leftovers(tmp_path, live={RUN: NOW}) == {"attempt-2"}
    assert leftovers(tmp_path, live={RUN: NOW}, running={"attempt-2"}) == set()
    assert leftovers(tmp_path) == {"attempt-1", "attempt-2"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"run_id": 7}'])
def test_a_job_whose_record_cannot_be_read_stays(content, tmp_path):
    folder = job_folder(tmp_path, "attempt-1", RUN)
    (folder / "launch.json").write_bytes(content)
    aged(folder / "launch.json", 20)
    assert leftovers(tmp_path) == set()


def test_what_belongs_to_no_run_stays(tmp_path):
    file(tmp_path / "mcsquare" / "mcsquare-1" / "MCsquare_linux", 400)
    file(tmp_path / "compute" / "token.lock", 400)
    file(tmp_path / "beams" / "scan.json", 400)
    file(tmp_path / "spark-file", 400)
    assert leftovers(tmp_path) == set()
    assert leftovers(tmp_path / "absent") == set()


def test_a_leftover_is_removed_whole(tmp_path):
    folder = job_folder(tmp_path, "attempt-1", RUN)
    for leftover in work_folders.leftovers(tmp_path, {}, BEFORE, lambda _: False):
        assert leftover.size > 5
        work_folders.remove(leftover)
    assert not folder.exists()
    assert folder.parent.exists()


# ---- dwh ----

ZONE = "America/Los_Angeles"
LOCAL_DAY = date(2025, 3, 9)
FILTERED = FilteredImages(Location("dwh-data", "filtered_images"), ZONE)
TRANSFORMED = TransformedImages(Location("dwh-data", "transformed_images"), ZONE)
OLD = datetime.fromtimestamp(BEFORE, UTC) - timedelta(days=5)


class Bucket:
    """A store whose objects are as old as a test wants."""

    def __init__(self, root):
        self.store = LocalObjectStore(root=str(root))
        self.root = root

    def put(self, place, content=b"rows", days=20.0):
        self.store.put_bytes(place.bucket, place.key, content)
        aged(self.root / place.bucket / place.key, days)

    def filter_run(self, hour, *, status: FilterStatus = "SUCCESS", current=False, pointer_days=20.0):
        run_id = f"filter-20250310T{hour:02}0000Z-abcdef"
        place = FILTERED.rows(LOCAL_DAY, run_id)
        self.put(place / "part-0.parquet")
        self.put(FILTERED.quarantine(LOCAL_DAY, run_id) / "part-0.parquet")
        output = FilterOutput(path=place.uri("s3"), record_count=1)
        manifest = FilterManifest(run_id=run_id, status=status, output=output)
        self.put(FILTERED.manifest(LOCAL_DAY, run_id), manifest.content())
        if current:
            self.put(FILTERED.pointer(LOCAL_DAY), manifest.content(), pointer_days)
        return run_id

    def transform_run(
        self, hour, hours=(0, 1), *, status: TransformStatus = "SUCCESS", clean_sink=True, created=OLD
    ):
        run_id = f"transform-20250310T{hour:02}0000Z-abcdef"
        place = TRANSFORMED.rows("nautilus", LOCAL_DAY, run_id)
        self.put(place / "part-0")
        self.put(TRANSFORMED.dropped(LOCAL_DAY, run_id) / "part-0")
        window = Interval(
            start=datetime(2025, 3, 9, 8 + hours[0], tzinfo=UTC),
            end=datetime(2025, 3, 9, 8 + hours[1], tzinfo=UTC),
        )
        manifest = TransformManifest(
            run_id=run_id,
            status=status,
            day=LOCAL_DAY,
            timezone=ZONE,
            created_at=created + timedelta(minutes=hour),
            window=window,
            source_timestamp=window.end,
            outputs=(TransformOutput(category="nautilus", day=LOCAL_DAY, path=place.uri("s3"), records=1),),
            clean_sink=clean_sink,
        )
        self.put(TRANSFORMED.manifest(LOCAL_DAY, run_id), manifest.content())
        return run_id

    def found(self):
        return dwh_folders.superfluous(self.store, datetime.fromtimestamp(BEFORE, UTC))

    def runs(self):
        return sorted({folder.path.rpartition("/")[2] for folder in self.found().folders})


@pytest.fixture
def bucket(tmp_path):
    return Bucket(tmp_path / "storage")


def test_of_a_filtered_day_the_current_output_and_the_success_before_it_stay(bucket):
    first, failed = bucket.filter_run(1), bucket.filter_run(2, status="FAILED")
    before, current = bucket.filter_run(3), bucket.filter_run(4, current=True)
    assert bucket.runs() == [first, failed]
    assert len(bucket.found().folders) == 4
    for folder in bucket.found().folders:
        dwh_folders.remove(bucket.store, folder)
    left = bucket.store.list_keys("dwh-data", "filtered_images/")
    assert {key.split("/")[-2] for key in left if key.endswith(".parquet")} == {before, current}
    assert sum(key.endswith(".json") for key in left) == 5
    assert bucket.runs() == []


def test_a_pointer_that_was_turned_back_keeps_what_it_names(bucket):
    first = bucket.filter_run(1, current=True)
    second, third = bucket.filter_run(2), bucket.filter_run(3)
    assert bucket.runs() == [second]
    assert {first, third}.isdisjoint(bucket.runs())


def test_a_day_whose_pointer_moved_of_late_or_is_absent_is_left_alone(bucket):
    for hour in (1, 2, 3):
        bucket.filter_run(hour)
    assert bucket.runs() == []
    bucket.filter_run(4, current=True, pointer_days=9)
    assert bucket.runs() == []


def test_a_day_with_a_manifest_that_cannot_be_read_is_left_alone_and_told(bucket):
    bucket.filter_run(1)
    bucket.filter_run(2, current=True)
    bucket.put(FILTERED.manifest(LOCAL_DAY, "filter-20250310T090000Z-abcdef"), b"{")
    assert bucket.runs() == []
    assert "filter-20250310T090000Z-abcdef" in bucket.found().notes[0]


def test_the_output_of_a_filter_run_that_was_killed_goes_and_what_is_no_run_stays(bucket):
    killed = "filter-20250310T000000Z-000000"
    bucket.filter_run(1, current=True)
    bucket.put(FILTERED.rows(LOCAL_DAY, killed) / "part-0.parquet")
    bucket.put(FILTERED.latest(LOCAL_DAY) / "part-0.parquet")
    bucket.put(FILTERED.rows(LOCAL_DAY, "notes-of-somebody") / "part-0.parquet")
    bucket.put(FILTERED.adopted_input(LOCAL_DAY, "adopted-1"), b"{}")
    assert bucket.runs() == [killed]


def test_rows_of_a_transform_run_go_once_a_later_success_has_all_of_its_window(bucket):
    replaced, beside = bucket.transform_run(1), bucket.transform_run(2, hours=(1, 3))
    whole = bucket.transform_run(3, hours=(0, 2))
    assert bucket.runs() == [replaced]
    assert {folder.path.split("/")[1] for folder in bucket.found().folders} == {"nautilus", "_dropped"}
    for folder in bucket.found().folders:
        dwh_folders.remove(bucket.store, folder)
    assert bucket.runs() == []
    left = bucket.store.list_keys("dwh-data", "transformed_images/")
    assert {key.split("/")[-2] for key in left if not key.endswith(".json")} == {beside, whole}
    assert sum("/_manifests/" in key for key in left) == 3


@pytest.mark.parametrize("protecting", [1, 3])
def test_clean_sink_false_protects_the_rows_that_a_run_replaces(bucket, protecting):
    bucket.transform_run(1, clean_sink=protecting != 1)
    bucket.transform_run(3, clean_sink=protecting != 3)
    assert bucket.runs() == []


def test_a_run_that_was_replaced_of_late_stays(bucket):
    bucket.transform_run(1)
    bucket.transform_run(3, created=datetime.fromtimestamp(NOW, UTC) - timedelta(days=2))
    assert bucket.runs() == []


def test_a_failed_transform_run_goes_and_one_that_waits_for_approval_stays(bucket):
    failed = bucket.transform_run(1, status="FAILED")
    bucket.transform_run(2, hours=(3, 4), status="PENDING_APPROVAL")
    assert bucket.runs() == [failed]


def test_a_transform_run_that_was_killed_goes_and_a_young_one_stays(bucket):
    killed, young = "transform-20250310T000000Z-000000", "transform-20250310T000001Z-000000"
    bucket.put(TRANSFORMED.rows("savedproject", LOCAL_DAY, killed) / "part-0")
    bucket.put(TRANSFORMED.rows("savedproject", LOCAL_DAY, young) / "part-0")
    bucket.put(TRANSFORMED.rows("savedproject", LOCAL_DAY, young) / "part-1", days=1)
    assert bucket.runs() == [killed]


def test_a_run_day_with_a_manifest_that_cannot_be_read_is_left_alone_and_told(bucket):
    bucket.transform_run(1)
    bucket.transform_run(3)
    bucket.put(TRANSFORMED.manifest(LOCAL_DAY, "transform-20250310T090000Z-abcdef"), b"{")
    assert bucket.runs() == []
    assert len(bucket.found().notes) == 1


def test_without_a_bucket_nothing_goes(bucket):
    assert bucket.found() == dwh_folders.Found((), ())
