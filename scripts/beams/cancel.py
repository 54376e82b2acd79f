"""`cancel`: the end of a case that a person asks for. Its runs stop their engines and free their GPUs."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assets.beams.failures import one_line
from assets.beams.keys import require_key_part
from assets.beams.registry.cancelling import cancel_case
from assets.beams.registry.rows import beams_of, case_of
from assets.beams.registry.steps import Request
from scripts.beams.desk import Desk
from scripts.terminal.answers import Answer

if TYPE_CHECKING:
    from rich.console import RenderableType


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("case", metavar="CASE", help="the key of the case")
    parser.add_argument("--reason", metavar="TEXT", help="why, for who looks at it later")


def carry_out(desk: Desk, options: argparse.Namespace) -> Answer:
    """Cancel what no run has begun, and have the runs at work end by themselves.

    Raises:
        BeamFailure: `bad_case_id`, before anything is looked at.
        Unregistered: the registry has no such case; no file was made.
        IllegalTransition: nothing of the case has begun, or it has ended.
    """
    key = require_key_part(options.case)
    with desk.reading() as connection:
        case_of(connection, key)
    asked = Request(desk.user, options.reason and one_line(options.reason))
    with desk.writing() as connection:
        case = cancel_case(connection, key, asked, desk.clock())
        beams = beams_of(connection, key)
    return Answer(
        {
            "case": key,
            "status": case.status,
            "beams": [{"treatment_index": beam.treatment_index, "status": beam.status} for beam in beams],
            "actor": asked.actor,
            "reason": asked.reason,
        }
    )


def view(answer: Answer) -> "Iterator[RenderableType]":
    """One sentence."""
    from scripts.terminal.layout import sentence

    document = answer.document
    active = [
        beam for beam in document["beams"] if beam["status"] not in ("cancelled", "completed", "failed")
    ]
    rest = f"; {len(active)} of its beams are being stopped" if active else ""
    yield sentence(f"Case {document['case']} is {document['status']}{rest}.")
