"""Manifests of filter runs: the document of the contract, and which one of a day is current (F11)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.documents import UnreadableDocument
from assets.dwh.filter_manifests import (
    FilterManifest,
    FilterOutput,
    LineageEntry,
    current_manifest,
    is_manifest_name,
)
from assets.failures import PermanentFailure
from tests.assets.dwh.transform_runs import DAY, hour, hours

FOLDER = "s3://dwh-data/filtered_images/pacific/year=2025/month=01/day=15/_manifests"
RUN_PATH = "s3://dwh-data/filtered_images/pacific/year=2025/month=01/day=15/filter-2"
DOCUMENT = {
    "schema_version": "1.0",
    "run_id": "filter-2",
    "status": "SUCCESS",
    "timing": {
        "created_at": "2025-01-16T09:00:00Z",
        "completed_at": "2025-01-16T09:00:02.500000Z",
        "processing_duration_seconds": 2.5,
    },
    "context": {
        "timezone": "America/Los_Angeles",
        "day": "2025-01-15",
        "day_start_utc": "2025-01-15T08:00:00Z",
    },
    "triggered_by": {"job_name": "transform_images", "job_run_id": "transform-1", "output_path": None},
    "coverage": {
        "cumulative_range": {"start": "2025-01-15T08:00:00Z", "end": "2025-01-16T08:00:00Z"},
        "this_run_added": [{"start": "2025-01-15T20:00:00Z", "end": "2025-01-16T08:00:00Z"}],
        "gaps": [
            {"start": "2025-01-15T10:00:00Z", "end": "2025-01-15T10:05:00Z", "reason": "missing_prefix"}
        ],
    },
    "input": {
        "mode": "recompute",
        "previous_manifest": f"{FOLDER}/manifest-filter-1.json",
        "previous_output_path": "s3://dwh-data/filtered_images/x/filter-1",
        "previous_record_count": 3,
        "transform_record_count": 6,
    },
    "output": {
        "path": RUN_PATH,
        "latest_path": None,
        "files": 1,
        "record_count": 4,
        "bytes_written": 1234,
        "duplicates_removed": 2,
        "null_key_records": 0,
    },
    "lineage": [
        {
            "run_id": "filter-2",
            "transform_run_id": "transform-1",
            "path": "s3://dwh-data/transformed_images/nautilus/x",
            "source_timestamp": "2025-01-16T08:00:00Z",
            "time_range": {"start": "2025-01-15T08:00:00Z", "end": "2025-01-16T08:00:00Z"},
            "records_contributed": 4,
        }
    ],
    "code_version": "1",
}

STATUSES = st.sampled_from(["IN_PROGRESS", "SUCCESS", "FAILED"])
RUN_IDS = st.sampled_from([f"filter-{number}" for number in range(6)])


def filter_run(run_id: str, status: str = "SUCCESS") -> FilterManifest:
    output = FilterOutput(path="s3://b/x", record_count=1) if status == "SUCCESS" else None
    return FilterManifest.model_validate({"run_id": run_id, "status": status, "output": output})


class Folder:
    """Objects by name, and which of them were read."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self.contents = contents
        self.read_names: list[str] = []

    def read(self, name: str) -> bytes:
        self.read_names.append(name)
        return self.contents[name]

    def current(self, previous_run_id: str | None = None) -> str | None:
        manifest = current_manifest(FOLDER, self.contents, self.read, previous_run_id)
        return manifest.run_id if manifest else None


def folder(pointer: FilterManifest | bytes | None = None, **statuses: str) -> Folder:
    contents = {f"manifest-{run}.json": filter_run(run, status).content() for run, status in statuses.items()}
    if pointer is not None:
        contents["latest.json"] = pointer if isinstance(pointer, bytes) else pointer.content()
    return Folder(contents)


def test_the_document_of_the_contract_is_written_as_it_was_read():
    manifest = FilterManifest.read("m", json.dumps(DOCUMENT).encode())
    assert json.loads(manifest.content()) == DOCUMENT
    assert list(json.loads(manifest.content())) == list(DOCUMENT)
    assert manifest.context.day == DAY
    assert manifest.coverage.cumulative_range == hours(0, 24)
    assert manifest.transform_run_ids == {"transform-1"}


@given(
    STATUSES,
    st.lists(
        st.builds(
            LineageEntry,
            run_id=RUN_IDS,
            transform_run_id=RUN_IDS | st.just(""),
            source_timestamp=st.integers(0, 10**6).map(lambda number: hour(number / 10**4)),
            time_range=st.none() | st.just(hours(0, 3)),
            records_contributed=st.integers(0, 9),
        ),
        max_size=3,
    ),
)
def test_every_manifest_is_read_as_it_was_written(status, lineage):
    manifest = filter_run("filter-1", status).model_copy(update={"lineage": tuple(lineage)})
    assert FilterManifest.read("m", manifest.content()) == manifest


