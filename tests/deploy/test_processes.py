"""What runs of Quintet on a machine starts, shows its location, and ends: `make dev` and the services."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from scripts.web_server import shown_locations
from tests.deploy.served_location import awaited

ROOT = Path(__file__).parents[2]
SERVICES = ROOT / "deploy" / "systemd"
PATIENCE = 60.0

pytestmark = pytest.mark.services

Start = Callable[[list[str]], subprocess.Popen[bytes]]


@pytest.fixture
def free_ports() -> list[int]:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return [first.getsockname()[1], second.getsockname()[1]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts commands whose output goes to `output`; what a failed test leaves of them is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(command: list[str]) -> subprocess.Popen[bytes]:
        with (tmp_path / "output").open("ab") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        started.append(process)
        return process

    yield start_one
    for process in started:
        if process.poll() is None:
            for left in [*psutil.Process(process.pid).children(recursive=True), process]:
                left.kill()
            process.wait()


def awaited_locations(port: str | int, output: Path) -> dict[str, str]:
    """What the web UI shows of each code location, once it shows all."""
    try:
        return awaited(lambda: shown_locations(f"http://127.0.0.1:{port}", PATIENCE), PATIENCE)
    except TimeoutError as error:
        raise TimeoutError(output.read_text()) from error


def test_make_dev_serves_the_location_and_leaves_nothing_behind(start, free_ports, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    # Shells start their background jobs with SIGINT ignored, which `dagster dev` takes over for SIGTERM too.
    dev = [sys.executable, "-m", "scripts.dev", "--port", str(free_ports[0])]
    process = start(["env", "--ignore-signal=INT", *dev])
    assert awaited_locations(free_ports[0], tmp_path / "output") == {"quintet": "RepositoryLocation"}
    assert httpx.get(f"http://127.0.0.1:{free_ports[0]}/", timeout=PATIENCE).status_code == httpx.codes.OK
    assert (Path(os.environ["QUINTET_HOME"]) / "dagster" / "dagster.yaml").is_file()
    introduction = (tmp_path / "output").read_text()
    assert f"http://127.0.0.1:{free_ports[0]}" in introduction
    assert "sensor start --start-all" in introduction

    family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    assert process.wait(PATIENCE) == 0
    _, left = psutil.wait_procs(family, timeout=5)
    assert left == []


def test_the_service_files_start_a_code_server_a_daemon_and_a_web_ui_that_belong_together(
    start, free_ports, tmp_path
):
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    workspace = tmp_path / "workspace.yaml"
    code_port, web_port = map(str, free_ports)
    workspace.write_text((ROOT / "deploy" / "workspace.services.yaml").read_text().replace("4266", code_port))
    here = {
        "/opt/quintet/.venv/bin": str(Path(sys.executable).parent),
        "/opt/quintet": str(ROOT),
        "deploy/workspace.services.yaml": str(workspace),
        "4266": code_port,
        "3000": web_port,
    }
    processes = {}
    for service in ("quintet-code", "quintet-daemon", "quintet-webserver"):
        unit = SERVICES / f"{service}.service"
        for command in commands(unit, "ExecStartPre", here):
            assert start(command).wait(PATIENCE) == 0
        (command,) = commands(unit, "ExecStart", here)
        processes[service] = start(command)
    assert awaited_locations(web_port, tmp_path / "output") == {"quintet": "RepositoryLocation"}
    assert {name: process.poll() for name, process in processes.items()} == dict.fromkeys(processes)
    for process in reversed(processes.values()):
        process.terminate()
        process.wait(PATIENCE)


def commands(unit: Path, setting: str, replacements: Mapping[str, str]) -> list[list[str]]:
    """The commands of a unit file, with what is installed there replaced by what is here."""
    found = []
    for line in unit.read_text().splitlines():
        if line.startswith(f"{setting}="):
            command = line.removeprefix(f"{setting}=")
            for installed, here in replacements.items():
                command = command.replace(installed, here)
            found.append(shlex.split(command))
    return found
