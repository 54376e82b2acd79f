"""Ours in the dwh benchmarks: the registered job `filter_images` on one engine, as a command line runs it.

Not here: the inputs (`dwh_inputs`), what it is compared with (`dwh_predecessor`), and processes.
"""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from assets.dwh.filter_manifests import FilterManifest
from assets.dwh.metrics import Metrics
from assets.dwh.paths import Location
from assets.dwh.registry import REGISTRY
from assets.dwh.stages.jobs import run_job
from assets.dwh.stages.workplace import Workplace
from resources.spark import Spark
from resources.warehouse import DuckDBWarehouse
from scripts.benchmarks.dwh_inputs import BASE, DAY, FILTERED, TIMEZONE, TRANSFORMED, store_of
from scripts.terminal.answers import say


@dataclass(frozen=True, slots=True)
class Run:
    """What one way to deduplicate the day came to. `seconds` are from before its session to its end."""

    seconds: float
    rows: int
    folder: str
    """The files that it wrote: a folder of this machine."""
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds by phase or action."""

    def to_json(self) -> str:
        """The run as another process reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The run that another process wrote."""
        return cls(**json.loads(text))


def job_arguments(*, latest_copy: bool = False) -> dict[str, Any]:
    """The arguments of the job, as the command line of an entry has them."""
    config = {
        "base_path": BASE.uri("s3"),
        "transform_output_path": TRANSFORMED.base.uri("s3"),
        "timezone": TIMEZONE,
        "latest_copy": latest_copy,
    }
    day = {"year": f"{DAY:%Y}", "month": f"{DAY:%m}", "day": f"{DAY:%d}"}
    return {"filter_images_job": json.dumps(config), "has_spark": "true", **day}


def run_ours(home: Path, engine: str) -> Run:
    """Deduplicate the day with the real job, `latest/` included, and return what it says of itself."""
    spark = Spark(engine=engine, work_folder=str(home / "work"))
    warehouse = DuckDBWarehouse(path=str(home / "warehouse.duckdb"))
    workplace = Workplace(store_of(home), spark, warehouse, log=say)
    started = time.perf_counter()
    report = run_job(REGISTRY["filter_images"], workplace, job_arguments(latest_copy=True))
    return run_of(home, report.metrics, time.perf_counter() - started)


def run_of(home: Path, metrics: Metrics, seconds: float) -> Run:
    """A run by its metrics document."""
    phases = metrics.phases
    parts = {name: getattr(phases, name).duration_seconds or 0.0 for name in ("extract", "transform", "load")}
    return Run(seconds, metrics.records_written, str(output_folder(home)), parts)


def output_folder(home: Path) -> Path:
    """Where the rows lie that a reader reads."""
    pointer = FILTERED.pointer(DAY)
    content = store_of(home).read_bytes(pointer.bucket, pointer.key)
    output = FilterManifest.read(pointer.key, content).output
    if output is None:
        raise ValueError(f"{pointer.key} names no output")
    place = Location.parse(output.path)
    return home / "storage" / place.bucket / place.key
