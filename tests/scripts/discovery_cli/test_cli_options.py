"""The options of each verb are those of the table, and no others."""

import pytest
from invoke.parser.context import ParserContext

import tasks
from tests.scripts.discovery_cli.cli_worlds import VERBS, Desk, inv, rows, words

RUN = {"-j", "--limit", "--single-pass", "--discover-only", "--stage", "--item", "--no-reset"}
OPTIONS = {
    "list": set(),
    "status": {"-j"},
    "run": RUN,
    "test": RUN,
    "dry-run": RUN,
    "items": {"-j", "--status", "--stage", "--search", "--limit"},
    "show": {"-j", "-k"},
    "retry": {"-j", "-k", "--class", "--all"},
    "skip": {"-j", "-k", "--stage", "--reason", "--cancel"},
    "pause": {"-j", "--reason", "--until", "--now"},
    "unpause": {"-j"},
    "wake": {"-j"},
    "stale": {"-j"},
    "reprocess": {"-j", "--limit", "--stage"},
    "costs": {"-j", "--day", "--by"},
    "events": {"-j", "--since", "--type", "--limit", "--follow"},
    "doctor": {"-j", "--fix"},
    "migrate": set(),
    "export": {"-j", "--to", "--prune"},
    "report": {"--to"},
}
LONG = {"-j": "--job", "-k": "--key"}


def contexts() -> dict[str, ParserContext]:
    return {str(each.name): each for each in tasks.namespace.to_contexts()}


def test_the_verbs_are_those_of_the_table():
    assert set(contexts()) == {f"jobs.{verb}" for verb in VERBS} == {f"jobs.{verb}" for verb in OPTIONS}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_exactly_its_options_and_says_what_each_is_for(verb: str):
    context = contexts()[f"jobs.{verb}"]
    expected = {"--json", *OPTIONS[verb], *(LONG[short] for short in OPTIONS[verb] if short in LONG)}

    assert set(context.flag_names()) == expected
    assert all(says and says.endswith(".") for _, says in context.help_tuples())


@pytest.mark.parametrize("verb", VERBS)
def test_help_tells_what_a_verb_does(verb: str):
    ended = inv("--help", f"jobs.{verb}")

    assert ended.code == 0
    assert "none" not in ended.out.split("Options:")[0].splitlines()


def test_an_unknown_option_is_stopped_by_the_parser(desk: Desk):
    desk.jobs(words("a"))

    ended = inv("jobs.run", "-j", "words", "--fast")

    assert (ended.code, ended.out) == (1, "")
    assert "--fast" in ended.err


@pytest.mark.parametrize("key", ["-x", "--odd=1", "a=b", "jobs.list", "two words", "-5"])
def test_a_key_may_look_like_something_else(desk: Desk, key: str):
    desk.jobs(words(key))
    inv("jobs.run", "-j", "words")

    for typed in (("-k", key), ("--key", key), (f"--key={key}",)):
        ended = inv("jobs.show", "-j", "words", *typed, "--json")
        assert ended.code == 0, ended.err
        assert ended.document["item"]["key"] == key


def test_several_commands_on_one_line_stop_at_the_first_that_fails(desk: Desk):
    desk.jobs(words("a"))

    ended = inv("jobs.pause", "-j", "words", "jobs.run", "-j", "words", "jobs.unpause", "-j", "words")

    assert ended.code == 3
    assert rows("SELECT paused FROM job_state") == [(1,)]
