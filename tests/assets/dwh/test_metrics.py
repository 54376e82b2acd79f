"""The metrics document: its keys in order, what is derived, and the payload of each job. Defects 16, 17."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.metrics import (
    PROMOTIONS_LOADED,
    Counts,
    FilterPayload,
    JobRun,
    Metrics,
    Phase,
    PhaseClock,
    Phases,
    TransformPayload,
    job_status,
    metrics_of,
)
from assets.dwh.quality import QualityRules
from assets.dwh.raw_records import DROP_REASONS
from tests.assets.dwh.filter_runs import FILTER_MANIFEST, FILTERED
from tests.assets.dwh.transform_runs import hours, transform_run

START = datetime(2025, 1, 16, 8, 0, 0, tzinfo=UTC)
END = START + timedelta(seconds=90.5)
RUN = JobRun(
    job_name="transform_images",
    job_run_id="transform-20250116T080000Z-abc123",
    start_time=START,
    service_provider="GLUE",
    environment="dev",
    region="us-east-1",
    created_by="dagster",
    start_date="2025-01-15",
    end_date="2025-01-15",
    source_base_path="s3://dwh-data/raw_images",
    sink_base_path="s3://dwh-data/transformed_images",
)
COUNTS = Counts(
    records_read=20,
    records_written=18,
    bytes_written=9000,
    dropped={"transform_invalid_updated": 1, "extract_unknown": 0, "extract_corrupt_json": 1},
)


def judged(read: int, dropped: int):
    return QualityRules().judge(records_read=read, records_dropped=dropped, records_written=read - dropped)


def test_the_document_has_exactly_its_keys_in_order():
    phases = Phases(extract=Phase.between(START, END))
    metrics = metrics_of(RUN, "SUCCESS", END, counts=COUNTS, phases=phases, quality=judged(20, 2))
    not_reached = {"start_time": None, "end_time": None, "duration_seconds": None}
    expected = {
        "job_name": "transform_images",
        "job_run_id": "transform-20250116T080000Z-abc123",
        "job_status": "SUCCESS",
        "start_time": "2025-01-16T08:00:00Z",
        "end_time": "2025-01-16T08:01:30.500000Z",
        "duration_seconds": 90.5,
        "service_provider": "GLUE",
        "environment": "dev",
        "region": "us-east-1",
        "created_by": "dagster",
        "start_date": "2025-01-15",
        "end_date": "2025-01-15",
        "source_base_path": "s3://dwh-data/raw_images",
        "sink_base_path": "s3://dwh-data/transformed_images",
        "records_read": 20,
        "records_written": 18,
        "records_dropped": 2,
        "bytes_written": 9000,
        "phases": {
            "extract": {
                "start_time": "2025-01-16T08:00:00Z",
                "end_time": "2025-01-16T08:01:30.500000Z",
                "duration_seconds": 90.5,
            },
            "transform": not_reached,
            "load": not_reached,
        },
        "drop_reasons": [
            {"reason": "extract_corrupt_json", "count": 1},
            {"reason": "transform_invalid_updated", "count": 1},
        ],
        "quality": {
            "status": "RED",
            "drop_rate": 0.1,
            "reasons": ["2 of 20 records were dropped, a rate of 0.1000; from 0.1 on a run is RED"],
        },
        "payload": None,
    }
    assert json.dumps(json.loads(metrics.line())) == json.dumps(expected)


def test_the_line_is_one_line_whatever_the_texts_hold():
    run = JobRun("load_promos", "promos-1", START, created_by="a\nb\u2028c\r")
    line = metrics_of(run, "SUCCESS", END).line()
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line)["created_by"] == "a\nb\u2028c\r"


def test_times_are_shown_in_utc_and_need_a_zone():
    west = START.astimezone(timezone(timedelta(hours=-8)))
    assert metrics_of(JobRun("load_promos", "p1", west), "FAILED", END).start_time == START
    with pytest.raises(ValueError, match="time zone"):
        metrics_of(JobRun("load_promos", "p1", START), "FAILED", END.replace(tzinfo=None))


def test_a_clock_that_was_set_back_gives_no_negative_time():
    assert metrics_of(RUN, "FAILED", START - timedelta(hours=1)).duration_seconds == 0
    assert Phase.between(END, START).duration_seconds == 0


def test_a_run_that_failed_at_once_has_every_key():
    document = json.loads(metrics_of(RUN, "FAILED", END).line())
    assert list(document) == list(Metrics.model_fields)
    assert [document[f"records_{what}"] for what in ("read", "written", "dropped")] == [0, 0, 0]
    assert (document["drop_reasons"], document["quality"], document["payload"]) == ([], None, None)


@given(st.dictionaries(st.sampled_from(DROP_REASONS), st.integers(0, 10**6)), st.integers(0, 10**6))
def test_dropped_records_are_the_sum_of_their_reasons(dropped, written):
    read = written + sum(dropped.values())
    counts = Counts(records_read=read, records_written=written, dropped=dropped)
    metrics = metrics_of(RUN, "SUCCESS", END, counts=counts)
    assert metrics.records_read == metrics.records_written + metrics.records_dropped
    assert metrics.records_dropped == sum(reason.count for reason in metrics.drop_reasons)
    assert [reason.reason for reason in metrics.drop_reasons] == sorted(
        reason for reason, count in dropped.items() if count
    )
    assert counts.unaccounted == 0


@pytest.mark.parametrize(("read", "unaccounted"), [(21, 1), (19, -1)])
def test_records_that_were_lost_or_counted_twice_show(read, unaccounted):
    counts = Counts(records_read=read, records_written=18, dropped={"extract_corrupt_json": 2})
    assert counts.unaccounted == unaccounted


@pytest.mark.parametrize(
    ("dropped", "approved", "status"),
    [
        (4, False, "SUCCESS"),
        (5, False, "SUCCESS"),
        (10, False, "PENDING_APPROVAL"),
        (10, True, "SUCCESS"),
        (4, True, "SUCCESS"),
    ],
)
def test_only_red_waits_for_an_approval(dropped, approved, status):
    """Defect 17: RED was reported as a crash, so approval was unreachable."""
    assert job_status(judged(100, dropped), approved=approved) == status


def test_a_run_that_nobody_judges_waits_for_nothing():
    assert job_status(None) == "SUCCESS"


def test_the_payload_of_a_filter_run_is_what_its_manifest_says():
    """Defect 16: files and bytes are those of this run."""
    payload = FilterPayload.of(FILTER_MANIFEST, FILTERED)
    document = json.loads(payload.model_dump_json())
    manifest = json.loads(FILTER_MANIFEST.content())
    assert list(document) == [
        "context",
        "triggered_by",
        "input",
        "coverage",
        "deduplication",
        "output",
        "lineage",
    ]
    for key in ("context", "triggered_by", "input", "coverage", "lineage"):
        assert document[key] == manifest[key]
    deduplication = {"records_before_dedup": 6, "duplicates_removed": 2, "null_key_records": 1}
    assert json.dumps(document["deduplication"]) == json.dumps(deduplication)
    assert json.dumps(document["output"]) == json.dumps(
        {"path": "s3://b/f1", "latest_path": None, "files": 2}
    )


def test_the_payload_of_a_transform_run_is_what_its_manifest_says():
    manifest = transform_run("r1", missing=(hours(3, 4),), late_records=2, early_records=1)
    payload = json.loads(TransformPayload.of(manifest).model_dump_json())
    written = json.loads(manifest.content())
    assert payload == {key: written[key] for key in payload}
    assert (payload["late_records"], payload["early_records"], payload["day"]) == (2, 1, "2025-01-15")
    assert payload["coverage"]["gaps"][0]["reason"] == "missing_prefix"


def test_the_payload_of_loaded_promotions_is_one_sentence():
    assert PROMOTIONS_LOADED.model_dump() == {"message": "LoadPromosJob completed successfully"}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        PROMOTIONS_LOADED,
        FilterPayload.of(FILTER_MANIFEST, FILTERED),
        TransformPayload.of(transform_run("r1")),
    ],
)
def test_a_document_that_is_read_back_is_the_same(payload):
    phases = Phases(load=Phase.between(START, END))
    metrics = metrics_of(
        RUN, "SUCCESS", END, counts=COUNTS, phases=phases, quality=judged(20, 2), payload=payload
    )
    assert Metrics.read("metrics", metrics.content()) == metrics
    assert Metrics.read("metrics", metrics.line().encode()) == metrics


def ticks() -> Iterator[datetime]:
    return (START + timedelta(seconds=second) for second in range(100))


def test_the_clock_times_each_phase():
    clock = PhaseClock(ticks().__next__)
    assert clock.phases() == Phases()
    with clock.phase("extract"):
        pass
    with clock.phase("transform"):
        pass
    assert clock.phases() == Phases(
        extract=Phase.between(START, START + timedelta(seconds=1)),
        transform=Phase.between(START + timedelta(seconds=2), START + timedelta(seconds=3)),
    )


def test_a_phase_that_fails_is_timed_too():
    clock = PhaseClock(ticks().__next__)
    with pytest.raises(OSError, match="disk"), clock.phase("load"):
        raise OSError("disk")
    assert clock.phases().load.duration_seconds == 1
