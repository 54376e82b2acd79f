"""What the Dagster instance of this machine knows of runs and of recorded items.

It is only asked, and only where there is one: a command makes no instance.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resources.home import quintet_home
from scripts.dagster_home import dagster_home, named_dagster_home

if TYPE_CHECKING:
    from dagster import DagsterInstance

_log = logging.getLogger("quintet.discovery")


@contextmanager
def dagster_instance(environment: Mapping[str, str]) -> "Iterator[DagsterInstance | None]":
    """The instance in `DAGSTER_HOME`, else in `dagster` of Quintet's home; `None` if there is none.

    One that does not answer is none either, with a warning: discovery goes on without Dagster.
    """
    home = dagster_home(environment, quintet_home(environment))
    if not (home / "dagster.yaml").is_file():
        yield None
        return
    with named_dagster_home(home), ExitStack() as opened:
        yield _opened(home, opened)


def _opened(home: Path, opened: ExitStack) -> "DagsterInstance | None":
    from dagster import DagsterInstance

    try:
        return opened.enter_context(DagsterInstance.from_config(str(home)))
    except Exception as error:  # noqa: BLE001 - whichever storage it has raises errors of its own.
        _log.warning("the Dagster instance in %s does not answer: %s", home, error)
        return None


def ended_runs(instance: "DagsterInstance | None", run_ids: Collection[str]) -> frozenset[str]:
    """Of these runs, those of Dagster that have ended. It knows none of those of the command line."""
    if instance is None or not run_ids:
        return frozenset()
    from assets.discovery import steps

    return frozenset(steps.ended_runs(instance, run_ids))


def recorded_partitions(instance: "DagsterInstance", job: str) -> frozenset[str]:
    """The partitions of a job's items that are recorded as materialised."""
    from assets.discovery.checks import items_key

    return frozenset(instance.get_materialized_partitions(items_key(job)))
