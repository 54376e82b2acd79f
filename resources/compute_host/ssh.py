"""A machine behind OpenSSH as a compute host: the GPU host of a full installation.

Not here: the connection itself (`ssh_connection`).
"""

from pathlib import Path

from pydantic import Field

from resources.compute_host.base import ComputeHost
from resources.compute_host.connection import Connection
from resources.compute_host.errors import HostMisconfigured
from resources.compute_host.ssh_connection import Door, SshConnection


class SshHost(ComputeHost):
    """One key for one user of one host, whose own key is known beforehand; nothing is guessed.

    What is not set fails where it is used, never the load. The key has no passphrase.
    """

    host: str | None = Field(default=None, description="Name or address; from BEAMS_SSH_HOST.")
    port: int = Field(default=22, description="From BEAMS_SSH_PORT.")
    user: str | None = Field(default=None, description="From BEAMS_SSH_USER.")
    key_file: str | None = Field(default=None, description="The private key; from BEAMS_SSH_KEY_FILE.")
    known_hosts: str | None = Field(
        default=None, description="Keys of hosts, as OpenSSH keeps them; from BEAMS_SSH_KNOWN_HOSTS."
    )
    folder: str | None = Field(
        default=None, description="The work folder there, absolute; from BEAMS_SSH_WORKDIR."
    )
    connect_timeout_s: float = Field(default=30, gt=0, description="The longest that connecting may take.")

    @property
    def name(self) -> str:
        """`<host>:<port>`.

        Raises:
            HostMisconfigured: there is no host.
        """
        return f"{_given(self.host, 'BEAMS_SSH_HOST')}:{self.port}"

    @property
    def is_remote(self) -> bool:
        """Always."""
        return True

    def _workdir(self) -> str:
        return _given(self.folder, "BEAMS_SSH_WORKDIR")

    def _open(self) -> Connection:
        if not 1 <= self.port <= 65535:
            raise HostMisconfigured(f"BEAMS_SSH_PORT is {self.port}; a port is a number from 1 to 65535.")
        door = Door(
            host=_given(self.host, "BEAMS_SSH_HOST"),
            port=self.port,
            user=_given(self.user, "BEAMS_SSH_USER"),
            key_file=Path(_given(self.key_file, "BEAMS_SSH_KEY_FILE")).expanduser(),
            known_hosts=Path(_given(self.known_hosts, "BEAMS_SSH_KNOWN_HOSTS")).expanduser(),
        )
        return SshConnection(self.name, door, self.connect_timeout_s, self.command_timeout_s)


def _given(value: str | None, variable: str) -> str:
    if not value or not value.strip():
        raise HostMisconfigured(f"The compute host cannot be used over SSH: set {variable}.")
    return value.strip()
