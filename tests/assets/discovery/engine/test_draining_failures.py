"""What becomes of a stage whose handler fails, by the kind of failure, through a real drain."""

import asyncio
import logging
import sqlite3

import pytest

from assets.discovery.contract import AuthFailure, RateLimited, Skip, Snooze
from assets.failures import NotReady, PermanentFailure, TransientFailure
from tests.assets.discovery.engine.drain_worlds import START, Clock, World, raising, script

EXACT = "retry: {base_s: 30, jitter: 0}"


def busy() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY_SNAPSHOT  # pyright: ignore[reportAttributeAccessIssue] # SQLite sets it
    return error


class Unreadable(Exception):
    """An exception that fails when it is shown."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class HalfLimited(RateLimited):
    """One that was made without what it should carry."""

    def __init__(self) -> None:
        Exception.__init__(self, "slow down")


@pytest.mark.parametrize(
    ("error", "error_class", "code", "text"),
    [
        (TransientFailure("lost"), "transient", None, "lost"),
        (TimeoutError("too slow"), "transient", None, "too slow"),
        (ConnectionResetError("reset"), "transient", None, "reset"),
        (NotReady("not there yet"), "transient", None, "not there yet"),
        (busy(), "transient", None, "database is locked"),
        (TransientFailure(), "transient", None, "TransientFailure"),
        (
            sqlite3.OperationalError("no such table"),
            "code",
            "OperationalError",
            "OperationalError: no such table",
        ),
        (KeyError("x"), "code", "KeyError", "KeyError: 'x'"),
        (ZeroDivisionError(), "code", "ZeroDivisionError", "ZeroDivisionError"),
        (SystemExit(3), "code", "SystemExit", "SystemExit: 3"),
        (KeyboardInterrupt(), "code", "KeyboardInterrupt", "KeyboardInterrupt"),
        (asyncio.CancelledError(), "code", "CancelledError", "CancelledError"),
        (
            ExceptionGroup("two", [KeyError("x")]),
            "code",
            "ExceptionGroup",
            "ExceptionGroup: two (1 sub-exception)",
        ),
        (Unreadable(), "code", "Unreadable", "Unreadable, which cannot be read: RuntimeError"),
        (HalfLimited(), "code", "HalfLimited", "HalfLimited, which cannot be read: AttributeError"),
        (RateLimited(float("inf")), "code", "RateLimited", "RateLimited, which cannot be read: TypeError"),
        (ValueError("half \ud800 a pair"), "code", "ValueError", "ValueError: half ? a pair"),
        (ValueError("x" * 5000), "code", "ValueError", f"ValueError: {'x' * 1987}…"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_failures_that_may_pass_are_tried_again_with_their_class_and_text(
    tmp_path, error, error_class, code, text
):
    world = World(tmp_path, {"one": raising(error)}, job=EXACT, clock=Clock())
    world.add("a")
    summary = world.drain(single_pass=True)
    row = world.stage("a")
    assert (row["error_class"], row["error_code"], row["error_text"]) == (error_class, code, text)
    assert (row["status"], row["attempt"], row["not_before"]) == ("pending", 1, START + 30_000)
    assert (summary.stages.retried, summary.stopped) == (1, "drained")


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (["a"], "tests.one returned list; a handler returns a JSON object, Skip or Snooze"),
        (None, "tests.one returned NoneType; a handler returns"),
        ("text", "tests.one returned str; a handler returns"),
        ((n for n in range(3)), "tests.one returned generator; a handler returns"),
        ({"n": float("nan")}, "tests.one returned a payload that is no JSON (Out of range float values"),
        (
            {"n": {1, 2}},
            "tests.one returned a payload that is no JSON (the data is no JSON: Object of type set",
        ),
        ({"n": 1, 2: 3}, "tests.one returned a payload that is no JSON"),
        (Snooze(float("nan")), "a handler asks to wait for a number of seconds, and not for nan"),
        (Snooze("soon"), "a handler asks to wait for a number of seconds, and not for 'soon'"),  # pyright: ignore[reportArgumentType] # the mistake
    ],
)
def test_what_a_handler_may_not_return_is_a_defect_and_told_in_a_sentence(tmp_path, returned, sentence):
    world = World(tmp_path, {"one": lambda work: returned}, job=EXACT, clock=Clock())
    world.add("a")
    world.drain(single_pass=True)
    row = world.stage("a")
    assert row["error_class"] == "code"
    assert row["error_text"].startswith(f"TypeError: {sentence}")


def test_a_wait_beyond_all_bounds_is_a_year(tmp_path):
    world = World(tmp_path, {"one": lambda work: Snooze(1e300)}, clock=Clock())
    world.add("a")
    assert world.drain().stopped == "drained"
    assert world.stage("a")["not_before"] == START + 366 * 86_400_000


def test_a_text_that_utf_8_cannot_hold_skips_all_the_same(tmp_path):
    world = World(tmp_path, {"one": lambda work: Skip("\ud800")})
    world.add("a")
    world.drain()
    assert (world.stage("a")["status"], world.stage("a")["skip_reason"]) == ("skipped", "?")


def test_a_permanent_failure_is_not_tried_again(tmp_path):
    world = World(tmp_path, {"one": raising(PermanentFailure("404"))})
    world.add("a")
    assert world.drain().stages.failed == 1
    assert (world.stage("a")["attempt"], world.stage("a")["error_class"]) == (1, "permanent")


def test_a_source_that_asks_to_wait_cools_its_limiter_for_all_stages_and_gives_the_attempt_back(tmp_path):
    clock = Clock()
    calls: list[tuple[str, str, float]] = []

    def noted(work):
        calls.append((work.stage, work.key, clock.seconds))
        if len(calls) == 1:
            raise RateLimited(90, "429: come back in 90 s")
        return {}

    pace = "pace: {limiter: host}"
    world = World(
        tmp_path,
        {"one": noted, "two": noted, "three": noted},
        stage={"one": pace, "two": f"needs: [], {pace}", "three": "needs: []"},
        file="limiters: {host: [{rate: 1000, per_s: 1}]}",
        runner="concurrency: 1, lease_s: 60, reconcile_every_s: 100",
        clock=clock,
    )
    world.add("a", "b")
    assert world.drain().stopped == "drained"
    assert calls[0] == ("one", "a", 0)
    # The stage without the limiter goes on at once, everything behind it waits, the first item included.
    assert {call for call in calls if call[0] == "three"} == {("three", "a", 0), ("three", "b", 0)}
    paced = [call for call in calls[1:] if call[0] != "three"]
    assert {call[:2] for call in paced} == {(stage, key) for stage in ("one", "two") for key in "ab"}
    assert all(at >= 90 for _, _, at in paced)
    row = world.stage("a", "one")
    assert (row["status"], row["attempt"], row["error_text"]) == ("done", 1, None)
    assert world.events("rate_limited")[0]["limiter"] == "host"
    assert world.outcomes("one")[0] == "rate_limited"


def test_a_wait_of_no_time_is_a_second_so_that_nobody_is_asked_for_ever(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": script(RateLimited(0), RateLimited(-9), {})}, clock=clock)
    world.add("a")
    world.drain()
    assert clock.seconds == 2
    assert world.outcomes() == ["rate_limited", "rate_limited", "done"]


def test_a_refusal_of_who_we_are_pauses_the_job_and_costs_no_attempt(tmp_path):
    world = World(
        tmp_path, {"one": raising(AuthFailure("401 for a"))}, runner="concurrency: 1, claim_batch: 5"
    )
    world.add("a", "b")
    summary = world.drain()
    assert (summary.stopped, world.state()["pause_kind"]) == ("paused", "auth")
    assert "401 for a" in summary.stopped_reason
    assert world.outcomes() == ["released", "released"]
    assert [world.stage(key)["attempt"] for key in "ab"] == [0, 0]


def test_three_items_in_a_row_with_a_defect_pause_the_job(tmp_path):
    world = World(tmp_path, {"one": raising(KeyError("x"))}, runner="concurrency: 1", clock=Clock())
    world.add(*"abcdef")
    summary = world.drain()
    assert (summary.stopped, world.state()["pause_kind"]) == ("paused", "code")
    assert world.outcomes().count("retry") == 3
    assert [world.stage(key)["attempt"] for key in "abcdef"] == [1, 1, 1, 0, 0, 0]


def test_one_item_with_a_defect_does_not_pause_the_job_however_often_it_fails(tmp_path):
    def one(work):
        if work.key == "a":
            raise KeyError("x")
        return {}

    world = World(tmp_path, {"one": one}, job="retry: {max_attempts: 6, base_s: 1, jitter: 0}", clock=Clock())
    world.add("a", "b", "c")
    assert world.drain().stopped == "drained"
    assert world.statuses() == {"a": ["failed"], "b": ["done"], "c": ["done"]}
    assert world.outcomes().count("retry") == 5


@pytest.mark.parametrize("probe", ["fails", "succeeds"])
def test_a_breaker_opens_at_the_tenth_outcome_and_lets_one_probe_through(tmp_path, probe):
    clock, calls = Clock(), []

    def one(work):
        calls.append(clock.seconds)
        if len(calls) <= 5 or (len(calls) == 11 and probe == "fails"):
            raise TransientFailure("503")
        return {}

    world = World(
        tmp_path,
        {"one": one},
        job="retry: {base_s: 3000, jitter: 0}",
        runner="concurrency: 1, drain_max_s: 900",
        clock=clock,
    )
    world.add(*(f"k{n:02}" for n in range(14)))
    assert world.drain().stopped == "drained"
    assert calls[:10] == [0] * 10
    assert calls[10:] == ([60, 180, 180, 180] if probe == "fails" else [60] * 4)
    opened = [row["open_for_s"] for row in world.events("breaker_open")]
    assert opened == ([60, 120] if probe == "fails" else [60])


def test_answers_of_the_source_do_not_open_a_breaker(tmp_path):
    world = World(tmp_path, {"one": raising(PermanentFailure("404"))})
    world.add(*(f"k{n:02}" for n in range(14)))
    assert world.drain().stopped == "drained"
    assert world.events("breaker_open") == []


def test_an_error_of_the_web_means_what_the_web_says_of_it(tmp_path):
    class Refused(OSError):
        failure = "auth"

    world = World(tmp_path, {"one": raising(Refused("401"))})
    world.add("a")
    world.drain()
    assert world.state()["pause_kind"] == "auth"


def test_a_defect_is_logged_with_its_traceback_and_a_failure_with_its_place(tmp_path, caplog):
    def one(work):
        return {}["missing"]

    caplog.set_level(logging.INFO)
    world = World(tmp_path, {"one": one}, clock=Clock())
    world.add("a")
    world.drain(single_pass=True)
    assert 'return {}["missing"]' in caplog.text
    assert "papers/one, item 1, will be tried again: KeyError: 'missing'" in caplog.text


@pytest.mark.parametrize(
    "way", ["plain", "in_url", "in_text", "in_traceback", "skip", "log", "auth", "limited"]
)
def test_no_secret_of_a_parameter_is_ever_told(tmp_path, caplog, capfd, way):
    secret = 's3cr/t "w0rdy" & ü'
    ways = {
        "plain": PermanentFailure(f"wrong password {secret}!"),
        "in_url": TransientFailure("https://host/x?q=s3cr%2Ft%20%22w0rdy%22%20%26%20%C3%BC"),
        "in_text": TransientFailure(repr({"Authorization": f"Bearer {secret}"})),
        "auth": AuthFailure(f"401 with {secret}"),
        "limited": RateLimited(1, f"429 with {secret}"),
    }

    def one(work):
        assert work.params == {"token": secret, "plain": "open"}
        if way == "skip":
            return Skip(f"no right with {secret}")
        if way == "log":
            work.log(f"asking with {secret}", token=secret)
            return {}
        if way == "in_traceback":
            try:
                raise KeyError(secret)
            except KeyError as error:
                raise RuntimeError(f"with {secret}") from error
        raise ways[way]

    caplog.set_level(logging.DEBUG)
    world = World(
        tmp_path,
        {"one": one},
        stage={"one": 'params: {token: "env:TOKEN", plain: open}'},
        environment={"TOKEN": secret},
        clock=Clock(),
    )
    world.add("a")
    world.drain(single_pass=True)
    told = "\n".join([world.everything(), caplog.text, *capfd.readouterr()])
    assert "***" in told
    for form in ("s3cr/t", "s3cr%2Ft", "w0rdy"):
        assert form not in told
