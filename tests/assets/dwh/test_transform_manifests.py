"""Manifests of transform runs: the document of the contract, refusals, and which run replaces which."""

import json
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.documents import UnreadableDocument
from assets.dwh.transform_manifests import TransformManifest, partly_overlapping, superseded_run_ids
from tests.assets.dwh.transform_runs import DAY, RUN_SETS, RUNS, hour, hours, output, transform_run

NAME = "s3://dwh-data/m.json"
PATH = "s3://dwh-data/transformed_images/nautilus/pacific/year=2025/month=01/day=15/transform-1"
DOCUMENT = {
    "schema_version": "1.0",
    "run_id": "transform-20250115T180000Z-a1b2c3",
    "status": "SUCCESS",
    "day": "2025-01-15",
    "timezone": "America/Los_Angeles",
    "created_at": "2025-01-16T09:00:00.250000Z",
    "completed_at": "2025-01-16T09:01:00Z",
    "created_by": "dagster",
    "code_version": "1",
    "window": {"start": "2025-01-15T08:00:00Z", "end": "2025-01-16T08:00:00Z"},
    "source_timestamp": "2025-01-16T08:00:00Z",
    "outputs": [
        {"category": "nautilus", "day": "2025-01-15", "path": PATH, "records": 19, "files": 1, "bytes": 9000}
    ],
    "dropped": {
        "path": "s3://dwh-data/d",
        "records": 1,
        "reasons": [{"reason": "extract_corrupt_json", "count": 1}],
    },
    "records_read": 20,
    "records_written": 19,
    "late_records": 0,
    "early_records": 0,
    "quality": {"status": "YELLOW", "drop_rate": 0.05},
    "approval": None,
    "coverage": {
        "gaps": [{"start": "2025-01-15T10:00:00Z", "end": "2025-01-15T10:05:00Z", "reason": "missing_prefix"}]
    },
    "supersedes": [],
    "clean_sink": True,
}


def read(**changes) -> TransformManifest:
    return TransformManifest.read(NAME, json.dumps(DOCUMENT | changes).encode())


def test_the_document_of_the_contract_is_written_as_it_was_read():
    manifest = read()
    assert json.loads(manifest.content()) == DOCUMENT
    assert list(json.loads(manifest.content())) == list(DOCUMENT)
    assert manifest.content().endswith(b"\n}\n")
    assert manifest.source_timestamp == hour(24)


@given(RUNS)
def test_every_manifest_is_read_as_it_was_written(run):
    assert TransformManifest.read(NAME, run.content()) == run
    assert TransformManifest.read(NAME, run.content()).content() == run.content()


def test_unknown_keys_are_ignored_at_every_depth():
    window = DOCUMENT["window"] | {"zone": "UTC"}
    assert read(colour="red", window=window, schema_version="1.7").window == hours(0, 24)


def test_what_only_informs_may_be_missing():
    needed = ("run_id", "status", "day", "timezone", "created_at", "window", "source_timestamp", "outputs")
    content = json.dumps({key: DOCUMENT[key] for key in needed}).encode()
    manifest = TransformManifest.read(NAME, content)
    assert manifest.approval is None
    assert manifest.clean_sink


@pytest.mark.parametrize("key", ["run_id", "status", "day", "timezone", "created_at", "window", "outputs"])
def test_what_decides_may_not_be_missing(key):
    content = json.dumps({name: value for name, value in DOCUMENT.items() if name != key}).encode()
    with pytest.raises(
        UnreadableDocument, match=f"^{NAME} cannot be read: {key}: Field required; restore it$"
    ):
        TransformManifest.read(NAME, content)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"run_id": "../x"}, "run_id: Run id '../x' is refused"),
        ({"status": "DONE"}, "status: Input should be 'SUCCESS'"),
        ({"day": "2025-02-29"}, "day: "),
        ({"day": 20250115}, "day: "),
        ({"created_at": "2025-01-15"}, "created_at: it is no instant such as 2025-01-15T08:00:00Z"),
        ({"created_at": 1736928453}, "created_at: it is no instant"),
        (
            {"window": {"start": "2025-01-16T08:00:00Z", "end": "2025-01-15T08:00:00Z"}},
            "window: end is before",
        ),
        (
            {"outputs": [DOCUMENT["outputs"][0] | {"path": "/data"}]},
            "outputs.0.path: Path '/data' is no address",
        ),
        ({"outputs": [DOCUMENT["outputs"][0] | {"records": -1}]}, "outputs.0.records: "),
        ({"outputs": [DOCUMENT["outputs"][0] | {"records": "19"}]}, "outputs.0.records: "),
        ({"outputs": DOCUMENT["outputs"] * 2}, "outputs has two entries of one category and day"),
        ({"quality": {"status": "YELLOW", "drop_rate": float("inf")}}, "quality.drop_rate: "),
        ({"schema_version": "2.0"}, "schema_version: version '2.0' is unknown"),
    ],
)
def test_a_manifest_with_a_fault_is_refused_with_its_name_and_the_place(changes, fault):
    with pytest.raises(UnreadableDocument) as refused:
        read(**changes)
    sentence = str(refused.value)
    assert sentence.startswith(f"{NAME} cannot be read: ")
    assert fault in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff{}", b'{"run_id": "a"'])