def test_unknown_keys_are_ignored_and_what_only_informs_may_be_missing():
    content = {
        "run_id": "r",
        "status": "SUCCESS",
        "output": {"path": "s3://b/x", "record_count": 1, "colour": 1},
    }
    manifest = FilterManifest.read("m", json.dumps(content | {"host": "x"}).encode())
    assert manifest == filter_run("r")
    assert manifest.triggered_by.job_name == "unknown"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"output": None}, "the document: a success has an output"),
        ({"output": DOCUMENT["output"] | {"record_count": -1}}, "output.record_count: "),
        ({"status": "success"}, "status: "),
        ({"run_id": None}, "run_id: "),
        ({"lineage": [{"run_id": "x"}]}, "lineage.0.transform_run_id: Field required"),
    ],
)
def test_a_manifest_with_a_fault_is_refused_with_the_place_and_the_remedy(changes, fault):
    with pytest.raises(UnreadableDocument) as refused:
        FilterManifest.read("s3://b/m.json", json.dumps(DOCUMENT | changes).encode())
    sentence = str(refused.value)
    assert sentence.startswith(f"s3://b/m.json cannot be read: {fault}")
    assert sentence.endswith("; restore it, or name a good run in previous_run_id")


def test_a_run_that_failed_needs_no_output():
    assert FilterManifest.read("m", b'{"run_id": "r", "status": "FAILED"}') == filter_run("r", "FAILED")


@pytest.mark.parametrize(
    ("objects", "current"),
    [
        (folder(), None),
        (folder(r1="SUCCESS", r3="FAILED"), "r1"),
        (folder(r1="SUCCESS", r2="SUCCESS", r3="IN_PROGRESS"), "r2"),
        (folder(r1="FAILED"), None),
        (folder(filter_run("r1"), r1="SUCCESS", r2="SUCCESS"), "r1"),
        (folder(filter_run("r9", "FAILED"), r1="SUCCESS", r2="SUCCESS"), "r2"),
        (folder(filter_run("gone")), "gone"),
    ],
)
def test_the_current_manifest_is_the_pointer_or_the_greatest_success(objects, current):
    assert objects.current() == current


def test_no_more_is_read_than_it_takes():
    objects = folder(r1="SUCCESS", r2="SUCCESS", r3="FAILED")
    objects.current()
    assert objects.read_names == ["manifest-r3.json", "manifest-r2.json"]
    objects = folder(filter_run("r1"), r1="SUCCESS", r2="SUCCESS")
    objects.current()
    assert objects.read_names == ["latest.json"]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("manifest-r1.json", True),
        ("manifest-latest.json", True),
        ("latest.json", False),
        ("Manifest-r1.json", False),
        ("manifest-r1.json.tmp", False),
        ("x-manifest-r1.json", False),
        (".manifest-r1.json", False),
    ],
)
def test_only_the_name_of_an_object_says_whether_it_is_a_manifest(name, is_one):
    assert is_manifest_name(name) is is_one
    content = filter_run("r1").content()
    found = current_manifest("s3://b/latest/x", [name], lambda _: content)
    assert (found is not None) is (is_one or name == "latest.json")


@pytest.mark.parametrize("broken", [b"", b"{", b'{"run_id": "r2"}', b"[]"])
def test_an_unreadable_manifest_is_an_error_and_never_a_first_run(broken):
    with pytest.raises(UnreadableDocument, match=f"^{FOLDER}/latest.json cannot be read: "):
        folder(broken, r1="SUCCESS").current()
    objects = folder(r1="SUCCESS")
    objects.contents["manifest-r2.json"] = broken
    with pytest.raises(UnreadableDocument, match=f"^{FOLDER}/manifest-r2.json cannot be read: "):
        objects.current()


def test_a_good_run_that_is_named_stands_in_for_unreadable_manifests():
    objects = folder(b"{", r1="SUCCESS", r2="SUCCESS")
    assert objects.current("r1") == "r1"
    assert objects.read_names == ["manifest-r1.json"]


@pytest.mark.parametrize("run_id", ["r3", "r4"])
def test_a_named_run_that_is_not_there_or_no_success_is_refused(run_id):
    with pytest.raises(
        PermanentFailure, match=f"previous_run_id '{run_id}' names no successful run in {FOLDER}"
    ):
        folder(filter_run("r1"), r1="SUCCESS", r3="FAILED").current(run_id)


def test_a_named_run_that_is_unreadable_itself_is_an_error():
    objects = folder(r1="SUCCESS")
    objects.contents["manifest-r2.json"] = b"{"
    with pytest.raises(UnreadableDocument, match=r"manifest-r2\.json cannot be read"):
        objects.current("r2")


def test_a_named_run_cannot_lead_out_of_the_folder():
    with pytest.raises(ValueError, match=r"Run id '\.\./x' is refused"):
        folder().current("../x")


@given(st.data(), st.dictionaries(RUN_IDS, STATUSES), st.none() | st.builds(filter_run, RUN_IDS, STATUSES))
def test_the_choice_does_not_depend_on_the_order_of_the_listing(data, statuses, pointer):
    objects = folder(pointer, **statuses)
    names = data.draw(st.permutations(list(objects.contents)))
    manifest = current_manifest(FOLDER, names, objects.read)
    successes = [run for run, status in statuses.items() if status == "SUCCESS"]
    if pointer is not None and pointer.status == "SUCCESS":
        assert manifest == pointer
    else:
        assert (manifest.run_id if manifest else None) == max(successes, default=None)
