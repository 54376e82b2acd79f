"""Whole filter runs of a day: what they read, what they publish, and what they refuse."""

import io
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from assets.dwh.adoption import AdoptedInput, Trigger
from assets.dwh.arguments import UsageError
from assets.dwh.documents import UnreadableDocument
from assets.dwh.filter_manifests import LineageEntry
from assets.dwh.inputs import LatePointer, WaitsForApproval
from assets.dwh.metrics import FilterPayload
from assets.dwh.paths import Location
from assets.failures import PermanentFailure
from tests.assets.dwh.filter_days import (
    ARROW_SCHEMA,
    BUCKET,
    FILTERED,
    TRANSFORMED,
    image,
    kept_by_the_rule,
    lines,
    open_day,
    ordered,
    sourced,
    versions,
)
from tests.assets.dwh.transform_runs import DAY, hour, hours

YESTERDAY, TOMORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)


@pytest.fixture
def day(spark, spark_resource, tmp_path):
    with open_day(tmp_path / "store", spark_resource, spark) as opened:
        yield opened


def late(day, run_id, run_day):
    """The pointer of a run of another day to its rows of this one."""
    pointer = LatePointer(run_id=run_id, manifest=TRANSFORMED.manifest(run_day, run_id).uri("s3"))
    day.put(TRANSFORMED.late_pointer(DAY, run_id), pointer.content())


def test_materialising_twice_gives_equal_rows_in_a_new_directory(day):
    day.transformed("r1", [image("A"), image("A"), image(None), image(None)], files=2)
    first = day.filter()
    before = day.everything()
    rows = day.rows()
    second = day.filter()
    assert ordered(day.rows()) == ordered(rows)
    assert second.output.path != first.output.path
    assert second.manifest.input.previous_output_path == first.output.path
    assert second.manifest.input.previous_manifest == first.manifest_path.uri("s3")
    kept = {key: content for key, content in before.items() if not key.endswith("latest.json")}
    assert {key: day.content(Location(BUCKET, key)) for key in kept} == kept
    assert first.attempts == second.attempts == 1


def test_a_run_says_what_it_did(day):
    day.transformed("r1", [image("A", "1"), image("B", "1"), image(None)], 12)
    day.transformed("r2", [image("A", "2")], 20, start=13)
    outcome = day.filter(trigger=None)
    manifest, output = outcome.manifest, outcome.output
    assert day.pointer == manifest == day.manifest(manifest.run_id)
    assert (output.record_count, output.duplicates_removed, output.null_key_records) == (3, 1, 1)
    assert manifest.input.transform_record_count == 4
    assert [(entry.transform_run_id, entry.records_contributed) for entry in manifest.lineage] == [
        ("r1", 2),
        ("r2", 1),
    ]
    assert manifest.coverage.cumulative_range == hours(0, 20)
    assert [(gap.start, gap.end, gap.reason) for gap in manifest.coverage.gaps] == [
        (hour(12), hour(13), "not_transformed"),
        (hour(20), hour(24), "not_transformed"),
    ]
    metrics = outcome.metrics
    assert (metrics.records_read, metrics.records_written, metrics.records_dropped) == (4, 3, 1)
    assert isinstance(metrics.payload, FilterPayload)
    assert metrics.payload.deduplication.records_before_dedup == 4
    assert metrics.phases.load.duration_seconds is not None
    assert [(row.run_id, row.kind, row.records_read, row.records_contributed) for row in outcome.inputs] == [
        ("r1", "transformed", 3, 2),
        ("r2", "transformed", 1, 1),
    ]
    assert (outcome.read_by_slot, outcome.kept_by_slot) == ({hour(12): 4}, {hour(12): 3})
    assert outcome.missing_run_ids == frozenset()
    assert outcome.artifacts["filtered_images"].records == 3


