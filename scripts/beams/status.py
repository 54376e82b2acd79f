"""`status`: every case and beam of the registry, with how far it is and what is wrong with it."""

import argparse
import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from assets.beams.registry.instants import moment_of
from assets.beams.registry.rows import Beam, Case, all_cases, beams_of
from scripts.beams.desk import Desk
from scripts.terminal.answers import Answer

if TYPE_CHECKING:
    from rich.console import RenderableType


def add_options(_: argparse.ArgumentParser) -> None:
    """There are none."""


def carry_out(desk: Desk, _: argparse.Namespace) -> Answer:
    """List cases and beams by key; an absent registry has none."""
    now = desk.clock()
    with desk.reading() as connection:
        cases = all_cases(connection)
        beams = [beam for case in cases for beam in beams_of(connection, case.case_key)]
    return Answer(
        {"cases": [_case(case, now) for case in cases], "beams": [_beam(beam, now) for beam in beams]}
    )


def view(answer: Answer) -> "Iterator[RenderableType]":
    """A table of cases and one of beams; the message of a failure stands below them."""
    from scripts.terminal.layout import heading, sentence, table

    cases, beams = answer.document["cases"], answer.document["beams"]
    if not cases:
        yield sentence("No case is registered; `scan` registers those under the scan root.")
        return
    yield heading("Cases")
    yield table(("case", "room", *_COMMON), ([case["case"], case["room"], *_cells(case)] for case in cases))
    if beams:
        yield heading("Beams")
        yield table(("beam", "name", *_COMMON), ([_key(beam), beam["name"], *_cells(beam)] for beam in beams))
    for thing in (*cases, *beams):
        if thing["message"]:
            yield sentence(f"{_key(thing)}: {thing['message']}")


_COMMON: Final = ("status", "#progress", "#age", "#attempt", "code")


def _cells(thing: dict[str, Any]) -> list[object]:
    return [
        thing["status"],
        f"{thing['progress']:.0f} %",
        in_words(thing["age_seconds"]),
        thing["attempt"],
        thing["code"],
    ]


def _key(thing: dict[str, Any]) -> str:
    return f"{thing['case']}|{thing['treatment_index']}" if "treatment_index" in thing else thing["case"]


def in_words(seconds: float) -> str:
    """A length of time in its largest whole unit: `75 s`, `12 min`, `5 h`, `3 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _case(case: Case, now: datetime) -> dict[str, Any]:
    return {
        "case": case.case_key,
        "room": case.room,
        "path": case.case_path,
        **_standing(case, now),
        "fingerprint": case.fingerprint,
        "warnings": json.loads(case.warnings or "[]"),
        "completed_at": case.completed_at,
    }


def _beam(beam: Beam, now: datetime) -> dict[str, Any]:
    return {
        "case": beam.case_key,
        "beam_id": beam.beam_id,
        "treatment_index": beam.treatment_index,
        "dicom_number": beam.dicom_number,
        "plan_position": beam.plan_position,
        "name": beam.name,
        "folder": beam.folder,
        **_standing(beam, now),
        "run_id": beam.run_id,
        "engine": beam.engine,
    }


def _standing(row: Case | Beam, now: datetime) -> dict[str, Any]:
    """What cases and beams have in common. The age is the time since anything of the row has changed."""
    return {
        "status": row.status,
        "progress": row.progress,
        "age_seconds": max(0.0, round((now - moment_of(row.updated_at)).total_seconds(), 3)),
        "attempt": row.attempt,
        "retry_count": row.retry_count,
        "code": row.failure_code,
        "category": row.failure_category,
        "phase": row.failure_phase,
        "message": row.failure_message,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }
