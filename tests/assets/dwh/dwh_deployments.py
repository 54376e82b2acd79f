"""dwh as Dagster runs it: the assembled definitions over sample inputs, and what a run records."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from definitions import build_defs
from resources.object_store import LocalObjectStore
from resources.spark import Spark
from resources.warehouse import DuckDBWarehouse
from scripts.sample_data.dwh import Size, write_inputs

DAY = date(2025, 3, 9)
"""The day on which summer time begins: 23 hours, 276 prefixes."""

TRANSFORMED, FILTERED, PROMOTIONS = "transformed_images", "filtered_images", "promotions"
IMAGES = (TRANSFORMED, FILTERED)
EVERY = (*IMAGES, PROMOTIONS)
TOLD = {"publisher_type": "FILE", "path": "s3://dwh-data/told"}
SMALL = Size(rows=60, promotions=12)
# 3 in 60 sample records are to be dropped.
RED: dict[str, Any] = {"drop_rate_yellow": 0.01, "drop_rate_red": 0.02}
GREEN: dict[str, Any] = {"drop_rate_yellow": 0.2, "drop_rate_red": 0.3}
# Which run wrote a row; all else of it is the same, whoever did.
_RUN_COLUMNS = ("_source_run_id",)

Result = dg.ExecuteInProcessResult


def key(asset: str) -> dg.AssetKey:
    return dg.AssetKey(["dwh", asset])


@dataclass(frozen=True)
class Deployment:
    """The pipeline as a user has it: the definitions, the folder that it works in, an instance."""

    folder: Path
    defs: dg.Definitions
    instance: dg.DagsterInstance

    def run(
        self,
        *assets: str,
        day: date = DAY,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Result:
        """Materialise assets of a day; `config` is the launch config by asset."""
        ops = {f"dwh__{asset}": {"config": dict(keys)} for asset, keys in (config or {}).items()}
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"ops": ops},
            partition_key=day.isoformat(),
            tags=tags,
            instance=self.instance,
            asset_selection=[key(asset) for asset in assets],
            raise_on_error=False,
        )

    def transform(self, day: date = DAY, tags: Mapping[str, str] | None = None, **keys: Any) -> Result:
        return self.run(TRANSFORMED, day=day, config={TRANSFORMED: keys}, tags=tags)

    def filter(self, day: date = DAY, tags: Mapping[str, str] | None = None, **keys: Any) -> Result:
        return self.run(FILTERED, day=day, config={FILTERED: keys}, tags=tags)

    def load(self, day: date = DAY, tags: Mapping[str, str] | None = None, **keys: Any) -> Result:
        return self.run(PROMOTIONS, day=day, config={PROMOTIONS: keys}, tags=tags)

    def with_store(self, store: LocalObjectStore) -> "Deployment":
        """The same through another handle of the store."""
        return replace(self, defs=definitions_in(self.folder, store))

    @property
    def bucket(self) -> Path:
        return self.folder / "storage" / "dwh-data"

    def tree(self, folder: str = "") -> dict[str, bytes]:
        """All objects below a folder of the bucket."""
        files = (path for path in (self.bucket / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.bucket)): path.read_bytes() for path in files}

    def documents(self, pattern: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in sorted(self.bucket.glob(pattern))]

    def told(self) -> list[dict[str, Any]]:
        """The events that the publisher `TOLD` has written."""
        return self.documents("told/*.json")

    def runs(self, day: date = DAY) -> list[dict[str, Any]]:
        """The manifests of the day's transform runs, the oldest first."""
        found = self.documents(f"transformed_images/_manifests/{place(day)}/manifest-*.json")
        return sorted(found, key=lambda manifest: manifest["created_at"])

    def pointers(self, day: date = DAY) -> list[dict[str, Any]]:
        """The pointer of the day, if there is one."""
        return self.documents(f"filtered_images/{place(day)}/_manifests/latest.json")

    def pointer(self, day: date = DAY) -> dict[str, Any]:
        (found,) = self.pointers(day)
        return found

    def frame(self, day: date = DAY) -> pl.DataFrame:
        """What an analyst reads, who follows the pointer."""
        folder = self.bucket.parent / self.pointer(day)["output"]["path"].removeprefix("s3://")
        return pl.read_parquet(f"{folder}/*.parquet")

    def rows(self, day: date = DAY) -> list[tuple[Any, ...]]:
        """The rows that an analyst reads, in an order of their own, without the id of a run."""
        return sorted(self.frame(day).drop(_RUN_COLUMNS).unnest("data").rows(), key=repr)

    def promotions(self) -> pl.DataFrame:
        warehouse = DuckDBWarehouse(path=str(self.folder / "warehouse" / "quintet.duckdb"))
        return warehouse.rows("dw_core.d_promotion_3_0", order_by=["promotionid"])


def place(day: date) -> str:
    return f"pacific/year={day.year:04}/month={day.month:02}/day={day.day:02}"


def definitions_in(folder: Path, store: LocalObjectStore | None = None) -> dg.Definitions:
    """The definitions of the tests' deployment, with everything that lies on a disk below a folder."""
    overrides = {
        "object_store": store or LocalObjectStore(root=str(folder / "storage")),
        "warehouse": DuckDBWarehouse(path=str(folder / "warehouse" / "quintet.duckdb")),
        "spark": Spark(engine="sail", work_folder=str(folder / "work")),
    }
    return build_defs(deployment="test", resource_overrides=overrides)


@contextmanager
def deployed(folder: Path, size: Size = SMALL, *, days: int = 1, first: date = DAY) -> Iterator[Deployment]:
    """A deployment in a folder with the sample inputs of some days."""
    write_inputs(folder / "storage" / "dwh-data", size, day=first, days=days)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Deployment(folder, definitions_in(folder), instance)


def days_from(first: date, number: int) -> list[date]:
    return [first + timedelta(days=after) for after in range(number)]


def facts(result: Result, asset: str, day: date = DAY) -> dict[str, Any]:
    """The plain values of what a run records of an asset's partition."""
    (found,) = [
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == key(asset) and event.partition == day.isoformat()
    ]
    return {name: value.value for name, value in found.metadata.items()}


def metrics(result: Result, asset: str) -> dict[str, Any]:
    """The metrics document in what a run records."""
    return facts(result, asset)["metrics"]


def recorded(result: Result) -> list[tuple[str, str | None]]:
    """Asset and partition of everything that a run records as made."""
    events = result.get_asset_materialization_events()
    return [(event.asset_key.path[-1], event.partition) for event in events if event.asset_key]


def checks(result: Result) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks of a run said, by name."""
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def outcomes(result: Result) -> dict[str, bool]:
    """Which checks of a run passed."""
    return {name: evaluation.passed for name, evaluation in checks(result).items()}


def table(value: Any) -> list[dict[str, Any]]:
    """The rows of a table in metadata."""
    records: Sequence[dg.TableRecord] = value.records
    return [dict(record.data) for record in records]


def started(result: Result) -> list[str]:
    """The steps that were started, in their order; Dagster leaves out those behind a failed one."""
    return [event.step_key or "" for event in result.all_events if event.is_step_start]


def sentence(result: Result) -> str:
    """What a person reads of the one step that failed."""
    assert not result.success
    (event,) = [event for event in result.all_events if event.is_step_failure]
    failure = event.step_failure_data.user_failure_data
    assert failure, event.step_failure_data.error
    return failure.description or ""


def looks(result: Result) -> int:
    """How often the steps of a run were tried."""
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED}
    return len([event for event in result.all_events if event.event_type in kinds])