def test_files_and_bytes_are_those_of_this_run_and_snappy(day):
    day.transformed("r1", [image(f"m{number}") for number in range(9)])
    day.filter(max_records_per_file=2)
    outcome = day.filter(max_records_per_file=5)
    keys = day.keys(FILTERED.rows(DAY, outcome.manifest.run_id))
    contents = [day.content(Location(BUCKET, key)) for key in keys]
    assert (outcome.output.files, outcome.output.bytes_written) == (2, sum(map(len, contents)))
    footer = pq.ParquetFile(io.BytesIO(contents[0]))
    assert footer.schema_arrow.names == ARROW_SCHEMA.names
    assert footer.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_every_object_carries_the_run_id(day):
    day.transformed("r1", [image("A"), image(None)])
    run_id = day.filter(null_keys="quarantine", latest_copy=True).manifest.run_id
    everything = set(day.keys())
    own = {key for key in everything if run_id in key}
    assert everything - own == {FILTERED.pointer(DAY).key}
    assert any("/_quarantine/" in key for key in own)


@pytest.mark.parametrize("columns", [("mediaid",), ("data.mediaid",)])
def test_the_predecessors_names_of_columns_work(day, columns):
    day.transformed("r1", [image("A", "1", "2025-01-15T12:00:00Z"), image("A", "2", "2025-01-15T11:00:00Z")])
    day.filter(dedup_key_columns=columns, dedup_order_column="updated", time_column="updated")
    assert versions(day.rows()) == [("A", "1")]


def test_keys_of_two_columns_are_told_apart_where_one_is_null(day):
    rows = [image("p", None), image(None, "p"), image("p", "q"), image("p", "q")]
    day.transformed("r1", rows)
    outcome = day.filter(dedup_key_columns=("mediaid", "userid"))
    assert (outcome.output.record_count, outcome.output.null_key_records) == (3, 2)


def test_a_column_that_is_none_is_refused_before_anything_is_read(day):
    with pytest.raises(UsageError, match="dedup_key_columns names 'media_id'"):
        day.request(dedup_key_columns=("media_id",))
    with pytest.raises(ValueError, match="max_records_per_file 0"):
        day.request(max_records_per_file=0)


def test_order_is_by_instant_whatever_the_spelling(day):
    times = ["2025-01-15T10:00:00Z", "2025-01-15T10:00:00.9Z", "2025-01-15T10:00:00.5+00:00", "2025-01-15T18"]
    day.transformed("r1", [image("A", time, time) for time in times])
    day.filter()
    assert versions(day.rows()) == [("A", "2025-01-15T10:00:00.9Z")]


def test_rows_of_another_days_run_are_read_and_a_lost_pointer_is_not_missed(day):
    day.transformed("r1", [image("A", "old")], 24)
    day.transformed("r2", [image("A", "new"), image("B")], 48, start=24, run_day=TOMORROW)
    late(day, "r2", TOMORROW)
    late(day, "gone", YESTERDAY)
    outcome = day.filter()
    assert versions(day.rows()) == [("A", "new"), ("B", "v")]
    assert outcome.expected_run_ids == {"r1", "r2"}


def test_a_superseded_run_is_not_read_neither_again_from_the_output(day):
    day.transformed("r1", [image("A", "1"), image("gone"), image(None)], 12)
    day.filter()
    day.transformed("r2", [image("A", "2"), image(None)], 12, created_at=hour(40))
    outcome = day.filter(mode="incremental")
    assert outcome.manifest.input.mode == "recompute"
    assert versions(day.rows()) == [(None, "v"), ("A", "2")]
    assert [entry.transform_run_id for entry in outcome.manifest.lineage] == ["r2"]


