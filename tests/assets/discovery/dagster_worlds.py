"""A jobs file in a folder of its own, its definitions, and a Dagster instance to run them in."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from assets.discovery.assets import assets_of
from assets.discovery.checks import check_specs, discovered_key, items_key
from assets.discovery.engine.registry import LEDGER
from assets.discovery.keys import partition_key
from assets.discovery.roster import Roster
from assets.discovery.steps import Resources
from jobs.discovery import doctor_schedule, jobs_of
from resources.http import Http
from resources.ledger import Ledger
from resources.object_store import LocalObjectStore
from sensors.discovery import sensors_of

HANDLER = "tests.assets.discovery.dagster_handlers"
NAME = "things"


def job(name: str = NAME, stages: Sequence[str] = ("work",), **more: Any) -> dict[str, Any]:
    """A job over the lines of `things.jsonl`, of which `id` is the key."""
    return {
        "name": name,
        "discovery": {"strategy": "table_file", "params": {"path": "things.jsonl", "key_columns": ["id"]}},
        "stages": [{"name": stage, "handler": HANDLER} for stage in stages],
        "retry": {"base_s": 3600, "jitter": 0},
        "runner": {"concurrency": 1, "drain_max_s": 60, "grace_s": 1},
    } | more


class World:
    """One jobs file with its ledger and Dagster instance."""

    def __init__(
        self, folder: Path, instance: dg.DagsterInstance, *jobs: Mapping[str, Any], **file: Any
    ) -> None:
        self.folder, self.instance = folder, instance
        self.ledger = Ledger(folder=str(folder / "ledger"))
        self.resources = Resources(
            self.ledger, Http(contact="tests@example.com"), LocalObjectStore(root=str(folder / "storage"))
        )
        folder.mkdir(exist_ok=True)
        self.write(*(jobs or [job()]), **file)

    def write(self, *jobs: Mapping[str, Any], **file: Any) -> None:
        """Write the jobs file, and load the location from it."""
        text = yaml.safe_dump({"version": 1, **file, "jobs": list(jobs)})
        (self.folder / "jobs.yaml").write_text(text)
        self.reload()

    def reload(self) -> None:
        """Load the location anew."""
        self.roster = Roster.load(self.folder / "jobs.yaml")
        made = jobs_of(self.roster)
        self.defs = dg.Definitions(
            assets=assets_of(self.roster),
            jobs=made,
            sensors=sensors_of(self.roster, made),
            schedules=[doctor_schedule(made)],
            resources={
                "ledger": self.resources.ledger,
                "http": self.resources.http,
                "object_store": self.resources.object_store,
            },
            executor=dg.in_process_executor,
        )

    def show(self, *things: str, **doing: str) -> None:
        """Let the source list these things; `doing` says what their handler does."""
        lines = [{"id": thing} for thing in things] + [{"id": key, "do": do} for key, do in doing.items()]
        (self.folder / "things.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    def run(self, kind: str, name: str = NAME, **options: Any) -> dg.ExecuteInProcessResult:
        """Run `discover` or `drain` of a job."""
        made = self.defs.resolve_job_def(f"discovery_{name}_{kind}")
        return made.execute_in_process(instance=self.instance, raise_on_error=False, **options)

    def launch(self, *keys: str, name: str = NAME) -> dg.ExecuteInProcessResult:
        """Materialise the items of these partitions, as a launch from the UI does."""
        made = self.defs.resolve_implicit_global_asset_job_def()
        tags, partition = {}, keys[0] if len(keys) == 1 else None
        if partition is None:
            tags = {
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[-1],
            }
        return made.execute_in_process(
            instance=self.instance,
            asset_selection=[items_key(name)],
            partition_key=partition,
            tags=tags,
            raise_on_error=False,
        )

    def query(self, text: str, *values: object) -> list[Any]:
        """The rows of a query to the ledger."""
        with closing(self.ledger.open_raw_db(LEDGER)) as connection:
            return connection.execute(text, values).fetchall()

    def writing(self) -> "closing[sqlite3.Connection]":
        """The ledger, to write."""
        return closing(self.ledger.open_db(LEDGER))

    def statuses(self, name: str = NAME) -> dict[str, str]:
        """The derived status of each item, by key."""
        return dict(
            self.query(
                "SELECT w.key, v.derived_status FROM work_items AS w "
                "JOIN item_derived_status AS v ON v.item_id = w.id WHERE w.job_id = ?",
                name,
            )
        )

    def registered(self, name: str = NAME) -> set[str]:
        """The partition keys of a job that Dagster has."""
        return set(self.instance.get_dynamic_partitions(f"discovery_{name}"))

    def recorded(self, name: str = NAME) -> list[str]:
        """The partition of every materialisation of items, oldest first, with repetitions."""
        records = self.instance.fetch_materializations(items_key(name), limit=5000, ascending=True).records
        return [str(record.partition_key) for record in records]

    def observed(self, asset_key: dg.AssetKey | None = None) -> dict[str, Any]:
        """The metadata of the last observation of items, or of another asset, as plain values."""
        records = self.instance.fetch_observations(asset_key or items_key(NAME), limit=1).records
        observation = records[0].asset_observation
        assert observation is not None
        return {name: value.value for name, value in observation.metadata.items()}

    def checks(self, name: str = NAME) -> dict[str, dg.AssetCheckEvaluation]:
        """The last evaluation of each check of a job."""
        keys = [
            dg.AssetCheckKey(asset, spec.name)
            for asset in (discovered_key(name), items_key(name))
            for spec in check_specs(asset)
        ]
        found = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        evaluations: dict[str, dg.AssetCheckEvaluation] = {}
        for key, record in found.items():
            event = record.event and record.event.dagster_event
            if event is not None and isinstance(event.event_specific_data, dg.AssetCheckEvaluation):
                evaluations[key.name] = event.event_specific_data
        return evaluations


def partitions(*keys: str) -> list[str]:
    """The partition keys of items."""
    return [partition_key(key) for key in keys]


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The sentence with which the one failed step of a run ended."""
    (event,) = [event for event in result.all_node_events if event.is_step_failure]
    data = event.step_failure_data
    assert data.user_failure_data is not None, data.error
    return str(data.user_failure_data.description)
