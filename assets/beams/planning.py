"""What a scan asks for: a run for each stage of a case that is due, or the reason why none is. Pure.

A case is judged when its content is new to us: at first sight, after its marker was renewed, or when it has
been quiet for long enough; and again while it waits for a window to close. Nothing is asked for while its
content is changing, and none of it begins anew while a run of it is at work.

A scan looks into one folder of the first level after the other. When its time is over it stops, remembers
where, and the next one goes on from there: no case waits for ever behind others.

Not here: what lies on the disk (`listing`), the stages of a case whose content is settled (`stage_planning`),
the writing of rows and keys (`stages.scanning`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from assets.beams.case_input import Judgement
from assets.beams.failures import BeamFailure, PendingBeamFailure, beam_failure
from assets.beams.folder_shapes import PassedOver, Refused, Top
from assets.beams.keys import shown
from assets.beams.listing import CaseFolder, Found, top_of
from assets.beams.registry.rows import Case
from assets.beams.registry.standings import Standing
from assets.beams.run_requests import Request, Runs
from assets.beams.scan_memory import Entry, Memory
from assets.beams.stage_planning import MakeReady, Policy, ReopenCase, Turn, Wait, planned_stages
from assets.beams.states import CaseState

State = Literal["ready", "waiting", "refused", "current"]

_UNASKED = (CaseState.NEW, CaseState.WAITING)
_MAY_WAIT = (*_UNASKED, CaseState.READY)


class Listing(Protocol):
    """The scan root, as `listing.ScanRoot` lists it."""

    @property
    def tops(self) -> Sequence[Top]:
        """The folders of the first level, sorted by path."""
        ...

    @property
    def aside(self) -> Sequence[PassedOver | Refused]:
        """What is none of them and has to be told."""
        ...

    def found_in(self, top: Top) -> Sequence[Found]:
        """What a folder of the first level comes to."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What a plan depends on besides the disk and the memory of the last scan."""

    standing_of: Callable[[str], Standing | None]
    """How the registry has a case, None where it is unknown."""
    judge: Callable[[CaseFolder], Judgement]
    runs: Runs
    policy: Policy
    now: datetime
    """With a zone."""


@dataclass(frozen=True, slots=True)
class CasePlan:
    """What a scan makes of a case that it found."""

    found: CaseFolder
    state: State
    turns: tuple[Turn, ...]
    entry: Entry
    failure: BeamFailure | None = None
    """What the case waits for; of a ready one, how its manifest is going to fail."""
    beams: tuple[int, ...] | None = None
    """The treatment indexes of its plan; None where the plan was not opened or cannot be read."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """The runs to ask for."""
        return tuple(turn.request for turn in self.turns if turn.request is not None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scan comes to."""

    cases: tuple[CasePlan, ...]
    aside: tuple[PassedOver | Refused, ...]
    memory: Memory
    is_complete: bool
    """Whether everything was looked at."""


def plan(listing: Listing, memory: Memory, world: World, has_time: Callable[[int], bool]) -> Plan:
    """Plan a scan.

    Args:
        listing: the scan root.
        memory: what the last scan left.
        world: rows, runs, settings and the clock.
        has_time: whether to look into another folder, given how many runs there are to ask for; the first
            folder is looked into anyway.
    """
    cases: list[CasePlan] = []
    aside: list[PassedOver | Refused] = list(listing.aside)
    tops = _from_where_it_stopped(listing.tops, memory.after)
    asked = looked = 0
    while looked < len(tops) and (looked == 0 or has_time(asked)):
        for found in listing.found_in(tops[looked]):
            if isinstance(found, CaseFolder):
                cases.append(plan_case(found, memory.entries.get(found.key), world))
                asked += len(cases[-1].requests)
            else:
                aside.append(found)
        looked += 1
    left = tops[looked:]
    return Plan(
        tuple(sorted(cases, key=lambda case: case.found.path)),
        tuple(sorted(aside, key=lambda found: found.path)),
        Memory(_remembered(memory, cases, aside, left, world), tops[looked - 1].path if left else None),
        not left,
    )


def plan_case(found: CaseFolder, entry: Entry | None, world: World) -> CasePlan:
    """Plan what is due for one case that a scan found."""
    standing = world.standing_of(found.key)
    case = None if standing is None else standing.case
    requested = None if case is None or case.state in _UNASKED else case.fingerprint
    seen = _seen(found, entry, requested, world)
    if seen.first_seen is not None:
        return _waiting(found, case, seen, _changing(found, "they have been the same for a while"), world)
    if standing is not None and requested == found.fingerprint:
        return _going_on(found, standing, seen, world)
    if _is_at_work(found.key, standing, world.runs):
        return _waiting(found, case, seen, _changing(found, "the run that is at work has ended"), world)
    failure, beams = _judged(found, world)
    if isinstance(failure, PendingBeamFailure):
        return _waiting(found, case, seen, failure, world)
    if case is None or case.state in _UNASKED:
        change, attempt = MakeReady(found.fingerprint), 1 if case is None else case.attempt
    else:
        change, attempt = ReopenCase("new_fingerprint", found.fingerprint), case.attempt + 1
    asked = Request("manifest", found.key, found.room, found.fingerprint, attempt)
    return CasePlan(found, "ready", (Turn(change, asked),), seen, failure, beams)


