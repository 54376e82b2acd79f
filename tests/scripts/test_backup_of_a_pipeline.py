"""A home in which a pipeline has worked, backed up and restored: what was made stays made."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from definitions import build_defs
from jobs.discovery import discover_job_name, drain_job_name
from scripts.backup.__main__ import main
from scripts.dagster_home import prepare_dagster_home

ROOT = Path(__file__).parents[2]
JOB = "package_releases"

pytestmark = pytest.mark.materialise


def work(home, monkeypatch):
    """Discover and drain, in runs of the home's instance."""
    monkeypatch.setenv("QUINTET_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    defs = build_defs()
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        for name in (discover_job_name(JOB), drain_job_name(JOB)):
            assert defs.resolve_job_def(name).execute_in_process(instance=instance).success


def status(home):
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "jobs.status", "-j", JOB, "--json"],
        cwd=ROOT,
        env={**os.environ, "QUINTET_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def history(home, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        return {
            "partitions": {
                key.to_user_string(): instance.get_materialized_partitions(key)
                for key in instance.all_asset_keys()
            },
            "runs": {run.run_id: run.status for run in instance.get_runs()},
            "events": {run.run_id: len(instance.all_logs(run.run_id)) for run in instance.get_runs()},
        }


def test_partitions_ledger_and_runs_are_as_they_were_and_the_job_runs_on(
    isolated_environment, tmp_path, monkeypatch
):
    home, new = isolated_environment, tmp_path / "moved" / "home"
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    prepare_dagster_home(os.environ)
    work(home, monkeypatch)
    before, past = status(home), history(home, monkeypatch)
    assert any(past["partitions"].values())
    assert main(["create", str(tmp_path / "backup.tar.zst")]) == 0
    assert main(["restore", str(tmp_path / "backup.tar.zst"), "--into", str(new)]) == 0
    home.rename(tmp_path / "lost")
    assert history(new, monkeypatch) == past
    assert status(new) == before
    work(new, monkeypatch)
    after = history(new, monkeypatch)
    assert after["partitions"] == past["partitions"]
    assert after["runs"].items() > past["runs"].items()
    assert not home.exists()
