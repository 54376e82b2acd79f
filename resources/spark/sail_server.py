"""Sail, the Spark engine without Java: a server in a child process, for as long as this process lives.

It was inside this process, which takes 0.2 s less. But what native code of an engine does wrong there (Sail
0.7.2 overran the stack of one of its threads, once in some hundred thousand sessions) happens to the run
itself. A server that is gone is started again for the next session.
"""

import atexit
import inspect
import os
import subprocess
import sys
from typing import Final

NAME: Final = "quintet-sail-server"
"""The last argument of the child process, by which it is found among others."""

_SECONDS_TO_END: Final = 10.0


class SailGone(RuntimeError):
    """The server ended before it listened."""


class SailServer:
    """The server of this process: none before the first session, one from then on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def port(self) -> int:
        """The loopback port of the running server. Raises `SailGone`."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        return self._port

    def stop(self) -> None:
        """End the server, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(timeout=_SECONDS_TO_END)  # Closes its standard input, at whose end it ends.
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _start(self) -> None:
        self.stop()
        process = subprocess.Popen(
            # As text: on a platform this module is in an archive; by name its package would take 1 s more.
            [sys.executable, "-P", "-c", f"{inspect.getsource(_serve)}\n_serve()", NAME],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                "RUST_LOG": "error",
                **os.environ,
                # Functions that a session sends over are imported there by the names they have here.
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
        )
        port = process.stdout.readline() if process.stdout else ""
        if not port:
            raise SailGone(f"Sail ended with exit code {process.wait()} before it listened")
        self._process, self._port = process, int(port)


def _serve() -> None:
    """What the child process runs; it is there without the rest of this module."""
    import os
    import signal
    import sys

    from pysail.spark import SparkConnectServer

    # Ctrl-C reaches the whole group. It is the run that ends then, and the server after it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server = SparkConnectServer(port=0)
    server.start(background=True)
    address = server.listening_address
    if address is None:
        sys.exit("Sail listens on no port of this machine")
    sys.stdout.write(f"{address[1]}\n")
    sys.stdout.flush()
    # What functions print goes where somebody reads it: a full pipe would stop them.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Ends with the process that holds the other end, however that ends.
    sys.stdin.read()


SAIL: Final = SailServer()
atexit.register(SAIL.stop)
