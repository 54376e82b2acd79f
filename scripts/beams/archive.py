"""`archive`: cases whose input is long gone lose their partitions; rows and output stay where they are."""

import argparse
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Final

from assets.beams.keys import field_key
from assets.beams.registry import archiving
from assets.beams.registry.archiving import StillAtWork
from assets.beams.registry.rows import Case, all_cases
from assets.beams.registry.steps import Request
from assets.failures import PermanentFailure
from scripts.beams.desk import Desk, active_runs
from scripts.terminal.answers import Answer

if TYPE_CHECKING:
    from rich.console import RenderableType

DAYS: Final = 90


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument(
        "--days", type=int, default=DAYS, help=f"how long the input must be gone (default: {DAYS})"
    )


def carry_out(desk: Desk, options: argparse.Namespace) -> Answer:
    """Note which inputs are gone, and archive the cases whose input was first missed so long ago.

    To be run every day or week: the days count from the first time that it does not find the input.

    Raises:
        PermanentFailure: the scan root is not there, so that every input would count as gone.
    """
    settings, by = desk.settings, Request(desk.user, "archive")
    if not settings.scan_root.is_dir():
        raise PermanentFailure(
            f"The scan root {settings.scan_root} is not there, so nothing is said of any input; mount it, or"
            " set BEAMS_SCAN_ROOT."
        )
    archived: list[str] = []
    waiting: list[dict[str, object]] = []
    notes: list[str] = []
    with desk.instance() as instance, desk.writing() as connection:
        runs = frozenset(run.run_id for run in active_runs(instance))
        for case, gone in _gone(connection, settings.scan_root, by, desk.clock()):
            if gone < timedelta(days=options.days):
                waiting.append({"case": case.case_key, "path": case.case_path, "days": gone.days})
                continue
            try:
                indexes = archiving.archive(connection, case.case_key, runs, by, desk.clock())
            except StillAtWork as refused:
                notes.append(str(refused))
                continue
            for index in indexes:
                instance.delete_dynamic_partition("beam_fields", field_key(case.case_key, index))
            instance.delete_dynamic_partition("beam_cases", case.case_key)
            archived.append(case.case_key)
    return Answer({"archived": archived, "gone": waiting}, notes=tuple(notes))


def view(answer: Answer) -> "Iterator[RenderableType]":
    """A sentence for each case that has no input any more."""
    from scripts.terminal.layout import sentence

    for case in answer.document["archived"]:
        yield sentence(f"{case} is archived: its partitions are gone, its rows and its output stay.")
    for case in answer.document["gone"]:
        yield sentence(f"{case['case']} has had no input for {case['days']} days ({case['path']}).")
    if not (answer.document["archived"] or answer.document["gone"]):
        yield sentence("Every case has its input, or is archived.")


def _gone(
    connection: Connection, scan_root: Path, by: Request, now: datetime
) -> Iterator[tuple[Case, timedelta]]:
    """The cases that are not archived and have no input, each with how long that is known."""
    for case in all_cases(connection):
        is_there = (scan_root / case.case_path).is_dir()
        since = archiving.note_presence(connection, case.case_key, is_there=is_there, by=by, now=now)
        if since is not None:
            yield case, now - since