def test_what_is_no_json_object_is_refused(content):
    with pytest.raises(UnreadableDocument, match=f"^{NAME} cannot be read: the document: "):
        TransformManifest.read(NAME, content)


def test_our_own_code_cannot_write_a_time_without_a_zone():
    with pytest.raises(ValueError, match="has no time zone"):
        transform_run("r", created_at=hour(1).replace(tzinfo=None))


def test_a_run_read_its_window_but_for_the_missing_prefixes():
    reading = read().reading
    assert reading is not None
    assert (reading.run_id, reading.window) == (DOCUMENT["run_id"], hours(0, 24))
    assert [(gap.start, gap.end) for gap in reading.missing] == [(hour(2), hour(2 + 5 / 60))]
    assert read(window=None).reading is None


def test_the_outputs_of_a_row_day_come_by_category():
    other_day = output("r", DAY - timedelta(days=1))
    both = (output("r", category="savedproject"), other_day, output("r", category="nautilus"))
    categories = [entry.category for entry in transform_run("r", outputs=both).outputs_of(DAY)]
    assert categories == ["nautilus", "savedproject"]


EARLY = transform_run("r1", hours(2, 4), created_at=hour(5))


@pytest.mark.parametrize(
    ("run", "replaces"),
    [
        (transform_run("r2", hours(2, 4), created_at=hour(6)), True),
        (transform_run("r2", hours(0, 24), created_at=hour(6)), True),
        (transform_run("r2", hours(2, 4), created_at=hour(5)), True),
        (transform_run("r0", hours(2, 4), created_at=hour(5)), False),
        (transform_run("r2", hours(0, 24), created_at=hour(4)), False),
        (transform_run("r2", hours(2, 3.9), created_at=hour(6)), False),
        (transform_run("r2", hours(2.1, 4), created_at=hour(6)), False),
        (transform_run("r2", hours(3, 9), created_at=hour(6)), False),
        (transform_run("r2", hours(0, 24), created_at=hour(6), status="PENDING_APPROVAL"), False),
        (transform_run("r2", hours(0, 24), created_at=hour(6), status="FAILED"), False),
        (transform_run("r2", hours(0, 24), created_at=hour(6), day=DAY + timedelta(days=1)), False),
        (transform_run("r2", created_at=hour(6)).model_copy(update={"window": None}), False),
    ],
)
def test_a_later_success_that_holds_the_window_replaces_a_run(run, replaces):
    assert run.supersedes_run(EARLY) is replaces
    assert ("r1" in superseded_run_ids([run, EARLY])) is replaces


@pytest.mark.parametrize("status", ["SUCCESS", "PENDING_APPROVAL", "FAILED"])
def test_a_run_of_any_status_is_replaced_but_one_without_a_window_is_not(status):
    late = transform_run("r2", hours(0, 24), created_at=hour(6))
    early = EARLY.model_copy(update={"status": status})
    assert late.supersedes_run(early)
    assert not late.supersedes_run(early.model_copy(update={"window": None}))


@given(RUN_SETS)
def test_replacing_is_a_strict_partial_order(runs):
    assert not any(run.supersedes_run(run) for run in runs)
    for one, two in permutations(runs, 2):
        assert not (one.supersedes_run(two) and two.supersedes_run(one))
    for one, two, three in permutations(runs, 3):
        if one.supersedes_run(two) and two.supersedes_run(three):
            assert one.supersedes_run(three)


@given(st.data(), RUN_SETS)
def test_which_runs_are_replaced_does_not_depend_on_their_order(data, runs):
    shuffled = data.draw(st.permutations(runs))
    assert superseded_run_ids(shuffled) == superseded_run_ids(runs)


@given(RUN_SETS)
def test_what_replaces_a_run_is_not_replaced_by_it_and_something_always_stands(runs):
    superseded = superseded_run_ids(runs)
    for old in runs:
        if old.run_id in superseded:
            assert any(new.supersedes_run(old) and new.run_id not in superseded for new in runs)


def test_windows_that_cross_are_named_and_others_are_not():
    run = transform_run("r0", hours(4, 8))
    others = {
        "crossing": transform_run("crossing", hours(7, 9)),
        "before": transform_run("before", hours(3, 5), created_at=hour(3)),
        "touching": transform_run("touching", hours(8, 9)),
        "inside": transform_run("inside", hours(5, 6)),
        "around": transform_run("around", hours(0, 24)),
        "failed": transform_run("failed", hours(7, 9), status="FAILED"),
        "tomorrow": transform_run("tomorrow", hours(7, 9), day=DAY + timedelta(days=1)),
        "adopted": transform_run("adopted").model_copy(update={"window": None}),
    }
    assert partly_overlapping(run, others.values()) == (others["before"], others["crossing"])
    assert partly_overlapping(others["adopted"], others.values()) == ()