def test_incremental_reads_only_what_is_new_and_gives_the_same_rows(day):
    rows = {"r1": [image("A", "1"), image(None, "1")], "r2": [image("A", "2"), image("B"), image(None, "2")]}
    day.transformed("r1", rows["r1"], 6)
    day.filter()
    day.transformed("r2", rows["r2"], 12, start=6)
    outcome = day.filter(mode="incremental")
    assert outcome.manifest.input.mode == "incremental"
    assert outcome.manifest.input.transform_record_count == 3
    assert outcome.output.record_count + outcome.output.duplicates_removed == 5
    incremental = day.rows()
    day.filter()
    assert ordered(day.rows()) == ordered(incremental)
    expected = [sourced(row, "r1", hour(6)) for row in rows["r1"]]
    expected += [sourced(row, "r2", hour(12)) for row in rows["r2"]]
    assert ordered(incremental) == ordered(kept_by_the_rule(expected))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"dedup_key_columns": ("data.userid",)}, {}),
        ({"null_keys": "quarantine"}, {}),
        ({}, {"dedup_order_column": "inserted"}),
    ],
)
def test_incremental_recomputes_where_the_output_was_made_by_another_rule(day, first, second):
    day.transformed("r1", [image("A", "1"), image("B", "1"), image(None, "1")], 6)
    day.filter(**first)
    outcome = day.filter(mode="incremental", **second)
    assert outcome.manifest.input.mode == "recompute"
    assert outcome.output.record_count == 3


def test_runs_that_wait_for_approval_are_not_read(day):
    day.transformed("r1", [image("A")], status="PENDING_APPROVAL")
    with pytest.raises(WaitsForApproval, match=r"^transform run r1 of 2025-01-15 waits for approval$"):
        day.filter("f1")
    assert day.manifest("f1").status == "FAILED"
    day.transformed("r2", [image("B")], 20, created_at=hour(41))
    assert day.filter().manifest.coverage.gaps[-1].reason == "pending_approval"
    assert versions(day.rows()) == [("B", "v")]


def test_null_keys_can_be_set_aside(day):
    day.transformed("r1", [image("A"), image(None, "1"), image(None, "2")])
    outcome = day.filter(null_keys="quarantine")
    assert versions(day.rows()) == [("A", "v")]
    assert outcome.quarantined is not None
    assert versions(day.rows_in(outcome.quarantined.path)) == [(None, "1"), (None, "2")]
    assert outcome.quarantined.path == FILTERED.quarantine(DAY, outcome.manifest.run_id)
    assert (outcome.output.null_key_records, outcome.output.record_count) == (2, 1)
    metrics = outcome.metrics
    assert metrics.records_read == metrics.records_written + sum(part.count for part in metrics.drop_reasons)
    assert [part.reason for part in metrics.drop_reasons] == ["null_key"]


def test_a_day_without_keys_is_an_empty_output_where_they_are_set_aside(day):
    day.transformed("r1", [image(None)])
    outcome = day.filter(null_keys="quarantine", latest_copy=True)
    (key,) = day.keys(FILTERED.rows(DAY, outcome.manifest.run_id))
    table = pq.read_table(io.BytesIO(day.content(Location(BUCKET, key))))
    assert (table.num_rows, table.schema) == (0, ARROW_SCHEMA)
    assert day.rows_in(FILTERED.latest(DAY)) == []


def test_the_copy_for_old_readers_is_that_of_the_current_output(day):
    day.transformed("r1", [image("A", "1"), image("B")], 6)
    day.filter(latest_copy=True, max_records_per_file=1)
    day.transformed("r2", [image("A", "2")], 12, start=6)
    outcome = day.filter(latest_copy=True)
    assert ordered(day.rows_in(FILTERED.latest(DAY))) == ordered(day.rows())
    assert outcome.output.latest_path == FILTERED.latest(DAY).uri("s3")
    day.filter()
    assert day.pointer.output is not None
    assert day.pointer.output.latest_path is None


def test_a_foreign_path_is_adopted_once_and_stays_part_of_the_day(day):
    path = Location("other", "out/run=7")
    day.put(path / "year=2025/part-0.json", lines([image("A", "adopted"), image("C")]))
    day.put(path / "_temporary/part-1.json", b"half of a li")
    trigger = Trigger("s3a://other/out/run=7/", "transform_images", "job_20250115T100000Z")
    day.transformed("r1", [image("A", "r1"), image("B")], 0.5)
    first = day.filter(trigger=trigger)
    place = FILTERED.adopted_input(DAY, "job_20250115T100000Z")
    document = day.content(place)
    assert AdoptedInput.read("x", document).source_timestamp == hour(2)
    assert versions(day.rows()) == [("A", "adopted"), ("B", "v"), ("C", "v")]
    assert first.manifest.triggered_by.job_run_id == "job_20250115T100000Z"
    assert {row.kind for row in first.inputs} == {"transformed", "adopted"}
    rows = day.rows()
    day.filter(trigger=trigger)
    assert day.content(place) == document
    day.filter()
    assert ordered(day.rows()) == ordered(rows)


