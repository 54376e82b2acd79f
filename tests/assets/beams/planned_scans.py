"""What a scan is planned from, in short words: a case folder, rows, runs and a judgement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from assets.beams.case_input import JudgedCase, Judgement
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.folder_shapes import PassedOver, Refused, Top
from assets.beams.listing import CaseFolder, Found, Marker
from assets.beams.plan import Plan as TreatmentPlan
from assets.beams.planning import World
from assets.beams.registry.instants import stamp
from assets.beams.registry.rows import Beam, Case
from assets.beams.registry.standings import Standing
from assets.beams.run_requests import Runs
from assets.beams.stage_planning import Policy

NOW = datetime(2026, 3, 20, 13, 0, tzinfo=UTC)
POLICY = Policy(marker_grace=timedelta(seconds=900), quiet=timedelta(seconds=300), most_retries=3)
KEY = "QA0001"
A, B = "a" * 16, "b" * 16
"""Two fingerprints."""


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def folder(fingerprint: str = A, marker: str = "m1", key: str = KEY, marked: datetime = NOW) -> CaseFolder:
    marked_by = Marker(marker, marked)
    return CaseFolder(key, Path("/in/G2") / key, f"G2/{key}", "G2", marked_by, fingerprint)


def case(status: str, fingerprint: str | None = A, key: str = KEY, **fields: Any) -> Case:
    row = Case(
        case_key=key,
        room="G2",
        case_path=f"G2/{key}",
        status=status,
        progress=0.0,
        fingerprint=fingerprint,
        attempt=1,
        retry_count=0,
        failure_phase=None,
        failure_category=None,
        failure_code=None,
        failure_message=None,
        failure_details=None,
        warnings=None,
        created_at=stamp(NOW),
        updated_at=stamp(NOW),
        completed_at=None,
    )
    return row._replace(**fields)


def beam(index: int, status: str, **fields: Any) -> Beam:
    row = Beam(
        beam_id=f"{KEY}_beam_{index}",
        case_key=KEY,
        treatment_index=index,
        dicom_number=index,
        plan_position=index,
        name=f"F{index}",
        folder=f"00{index}_F{index}",
        status=status,
        progress=0.0,
        attempt=1,
        retry_count=0,
        run_id=None,
        engine=None,
        failure_phase=None,
        failure_category=None,
        failure_code=None,
        failure_message=None,
        failure_details=None,
        created_at=stamp(NOW),
        updated_at=stamp(NOW),
    )
    return row._replace(**fields)


RETRYABLE = {"failure_category": "retryable", "failure_code": "killed_by_signal"}
PERMANENT = {"failure_category": "permanent", "failure_code": "ptn_missing"}


def judged(failure: BeamFailure | None = None, beams: Sequence[int] | None = (1, 2)) -> Judgement:
    """A judgement that came to a failure, or to a sound case; the planner asks no more of either."""
    treatments = [SimpleNamespace(treatment_index=index) for index in beams or ()]
    treatment_plan = (
        None if beams is None else cast("TreatmentPlan", SimpleNamespace(treatment_beams=treatments))
    )
    return Judgement(failure or cast("JudgedCase", SimpleNamespace()), treatment_plan, (), ())


def failed(code: str) -> Judgement:
    return judged(beam_failure(code, f"what is wrong is {code}"))


def never(_: CaseFolder) -> Judgement:
    raise AssertionError("nothing may be opened")


@dataclass
class Rows:
    """A world, made from what differs."""

    standing: Standing | Mapping[str, Standing] | None = None
    judge: Callable[[CaseFolder], Judgement] = field(default=lambda _: judged())
    active: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    now: datetime = NOW
    policy: Policy = POLICY

    def world(self) -> World:
        standings = self.standing if isinstance(self.standing, Mapping) else {KEY: self.standing}
        runs = Runs(self.active, self.busy, self.ended.__contains__)
        return World(standings.get, self.judge, runs, self.policy, self.now)

    def later(self, seconds: float) -> "Rows":
        return replace(self, now=self.now + timedelta(seconds=seconds))


@dataclass
class Shelf:
    """A scan root that is listed already."""

    found: dict[Top, list[Found]]
    aside: Sequence[PassedOver | Refused] = ()
    looked_into: list[str] = field(default_factory=list)

    @property
    def tops(self) -> Sequence[Top]:
        return sorted(self.found, key=lambda top: top.path)

    def found_in(self, top: Top) -> Sequence[Found]:
        self.looked_into.append(top.path)
        return self.found[top]


def shelf(*folders: CaseFolder) -> Shelf:
    return Shelf({Top(found.room, found.key): [found] for found in folders})
