"""What the assets of beams share on Dagster's side: the site of a run, its tags, its failures.

A run that the sensor asked for names the attempt in a tag. Any other run was launched by a person, and so
was one that repeats another (its tags are copies): it is a rerun.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import dagster as dg

from assets.beams.registry.claiming import Run
from assets.beams.run_requests import ATTEMPT_TAG, BEAM_TAG, CASE_TAG, ROOM_TAG
from assets.retries import Patience, translated_failures
from resources.ledger import Ledger

if TYPE_CHECKING:
    from assets.beams.stages.site import Site

_PARENT_TAG: Final = "dagster/parent_run_id"
_ONCE: Final = Patience(retries=0, looks=0)
"""The registry counts attempts, over runs, and the sensor asks for the next one when it is due."""

# A run that was made and never launched counts for nothing: it would block its beam for ever.
_UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def runs_under_way(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    """Every run of an instance that is queued or at work."""
    return instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))


def active_runs(instance: dg.DagsterInstance) -> frozenset[str]:
    """The ids of all runs that are queued or at work."""
    return frozenset(run.run_id for run in runs_under_way(instance))


@contextmanager
def site_of(context: dg.AssetExecutionContext, ledger: Ledger) -> Iterator["Site"]:
    """The site of a run's step, and what becomes of the failures that leave it.

    Raises:
        dagster.Failure: the settings are refused, or the step failed; the description is its sentence.
    """
    from assets.beams.settings import settings_of, unknown_variables
    from assets.beams.stages.site import Site

    with translated_failures(context, _ONCE):
        # Every deployment keeps ledgers below the home folder, `test` in a scratch one.
        settings = settings_of(os.environ, Path(ledger.folder).parent)
        for warning in unknown_variables(os.environ):
            context.log.warning("%s", warning)
        yield Site(settings, ledger, _run_of(context), lambda: datetime.now(UTC), context.log.info)


def tag_run(context: dg.AssetExecutionContext, **tags: str | None) -> None:
    """Give a run that a person launched the tags by which runs are found."""
    names = {"case": CASE_TAG, "room": ROOM_TAG, "beam_id": BEAM_TAG}
    new = {names[name]: value for name, value in tags.items() if value}
    if new.items() - context.run.tags.items():
        context.instance.add_run_tags(context.run.run_id, new)


def _run_of(context: dg.AssetExecutionContext) -> Run:
    tags, run_id = context.run.tags, context.run.run_id
    asked = None if _PARENT_TAG in tags else tags.get(ATTEMPT_TAG)
    return Run(
        id=run_id,
        attempt=None if asked is None else int(asked),
        active=active_runs(context.instance) - {run_id},
        actor=tags.get("dagster/user") or "dagster",
    )
