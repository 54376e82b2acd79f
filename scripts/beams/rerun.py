"""`rerun`: another attempt of a case or a beam, which the next scan asks a run for."""

import argparse
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from assets.beams.failures import one_line
from assets.beams.keys import beam_id, parsed_field_key, require_key_part
from assets.beams.registry import reopening
from assets.beams.registry.reopening import NoAttempt, Reopening
from assets.beams.registry.rows import Beam, Case, beam_of, case_of
from assets.beams.registry.steps import Request
from assets.beams.run_requests import BEAM_TAG, CASE_TAG
from scripts.beams.desk import Desk, active_runs
from scripts.terminal.answers import Answer

if TYPE_CHECKING:
    from dagster import DagsterRun
    from rich.console import RenderableType

_PARTITION_TAG: Final = "dagster/partition"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.add_argument("key", metavar="KEY", help="a case, or one of its beams: 'CASE|INDEX', in quotes")
    parser.add_argument("--force", action="store_true", help="although all retries are used up")
    parser.add_argument("--reason", metavar="TEXT", help="why, for who looks at it later")


def carry_out(desk: Desk, options: argparse.Namespace) -> Answer:
    """Begin another attempt in the registry.

    Raises:
        BeamFailure: `bad_case_id`, before anything is looked at.
        Unregistered: the registry has no such case or beam; no file was made.
        NoAttempt: a run of it is queued or at work, or no retry is left.
        IllegalTransition: beams of the case stand in the way.
    """
    key: str = options.key
    beam = beam_id(*parsed_field_key(key)) if "|" in key else None
    case = parsed_field_key(key).case if "|" in key else require_key_part(key)
    settings = desk.settings
    with desk.reading() as connection:
        case_of(connection, case) if beam is None else beam_of(connection, beam)
    with desk.instance() as instance, desk.writing() as connection:
        runs = active_runs(instance)
        _refuse_queued(key, case, beam, runs)
        asked = Reopening(
            occasion="forced_rerun" if options.force else "rerun",
            by=Request(desk.user, options.reason and one_line(options.reason)),
            active_runs=frozenset(run.run_id for run in runs),
            most_retries=settings.max_retries,
        )
        reopened = (
            reopening.reopen_case(connection, case, asked, desk.clock())
            if beam is None
            else reopening.reopen_beam(connection, beam, asked, desk.clock())
        )
    return Answer(_document(key, reopened, asked))


def view(answer: Answer) -> "Iterator[RenderableType]":
    """One sentence."""
    from scripts.terminal.layout import sentence

    yield sentence(
        f"{answer.document['key']} is {answer.document['status']} in attempt {answer.document['attempt']};"
        " the next scan of beam_case_sensor asks for its run."
    )


def _refuse_queued(key: str, case: str, beam: str | None, runs: "Collection[DagsterRun]") -> None:
    """The registry knows the runs that have begun a step, and none that is queued or about to begin."""
    for run in runs:
        if _concerns(run, key, case, beam):
            raise NoAttempt(
                f"Run {run.run_id} of {key} is {run.status.value.lower()}: no other attempt begins beside it;"
                " wait for it or cancel it."
            )


def _concerns(run: "DagsterRun", key: str, case: str, beam: str | None) -> bool:
    """Whether a run is of the case; asked for a beam, runs of its other beams are not.

    Runs that the sensor asks for say so by tags; those that a person launched have their partition.
    """
    tagged, partition = run.tags.get(CASE_TAG), run.tags.get(_PARTITION_TAG, "")
    if tagged is None and run.asset_selection and all(of.path[0] != "beams" for of in run.asset_selection):
        return False  # Another pipeline may have a partition of this name.
    if case not in (tagged, partition, partition.rpartition("|")[0]):
        return False
    of_another = run.tags.get(BEAM_TAG, beam) != beam or ("|" in partition and partition != key)
    return beam is None or not of_another


def _document(key: str, reopened: Case | Beam, asked: Reopening) -> dict[str, object]:
    return {
        "key": key,
        "case": reopened.case_key,
        "treatment_index": reopened.treatment_index if isinstance(reopened, Beam) else None,
        "status": reopened.status,
        "attempt": reopened.attempt,
        "retry_count": reopened.retry_count,
        "forced": asked.occasion == "forced_rerun",
        "actor": asked.by.actor,
        "reason": asked.by.reason,
    }
