"""Command lines of dwh for tests: small inputs, the arguments of each job, and what a process answered."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from scripts.dagster_home import prepare_dagster_home
from scripts.sample_data.dwh import Size, write_inputs

ROOT = Path(__file__).parents[2]
DAY = "2025-03-09"
SIZE = Size(rows=300, promotions=20)
EVENTS = "s3://dwh-data/told"

TRANSFORM = ("--start_date", DAY, "--end_date", DAY, "--created_by", "nightly")
PROMOS = TRANSFORM
FILTER = ("--end_date", DAY)
FILTER_CONFIG = {
    "base_path": "s3://dwh-data/filtered_images",
    "transform_output_path": "s3://dwh-data/transformed_images/",
}
# The small inputs drop 4 in 100, which is good enough by default.
RED = {"quality_checker_config": {"drop_rate_yellow": 0.001, "drop_rate_red": 0.002}}


@dataclass(frozen=True, slots=True)
class Home:
    """A home of Quintet with small inputs of one day, and what is recorded and stored in it."""

    folder: Path

    @property
    def bucket(self) -> Path:
        return self.folder / "storage" / "dwh-data"

    def with_inputs(self) -> "Home":
        write_inputs(self.bucket, SIZE, day=date.fromisoformat(DAY))
        return self

    def runs(self) -> list[dg.DagsterRun]:
        """The runs of the instance, the newest first."""
        prepare_dagster_home({"DAGSTER_HOME": str(self.folder.parent / "dagster_home")})
        with dg.DagsterInstance.get() as instance:
            return list(instance.get_runs())

    def log_of(self, run: dg.DagsterRun) -> str:
        with dg.DagsterInstance.get() as instance:
            records = instance.get_records_for_run(run.run_id, limit=1000).records
        return "\n".join(record.event_log_entry.to_json() for record in records)

    def documents(self, pattern: str) -> list[dict[str, Any]]:
        """The JSON objects of the bucket whose key is like this."""
        return [json.loads(path.read_bytes()) for path in sorted(self.bucket.glob(pattern))]

    def events(self) -> list[dict[str, Any]]:
        return self.documents("told/*.json")


def command_line(
    job: str, config: Mapping[str, Any] | str, *arguments: str, module_name: str | None = None
) -> list[str]:
    """The words of an entry, the script's name first."""
    text = config if isinstance(config, str) else json.dumps(config)
    return ["generic_entry.py", "--module_name", module_name or job, f"--{job}_job", text, *arguments]


def in_process_of_its_own(
    platform: str, words: list[str], *, cwd: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Start an entry as a scheduler does."""
    script = ROOT / "scripts" / platform / "generic_entry.py"
    return subprocess.run(
        [sys.executable, str(script), *words[1:]],
        cwd=cwd,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def only_line(text: str) -> dict[str, Any]:
    """The one line of standard output."""
    (line,) = text.splitlines()
    return json.loads(line)


def stored_rows(home: Home) -> Iterator[tuple[object, ...]]:
    """The rows that the day's pointer names, in order."""
    import polars as pl

    (pointer,) = home.documents("filtered_images/pacific/year=2025/month=03/day=09/_manifests/latest.json")
    folder = home.bucket.parent / pointer["output"]["path"].removeprefix("s3://")
    frame = pl.read_parquet(f"{folder}/*.parquet").drop("_source_run_id").unnest("data")
    return iter(sorted(frame.rows(), key=repr))
