"""The code location loads for a stranger: from any folder, with nothing set, offline, quickly."""

import json
import resource
import subprocess
import sys
import tomllib
from pathlib import Path
from statistics import median

import pytest

PROBE = Path(__file__).with_name("location_probe.py")
DAGSTER = Path(sys.executable).with_name("dagster")
DG = Path(sys.executable).with_name("dg")

HEAVY_MODULES = (
    "boto3",
    "botocore",
    "dagster_aws",
    "dagster_gcp",
    "dagster_pyspark",
    "databento",
    "databricks",
    "docker",
    "google.cloud",
    "matplotlib",
    "moto",
    "numba",
    "pandas",
    "paramiko",
    "pyspark",
)

AN_EMPTY_LOCATION = "import dagster as dg; dg.Definitions().get_repository_def().load_all_definitions()"
THE_LOCATION = "import definitions; definitions.defs.get_repository_def().load_all_definitions()"
MOST_SECONDS = 2.0


@pytest.fixture
def loading(root: Path, elsewhere: Path, bare_environment: dict[str, str]) -> dict:
    """What one load in a fresh interpreter did."""
    command = [sys.executable, str(PROBE), str(root)]
    done = subprocess.run(
        command, cwd=elsewhere, env=bare_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_loading_touches_nothing_outside_its_own_process(loading):
    assert loading["assets"] > 0
    assert loading["connections"] == []
    assert loading["changes"] == []
    assert loading["processes"] == []


def test_loading_leaves_heavy_modules_alone(loading):
    assert [name for name in HEAVY_MODULES if name in loading["modules"]] == []


def test_the_heavy_modules_are_those_that_ruff_bans_at_module_level(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    banned = settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]
    assert sorted(banned) == sorted(HEAVY_MODULES)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            [DAGSTER, "definitions", "validate", "-w", "{root}/workspace.yaml"], id="workspace.yaml"
        ),
        pytest.param([DG, "check", "defs", "--target-path", "{root}"], id="dg check defs"),
    ],
)
def test_the_location_validates_from_another_folder(command, root, elsewhere, bare_environment):
    done = subprocess.run(
        [str(part).format(root=root) for part in command],
        cwd=elsewhere,
        env=bare_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_loading_takes_under_two_seconds_beyond_an_empty_location(root, elsewhere, bare_environment):
    """Processor time, not the clock: other tests run at the same time."""
    environment = {**bare_environment, "PYTHONPATH": str(root)}

    def seconds(program: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], cwd=elsewhere, env=environment, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert median(seconds(THE_LOCATION) - seconds(AN_EMPTY_LOCATION) for _ in range(3)) < MOST_SECONDS


def test_a_process_that_knows_no_folder_of_ours_finds_the_packages(root, elsewhere, bare_environment):
    """As a spawned pool or a code server does; the editable install is what makes it work."""
    program = "import assets, definitions, jobs, resources, scripts, sensors; print(definitions.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=elsewhere,
        env=bare_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == root / "definitions.py"
