"""What can go wrong with a compute host, whichever it is.

The codes are those of the phase `transfer`, under which the registry of beams keeps a failure; both variants
use the same ones, also where a code has the word ssh in it. No sentence holds key material, and no client's
exception is the cause of one of ours, which might.
"""

from typing import Final

CODES: Final = (
    "ssh_connect",
    "ssh_timeout",
    "sftp_eof",
    "checksum_mismatch",
    "remote_disk_full",
    "host_key_unknown",
    "host_key_changed",
    "ssh_auth",
)
"""All codes. The first five are worth another try; for the others a person has to change something."""

_FULL: Final = ("No space left on device", "Disk quota exceeded")
_DENIED: Final = ("Permission denied", "Operation not permitted", "Read-only file system")


class HostError(Exception):
    """A compute host did not do what was asked.

    `ssh_connect`: it cannot be reached, the connection broke, or its shell failed. `ssh_timeout`: no answer
    in time. `sftp_eof`: the connection broke during a transfer. `checksum_mismatch`: what arrived is not what
    was sent. `remote_disk_full`. `host_key_unknown`, `host_key_changed`: it does not prove to be the host
    that was meant. `ssh_auth`: it does not let us in, or not at that path.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class HostUnreachable(HostError):
    """The connection broke, or nothing came over it in time; what may be done twice is done again.

    Its code is `ssh_connect`, `ssh_timeout` or `sftp_eof`.
    """


class HostMisconfigured(ValueError):
    """A setting that the host needs is missing or wrong; nothing has been asked of it."""


def refusal(host: str, attempt: str, reason: str) -> HostError:
    """Judge why a host could not do something by the system's own words, which are English (LC_ALL=C)."""
    words = reason.strip().rsplit("\n", 1)[-1][-300:] or "no reason was given"
    if any(full in reason for full in _FULL):
        return HostError("remote_disk_full", f"{host} could not {attempt}: {words}. Make room there.")
    if any(denied in reason for denied in _DENIED):
        return HostError("ssh_auth", f"{host} could not {attempt}: {words}. Allow its user to.")
    return HostError("ssh_connect", f"{host} could not {attempt}: {words}.")
