"""A tick of the sensor: the scan root is listed and planned, rows are written, runs and keys are asked for.

The command `scan` makes the same tick and launches nothing. What was asked for is remembered nowhere but in
the registry and in Dagster's runs, so a tick that dies after its rows were written loses nothing: the next
one finds the rows and asks again.

Not here: what is due (`assets.beams.planning`), adding keys and launching runs (`sensors.beams`).
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from assets.beams.case_input import Judgement, judge_case
from assets.beams.durable_files import write_whole
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.folder_shapes import PassedOver, Refused
from assets.beams.keys import field_key, shown
from assets.beams.listing import CaseFolder, ScanRoot
from assets.beams.planning import CasePlan, Plan, World, plan
from assets.beams.registry import cases, reopening
from assets.beams.registry.reopening import Reopening
from assets.beams.registry.rows import Case, all_cases
from assets.beams.registry.standings import Standing, standing_of
from assets.beams.registry.steps import Request as Actor
from assets.beams.run_requests import Request, Runs
from assets.beams.scan_memory import Memory
from assets.beams.settings import BeamSettings
from assets.beams.stage_planning import Change, MakeReady, Policy, ReopenBeam, ReopenCase, Wait
from assets.failures import PermanentFailure

BUDGET_S: Final = 10.0
MOST_REQUESTS: Final = 100
"""Dagster makes the runs of a tick one after the other; those beyond are asked for by the next tick."""

_NAMED_IN_A_REASON: Final = 5


class Known(NamedTuple):
    """What the orchestrator knows."""

    runs: Callable[[], Runs]
    """Asks which runs there are at this moment."""
    cases: Collection[str]
    """The partition keys of cases."""
    fields: Collection[str]
    """The partition keys of beams."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick came to."""

    cases: tuple[CasePlan, ...]
    aside: tuple[PassedOver | Refused, ...]
    requests: tuple[Request, ...]
    new_case_keys: tuple[str, ...]
    new_field_keys: tuple[str, ...]
    cursor: str
    skip_reason: str | None
    """None where there are requests."""
    notes: tuple[str, ...]
    """What the registry refused, which the next tick sees anew."""
    fields: Collection[str]
    """The keys of beams that Dagster had before."""

    def document(self) -> dict[str, Any]:
        """The answer of `scan --json`."""
        beams: dict[str, list[int]] = {}
        for key in self.fields:
            case, _, index = key.rpartition("|")
            if index.isdecimal():  # Dagster takes any text as a key, and a person may have added one.
                beams.setdefault(case, []).append(int(index))
        refused = [found for found in self.aside if isinstance(found, Refused)]
        shown_cases = [
            *(_case_document(case, sorted(beams.get(case.found.key, ()))) for case in self.cases),
            *(_refused_document(found) for found in refused),
        ]
        ignored = [found for found in self.aside if isinstance(found, PassedOver)]
        return {
            "cases": sorted(shown_cases, key=lambda case: case["path"]),
            "ignored": [{"path": found.path, "code": found.code} for found in ignored],
        }


def tick(
    settings: BeamSettings,
    connection: sqlite3.Connection,
    known: Known,
    cursor: str | None,
    now: datetime,
    *,
    actor: str,
    budget_s: float | None = BUDGET_S,
) -> Tick:
    """List, plan, and write the rows of cases.

    Args:
        settings: of beams.
        connection: to the registry, in autocommit mode and migrated.
        known: runs and partition keys that there are.
        cursor: that of the last tick; None or anything else starts afresh.
        now: the clock, with a zone.
        actor: who asks, as the trail in the registry names it.
        budget_s: after so many seconds the tick stops and the next one goes on; None looks at everything.
    """
    deadline = None if budget_s is None else time.monotonic() + budget_s

    def has_time(asked: int) -> bool:
        return deadline is None or (asked < MOST_REQUESTS and time.monotonic() < deadline)

    # Runs first: whatever has ended by then has written its rows before.
    at_first = known.runs()
    rows = {row.case_key: row for row in all_cases(connection)}
    world = _world(settings, connection, rows, at_first, now)
    planned = plan(ScanRoot(settings.scan_root), Memory.read(cursor), world, has_time)
    writer = _Writer(connection, rows, known.runs, Actor(actor), settings.max_retries, now)
    written = tuple(writer.write(case) for case in planned.cases)
    requests = tuple(request for case in written for request in case.requests)
    case_keys = {request.case for request in requests} - set(known.cases)
    return Tick(
        cases=written,
        aside=planned.aside,
        requests=requests,
        new_case_keys=tuple(sorted(case_keys)),
        new_field_keys=tuple(sorted(set(_field_keys(written)) - set(known.fields))),
        cursor=planned.memory.write(),
        skip_reason=None if requests else _skip_reason(settings.scan_root, planned),
        notes=tuple(writer.notes),
        fields=known.fields,
    )


def read_memory(home: Path) -> str | None:
    """The cursor of the last `scan` by hand; None where there was none."""
    try:
        return _memory_file(home).read_text("utf-8")
    except FileNotFoundError:
        return None


def write_memory(home: Path, cursor: str) -> None:
    """Keep the cursor of a `scan` by hand for the next one."""
    file = _memory_file(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, cursor.encode())


