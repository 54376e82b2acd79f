"""Cases launched through Dagster: real assets on the resources of a deployment, with a scripted engine."""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.beams.assets import assets_of
from assets.beams.partitions import beam_cases, beam_fields
from resources.deployments import resources_for
from scripts.sample_data.beams import write_case
from scripts.sample_data.beams_case import SampleCase
from scripts.sample_data.beams_engine import set_up_engine
from scripts.sample_data.beams_nvidia_smi import set_up_nvidia_smi

FIELD_ASSETS = ("log_csv", "tps_input", "dose", "rtdose", "delivery_check")


class Launches:
    """An installation with a Dagster instance of its own, on which assets are materialised."""

    def __init__(self, home: Path, deployment: str = "local") -> None:
        self.home = home
        self.instance = dg.DagsterInstance.ephemeral()
        self.resources = resources_for(deployment)
        self.assets = assets_of(self.resources["dose_engine"])

    @property
    def scan_root(self) -> Path:
        return self.home / "storage" / "beam-logs"

    @property
    def output(self) -> Path:
        """Of the one case."""
        return self.home / "storage" / "beam-output" / "G2" / "QA0001"

    def write(self, case: SampleCase | None = None) -> Path:
        return write_case(self.scan_root, case or SampleCase())

    def launch(
        self, names: str | Iterable[str], key: str, tags: Mapping[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialise assets of one partition as a person does, or with tags as the sensor does."""
        chosen = (names,) if isinstance(names, str) else tuple(names)
        partitions = beam_fields if "|" in key else beam_cases
        self.instance.add_dynamic_partitions(str(partitions.name), [key])
        return dg.materialize(
            self.assets,
            instance=self.instance,
            resources=self.resources,
            partition_key=key,
            selection=[dg.AssetKey(["beams", name]) for name in chosen],
            tags=tags,
            raise_on_error=False,
        )

    @property
    def field_keys(self) -> list[str]:
        return sorted(self.instance.get_dynamic_partitions(str(beam_fields.name)))

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "ledger" / "beams.sqlite")) as connection:
            return connection.execute(query, values).fetchall()

    def statuses(self) -> tuple[str, list[str]]:
        """Of the case, and of its beams."""
        ((case,),) = self.rows("SELECT status FROM cases")
        return case, [status for (status,) in self.rows("SELECT status FROM beams ORDER BY treatment_index")]

    def summary(self) -> dict[str, Any]:
        return json.loads((self.output / "Report" / "summary.json").read_text())


@pytest.fixture
def launches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launches:
    """One installation with the scripted GPU engine on this machine, and two idle GPUs."""
    _use(tmp_path, monkeypatch)
    return Launches(tmp_path / "home")


@pytest.fixture(scope="module")
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the home of an installation that has completed its one case, and with a copy of it."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        _use(folder, monkeypatch)
        launches = Launches(folder / "home")
        launches.write()
        results = [launches.launch("case_manifest", "QA0001")]
        results += [launches.launch(FIELD_ASSETS, key) for key in launches.field_keys]
        results.append(launches.launch("case_report", "QA0001"))
        assert all(result.success for result in results)
    shutil.copytree(folder / "home", folder / "kept", copy_function=shutil.copy2)
    return folder


@pytest.fixture
def finished(finished_home: Path, monkeypatch: pytest.MonkeyPatch) -> Launches:
    """An installation that has completed its one case; its paths are in its files, so it is used in place."""
    _use(finished_home, monkeypatch)
    shutil.rmtree(finished_home / "home")
    shutil.copytree(finished_home / "kept", finished_home / "home", copy_function=shutil.copy2)
    return Launches(finished_home / "home")


def _use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_HOME", str(folder / "home"))
    monkeypatch.setenv("BEAMS_ENGINE", "moqui")
    monkeypatch.setenv("BEAMS_MOQUI_COMMAND", str(set_up_engine(folder / "engine")))
    monkeypatch.setenv("BEAMS_NVIDIA_SMI", str(set_up_nvidia_smi(folder / "smi")))
    monkeypatch.setenv("BEAMS_ENGINE_POLL_SECONDS", "0.1")


def sentence_of(result: dg.ExecuteInProcessResult) -> str:
    """Why the step that failed did."""
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    data = failure.step_failure_data
    assert data.user_failure_data is not None, data.error
    return str(data.user_failure_data.description)


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """The checks that were evaluated, and whether they passed."""
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
