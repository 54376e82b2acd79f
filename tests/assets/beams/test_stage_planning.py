"""Which stage of a case is due, by status: one table of the contract, and what a dead run leads to."""

from dataclasses import replace

import pytest

from assets.beams.registry.instants import stamp
from assets.beams.registry.standings import Resumes, Standing
from assets.beams.run_requests import Request
from assets.beams.stage_planning import RESUMES, ReopenBeam, ReopenCase, planned_stages
from assets.beams.states import ACTIVE_BEAM_STATES, BeamState
from tests.assets.beams.planned_scans import KEY, PERMANENT, RETRYABLE, A, Rows, at, beam, case

DONE = (beam(1, "completed"), beam(2, "completed"))
MANIFEST, REPORT = f"{KEY}:{A}:manifest", f"{KEY}:{A}:report"


def beam_key(index: int, attempt: int = 1) -> str:
    return f"{KEY}:{A}:beam-{index}:{attempt}"


def stages(rows: Rows) -> list[tuple[object, str | None]]:
    """What is changed, and the key of what is asked for."""
    assert isinstance(rows.standing, Standing)
    world = rows.world()
    turns = planned_stages(rows.standing, world.runs, world.policy, world.now)
    return [(turn.change, turn.request and turn.request.run_key) for turn in turns]


def keys(rows: Rows) -> list[str | None]:
    return [key for _, key in stages(rows)]


def of(status: str, *beams, **fields) -> Standing:
    return Standing(case(status, **fields), beams, has_manifest=True)


NEXT = {
    "ready": (Standing(case("ready", attempt=3)), [f"{MANIFEST}:3"]),
    "interpreting, beams wait": (
        of("interpreting", beam(1, "pending"), beam(2, "pending", attempt=4)),
        [beam_key(1), beam_key(2, 4)],
    ),
    "simulating, one beam waits": (of("simulating", beam(1, "completed"), beam(2, "pending")), [beam_key(2)]),
    "simulating, one beam waits for a GPU": (
        of("simulating", beam(1, "completed"), beam(2, "queued", attempt=2, failure_code="no_gpu")),
        [beam_key(2, 2)],
    ),
    "simulating, one has failed for good": (
        of("simulating", beam(1, "failed", **PERMANENT), beam(2, "pending")),
        [beam_key(2)],
    ),
    "simulating, all beams have ended": (of("simulating", *DONE, attempt=2), [f"{REPORT}:2"]),
    "interpreting, all beams were completed before": (of("interpreting", *DONE), [f"{REPORT}:1"]),
    "simulating, beams ended otherwise": (
        of("simulating", beam(1, "failed", **PERMANENT), beam(2, "cancelled")),
        [f"{REPORT}:1"],
    ),
    "interpreting without a beam": (of("interpreting"), []),
    "reporting": (of("reporting", *DONE), [f"{REPORT}:1"]),
    "failed by its manifest, for good": (Standing(case("failed", **PERMANENT)), []),
    "failed by its manifest, with beams of an earlier one": (
        Standing(case("failed", **PERMANENT), (beam(1, "pending"), beam(2, "completed"))),
        [],
    ),
    "failed by its beams, for good": (
        of("failed", beam(1, "failed", **PERMANENT), beam(2, "completed"), **PERMANENT),
        [f"{REPORT}:1"],
    ),
    "failed by its beams, reported": (
        replace(of("failed", beam(1, "failed", **PERMANENT), **PERMANENT), report="completed"),
        [],
    ),
    "failed by its beams, its report failed too": (
        replace(of("failed", beam(1, "failed", **PERMANENT), **PERMANENT), report="failed"),
        [],
    ),
    "failed by its beams, its report was begun by a run that died": (
        replace(of("failed", beam(1, "failed", **PERMANENT), **PERMANENT), report="started"),
        [f"{REPORT}:1"],
    ),
    **{
        status: (of(status, *DONE), [])
        for status in ("completed", "completed_with_warnings", "cancelled", "cancelling")
    },
}


@pytest.mark.parametrize(("standing", "expected"), NEXT.values(), ids=NEXT.keys())
def test_what_comes_next(standing: Standing, expected: list[str]) -> None:
    assert keys(Rows(standing)) == expected
    assert all(change is None for change, _ in stages(Rows(standing)))


