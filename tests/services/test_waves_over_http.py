"""Waves over HTTP when the network or the service lets it down: what is tried again, matched and paid."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from resources.waves import Cam, HttpWaves, Journal, Parameters, Usage, WavesUnavailable
from resources.waves.remote import BATCH_PATH
from scripts.waves_faults import Fault
from scripts.waves_server import WavesServer
from tests.resources.waves.loopback import (
    CAMS,
    COST,
    COUNT,
    EXPECTED,
    PASSWORD,
    ImpatientWaves,
    ask,
    ask_pages,
    codes,
    hotboxes,
    serving,
    statuses,
)

pytestmark = pytest.mark.services


@pytest.fixture
def server() -> Iterator[WavesServer]:
    with serving(cost=COST) as server:
        yield server


@pytest.fixture
def guarded() -> Iterator[WavesServer]:
    with serving(cost=COST, password=PASSWORD) as server:
        yield server


@pytest.mark.parametrize(
    ("faults", "is_ok", "expected", "pauses", "refreshes"),
    [
        ("503 503 ok", True, {503: 2, 200: 1}, [1, 2], 0),
        ("429 429 429 429", False, {429: 4}, [1, 2, 4], 0),
        ("500 502 504 ok", True, {500: 1, 502: 1, 504: 1, 200: 1}, [1, 2, 4], 0),
        ("599 503 cut 429", False, {599: 1, 503: 1, None: 1, 429: 1}, [1, 2, 4], 0),
        ("cut cut ok", True, {None: 2, 200: 1}, [1, 2], 0),
        ("401 ok", True, {401: 1, 200: 1}, [], 1),
        ("401 401 ok", True, {401: 2, 200: 1}, [], 2),
        ("401 401 401", False, {401: 3}, [], 2),
        ("401 503 401 503 503 ok", True, {401: 2, 503: 3, 200: 1}, [1, 2, 4], 2),
        ("503 401 401 503 401", False, {503: 2, 401: 3}, [1, 2], 2),
        ("400", False, {400: 1}, [], 0),
        ("403", False, {403: 1}, [], 0),
        ("404", False, {404: 1}, [], 0),
        ("408", False, {408: 1}, [], 0),
        ("422:9", False, {422: 1}, [], 0),
        ("text", False, {200: 1}, [], 0),
    ],
)
def test_the_policy_for_one_batch(guarded, faults, is_ok, expected, pauses, refreshes):
    guarded.meet_with(*faults.split())
    waves = ImpatientWaves(url=guarded.url, password=PASSWORD)
    first_pass = []

    def note(progress):
        first_pass.append(
            (progress.second_pass, progress.succeeded, dict(statuses(journal)), list(waves.pauses))
        )

    journal = Journal(on_batch=note)
    answers = ask(waves, journal)
    assert first_pass[0] == (False, COUNT if is_ok else 0, expected, pauses)
    assert statuses(journal, "/login") == {200: 1 + refreshes}
    assert hotboxes(answers) == EXPECTED
    assert len(first_pass) == (1 if is_ok else 2)
    assert len(journal.problems) == (0 if is_ok else 1)


def test_a_batch_that_fails_twice_gives_each_of_its_cams_batch_failed_and_ends_nothing(server):
    server.meet_with("403", "ok", "403")
    journal = Journal()
    answers = ask(HttpWaves(url=server.url), journal, batch_size=6)
    assert codes(answers) == ["BATCH_FAILED"] * 6 + [None] * 6
    assert [(answer["Vehicle"], answer["HB1"], answer["SKUs"]) for answer in answers[:1]] == [
        ("Car 0", "-", ["-"] * 20)
    ]
    assert journal.problems == {f"POST {BATCH_PATH} answered 403": 2}


@pytest.mark.parametrize(
    ("content", "is_ok"),
    [
        (b"", False),
        (b"{", False),
        (b"null", False),
        (b'["results"]', False),
        (b'{"answers": []}', False),
        (b'{"results": null}', False),
        (b'{"results": {}}', False),
        (b"[" * 200_000, False),
        (b"\xff\xfe", False),
        (b'{"results": []}', True),
    ],
)
def test_what_is_no_list_of_results_is_a_failed_batch_at_once(server, content, is_ok):
    server.meet_with(Fault(content=content), Fault(content=content))
    journal = Journal()
    answers = ask(ImpatientWaves(url=server.url), journal)
    assert set(codes(answers)) == {"MISSING_RESULT" if is_ok else "BATCH_FAILED"}
    assert statuses(journal) == {200: 2}


@pytest.mark.parametrize(
    ("faults", "pauses"),
    [
        ("429:7", [7]),
        ("503:7", [7]),
        ("503:0", [1]),
        ("503:3 503:3 503:3", [3, 3, 4]),
        ("429:3600", [60]),
        ("429:99999999999999999999", [60]),
        ("500:7 502:7", [1, 2]),
        ("429:soon", [1]),
        ("429:-5", [1]),
        ("429:1e3", [1]),
    ],
)
def test_the_pause_that_the_server_asks_for_is_kept(server, faults, pauses):
    server.meet_with(*faults.split())
    waves = ImpatientWaves(url=server.url)
    assert hotboxes(ask(waves)) == EXPECTED
    assert waves.pauses == pauses


def test_the_pause_may_be_a_date(server):
    past = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    zoneless = "Wed, 01 Jan 2020 00:00:00 -0000"
    later = format_datetime(datetime(2999, 1, 1, tzinfo=UTC), usegmt=True)
    server.meet_with(Fault(429, past), Fault(503, later), Fault(503, zoneless))
    waves = ImpatientWaves(url=server.url)
    ask(waves)
    assert waves.pauses == [1, 60, 4]
    server.meet_with("429:+30")
    ask(waves)
    assert 20 < waves.pauses[-1] <= 30


def test_an_answer_that_trickles_is_given_up_when_its_time_is_over(server):
    server.meet_with("slow:20")
    journal = Journal()
    waves = ImpatientWaves(url=server.url)
    answers = ask(waves, journal, timeout_s=1.5)
    assert hotboxes(answers) == EXPECTED
    assert statuses(journal) == {None: 1, 200: 1}
    assert waves.pauses == [1]


def test_a_service_that_is_always_slow_fails_the_batch_and_says_why(server):
    server.meet_with(*["slow:20"] * 8)
    journal = Journal()
    answers = ask(ImpatientWaves(url=server.url), journal, timeout_s=0.2)
    assert set(codes(answers)) == {"BATCH_FAILED"}
    assert statuses(journal) == {None: 8}
    assert journal.problems == {f"POST {BATCH_PATH} was not answered within 0.2 s, also after 3 retries": 2}


def test_a_service_that_goes_away_fails_its_batches_and_not_the_run(guarded):
    """The login works, and then nobody is there."""
    waves = ImpatientWaves(url=guarded.url, password=PASSWORD)

    def leave(progress):
        if not progress.second_pass and progress.finished == 1:
            guarded.meet_with(*["cut"] * 99)

    journal = Journal(on_batch=leave)
    answers = ask(waves, journal, batch_size=4)
    assert codes(answers) == [None] * 4 + ["BATCH_FAILED"] * 8
    assert statuses(journal) == {200: 1, None: 16}
    assert list(journal.problems.values()) == [4]


def test_nobody_at_the_address_fails_every_batch_and_counts_the_tries():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        journal = Journal()
        answers = ask(ImpatientWaves(url=url), journal)
        assert set(codes(answers)) == {"BATCH_FAILED"}
        assert statuses(journal) == {None: 8}
        with pytest.raises(WavesUnavailable, match=r"POST /login got no whole answer \(ConnectError\), also"):
            ask(ImpatientWaves(url=url, password=PASSWORD))
        with pytest.raises(WavesUnavailable, match="GET /app got no whole answer"):
            ask_pages(ImpatientWaves(url=url))


@pytest.mark.parametrize(
    ("fault", "missing", "surplus"), [("short:2", 2, 0), ("short:12", 12, 0), ("long:3", 0, 3)]
)
def test_lists_of_another_length_are_matched_by_echo(server, fault, missing, surplus):
    server.meet_with(fault, "short:99")
    journal = Journal()
    answers = ask(HttpWaves(url=server.url), journal)
    assert codes(answers) == ["MISSING_RESULT"] * missing + [None] * (COUNT - missing)
    assert hotboxes(answers)[missing:] == EXPECTED[missing:]
    assert journal.surplus_answers == surplus


def test_what_is_missing_is_asked_again_and_both_answers_are_paid(server):
    server.meet_with("short:2")
    journal = Journal()
    assert hotboxes(ask(HttpWaves(url=server.url), journal)) == EXPECTED
    assert [len(json.loads(request.body)["cams"]) for request in server.received] == [COUNT, 2]
    assert journal.usage == Usage(120, 80, 200)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"results": [], "usage": {"prompt_token_count": 7, "total_token_count": None}}, Usage(7, 0, 0)),
        ({"results": [{"usage": {"prompt_token_count": 3}}], "usage": {}}, Usage()),
        (
            {"results": [{"usage": {"prompt_token_count": 3}}, {"usage": None}, None, {}], "usage": None},
            Usage(3),
        ),
        (
            {"results": [{"usage": {"candidates_token_count": 3, "prompt_token_count": None}}] * 2},
            Usage(0, 6),
        ),
        ({"usage": {"prompt_token_count": 7}}, Usage(7)),
    ],
)
def test_usage_is_counted_once_for_an_answer(server, answer, expected):
    content = json.dumps(answer).encode()
    server.meet_with(Fault(content=content), Fault(content=content))
    journal = Journal()
    ask(HttpWaves(url=server.url), journal, CAMS[:1])
    assert journal.usage == expected + expected


def test_an_answer_that_is_no_200_costs_nothing(server):
    server.meet_with(Fault(503, content=b'{"usage": {"prompt_token_count": 7}}'))
    journal = Journal()
    ask(ImpatientWaves(url=server.url), journal)
    assert journal.usage == COST


def test_a_batch_says_what_the_contract_says(server):
    server.rehearsal.failing["Car 1"] = 1
    parameters = Parameters(brand_enhancer=" ", season="Winter", goldilocks_zone_pct=99)
    ask(HttpWaves(url=f"{server.url}/"), cams=CAMS[:2], parameters=parameters)
    first, second = (json.loads(request.body) for request in server.received)
    assert [(request.method, request.path) for request in server.received] == [("POST", BATCH_PATH)] * 2
    assert first == {
        "run_id": "global_20250610_050000",
        "cams": [
            {"Vehicle": "Car 0", "Size": "205/55 R16"},
            {"Vehicle": "Car 1", "Size": "205/55 R16"},
        ],
        "params": {
            "goldilocks_zone_pct": 15,
            "price_fluctuation_upper": 1.1,
            "price_fluctuation_lower": 0.9,
            "season": "Winter",
            "disable_search": True,
        },
    }
    assert (second["run_id"], second["cams"]) == ("global_20250610_050000_retry", first["cams"][1:])


def test_any_text_can_be_sent(server):
    odd = Cam('CITROËN "C3"\n\ud83d 🚗', "\x00", "", None)
    assert codes(ask(HttpWaves(url=server.url), cams=[odd])) == ["NO_RESULTS"]


def test_the_latency_of_batches_changes_nothing(server):
    server.meet_with(*(f"slow:{number % 4 / 20}" for number in range(COUNT)))
    journal = Journal()
    answers = ask(HttpWaves(url=server.url), journal, batch_size=1, in_flight=5)
    assert hotboxes(answers) == EXPECTED
    assert statuses(journal) == {200: COUNT}
    assert journal.usage == Usage(60 * COUNT, 40 * COUNT, 100 * COUNT)
