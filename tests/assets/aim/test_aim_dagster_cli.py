"""The documented command: `dagster asset materialize` for a run date of aim, in its own process."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest

from tests.assets.aim.aim_roots import DATE, STATUS, Root
from tests.assets.aim.dagster_runs import EVERY, RECOMMENDED, deployed_root, five_cams, key

pytestmark = pytest.mark.materialise

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def root(isolated_environment) -> Root:
    """The root of the environment's home, where the command line of aim has made a full run."""
    return deployed_root(isolated_environment, has_run=True)


def materialise(selection: str, *arguments: str) -> tuple[int, str]:
    """Run the command from the root of the repository; return its exit code and all that it printed."""
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-f", "definitions.py"]
    end = subprocess.run(
        [*command, "--select", selection, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return end.returncode, end.stdout


def recorded() -> Mapping[str, set[str]]:
    """The dates of each asset that Dagster knows of; assets without any are left out."""
    with dg.DagsterInstance.get() as instance:
        dates = {name: set(instance.get_materialized_partitions(key(name))) for name in EVERY}
    return {name: found for name, found in dates.items() if found}


def test_one_of_a_pair_makes_both_and_exits_with_0(root):
    five_cams(root)
    code, output = materialise('key:"aim/cam_sku"', "--partition", DATE)
    assert code == 0, output
    assert recorded() == {name: {DATE} for name in RECOMMENDED}
    assert root.stages == [(4, "success", 5)]


def test_the_whole_group_exits_with_1_when_it_may_not_publish_and_says_why(root):
    root.give_runlist([("FORD FOCUS", "999/99 R99"), ("VW GOLF", "999/99 R99")])
    before = root.table("AIM.AIMData_history")
    code, output = materialise("group:aim", "--partition", DATE)
    assert code == 1
    assert "The run published nothing: 0 of 2 CAMs have a list that may be shown" in output
    assert "NO_RESULTS: 2" in output
    assert recorded().keys() == {"car_sales", "tyre_feed", "tyre_scores"}
    assert root.table("AIM.AIMData_history") == before
    assert [stage[:2] for stage in root.stages] == [
        (1, "success"),
        (2, "success"),
        (3, "success"),
        (4, "failed"),
    ]


def test_a_range_of_dates_is_refused_by_a_sentence_and_changes_nothing(root):
    before = root.file(STATUS).read_bytes()
    code, output = materialise("group:aim", "--partition-range", f"{DATE}...2025-06-11")
    assert code == 1
    assert "Partition ranges with the CLI require" in output
    assert root.file(STATUS).read_bytes() == before
    assert recorded() == {}
