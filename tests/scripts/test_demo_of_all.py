"""All five demos as `make demo` runs them: interrupted in the middle, and run again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

import pytest

COMMAND = [sys.executable, "-m", "scripts.demo"]
TABLES = (
    "market: win rates of the labels",
    "aim: the recommendations of 3 vehicles",
    "dwh: 2025-03-09 in America/Los_Angeles",
    "discovery: what became of all items",
    "beams: QA9001 is completed",
)
LONGEST_S = 1800


@pytest.fixture
def engine(missing_service: Callable[[str], NoReturn]) -> None:
    try:
        distribution("opentps-core")
    except PackageNotFoundError:
        missing_service("The CPU engine is not installed: make .venv/.installed")


def environment() -> dict[str, str]:
    """Without `DAGSTER_HOME`, which then lies in the test's Quintet home."""
    return {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}


@pytest.mark.long
@pytest.mark.services
def test_a_demo_that_was_interrupted_in_the_middle_can_be_run_again(engine: None, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as output, subprocess.Popen(COMMAND, stdout=output, env=environment()) as running:
        deadline = time.monotonic() + LONGEST_S
        while "3/5 dwh, step 2" not in log.read_text() and time.monotonic() < deadline:
            assert running.poll() is None, log.read_text()
            time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        assert running.wait(LONGEST_S) == 130
    assert log.read_text().rstrip().endswith("nothing has to be cleared away.")

    again = subprocess.run(
        COMMAND, capture_output=True, text=True, check=False, timeout=LONGEST_S, env=environment()
    )

    assert again.returncode == 0, again.stdout
    ends = again.stdout[again.stdout.index("what came out") :]
    assert sorted(map(ends.index, TABLES)) == [*map(ends.index, TABLES)]
    assert "The web UI on these results: " in ends
