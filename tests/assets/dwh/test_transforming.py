"""transform_images over a store and an engine: worked examples of section 11, rules of 8.1."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from assets.dwh.inputs import LatePointer
from assets.dwh.intervals import Interval
from assets.dwh.metrics import TransformPayload
from assets.dwh.paths import Location
from assets.dwh.quality import QualityRules
from assets.dwh.stages.transforming import ApprovalGiven
from assets.dwh.transform_manifests import TransformManifest
from resources.object_store import LocalObjectStore
from scripts.sample_data.dwh import SIZES, expected, write_inputs
from tests.assets.dwh.raw_line_samples import encrypted, good_lines, line
from tests.assets.dwh.transform_runs import DAY, MIDNIGHT, hour, hours
from tests.assets.dwh.transform_workplaces import BUCKET, STORED, days_of, window_of, workplace_of

FIVE = timedelta(minutes=5)
CORRUPT = b'{"eventTime": "caf\xff'


@pytest.fixture
def store(tmp_path):
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def workplace(spark, spark_resource, store):
    with workplace_of(spark, spark_resource, store) as workplace:
        yield workplace


def published(workplace, outcome):
    place = outcome.manifest_path
    return TransformManifest.read(place.key, workplace.store.read_bytes(place.bucket, place.key))


def test_four_lines_are_read_one_is_written_and_one_is_dropped_for_each_reason(workplace):
    lines = [line(), CORRUPT, line(record={"eventTime": None}), line(record={"data": None})]
    key = workplace.put(MIDNIGHT, b"\r\n".join(lines) + b"\n\n")
    outcome = workplace.transform(rules=QualityRules(drop_rate_red=0.9, drop_rate_yellow=0.9))
    manifest = outcome.manifest
    assert (manifest.records_read, manifest.records_written) == (4, 1)
    reasons = {"extract_corrupt_json": 1, "extract_null_data": 1, "extract_null_eventtime": 1}
    assert outcome.dropped == reasons
    assert manifest.dropped is not None
    assert manifest.dropped.records == 3
    assert {entry.reason: entry.count for entry in manifest.dropped.reasons} == reasons
    dropped = [json.loads(text) for text in workplace.lines(manifest.dropped.path)]
    assert [record["line"] for record in dropped if record["drop_reason"] == "extract_corrupt_json"] == [2]
    assert {record["source_object"] for record in dropped} == {key}
    assert manifest.dropped.path == (
        "s3://dwh-data/transformed_images/_dropped/pacific/year=2025/month=01/day=15/transform-1"
    )


def test_a_corrupt_line_counts_once_and_keeps_its_text(workplace):
    """Defect 13."""
    workplace.put(MIDNIGHT, b'{"half": 1\n' + line())
    outcome = workplace.transform()
    assert (outcome.manifest.records_read, outcome.manifest.records_written) == (2, 1)
    assert outcome.manifest.dropped is not None
    (record,) = map(json.loads, workplace.lines(outcome.manifest.dropped.path))
    assert record == {
        "drop_reason": "extract_corrupt_json",
        "drop_phase": "extract",
        "raw": '{"half": 1',
        "source_object": "raw_images/year=2025/month=01/day=15/hour=08/min=00/images.json",
        "line": 1,
    }


def test_a_missing_prefix_is_a_gap_and_the_others_are_read(workplace):
    """Defect 1: it emptied the whole range, and the job succeeded with no rows."""
    workplace.put(MIDNIGHT, line("a"))
    workplace.put(MIDNIGHT + 2 * FIVE, line("b"))
    outcome = workplace.transform(window=Interval(start=MIDNIGHT, end=MIDNIGHT + 3 * FIVE))
    assert outcome.manifest.records_written == 2
    (gap,) = outcome.manifest.coverage.gaps
    assert (gap.start, gap.end, gap.reason) == (MIDNIGHT + FIVE, MIDNIGHT + 2 * FIVE, "missing_prefix")
    assert (outcome.raw.objects, outcome.raw.prefixes, outcome.raw.empty_prefixes) == (2, 3, 1)
    assert outcome.raw.bytes == len(line("a")) + len(line("b"))


@pytest.mark.parametrize("name", ["_SUCCESS", ".part.crc", "_temporary/0/part.json", "nested/part.json"])
def test_a_prefix_without_a_data_object_is_a_gap(workplace, name):
    workplace.put(MIDNIGHT, line(), name)
    outcome = workplace.transform(window=Interval(start=MIDNIGHT, end=MIDNIGHT + FIVE))
    assert outcome.raw.empty_prefixes == 1
    assert outcome.manifest.records_read == 0


def test_the_processor_decides_the_category_and_both_processors_stay(workplace):
    """Defect 3: two processors of one category overwrote one another."""
    processors = ["Nautilus-v2", "NAUTILUS", "savedproject", "other"]
    workplace.put(MIDNIGHT, b"\n".join(line(processor=processor) for processor in processors))
    workplace.put(MIDNIGHT, line(record={"__meta__": {}}), "more.json")
    assert days_of(workplace.transform()) == {("nautilus", DAY): 2, ("savedproject", DAY): 3}


def test_a_record_is_kept_if_one_field_is_decrypted(workplace):
    contents = [line(image_data=encrypted(mediaid="m")), line(image_data=encrypted(mediaid=""))]
    workplace.put(MIDNIGHT, b"\n".join(contents))
    outcome = workplace.transform()
    assert outcome.dropped == {"transform_decryption_failure": 1}
    (row,) = map(json.loads, workplace.lines(outcome.manifest.outputs[0].path))
    assert (row["data"]["mediaid"], row["data"]["msp"]) == ("m", None)


def test_the_manifest_says_what_was_read_and_written(workplace):
    workplace.put(MIDNIGHT, good_lines(19) + b"\n" + CORRUPT)
    outcome = workplace.transform()
    manifest = outcome.manifest
    assert manifest == published(workplace, outcome)
    assert outcome.manifest_path.key == (
        "transformed_images/_manifests/pacific/year=2025/month=01/day=15/manifest-transform-1.json"
    )
    (output,) = manifest.outputs
    assert (
        output.path
        == "s3://dwh-data/transformed_images/nautilus/pacific/year=2025/month=01/day=15/transform-1"
    )
    assert (output.records, output.files) == (19, 1)
    assert output.bytes == len(workplace.contents()[f"{Location.parse(output.path).key}/part-00000.json"])
    assert manifest.quality is not None
    assert (manifest.status, manifest.quality.status, manifest.quality.drop_rate) == (
        "SUCCESS",
        "YELLOW",
        0.05,
    )
    assert manifest.source_timestamp == hour(1)
    assert manifest.window == hours(0, 1)
    assert manifest.created_at < manifest.completed_at  # type: ignore[operator]
    assert (manifest.created_by, manifest.clean_sink, manifest.supersedes) == ("tests", True, ())


def test_the_metrics_tell_the_same(workplace):
    workplace.put(MIDNIGHT, good_lines(9) + b"\n" + CORRUPT)
    outcome = workplace.transform(rules=QualityRules(drop_rate_red=0.5))
    metrics = outcome.metrics
    counted = (metrics.records_read, metrics.records_written, metrics.records_dropped, metrics.job_status)
    assert counted == (10, 9, 1, "SUCCESS")
    assert metrics.bytes_written == outcome.manifest.outputs[0].bytes
    assert metrics.payload == TransformPayload.of(outcome.manifest)
    assert all(
        phase.duration_seconds
        for phase in (metrics.phases.extract, metrics.phases.transform, metrics.phases.load)
    )
    assert outcome.artifacts["nautilus"].records == 9
    assert [(count.begins, count.reason, count.records) for count in outcome.by_prefix] == [
        (MIDNIGHT, None, 9),
        (MIDNIGHT, "extract_corrupt_json", 1),
    ]


def test_late_and_early_rows_go_to_their_own_days_with_a_pointer_each(workplace):
    """Defects 2 and 11: a late row deleted the old partition; the day came from the clock in UTC."""
    old = f"{STORED}/nautilus/pacific/year=2025/month=01/day=14/transform-old/part-00000.json"
    workplace.store.put_bytes(BUCKET, old, b"old\n")
    updated = [
        "2025-01-15T07:59:59.999Z",
        "2025-01-15T08:00:00Z",
        "2025-01-16T08:00:00Z",
        "2025-01-16T07:59:59",
    ]
    workplace.put(MIDNIGHT, b"\n".join(line(updated=instant) for instant in updated))
    outcome = workplace.transform()
    before, after = date(2025, 1, 14), date(2025, 1, 16)
    assert days_of(outcome) == {("nautilus", before): 1, ("nautilus", DAY): 2, ("nautilus", after): 1}
    assert (outcome.late, outcome.early) == ({before: 1}, {after: 1})
    assert (outcome.manifest.late_records, outcome.manifest.early_records) == (1, 1)
    contents = workplace.contents()
    assert contents[old] == b"old\n"
    pointers = {key: content for key, content in contents.items() if "/_late/" in key}
    assert [key.removeprefix(f"{STORED}/_late/pacific/") for key in pointers] == [
        "year=2025/month=01/day=14/transform-1.json",
        "year=2025/month=01/day=16/transform-1.json",
    ]
    for key, content in pointers.items():
        pointer = LatePointer.read(key, content)
        assert (pointer.run_id, pointer.manifest) == ("transform-1", outcome.manifest_path.uri("s3"))


def test_no_records_give_a_manifest_with_zeros_and_no_data(workplace):
    workplace.put(MIDNIGHT, b"\n \r\n", "blank.json")
    outcome = workplace.transform()
    manifest = outcome.manifest
    assert list(workplace.contents()) == [outcome.manifest_path.key]
    assert (manifest.records_read, manifest.records_written, manifest.outputs) == (0, 0, ())
    assert (manifest.status, outcome.quality.status) == ("SUCCESS", "GREEN")
    assert manifest.dropped is not None
    assert manifest.dropped.records == 0


def test_a_window_without_objects_does_not_need_the_engine(workplace):
    outcome = workplace.transform()
    assert outcome.manifest.records_read == 0
    assert [(gap.start, gap.end) for gap in outcome.manifest.coverage.gaps] == [(hour(0), hour(1))]


@pytest.mark.parametrize(
    ("dropped", "quality", "status"),
    [(4, "GREEN", "SUCCESS"), (5, "YELLOW", "SUCCESS"), (10, "RED", "PENDING_APPROVAL")],
)
def test_the_drop_rate_decides_the_status(workplace, dropped, quality, status):
    workplace.put(MIDNIGHT, good_lines(100 - dropped) + b"\nx" * dropped)
    outcome = workplace.transform()
    assert (outcome.quality.status, outcome.manifest.status, outcome.metrics.job_status) == (
        quality,
        status,
        status,
    )


def test_a_red_run_keeps_its_data_and_waits_until_somebody_approves(workplace):
    """Defect 17: RED was a crash, so that approval was out of reach, and artifacts were always empty."""
    workplace.put(MIDNIGHT, good_lines(1) + b"\nx")
    red = workplace.transform()
    assert red.manifest.status == "PENDING_APPROVAL"
    assert red.artifacts["nautilus"].records == 1
    assert len(workplace.lines(red.manifest.outputs[0].path)) == 1
    approved = workplace.transform(approval=ApprovalGiven("known outage", "on-call"))
    assert (approved.manifest.status, approved.metrics.job_status) == ("SUCCESS", "SUCCESS")
    assert approved.manifest.approval is not None
    assert (approved.manifest.approval.reason, approved.manifest.approval.by) == ("known outage", "on-call")
    assert approved.manifest.supersedes == ("transform-1",)


def test_what_is_good_needs_no_approval(workplace):
    workplace.put(MIDNIGHT, good_lines(1))
    assert workplace.transform(approval=ApprovalGiven("just in case", "me")).manifest.approval is None


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_approval_has_a_reason(reason):
    with pytest.raises(ValueError, match="approve_reason"):
        ApprovalGiven(reason, "me")


def test_too_few_rows_are_red(workplace):
    workplace.put(MIDNIGHT, good_lines(2))
    assert workplace.transform(rules=QualityRules(min_records=3)).manifest.status == "PENDING_APPROVAL"


def test_objects_between_the_prefixes_are_told_of(workplace):
    workplace.put(MIDNIGHT, good_lines(1))
    workplace.put(MIDNIGHT + FIVE, good_lines(1))
    outcome = workplace.transform(prefix_minutes=15)
    assert outcome.manifest.records_read == 1
    (warning,) = outcome.warnings
    assert "hour=08/min=05/images.json" in warning
    assert "15 minutes" in warning


def test_the_interval_of_rows_is_another_one_than_that_of_prefixes(workplace):
    workplace.put(MIDNIGHT, line(updated="2025-01-15T08:59:00Z"))
    outcome = workplace.transform(row_minutes=30)
    (row,) = map(json.loads, workplace.lines(outcome.manifest.outputs[0].path))
    assert (row["5min"], row["min"], row["hour"]) == (30, "30", "08")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"timezone": "PST"}, "PST"),
        ({"prefix_minutes": 7}, "7 minutes"),
        ({"row_minutes": 0}, "0 minutes"),
        ({"max_records_per_file": 0}, "max_records_per_file 0"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(workplace, changes, told):
    with pytest.raises(ValueError, match=told):
        workplace.request(**changes)


@pytest.mark.parametrize("day", [date(2025, 3, 9), date(2025, 11, 2)], ids=["23 hours", "25 hours"])
def test_a_day_on_which_the_clocks_change_is_read_as_its_plan_says(workplace, store, tmp_path, day):
    write_inputs(tmp_path / "storage" / BUCKET, SIZES["small"], day=day)
    known = expected(day, SIZES["small"].rows)
    outcome = workplace.transform(window=window_of(day), day=day)
    assert outcome.manifest.records_read == known.read
    assert outcome.dropped == known.dropped
    assert days_of(outcome) == known.rows
    assert tuple((gap.start, gap.end) for gap in outcome.manifest.coverage.gaps) == known.gaps
    assert outcome.raw.prefixes == {3: 276, 11: 300}[day.month]


def test_the_clock_of_the_site_dates_the_manifest(workplace):
    outcome = workplace.transform()
    assert outcome.manifest.completed_at is not None
    assert outcome.manifest.completed_at.date() == datetime(2025, 1, 16, tzinfo=UTC).date()
