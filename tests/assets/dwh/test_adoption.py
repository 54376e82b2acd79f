"""Adopted inputs: which path becomes one, under which id and instant."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.adoption import AdoptedInput, Trigger, adopted_input
from assets.dwh.days import format_instant
from assets.dwh.paths import Scheme
from assets.failures import PermanentFailure
from tests.assets.dwh.transform_runs import DAY, PACIFIC, TRANSFORMED, hour, transform_run

OLD = "s3://old/transformed/2025"
TRIGGER = Trigger(OLD, "transform_images", "transform-20250115T180000Z-a1b2c3")
HASHED = f"adopted-{hashlib.sha256(OLD.encode()).hexdigest()[:12]}"


def adopt(trigger: Trigger, known=(), adopted=(), scheme: Scheme = "s3") -> AdoptedInput | None:
    return adopted_input(trigger, DAY, PACIFIC, known, adopted, scheme)


def document(trigger: Trigger, **choices) -> AdoptedInput:
    found = adopt(trigger, **choices)
    assert found is not None
    return found


def test_an_adopted_input_is_a_document_of_five_keys():
    content = document(TRIGGER).content()
    assert json.loads(content) == {
        "run_id": "transform-20250115T180000Z-a1b2c3",
        "path": OLD,
        "source_timestamp": "2025-01-15T18:00:00Z",
        "window": None,
        "triggered_by_job": "transform_images",
    }
    assert AdoptedInput.read("a", content) == document(TRIGGER)


@pytest.mark.parametrize("path", [OLD, f"{OLD}/", OLD.replace("s3:", "s3a:"), OLD.replace("s3:", "gs:")])
def test_every_spelling_of_a_path_is_the_same_object(path):
    assert document(Trigger(path)) == document(Trigger(OLD))
    assert document(Trigger(path)).run_id == HASHED


def test_a_path_is_written_in_the_scheme_of_the_place():
    on_google = document(Trigger(OLD), scheme="gs")
    assert on_google.path == "gs://old/transformed/2025"
    assert on_google.run_id == f"adopted-{hashlib.sha256(on_google.path.encode()).hexdigest()[:12]}"


@pytest.mark.parametrize(
    ("given_id", "run_id"),
    [("r1", "r1"), ("unknown", HASHED), ("", HASHED), ("../x", HASHED), ("a b", HASHED), ("x" * 129, HASHED)],
)
def test_the_id_is_that_of_the_trigger_if_it_is_one(given_id, run_id):
    assert document(replace(TRIGGER, run_id=given_id)).run_id == run_id


@pytest.mark.parametrize(
    ("changes", "instant"),
    [
        (
            {"source_timestamp": "2025-01-15T09:00:00.5Z", "end_date": "2025-01-16"},
            "2025-01-15T09:00:00.500000Z",
        ),
        ({"end_date": "2025-01-16T08:00:00Z"}, "2025-01-16T08:00:00Z"),
        ({"end_date": "2025-01-14"}, "2025-01-15T08:00:00Z"),
        ({}, "2025-01-15T18:00:00Z"),
        ({"run_id": "r1"}, "2025-01-16T08:00:00Z"),
        ({"run_id": "not an id 20250115T180001Z"}, "2025-01-15T18:00:01Z"),
    ],
)
def test_the_instant_is_the_first_one_that_is_known(changes, instant):
    assert format_instant(document(replace(TRIGGER, **changes)).source_timestamp) == instant


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source_timestamp": "2025-01-15"}, "source_timestamp '2025-01-15' is no instant"),
        ({"end_date": "15/01/2025"}, "end_date '15/01/2025' is neither a date nor an instant"),
        ({"transform_output_path": "/data/x"}, "Path '/data/x' is no address in a bucket"),
    ],
)
def test_what_the_trigger_says_must_be_readable(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        adopt(replace(TRIGGER, **changes))


RUN_FOLDER = TRANSFORMED.rows("nautilus", DAY, "r1")


@pytest.mark.parametrize(
    ("path", "is_adopted"),
    [
        (RUN_FOLDER.uri("s3"), False),
        (f"{RUN_FOLDER.uri('gs')}/", False),
        (f"{RUN_FOLDER.uri('s3')}/part-0", False),
        (RUN_FOLDER.parent.uri("s3"), False),
        ("s3://dwh-data/transformed_images", False),
        (f"{RUN_FOLDER.uri('s3')}0", True),
        (TRANSFORMED.rows("nautilus", DAY + timedelta(days=1), "r1").uri("s3"), True),
        ("s3://other/transformed_images", True),
    ],
)
@pytest.mark.parametrize("status", ["SUCCESS", "PENDING_APPROVAL"])
def test_a_path_that_is_read_or_waits_anyway_is_not_adopted(path, is_adopted, status):
    found = adopt(Trigger(path), known=[transform_run("r1", status=status)])
    assert (found is not None) is is_adopted


def test_a_second_path_of_one_run_is_refused_and_the_same_one_is_not():
    first = document(TRIGGER)
    assert document(TRIGGER, adopted=[first]) == first
    with pytest.raises(
        PermanentFailure, match="is adopted with path s3://old/transformed/2025, so s3://old/y "
    ):
        adopt(replace(TRIGGER, transform_output_path="s3://old/y"), adopted=[first])


@given(st.text(alphabet="ab.-_ /", max_size=6), st.none() | st.just(format_instant(hour(3))))
def test_adopting_twice_is_the_same_document(run_id, source_timestamp):
    trigger = replace(TRIGGER, run_id=run_id, source_timestamp=source_timestamp)
    first = document(trigger)
    assert document(trigger, adopted=[first]).content() == first.content()
