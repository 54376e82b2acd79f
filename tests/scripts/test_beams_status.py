"""`status`, and what holds for every command of beams: streams, exit codes, refused keys, start-up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assets.beams.failures import beam_failure
from assets.beams.registry import beams as beam_rows
from assets.beams.registry import cases, failing
from assets.beams.states import BeamState
from resources.home import quintet_home
from scripts.beams import status
from scripts.terminal.answers import Answer
from tests.assets.beams.registry.registry_worlds import CASE, at, beam, brought, interpreted
from tests.scripts.beams_desks import Ended, beams, files_below, registry

ROOT = Path(__file__).parents[2]
UNSAFE = ("", ".", "..", ".hidden", "a b", "a;b", "$(x)", "a" * 65, "a\nb", "ä", "../x", "a/b", "a#b", "a..b")


@pytest.fixture
def work() -> None:
    """A case with a beam that failed and one that runs."""
    with registry() as connection:
        interpreted(connection, 1, 2)
        brought(connection, 2, BeamState.RUNNING)
        taken = beam_rows.take(connection, beam(1), "r1", at(1))
        failing.fail_beam(connection, taken, beam_failure("timeout", "it took\x1b too long"), at(2))
        cases.see(connection, "QA0002", None, "QA0002", at(3))


@pytest.mark.usefixtures("work")
def test_status_lists_cases_and_beams_with_progress_age_and_code():
    document = beams("status", "--json").document
    assert [(case["case"], case["room"], case["status"], case["code"]) for case in document["cases"]] == [
        (CASE, "G2", "simulating", None),
        ("QA0002", None, "new", None),
    ]
    first, second = document["beams"]
    assert (first["beam_id"], first["status"], first["code"], first["category"]) == (
        beam(1),
        "failed",
        "timeout",
        "retryable",
    )
    assert (second["treatment_index"], second["status"], second["progress"]) == (2, "running", 25)
    assert second["age_seconds"] > 0
    assert (first["message"], second["run_id"]) == ("it took\\x1b too long", "r2")


@pytest.mark.usefixtures("work")
def test_status_without_json_is_a_table_and_tells_what_is_wrong():
    ended = beams("status")
    assert ended.code == 0
    assert "QA0001|1: it took\\x1b too long" in ended.out
    assert "25 %" in ended.out
    with pytest.raises(json.JSONDecodeError):
        json.loads(ended.out)


@pytest.mark.usefixtures("work")
def test_a_row_that_another_clock_dated_ahead_is_of_age_0():
    with registry() as connection:
        connection.execute("UPDATE cases SET updated_at = '2999-01-01T00:00:00.000000Z'")
    assert [case["age_seconds"] for case in beams("status", "--json").document["cases"]] == [0, 0]


@pytest.mark.usefixtures("work")
def test_reading_commands_leave_the_registry_as_it_is():
    before = files_below(quintet_home() / "ledger")
    beams("status")
    assert [name for name in files_below(quintet_home() / "ledger") if ".sqlite " in name] == [
        name for name in before if ".sqlite " in name
    ]


def test_without_a_registry_the_lists_are_empty_and_no_file_is_made():
    assert beams("status", "--json").document == {"cases": [], "beams": []}
    assert "`scan` registers" in beams("status").out
    assert not quintet_home().exists()


def test_a_file_that_is_no_registry_ends_in_a_sentence_and_1():
    ledger = quintet_home() / "ledger"
    ledger.mkdir(parents=True)
    (ledger / "beams.sqlite").write_bytes(b"no database at all, but as long as one would be" * 100)
    ended = beams("status", "--json")
    assert (ended.code, ended.out) == (1, "")
    assert "beams.sqlite" in ended.err


def test_a_registry_of_a_newer_version_is_refused():
    with registry() as connection:
        connection.execute("PRAGMA user_version = 99")
    ended = beams("status")
    assert (ended.code, ended.out) == (2, "")
    assert "update Quintet" in ended.err


@pytest.mark.parametrize("key", UNSAFE)
@pytest.mark.parametrize("command", ["explain", "rerun"])
def test_an_unsafe_key_is_refused_before_any_file_exists(command, key, tmp_path):
    before = files_below(tmp_path)
    ended = beams(command, "--json", "--", key)
    assert (ended.code, ended.out) == (2, "")
    assert "a key has" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(
    "key", ["QA|0", "QA|01", "QA|x", "QA|1|2", "|1", "QA|", "QA|-1", "QA|1000", "../x|1"]
)
def test_an_unsafe_beam_key_is_refused_before_any_file_exists(key, tmp_path):
    before = files_below(tmp_path)
    ended = beams("rerun", key)
    assert ended.code == 2
    assert "<case>|<index>" in ended.err
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("words", [("explain", CASE), ("rerun", CASE), ("rerun", f"{CASE}|1")])
def test_an_unknown_key_exits_2_and_makes_no_file(words, tmp_path):
    before = files_below(tmp_path)
    ended = beams(*words)
    assert (ended.code, ended.out) == (2, "")
    assert CASE in ended.err
    assert files_below(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [(), ("bogus",), ("explain",), ("rerun",), ("rerun", "-rf"), ("status", "extra"), ("scan", "--j")],
)
def test_wrong_usage_exits_2_and_says_how_it_is_meant(words):
    ended = beams(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("usage: python -m scripts.beams")


@pytest.mark.parametrize(
    "words", [("explain", CASE), ("rerun", CASE), ("scan",), ("gpus",), ("status",), ("archive",)]
)
def test_a_wrong_setting_exits_2_with_variable_value_and_what_is_allowed(words, monkeypatch):
    monkeypatch.setenv("BEAMS_MAX_RETRIES", "eleven")
    ended = beams(*words, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "BEAMS_MAX_RETRIES is 'eleven', allowed is a whole number from 0 to 10" in ended.err
    assert not quintet_home().exists()


def test_an_unknown_deployment_exits_2(monkeypatch):
    monkeypatch.setenv("QUINTET_DEPLOYMENT", "moon")
    ended = beams("status")
    assert (ended.code, "moon" in ended.err) == (2, True)


def test_an_unknown_variable_is_reported_with_the_nearest_one_and_stops_nothing(monkeypatch):
    monkeypatch.setenv("BEAMS_MAX_RETRYS", "2")
    ended = beams("status", "--json")
    assert (ended.code, ended.document["cases"]) == (0, [])
    assert "BEAMS_MAX_RETRYS" in ended.err
    assert "BEAMS_MAX_RETRIES" in ended.err


@pytest.mark.parametrize("command", ["scan", "status", "explain", "rerun", "gpus", "archive"])
def test_every_command_explains_itself(command):
    ended = beams(command, "--help")
    assert ended.code == 0
    assert "--json" in ended.out


def run(*words: str) -> Ended:
    """A command in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.beams", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_as_a_process_it_prints_one_document_and_nothing_else():
    ended = run("status", "--json")
    assert (ended.code, ended.document, ended.err) == (0, {"cases": [], "beams": []}, "")


def test_refusing_a_key_loads_neither_dagster_nor_resources():
    code = (
        "import sys; from scripts.beams.__main__ import main\n"
        "main(['rerun', '../x'])\n"
        "print(', '.join({'dagster', 'rich', 'resources.deployments'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def test_a_reader_who_goes_away_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ended = subprocess.run(
            [sys.executable, "-m", "scripts.beams", "status", "--json"],
            cwd=ROOT,
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_what_libraries_print_goes_to_standard_error(monkeypatch):
    def noisy(*_: object) -> Answer:
        sys.stdout.write("a library says hello\n")
        return Answer({"cases": []})

    monkeypatch.setattr(status, "carry_out", noisy)
    ended = beams("status", "--json")
    assert (ended.document, ended.err) == ({"cases": []}, "a library says hello\n")


def test_a_registry_on_a_network_share_is_refused_with_2(monkeypatch):
    monkeypatch.setattr("resources.ledger.connections.file_system_of", lambda _: "nfs4")
    (quintet_home() / "ledger").mkdir(parents=True)
    (quintet_home() / "ledger" / "beams.sqlite").touch()
    ended = beams("status", "--json")
    assert (ended.code, ended.out, "network file system" in ended.err) == (2, "", True)
