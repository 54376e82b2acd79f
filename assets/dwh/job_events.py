"""`job_completed`: the event that tells how a run of a job ended, and how it is called at each destination.

Not here: who is told (`publishers`), and what a run counted (`metrics`).
"""

import traceback
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from typing import Final, Literal, NamedTuple

from pydantic import NonNegativeInt

from assets.dwh.documents import Document, Instant, Part
from assets.dwh.filter_manifests import FilterOutput
from assets.dwh.metrics import JobStatus, Metrics, QualityMetrics
from assets.dwh.paths import Category, Location, Scheme, StoredPath
from assets.dwh.redaction import without_secrets
from assets.dwh.run_ids import RunId
from assets.dwh.transform_manifests import TransformOutput

FailureType = Literal["QUALITY", "CATASTROPHIC"]
FailurePhase = Literal["create", "execute"]

UNKNOWN_RUN: Final = "unknown"
"""The run id of a job that failed before it had one."""

# SNS takes 256 KiB a message, in which metrics and artifacts have their place too.
_LONGEST_MESSAGE: Final = 8_000
_LONGEST_STACK_TRACE: Final = 32_000


class Artifact(Part):
    """What a run wrote of one category."""

    path: StoredPath
    records: NonNegativeInt
    bytes: NonNegativeInt


class JobError(Part):
    """Why a job failed, without secrets."""

    type: str
    message: str
    phase: FailurePhase
    stack_trace: str


class JobCompleted(Document):
    """The event of one run of a job that ended."""

    event_type: Literal["job_completed"] = "job_completed"
    job_name: str
    job_run_id: RunId
    timestamp: Instant
    status: JobStatus
    failure_type: FailureType | None
    artifacts_available: bool
    artifacts: dict[str, Artifact]
    """By category."""
    quality: QualityMetrics | None
    metrics: Metrics | None
    error: JobError | None

    @property
    def event_id(self) -> str:
        """The run id and the status. Runs without an id are told apart by their job and time.

        It may be the name of an object.
        """
        event_id = f"{self.job_run_id}-{self.status}"
        if self.job_run_id != UNKNOWN_RUN:
            return event_id
        return f"{event_id}-{self.job_name}-{self.timestamp:%Y%m%dT%H%M%S.%fZ}"

    @property
    def file_name(self) -> str:
        """The name of its object in a folder of events."""
        return f"{self.job_name}-{self.job_run_id}-{self.status}.json"

    @property
    def subject(self) -> str:
        """The subject of its message."""
        return f"Job Event: {self.job_name} - {self.status}"

    @property
    def attributes(self) -> dict[str, str]:
        """What subscribers can filter its message by."""
        return {"status": self.status, "job_name": self.job_name}

    def line(self) -> str:
        """The event as one line of JSON, without its end."""
        return self.model_dump_json()


class _Outcome(NamedTuple):
    failure_type: FailureType | None
    artifacts_available: bool


_OUTCOMES: Final[Mapping[JobStatus, _Outcome]] = {
    "SUCCESS": _Outcome(None, artifacts_available=True),
    "PENDING_APPROVAL": _Outcome("QUALITY", artifacts_available=True),
    "FAILED": _Outcome("CATASTROPHIC", artifacts_available=False),
}


def completed_event(metrics: Metrics, artifacts: Mapping[str, Artifact], timestamp: datetime) -> JobCompleted:
    """The event of a run that did its work, good or not good enough.

    Raises:
        ValueError: the metrics are those of a failed run, or the time has no zone.
    """
    if metrics.job_status == "FAILED":
        raise ValueError(f"Run {metrics.job_run_id} failed; make its event of its error with failed_event")
    outcome = _OUTCOMES[metrics.job_status]
    return JobCompleted(
        job_name=metrics.job_name,
        job_run_id=metrics.job_run_id,
        timestamp=timestamp,
        status=metrics.job_status,
        failure_type=outcome.failure_type,
        artifacts_available=outcome.artifacts_available,
        artifacts=dict(artifacts),
        quality=metrics.quality,
        metrics=metrics,
        error=None,
    )


def failed_event(
    job_name: str,
    error: JobError,
    timestamp: datetime,
    *,
    job_run_id: str = UNKNOWN_RUN,
    metrics: Metrics | None = None,
) -> JobCompleted:
    """The event of a run that failed, as far as it got.

    Raises:
        ValueError: the time has no zone, or the run id cannot name a run.
    """
    outcome = _OUTCOMES["FAILED"]
    return JobCompleted(
        job_name=job_name,
        job_run_id=job_run_id,
        timestamp=timestamp,
        status="FAILED",
        failure_type=outcome.failure_type,
        artifacts_available=outcome.artifacts_available,
        artifacts={},
        quality=None if metrics is None else metrics.quality,
        metrics=metrics,
        error=error,
    )


def job_error(phase: FailurePhase, message: str, error: BaseException) -> JobError:
    """An error as the event tells it, without secrets; of long texts the part that says most.

    Args:
        phase: whether the job could not be made, or failed later.
        message: what people are told of it.
        error: the error itself; its causes are part of the stack trace.
    """
    stack_trace = without_secrets("".join(traceback.format_exception(error)))
    return JobError(
        type=type(error).__name__,
        message=without_secrets(message)[:_LONGEST_MESSAGE],
        phase=phase,
        stack_trace=stack_trace[-_LONGEST_STACK_TRACE:],
    )


def transform_artifacts(outputs: Iterable[TransformOutput], scheme: Scheme) -> dict[str, Artifact]:
    """What a transform run wrote, by category; of several row days, the folder that holds them all."""
    by_category: dict[Category, list[TransformOutput]] = {}
    for output in outputs:
        by_category.setdefault(output.category, []).append(output)
    return {
        category: Artifact(
            path=reduce(Location.common_folder, (Location.parse(output.path) for output in written)).uri(
                scheme
            ),
            records=sum(output.records for output in written),
            bytes=sum(output.bytes for output in written),
        )
        for category, written in sorted(by_category.items())
    }


def filter_artifacts(output: FilterOutput) -> dict[str, Artifact]:
    """What a filter run wrote."""
    return {
        "filtered_images": Artifact(path=output.path, records=output.record_count, bytes=output.bytes_written)
    }
