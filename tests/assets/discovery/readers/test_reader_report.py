"""The static page: what it shows, and that nothing in it can run or call home."""

import dataclasses

import pytest
from lxml import html

from assets.discovery.ledger import limiters, pauses
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.listings import Report
from assets.discovery.ledger.outcomes import Failed, RateLimited
from assets.discovery.ledger.plans import Budget
from assets.discovery.readers.failure_kinds import failure_kinds
from assets.discovery.readers.report import report_page, usd
from tests.assets.discovery.ledger.ledger_worlds import START, World, plan
from tests.assets.discovery.readers.reader_worlds import left_the_file, today

SCRIPT = "<script>alert(1)</script>"


def page(w: World, *jobs):
    return html.fromstring(report_page(w.connection, jobs or [today(w.job)], w.now))


def text(element) -> str:
    return " ".join(element.text_content().split())


def table(found, caption: str) -> list[list[str]]:
    """The rows of the first table of that caption."""
    chosen = next(each for each in found.iter("table") if text(each.find("caption")).startswith(caption))
    return [[text(cell) for cell in row] for row in chosen.iter("tr")]


def test_a_job_stands_there_with_its_reason_counts_and_cost(world):
    w = world(plan("fetch", budget=Budget(daily_micros=1_000_000)))
    w.add("a", "b", "c")
    first, second, _ = w.claim()
    w.finish(first, costs=[Cost(850_000)])
    w.fail(second, "permanent")
    pauses.pause(w.connection, "papers", "moving house", w.at(90).now)
    found = page(w)
    (row,) = table(found, "Jobs")[1:]
    assert row[0] == "papers"
    assert row[1].startswith("paused Paused by hand since 2026-03-01T00:01:30+00:00")
    assert row[2:] == ["1 of 3", "1", "1", "0", "$0.85 of $1.00", "–"]
    (bar,) = found.xpath("(//table)[1]//*[@role='img']")
    assert bar.get("aria-label") == "85 % of the day's budget"
    assert bar[0].get("class") == "warn"


@pytest.mark.parametrize(
    ("spent", "level"), [(0, "good"), (799, "good"), (800, "warn"), (1000, "bad"), (3000, "bad")]
)
def test_the_bar_tells_how_near_the_limit_is(world, spent, level):
    w = world(plan("fetch", budget=Budget(daily_micros=1000)))
    w.add("a")
    w.finish(w.claim()[0], costs=[Cost(spent)])
    (bar,) = page(w).xpath("(//table)[1]//*[@role='img']/span")
    assert bar.get("class") == level
    assert float(bar.get("style").removeprefix("width:").removesuffix("%")) == min(spent / 10, 100)


def test_a_funnel_shows_each_stage_with_its_shares(world):
    w = world(plan("fetch", "score"))
    w.add("a", "b", "c", "d")
    for claim in w.claim(3):
        w.finish(claim)
    rows = table(page(w), "Stages")[1:]
    assert [row[0] for row in rows] == ["fetch", "score"]
    assert rows[0][2:8] == ["3", "0", "0", "1", "0", "0"]
    labels = page(w).xpath("//section//*[@role='img']/@aria-label")
    assert labels == ["done 75 %, pending 25 %", "pending 100 %"]


def test_failures_are_grouped_by_what_does_not_vary(world):
    w = world(plan("fetch"))
    w.add("a", "b", "c")
    errors = ("404 for https://a.example/1", "404 for https://a.example/2?token=hunter2", "no title")
    for second, (claim, error) in enumerate(zip(w.claim(), errors, strict=True)):
        w.at(second).finish(claim, Failed("permanent", error))
    first, second = failure_kinds(w.connection, "papers")
    assert (first.count, first.message, first.example_key) == (2, "<n> for <url>", "b")
    assert (second.count, second.message, second.last_at) == (1, "no title", START + 2000)
    rows = table(page(w), "Failures")[1:]
    assert rows[0] == ["2", "fetch", "permanent", "<n> for <url>", "b", "2026-03-01 00:00:01+00:00"]


def test_discoveries_stale_work_and_limiters_are_shown(world):
    w = world(plan("fetch"))
    w.add("a", "b")
    for claim in w.claim():
        w.finish(claim, costs=[Cost(30_000)])
    w.at(60).discover(report=Report(error_text="the source answered 503"))
    w.add("c")
    w.finish(w.claim()[0], RateLimited(w.now + 60_000, limiter="sec.gov"))
    limiters.take_turn(w.connection, "pace:papers/fetch", [limiters.Rate(1, 1)], w.now)
    newer = dataclasses.replace(w.job.stages[0], handler_version="2")
    found = page(w, today(dataclasses.replace(w.job, stages=(newer,))))
    assert [row[1] for row in table(found, "Discoveries")[1:]] == [
        "ok",
        "failed the source answered 503",
        "ok",
    ]
    assert table(found, "Stale work: 2 items, about $0.06")[1:] == [
        ["fetch", "2"],
        ["Because of version: 2."],
    ]
    shared = [(name, kind, until) for name, kind, _, until, _ in table(found, "Shared")[1:]]
    assert shared == [
        ("papers/fetch", "breaker", "–"),
        ("pace:papers/fetch", "rate", "–"),
        ("sec.gov", "rate", "2026-03-01 00:02:00+00:00"),
    ]


def test_nothing_in_the_page_runs_or_comes_from_elsewhere(world):
    w = world(plan("fetch"))
    w.add(f"{SCRIPT}1", "b\"' onload=alert(1)")
    for claim in w.claim():
        w.finish(claim, Failed("permanent", f"bad markup {SCRIPT}\" onclick='x'"))
    w.at(9).discover(report=Report(error_text=SCRIPT))
    w.add("c")
    w.finish(w.claim()[0], RateLimited(w.now + 60_000, limiter=SCRIPT))
    pauses.pause(w.connection, "papers", f"{SCRIPT} https://u:hunter2@a.example/?token=hunter2", w.now)
    source = report_page(w.connection, [today(w.job, description=SCRIPT)], w.now)
    found = html.fromstring(source)
    assert SCRIPT in text(found)
    assert "hunter2" not in source
    assert list(found.iter("script", "img", "link", "iframe", "object", "form")) == []
    assert [name for element in found.iter() for name in element.attrib if name.startswith("on")] == []
    assert {link.get("href", "")[:1] for link in found.iter("a")} == {"#"}
    assert "url(" not in source
    assert "default-src 'none'" in source


def test_a_page_without_jobs_and_one_of_a_job_that_left_the_file_say_so(world):
    w = world(plan("fetch"))
    assert "There are no jobs." in text(html.fromstring(report_page(w.connection, [], w.now)))
    (row,) = table(page(w, left_the_file(w.job)), "Jobs")[1:]
    assert row[:2] == ["papers", "orphaned It is no longer in the jobs file; its history stays."]


def test_the_page_is_accessible_in_form(world):
    w = world(plan("fetch"))
    w.add("a")
    found = page(w)
    assert found.get("lang") == "en"
    assert all(each.find("caption") is not None for each in found.iter("table"))
    assert all(cell.get("scope") for cell in found.iter("th"))
    ids = found.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {link.get("href", "")[1:] for link in found.iter("a")} <= set(ids)


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (9_000, "$0.009"),
        (10_000, "$0.01"),
        (1_234_567_890, "$1,234.57"),
    ],
)
def test_amounts_are_told_to_the_cent_and_small_ones_in_full(micros, shown):
    assert usd(micros) == shown
