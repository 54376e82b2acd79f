"""What every variant of Waves promises: the embedded ranker, and the service on this machine."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import polars as pl
import pytest

from resources.waves import (
    Cam,
    FaultyWaves,
    HttpWaves,
    Journal,
    Pace,
    Parameters,
    SegmentPlan,
    Usage,
    Waves,
)
from tests.resources.waves.loopback import serving
from tests.resources.waves.score_rows import (
    FOCUS,
    GOLF,
    OCTAVIA,
    example_rows,
    first_id,
    frame,
    numbered,
    shown,
)

STARTED = datetime(2025, 6, 10, 5, 0, 0, tzinfo=UTC)
SCORES = frame(example_rows()).with_columns(
    Segment=pl.when(pl.col("Vehicle") == "VWGOLF").then(pl.lit("City")).otherwise(pl.lit("Family"))
)
Open = Callable[..., Waves]


@pytest.fixture(params=["embedded", pytest.param("http", marks=pytest.mark.services)])
def opened(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Makes the variant over some scores, where some vehicles fail so often and a request costs so much."""
    with ExitStack() as stack:

        def open_waves(scores=SCORES, failing=None, prompt=0, candidates=0) -> Waves:
            if request.param == "embedded":
                return FaultyWaves(failing=failing or {}, prompt_tokens=prompt, candidate_tokens=candidates)
            cost = Usage(prompt, candidates, prompt + candidates)
            server = stack.enter_context(serving(scores, cost=cost))
            server.rehearsal.failing.update(failing or {})
            return HttpWaves(url=server.url)

        yield open_waves


def ask(waves, cams, scores=SCORES, parameters=None, journal=None, **pace):
    return waves.recommend(
        cams,
        scores=lambda: scores,
        parameters=parameters or Parameters(),
        pace=Pace(**pace),
        started=STARTED,
        journal=journal or Journal(),
    )


def test_the_answers_come_in_the_order_of_the_runlist(opened: Open):
    answers = ask(opened(), [OCTAVIA, FOCUS, GOLF])
    assert [answer["Vehicle"] for answer in answers] == ["SKODA OCTAVIA", "FORD FOCUS", "VW GOLF"]
    assert [shown(answer) for answer in answers] == [
        "8 1 3 4 | 6 9 2 5",
        "1 4 3 6 | 2 5 8 9",
        "8 4 9 3 | 6 2 1 5",
    ]
    assert all(answer["success"] for answer in answers)


def test_the_parameters_reach_the_ranker(opened: Open):
    waves = opened()
    for parameters, expected in [
        (Parameters(season="Winter"), "1 6 3 4 | 2 5 8 9"),
        (Parameters(model_enhancer="tour"), "1 4 2 3 | 6 5 8 9"),
        (Parameters(brand_enhancer="Zeta"), "1 4 3 6 | 8 2 5 9"),
        (Parameters(goldilocks_zone_pct=50), "2 1 3 4 | 6 5 8 9"),
        (Parameters(price_fluctuation_upper=1.2), "1 5 3 4 | 6 2 8 9"),
        (Parameters(price_fluctuation_lower=1.0), "1 4 3 2 | 5 6 8 9"),
        (Parameters(goldilocks_zone_pct=99, price_fluctuation_upper=0), "1 4 3 6 | 2 5 8 9"),
    ]:
        assert shown(ask(waves, [FOCUS], parameters=parameters)[0]) == expected


def test_1200_cams_by_500(opened: Open):
    scores, cams = numbered(1200)
    seen = []
    answers = ask(opened(scores), cams, scores, journal=Journal(on_batch=seen.append))
    assert [answer["Vehicle"] for answer in answers] == [cam.vehicle for cam in cams]
    assert all(answer["success"] for answer in answers)
    assert sorted(page.attempted for page in seen)[-1] == 1200
    assert [(page.finished, page.batches) for page in seen] == [(1, 3), (2, 3), (3, 3)]


def test_five_cams_by_two_of_which_three_fail_and_one_fails_again(opened: Open):
    scores, cams = numbered(5)
    waves = opened(scores, {"Car 1": 1, "Car 2": 1, "Car 4": 2}, prompt=60, candidates=40)
    journal = Journal()
    answers = ask(waves, cams, scores, journal=journal, batch_size=2, in_flight=1)
    assert [answer["success"] for answer in answers] == [True, True, True, True, False]
    assert answers[4]["error_code"] == "UPSTREAM_ERROR"
    assert journal.usage == Usage(300, 200, 500)


@pytest.mark.parametrize("in_flight", [1, 3, 16])
def test_the_number_in_flight_changes_no_answer(opened: Open, in_flight: int):
    scores, cams = numbered(40)
    answers = ask(opened(scores), cams, scores, batch_size=3, in_flight=in_flight)
    assert [answer["HB1"] for answer in answers] == [first_id(number) for number in range(40)]


def test_a_cam_that_cannot_be_answered_spoils_no_other(opened: Open):
    blank = Cam(" ", "nan", "", None)
    unknown = Cam("FORD FOCUS", "195/65 R15", "FORDFOCUS", "195/65/15")
    answers = ask(opened(), [blank, FOCUS, unknown])
    assert [answer["error_code"] for answer in answers] == ["INVALID_INPUT", None, "NO_RESULTS"]


def test_an_empty_runlist_asks_nothing(opened: Open):
    journal = Journal()
    assert ask(opened(), [], journal=journal) == []
    assert not journal.requests


def as_scored(cam):
    """The same with the glued vehicle of the score table, from which the service takes its segments."""
    return replace(cam, vehicle=cam.vehicle_key)


def pages(waves, journal=None, parameters=None, **plan):
    return waves.recommend_segments(
        {"Family": [as_scored(FOCUS)], "City": [as_scored(GOLF)]},
        scores=lambda: SCORES,
        parameters=parameters or Parameters(),
        plan=SegmentPlan(**plan),
        journal=journal or Journal(),
    )


def test_segments_are_asked_in_order_with_all_enhancers(opened: Open):
    enhanced = Parameters(season="Winter", brand_enhancer="Zeta")
    answers = pages(opened(), parameters=enhanced, total_per_segment=2, page_size=1)
    assert [(a["Vehicle"], shown(a)) for a in answers] == [
        ("VWGOLF", "8 4 3 9 | 6 2 1 5"),
        ("FORDFOCUS", "1 6 3 4 | 8 2 5 9"),
    ]


def test_segments_may_be_limited(opened: Open):
    answers = pages(opened(), limit_to=["Family", "Lorry"])
    assert [answer["Vehicle"] for answer in answers] == ["FORDFOCUS"]
    assert pages(opened(), total_per_segment=0) == []


def test_a_failure_of_a_page_has_no_second_pass(opened: Open):
    seen = []
    waves = opened(failing={"VWGOLF": 1})
    answers = pages(waves, Journal(on_batch=seen.append), page_size=500)
    assert [answer["error_code"] for answer in answers] == ["UPSTREAM_ERROR", None]
    assert (seen[-1].attempted, seen[-1].succeeded, seen[-1].batches) == (2, 1, 2)


def test_it_works_in_a_run_of_dagster(opened: Open):
    @dg.op
    def recommend(waves: Waves) -> str:
        return shown(ask(waves, [FOCUS])[0])

    @dg.job(resource_defs={"waves": opened()})
    def recommend_job():
        recommend()

    with dg.DagsterInstance.ephemeral() as instance:
        done = recommend_job.execute_in_process(instance=instance)
    assert done.output_for_node("recommend") == "1 4 3 6 | 2 5 8 9"
