"""Scans over a changing scan root with runs that end, fail and die: nothing is missed, nothing runs twice.

Folders and registry are real. Dagster is a model that launches a run key once, as the real one does; what is
in the files of a case is not looked at, their names say how it is judged.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.listing import MARKER, NoSuchCase, find_case
from assets.beams.registry import beams, cases, failing
from assets.beams.registry.cases import PlannedBeam
from assets.beams.registry.claiming import Run, claim_beam, claim_manifest, claim_report
from assets.beams.registry.rows import all_cases, beam_of
from assets.beams.registry.rows import find_case as case_row
from assets.beams.run_requests import Request, Runs
from assets.beams.settings import settings_of
from assets.beams.stages import scanning
from assets.beams.states import BeamState, CaseState
from assets.failures import QuintetFailure
from tests.assets.beams.planned_scans import judged
from tests.assets.beams.registry.registry_worlds import WAY, opened

CASES = ("C1", "P1/S1", "G2/C2")
KEYS = {"C1": "C1", "P1/S1": "P1.S1", "G2/C2": "C2"}
BEAMS = (1, 2)
ENDED = (CaseState.COMPLETED, CaseState.COMPLETED_WITH_WARNINGS)

Status = Literal["queued", "at work", "ended"]
Outcome = Literal["done", "retryable", "permanent", "dies"]
OUTCOMES = st.sampled_from(["done", "done", "done", "retryable", "permanent", "dies"])
FOLDERS = st.sampled_from(CASES)


def judged_by_names(folder: Path, _key: str, _rules: object, **_: object):
    """What the names in a case folder say of it."""
    names = {file.name for file in folder.rglob("*")}
    if "plan.dcm" not in names:
        return judged(beam_failure("missing_rtplan", "no plan"), beams=None)
    if "open" in names:
        return judged(beam_failure("fraction_window_open", "it is open"))
    return judged(beam_failure("ptn_missing", "one is missing") if "bad" in names else None, BEAMS)


@dataclass
class LaunchedRun:
    """A run of the model."""

    id: str
    request: Request
    status: Status = "queued"
    work: object = None


class ScannedRoot(RuleBasedStateMachine):
    """A scan root, its registry, a sensor with its cursor, and the runs that it asked for."""

    @initialize()
    def set_up(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="scanned-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(scanning, "judge_case", judged_by_names)
        self.settings = settings_of({"BEAMS_QUIET_SECONDS": "60", "BEAMS_MAX_RETRIES": "2"}, self.home)
        self.root = self.settings.scan_root
        self.connection = opened(self.home / "ledger")
        self.now = datetime.now(UTC)
        self.cursor: str | None = None
        self.known: dict[str, set[str]] = {"cases": set(), "fields": set()}
        self.runs: dict[str, LaunchedRun] = {}
        self.edits = 0
        for case in CASES:
            self.write(case, "plan.dcm")
            self.mark(case)

    # What people and machines do to the folders

    @rule(
        case=FOLDERS,
        name=st.sampled_from(["plan.dcm", "2026032010000000/PlanInfo.txt", "d/a.ptn", "notes.txt"]),
    )
    def write(self, case: str, name: str) -> None:
        self.edits += 1
        file = self.root / case / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x" * self.edits)

    @rule(case=FOLDERS)
    def mark(self, case: str) -> None:
        self.edits += 1
        (self.root / case).mkdir(parents=True, exist_ok=True)
        (self.root / case / MARKER).write_text("x" * self.edits)

    @rule(case=FOLDERS, name=st.sampled_from(["open", "bad"]), is_there=st.booleans())
    def turn(self, case: str, name: str, is_there: bool) -> None:
        file = self.root / case / name
        if is_there and file.parent.is_dir():
            file.touch()
        else:
            file.unlink(missing_ok=True)

    @rule(case=FOLDERS)
    def take_away(self, case: str) -> None:
        shutil.rmtree(self.root / case, ignore_errors=True)

    # What the sensor and its runs do

    @rule(
        dies=st.sampled_from([None, None, None, "before its requests", "before its cursor"]),
        budget_s=st.sampled_from([None, None, 0.0]),
    )
    def tick(self, dies: str | None = None, budget_s: float | None = None) -> None:
        before = {row.case_key: row for row in all_cases(self.connection)}
        known = scanning.Known(self._seen_runs, self.known["cases"], self.known["fields"])
        done = scanning.tick(
            self.settings, self.connection, known, self.cursor, self.now, actor="test", budget_s=budget_s
        )
        assert len({request.run_key for request in done.requests}) == len(done.requests)
        assert (done.skip_reason is None) == bool(done.requests)
        assert len(done.cursor) < 60 + 200 * len(CASES)
        for request in done.requests:
            row = before.get(request.case)
            is_same = row is not None and row.fingerprint == request.fingerprint
            assert not (is_same and row is not None and row.state in ENDED), "completed content was asked for"
            assert find_case(self.root, request.case).marker is not None
        if dies == "before its requests":
            return
        self._launch(done)
        if dies is None:
            self.cursor = done.cursor

    @rule()
    def lose_the_cursor(self) -> None:
        self.cursor = None

    @rule(seconds=st.sampled_from([1, 31, 61, 5000]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: any(run.status == "queued" for run in self.runs.values()))
    @rule(which=st.integers(0, 9))
    def start(self, which: int) -> None:
        queued = [run for run in self.runs.values() if run.status == "queued"]
        self._start(queued[which % len(queued)])

    @precondition(lambda self: any(run.status == "at work" for run in self.runs.values()))
    @rule(which=st.integers(0, 9), outcome=OUTCOMES)
    def end(self, which: int, outcome: Outcome) -> None:
        working = [run for run in self.runs.values() if run.status == "at work"]
        self._end(working[which % len(working)], outcome)

    @rule(outcomes=st.lists(OUTCOMES, min_size=1, max_size=4))
    def tick_and_work(self, outcomes: list[Outcome]) -> None:
        """What mostly happens."""
        self.tick()
        self._finish_runs(outcomes)

    @precondition(lambda self: any(run.status == "queued" for run in self.runs.values()))
    @rule(which=st.integers(0, 9))
    def lose_a_queued_run(self, which: int) -> None:
        queued = [run for run in self.runs.values() if run.status == "queued"]
        queued[which % len(queued)].status = "ended"

    @invariant()
    def no_two_runs_work_on_the_same(self) -> None:
        if not hasattr(self, "runs"):
            return
        live = [run.request for run in self.runs.values() if run.status != "ended"]
        keys = [request.partition_key for request in live]
        assert len(set(keys)) == len(keys)
        for request in live:
            if request.treatment_index is not None:
                assert request.case not in keys, "a run of the whole case beside one of its beams"

    def teardown(self) -> None:
        """Let everything come to its end: what lies there marked is completed, or has failed, as it lies."""
        if not hasattr(self, "home"):
            return
        try:
            for _ in range(30):
                for _ in CASES:  # Each looks into one folder and goes on where the last one stopped.
                    self.tick(budget_s=0.0)
                self._finish_runs()
                self.now += timedelta(seconds=5000)
            for folder in CASES:
                self._require_done(folder)
            assert self._seen_runs().active == frozenset()
        finally:
            self.patch.undo()
            self.connection.close()
            shutil.rmtree(self.home)

    def _require_done(self, folder: str) -> None:
        path, key = self.root / folder, KEYS[folder]
        names = {file.name for file in path.rglob("*")} if path.is_dir() else set()
        row = case_row(self.connection, key)
        if MARKER not in names or "open" in names:
            return
        assert row is not None, "a case was missed"
        assert row.fingerprint == find_case(self.root, key).fingerprint, "its last content was missed"
        if "plan.dcm" not in names or "bad" in names:
            assert row.state is CaseState.FAILED
        else:
            assert row.state in (*ENDED, CaseState.FAILED)
            assert row.state in ENDED or row.failure_category is not None

    def _seen_runs(self) -> Runs:
        live = [run for run in self.runs.values() if run.status != "ended"]
        ended = {run.request.run_key for run in self.runs.values() if run.status == "ended"}
        return Runs(
            frozenset(run.id for run in live),
            frozenset(run.request.partition_key for run in live),
            ended.__contains__,
        )

    def _launch(self, done: scanning.Tick) -> None:
        self.known["cases"].update(done.new_case_keys)
        self.known["fields"].update(done.new_field_keys)
        for request in done.requests:
            known = self.known["cases" if request.treatment_index is None else "fields"]
            assert request.partition_key in known
            if request.run_key not in self.runs:
                self.runs[request.run_key] = LaunchedRun(f"r{len(self.runs)}", request)

    def _finish_runs(self, outcomes: Sequence[Outcome] = ("done",)) -> None:
        for number, run in enumerate([run for run in self.runs.values() if run.status != "ended"]):
            if run.status == "queued":
                self._start(run)
            if run.status == "at work":
                self._end(run, outcomes[number % len(outcomes)])

    def _start(self, run: LaunchedRun) -> None:
        request = run.request
        others = self._seen_runs().active - {run.id}
        as_run = Run(run.id, request.attempt, others)
        run.status = "at work"
        try:
            match request.stage:
                case "manifest":
                    run.work = self._begun_manifest(request, as_run)
                case "beam":
                    beam_id = request.tags["beams/beam_id"]
                    run.work = claim_beam(self.connection, beam_id, as_run, BeamState.PENDING, self.now)
                case "report":
                    run.work = claim_report(self.connection, request.case, as_run, self.now)
        except (QuintetFailure, NoSuchCase):
            run.status = "ended"

    def _begun_manifest(self, request: Request, run: Run) -> object:
        found = find_case(self.root, request.case)
        outcome = judged_by_names(found.folder, "", None).outcome
        if isinstance(outcome, BeamFailure) and outcome.category == "pending":
            raise outcome
        work = claim_manifest(self.connection, request.case, found.fingerprint, run, self.now)
        if isinstance(outcome, BeamFailure):
            failing.fail_case(self.connection, work, outcome, self.now)
            raise outcome
        return work

    def _end(self, run: LaunchedRun, outcome: Outcome) -> None:
        run.status = "ended"
        if outcome == "dies":
            return
        failure = {
            "done": None,
            "retryable": beam_failure("killed_by_signal", "it was killed"),
            "permanent": beam_failure("layer_word", "a wrong layer"),
        }[outcome]
        try:
            self._write_end(run, failure)
        except QuintetFailure:  # Its attempt was given away; what it found is not kept.
            return

    def _write_end(self, run: LaunchedRun, failure: BeamFailure | None) -> None:
        connection, request = self.connection, run.request
        if request.stage == "beam":
            work = cast("beams.BeamWork", run.work)
            if failure is not None:
                failing.fail_beam(connection, work, failure, self.now)
                return
            reached = beam_of(connection, work.beam_id).state
            for state in WAY[0 if reached is BeamState.PENDING else WAY.index(reached) + 1 :]:
                beams.move(connection, work, state, self.now)
            return
        of_case = cast("cases.CaseWork", run.work)
        if failure is not None:
            failing.fail_case(connection, of_case, failure, self.now)
        elif request.stage == "manifest":
            cases.publish_manifest(connection, of_case, planned_beams(BEAMS), [], [], self.now)
        else:
            cases.complete(connection, of_case, [], self.now)


def planned_beams(indexes: Sequence[int]) -> list[PlannedBeam]:
    return [PlannedBeam(index, index, index, f"F{index}", f"{index:03d}_F{index}") for index in indexes]


ScannedRoot.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestScannedRoot = ScannedRoot.TestCase
