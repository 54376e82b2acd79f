"""The jobs of the discovery benchmark, in a folder of their own: one source of lines, fast stages.

Not here: what is measured of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.handler_modules import import_handlers
from assets.discovery.job_model import Job
from assets.discovery.jobs_file import parse_jobs
from resources.http import Http
from resources.ledger import Ledger

JOB: Final = "bench"
SOURCE: Final = "lines.jsonl"
HANDLER: Final = "scripts.benchmarks.discovery_handler"


def write_source(root: Path, lines: int) -> None:
    """A file of so many things, about 100 bytes each."""
    with (root / SOURCE).open("w", encoding="utf-8") as file:
        for number in range(lines):
            file.write(f'{{"id": "item-{number:08}", "title": "Number {number}", "pad": "{"x" * 40}"}}\n')


def jobs_text(stages: Sequence[str] = ("work",), claim_batch: int = 25) -> str:
    """The jobs file."""
    job = {
        "name": JOB,
        "discovery": {"strategy": "table_file", "params": {"path": SOURCE, "key_columns": ["id"]}},
        "runner": {"claim_batch": claim_batch},
        "stages": [{"name": name, "handler": HANDLER} for name in stages],
    }
    return yaml.safe_dump({"version": 1, "jobs": [job]})


def registry(root: Path, stages: Sequence[str] = ("work",), claim_batch: int = 25) -> ResourceRegistry:
    """What a run of the benchmark's job uses. Its ledger lies in `root`."""
    jobs = parse_jobs(jobs_text(stages, claim_batch), root / "jobs.yaml")
    return ResourceRegistry(
        ledgers=Ledger(folder=str(root / "ledger")), jobs=jobs, handlers=import_handlers(jobs), webs=Http()
    )


def job_of(resources: ResourceRegistry) -> Job:
    """The one job."""
    return resources.jobs.jobs[0]
