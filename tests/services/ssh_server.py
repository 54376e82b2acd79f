"""A real OpenSSH server on a free port of 127.0.0.1, with keys of its own, run as the user of the tests.

sshd (Debian: openssh-server) is looked for on the PATH and in /usr/sbin, which is not on everybody's PATH.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from resources.compute_host.ssh import SshHost

INSTALL = "apt-get install openssh-server"
START_SECONDS = 20

# bash reads the user's own start files for a command over SSH, but not at this level.
CONFIGURATION = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/{host_key}
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
MaxStartups 100
SetEnv SHLVL=2
"""


class SshServer:
    """One server in a folder; `start` and `stop` may be repeated, the port stays."""

    def __init__(self, folder: Path, sshd: str, keygen: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.host_key = "host_key"
        self._sshd = sshd
        self._keygen = keygen
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("host_key", "user_key", "other_key"):
            self.make_key(name)
        (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
        self.trust("host_key")

    def make_key(self, name: str, kind: str = "ed25519") -> Path:
        """Make a pair of keys in the folder; return the private one."""
        path = self.folder / name
        subprocess.run([self._keygen, "-q", "-t", kind, "-N", "", "-f", path], check=True)
        return path

    def trust(self, name: str) -> None:
        """Let the file of known hosts have this key for our port, and no other."""
        kind, key, *_ = (self.folder / f"{name}.pub").read_text().split()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def start(self) -> None:
        """Start, and return when connections are taken."""
        configuration = self.folder / "sshd_config"
        configuration.write_text(
            CONFIGURATION.format(port=self.port, folder=self.folder, host_key=self.host_key)
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # Where root's sshd separates privileges.
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._sshd, "-D", "-e", "-f", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            log = (self.folder / "sshd.log").read_text()
            assert self._process.poll() is None, f"sshd did not start:\n{log}"
            assert time.monotonic() < until, f"sshd does not answer:\n{log}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Go away, with all connections. Jobs go on."""
        process, self._process = self._process, None
        if process:
            connections = connections_of(process.pid)
            process.kill()
            process.wait()
            send(signal.SIGKILL, connections)

    def drop(self) -> None:
        """End the connections that there are now; new ones are taken."""
        assert self._process
        connections = connections_of(self._process.pid)
        assert connections
        send(signal.SIGKILL, connections)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let the server and its connections stand still, as when the network is gone."""
        assert self._process
        processes = [self._process.pid, *connections_of(self._process.pid)]
        send(signal.SIGSTOP, processes)
        try:
            yield
        finally:
            send(signal.SIGCONT, processes)

    def host(self, workdir: Path, **fields: Any) -> SshHost:
        """A compute host behind this server; what is waited for is short."""
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "key_file": str(self.folder / "user_key"),
            "known_hosts": str(self.folder / "known_hosts"),
            "folder": str(workdir),
            "first_wait_s": 0.05,
            "longest_wait_s": 0.5,
            "reconnect_s": 30,
        }
        return SshHost(**(settings | fields))

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
        return False


@contextmanager
def running(folder: Path, missing_service: Callable[[str], NoReturn]) -> Iterator[SshServer]:
    """Run a server in an empty folder."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    sshd, keygen = shutil.which("sshd", path=places), shutil.which("ssh-keygen", path=places)
    if not sshd or not keygen:
        missing_service(f"There is no OpenSSH server: {INSTALL}")
    server = SshServer(folder, sshd, keygen)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connections_of(pid: int) -> list[int]:
    """The processes of sshd that serve connections, SFTP too; not what they run."""
    found = []
    for child in children(pid):
        if command_of(child).startswith(b"sshd:"):
            found += [child, *connections_of(child)]
    return found


def send(number: signal.Signals, processes: list[int]) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