@pytest.mark.parametrize(("standing", "expected"), NEXT.values(), ids=NEXT.keys())
def test_nothing_is_asked_for_beside_a_run_of_the_whole_case(standing: Standing, expected: list[str]) -> None:
    assert keys(Rows(standing, busy=frozenset({KEY}))) == []
    assert keys(Rows(standing, busy=frozenset({f"{KEY}0"}))) == expected


def test_a_beam_that_has_a_run_is_let_alone_and_the_others_are_asked_for() -> None:
    three = of("simulating", beam(1, "running", run_id="r1"), beam(2, "pending"), beam(3, "pending"))
    rows = Rows(three, active=frozenset({"r1"}), busy=frozenset({f"{KEY}|2"}))
    assert keys(rows) == [beam_key(3)]


@pytest.mark.parametrize("index", [1, 2])
def test_no_report_while_a_run_works_on_an_ended_beam(index: int) -> None:
    """A person may have launched the check of its deliveries again."""
    assert keys(Rows(of("simulating", *DONE), busy=frozenset({f"{KEY}|{index}"}))) == []
    assert keys(Rows(of("failed", beam(1, "failed", **PERMANENT), beam(2, "completed"), **PERMANENT),
                     busy=frozenset({f"{KEY}|{index}"}))) == []  # fmt: skip


# Runs that died


@pytest.mark.parametrize("state", sorted(ACTIVE_BEAM_STATES))
def test_a_beam_left_by_a_dead_run_goes_on_in_another_attempt(state: BeamState) -> None:
    left = of("simulating", beam(1, state, run_id="dead"), beam(2, "completed"))
    change = ReopenBeam(f"{KEY}_beam_1", "resume")
    assert stages(Rows(left)) == [(change, beam_key(1, 2))]


def test_a_beam_whose_run_died_before_it_took_the_beam_goes_on_too() -> None:
    rows = Rows(of("interpreting", beam(1, "pending")), ended=frozenset({beam_key(1)}))
    assert stages(rows) == [(ReopenBeam(f"{KEY}_beam_1", "resume"), beam_key(1, 2))]


@pytest.mark.parametrize(
    ("standing", "key"),
    [
        (Standing(case("ready")), MANIFEST),
        (of("reporting", *DONE), REPORT),
        (of("simulating", *DONE), REPORT),
        (of("failed", beam(1, "failed", **PERMANENT), **PERMANENT), REPORT),
    ],
)
def test_a_case_left_by_a_dead_run_goes_on_in_another_attempt(standing: Standing, key: str) -> None:
    assert stages(Rows(standing, ended=frozenset({f"{key}:1"}))) == [(ReopenCase("resume"), f"{key}:2")]


@pytest.mark.parametrize("times", [1, 2, 5, 200])
def test_a_run_that_dies_again_and_again_is_asked_for_later_and_later(times: int) -> None:
    wait = RESUMES.wait(times - 1)
    assert wait == min(3600, 30 * 2 ** min(times - 1, 20))
    past = Resumes(times, stamp(at(0)))
    of_case = replace(Standing(case("ready")), resumes={None: past})
    of_beam = replace(of("simulating", beam(1, "running", run_id="dead")), resumes={f"{KEY}_beam_1": past})
    for standing in (of_case, of_beam):
        rows = Rows(standing, ended=frozenset({f"{MANIFEST}:1"}))
        assert keys(rows.later(wait - 0.001)) == []
        assert len(keys(rows.later(wait))) == 1


def test_the_waits_of_one_beam_are_not_those_of_another() -> None:
    two = of("simulating", beam(1, "running", run_id="dead"), beam(2, "running", run_id="dead"))
    rows = Rows(replace(two, resumes={f"{KEY}_beam_1": Resumes(9, stamp(at(0)))}))
    assert keys(rows) == [beam_key(2, 2)]


# Retries


