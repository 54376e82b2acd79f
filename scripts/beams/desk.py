"""What a command works with: settings, resources, registry, Dagster instance, clock.

Everything is made when it is first asked for, so that a key can be refused before any file is made, and
Dagster, which resources are made of, is loaded only where one is needed.
"""

import getpass
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Final, cast

from assets.beams.registry import schema
from assets.beams.settings import BeamSettings, settings_of, unknown_variables
from assets.failures import PermanentFailure
from resources.home import quintet_home
from scripts.dagster_home import named_dagster_home, prepare_dagster_home

if TYPE_CHECKING:
    from dagster import ConfigurableResource, DagsterInstance, DagsterRun

    from resources.compute_host import ComputeHost
    from resources.ledger import Ledger

REGISTRY: Final = "beams"


@dataclass(frozen=True)
class Desk:
    """One command's world."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The time, with a zone."""

    @cached_property
    def home(self) -> Path:
        """Quintet's home."""
        return quintet_home(self.environ)

    @property
    def user(self) -> str:
        """Who runs this process: the name, or the number of a user without one."""
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return str(os.getuid())

    @property
    def unknown_variables(self) -> tuple[str, ...]:
        """A sentence for each variable that looks like a setting of beams and is none."""
        return unknown_variables(self.environ)

    @cached_property
    def settings(self) -> BeamSettings:
        """The settings of beams. Raises `PermanentFailure` with every wrong one."""
        return settings_of(self.environ, self.home)

    def require_settings(self) -> None:
        """Refuse wrong settings, also for a command that needs none. Raises as `settings` does."""
        settings_of(self.environ, self.home)

    @cached_property
    def resources(self) -> "Mapping[str, ConfigurableResource]":
        """The resources of this deployment. Raises `PermanentFailure` where a setting of theirs is wrong."""
        from resources.deployments import resources_for

        try:
            return resources_for(environ=self.environ)
        except ValueError as error:
            raise PermanentFailure(str(error)) from None

    @property
    def ledger(self) -> "Ledger":
        """Where the registry lies."""
        return cast("Ledger", self.resources["ledger"])

    @property
    def compute_host(self) -> "ComputeHost":
        """Where engines run."""
        return cast("ComputeHost", self.resources["compute_host"])

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The registry, to read. One that does not exist is empty, and no file is made."""
        from resources.ledger import LedgerAbsent

        try:
            opened = self.ledger.open_raw_db(REGISTRY)
        except LedgerAbsent:
            opened = self.ledger.open_memory_db()
        with closing(opened) as connection:
            if schema.version_of(connection) > 0:
                schema.require_known(connection)
                yield connection
                return
        with closing(self.ledger.open_memory_db()) as empty:
            schema.migrate(empty)
            yield empty

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The registry, to write: made if there is none, at today's schema."""
        with closing(self.ledger.open_db(REGISTRY)) as connection:
            schema.migrate(connection)
            yield connection

    @contextmanager
    def instance(self) -> "Iterator[DagsterInstance]":
        """The Dagster instance of `DAGSTER_HOME`, by default in Quintet's home; made when absent."""
        from dagster import DagsterInstance

        home = prepare_dagster_home(self.environ)
        with named_dagster_home(home), DagsterInstance.from_config(str(home)) as instance:
            yield instance


def active_runs(instance: "DagsterInstance") -> "Collection[DagsterRun]":
    """Every run of the instance that is queued or at work; one that was never launched is neither."""
    from assets.beams.steps import runs_under_way

    return runs_under_way(instance)