def test_an_adopted_input_that_is_gone_takes_no_rows_with_it(day):
    place = Location("other", "out/part-0")
    day.put(place, lines([image("A"), image(None)]))
    day.filter(trigger=Trigger("s3://other/out", run_id="job-1"))
    before = day.everything()
    rows = day.rows()
    day.store.delete(place.bucket, place.key)
    with pytest.raises(
        PermanentFailure, match="s3://other/out has no data, but 2025-01-15 has adopted it as job-1"
    ):
        day.filter()
    assert day.everything() == before
    document = FILTERED.adopted_input(DAY, "job-1")
    day.store.delete(document.bucket, document.key)
    day.filter()
    assert ordered(day.rows()) == ordered(rows)


def test_a_path_inside_a_known_output_needs_nothing_more(day):
    manifest = day.transformed("r1", [image("A")])
    day.filter(trigger=Trigger(manifest.outputs[0].path, "transform_images", "r1"))
    assert not day.keys(FILTERED.adopted_inputs(DAY))
    assert versions(day.rows()) == [("A", "v")]


def test_rows_of_a_predecessors_output_without_lineage_stay(day):
    day.transformed("r0", [image("A", "old"), image("B", "old"), image(None)], 1)
    previous = day.filter("f0")
    anonymous = previous.manifest.model_copy(update={"lineage": ()})
    for place in (FILTERED.pointer(DAY), FILTERED.manifest(DAY, "f0")):
        day.put(place, anonymous.content())
    for key in day.keys(TRANSFORMED.base):
        day.store.delete(BUCKET, key)
    day.transformed("r1", [image("A", "new")], 3, start=2)
    for _ in range(2):
        outcome = day.filter()
        assert versions(day.rows()) == [(None, "v"), ("A", "new"), ("B", "old")]
        assert sum(entry.records_contributed for entry in outcome.manifest.lineage) == 3


def test_a_word_in_the_path_hides_no_manifest(day):
    base = Location(BUCKET, "latest/manifest-x/latest.json.d/filtered_images")
    folder = Location(BUCKET, "latest/manifest-x/latest.json.d/transformed_images")
    assert day.request(base=base).places.transformed_images().base == folder
    manifest = day.transformed("r1", [image("A")])
    day.put(folder / TRANSFORMED.manifest(DAY, "r1").key.partition("/")[2], manifest.content())
    first = day.filter(base=base)
    assert day.filter(base=base).manifest.input.previous_output_path == first.output.path


