"""Runs of one day beside each other, readers beside them, and runs that end before their end."""

import signal
import threading

import pytest

from assets.dwh.filter_manifests import FilterManifest
from assets.dwh.paths import Location
from assets.dwh.stages import filtering
from assets.failures import TransientFailure
from resources.object_store import StoreUnavailable
from tests.assets.dwh.filter_days import (
    BUCKET,
    FILTERED,
    image,
    open_day,
    ordered,
    versions,
)
from tests.assets.dwh.filter_process import WatchedStore, run_process
from tests.assets.dwh.transform_runs import DAY

SECONDS = 120


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def day(spark, spark_resource, root):
    with open_day(root, spark_resource, spark) as opened:
        yield opened


def before_first(part, action):
    """Do something before the first write of a key with that part."""
    done = []

    def act(key):
        if part in key and not done:
            done.append(key)
            action()

    return act


@pytest.mark.parametrize("published_before", [False, True])
def test_a_run_that_was_overtaken_starts_again_from_the_new_pointer(day, root, published_before):
    day.transformed("r1", [image("A"), image("shared", "r1")], 6)
    if published_before:
        day.filter()

    def overtake():
        day.transformed("r2", [image("B"), image("shared", "r2")], 12, start=6)
        day.filter("fast")

    slow = day.with_store(WatchedStore(root=str(root)).watch(before_first("latest.json", overtake)))
    outcome = slow.filter("slow")
    assert outcome.attempts == 2
    assert day.manifest("slow").status == "FAILED"
    assert day.pointer == outcome.manifest
    assert day.pointer.input.previous_manifest == FILTERED.manifest(DAY, "fast").uri("s3")
    assert day.pointer.run_id == outcome.metrics.job_run_id not in ("slow", "fast")
    assert versions(day.rows()) == [("A", "v"), ("B", "v"), ("shared", "r2")]


def test_an_older_run_that_finishes_late_does_not_take_over_the_pointer(day, root):
    day.transformed("r1", [image("A", "1")], 6)
    watched = WatchedStore(root=str(root))

    def newer():
        day.transformed("r2", [image("A", "2")], 12, start=6)
        day.filter("newer")

    day.with_store(watched.watch(before_first("/older/", newer))).filter("older")
    assert versions(day.rows()) == [("A", "2")]
    assert day.manifest("older").status == "FAILED"


def test_a_run_that_is_always_overtaken_gives_up(day, root, monkeypatch):
    monkeypatch.setattr(filtering, "MOST_ATTEMPTS", 2)
    day.transformed("r1", [image("A")])

    def overtake(key):
        if key.endswith("latest.json"):
            day.filter()

    slow = day.with_store(WatchedStore(root=str(root)).watch(overtake))
    with pytest.raises(TransientFailure, match="Other runs of 2025-01-15 were faster 2 times"):
        slow.filter("slow")
    assert versions(day.rows()) == [("A", "v")]


def test_an_input_that_two_runs_adopt_is_one(day, root):
    from assets.dwh.adoption import Trigger

    day.put(Location("other", "out/part-0"), b'{"pk": "x", "data": {"mediaid": "A"}}\n')
    trigger = Trigger("s3://other/out")
    slow = WatchedStore(root=str(root)).watch(before_first("/_inputs/", lambda: day.filter(trigger=trigger)))
    outcome = day.with_store(slow).filter(trigger=trigger)
    assert outcome.attempts == 2
    assert len(day.rows()) == len(day.keys(FILTERED.adopted_inputs(DAY))) == 1


def test_two_processes_lose_no_rows(root, tmp_path, day):
    told = [{f"a{hour}": hour for hour in (0, 2, 4)}, {f"b{hour}": hour for hour in (1, 3, 5)}]
    processes = [
        run_process(root, tmp_path / str(number), transform=runs) for number, runs in enumerate(told)
    ]
    assert [process.wait(SECONDS) for process in processes] == [0, 0]
    run_ids = [*told[0], *told[1]]
    rows = day.rows()
    assert {row["_source_run_id"] for row in rows if row["data"]["mediaid"] is None} == set(run_ids)
    assert {row["data"]["mediaid"] for row in rows} == {None, "shared", *run_ids}
    assert len(rows) == day.pointer.output.record_count == 2 * len(run_ids) + 1
    statuses = [day.manifest(name).status for name in manifest_run_ids(day)]
    assert statuses.count("SUCCESS") == 6


def manifest_run_ids(day):
    names = [key.rpartition("/")[2] for key in day.keys(FILTERED.manifests(DAY))]
    return [name.removeprefix("manifest-").removesuffix(".json") for name in names if name != "latest.json"]


