"""`make dev`: the web UI and the daemon on this machine, until Ctrl-C.

A long-lived installation runs the same processes as services instead, see `docs/operations.md`.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from resources.home import quintet_home
from scripts.dagster_home import ROOT, prepare_dagster_home
from scripts.process_groups import GRACE_S, end_group
from scripts.web_address import note_address

LOOPBACK = "127.0.0.1"
USUAL_PORT = 3000
WORKSPACE = ROOT / "workspace.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; 0 when a person stopped it, 1 when Dagster ended by itself, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="make dev", description="Quintet's web UI and daemon")
    parser.add_argument("--port", type=int, help=f"loopback port (default: {USUAL_PORT}, or any free one)")
    wanted: int | None = parser.parse_args(arguments).port
    if wanted is not None and not is_free(wanted):
        print(f"Port {wanted} on {LOOPBACK} cannot be used; choose another with PORT=.", file=sys.stderr)
        return 2
    port = wanted or (USUAL_PORT if is_free(USUAL_PORT) else any_free_port())
    dagster_home = prepare_dagster_home(os.environ)
    note_address(quintet_home(os.environ), f"http://{LOOPBACK}:{port}")
    print(introduction(port, dagster_home, quintet_home(os.environ)), flush=True)
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE), "-h", LOOPBACK, "-p", str(port)]
    return serve(command, {**os.environ, "DAGSTER_HOME": str(dagster_home)})


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: connections of a server just stopped do not make its port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


def any_free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def introduction(port: int, dagster_home: Path, data: Path) -> str:
    """What a person needs to know while Dagster starts."""
    dagster = Path(sys.executable).with_name("dagster")
    return f"""\
Quintet    http://{LOOPBACK}:{port} in about 15 seconds; Ctrl-C stops it
data       {data}
history    {dagster_home}
sensors    are stopped. Start them in the UI under Automation, or all of them with
           DAGSTER_HOME={dagster_home} {dagster} sensor start --start-all -w {WORKSPACE}
"""


def serve(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command in its own process group until it ends or a signal does; leave no process behind."""
    # Handled here, a signal is back to its default in the child. `dagster dev` gives SIGTERM whatever SIGINT
    # has, and a shell starts background jobs with SIGINT ignored: such a server could only be killed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    process = subprocess.Popen(command, env=environ, start_new_session=True)
    try:
        process.wait()
        return 1
    except KeyboardInterrupt:
        print("Stopping", flush=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(GRACE_S)
        return 0
    finally:
        end_group(process)


if __name__ == "__main__":
    sys.exit(main())
