"""What people see: whole in a pipe, harmless in a terminal, without secrets."""

import json

import pytest

from scripts.terminal.layout import plain
from tests.scripts.discovery_cli.cli_worlds import VERBS, Desk, inv, ledger, words
from tests.scripts.discovery_cli.test_cli_shapes import SHAPES

LONG = "https://example.com/" + "a-long-way/" * 15
STEERING = "\x1b[31mred\x07 \u202eturned [bold]not markup[/bold] :smile:"


@pytest.fixture
def worked(desk: Desk) -> Desk:
    desk.jobs(
        words("good", {"value": "bad", "does": "fail"}, {"value": "far", "url": LONG, "title": STEERING})
    )
    inv("jobs.run", "-j", "words")
    return desk


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_words_for_people(worked: Desk, verb: str):
    options = [str(worked.folder / "out.jsonl") if word == "TMP" else word for word in SHAPES[verb][0]]

    ended = inv(f"jobs.{verb}", *options)

    assert ended.out.strip()
    with pytest.raises(json.JSONDecodeError):
        json.loads(ended.out)
    assert all(line == line.rstrip() for line in ended.out.splitlines())


def test_nothing_is_cut_in_a_pipe(worked: Desk):
    assert LONG in inv("jobs.show", "-j", "words", "-k", "far").out


def test_a_title_cannot_steer_the_terminal_and_is_no_markup(worked: Desk):
    out = inv("jobs.items", "-j", "words").out

    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[bold]not markup[/bold] :smile:" in out


def test_a_document_is_ascii_whatever_is_in_it(desk: Desk):
    desk.jobs(words("naïve ☃"))
    inv("jobs.run", "-j", "words")

    ended = inv("jobs.items", "-j", "words", "--json")

    assert ended.out.isascii()
    assert ended.document["items"][0]["key"] == "naïve ☃"


def test_half_a_character_from_elsewhere_stops_no_command(worked: Desk):
    with ledger() as connection:
        connection.execute(
            "UPDATE results SET payload_json = ? WHERE stage = 'fetch'", (r'{"half": "\ud83d"}',)
        )

    for options in ((), ("--json",)):
        assert inv("jobs.show", "-j", "words", "-k", "good", *options).code == 0
    exported = inv("jobs.export", "--to", str(worked.folder / "out.jsonl"), "--json")
    lines = (worked.folder / "out.jsonl").read_text().splitlines()
    assert exported.code == 0
    assert {"half": "\ud83d"} in [json.loads(line).get("payload") for line in lines]


def test_what_a_handler_prints_goes_to_standard_error(desk: Desk):
    desk.jobs(words({"value": "a", "does": "speak"}))

    ended = inv("jobs.run", "-j", "words", "--json")

    assert ended.document["items"]["done"] == 1
    assert "a handler that speaks" in ended.err


def test_what_a_handler_logs_is_shown_in_a_test_only(desk: Desk):
    desk.jobs(words({"value": "a", "does": "speak"}))

    assert "a handler that logs" in inv("jobs.test", "-j", "words", "--json").err
    assert "a handler that logs" not in inv("jobs.run", "-j", "words", "--json").err


def test_failures_of_a_run_are_warned_of(desk: Desk):
    desk.jobs(words({"value": "a", "does": "fail"}))

    assert "is not there (404)" in inv("jobs.run", "-j", "words", "--json").err


def test_no_verb_shows_a_credential(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("QUINTET_TEST_KEY", "swordfish")
    linked = {"value": "linked", "url": "https://example.com/?api_key=hush-hush"}
    told = {"value": "told", "does": "tell"}
    failed = {"value": "failed", "does": "fail"}
    desk.jobs(words(linked, told, failed, params={"access": "env:QUINTET_TEST_KEY"}))
    seen = [inv("jobs.test", "-j", "words", *options) for options in ((), ("--json",))]
    for verb, (options, _) in SHAPES.items():
        words_ = [str(desk.folder / "out.jsonl") if word == "TMP" else word for word in options]
        words_ = ["told" if word in ("good", "bad") else word for word in words_]
        seen.extend(inv(f"jobs.{verb}", *words_, *as_json) for as_json in ((), ("--json",)))

    everything = (
        "".join(f"{ended.out}{ended.err}" for ended in seen) + (desk.folder / "out.jsonl").read_text()
    )

    assert "token=***" in everything
    assert "hush-hush" not in everything
    assert "swordfish" not in everything


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a b c"),
        ("\x1b]0;x\x07", "\ufffd]0;x\ufffd"),
        ("\ud83d", "\ufffd"),
        ("naïve ☃ 東京", "naïve ☃ 東京"),
    ],
)
def test_characters_that_steer_are_replaced(text: str, shown: str):
    assert plain(text) == shown
