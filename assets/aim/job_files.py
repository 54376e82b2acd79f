"""The two files by which people follow a run: `job_status.json` and `run_manifest.json`.

Here are their keys, and how they are read and written. Whatever lies in their place and has other keys, or
cannot be read at all, counts as no file. Not here: when they are written, and what a run puts in them
(`job_book`).
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeInt,
    PlainSerializer,
    ValidationError,
    model_validator,
)

JOB_STATUS: Final = "output/job_status.json"
RUN_MANIFEST: Final = "output/run_manifest.json"
LONGEST_TEXT: Final = 2000


def one_line(text: object) -> object:
    """A text on one line of at most `LONGEST_TEXT` characters, fit for UTF-8; anything else as it is."""
    if not isinstance(text, str):
        return text
    line = " ".join(text.encode(errors="replace").decode().split())
    return line if len(line) <= LONGEST_TEXT else f"{line[: LONGEST_TEXT - 1]}…"


def _in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


Line = Annotated[str, BeforeValidator(one_line)]
Moment = Annotated[AwareDatetime, PlainSerializer(_in_utc, return_type=str)]
"""Written as ISO 8601 with the offset of UTC; a time without a zone is refused."""

State = Literal["idle", "running", "success", "failed"]
Outcome = Literal["success", "failed", "dry_run"]


class _Record(BaseModel):
    """Exactly the declared keys; what is assigned is checked like what is read."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    @classmethod
    def stored(cls, content: bytes | None) -> Self | None:
        """What a file holds; None if it does not exist or is not one of ours."""
        if content is None:
            return None
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            return None

    def content(self) -> bytes:
        """The file: JSON in UTF-8, indented by two, with a line end."""
        return f"{self.model_dump_json(indent=2)}\n".encode()


class Progress(_Record):
    """CAMs of a run; `failed` is always the difference of the other two."""

    attempted: NonNegativeInt
    succeeded: NonNegativeInt
    failed: NonNegativeInt

    @classmethod
    def of(cls, attempted: int, succeeded: int) -> Self:
        """The progress in which the CAMs that did not succeed failed."""
        return cls(attempted=attempted, succeeded=succeeded, failed=attempted - succeeded)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.failed != self.attempted - self.succeeded:
            raise ValueError("failed is not attempted - succeeded")
        return self


class JobStatus(_Record):
    """`job_status.json`: how the last run is doing. Without a `report` the file has no such key."""

    state: State
    run_id: Line
    started_at: Moment | None
    ended_at: Moment | None
    heartbeat_ts: Moment | None
    last_log_line: Line
    output_file: Line | None
    error_summary: Line | None
    progress: Progress
    report: dict[str, JsonValue] | None = Field(default=None, exclude_if=lambda report: report is None)

    @classmethod
    def idle(cls, run_id: str) -> Self:
        """The status of a run that has not started."""
        return cls(
            state="idle",
            run_id=run_id,
            started_at=None,
            ended_at=None,
            heartbeat_ts=None,
            last_log_line="",
            output_file=None,
            error_summary=None,
            progress=Progress.of(0, 0),
        )


class StageEntry(_Record):
    """A stage that has started. `ended_at` and `outcome` are null while it runs, and if it was killed."""

    stage: int
    name: Line
    started_at: Moment
    ended_at: Moment | None
    outcome: Outcome | None
    rows: NonNegativeInt

    @property
    def is_done(self) -> bool:
        """Whether the stage did what it had to do."""
        return self.outcome in ("success", "dry_run")


class SqlFileEntry(_Record):
    """A SQL file that was executed, or would be in a dry run: its path in the repository, its raw bytes."""

    file: Line
    size: NonNegativeInt
    sha256: Line


class RequestsEntry(_Record):
    """How often a request got this answer; a status of null is a network error or a time-out."""

    method: Line
    path: Line
    status: int | None
    count: NonNegativeInt


class RunManifest(_Record):
    """`run_manifest.json`: what the last run did."""

    mode: Line
    dry_run: bool
    run_id: Line
    stages: list[StageEntry]
    sql_files: list[SqlFileEntry]
    http_requests: list[RequestsEntry]

    @classmethod
    def empty(cls, run_id: str, mode: str, *, dry_run: bool) -> Self:
        """The manifest of a run that has done nothing."""
        return cls(mode=mode, dry_run=dry_run, run_id=run_id, stages=[], sql_files=[], http_requests=[])

    def begin(self, number: int, name: str, now: datetime) -> StageEntry:
        """Note that a stage starts; one that is tried again loses its earlier entry.

        The stages stand in ascending order.
        """
        entry = StageEntry(stage=number, name=name, started_at=now, ended_at=None, outcome=None, rows=0)
        others = [stage for stage in self.stages if stage.stage != number]
        self.stages = sorted([*others, entry], key=lambda stage: stage.stage)
        return entry

    @property
    def troubled(self) -> StageEntry | None:
        """The last begun of the stages that failed or have not ended; None if all are done."""
        return _last_begun(stage for stage in self.stages if not stage.is_done)

    @property
    def latest(self) -> StageEntry | None:
        """The last begun stage; None if none has."""
        return _last_begun(self.stages)


def _last_begun(stages: Iterable[StageEntry]) -> StageEntry | None:
    return max(stages, key=lambda stage: (stage.started_at, stage.stage), default=None)


def added_requests(*counts: Iterable[RequestsEntry]) -> list[RequestsEntry]:
    """The sums of several counts, sorted by method, path and status, a status of null after the others."""
    totals: Counter[tuple[str, str, int | None]] = Counter()
    for entry in chain(*counts):
        totals[entry.method, entry.path, entry.status] += entry.count
    ordered = sorted(totals, key=lambda key: (*key[:2], key[2] is None, key[2] or 0))
    return [
        RequestsEntry(method=method, path=path, status=status, count=totals[method, path, status])
        for method, path, status in ordered
    ]
