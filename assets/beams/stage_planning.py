"""Which stages of a case are due whose content is as it was asked for: by its rows and the runs. Pure.

A stage is asked for in the attempt that the registry has. Where the run of that attempt is over and left the
case or beam as it was, it died: another attempt begins, later and later while nothing is completed. A failed
one begins another attempt after its wait, within its limit.

Not here: content that is new or changes (`planning`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from assets.beams.failures import PendingBeamFailure
from assets.beams.registry.instants import moment_of
from assets.beams.registry.reopening import may_retry
from assets.beams.registry.rows import Beam, Case
from assets.beams.registry.standings import NO_RESUMES, Standing
from assets.beams.retry_waits import BEAM_RETRIES, RetryPolicy
from assets.beams.run_requests import Request, Runs
from assets.beams.states import BeamState, CaseState

RESUMES: Final = RetryPolicy(first_wait=30.0, longest_wait=3600.0)
"""A run that dies of something that stays, such as too little memory, must not be started every 30 s."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The case waits for something."""

    reason: PendingBeamFailure


@dataclass(frozen=True, slots=True)
class MakeReady:
    """The first attempt of the case begins."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class ReopenCase:
    """Another attempt of the case begins; new content brings its fingerprint."""

    occasion: Literal["retry", "resume", "new_fingerprint"]
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class ReopenBeam:
    """Another attempt of a beam begins."""

    beam_id: str
    occasion: Literal["retry", "resume"]


Change = Wait | MakeReady | ReopenCase | ReopenBeam


class Turn(NamedTuple):
    """What is done for a case: a change of its rows first, then a request, which is dropped if that fails."""

    change: Change | None
    request: Request | None


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of a scan."""

    marker_grace: timedelta
    quiet: timedelta
    most_retries: int


def planned_stages(standing: Standing, runs: Runs, policy: Policy, now: datetime) -> tuple[Turn, ...]:
    """What is due for a case whose content has not changed since it was asked for."""
    if standing.case.case_key in runs.busy:
        return ()
    stages = _Stages(standing, runs, policy, now)
    match standing.case.state:
        case CaseState.READY:
            return tuple(stages.of_case("manifest"))
        case CaseState.INTERPRETING | CaseState.SIMULATING:
            return tuple(stages.of_beams()) or tuple(stages.report_when_ended())
        case CaseState.REPORTING:
            return tuple(stages.of_case("report"))
        case CaseState.FAILED:
            return tuple(stages.of_failed_case())
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class _Stages:
    """The stages of one case at one moment."""

    standing: Standing
    runs: Runs
    policy: Policy
    now: datetime

    def of_case(self, stage: Literal["manifest", "report"]) -> Iterator[Turn]:
        """A stage of the whole case, in its attempt or, where the run of that died, in another."""
        case = self.standing.case
        asked = self._request(stage, case.attempt)
        if not self.runs.has_ended(asked.run_key):
            yield Turn(None, asked)
        elif self._may_resume(None):
            yield Turn(ReopenCase("resume"), _next(asked))

    def of_beams(self) -> Iterator[Turn]:
        """Every beam that has work ahead and no run."""
        for beam in self.standing.beams:
            asked = self._request("beam", beam.attempt, beam.treatment_index)
            if self._is_at_work(beam, asked):
                continue
            if beam.is_active:
                if beam.run_id is None and not self.runs.has_ended(asked.run_key):
                    yield Turn(None, asked)
                elif self._may_resume(beam.beam_id):
                    yield Turn(ReopenBeam(beam.beam_id, "resume"), _next(asked))
            elif self._is_retried(beam) and self._is_retry_due(beam, asked):
                yield Turn(ReopenBeam(beam.beam_id, "retry"), _next(asked))

    def report_when_ended(self) -> Iterator[Turn]:
        """The report, unless a beam is active, at work, or tried again soon."""
        beams = self.standing.beams
        asked = [self._request("beam", beam.attempt, beam.treatment_index) for beam in beams]
        is_busy = any(map(self._is_at_work, beams, asked))
        if beams and not is_busy and not any(beam.is_active or self._is_retried(beam) for beam in beams):
            yield from self.of_case("report")

    def of_failed_case(self) -> Iterator[Turn]:
        """Another try of what failed, while there is one left; else the report, which says what failed."""
        if not self.standing.has_manifest:
            yield from self._retried_case()
            return
        if turns := tuple(self.of_beams()):
            yield from turns
        elif not any(beam.state is BeamState.FAILED for beam in self.standing.beams):  # It was the report.
            yield from self._retried_case()
        elif self.standing.report not in ("completed", "failed"):
            yield from self.report_when_ended()

    def _retried_case(self) -> Iterator[Turn]:
        case = self.standing.case
        asked = self._request("manifest", case.attempt)
        if self._is_retried(case) and self._is_retry_due(case, asked):
            yield Turn(ReopenCase("retry"), _next(asked))

    def _request(
        self, stage: Literal["manifest", "beam", "report"], attempt: int, treatment_index: int | None = None
    ) -> Request:
        case = self.standing.case
        return Request(stage, case.case_key, case.room, case.fingerprint or "", attempt, treatment_index)

    def _is_at_work(self, beam: Beam, asked: Request) -> bool:
        return beam.run_id in self.runs.active or asked.partition_key in self.runs.busy

    def _is_retried(self, row: Case | Beam) -> bool:
        return may_retry(row, self.policy.most_retries)

    def _is_retry_due(self, row: Case | Beam, asked: Request) -> bool:
        # By its key, not by chance: a scan plans the same twice.
        chance = int(sha256(asked.run_key.encode()).hexdigest()[:8], 16) / 2**32
        return self._is_over(row.updated_at, BEAM_RETRIES.jittered_wait(row.retry_count, chance))

    def _may_resume(self, beam_id: str | None) -> bool:
        past = self.standing.resumes.get(beam_id, NO_RESUMES)
        return past.last_at is None or self._is_over(past.last_at, RESUMES.wait(past.times - 1))

    def _is_over(self, since: str, seconds: float) -> bool:
        return moment_of(since) + timedelta(seconds=seconds) <= self.now


def _next(asked: Request) -> Request:
    return replace(asked, attempt=asked.attempt + 1)
