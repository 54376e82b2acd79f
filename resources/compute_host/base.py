"""The one handle for the machine that engines run on.

Not here: what can be done in a session (`session`), and how each variant connects (`local`, `ssh`).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

import dagster as dg
from pydantic import Field

from resources.compute_host.connection import Connection
from resources.compute_host.errors import HostMisconfigured
from resources.compute_host.paths import checked_folder
from resources.compute_host.session import HostSession, Patience


class ComputeHost(dg.ConfigurableResource, ABC):
    """A Linux machine: commands, files below its work folder, and jobs that outlive us.

    It needs coreutils and util-linux (`setsid`, `flock`), and a POSIX login shell.
    """

    command_timeout_s: float = Field(default=60, gt=0, description="The longest that a command may take.")
    reconnect_s: float = Field(
        default=300, ge=0, description="How long what a broken connection interrupted is tried again."
    )
    first_wait_s: float = Field(default=1, gt=0, description="The wait before the first of these tries.")
    longest_wait_s: float = Field(default=30, gt=0, description="The longest of these waits, which double.")

    @property
    @abstractmethod
    def name(self) -> str:
        """What the host is called in records: `local`, or `<host>:<port>`."""

    @property
    @abstractmethod
    def is_remote(self) -> bool:
        """Whether files have to be sent there."""

    def workdir(self) -> PurePosixPath:
        """The folder on the host that all jobs and files are below.

        Raises:
            HostMisconfigured: it is not set, is relative, is the root, or has a part that no path may have.
        """
        try:
            folder = checked_folder(PurePosixPath(self._workdir()))
        except ValueError as error:
            raise HostMisconfigured(f"The work folder of the compute host cannot be used. {error}") from None
        if folder == PurePosixPath("/"):
            raise HostMisconfigured(
                "The work folder of the compute host cannot be /; name a folder of its own."
            )
        return folder

    @contextmanager
    def connect(self) -> Iterator[HostSession]:
        """Open a session, for one thread.

        Raises:
            HostMisconfigured: a setting is missing; nothing was asked.
            HostError: the host cannot be reached, or is not the one that was meant.
        """
        patience = Patience(self.command_timeout_s, self.reconnect_s, self.first_wait_s, self.longest_wait_s)
        with HostSession(self._open, self.workdir(), patience) as session:
            yield session

    @abstractmethod
    def _workdir(self) -> str:
        """The work folder as it is set."""

    @abstractmethod
    def _open(self) -> Connection:
        """Make a new connection."""
