"""How a job does over time, by hand-made histories."""

import pytest

from assets.discovery.ledger import staleness
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.outcomes import Failed, Skipped
from assets.discovery.readers.instants import in_zone
from assets.discovery.readers.job_figures import Spread, job_figures, spread
from tests.assets.discovery.ledger.ledger_worlds import START, plan
from tests.assets.discovery.readers.reader_worlds import today

HOUR = 3600


def test_throughput_retries_and_the_time_left(world):
    w = world(plan("fetch"))
    w.add("a", "b", "c", "d")
    first, second, third, fourth = w.claim()
    w.at(60).finish(first)
    w.fail(fourth)
    w.at(2 * HOUR).finish(second, Skipped("short"))
    w.fail(third, "permanent")
    figures = job_figures(w.connection, today(w.job), w.now)
    assert (figures.ended_1h, figures.ended_24h) == (1, 2)
    assert figures.retry_rate == 1 / 4
    assert figures.left_s == HOUR
    later = job_figures(w.connection, today(w.job), w.at(4 * HOUR).now)
    assert (later.ended_1h, later.left_s) == (0, 12 * HOUR)
    much_later = job_figures(w.connection, today(w.job), w.at(40 * HOUR).now)
    assert (much_later.ended_24h, much_later.retry_rate, much_later.left_s) == (0, None, None)


def test_what_waits_behind_a_failure_is_not_work_that_is_left(world):
    w = world(plan("fetch", "score"))
    w.add("a")
    w.fail(w.claim()[0], "permanent")
    assert job_figures(w.connection, today(w.job), w.now).left_s == 0


def test_durations_of_results_and_waits_of_new_items(world):
    w = world(plan("fetch", "score"))
    w.add("a")
    (claim,) = w.at(5).claim()
    w.at(7).finish(claim)
    (claim,) = w.at(10).claim()
    w.at(14).finish(claim, Failed("transient", "503"))
    (claim,) = w.at(30).claim()
    w.at(31).finish(claim)
    stages = job_figures(w.connection, today(w.job), w.now).stages
    assert stages["fetch"].duration == Spread(2000, 2000, 2000)
    assert stages["fetch"].wait == Spread(5000, 5000, 5000)
    assert stages["score"].duration == Spread(1000, 1000, 1000)
    assert stages["score"].wait is None  # Its second attempt did it: that waited for the retry.


def test_what_ran_again_says_nothing_of_waits(world):
    w = world(plan("fetch"))
    w.add("a")
    w.drain()
    w.connection.execute("UPDATE work_items SET content_hash = 'edited'")
    staleness.reprocess(w.connection, w.job, w.now)
    w.at(HOUR).drain()
    assert job_figures(w.connection, today(w.job), w.now).stages["fetch"].wait is None


def test_costs_of_thirty_days_and_per_item(world):
    w = world(plan("fetch"))
    w.add("old", "a", "b", "free")
    old, a, b, free = w.claim()
    w.finish(old, costs=[Cost(1000)])
    w.at(30 * 24 * HOUR).finish(a, costs=[Cost(10), Cost(None)])
    w.finish(b, costs=[Cost(21)])
    w.finish(free)
    figures = job_figures(w.connection, today(w.job), w.now)
    assert (figures.cost_30d_micros, figures.cost_per_item_micros) == (31, 16)


def test_a_job_without_history_has_no_figures(connection):
    figures = job_figures(connection, today(plan("fetch")), START)
    assert (figures.ended_24h, figures.retry_rate, figures.cost_per_item_micros) == (0, None, None)
    assert figures.stages["fetch"].duration is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([3], Spread(3, 3, 3)),
        ([2, 1], Spread(1, 2, 2)),
        (list(range(1, 101)), Spread(50, 95, 100)),
    ],
)
def test_a_spread_is_made_of_values_that_were_there(values, expected):
    assert spread(values) == expected


def test_instants_have_the_offset_of_their_day():
    assert in_zone(START, "Europe/Berlin") == "2026-03-01T01:00:00+01:00"
    assert in_zone(START + 90 * 86_400_000, "Europe/Berlin") == "2026-05-30T02:00:00+02:00"
