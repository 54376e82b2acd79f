"""The worked examples of the contract, F1 to F11, through whole filter runs."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.dwh.adoption import Trigger
from assets.dwh.filter_manifests import FilterManifest, FilterOutput, LineageEntry
from assets.dwh.frames.dedup import file_count
from assets.dwh.inputs import NoDataFound
from assets.dwh.paths import Location
from tests.assets.dwh.filter_days import (
    ARROW_SCHEMA,
    BUCKET,
    FILTERED,
    FilterDay,
    image,
    open_day,
    sourced,
    versions,
)
from tests.assets.dwh.transform_runs import DAY, hour


@pytest.fixture
def day(spark, spark_resource, tmp_path):
    with open_day(tmp_path / "store", spark_resource, spark) as opened:
        yield opened


def write_previous(day: FilterDay, run_id, rows, lineage=(), *, drop=()):
    """An earlier output with its manifest, but without a pointer."""
    folder = FILTERED.rows(DAY, run_id)
    table = pa.Table.from_pylist(rows, ARROW_SCHEMA).drop_columns(list(drop))
    with day.store.open_write(BUCKET, f"{folder.key}/part-00000.parquet") as file:
        pq.write_table(table, file)
    manifest = FilterManifest(
        run_id=run_id,
        status="SUCCESS",
        output=FilterOutput(path=folder.uri("s3"), record_count=len(rows)),
        lineage=tuple(lineage),
    )
    day.put(FILTERED.manifest(DAY, run_id), manifest.content())
    return manifest


def test_f1_the_newer_source_beats_the_newer_update(day):
    day.transformed("r06", [image("A", "old", "2025-01-15T12:00:00Z")], 6)
    day.transformed("r10", [image("A", "new", "2025-01-15T01:00:00Z")], 10, start=6)
    day.filter()
    assert versions(day.rows()) == [("A", "new")]


def test_f2_a_replay_of_an_earlier_source_replaces_nothing(day):
    day.transformed("r10", [image("A", "cur")], 10, start=6)
    day.filter()
    day.transformed("r06", [image("A", "late", "2025-01-15T23:00:00Z")], 6, created_at=hour(40))
    for mode in ("recompute", "incremental"):
        assert day.filter(mode=mode).manifest.input.mode == mode
        assert versions(day.rows()) == [("A", "cur")]


def test_f3_previous_rows_stay_unless_newer_ones_come(day):
    rows = [sourced(image(key, "old"), "gone", hour(6)) for key in ("m1", "m2", "m3")]
    entry = LineageEntry(run_id="f0", transform_run_id="gone", source_timestamp=hour(6))
    write_previous(day, "f0", rows, [entry])
    day.transformed("r10", [image(key, "new") for key in ("m1", "m2", "m4")], 10, start=6)
    outcome = day.filter()
    assert versions(day.rows()) == [("m1", "new"), ("m2", "new"), ("m3", "old"), ("m4", "new")]
    payload = outcome.metrics.payload
    assert payload is not None
    assert payload.deduplication.model_dump() == {  # type: ignore[union-attr]
        "records_before_dedup": 6,
        "duplicates_removed": 2,
        "null_key_records": 0,
    }
    assert outcome.output.record_count == 4
    assert {entry.transform_run_id: entry.records_contributed for entry in outcome.manifest.lineage} == {
        "gone": 1,
        "r10": 3,
    }


def test_f4_the_first_run_of_a_day_is_deduplicated(day):
    day.transformed("r1", [image("m1"), image("m1")])
    outcome = day.filter()
    assert outcome.output.record_count == len(day.rows()) == 1
    assert outcome.output.duplicates_removed == 1


def test_f5_of_one_source_the_later_update_wins(day):
    day.transformed("r1", [image("A", "b", "2025-01-15T12:00:01Z"), image("A", "z", "2025-01-15T12:00:00Z")])
    day.filter()
    assert versions(day.rows()) == [("A", "b")]


def test_f6_rows_without_a_key_all_stay(day):
    day.transformed("r1", [image(None), image(None), image("B")])
    outcome = day.filter()
    assert len(day.rows()) == outcome.output.record_count == 3
    assert (outcome.output.null_key_records, outcome.keyed_records, outcome.different_keys) == (2, 1, 1)


def test_f7_sources_compare_as_instants(day):
    late = hour(10) + timedelta(milliseconds=900)
    day.transformed("r1", [image("A", "z")], 10, source_timestamp=hour(10))
    day.transformed("r2", [image("A", "a")], 10, start=5, source_timestamp=late)
    day.filter()
    assert versions(day.rows()) == [("A", "a")]
    assert day.rows()[0]["_source_job_timestamp"] == "2025-01-15T18:00:00.900000Z"


def test_f8_rows_that_do_not_say_where_they_came_from_are_of_1970(day):
    rows = [sourced(image(key, "old"), "", hour(99)) for key in ("A", "B")]
    write_previous(day, "f0", rows, drop=["_source_job_timestamp", "_source_run_id"])
    day.transformed("r1", [image("A", "new", "2025-01-15T08:00:00Z")], 1)
    outcome = day.filter()
    assert versions(day.rows()) == [("A", "new"), ("B", "old")]
    old = next(row for row in day.rows() if row["data"]["mediaid"] == "B")
    assert (old["_source_job_timestamp"], old["_source_run_id"]) == ("1970-01-01T00:00:00Z", "")
    assert sum(entry.records_contributed for entry in outcome.manifest.lineage) == 2


def test_f9_an_output_without_data_is_refused_and_the_pointer_stays(day):
    day.transformed("r1", [image("A")])
    day.filter()
    before = day.everything()
    path = "s3://elsewhere/transformed/new"
    with pytest.raises(NoDataFound, match=f"^No data found at transform output path: {path}$"):
        day.filter("f-empty", trigger=Trigger(path))
    assert day.everything() == before
    assert day.manifest("f-empty").status == "FAILED"
    assert not day.keys(FILTERED.adopted_inputs(DAY))


def test_f9_a_day_without_any_input_is_refused(day):
    with pytest.raises(
        ValueError, match=r"^No data found at transform output path: s3://dwh-data/transformed_images$"
    ):
        day.filter("f1")
    assert day.keys() == [FILTERED.manifest(DAY, "f1").key]


@pytest.mark.parametrize(("rows", "files"), [(0, 1), (1, 1), (500_000, 1), (500_001, 2), (1_000_001, 3)])
def test_f10_files_hold_at_most_half_a_million_rows(rows, files):
    assert file_count(rows, 500_000) == files


@pytest.mark.parametrize(("rows", "most", "files"), [(1, 3, 1), (3, 3, 1), (4, 3, 2), (7, 3, 3), (9, 3, 3)])
def test_f10_no_file_exceeds_the_maximum(day, rows, most, files):
    day.transformed("r1", [image(f"m{number}") for number in range(rows)], files=2)
    outcome = day.filter(max_records_per_file=most)
    folder = FILTERED.rows(DAY, outcome.manifest.run_id)
    sizes = [len(day.rows_in(Location(BUCKET, key))) for key in day.keys(folder)]
    assert len(sizes) == files == outcome.output.files
    assert sum(sizes) == rows
    assert max(sizes) <= most


def test_f11_without_a_pointer_the_last_success_is_current(day):
    good = write_previous(day, "r1", [sourced(image("A", "old"), "gone", hour(1))])
    failed = FilterManifest(run_id="r3", status="FAILED")
    day.put(FILTERED.manifest(DAY, "r3"), failed.content())
    day.transformed("t1", [image("B")])
    outcome = day.filter()
    assert outcome.manifest.input.previous_manifest == FILTERED.manifest(DAY, good.run_id).uri("s3")
    assert outcome.manifest.input.previous_record_count == 1
    assert versions(day.rows()) == [("A", "old"), ("B", "v")]
