"""A tick on sample cases: what it answers, which rows and keys it makes, and what it leaves alone."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.beams.listing import MARKER
from assets.beams.registry.rows import all_cases, case_of
from assets.beams.run_requests import Runs
from assets.beams.settings import settings_of
from assets.beams.stages import scanning
from assets.beams.stages.scanning import Known, Tick, read_memory, tick, write_memory
from scripts.sample_data.beams import SampleCase, corrupted, write_case
from tests.assets.beams.registry.registry_worlds import opened

SOUND = SampleCase()
REFUSALS = {"bad_case_id", "symlinked_case", "duplicate_case_key"}


@dataclass
class Scans:
    """One registry, and scans with the memory of the last one."""

    home: Path
    connection: sqlite3.Connection
    environ: dict[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    cursor: str | None = None
    known: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    runs: Runs = field(default_factory=lambda: Runs(frozenset(), frozenset(), lambda _: False))

    @property
    def root(self) -> Path:
        return self.home / "storage" / "beam-logs"

    def tick(self, *, budget_s: float | None = None) -> Tick:
        settings = settings_of(self.environ, self.home)
        known = Known(lambda: self.runs, *self.known)
        done = tick(settings, self.connection, known, self.cursor, self.now, actor="test", budget_s=budget_s)
        self.cursor = done.cursor
        self.known[0].update(done.new_case_keys)
        self.known[1].update(done.new_field_keys)
        return done

    def scan(self) -> dict[str, dict[str, Any]]:
        """What a scan tells of the cases, by path."""
        document = json.loads(json.dumps(self.tick().document()))
        return {case["path"]: case for case in document["cases"]}

    def only(self) -> dict[str, Any]:
        (case,) = self.scan().values()
        return case

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def scans(tmp_path: Path) -> Iterator[Scans]:
    home = tmp_path / "home"
    connection = opened(home / "ledger")
    yield Scans(home, connection)
    connection.close()


def touch(case: Path, *, at: float) -> None:
    os.utime(case / MARKER, (at, at))


def test_a_sound_case_is_ready_with_its_keys_and_its_row(scans: Scans) -> None:
    write_case(scans.root, SOUND)
    done = scans.tick()
    (case,) = done.document()["cases"]
    assert case == {
        "case": "QA0001",
        "path": "G2/QA0001",
        "room": "G2",
        "state": "ready",
        "code": None,
        "message": None,
        "fingerprint": case["fingerprint"],
        "beams": [1, 2, 3],
    }
    assert len(case["fingerprint"]) == 16
    assert done.document()["ignored"] == []
    assert done.new_case_keys == ("QA0001",)
    assert done.new_field_keys == ("QA0001|1", "QA0001|2", "QA0001|3")
    assert done.skip_reason is None
    (request,) = done.requests
    assert request.run_key == f"QA0001:{case['fingerprint']}:manifest:1"
    row = case_of(scans.connection, "QA0001")
    assert (row.status, row.room, row.case_path, row.fingerprint) == (
        *("ready", "G2", "G2/QA0001"),
        case["fingerprint"],
    )


def test_what_was_not_run_is_asked_for_again_under_the_same_key(scans: Scans) -> None:
    write_case(scans.root, SOUND)
    first, second = scans.tick(), scans.tick()
    assert first.requests == second.requests
    assert (second.new_case_keys, second.new_field_keys) == ((), ())
    scans.cursor = None
    assert scans.tick().requests == first.requests


@pytest.mark.parametrize("code", ["no_marker", "misplaced_marker"])
@pytest.mark.parametrize("study", [None, "1.2.3"])
def test_a_case_without_its_marker_is_ignored(scans: Scans, code: str, study: str | None) -> None:
    write_case(scans.root, corrupted(SampleCase(study=study), code))
    done = scans.tick()
    document = done.document()
    assert document["cases"] == []
    assert code in {folder["code"] for folder in document["ignored"]}
    assert {folder["path"] for folder in document["ignored"]} >= {"G2/QA0001"}
    assert (done.requests, all_cases(scans.connection)) == ((), [])


@pytest.mark.parametrize("code", sorted(REFUSALS))
@pytest.mark.parametrize("study", [None, "1.2.3"])
def test_a_refused_case_has_no_row_no_key_and_no_run_and_the_next_one_has(
    scans: Scans, code: str, study: str | None
) -> None:
    write_case(scans.root, corrupted(SampleCase(study=study), code))
    write_case(scans.root, SampleCase(number=2))
    done = scans.tick()
    refused = [case for case in done.document()["cases"] if case["state"] == "refused"]
    assert {case["code"] for case in refused} == {code}
    assert len(refused) == (2 if code == "duplicate_case_key" else 1)
    assert all(case["message"] and case["fingerprint"] is None and case["beams"] == [] for case in refused)
    if code == "bad_case_id":
        assert refused[0]["case"] is None
    assert [request.case for request in done.requests] == ["QA0002"]
    assert [row.case_key for row in all_cases(scans.connection)] == ["QA0002"]
    assert done.new_case_keys == ("QA0002",)


def test_two_studies_of_one_patient_are_two_cases(scans: Scans) -> None:
    for study in ("1.2.3", "1.2.4"):
        write_case(scans.root, SampleCase(study=study))
    assert {case["case"]: case["state"] for case in scans.scan().values()} == {
        "QA0001.1.2.3": "ready",
        "QA0001.1.2.4": "ready",
    }


@pytest.mark.parametrize(
    ("code", "beams"),
    [
        ("ptn_missing", [1, 2, 3]),
        ("patient_id_mismatch", [1, 2, 3]),
        ("rtplan_parse_failed", []),
        ("multiple_rtplan", []),
        ("not_an_ion_plan", []),
    ],
)
def test_a_case_that_is_going_to_fail_is_ready_so_that_its_manifest_fails_visibly(
    scans: Scans, code: str, beams: list[int]
) -> None:
    write_case(scans.root, corrupted(SOUND, code))
    case = scans.only()
    assert (case["state"], case["code"], case["beams"]) == ("ready", code, beams)
    assert case["message"]


def test_a_marked_folder_without_its_plan_waits_and_after_the_grace_time_is_asked_for(scans: Scans) -> None:
    write_case(scans.root, corrupted(SOUND, "missing_rtplan"))
    waiting = scans.only()
    assert (waiting["state"], waiting["code"], waiting["beams"]) == ("waiting", "missing_rtplan", [])
    row = case_of(scans.connection, "QA0001")
    assert (row.status, row.failure_code, row.failure_category) == ("waiting", "missing_rtplan", "pending")
    assert scans.known == (set(), set())
    scans.later(901)
    failing = scans.only()
    assert (failing["state"], failing["code"]) == ("ready", "missing_rtplan")
    assert scans.known[0] == {"QA0001"}


def test_a_marked_empty_folder_waits_like_one_without_a_plan(scans: Scans) -> None:
    (scans.root / "C1").mkdir(parents=True)
    (scans.root / "C1" / MARKER).touch()
    assert (scans.only()["state"], scans.only()["code"]) == ("waiting", "missing_rtplan")
    scans.later(901)
    assert scans.only()["state"] == "ready"


def test_an_open_window_waits_until_it_closes(scans: Scans) -> None:
    start = datetime(2026, 3, 20, 10, tzinfo=UTC)
    write_case(scans.root, SampleCase(fractions=1))
    shutil.rmtree(sorted((scans.root / "G2" / "QA0001").glob("2026*"))[-1])
    scans.now = start + timedelta(minutes=30)
    case = scans.only()
    assert (case["state"], case["code"]) == ("waiting", "fraction_window_open")
    assert "2026-03-20T11:00:00" in case["message"]
    scans.now = start + timedelta(hours=1)
    assert scans.only()["state"] == "waiting"
    scans.now = start + timedelta(hours=1, seconds=1)
    assert scans.only()["state"] == "ready"


def test_a_case_is_asked_for_once_and_a_new_delivery_with_the_marker_renewed_once_more(scans: Scans) -> None:
    """Worked example 41."""
    case = write_case(scans.root, corrupted(SampleCase(fractions=1), "no_marker"))
    assert scans.scan() == {}
    (case / MARKER).touch()
    first = scans.only()
    assert first["state"] == "ready"
    scans.connection.execute("UPDATE cases SET status = 'completed'")
    touch(case, at=1_000_000)
    assert scans.only()["state"] == "current"
    write_case(scans.root, SampleCase(fractions=2))
    touch(case, at=2_000_000)
    second = scans.tick()
    assert [request.attempt for request in second.requests] == [2]
    fingerprint = second.document()["cases"][0]["fingerprint"]
    assert fingerprint != first["fingerprint"]
    assert case_of(scans.connection, "QA0001").fingerprint == fingerprint


def test_changed_content_with_the_old_marker_waits_for_the_quiet_time(scans: Scans) -> None:
    case = write_case(scans.root, SOUND)
    scans.tick()
    scans.connection.execute("UPDATE cases SET status = 'completed'")
    (case / "another.txt").touch()
    changing = scans.only()
    assert (changing["state"], changing["code"]) == ("waiting", "content_changing")
    assert case_of(scans.connection, "QA0001").status == "completed"
    scans.later(299)
    (case / "a third one.txt").touch()
    assert scans.only()["state"] == "waiting"
    scans.later(299)
    assert scans.only()["state"] == "waiting"
    scans.later(1)
    assert scans.only()["state"] == "ready"
    assert case_of(scans.connection, "QA0001").attempt == 2


def test_a_case_with_nothing_new_is_told_with_the_beams_that_are_registered(scans: Scans) -> None:
    write_case(scans.root, SOUND)
    scans.tick()
    scans.connection.execute("UPDATE cases SET status = 'completed'")
    scans.known[1].update({"QA0001|12", "QA0002|1", "no key", "QA0001|x", "|"})
    case = scans.only()
    assert (case["state"], case["beams"]) == ("current", [1, 2, 3, 12])


def test_a_case_that_cannot_be_read_waits_and_is_asked_for_when_it_can(
    scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = write_case(scans.root, SOUND)
    write_case(scans.root, SampleCase(number=2))
    closed = str(sorted(case.glob("2026*"))[0])
    scandir = os.scandir

    def listing(folder: str | Path) -> object:
        if str(folder) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return scandir(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", listing)
        told = scans.scan()
    assert (told["G2/QA0001"]["state"], told["G2/QA0001"]["code"]) == ("waiting", "unreadable_dir")
    assert told["G2/QA0002"]["state"] == "ready"
    assert scans.scan()["G2/QA0001"]["state"] == "ready"


def test_a_case_that_a_person_moved_keeps_its_row_with_the_new_path(scans: Scans) -> None:
    write_case(scans.root, SOUND)
    scans.tick()
    (scans.root / "G2" / "QA0001").rename(scans.root / "QA0001")
    scans.tick()
    row = case_of(scans.connection, "QA0001")
    assert (row.room, row.case_path) == (None, "QA0001")


def test_unchanged_cases_are_not_opened(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 4):
        write_case(scans.root, SampleCase(number=number, fractions=1))
    scans.tick()
    scans.connection.execute("UPDATE cases SET status = 'completed'")
    opened_files: list[object] = []
    monkeypatch.setattr(Path, "open", lambda path, *_: opened_files.append(path))
    monkeypatch.setattr(Path, "read_bytes", opened_files.append)
    done = scans.tick()
    assert (len(done.cases), done.requests, opened_files) == (3, (), [])
    assert done.skip_reason == "nothing new in 3 cases"


def test_a_tick_stops_when_its_time_is_over_and_goes_on_the_next_time(scans: Scans) -> None:
    for number in range(1, 4):
        write_case(scans.root, SampleCase(number=number, fractions=1))
    asked = [[request.case for request in scans.tick(budget_s=0.0).requests] for _ in range(3)]
    assert asked == [["QA0001"], ["QA0002"], ["QA0003"]]
    done = scans.tick(budget_s=0.0)
    assert [case.found.key for case in done.cases] == ["QA0001"]


def test_a_tick_asks_for_no_more_runs_than_dagster_can_make(
    scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "MOST_REQUESTS", 2)
    for number in range(1, 4):
        write_case(scans.root, SampleCase(number=number, fractions=1))
    assert len(scans.tick(budget_s=60.0).requests) == 2
    assert len(scans.tick().requests) == 3


def test_a_case_that_breaks_the_judgement_stops_no_other(
    scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(folder: Path, *rest: Any, **more: Any) -> object:
        if folder.name == "QA0001":
            raise RecursionError("too deep")
        return judged(folder, *rest, **more)

    judged = scanning.judge_case
    monkeypatch.setattr(scanning, "judge_case", judge)
    write_case(scans.root, SOUND)
    write_case(scans.root, SampleCase(number=2))
    told = scans.scan()
    assert (told["G2/QA0001"]["state"], told["G2/QA0001"]["code"]) == ("ready", "rtplan_parse_failed")
    assert "RecursionError" in told["G2/QA0001"]["message"]
    assert told["G2/QA0002"]["state"] == "ready"


def test_what_the_registry_refuses_is_noted_and_not_asked_for(scans: Scans) -> None:
    """A person launched a run while the tick was listing."""
    case = write_case(scans.root, SOUND)
    scans.tick()
    scans.connection.execute("UPDATE cases SET status = 'completed'")
    scans.connection.execute(
        "INSERT INTO workflow_steps (case_key, step, attempt, run_id, status, started_at)"
        " VALUES ('QA0001', 'case_report', 1, 'by-hand', 'started', '2026-03-20T13:00:00.000000Z')"
    )
    (case / "another.txt").touch()
    touch(case, at=2_000_000)
    answers = iter([frozenset(), frozenset({"by-hand"})])
    known = Known(lambda: Runs(next(answers), frozenset(), lambda _: False), *scans.known)
    done = tick(settings_of({}, scans.home), scans.connection, known, scans.cursor, scans.now, actor="test")
    assert (done.requests, done.document()["cases"][0]["state"]) == ((), "current")
    assert "Run by-hand is at work on QA0001" in done.notes[0]
    assert case_of(scans.connection, "QA0001").status == "completed"


def test_the_skip_reason_says_who_waits_and_who_is_refused(scans: Scans) -> None:
    assert scans.tick().skip_reason == f"No case lies under {scans.root}."
    write_case(scans.root, corrupted(SOUND, "missing_rtplan"))
    write_case(scans.root, corrupted(SampleCase(number=2), "bad_case_id"))
    assert scans.tick().skip_reason == (
        "nothing new in 0 cases; waiting: QA0001 (missing_rtplan); refused: G2/QA0002 copy (bad_case_id)"
    )
    assert str(scans.tick(budget_s=0.0).skip_reason).endswith("; goes on")


def test_a_scan_writes_nothing_below_its_root(scans: Scans) -> None:
    write_case(scans.root, SOUND)
    write_case(scans.root, corrupted(SampleCase(number=2), "bad_case_id"))

    def content() -> dict[str, tuple[int, int]]:
        files = {str(file): file.lstat() for file in scans.root.rglob("*")}
        return {name: (status.st_size, status.st_mtime_ns) for name, status in files.items()}

    before = content()
    scans.tick()
    assert content() == before
    assert not (scans.home / "storage" / "beam-output").exists()


def test_the_memory_of_a_scan_by_hand_lies_in_the_home_folder(tmp_path: Path) -> None:
    assert read_memory(tmp_path) is None
    write_memory(tmp_path, "first")
    write_memory(tmp_path, "second")
    assert read_memory(tmp_path) == "second"
