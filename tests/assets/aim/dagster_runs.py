"""aim as Dagster runs it: the assembled definitions on a root of their own, and what a run records."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from definitions import build_defs
from resources.object_store import LocalObjectStore
from resources.warehouse import DuckDBWarehouse
from resources.waves import EmbeddedWaves, FaultyWaves, Waves
from tests.assets.aim.aim_roots import DATE, WAREHOUSE, Root, inputs_in, run_in

LOADED = ("car_sales", "tyre_feed")
RECOMMENDED = ("recommendations", "cam_sku")
WRITTEN = ("override_file", "size_file")
EVERY = (
    *LOADED,
    "tyre_scores",
    *RECOMMENDED,
    "validation_report",
    "analysis",
    "token_fact",
    *WRITTEN,
    "merchandising_report",
)
"""The assets in the order of their stages."""


def key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["aim", name])


@dataclass(frozen=True, slots=True)
class Aim:
    """The pipeline as a user has it: the definitions, the root they work on, an instance."""

    defs: dg.Definitions
    root: Root
    instance: dg.DagsterInstance

    def run(
        self,
        *assets: str,
        day: str | None = DATE,
        run_mode: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialise assets (all, if none is named) of one date."""
        config = {"ops": {"batch_recommender": {"config": {"run_mode": run_mode}}}} if run_mode else {}
        return self.job.execute_in_process(
            run_config=config,
            partition_key=day,
            tags=tags,
            instance=self.instance,
            asset_selection=[key(name) for name in assets] or None,
            raise_on_error=False,
        )

    def check(self, asset: str, name: str) -> dg.ExecuteInProcessResult:
        """Evaluate one check without its asset."""
        alone = {dg.AssetCheckKey(key(asset), name)}
        job = self.defs.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection=alone)
        return job.execute_in_process(instance=self.instance, raise_on_error=False)

    def with_waves(self, waves: Waves) -> "Aim":
        """The same pipeline on the same root, asking another service."""
        return Aim(definitions_on(self.root, waves), self.root, self.instance)

    @property
    def job(self) -> dg.JobDefinition:
        """The job of the pipeline."""
        return self.defs.resolve_job_def("run_aim")

    def recorded(self) -> dict[str, set[str]]:
        """The dates of each asset that Dagster knows of; assets without any are left out."""
        dates = {name: set(self.instance.get_materialized_partitions(key(name))) for name in EVERY}
        return {name: found for name, found in dates.items() if found}

    def metadata(self, asset: str) -> Mapping[str, dg.MetadataValue]:
        """What the newest record of an asset says."""
        event = self.instance.get_latest_materialization_event(key(asset))
        assert event
        assert event.asset_materialization
        return event.asset_materialization.metadata

    def numbers(self, asset: str = "recommendations") -> dict[str, Any]:
        """The plain values of the newest record of an asset."""
        return {name: value.value for name, value in self.metadata(asset).items()}


@contextmanager
def changing(root: Root) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of a root, open to be tampered with."""
    with duckdb.connect(str(root.file(WAREHOUSE))) as connection:
        yield connection


def definitions_on(root: Root, waves: Waves | None = None) -> dg.Definitions:
    """The definitions over the embedded resources of a deployment whose files of aim are this root."""
    storage = root.path.parent
    overrides = {
        "object_store": LocalObjectStore(root=str(storage)),
        "warehouse": DuckDBWarehouse(path=str(storage.parent / "warehouse" / "quintet.duckdb")),
        "waves": waves or EmbeddedWaves(),
    }
    return build_defs(resource_overrides=overrides)


@contextmanager
def opened_aim(
    folder: Path,
    waves: Waves | None = None,
    instance: dg.DagsterInstance | None = None,
    *,
    has_run: bool = False,
) -> Iterator[Aim]:
    """The pipeline on a root in a folder; with `has_run` the command line has made a full run there."""
    root = deployed_root(folder, has_run=has_run)
    with nullcontext(instance) if instance else dg.DagsterInstance.ephemeral() as opened:
        yield Aim(definitions_on(root, waves), root, opened)


def deployed_root(folder: Path, *, has_run: bool = False) -> Root:
    """A root where a deployment whose home is this folder looks for it."""
    made = (run_in if has_run else inputs_in)(folder / "storage")
    return Root(made.path.rename(folder / "storage" / "aim"))


def failing(*vehicles: str, prompt_tokens: int = 0) -> FaultyWaves:
    """A service that fails every CAM of these vehicles, in both passes."""
    return FaultyWaves(failing=dict.fromkeys(vehicles, 1_000), prompt_tokens=prompt_tokens)


def five_cams(root: Root) -> list[str]:
    """Make five publishable CAMs of as many vehicles the runlist of a root that has run; their vehicles."""
    by_vehicle = dict(reversed(root.published_cams()))
    cams = list(by_vehicle.items())[:5]
    assert len(cams) == 5
    root.give_runlist(cams)
    return [vehicle for vehicle, _ in cams]


def sentences(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """By step that failed the sentence that people see."""
    failures = {}
    for event in result.all_events:
        if event.is_step_failure:
            user_failure = event.step_failure_data.user_failure_data
            assert user_failure, event.step_failure_data.error
            failures[event.step_key] = user_failure.description
    return failures


def started(result: dg.ExecuteInProcessResult) -> set[str]:
    """The steps that were started; Dagster leaves out those behind a failed one."""
    return {event.step_key or "" for event in result.all_events if event.is_step_start}


def attempts(result: dg.ExecuteInProcessResult, step: str) -> int:
    """How often a step was tried."""
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED}
    return len([e for e in result.all_events if e.event_type in kinds and e.step_key == step])


def evaluations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks of a run said, by name."""
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Variables that are set for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setitem(os.environ, name, value)
        yield