def test_a_failed_beam_is_tried_again_after_its_wait() -> None:
    rows = Rows(of("failed", beam(1, "failed", **RETRYABLE), beam(2, "completed"), **RETRYABLE))
    assert stages(rows) == []
    assert stages(rows.later(1)) == [(ReopenBeam(f"{KEY}_beam_1", "retry"), beam_key(1, 2))]
    simulating = Rows(of("simulating", beam(1, "failed", **RETRYABLE), beam(2, "pending")))
    assert keys(simulating.later(1)) == [beam_key(1, 2), beam_key(2)]


@pytest.mark.parametrize(("retries", "longest"), [(0, 1), (1, 2), (2, 4)])
def test_waits_double_and_keep_their_upper_half(retries: int, longest: float) -> None:
    rows = Rows(of("failed", beam(1, "failed", retry_count=retries, **RETRYABLE), **RETRYABLE))
    assert keys(rows.later(longest / 2 - 0.001)) == []
    assert len(keys(rows.later(longest))) == 1


def test_the_same_moment_is_planned_twice_the_same_and_beams_do_not_come_back_together() -> None:
    beams = [beam(index, "failed", **RETRYABLE) for index in range(1, 9)]
    rows = Rows(of("failed", *beams, **RETRYABLE))
    counts = [len(keys(rows.later(0.5 + step / 20))) for step in range(11)]
    assert counts == [len(keys(rows.later(0.5 + step / 20))) for step in range(11)]
    assert len(set(counts)) > 3
    assert counts[-1] == 8


def test_a_beam_at_its_limit_is_reported_and_one_that_comes_back_is_waited_for() -> None:
    spent = beam(1, "failed", retry_count=3, **RETRYABLE)
    assert keys(Rows(of("failed", spent, **RETRYABLE)).later(999)) == [f"{REPORT}:1"]
    coming = of("failed", spent, beam(2, "failed", **RETRYABLE), **RETRYABLE)
    assert keys(Rows(coming)) == []
    assert keys(Rows(coming).later(1)) == [beam_key(2, 2)]


def test_a_timeout_is_retried_once() -> None:
    timeout = {"failure_category": "retryable", "failure_code": "timeout"}
    assert keys(Rows(of("failed", beam(1, "failed", **timeout), **timeout)).later(9)) == [beam_key(1, 2)]
    again = beam(1, "failed", retry_count=1, **timeout)
    assert keys(Rows(of("failed", again, **timeout)).later(9)) == [f"{REPORT}:1"]


def test_a_manifest_that_failed_retryably_is_made_again_after_its_wait_within_the_limit() -> None:
    unresolved = {"failure_category": "retryable", "failure_code": "unresolved_folders"}
    rows = Rows(Standing(case("failed", **unresolved)))
    assert stages(rows) == []
    assert stages(rows.later(1)) == [(ReopenCase("retry"), f"{MANIFEST}:2")]
    assert keys(Rows(Standing(case("failed", retry_count=3, **unresolved))).later(999)) == []


def test_a_report_that_failed_retryably_is_made_again_by_way_of_the_manifest() -> None:
    unrendered = {"failure_category": "retryable", "failure_code": "render_failed"}
    rows = Rows(replace(of("failed", *DONE, **unrendered), report="failed"))
    assert stages(rows.later(1)) == [(ReopenCase("retry"), f"{MANIFEST}:2")]
    assert (
        keys(Rows(replace(of("failed", *DONE, retry_count=3, **unrendered), report="failed")).later(99)) == []
    )


# Requests


def test_a_request_names_case_content_stage_and_attempt() -> None:
    beam_run = Request("beam", KEY, "G2", A, 3, 2)
    assert (beam_run.run_key, beam_run.partition_key) == (f"{KEY}:{A}:beam-2:3", f"{KEY}|2")
    assert beam_run.job_name == "check_beam_field"
    assert beam_run.tags == {
        "beams/case": KEY,
        "beams/room": "G2",
        "beams/beam_id": f"{KEY}_beam_2",
        "beams/attempt": "3",
    }
    manifest = Request("manifest", KEY, None, A, 1)
    assert (manifest.run_key, manifest.partition_key) == (f"{KEY}:{A}:manifest:1", KEY)
    assert manifest.tags == {"beams/case": KEY, "beams/attempt": "1"}
    assert (manifest.job_name, Request("report", KEY, None, A, 1).job_name) == (
        "prepare_beam_case",
        "report_beam_case",
    )