def test_a_reader_never_sees_nothing_or_half(day):
    day.transformed("r0", [image(f"m{number}", "0") for number in range(40)], 1)
    day.filter(max_records_per_file=7)
    seen, faults, stop = set(), [], threading.Event()

    def read():
        while not stop.is_set():
            pointer = day.pointer
            rows = day.rows_in(Location.parse(pointer.output.path))
            found = {row["data"]["userid"] for row in rows}
            if len(rows) != pointer.output.record_count or len(rows) != 40 or len(found) != 1:
                faults.append((pointer.run_id, len(rows), found))
            seen.update(found)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in (1, 2, 3):
            rows = [image(f"m{key}", str(number)) for key in range(40)]
            day.transformed(f"r{number}", rows, number + 1, start=number)
            day.filter(max_records_per_file=7)
    finally:
        stop.set()
        reader.join(SECONDS)
    assert not faults
    assert len(seen) > 1


def test_the_copy_for_old_readers_never_lacks_a_row(day, root):
    day.transformed("r0", [image(f"m{number}") for number in range(9)], 1)
    day.filter(latest_copy=True, max_records_per_file=4)
    lacking = []

    class Looking(WatchedStore):
        def _delete(self, bucket, key):
            super()._delete(bucket, key)
            self._look(key)

        def _look(self, key):
            keys = {row["data"]["mediaid"] for row in day.rows_in(FILTERED.latest(DAY))}
            if len(keys) != 9:
                lacking.append((key, keys))

    looking = Looking(root=str(root))
    day.with_store(looking.watch(after=looking._look)).filter(latest_copy=True, max_records_per_file=2)
    assert not lacking
    assert ordered(day.rows_in(FILTERED.latest(DAY))) == ordered(day.rows())


def test_a_copy_of_an_overtaken_run_is_taken_back(day, root):
    day.transformed("r1", [image("A", "1")], 6)

    def overtake():
        day.transformed("r2", [image("A", "2")], 12, start=6)
        day.filter(latest_copy=True)

    slow = WatchedStore(root=str(root)).watch(before_first("/latest/", overtake))
    day.with_store(slow).filter(latest_copy=True)
    assert versions(day.rows_in(FILTERED.latest(DAY))) == versions(day.rows()) == [("A", "2")]


class _Cut(OSError):
    pass


def test_a_failure_at_any_write_leaves_what_is_current(day, root):
    day.transformed("r1", [image(f"m{number}") for number in range(5)], 6)
    day.filter()
    day.transformed("r2", [image("m0", "new"), image(None)], 12, start=6)
    before = day.everything()
    written = []

    def fail_at(number):
        written.clear()

        def fail(key):
            written.append(key)
            if len(written) == number + 1:
                raise _Cut(key)

        return fail

    number = 0
    watched = WatchedStore(root=str(root))
    broken = day.with_store(watched)
    asked = {"max_records_per_file": 2, "null_keys": "quarantine"}
    for number in range(20):
        watched.watch(before=fail_at(number))
        try:
            broken.filter(f"cut-{number}", **asked)
            break
        except _Cut:
            assert day.everything() == before
            manifest = day.content(FILTERED.manifest(DAY, f"cut-{number}"))
            assert FilterManifest.read("x", manifest).status == "FAILED"
    # Three files of rows, the one set aside, the manifest and the pointer.
    assert number == 6
    assert day.everything() != before


def test_a_swap_whose_answer_got_lost_counts(day, root):
    day.transformed("r1", [image("A")])

    def lose(key):
        if key.endswith("latest.json"):
            raise StoreUnavailable("no answer")

    outcome = day.with_store(WatchedStore(root=str(root)).watch(after=lose)).filter("f1")
    assert outcome.attempts == 1
    assert day.pointer.run_id == "f1"
    assert day.manifest("f1").status == "SUCCESS"


@pytest.mark.parametrize("die_at", ["/killed/part-00000", "manifest-killed", "latest.json"])
def test_a_run_that_is_killed_leaves_what_is_current(day, root, tmp_path, die_at):
    day.transformed("r1", [image("A"), image("B")], 6)
    day.filter()
    before = day.everything()
    day.transformed("r2", [image("C")], 12, start=6)
    process = run_process(root, tmp_path / "other", run_id="killed", die_at=die_at)
    assert process.wait(SECONDS) == -signal.SIGKILL
    assert day.everything() == before
    assert day.filter().manifest.input.previous_output_path != FILTERED.rows(DAY, "killed").uri("s3")
    assert versions(day.rows()) == [("A", "v"), ("B", "v"), ("C", "v")]


def test_a_first_run_that_is_killed_before_the_swap_has_published_a_whole_day(day, root, tmp_path):
    day.transformed("r1", [image("A"), image(None)], 6)
    process = run_process(root, tmp_path / "other", run_id="killed", die_at="latest.json")
    assert process.wait(SECONDS) == -signal.SIGKILL
    assert BUCKET in day.manifest("killed").output.path
    day.transformed("r2", [image("B")], 12, start=6)
    outcome = day.filter()
    assert outcome.manifest.input.previous_manifest == FILTERED.manifest(DAY, "killed").uri("s3")
    assert versions(day.rows()) == [(None, "v"), ("A", "v"), ("B", "v")]
