"""The inputs of a day: what is known, read, carried and refused, in whatever order it was found."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.adoption import AdoptedInput
from assets.dwh.documents import UnreadableDocument
from assets.dwh.filter_manifests import FilterManifest, FilterOutput, LineageEntry
from assets.dwh.inputs import (
    LatePointer,
    NoDataFound,
    Source,
    WaitsForApproval,
    can_extend,
    day_inputs,
    filter_plan,
    manifest_folders,
    needs_previous,
    refusal,
)
from assets.dwh.paths import Location
from assets.dwh.transform_manifests import TransformManifest
from assets.failures import NotReady, PermanentFailure
from tests.assets.dwh.transform_runs import DAY, RUN_SETS, TRANSFORMED, hour, hours, output, transform_run

TOMORROW = DAY + timedelta(days=1)


def late_run(run_id: str, **changes) -> TransformManifest:
    """A success of tomorrow with a late row of the day."""
    both = (output(run_id, TOMORROW), output(run_id, DAY))
    return transform_run(run_id, hours(24, 48), day=TOMORROW, outputs=both, **changes)


def pointer(run_id: str, run_day: date = TOMORROW) -> LatePointer:
    return LatePointer(run_id=run_id, manifest=TRANSFORMED.manifest(run_day, run_id).uri("s3"))


def adopted(run_id: str, path: str = "s3://old/x", instant: float = 24) -> AdoptedInput:
    return AdoptedInput(run_id=run_id, path=path, source_timestamp=hour(instant))


def published(*run_ids: str, instant: float = 24, rows: int = 5) -> FilterManifest:
    """The current output, with the runs that its rows come from."""
    lineage = tuple(
        LineageEntry(run_id="f1", transform_run_id=run_id, source_timestamp=hour(instant))
        for run_id in run_ids
    )
    result = FilterOutput(path="s3://b/f1", record_count=rows)
    return FilterManifest(run_id="f1", status="SUCCESS", output=result, lineage=lineage)


def ids(entries) -> list[str]:
    return [entry.run_id for entry in entries]


def test_the_successes_of_a_day_are_read_unless_another_run_replaces_them():
    runs = [
        transform_run("r1", hours(0, 6), created_at=hour(6)),
        transform_run("r2", hours(0, 12), created_at=hour(12)),
        transform_run("r3", hours(12, 24), status="FAILED"),
        transform_run("r4", hours(12, 24), status="PENDING_APPROVAL"),
    ]
    inputs = day_inputs(DAY, runs, [], [])
    assert ids(inputs.runs) == ids(inputs.sources) == ["r2"]
    assert ids(inputs.pending) == ["r4"]
    assert inputs.known_run_ids == {"r1", "r2", "r3", "r4"}


def test_a_pending_run_that_a_success_replaces_waits_no_more():
    runs = [transform_run("r1", status="PENDING_APPROVAL"), transform_run("r2", created_at=hour(25))]
    inputs = day_inputs(DAY, runs, [], [])
    assert (ids(inputs.runs), ids(inputs.pending)) == (["r2"], [])


def test_every_output_of_the_day_is_read_and_none_of_another_day():
    yesterday = output("r", DAY - timedelta(days=1))
    run = transform_run("r", outputs=(output("r", category="savedproject"), output("r"), yesterday))
    sources = day_inputs(DAY, [run], [], []).sources
    assert sources == tuple(
        Source("r", TRANSFORMED.rows(category, DAY, "r"), hour(24), "transformed")
        for category in ("nautilus", "savedproject")
    )


def test_a_run_without_rows_of_the_day_counts_and_has_nothing_to_read():
    inputs = day_inputs(DAY, [transform_run("r", outputs=())], [], [])
    assert ids(inputs.runs) == ["r"]
    assert inputs.sources == ()


def test_a_late_pointer_leads_to_the_rows_of_a_run_of_another_day():
    runs = [transform_run("r1"), late_run("r2"), late_run("r3", created_at=hour(20))]
    inputs = day_inputs(DAY, runs, [pointer("r2")], [])
    assert ids(inputs.runs) == ["r1", "r2"]
    assert [source.path for source in inputs.sources] == [
        TRANSFORMED.rows("nautilus", DAY, run_id) for run_id in ("r1", "r2")
    ]
    assert inputs.known_run_ids == {"r1", "r2"}


def test_a_late_run_is_judged_in_its_own_run_day():
    replacing = transform_run(
        "r3", hours(24, 48), day=TOMORROW, created_at=hour(49), outputs=(output("r3", TOMORROW),)
    )
    wide_but_of_the_day = transform_run("r4", hours(0, 48), created_at=hour(49))
    kept = day_inputs(DAY, [late_run("r2"), wide_but_of_the_day], [pointer("r2")], [])
    assert ids(kept.runs) == ["r2", "r4"]
    replaced = day_inputs(DAY, [late_run("r2"), replacing], [pointer("r2")], [])
    assert ids(replaced.runs) == []
    assert replaced.known_run_ids == {"r2"}


@pytest.mark.parametrize("status", ["PENDING_APPROVAL", "FAILED"])
def test_a_late_run_that_is_no_success_is_not_read(status):
    inputs = day_inputs(DAY, [late_run("r2", status=status)], [pointer("r2")], [])
    assert inputs.sources == ()
    assert ids(inputs.pending) == (["r2"] if status == "PENDING_APPROVAL" else [])


def test_a_pointer_whose_manifest_is_missing_is_ignored():
    inputs = day_inputs(DAY, [transform_run("r1")], [pointer("gone")], [])
    assert inputs.known_run_ids == {"r1"}


def test_the_folders_to_read_are_the_days_own_and_those_of_its_late_runs():
    own = TRANSFORMED.manifests(DAY)
    other = DAY + timedelta(days=2)
    pointers = [pointer("r2"), pointer("r3"), pointer("r4", other)]
    assert manifest_folders(own, pointers) == (
        own,
        TRANSFORMED.manifests(TOMORROW),
        TRANSFORMED.manifests(other),
    )
    assert manifest_folders(own, []) == (own,)


def test_adopted_inputs_are_read_as_they_say():
    inputs = day_inputs(DAY, [transform_run("r1")], [], [adopted("a1", instant=6)])
    assert inputs.sources[0] == Source("a1", Location("old", "x"), hour(6), "adopted")
    assert inputs.known_run_ids == {"a1", "r1"}


def test_of_adopted_inputs_with_one_path_only_the_latest_is_read():
    twice = [adopted("a1", instant=7), adopted("a2", "gs://old/x/", instant=6), adopted("a3", "s3://old/y")]
    inputs = day_inputs(DAY, [], [], twice)
    assert ids(inputs.sources) == ["a1", "a3"]
    assert inputs.known_run_ids == {"a1", "a2", "a3"}


def test_two_different_inputs_of_one_run_id_are_refused_and_one_found_twice_is_not():
    run = transform_run("r1")
    assert ids(day_inputs(DAY, [run, transform_run("r1")], [], []).runs) == ["r1"]
    with pytest.raises(PermanentFailure, match="Run id r1 names two different inputs"):
        day_inputs(DAY, [run, transform_run("r1", hours(0, 1))], [], [])
    with pytest.raises(PermanentFailure, match="Run id r1 names two different inputs"):
        day_inputs(DAY, [run], [], [adopted("r1")])


@given(st.data(), RUN_SETS, st.lists(st.integers(0, 9), max_size=4))
def test_the_inputs_do_not_depend_on_the_order_in_which_they_were_found(data, runs, pointed):
    pointers = [pointer(f"r{number}") for number in pointed]
    old = [adopted("a1"), adopted("a2"), adopted("a3", "s3://old/y")]
    shuffled = (data.draw(st.permutations(entries)) for entries in (runs, pointers, old))
    assert day_inputs(DAY, *shuffled) == day_inputs(DAY, runs, pointers, old)


@given(RUN_SETS, st.lists(st.integers(0, 9), max_size=4))
def test_what_is_read_is_known_succeeded_and_stands(runs, pointed):
    inputs = day_inputs(DAY, runs, [pointer(f"r{number}") for number in pointed], [])
    expected = {
        run.run_id
        for run in runs
        if (run.day == DAY or int(run.run_id[1:]) in pointed)
        and run.status == "SUCCESS"
        and not any(other.supersedes_run(run) for other in runs)
    }
    assert set(ids(inputs.runs)) == expected
    assert expected <= inputs.known_run_ids


@pytest.mark.parametrize(
    ("current", "needed"),
    [
        (None, False),
        (published("r1"), False),
        (published("r1", "r0"), False),
        (published("r1", "old"), True),
        (published(""), True),
        (published(), True),
        (published(rows=0), False),
    ],
)
def test_the_output_before_is_read_iff_it_has_rows_of_unknown_runs(current, needed):
    runs = [transform_run("r0", hours(0, 6), created_at=hour(6)), transform_run("r1")]
    inputs = day_inputs(DAY, runs, [], [])
    assert ids(inputs.runs) == ["r1"]
    assert needs_previous(inputs, current) is needed


def test_a_recomputation_takes_only_rows_of_unknown_runs_from_the_output_before():
    inputs = day_inputs(DAY, [transform_run("r1")], [], [])
    plan = filter_plan(inputs, published("r1", "old"), "recompute")
    assert (plan.mode, plan.sources, plan.previous) == ("recompute", inputs.sources, published("r1", "old"))
    assert plan.replaced_run_ids == {"r1"}
    assert filter_plan(inputs, published("r1"), "recompute").previous is None


def test_an_incremental_run_adds_what_the_current_output_lacks():
    runs = [transform_run("r1", hours(0, 12), source_timestamp=hour(24)), transform_run("r2", hours(12, 24))]
    inputs = day_inputs(DAY, runs, [], [adopted("a1")])
    plan = filter_plan(inputs, published("r1"), "incremental")
    assert plan.mode == "incremental"
    assert ids(plan.sources) == ["a1", "r2"]
    assert plan.previous == published("r1")
    assert plan.replaced_run_ids == frozenset()


@pytest.mark.parametrize(
    ("current", "allowed"),
    [
        (None, False),
        (published("r1"), True),
        (published("r1", "old"), True),
        (published("r0"), False),
        (published("r1", "r0"), False),
        (published("r1", instant=23), False),
        (published("a1"), False),
        (published("a2"), True),
    ],
)
def test_an_incremental_run_recomputes_where_a_run_was_replaced_or_counts_otherwise(current, allowed):
    runs = [transform_run("r0", hours(0, 6), created_at=hour(6)), transform_run("r1")]
    inputs = day_inputs(DAY, runs, [], [adopted("a1", instant=6), adopted("a2")])
    assert can_extend(inputs, current) is allowed
    plan = filter_plan(inputs, current, "incremental")
    assert plan.mode == ("incremental" if allowed else "recompute")
    if not allowed:
        assert plan.sources == inputs.sources


def test_a_day_without_rows_names_the_paths_where_there_were_none():
    inputs = day_inputs(DAY, [transform_run("r1", status="FAILED")], [], [])
    error = refusal(inputs, ["s3://b/x", "s3://b/y"])
    assert isinstance(error, NoDataFound)
    assert isinstance(error, ValueError)
    assert str(error) == "No data found at transform output path: s3://b/x, s3://b/y"


def test_a_day_with_nothing_but_pending_runs_waits_for_the_newest():
    runs = [
        transform_run("r2", hours(0, 6), status="PENDING_APPROVAL", created_at=hour(6)),
        transform_run("r1", hours(6, 12), status="PENDING_APPROVAL", created_at=hour(12)),
        transform_run("r3", hours(6, 12), status="FAILED", created_at=hour(13)),
    ]
    error = refusal(day_inputs(DAY, runs, [], []), [])
    assert isinstance(error, WaitsForApproval)
    assert isinstance(error, NotReady)
    assert isinstance(error, ValueError)
    assert str(error) == "transform run r1 of 2025-01-15 waits for approval"


def test_a_success_without_rows_beside_a_pending_run_is_a_day_without_rows():
    runs = [
        transform_run("r1", hours(0, 6), outputs=()),
        transform_run("r2", hours(6, 12), status="PENDING_APPROVAL"),
    ]
    assert isinstance(refusal(day_inputs(DAY, runs, [], []), ["s3://b"]), NoDataFound)


def test_a_late_pointer_is_read_as_it_was_written_and_a_broken_one_is_an_error():
    assert LatePointer.read("p", pointer("r1").content()) == pointer("r1")
    with pytest.raises(UnreadableDocument, match=r"^p cannot be read: manifest: Field required; restore it$"):
        LatePointer.read("p", b'{"run_id": "r1"}')
