"""The judgement of a case folder: plan, text files, identity, window, join, reference, in this order.

It is made anew from the disk and the clock each time, keeps nothing and writes nothing. A case is judged as a
whole: either everything that its manifest says is certain, or there is a failure and no case. The first
problem in the order of judgement gives the failure its code; all problems of the same step are listed with
it, and no later step is taken.

Not here: which folder is a case and whether it is due, and how long a young marker may lack its plan (the
planner); the manifest and the log folders (`case_manifest`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, Literal

from assets.beams.case_warnings import CaseWarning, case_warnings
from assets.beams.deliveries import CaseFolders, DeliveryRecord, case_folders, read_delivery
from assets.beams.failures import BeamFailure, beam_failure, first_of
from assets.beams.fractions import Fraction, fractions_of
from assets.beams.identity import identified, identity_problems
from assets.beams.join import JoinedDelivery, joined, overlap_problems
from assets.beams.keys import require_key_part, shown
from assets.beams.machines import Machine, machine
from assets.beams.plan import Plan, read_plan
from assets.beams.reference import References, references_of
from assets.beams.timestamps import iso_utc


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a judgement."""

    window: timedelta
    """How long a fraction stays open after its first delivery."""
    zone: tzinfo
    """Where the clocks of the machines are set."""
    machine_of: Callable[[int], Machine] = machine
    """The machine of a gantry."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedCase:
    """A case of which everything is certain: what its manifest says."""

    key: str
    folder: Path
    plan: Plan
    machine: Machine
    fractions: tuple[Fraction, ...]
    deliveries: tuple[JoinedDelivery, ...]
    """Of all fractions, by time."""
    references: References
    ignored_folders: tuple[str, ...]
    """Folders of the case that are no delivery folders."""
    warnings: tuple[CaseWarning, ...]

    @property
    def warning_codes(self) -> tuple[str, ...]:
        """The codes of the warnings, each once."""
        return tuple(dict.fromkeys(warning.code for warning in self.warnings))

    def reference_of(self, treatment_index: int) -> JoinedDelivery:
        """The delivery whose logs are simulated for a treatment beam."""
        wanted = self.references.by_treatment_index[treatment_index].delivery
        return next(joined for joined in self.deliveries if joined.delivery is wanted)

    def deliveries_of(self, treatment_index: int) -> tuple[JoinedDelivery, ...]:
        """Every delivery of a treatment beam, by time."""
        return tuple(
            joined for joined in self.deliveries if joined.delivery.beam.treatment_index == treatment_index
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a case folder came to, and what was certain on the way there."""

    outcome: JudgedCase | BeamFailure
    """A pending failure: the case waits. Any other: it failed, with every problem of that step."""
    plan: Plan | None
    """None where it is the plan that was refused."""
    ignored_folders: tuple[str, ...]
    fractions: tuple[Fraction, ...]
    """Empty where a delivery was refused before its fraction could be known."""

    @property
    def state(self) -> Literal["ready", "waiting", "failed"]:
        """The outcome in one word."""
        if isinstance(self.outcome, JudgedCase):
            return "ready"
        return "waiting" if self.outcome.category == "pending" else "failed"

    @property
    def closes(self) -> datetime | None:
        """When the last open window closes, in UTC; None where none is waited for."""
        return max((fraction.closes for fraction in _pending(self.fractions)), default=None)

    def required_case(self) -> JudgedCase:
        """The case.

        Raises:
            BeamFailure: the failure that it is instead.
        """
        if isinstance(self.outcome, BeamFailure):
            raise self.outcome
        return self.outcome