class TestWhatCannotBeRead:
    """It is an error, and never taken for a first run."""

    @pytest.fixture
    def published(self, day):
        day.transformed("r1", [image("A"), image("B")], 6)
        day.filter("f1")
        # Nothing but the output has these rows now.
        for key in day.keys(TRANSFORMED.base):
            day.store.delete(BUCKET, key)
        day.transformed("r2", [image("C")], 12, start=6)
        return day

    def refused(self, day, error, text, **changes):
        pointer = day.content(FILTERED.pointer(DAY))
        with pytest.raises(error, match=text):
            day.filter("f2", **changes)
        assert day.content(FILTERED.pointer(DAY)) == pointer
        assert day.manifest("f2").status == "FAILED"
        assert not day.keys(FILTERED.rows(DAY, "f2"))

    def test_a_pointer(self, published):
        published.put(FILTERED.pointer(DAY), b"{")
        self.refused(published, UnreadableDocument, "latest.json cannot be read")
        published.filter(previous_run_id="f1")
        assert versions(published.rows()) == [("A", "v"), ("B", "v"), ("C", "v")]

    def test_an_output_that_is_gone(self, published):
        (key,) = published.keys(FILTERED.rows(DAY, "f1"))
        published.store.delete(BUCKET, key)
        self.refused(published, PermanentFailure, "has 0 rows, but the manifest of run f1 says 2; restore it")

    def test_an_output_that_is_cut(self, published):
        (key,) = published.keys(FILTERED.rows(DAY, "f1"))
        place = Location(BUCKET, key)
        published.put(place, published.content(place)[:-10])
        self.refused(published, PermanentFailure, "cannot be read as parquet")

    def test_a_previous_run_that_is_none(self, published):
        self.refused(published, PermanentFailure, "previous_run_id 'f9' names no", previous_run_id="f9")

    def test_a_transform_manifest(self, published):
        published.put(TRANSFORMED.manifest(DAY, "r3"), b"[]")
        self.refused(published, UnreadableDocument, "manifest-r3.json cannot be read")

    def test_an_output_with_other_rows_than_its_manifest_says(self, published):
        folder = TRANSFORMED.rows("nautilus", DAY, "r2")
        published.put(folder / "part-00001", lines([image("D")]))
        self.refused(published, PermanentFailure, "r2 has 2 rows of 2025-01-15, but its manifest says 1")

    def test_an_output_without_its_objects(self, published):
        published.store.delete(BUCKET, (TRANSFORMED.rows("nautilus", DAY, "r2") / "part-00000").key)
        self.refused(
            published, PermanentFailure, "has no data, but transform run r2 has written 1 rows there"
        )

    def test_a_broken_line(self, published):
        published.put(TRANSFORMED.rows("nautilus", DAY, "r2") / "part-00000", b'{"pk": ')
        self.refused(published, PermanentFailure, r"An input of 2025-01-15 cannot be read: .*one of: r2$")


def test_a_run_id_is_used_once(day):
    day.transformed("r1", [image("A")])
    day.filter("f1")
    before = day.everything()
    with pytest.raises(PermanentFailure, match=r"manifest-f1\.json is of an earlier run f1; launch"):
        day.filter("f1")
    assert day.everything() == before
    assert day.manifest("f1") == day.pointer


def test_lineage_of_runs_that_retention_removed_is_carried_on(day):
    day.transformed("r1", [image("A")], 6)
    day.filter()
    for key in day.keys(TRANSFORMED.base):
        day.store.delete(BUCKET, key)
    day.transformed("r2", [image("B")], 12, start=6)
    day.filter()
    assert [entry.transform_run_id for entry in day.pointer.lineage] == ["r1", "r2"]
    assert isinstance(day.pointer.lineage[0], LineageEntry)
    assert day.pointer.coverage.cumulative_range == hours(0, 12)


def test_a_whole_run_gives_the_same_on_every_engine(either_spark, either_resource, tmp_path):
    rows = {
        "r1": [image(f"m{number % 5}", str(number)) for number in range(12)] + [image(None, "1")],
        "r2": [image(f"m{number}", "2", "2025-01-15T21:00:00.5Z") for number in range(3, 9)] + [image(None)],
    }
    with open_day(tmp_path / "store", either_resource, either_spark) as opened:
        opened.transformed("r1", rows["r1"], 6, files=3)
        opened.filter(max_records_per_file=4)
        opened.transformed("r2", rows["r2"], 12, start=6)
        outcome = opened.filter(mode="incremental", max_records_per_file=4, null_keys="quarantine")
        expected = [sourced(row, "r1", hour(6)) for row in rows["r1"]]
        expected += [sourced(row, "r2", hour(12)) for row in rows["r2"]]
        kept = [row for row in kept_by_the_rule(expected) if row["data"]["mediaid"] is not None]
        assert ordered(opened.rows()) == ordered(kept)
        assert (outcome.output.files, outcome.output.record_count) == (3, 9)
        assert outcome.quarantined is not None
        assert len(opened.rows_in(outcome.quarantined.path)) == 2
