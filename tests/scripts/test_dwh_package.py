"""The package of dwh: the same bytes each time, and jobs run from it where the project is not installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn, cast
from zipfile import ZipFile

import dagster as dg
import pytest

from assets.dwh.checks import FILTER_CHECKS, FILTERED_IMAGES
from assets.dwh.partitions import local_days
from scripts.dwh_package import build, main
from tests.scripts.dwh_command_lines import (
    DAY,
    FILTER,
    FILTER_CONFIG,
    PROMOS,
    ROOT,
    SIZE,
    TRANSFORM,
    Home,
    command_line,
    only_line,
    stored_rows,
)

Submit = Callable[[list[str], Mapping[str, str]], str]

LIBRARIES = sysconfig.get_path("purelib")


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The zip, with the entries beside it."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def python(tmp_path) -> Path:
    """This interpreter without its site: libraries come from PYTHONPATH, and the project is not installed."""
    script = tmp_path / "bare_python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    script.chmod(0o755)
    return script


@pytest.fixture
def home(isolated_environment) -> Home:
    return Home(isolated_environment).with_inputs()


def carried_out(
    command: list[str], folder: Path, *paths: Path | str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with nothing to import but what lies on these paths."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_same_code_gives_the_same_bytes(package, tmp_path, capsys):
    assert main(["--out", str(tmp_path)]) == 0
    again = Path(capsys.readouterr().out.strip())
    assert again.name == package.name
    assert again.read_bytes() == package.read_bytes()
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*") if path.is_file()]
    assert sorted(files) == [
        "container/generic_entry.py",
        "databricks/generic_entry.py",
        "emr/generic_entry.py",
        "glue/generic_entry.py",
        package.name,
    ]


def test_the_package_holds_the_code_and_its_sql_and_nothing_of_a_developer(package):
    with ZipFile(package) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert {"definitions.py", "assets/dwh/steps.py", "assets/dwh/sql/merge_promotions.sql"} <= set(names)
    assert {Path(name).suffix for name in names} == {".py", ".sql", ".yaml"}
    assert [name for name in names if name.startswith(("tests/", "scripts/sample_data", "docs/"))] == []


def test_the_project_is_not_to_be_found_without_the_package(python, tmp_path):
    found = carried_out([str(python), "-c", "import assets"], tmp_path, LIBRARIES)
    assert "No module named 'assets'" in found.stderr


@pytest.mark.materialise
def test_a_job_runs_from_the_package_in_a_fresh_interpreter(package, python, home, tmp_path):
    entry = package.parent / "container" / "generic_entry.py"
    line = command_line("load_promos", {}, *PROMOS)
    ended = carried_out([str(python), str(entry), *line[1:]], tmp_path, package, LIBRARIES)
    assert ended.returncode == 0, ended.stderr
    assert only_line(ended.stdout)["records_read"] == SIZE.promotions
    (run,) = home.runs()
    assert run.is_success


@pytest.fixture
def submit(package, python, tmp_path, missing_service: Callable[[str], NoReturn]) -> Submit:
    """Runs the entry of EMR through spark-submit, with the package as its Python files."""
    if shutil.which("java") is None:
        missing_service("Java is not installed: apt-get install openjdk-17-jre-headless")
    loopback = ("spark.driver.host=127.0.0.1", "spark.driver.bindAddress=127.0.0.1")
    settings = (*loopback, "spark.ui.enabled=false", "spark.sql.shuffle.partitions=2")
    command = [
        str(Path(LIBRARIES, "pyspark", "bin", "spark-submit")),
        *("--master", "local[2]", "--py-files", str(package)),
        *(word for setting in settings for word in ("--conf", setting)),
        str(package.parent / "emr" / "generic_entry.py"),
    ]
    environ = {"PYSPARK_PYTHON": str(python), "QUINTET_DEPLOYMENT": "local"}

    def run(line: list[str], more: Mapping[str, str]) -> str:
        ended = carried_out([*command, *line[1:]], tmp_path, LIBRARIES, **environ, **more)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        # spark-submit passes both outputs of its script on as one.
        (metrics,) = [text for text in ended.stdout.splitlines() if text.startswith('{"job_name"')]
        return metrics

    return run


@pytest.mark.services
@pytest.mark.materialise
def test_spark_submit_runs_jobs_from_the_package_alone_and_for_a_step(submit, home):
    transformed = json.loads(submit(command_line("transform_images", {}, *TRANSFORM), {}))
    assert transformed["records_read"] == SIZE.rows
    (run,) = home.runs()
    assert run.tags["dwh/service_provider"] == "EMR"

    @dg.asset(key=FILTERED_IMAGES, partitions_def=local_days, check_specs=FILTER_CHECKS)
    def filtered_images(context: dg.AssetExecutionContext):
        with dg.open_pipes_session(
            context, dg.PipesTempFileContextInjector(), dg.PipesTempFileMessageReader()
        ) as session:
            line = command_line("filter_images", FILTER_CONFIG, *FILTER, "--job_run_id", "filter-1")
            submit(line, session.get_bootstrap_env_vars())
        yield from session.get_results(implicit_materializations=False)

    result = dg.materialize([filtered_images], partition_key=DAY)
    (made,) = result.get_asset_materialization_events()
    facts = made.materialization.metadata
    metrics = cast("dict[str, object]", facts["metrics"].value)
    assert metrics["job_run_id"] == "filter-1"
    assert metrics["service_provider"] == "EMR"
    assert facts["dagster/row_count"].value == len(list(stored_rows(home)))
    assert len(result.get_asset_check_evaluations()) == len(FILTER_CHECKS)
    # The step's own run is that of the test's instance: the job on the platform made none.
    assert [known.run_id for known in home.runs()] == [run.run_id]


def test_a_platform_is_named_by_its_folder():
    for platform in ("glue", "databricks", "emr", "container"):
        text = (ROOT / "scripts" / platform / "generic_entry.py").read_text()
        assert f'run_entry("{platform}", sys.argv, os.environ)' in text