def _seen(found: CaseFolder, entry: Entry | None, requested: str | None, world: World) -> Entry:
    """The case as it is remembered after this look; with `first_seen` while its content may still change."""
    marker = "" if found.marker is None else found.marker.digest
    accepted = Entry(found.fingerprint, marker, None)
    if entry is None:
        # Nobody knows by which marker an earlier content was asked for, once the memory is lost.
        is_new_to_us, since = requested in (None, found.fingerprint), None
    else:
        is_new_to_us, since = entry.marker != marker, entry.first_seen
        if entry.fingerprint == found.fingerprint and since is None:
            return entry
    if is_new_to_us or requested == found.fingerprint:
        return accepted
    now = int(world.now.timestamp())
    is_same = entry is not None and entry.fingerprint == found.fingerprint
    first_seen = min(now, since) if is_same and since is not None else now
    if now - first_seen >= world.policy.quiet.total_seconds():
        return accepted
    return Entry(found.fingerprint, marker, first_seen)


def _going_on(found: CaseFolder, standing: Standing, seen: Entry, world: World) -> CasePlan:
    """The next stages of a case with the content that it was asked for with."""
    turns = planned_stages(standing, world.runs, world.policy, world.now)
    failure = beams = None
    if any(turn.request is not None and turn.request.stage == "manifest" for turn in turns):
        failure, beams = _judged(found, world)
        if isinstance(failure, PendingBeamFailure):
            return _waiting(found, standing.case, seen, failure, world)
    is_asked = any(turn.request is not None for turn in turns)
    return CasePlan(found, "ready" if is_asked else "current", turns, seen, failure, beams)


def _waiting(
    found: CaseFolder, case: Case | None, seen: Entry, reason: PendingBeamFailure, world: World
) -> CasePlan:
    """A case that waits; its row says so where it has no further to go."""
    told = case is not None and (case.status, case.failure_code, case.failure_message) == (
        CaseState.WAITING,
        reason.code,
        reason.message,
    )
    may_wait = case is None or (case.state in _MAY_WAIT and found.key not in world.runs.busy)
    turns = (Turn(Wait(reason), None),) if may_wait and not told else ()
    return CasePlan(found, "waiting", turns, seen, reason)


def _judged(found: CaseFolder, world: World) -> tuple[BeamFailure | None, tuple[int, ...] | None]:
    """Why the case waits or is going to fail, None for a sound one; and its beams, if that is known."""
    judgement = world.judge(found)
    failure = judgement.outcome if isinstance(judgement.outcome, BeamFailure) else None
    is_young = found.marker is not None and world.now - found.marker.modified <= world.policy.marker_grace
    if failure is not None and failure.code == "missing_rtplan" and is_young:
        failure = beam_failure("missing_rtplan", failure.message, category="pending")
    if judgement.plan is None:
        return failure, None
    return failure, tuple(beam.treatment_index for beam in judgement.plan.treatment_beams)


def _changing(found: CaseFolder, until: str) -> PendingBeamFailure:
    return PendingBeamFailure(
        "content_changing",
        f"Files of {shown(found.path)} have changed, and the case waits until {until}; renew its marker once"
        " all files are there.",
    )


def _is_at_work(key: str, standing: Standing | None, runs: Runs) -> bool:
    beams = () if standing is None else standing.beams
    of_beams = f"{key}|"
    return any(busy == key or busy.startswith(of_beams) for busy in runs.busy) or any(
        beam.run_id in runs.active for beam in beams
    )


def _from_where_it_stopped(tops: Sequence[Top], after: str | None) -> list[Top]:
    if after is None:
        return list(tops)
    return [top for top in tops if top.path > after] + [top for top in tops if top.path <= after]


def _remembered(
    memory: Memory,
    cases: Sequence[CasePlan],
    aside: Sequence[PassedOver | Refused],
    left: Sequence[Top],
    world: World,
) -> dict[str, Entry]:
    """The cases that were found, and of the others those that may still be there."""
    entries = {case.found.key: case.entry for case in cases}
    unknown = {found.key for found in aside if isinstance(found, Refused)}
    not_looked_at = {top.path for top in left}
    for key, entry in memory.entries.items():
        if key in entries:
            continue
        if key in unknown:
            entries[key] = entry
        elif not_looked_at:
            standing = world.standing_of(key)
            if standing is not None and top_of(standing.case.case_path) in not_looked_at:
                entries[key] = entry
    return entries
