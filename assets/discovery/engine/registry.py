"""What a run uses: handles of the resources, the jobs with their handlers, a clock, a way to stop it.

The shapes that the engine needs of the resources are protocols here, so that it can be run without Dagster.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from time import time_ns
from typing import Any, Final, Protocol
from uuid import uuid4

from assets.discovery.handler_modules import Handler
from assets.discovery.job_model import Job, JobsFile
from assets.discovery.job_plans import job_plans
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.urls import canonical_url
from assets.discovery.web import Web

LEDGER: Final = "discovery"
"""The name of the ledger: `discovery.sqlite` in the folder of the `ledger` resource."""


def utc_now() -> int:
    """Milliseconds UTC."""
    return time_ns() // 1_000_000


class Ledgers(Protocol):
    """The `ledger` resource: SQLite files by name."""

    def open_db(self, name: str) -> sqlite3.Connection:
        """A connection to read and write."""
        ...

    def open_raw_db(self, name: str) -> sqlite3.Connection:
        """A connection to read."""
        ...

    def path(self, name: str) -> Path:
        """The file of a ledger."""
        ...


class Webs(Web, Protocol):
    """The `http` resource: the web, or recordings of it."""

    def replaying(self, folder: str | Path, canonical: Callable[[str], str]) -> Web:
        """A handle that answers from a folder alone."""
        ...


def _none_ended(_runs: Collection[str]) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class ResourceRegistry:
    """What a run uses.

    Args:
        ledgers: the `ledger` resource.
        jobs: the jobs file.
        handlers: the handlers of all its stages, by the names of their modules.
        webs: the `http` resource.
        object_store: the `object_store` resource.
        environment: where references to secrets are resolved.
        clock: milliseconds UTC.
        run_id: the run that this is; a Dagster run's id, or one of its own.
        stop: set to end the run: running handlers get `grace_s`, everything else is given back.
        ended_runs: of the Dagster runs that hold leases, those that have ended.
        ledger: the name of the ledger.
        upstream_ledger: the name of the ledger with the results of other jobs, if that is another one.
    """

    ledgers: Ledgers
    jobs: JobsFile
    handlers: Mapping[str, Handler]
    webs: Webs
    object_store: Any = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], int] = utc_now
    run_id: str = field(default_factory=lambda: uuid4().hex)
    stop: Event = field(default_factory=Event)
    ended_runs: Callable[[Collection[str]], Collection[str]] = _none_ended
    ledger: str = LEDGER
    upstream_ledger: str | None = None

    @property
    def plans(self) -> dict[str, JobPlan]:
        """All jobs as the ledger needs them."""
        return job_plans(self.jobs, self.handlers)

    def web_of(self, job: Job) -> Web:
        """The web as a job sees it: its recordings if it has any, from their first answers on.

        Raises:
            ValueError: the recordings cannot be read; the sentence names the file and line.
        """
        folder = job.replay_folder
        return self.webs if folder is None else self.webs.replaying(folder, canonical_url)
