"""When a case is due by its content: first sight, a renewed marker, a quiet time; and how a scan goes on."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.beams.failures import beam_failure
from assets.beams.folder_shapes import PassedOver, Refused, Top
from assets.beams.planning import CasePlan, plan, plan_case
from assets.beams.registry.standings import Standing
from assets.beams.scan_memory import Entry, Memory
from assets.beams.stage_planning import MakeReady, ReopenCase, Turn, Wait
from tests.assets.beams.planned_scans import (
    KEY,
    PERMANENT,
    POLICY,
    A,
    B,
    Rows,
    Shelf,
    at,
    beam,
    case,
    failed,
    folder,
    judged,
    never,
    shelf,
)

QUIET = int(POLICY.quiet.total_seconds())
NOW_S = int(at(0).timestamp())


def keys(planned: CasePlan) -> list[str]:
    return [request.run_key for request in planned.requests]


def reason(planned: CasePlan) -> str | None:
    return None if planned.failure is None else planned.failure.code


# First sight


def test_a_case_at_first_sight_is_judged_and_asked_for() -> None:
    planned = plan_case(folder(), None, Rows().world())
    assert (planned.state, keys(planned), planned.beams) == ("ready", [f"{KEY}:{A}:manifest:1"], (1, 2))
    (turn,) = planned.turns
    assert turn.change == MakeReady(A)
    assert planned.entry == Entry(A, "m1", None)


def test_a_case_that_is_going_to_fail_is_asked_for_so_that_it_fails_visibly() -> None:
    planned = plan_case(folder(), None, Rows(judge=lambda _: failed("ptn_missing")).world())
    assert (planned.state, reason(planned), keys(planned)) == (
        "ready",
        "ptn_missing",
        [f"{KEY}:{A}:manifest:1"],
    )


def test_a_case_whose_plan_cannot_be_read_is_asked_for_without_beams() -> None:
    broken = judged(beam_failure("rtplan_parse_failed", "x"), beams=None)
    planned = plan_case(folder(), None, Rows(judge=lambda _: broken).world())
    assert (planned.state, planned.beams, len(keys(planned))) == ("ready", None, 1)


def test_a_case_with_an_open_window_waits_and_is_judged_again() -> None:
    open_window = Rows(judge=lambda _: failed("fraction_window_open"))
    planned = plan_case(folder(), None, open_window.world())
    assert (planned.state, reason(planned), keys(planned)) == ("waiting", "fraction_window_open", [])
    assert [type(turn.change) for turn in planned.turns] == [Wait]
    waiting = Rows(Standing(case("waiting", None)))
    assert keys(plan_case(folder(), planned.entry, waiting.world())) == [f"{KEY}:{A}:manifest:1"]


def test_a_case_that_was_ready_and_waits_again_is_judged_with_the_same_content() -> None:
    rows = Rows(Standing(case("waiting", A, attempt=2)))
    planned = plan_case(folder(A), Entry(A, "m1", None), rows.world())
    assert (keys(planned), planned.turns[0].change) == ([f"{KEY}:{A}:manifest:2"], MakeReady(A))


def test_a_reason_that_the_row_has_is_not_written_again() -> None:
    told = failed("fraction_window_open").outcome
    row = case("waiting", None, failure_code="fraction_window_open", failure_message=str(told))
    rows = Rows(Standing(row), judge=lambda _: failed("fraction_window_open"))
    assert plan_case(folder(), Entry(A, "m1", None), rows.world()).turns == ()
    other = Rows(Standing(row), judge=lambda _: failed("unreadable_dir"))
    assert len(plan_case(folder(), Entry(A, "m1", None), other.world()).turns) == 1


@pytest.mark.parametrize(
    ("age", "state"), [(0, "waiting"), (900, "waiting"), (901, "ready"), (-50, "waiting")]
)
def test_a_missing_plan_is_waited_for_while_the_marker_is_young(age: float, state: str) -> None:
    rows = Rows(judge=lambda _: failed("missing_rtplan")).later(age)
    planned = plan_case(folder(), None, rows.world())
    assert planned.state == state
    assert reason(planned) == "missing_rtplan"
    assert planned.failure is not None
    assert planned.failure.category == ("pending" if state == "waiting" else "permanent")


# Content that changes

COMPLETED = Rows(Standing(case("completed")), judge=never)


def test_unchanged_content_is_not_opened_and_a_touched_marker_is_nothing() -> None:
    for marker in ("m1", "m2"):
        planned = plan_case(folder(A, marker), Entry(A, "m1", None), COMPLETED.world())
        assert (planned.state, planned.turns, planned.entry) == ("current", (), Entry(A, "m1", None))


@pytest.mark.parametrize(
    "status", ["completed", "completed_with_warnings", "failed", "cancelled", "reporting", "simulating"]
)
def test_changed_content_with_a_renewed_marker_begins_the_case_anew(status: str) -> None:
    rows = Rows(Standing(case(status, attempt=4)))
    planned = plan_case(folder(B, "m2"), Entry(A, "m1", None), rows.world())
    assert keys(planned) == [f"{KEY}:{B}:manifest:5"]
    assert planned.turns[0].change == ReopenCase("new_fingerprint", B)
    assert planned.entry == Entry(B, "m2", None)


def test_changed_content_with_the_old_marker_waits_until_it_was_the_same_for_the_quiet_time() -> None:
    waiting = plan_case(folder(B), Entry(A, "m1", None), COMPLETED.world())
    assert (waiting.state, reason(waiting), waiting.turns) == ("waiting", "content_changing", ())
    assert waiting.entry == Entry(B, "m1", NOW_S)
    soon = plan_case(folder(B), waiting.entry, COMPLETED.later(QUIET - 1).world())
    assert (soon.state, soon.entry) == ("waiting", waiting.entry)
    again = plan_case(folder("c" * 16), waiting.entry, COMPLETED.later(QUIET).world())
    assert again.entry == Entry("c" * 16, "m1", NOW_S + QUIET)
    late = plan_case(folder(B), waiting.entry, Rows(Standing(case("completed"))).later(QUIET).world())
    assert (keys(late), late.entry) == ([f"{KEY}:{B}:manifest:2"], Entry(B, "m1", None))


def test_a_marker_renewed_while_content_changes_ends_the_wait() -> None:
    planned = plan_case(folder(B, "m2"), Entry(B, "m1", NOW_S), Rows(Standing(case("completed"))).world())
    assert keys(planned) == [f"{KEY}:{B}:manifest:2"]


def test_content_that_is_as_before_again_is_nothing() -> None:
    planned = plan_case(folder(A), Entry(B, "m1", NOW_S), COMPLETED.world())
    assert (planned.state, planned.turns, planned.entry) == ("current", (), Entry(A, "m1", None))


def test_content_that_somebody_else_asked_for_is_nothing_new() -> None:
    rows = Rows(Standing(case("completed", B)), judge=never)
    planned = plan_case(folder(B, "m2"), Entry(A, "m1", None), rows.world())
    assert (planned.state, planned.entry) == ("current", Entry(B, "m2", None))


def test_a_case_that_waits_and_changes_has_to_be_quiet_too() -> None:
    """A delivery that is being copied may make a set complete that is not whole yet."""
    rows = Rows(Standing(case("waiting", None)), judge=never)
    planned = plan_case(folder(B), Entry(A, "m1", None), rows.world())
    assert (planned.state, reason(planned)) == ("waiting", "content_changing")
    assert [type(turn.change) for turn in planned.turns] == [Wait]


def test_a_ready_case_that_changes_waits_and_its_run_is_asked_for_no_more() -> None:
    rows = Rows(Standing(case("ready")), judge=never)
    planned = plan_case(folder(B), Entry(A, "m1", None), rows.world())
    assert (planned.state, [type(turn.change) for turn in planned.turns]) == ("waiting", [Wait])


@pytest.mark.parametrize("quiet", [0, 300])
def test_a_lost_memory_costs_a_quiet_time_only_where_content_changed(quiet: int) -> None:
    policy = POLICY.__class__(POLICY.marker_grace, timedelta(seconds=quiet), 3)
    unchanged = plan_case(folder(A, "m7"), None, Rows(Standing(case("completed")), judge=never).world())
    assert (unchanged.state, unchanged.entry) == ("current", Entry(A, "m7", None))
    changed = plan_case(folder(B, "m7"), None, Rows(Standing(case("completed")), policy=policy).world())
    assert (changed.state, changed.entry) == (
        ("waiting", Entry(B, "m7", NOW_S)) if quiet else ("ready", Entry(B, "m7", None))
    )


def test_a_clock_that_was_put_back_does_not_end_the_quiet_time() -> None:
    planned = plan_case(folder(B), Entry(B, "m1", NOW_S + 10**6), COMPLETED.world())
    assert (planned.state, planned.entry.first_seen) == ("waiting", NOW_S)


AT_WORK = {
    "a run of the case": Rows(Standing(case("simulating")), judge=never, busy=frozenset({KEY})),
    "a run of a beam": Rows(Standing(case("simulating")), judge=never, busy=frozenset({f"{KEY}|2"})),
    "a run of no known partition": Rows(
        Standing(case("simulating"), (beam(1, "running", run_id="r1"),)),
        judge=never,
        active=frozenset({"r1"}),
    ),
}


@pytest.mark.parametrize("rows", AT_WORK.values(), ids=AT_WORK.keys())
def test_no_case_begins_anew_while_a_run_of_it_is_at_work(rows: Rows) -> None:
    planned = plan_case(folder(B, "m2"), Entry(A, "m1", None), rows.world())
    assert (planned.state, reason(planned), planned.turns) == ("waiting", "content_changing", ())
    assert planned.entry == Entry(B, "m2", None)
    ended = Rows(rows.standing)
    assert keys(plan_case(folder(B, "m2"), planned.entry, ended.world())) == [f"{KEY}:{B}:manifest:2"]


def test_a_run_of_a_case_of_a_longer_key_is_no_run_of_this_one() -> None:
    rows = Rows(Standing(case("completed")), busy=frozenset({f"{KEY}0", f"{KEY}0|1"}))
    assert keys(plan_case(folder(B, "m2"), Entry(A, "m1", None), rows.world())) == [f"{KEY}:{B}:manifest:2"]


def test_new_content_of_an_ended_case_with_an_open_window_leaves_its_row_alone() -> None:
    rows = Rows(Standing(case("completed")), judge=lambda _: failed("fraction_window_open"))
    planned = plan_case(folder(B, "m2"), Entry(A, "m1", None), rows.world())
    assert (planned.state, reason(planned), planned.turns) == ("waiting", "fraction_window_open", ())
    closed = Rows(Standing(case("completed")))
    assert keys(plan_case(folder(B, "m2"), planned.entry, closed.world())) == [f"{KEY}:{B}:manifest:2"]


def test_a_case_that_failed_for_good_is_not_asked_for_again_with_the_same_content() -> None:
    rows = Rows(Standing(case("failed", **PERMANENT)), judge=never).later(10**6)
    planned = plan_case(folder(A, "m2"), Entry(A, "m1", None), rows.world())
    assert (planned.state, planned.turns) == ("current", ())


def test_a_ready_case_whose_window_is_open_waits_instead() -> None:
    """Its run was asked to go on anyway and found it open."""
    rows = Rows(Standing(case("ready")), judge=lambda _: failed("fraction_window_open"))
    planned = plan_case(folder(), Entry(A, "m1", None), rows.world())
    assert (planned.state, keys(planned)) == ("waiting", [])
    assert [type(turn.change) for turn in planned.turns] == [Wait]


# A whole scan


def forever(_: int) -> bool:
    return True


def names(count: int) -> list[str]:
    return [f"C{number:03d}" for number in range(count)]


def test_a_scan_plans_every_case_and_tells_everything_else() -> None:
    aside = PassedOver("_CASE_READY", "misplaced_marker")
    refused = Refused("C000 copy", None, None, beam_failure("bad_case_id", "x"))
    listing = Shelf(
        {Top("G2", "C001"): [folder(key="C001")], Top(None, "C000 copy"): [refused]}, aside=[aside]
    )
    planned = plan(listing, Memory(), Rows({}).world(), forever)
    assert [one.found.key for one in planned.cases] == ["C001"]
    assert set(planned.aside) == {aside, refused}
    assert planned.is_complete
    assert planned.memory == Memory({"C001": Entry(A, "m1", None)}, None)


def test_an_empty_root_has_its_misplaced_marker_told() -> None:
    planned = plan(
        Shelf({}, [PassedOver("_CASE_READY", "misplaced_marker")]), Memory(), Rows({}).world(), forever
    )
    assert len(planned.aside) == 1
    assert planned.is_complete


def test_a_case_that_vanished_is_forgotten_and_one_that_cannot_be_read_is_not() -> None:
    memory = Memory({key: Entry(A, "m1", None) for key in ("C000", "C001", "C002")})
    unreadable = Refused("G2/C002", "C002", "G2", beam_failure("unreadable_dir", "x"))
    listing = Shelf({Top("G2", "C001"): [folder(key="C001")], Top("G2", "C002"): [unreadable]})
    assert set(plan(listing, memory, Rows({}).world(), forever).memory.entries) == {"C001", "C002"}


def test_a_scan_out_of_time_goes_on_where_it_stopped() -> None:
    listing = shelf(*(folder(key=key) for key in names(7)))
    rows = Rows({key: Standing(case("completed", key=key)) for key in names(7)}, judge=never)
    memory, seen = Memory(), []
    for _ in range(5):
        left = iter([True, False])
        planned = plan(listing, memory, rows.world(), lambda _, left=left: next(left))
        seen.append([one.found.key for one in planned.cases])
        memory = planned.memory
    assert seen == [
        *(["C000", "C001"], ["C002", "C003"], ["C004", "C005"]),
        *(["C000", "C006"], ["C001", "C002"]),
    ]
    assert set(memory.entries) == set(names(7))


def test_a_scan_without_any_time_looks_into_one_folder() -> None:
    listing = shelf(*(folder(key=key) for key in names(3)))
    planned = plan(listing, Memory(), Rows({}).world(), lambda _: False)
    assert (listing.looked_into, planned.memory.after, planned.is_complete) == (["G2/C000"], "G2/C000", False)


def test_a_scan_stops_at_the_most_runs_and_asks_for_the_others_next() -> None:
    listing = shelf(*(folder(key=key) for key in names(6)))
    first = plan(listing, Memory(), Rows({}).world(), lambda asked: asked < 2)
    assert [one.found.key for one in first.cases] == ["C000", "C001"]
    second = plan(listing, first.memory, Rows({}).world(), lambda asked: asked < 2)
    assert [one.found.key for one in second.cases] == ["C002", "C003"]


def test_a_short_scan_forgets_what_vanished_and_keeps_what_it_did_not_look_at() -> None:
    keys_before = ["C000", "C001", "C002", "GONE", "UNKNOWN"]
    memory = Memory({key: Entry(A, "m1", None) for key in keys_before})
    rows = Rows({key: Standing(case("completed", key=key)) for key in keys_before if key != "UNKNOWN"})
    listing = shelf(*(folder(key=key) for key in ("C000", "C001", "C002")))
    planned = plan(listing, memory, rows.world(), lambda _: False)
    assert set(planned.memory.entries) == {"C000", "C001", "C002"}


def test_a_folder_that_went_away_since_the_last_scan_does_not_stop_the_next() -> None:
    listing = shelf(*(folder(key=key) for key in ("C000", "C005")))
    planned = plan(listing, Memory(after="G2/C003"), Rows({}).world(), lambda _: False)
    assert listing.looked_into == ["G2/C005"]
    assert planned.memory.after == "G2/C005"


@given(count=st.integers(0, 9), steps=st.lists(st.integers(1, 4), min_size=1, max_size=12))
@settings(max_examples=50)
def test_no_case_is_missed_whatever_the_time_allows(count: int, steps: list[int]) -> None:
    listing = shelf(*(folder(key=key) for key in names(count)))
    memory = Memory()
    for step in steps:
        budget = iter([True] * (step - 1) + [False])
        memory = plan(listing, memory, Rows({}).world(), lambda _, left=budget: next(left)).memory
    looked = listing.looked_into
    assert len(looked) == sum(min(step, count) for step in steps)
    for first in range(len(looked) - 2 * count + 1):
        assert len(set(looked[first : first + 2 * count])) == count


def test_a_turn_without_a_request_asks_for_nothing() -> None:
    found = folder()
    waiting = Turn(Wait(beam_failure("no_marker", "x")), None)  # pyright: ignore[reportArgumentType]
    assert CasePlan(found, "waiting", (waiting,), Entry(A, "m1", None)).requests == ()
