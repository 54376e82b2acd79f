"""An asset whose work a backend does, the job that it is given, and what a run of it records."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import dagster as dg

from resources.compute import ComputeBackend, Submission, launch_token, results

ROOT = Path(__file__).parents[3]
JOB = "tests/resources/compute/reporting_job.py"
DAY = "2025-01-15"
KEY = dg.AssetKey(["dwh", "counted_rows"])
CHECK = "rows_are_positive"
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Work:
    """The job's own arguments: how it behaves, and the files that it and the test talk through."""

    folder: Path
    behaviour: str = "report"

    @property
    def started(self) -> Path:
        return self.folder / "started"

    @property
    def until(self) -> Path:
        return self.folder / "until"

    @property
    def starts(self) -> list[int]:
        """The processes that were started."""
        return [int(line) for line in self.started.read_text().splitlines()] if self.started.exists() else []

    @property
    def arguments(self) -> tuple[str, ...]:
        given = {"--behaviour": self.behaviour, "--started": self.started, "--until": self.until}
        return tuple(str(part) for pair in given.items() for part in pair)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What Dagster knows after a run."""

    result: dg.ExecuteInProcessResult
    instance: dg.DagsterInstance
    messages: Sequence[object]

    @property
    def materialisations(self) -> list[dg.AssetMaterialization]:
        return [
            event.materialization
            for event in self.result.get_asset_materialization_events()
            if event.is_step_materialization
        ]

    @property
    def failure(self) -> str:
        """Why the step failed, with its causes."""
        (failed,) = self.result.filter_events(lambda event: event.is_step_failure)
        error = failed.step_failure_data.error
        assert error
        return error.to_string()

    @property
    def log(self) -> str:
        """Every line and every event of the run."""
        return "\n".join(record.event_log_entry.to_json() for record in self._records())

    def _records(self) -> Sequence[dg.EventLogRecord]:
        return self.instance.get_records_for_run(self.result.run_id, limit=1000).records


def asset_over(
    backend: Callable[[], ComputeBackend], work: Work, token: str | None = None
) -> tuple[dg.AssetsDefinition, list[object]]:
    """An asset whose step hands its work to a backend, and the list that gets its custom messages."""
    messages: list[object] = []

    @dg.asset(
        key=KEY,
        partitions_def=dg.StaticPartitionsDefinition([DAY]),
        check_specs=[dg.AssetCheckSpec(CHECK, asset=KEY, blocking=True)],
    )
    def counted_rows(context: dg.AssetExecutionContext):
        submission = Submission(JOB, work.arguments, token or launch_token(context))
        invocation = backend().run(context, submission)
        messages.extend(invocation.get_custom_messages())
        yield from results(invocation)

    return counted_rows, messages


def run_over(backend: ComputeBackend, work: Work, token: str | None = None) -> Recorded:
    """Materialise the asset, and bring what the run recorded, also if it failed."""
    instance = dg.DagsterInstance.ephemeral()
    asset, messages = asset_over(lambda: backend, work, token)
    result = dg.materialize([asset], partition_key=DAY, instance=instance, raise_on_error=False)
    return Recorded(result, instance, messages)


def interrupt_when_started(work: Work, processes: int = 1) -> Thread:
    """Send us SIGINT, as someone does who terminates the run, once the job has said that it works."""

    def send() -> None:
        until = time.monotonic() + MINUTE
        while len(work.starts) < processes and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = Thread(target=send)
    thread.start()
    return thread
