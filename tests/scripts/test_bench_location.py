"""The benchmark of the location measures ours beside an empty one, and refuses what did not happen."""

import os
from collections import Counter

import psutil
import pytest

from scripts.benchmarks import location, location_memory
from scripts.benchmarks.lines import BenchmarkFailed
from scripts.benchmarks.location import LocationSuite, measure_load
from scripts.benchmarks.location_memory import idle_memory
from scripts.benchmarks.processes import environment

SMALL = "import dagster as dg\n\ndefs = dg.Definitions(assets=[dg.AssetSpec('one')])\n"


@pytest.fixture
def small_location(tmp_path, monkeypatch):
    """Have a small project be ours."""
    monkeypatch.setattr(location, "ROOT", location._project(tmp_path / "small", SMALL))


def test_a_load_is_that_of_an_interpreter_and_dagster_is_told_apart(small_location, tmp_path):
    beyond, whole, dagster = measure_load(tmp_path, 1).lines
    assert (beyond.name, whole.name, dagster.name) == (
        "beyond dagster",
        "interpreter to location",
        "import dagster",
    )
    assert whole.value == pytest.approx(beyond.value + dagster.value)
    assert beyond.baseline is None
    assert whole.against == "an empty project"
    assert whole.baseline is not None


@pytest.mark.materialise
def test_an_asset_that_fails_is_no_result(tmp_path):
    project = location._project(
        tmp_path / "broken",
        "import dagster as dg\n\n@dg.asset\ndef one(): raise ValueError('no')\n\n"
        "defs = dg.Definitions([one])\n",
    )
    with pytest.raises(BenchmarkFailed, match="materialise ended with exit code 1"):
        location._materialised(tmp_path, project, "one")


@pytest.mark.services
def test_idle_memory_is_that_of_all_processes_and_none_stays(tmp_path):
    project = location._project(tmp_path / "small", SMALL)
    command = location._empty_installation(project)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    idle = idle_memory(command, location._own_environment(tmp_path / "home"), tmp_path / "dev.log", 1)
    assert idle.megabytes > 100
    assert idle.start_seconds > 0
    for role in ("dagster dev", "dagster_webserver", "dagster._daemon"):
        assert role in idle.processes
    left = {child.pid for child in psutil.Process().children(recursive=True)} - before
    assert not left


@pytest.mark.services
def test_a_location_that_does_not_load_is_no_result_and_its_error_is_told(tmp_path):
    project = location._project(tmp_path / "broken", "raise ValueError('the shop is closed')\n")
    command = location._empty_installation(project)
    with pytest.raises(BenchmarkFailed, match="the shop is closed"):
        idle_memory(command, location._own_environment(tmp_path / "home"), tmp_path / "dev.log", 1)


def test_an_installation_that_ends_is_no_result(tmp_path, capsys):
    with pytest.raises(BenchmarkFailed, match="dev: Dagster did not load its location"):
        idle_memory(["sh", "-c", "echo closed; exit 1"], environment(), tmp_path / "dev.log", 1)
    assert "closed" in capsys.readouterr().err


def test_memory_is_summed_by_what_a_process_runs():
    held = location_memory._held(psutil.Process(os.getpid()))
    assert isinstance(held, Counter)
    assert held.total() > 10_000_000
    words = ["python", "-m", "dagster", "api", "grpc"]
    assert location_memory._role(words) == "dagster api"
    assert location_memory._role(["python", "-m", "dagster_webserver", "--port"]) == "dagster_webserver"


@pytest.mark.parametrize("arguments", [["--repeat", "0"], ["--only", "nothing"]])
def test_a_wrong_argument_is_refused(arguments):
    with pytest.raises(SystemExit) as raised:
        LocationSuite().main(arguments)
    assert raised.value.code == 2