def judge_case(folder: Path, key: str, rules: Rules, *, room: str | None, now: datetime) -> Judgement:
    """Judge a case folder as it lies on the disk at this moment.

    Args:
        folder: the case folder, which is no link.
        key: the key of the case, as `keys.case_key` makes it.
        rules: window, zone and machines.
        room: the room folder above the case, `G1` or `G2`; None where there is none.
        now: the clock, with a zone.

    Returns:
        The judgement; a `BeamFailure` is an outcome and is not raised. A folder or file that cannot be read
        is `unreadable_dir`, pending: it may be readable at the next try.

    Raises:
        PermanentFailure: the machine constants that ship with this package are refused.
    """
    plan: Plan | None = None
    ignored: tuple[str, ...] = ()
    fractions: tuple[Fraction, ...] = ()
    try:
        require_key_part(key)
        plan = read_plan(folder, room=room)
        folders = case_folders(folder)
        ignored = folders.ignored
        records = _records(folder, folders, plan, rules)
        machine = rules.machine_of(plan.gantry)
        deliveries = [identified(record, key, plan, machine, rules.zone) for record in records]
        numbers = [beam.dicom_number for beam in plan.treatment_beams]
        fractions = fractions_of(deliveries, numbers, rules.window, now)
        _require_closed(fractions)
        outcome = _judged(key, folder, plan, machine, fractions, ignored)
    except BeamFailure as failure:
        outcome = failure
    except OSError as error:
        outcome = _unreadable(folder, error)
    return Judgement(outcome, plan, ignored, fractions)


def _records(case_folder: Path, folders: CaseFolders, plan: Plan, rules: Rules) -> list[DeliveryRecord]:
    """All deliveries, none of which has a problem with its text files or its identity."""
    problems: list[BeamFailure] = [_linked(name) for name in folders.linked]
    if not folders.deliveries and not problems:
        raise beam_failure(
            "missing_deliveries",
            f"{shown(case_folder.name)} has no delivery folder (one with a PlanInfo.txt or a *.ptn); copy the"
            " deliveries into the folder of the case.",
        )
    records: list[DeliveryRecord] = []
    for folder in folders.deliveries:
        try:
            records.append(read_delivery(folder))
        except BeamFailure as failure:
            problems.extend(failure.problems)
    problems.sort(key=lambda problem: _TEXT_FILE_ORDER.index(problem.code))
    problems += identity_problems(records, plan, rules.machine_of(plan.gantry), rules.zone)
    if problems:
        raise first_of(problems)
    return records


_TEXT_FILE_ORDER: Final = (
    "symlinked_case",
    "missing_planinfo",
    "planinfo_invalid",
    "missing_planrange",
    "planrange_invalid",
)


def _linked(name: str) -> BeamFailure:
    return beam_failure(
        "symlinked_case",
        f"The folder {shown(name)} is a link, which is never followed; copy what it points to, or remove it.",
    )


def _pending(fractions: Sequence[Fraction]) -> list[Fraction]:
    return [fraction for fraction in fractions if fraction.status == "pending"]


def _require_closed(fractions: Sequence[Fraction]) -> None:
    if pending := _pending(fractions):
        last = pending[-1]
        raise beam_failure(
            "fraction_window_open",
            f"Fraction {last.index}, begun with {shown(last.deliveries[0].folder)}, lacks beam"
            f" {', '.join(map(str, last.missing))} and is open until {iso_utc(last.closes)}; wait until then,"
            " or add the missing deliveries.",
        )


def _judged(
    key: str,
    folder: Path,
    plan: Plan,
    machine: Machine,
    fractions: tuple[Fraction, ...],
    ignored: tuple[str, ...],
) -> JudgedCase:
    deliveries = joined([delivery for fraction in fractions for delivery in fraction.deliveries])
    if overlaps := list(overlap_problems(deliveries)):
        raise first_of(overlaps)
    references = references_of(fractions, plan.treatment_beams)
    return JudgedCase(
        key=key,
        folder=folder,
        plan=plan,
        machine=machine,
        fractions=fractions,
        deliveries=deliveries,
        references=references,
        ignored_folders=ignored,
        warnings=case_warnings(plan, fractions, deliveries, references),
    )


def _unreadable(folder: Path, error: OSError) -> BeamFailure:
    what = Path(error.filename).name if isinstance(error.filename, str) else folder.name
    return beam_failure(
        "unreadable_dir",
        f"{shown(what)} in the case {shown(folder.name)} cannot be read ({error.strerror}); the case waits"
        " until it can: check permissions and the network share.",
    )
