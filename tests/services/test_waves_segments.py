"""The legacy pages of Waves over HTTP: which segments, which pages, and what a page that fails counts."""

from collections.abc import Iterator

import polars as pl
import pytest

from resources.waves import HttpWaves, Journal, Parameters, Usage, WavesRefused
from resources.waves.remote import PAGE_PATH
from scripts.waves_faults import Fault
from scripts.waves_server import WavesServer
from tests.resources.waves.loopback import (
    COST,
    COUNT,
    PASSWORD,
    SCORES,
    ImpatientWaves,
    ask_pages,
    codes,
    serving,
    statuses,
)

pytestmark = pytest.mark.services

# Seven vehicles are vans, five are not.
SEGMENTED = SCORES.with_columns(
    Segment=pl.when(pl.col("ProductId") < pl.lit(10_000_028))
    .then(pl.lit("Van & Co"))
    .otherwise(pl.lit("City"))
)


@pytest.fixture
def server() -> Iterator[WavesServer]:
    with serving(SEGMENTED, cost=COST, password=PASSWORD) as server:
        yield server


def waves(server: WavesServer) -> ImpatientWaves:
    return ImpatientWaves(url=server.url, password=PASSWORD)


def test_pages_follow_the_contract(server):
    parameters = Parameters(
        brand_enhancer="Zeta", model_enhancer="Van", season="Winter", goldilocks_zone_pct=99
    )
    ask_pages(waves(server), None, parameters, limit_to=["City"], total_per_segment=100, page_size=45)
    assert [(request.method, request.path) for request in server.received] == [
        ("POST", "/login"),
        ("GET", "/app"),
        *[("GET", PAGE_PATH)] * 3,
    ]
    assert [request.query for request in server.received[2:]] == [
        {
            "segment": "City",
            "top_n": top_n,
            "offset": offset,
            "goldilocks_zone_pct": "15",
            "price_fluctuation_upper": "1.1",
            "price_fluctuation_lower": "0.9",
            "brand_enhancer": "Zeta",
            "model_enhancer": "Van",
            "season": "Winter",
        }
        for top_n, offset in [("45", "0"), ("45", "45"), ("10", "90")]
    ]


@pytest.mark.parametrize("page_size", [1, 4, 45])
def test_pages_in_flight_keep_the_order_and_add_up(server, page_size):
    server.meet_with(*(f"slow:{number % 3 / 20}" for number in range(10)))
    seen = []
    journal = Journal(on_batch=seen.append)
    answers = ask_pages(
        waves(server),
        journal,
        total_per_segment=6,
        page_size=page_size,
        segments_in_flight=2,
        pages_in_flight=3,
    )
    one_by_one = ask_pages(waves(server), total_per_segment=6)
    assert [answer["Vehicle"] for answer in answers] == [answer["Vehicle"] for answer in one_by_one]
    assert codes(answers) == [None] * 11
    assert (seen[-1].attempted, seen[-1].succeeded) == (11, 11)
    pages_with_answers = {1: 11, 4: 4, 45: 2}[page_size]
    assert journal.usage.total_token_count == COST.total_token_count * pages_with_answers


def test_a_page_costs_the_sum_over_its_results(server):
    server.meet_with(Fault(content=b'[{"usage": {"prompt_token_count": 2}}, null, {"usage": null}]'))
    journal = Journal()
    ask_pages(waves(server), journal, limit_to=["City"], total_per_segment=3)
    assert journal.usage == Usage(2)


def test_a_page_that_fails_counts_as_many_as_it_asked_for(server):
    server.meet_with("404", "503", "503", "503", "503")
    seen = []
    journal = Journal(on_batch=seen.append)
    answers = ask_pages(waves(server), journal, limit_to=["City"], total_per_segment=7, page_size=5)
    assert codes(answers) == ["BATCH_FAILED"] * 7
    assert [(page.attempted, page.succeeded) for page in seen] == [(5, 0), (7, 0)]
    assert (seen[0].failures[0].vehicle, seen[0].failures[0].size) == (None, None)
    assert statuses(journal, PAGE_PATH) == {404: 1, 503: 4}
    assert journal.usage == Usage()


def test_a_short_page_is_no_failure_and_a_long_one_is_cut(server):
    server.meet_with("short:2", "long:2")
    journal = Journal()
    answers = ask_pages(waves(server), journal, limit_to=["Van & Co"], total_per_segment=6, page_size=3)
    assert codes(answers) == [None] * (1 + 3)
    assert journal.surplus_answers == 2


@pytest.mark.parametrize("content", [b"", b"null", b'{"results": []}'])
def test_a_page_that_is_no_list_has_failed(server, content):
    server.meet_with(Fault(content=content))
    journal = Journal()
    answers = ask_pages(waves(server), journal, limit_to=["City"], total_per_segment=4, page_size=2)
    assert codes(answers) == ["BATCH_FAILED"] * 2 + [None] * 2
    assert journal.problems == {f"GET {PAGE_PATH} answered 200 without a list of results": 1}


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(404), "GET /app answered 404"),
        (Fault(content=b"please log in"), 'no <select name="segment">'),
        (Fault(content=b'<select name="segment"><option>--</select>'), 'no <select name="segment">'),
    ],
)
def test_without_segments_nothing_can_be_asked(server, fault, sentence):
    server.meet_with(fault, path="/app")
    with pytest.raises(WavesRefused, match=sentence):
        ask_pages(waves(server))


def test_the_list_of_segments_and_the_pages_are_tried_again_like_batches(server):
    server.meet_with("503", "401", path="/app")
    server.meet_with("429:5", "401", "cut")
    client = waves(server)
    assert len(ask_pages(client)) == COUNT
    assert client.pauses == [1, 5, 2]


def test_a_service_without_a_login_has_segments_too():
    with serving(SEGMENTED) as server:
        assert len(ask_pages(HttpWaves(url=server.url), total_per_segment=2)) == 4
