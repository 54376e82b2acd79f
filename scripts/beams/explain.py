"""`explain`: what cases come to as they lie there, and what is next. Writes nothing."""

import argparse
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from assets.beams.case_input import Judgement, judge_case
from assets.beams.explanation import ExplainedBeam, Explanation, explanation, unjudged
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.folder_shapes import MARKER
from assets.beams.keys import require_key_part, shown
from assets.beams.listing import CaseFolder, ScanRoot
from assets.beams.registry.rows import Case, find_case
from scripts.beams.desk import Desk
from scripts.terminal.answers import Answer

if TYPE_CHECKING:
    from rich.console import RenderableType


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("cases", nargs="+", metavar="CASE", help="the key of a case, registered or not")


def carry_out(desk: Desk, options: argparse.Namespace) -> Answer:
    """Judge each case.

    Raises:
        BeamFailure: `bad_case_id`, before anything is looked at.
        NoSuchCase: no folder is the case of a key.
    """
    keys = [require_key_part(key) for key in options.cases]
    scan_root = ScanRoot(desk.settings.scan_root)
    found = [_found(scan_root, key) for key in keys]
    with desk.reading() as connection:
        rows = [find_case(connection, key) for key in keys]
    return Answer([_explained(desk, *one) for one in zip(keys, found, rows, strict=True)])


def view(answer: Answer) -> "Iterator[RenderableType]":
    """A paragraph for each case, with its problems, fractions and beams."""
    for told in answer.document:
        yield from _case_view(told)


def _found(scan_root: ScanRoot, key: str) -> CaseFolder | BeamFailure:
    try:
        return scan_root.find(key)
    except BeamFailure as refusal:
        return refusal


def _explained(desk: Desk, key: str, found: CaseFolder | BeamFailure, case: Case | None) -> Explanation:
    settings, now = desk.settings, desk.clock()
    if isinstance(found, BeamFailure):
        return unjudged(key, found, room=None, most_retries=settings.max_retries)
    judgement = judge_case(found.folder, key, settings.rules(), room=found.room, now=now)
    return explanation(
        key,
        judgement,
        room=found.room,
        case=case,
        is_unchanged=case is not None and case.fingerprint == found.fingerprint,
        most_retries=settings.max_retries,
        waits_for=_waits_for(found, judgement, settings.marker_grace, now),
    )


def _waits_for(
    found: CaseFolder, judgement: Judgement, grace: timedelta, now: datetime
) -> BeamFailure | None:
    """What keeps the manifest of a case from being asked for, as the planner of scans sees it."""
    if found.marker is None:
        return beam_failure(
            "no_marker",
            f"{shown(found.path)} has no marker {MARKER}, so nothing of it is looked at by a scan; create it"
            " when everything is copied.",
        )
    outcome = judgement.outcome
    is_young = now - found.marker.modified < grace
    if isinstance(outcome, BeamFailure) and outcome.code == "missing_rtplan" and is_young:
        return beam_failure("missing_rtplan", outcome.message, category="pending")
    return None


def _case_view(told: Explanation) -> "Iterator[RenderableType]":
    from scripts.terminal.layout import facts, heading, sentence, table

    yield heading(told["case"])
    yield facts(
        {
            "state": told["state"],
            "code": told["code"],
            "room": told["room"],
            "gantry": told["gantry"],
            "warnings": ", ".join(told["warnings"]),
            "next": told["next"],
        }
    )
    for problem in told["problems"]:
        yield sentence(f"  {problem['code']}: {problem['message']}")
    if told["fractions"]:
        yield heading("Fractions")
        yield table(
            ("#fraction", "status", "deliveries", "missing beams", "doubled beams"),
            (
                [
                    fraction["index"],
                    fraction["status"],
                    ", ".join(fraction["deliveries"]),
                    _listed(fraction["missing"]),
                    _listed(fraction["duplicate"]),
                ]
                for fraction in told["fractions"]
            ),
        )
    if told["beams"]:
        yield heading("Beams")
        yield table(
            ("#beam", "name", "#DICOM number", "#place in plan", "folder", "#layers", "reference"),
            ([*_beam_cells(beam), _reference(told, beam)] for beam in told["beams"]),
        )


def _beam_cells(beam: ExplainedBeam) -> list[object]:
    return [
        beam["treatment_index"],
        beam["name"],
        beam["dicom_number"],
        beam["plan_position"],
        beam["folder"],
        beam["layers"],
    ]


def _reference(told: Explanation, beam: ExplainedBeam) -> str | None:
    reference = told["reference"].get(str(beam["treatment_index"]))
    return reference and reference["delivery"]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
