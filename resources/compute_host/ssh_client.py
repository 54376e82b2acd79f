"""Getting in by SSH: a pinned host key, one key of ours, and our errors for paramiko's.

Not here: what is done over the connection (`ssh_connection`).
"""

import logging
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.common import MSG_CHANNEL_REQUEST
from paramiko.hostkeys import InvalidHostKey
from paramiko.pkey import UnknownKeyType

from resources.compute_host.errors import HostError, HostUnreachable

_KEEPALIVE_SECONDS: Final = 30
_BAD_KEY: Final = (
    ValueError,
    TypeError,
    paramiko.SSHException,
    UnknownKeyType,
    UnsupportedAlgorithm,
)

# What it logs of a broken connection, our errors say; without any handler it would be printed.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where to knock, and with what."""

    host: str
    port: int
    user: str
    key_file: Path
    known_hosts: Path

    @property
    def name(self) -> str:
        """`<host>:<port>`."""
        return f"{self.host}:{self.port}"


def _keep_signal(channel: Any, message: paramiko.Message) -> None:
    start = message.packet.tell()
    if message.get_text() == "exit-signal":
        message.get_boolean()
        number = getattr(signal, f"SIG{message.get_text()}", 0)
        channel.get_transport().signals[channel.get_id()] = int(number)
    else:
        message.packet.seek(start)
        channel._handle_request(message)


class SignalKeepingTransport(paramiko.Transport):
    """Keeps the signal that ended a command, which paramiko (5.1) leaves unread."""

    _channel_handler_table: ClassVar[dict[int, Any]] = {
        **paramiko.Transport._channel_handler_table,  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
        MSG_CHANNEL_REQUEST: _keep_signal,
    }

    def __init__(self, sock: Any, **options: Any) -> None:
        super().__init__(sock, **options)
        # A command is several small messages; held back for each other they take 70 ms, so 13 (loopback).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.signals: dict[int, int] = {}
        """By the number of the channel; a signal without a number is 0."""


def connect(door: Door, timeout_s: float) -> paramiko.SSHClient:
    """Get in.

    Raises:
        HostError: the host's key is not known or another one, or ours does not open; `HostUnreachable` if it
            does not answer.
    """
    key = _private_key(door.key_file)
    client = paramiko.SSHClient()
    _load_known_hosts(client, door)
    client.set_missing_host_key_policy(_RefuseUnknown(door))
    began = time.monotonic()
    try:
        client.connect(
            door.host,
            door.port,
            door.user,
            pkey=key,
            allow_agent=False,
            look_for_keys=False,
            timeout=timeout_s,
            banner_timeout=timeout_s,
            auth_timeout=timeout_s,
            channel_timeout=timeout_s,
            transport_factory=SignalKeepingTransport,
        )
        if transport := client.get_transport():
            transport.set_keepalive(_KEEPALIVE_SECONDS)
    except (paramiko.SSHException, OSError, EOFError) as error:
        client.close()
        raise _why(error, door, time.monotonic() - began >= timeout_s) from None
    except BaseException:
        client.close()
        raise
    return client


def _why(error: Exception, door: Door, overdue: bool) -> HostError:
    """Judge why we did not get in."""
    if isinstance(error, paramiko.BadHostKeyException):
        return HostError(
            "host_key_changed",
            f"{door.name} has another host key than {door.known_hosts} says. Somebody may stand between; ask "
            "who runs the host, and only then put the new key there.",
        )
    if overdue or isinstance(error, TimeoutError):
        return HostUnreachable("ssh_timeout", f"{door.name} did not answer in time; look whether it is up.")
    # This one paramiko (5.1) also raises when the connection breaks meanwhile, and says so.
    if isinstance(error, paramiko.AuthenticationException) and "transport shut down" not in str(error):
        return HostError(
            "ssh_auth",
            f"{door.name} does not let the user {door.user!r} in with the key of {door.key_file}; put its "
            "public half into the authorized_keys there.",
        )
    return HostUnreachable("ssh_connect", f"{door.name} cannot be reached by SSH: {error or 'it hung up'}.")


class _RefuseUnknown(paramiko.RejectPolicy):
    """As its parent, with our error."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def missing_host_key(self, client: Any, hostname: Any, key: Any) -> NoReturn:
        door = self._door
        raise HostError(
            "host_key_unknown",
            f"{door.known_hosts} has no key of the host {hostname}; add it (ssh-keyscan -p {door.port} "
            f"{door.host}) after comparing it with who runs the host.",
        )


def _load_known_hosts(client: paramiko.SSHClient, door: Door) -> None:
    try:
        client.load_system_host_keys(str(door.known_hosts))
    except (OSError, ValueError, paramiko.SSHException, InvalidHostKey) as error:
        reason = (
            error.strerror if isinstance(error, OSError) and error.strerror else "it is not in OpenSSH's form"
        )
        raise HostError(
            "host_key_unknown",
            f"The file of host keys {door.known_hosts} (BEAMS_SSH_KNOWN_HOSTS) cannot be read: {reason}.",
        ) from None


def _private_key(path: Path) -> paramiko.PKey:
    """Read our key.

    Raises:
        HostError: it cannot be read, or not without a passphrase.
    """
    try:
        return paramiko.PKey.from_path(path)
    except OSError as error:
        reason = error.strerror or "it is no file"
    except _BAD_KEY:
        reason = "it is no private key of a kind that SSH uses, or it has a passphrase"
    # Raised out here, the error has no context: that of paramiko may hold the key.
    raise HostError("ssh_auth", f"The key {path} (BEAMS_SSH_KEY_FILE) cannot be used: {reason}.")
