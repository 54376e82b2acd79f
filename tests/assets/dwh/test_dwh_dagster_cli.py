"""The documented command: `dagster asset materialize` for a day of dwh, in its own process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.assets.dwh.dwh_deployments import DAY, EVERY, FILTERED, RED, SMALL, TRANSFORMED, deployed

pytestmark = pytest.mark.materialise

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def dwh(isolated_environment):
    """A deployment in the home of the environment."""
    with deployed(isolated_environment) as dwh:
        yield dwh


def materialise(*assets: str, **config: object) -> tuple[int, str]:
    """Run the command from the root of the repository; return its exit code and all that it printed."""
    ops = {"ops": {f"dwh__{asset}": {"config": config} for asset in assets[:1]}} if config else {}
    selected = ",".join(f"dwh/{asset}" for asset in assets)
    end = subprocess.run(
        [
            *(sys.executable, "-m", "dagster", "asset", "materialize", "-f", "definitions.py"),
            *("--select", selected, "--partition", DAY.isoformat(), "--config-json", json.dumps(ops)),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return end.returncode, end.stdout


def test_a_day_is_made_and_ends_with_0(dwh):
    code, output = materialise(*EVERY)
    assert code == 0, output
    assert dwh.pointer()["input"]["transform_record_count"] > 0
    assert 0 < dwh.promotions().height <= SMALL.promotions


def test_a_day_that_is_red_ends_with_1_and_a_filter_of_it_does_too_without_waiting(dwh):
    code, output = materialise(TRANSFORMED, FILTERED, **RED)
    assert code == 1
    assert "drop_rate_is_acceptable" in output
    (run,) = dwh.runs()
    code, output = materialise(FILTERED)
    assert code == 1
    assert f"transform run {run['run_id']} of {DAY} waits for approval" in output
    assert dwh.pointers() == []