def _memory_file(home: Path) -> Path:
    return home / "work" / "beams" / "scan.json"


def _world(
    settings: BeamSettings,
    connection: sqlite3.Connection,
    rows: dict[str, Case],
    runs: Runs,
    now: datetime,
) -> World:
    rules = settings.rules()

    def standing(key: str) -> Standing | None:
        return standing_of(connection, rows[key]) if key in rows else None

    def judge(found: CaseFolder) -> Judgement:
        try:
            return judge_case(found.folder, found.key, rules, room=found.room, now=now)
        except PermanentFailure:
            raise
        except Exception as defect:  # noqa: BLE001 - one bad case stops no tick; its manifest run fails visibly
            failure = beam_failure(
                "rtplan_parse_failed",
                f"{shown(found.path)} cannot be judged ({type(defect).__name__}); see its manifest's run.",
            )
            return Judgement(failure, None, (), ())

    policy = Policy(settings.marker_grace, settings.quiet, settings.max_retries)
    return World(standing, judge, runs, policy, now)


class _Writer:
    """Writes the changes of planned cases. What the registry refuses is dropped, with its request."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        rows: dict[str, Case],
        runs: Callable[[], Runs],
        actor: Actor,
        most_retries: int,
        now: datetime,
    ) -> None:
        self.notes: Final[list[str]] = []
        self._connection = connection
        self._rows = rows
        self._runs = runs
        self._actor = actor
        self._most_retries = most_retries
        self._now = now
        self._active: frozenset[str] | None = None

    def write(self, case: CasePlan) -> CasePlan:
        """Write the changes of a case; returns it with those that were possible."""
        found = case.found
        row = self._rows.get(found.key)
        if row is None or (row.room, row.case_path) != (found.room, found.path):
            cases.see(self._connection, found.key, found.room, found.path, self._now)
        turns = tuple(
            turn for turn in case.turns if turn.change is None or self._changed(found.key, turn.change)
        )
        is_dropped = case.state == "ready" and not any(turn.request for turn in turns)
        return replace(case, turns=turns, state="current" if is_dropped else case.state)

    def _changed(self, key: str, change: Change) -> bool:
        try:
            match change:
                case Wait():
                    cases.wait(self._connection, key, change.reason, self._now)
                case MakeReady():
                    cases.make_ready(self._connection, key, change.fingerprint, self._now)
                case ReopenCase():
                    asked = self._reopening(change.occasion)
                    fingerprint = change.fingerprint
                    reopening.reopen_case(self._connection, key, asked, self._now, fingerprint=fingerprint)
                case ReopenBeam():
                    asked = self._reopening(change.occasion)
                    reopening.reopen_beam(self._connection, change.beam_id, asked, self._now)
        except PermanentFailure as refused:  # Somebody else was faster; the next tick sees what became of it.
            self.notes.append(str(refused))
            return False
        return True

    def _reopening(self, occasion: reopening.Occasion) -> Reopening:
        if self._active is None:  # A tick may last seconds, and a person may have launched a run meanwhile.
            self._active = self._runs().active
        return Reopening(occasion, self._actor, self._active, self._most_retries)


def _field_keys(written: Collection[CasePlan]) -> Iterator[str]:
    """The keys of beams that are needed: of the plans to be made ready, and of the beams asked for."""
    for case in written:
        for request in case.requests:
            if request.treatment_index is not None:
                yield request.partition_key
            elif request.stage == "manifest":
                yield from (field_key(case.found.key, index) for index in case.beams or ())


def _case_document(case: CasePlan, registered: list[int]) -> dict[str, Any]:
    return {
        "case": case.found.key,
        "path": case.found.path,
        "room": case.found.room,
        "state": case.state,
        **_told(case.failure),
        "fingerprint": case.found.fingerprint,
        "beams": registered if case.beams is None else list(case.beams),
    }


def _refused_document(found: Refused) -> dict[str, Any]:
    return {
        "case": found.key,
        "path": found.path,
        "room": found.room,
        "state": "waiting" if found.failure.category == "pending" else "refused",
        **_told(found.failure),
        "fingerprint": None,
        "beams": [],
    }


def _told(failure: BeamFailure | None) -> dict[str, str | None]:
    return {"code": failure.code if failure else None, "message": failure.message if failure else None}


def _skip_reason(scan_root: Path, planned: Plan) -> str:
    """Why nothing is asked for, in one line."""
    if not planned.cases and not planned.aside:
        return f"No case lies under {scan_root}."
    waiting = [
        f"{case.found.key} ({case.failure.code})" for case in planned.cases if case.failure is not None
    ]
    refused = [
        f"{found.path} ({found.failure.code})" for found in planned.aside if isinstance(found, Refused)
    ]
    said = [
        f"{what} {', '.join(names[:_NAMED_IN_A_REASON])}{' and more' * (len(names) > _NAMED_IN_A_REASON)}"
        for what, names in (("waiting:", waiting), ("refused:", refused))
        if names
    ]
    as_they_were = len(planned.cases) - len(waiting)
    return "; ".join(
        [f"nothing new in {as_they_were} cases", *said, *([] if planned.is_complete else ["goes on"])]
    )
