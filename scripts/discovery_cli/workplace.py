"""What a command works with: the jobs and their handlers, the resources, the ledger, a clock.

Everything is made when it is first asked for: `list` needs no resource, and Dagster, which those are made of,
takes longer to load than all the rest.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from sqlite3 import Connection
from typing import TYPE_CHECKING

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.engine.registry import ResourceRegistry, utc_now
from assets.discovery.handler_modules import Handler, import_handlers, with_bad_handlers
from assets.discovery.job_model import JobsFile
from assets.discovery.jobs_file import jobs_path, load_jobs
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.readers.jobs_today import JobToday, jobs_today, with_orphans

if TYPE_CHECKING:
    from resources.http import Http
    from resources.ledger import Ledger
    from resources.object_store import ObjectStore


@dataclass(frozen=True)
class Resources:
    """The resources that discovery uses."""

    ledger: "Ledger"
    http: "Http"
    object_store: "ObjectStore"


@dataclass(frozen=True)
class Workplace:
    """One command's world.

    Args:
        environment: the environment variables.
        clock: milliseconds UTC.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], int] = utc_now

    @cached_property
    def jobs_file(self) -> JobsFile:
        """The jobs. Raises `ConfigurationError` with every mistake in their file, and in their handlers."""
        path = jobs_path(self.environment)
        try:
            return load_jobs(path)
        except ConfigurationError as error:
            raise with_bad_handlers(error, path) from None

    @cached_property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers of all jobs. Raises `ConfigurationError` for modules that are none."""
        return import_handlers(self.jobs_file)

    @cached_property
    def registry(self) -> ResourceRegistry:
        """What runs and ledger functions use. Raises `ConfigurationError` where a setting is wrong."""
        jobs_file, handlers, resources = self.jobs_file, self.handlers, self.resources
        return ResourceRegistry(
            ledgers=resources.ledger,
            jobs=jobs_file,
            handlers=handlers,
            webs=resources.http,
            object_store=resources.object_store,
            environment=self.environment,
            clock=self.clock,
            ended_runs=self._ended_runs,
        )

    @cached_property
    def resources(self) -> Resources:
        """The resources of this deployment. Raises `ConfigurationError` where a setting is wrong."""
        from resources.deployments import resources_for

        try:
            made = resources_for(environ=self.environment)
        except ValueError as error:
            raise ConfigurationError([str(error)]) from None
        return Resources(made["ledger"], made["http"], made["object_store"])  # pyright: ignore[reportArgumentType] # the table has them by key, of any resource's type

    def plan(self, job: str) -> JobPlan:
        """A job of the jobs file as the ledger needs it."""
        return self.registry.plans[job]

    def today(self) -> list[JobToday]:
        """The jobs of the jobs file, as their readers need them."""
        return jobs_today(self.jobs_file, self.registry.plans)

    def all_jobs(self, connection: Connection) -> list[JobToday]:
        """The jobs of the jobs file, and those that only the ledger still knows."""
        return with_orphans(connection, self.today())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The ledger, to read. One that does not exist is empty, and no file is made."""
        from assets.discovery.ledger import schema
        from assets.discovery.readers.absent_ledger import as_empty
        from resources.ledger import LedgerAbsent

        registry, ledger = self.registry, self.resources.ledger
        try:
            opened = ledger.open_raw_db(registry.ledger)
        except LedgerAbsent:
            opened = ledger.open_memory_db()
        with closing(opened) as connection:
            if schema.version_of(connection) > 0:
                schema.require_known(connection)
                yield connection
                return
        with closing(ledger.open_memory_db()) as empty:
            yield as_empty(empty)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The ledger, to write: made if there is none, at today's schema and with today's jobs."""
        from assets.discovery.engine.run import open_ledger

        with closing(open_ledger(self.registry)) as connection:
            yield connection

    def _ended_runs(self, run_ids: Collection[str]) -> Collection[str]:
        from scripts.discovery_cli.dagster_runs import dagster_instance, ended_runs

        if not run_ids:
            return ()
        with dagster_instance(self.environment) as instance:
            return ended_runs(instance, run_ids)
