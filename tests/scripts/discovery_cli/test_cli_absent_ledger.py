"""Reading verbs take an absent ledger for empty and make none; all others make it."""

import pytest

from tests.scripts.discovery_cli.cli_worlds import Desk, inv, ledger_path, words

EMPTY = {
    ("status", "-j", "words"): lambda found: found["jobs"][0]["state"] == "idle",
    ("items", "-j", "words"): lambda found: found == {"items": []},
    ("stale", "-j", "words"): lambda found: found["stale"] == 0,
    ("costs",): lambda found: found == {"rows": [], "total_micros": 0},
    ("events", "-j", "words"): lambda found: found == {"events": []},
    ("doctor",): lambda found: found == {"findings": []},
    ("doctor", "--fix"): lambda found: found == {"findings": []},
    ("dry-run", "-j", "words"): lambda found: found["discovery"]["n_new"] == 2,
    ("list",): lambda found: len(found["jobs"]) == 1,
}


@pytest.fixture
def fresh(desk: Desk) -> Desk:
    desk.jobs(words("a", "b"))
    return desk


@pytest.mark.parametrize("command", EMPTY, ids=" ".join)
def test_a_verb_that_reads_finds_nothing_and_makes_nothing(fresh: Desk, command: tuple[str, ...]):
    ended = inv(f"jobs.{command[0]}", *command[1:], "--json")

    assert ended.code == 0
    assert EMPTY[command](ended.document)
    assert not ledger_path().parent.exists()


@pytest.mark.parametrize("command", [each for each in EMPTY if "--fix" not in each], ids=" ".join)
def test_a_file_that_is_not_a_ledger_yet_is_empty_too(fresh: Desk, command: tuple[str, ...]):
    ledger_path().parent.mkdir(parents=True)
    ledger_path().touch()

    ended = inv(f"jobs.{command[0]}", *command[1:], "--json")

    assert ended.code == 0 or command[0] == "doctor"  # To whom a ledger without a schema is a finding.
    assert ledger_path().stat().st_size == 0


def test_an_item_of_an_absent_ledger_is_unknown(fresh: Desk):
    assert inv("jobs.show", "-j", "words", "-k", "a").code == 2
    assert not ledger_path().exists()


def test_export_and_report_of_an_absent_ledger_write_their_files_only(fresh: Desk):
    exported = inv("jobs.export", "--to", str(fresh.folder / "all.jsonl"), "--json")
    reported = inv("jobs.report", "--to", str(fresh.folder / "page.html"), "--json")

    assert (exported.code, exported.document["lines"]["items"]) == (0, 0)
    assert (fresh.folder / "all.jsonl").read_text() == ""
    assert reported.document == {"path": str(fresh.folder / "page.html")}
    assert "words" in (fresh.folder / "page.html").read_text()
    assert not ledger_path().exists()


MAKING = [
    ("run", "-j", "words"),
    ("retry", "-j", "words", "--all"),
    ("pause", "-j", "words"),
    ("unpause", "-j", "words"),
    ("wake", "-j", "words"),
    ("reprocess", "-j", "words"),
    ("migrate",),
]


@pytest.mark.parametrize("command", MAKING, ids=" ".join)
def test_a_verb_that_changes_something_makes_the_ledger(fresh: Desk, command: tuple[str, ...]):
    ended = inv(f"jobs.{command[0]}", *command[1:], "--json")

    assert ended.code == 0
    assert inv("jobs.migrate", "--json").document == {"version": 1, "applied": []}


def test_migrate_tells_what_it_applied(fresh: Desk):
    assert inv("jobs.migrate", "--json").document == {"version": 1, "applied": [1]}
