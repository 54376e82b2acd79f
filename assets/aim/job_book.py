"""The book of a run: it keeps `job_status.json` and `run_manifest.json` current while the run goes on.

A run may be one process, or a process per stage that each open the book anew. The book writes what it is
told and adds nothing: no exception text, no setting. Not here: the keys of the files (`job_files`), where
they lie, and who may run at the same time (a lock or a pool).
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, Final, Protocol, Self

from assets.aim.job_files import (
    JOB_STATUS,
    RUN_MANIFEST,
    JobStatus,
    Outcome,
    Progress,
    RequestsEntry,
    RunManifest,
    SqlFileEntry,
    StageEntry,
    added_requests,
)
from assets.failures import NotReady, PermanentFailure

HEARTBEAT_SECONDS: Final = 20.0
"""The contract asks for a heartbeat every 30 s; a write may take a while."""

PRESUMED_DEAD: Final = timedelta(seconds=60)
"""A running run without a heartbeat for this long was killed."""

_log = logging.getLogger(__name__)


class Files(Protocol):
    """A folder, as far as the book needs one; the paths are those of `job_files`."""

    def read(self, path: str, /) -> bytes | None:
        """The content of a file; None if it does not exist."""
        ...

    def write(self, path: str, content: bytes, /) -> None:
        """Make the content the whole file, or leave the old one."""
        ...


@dataclass(slots=True)
class OpenStage:
    """A stage that runs; it sets `rows` to the rows that it published."""

    rows: int = 0


class JobBook:
    """The status and the manifest of one run, written anew after each change.

    The methods may be called from several threads. They raise what the caller's `write` raises; the book then
    still knows the change, and the next write brings the file up to date. Between `start` and the end of the
    run all methods work; before and after, only `start` and, once the run has started, `fail` do.
    """

    def __init__(
        self,
        status: JobStatus,
        manifest: RunManifest,
        *,
        write: Callable[[str, bytes], None],
        now: Callable[[], datetime],
    ) -> None:
        """Go on from these contents; see `open`, which finds them."""
        self._status = status
        self._manifest = manifest
        self._write = write
        self._now = now
        self._lock = threading.RLock()
        self._earlier_requests = manifest.http_requests

    @classmethod
    def open(
        cls,
        run_id: str,
        *,
        mode: str,
        dry_run: bool,
        files: Files,
        now: Callable[[], datetime],
        continues: bool = False,
        is_alone: bool = False,
    ) -> Self:
        """Open the book of a run; nothing is written yet.

        Where the files are already of this run, it goes on with them; a file of another run that has ended,
        or that is no file of ours, will be replaced.

        Args:
            run_id: the name of this run.
            mode: `local` or `cloud`.
            dry_run: whether the run only says what it would do.
            files: where the two files lie.
            now: the clock, with a time zone.
            continues: whether earlier stages of this run must have left their tables here.
            is_alone: whether the caller knows, by a lock, that no other run lives in this place.

        Raises:
            NotReady: another run works in this place.
            PermanentFailure: `continues`, but the last run in this place was not this one.
        """
        status = JobStatus.stored(files.read(JOB_STATUS))
        manifest = RunManifest.stored(files.read(RUN_MANIFEST))
        # A run writes its status first: that tells who was here last, should one be killed between the two.
        last = status or manifest
        last_run_id = last.run_id if last else None
        if continues and last_run_id != run_id:
            raise PermanentFailure(_cannot_continue(run_id, last_run_id))
        if last_run_id != run_id:
            if status is not None and not is_alone:
                _refuse_company(status, now())
            status = manifest = None
        if manifest is None or manifest.run_id != run_id:
            manifest = RunManifest.empty(run_id, mode, dry_run=dry_run)
        return cls(status or JobStatus.idle(run_id), manifest, write=files.write, now=now)

    @property
    def done_stages(self) -> frozenset[int]:
        """The numbers of the stages of this run that have done what they had to do."""
        with self._lock:
            return frozenset(entry.stage for entry in self._manifest.stages if entry.is_done)

    @property
    def failed_stages(self) -> frozenset[int]:
        """The numbers of the stages of this run that failed and did not run again."""
        with self._lock:
            return frozenset(entry.stage for entry in self._manifest.stages if entry.outcome == "failed")

    def start(self) -> None:
        """Begin the run, or go on with it: with its start, its progress and its stages, and running again."""
        with self._lock:
            if self._status.started_at is None:
                self._status.started_at = self._now()
                self._status.last_log_line = "Job Initialized"
            self._status.state = "running"
            self._status.ended_at = None
            self._save_both()

    @contextmanager
    def stage(self, number: int, display_name: str) -> Iterator[OpenStage]:
        """Note that a stage starts and how it ends. An exception marks it as failed and goes on."""
        with self._running():
            entry = self._manifest.begin(number, display_name, self._now())
            self._status.last_log_line = f"Starting {display_name}"
            self._save_both()
        stage = OpenStage()
        try:
            yield stage
        except BaseException:
            # What made the stage fail matters more than a file that cannot be written.
            with self._unwritten_is_a_warning():
                self._close(entry, "failed", 0)
            raise
        if self._manifest.dry_run:
            self._close(entry, "dry_run", 0)
        else:
            self._close(entry, "success", int(stage.rows))

    def progress(self, attempted: int, succeeded: int, line: str | None = None) -> None:
        """Set how many CAMs were attempted and succeeded so far, and the line that people read.

        Raises:
            ValueError: more succeeded than were attempted.
        """
        with self._running():
            self._status.progress = Progress.of(attempted, succeeded)
            if line is not None:
                self._status.last_log_line = line
            self._save_status()

    def ran_sql(self, path: str, size: int, sha256: str) -> None:
        """Note a SQL file that is executed, or would be in a dry run; the same file is noted once.

        Args:
            path: relative to the repository, with forward slashes.
            size: of the raw file, in bytes.
            sha256: of the raw file, in hexadecimal digits.
        """
        with self._running():
            file = SqlFileEntry(file=path, size=size, sha256=sha256)
            if file not in self._manifest.sql_files:
                self._manifest.sql_files.append(file)
                self._save_manifest()

    def http_requests(self, counts: Iterable[Mapping[str, Any]]) -> None:
        """Set the requests made since this book was opened: mappings of method, path, status and count.

        The requests that earlier processes of this run noted are added to them.
        """
        with self._running():
            own = [RequestsEntry.model_validate(count) for count in counts]
            self._manifest.http_requests = added_requests(self._earlier_requests, own)
            self._save_manifest()

    def output_file(self, path: str) -> None:
        """Note the results file that was written; the status shows its base name."""
        with self._running():
            self._status.output_file = PurePosixPath(path).name
            self._save_status()

    def report(self, cost_report: Mapping[str, Any]) -> None:
        """Note the cost report of Stage 4.

        Raises:
            ValueError: a dry run costs nothing and has no report.
        """
        with self._running():
            if self._manifest.dry_run:
                raise ValueError(f"Dry run {self._status.run_id} cannot have a cost report")
            self._status.report = dict(cost_report)
            self._save_status()

    def finish(self) -> None:
        """End the run: as a success, unless a stage failed or was killed and did not run again."""
        with self._running():
            troubled = self._manifest.troubled
            if troubled is not None:
                self.fail(self._status.error_summary or f"{troubled.name} did not end")
                return
            self._status.state = "success"
            self._status.error_summary = None
            self._status.last_log_line = "Job Completed Successfully"
            self._status.ended_at = self._now()
            self._save_both()

    def fail(self, error_summary: str) -> None:
        """End the run as a failure, also one that had ended well. Stages that still run have failed.

        Args:
            error_summary: one sentence without secrets.
        """
        with self._lock:
            if self._status.started_at is None:
                raise ValueError(f"Run {self._status.run_id} has not started and cannot fail")
            now = self._now()
            for entry in self._manifest.stages:
                if entry.outcome is None:
                    entry.outcome, entry.ended_at = "failed", now
            self._status.state = "failed"
            self._status.error_summary = error_summary
            where = self._manifest.troubled or self._manifest.latest
            self._status.last_log_line = f"Failed at {where.name if where else 'start-up'}"
            self._status.ended_at = now
            self._save_both()

    @contextmanager
    def beating(self, every: float = HEARTBEAT_SECONDS) -> Iterator[None]:
        """Meanwhile renew the heartbeat of the running run every so many seconds, whatever the run does.

        A heartbeat that cannot be written is logged as a warning, and the next one is tried.
        """
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(every):
                with self._unwritten_is_a_warning(), self._lock:
                    # Under the lock, so that no heartbeat follows the final status.
                    if self._status.state == "running" and not stopped.is_set():
                        self._save_status()

        thread = threading.Thread(target=beat, name=f"heartbeat of {self._status.run_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Hold the lock over a change of a run that runs, and refuse any other: an end is final."""
        with self._lock:
            if self._status.state != "running":
                raise ValueError(
                    f"Run {self._status.run_id} is not running but {self._status.state}; start it first"
                )
            yield

    @contextmanager
    def _unwritten_is_a_warning(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 (whatever the store raises; the work goes on)
            _log.warning("The files of run %s could not be written: %s", self._status.run_id, error)

    def _close(self, entry: StageEntry, outcome: Outcome, rows: int) -> None:
        with self._lock:
            if entry.outcome is None:
                entry.rows, entry.ended_at, entry.outcome = rows, self._now(), outcome
            self._save_both()

    def _save_both(self) -> None:
        self._save_status()
        self._save_manifest()

    def _save_status(self) -> None:
        self._status.heartbeat_ts = self._now()
        self._write(JOB_STATUS, self._status.content())

    def _save_manifest(self) -> None:
        self._write(RUN_MANIFEST, self._manifest.content())


def _refuse_company(status: JobStatus, now: datetime) -> None:
    """Refuse to work beside a run that lives; a heartbeat from the future is one of a clock set back."""
    heartbeat = status.heartbeat_ts
    if status.state == "running" and heartbeat is not None and abs(now - heartbeat) < PRESUMED_DEAD:
        since = (status.started_at or heartbeat).isoformat(timespec="seconds")
        raise NotReady(
            f"Run {status.run_id} has been working in this place since {since}; wait until it ends, or until"
            f" {PRESUMED_DEAD.seconds} s after its last heartbeat if it was killed"
        )


def _cannot_continue(run_id: str, last_run_id: str | None) -> str:
    if last_run_id is None:
        return (
            f"{JOB_STATUS} and {RUN_MANIFEST} do not show the earlier stages of run {run_id}, so its working"
            " tables cannot be trusted; launch the run again from its first stage"
        )
    return (
        f"Run {last_run_id} has worked in this place since the earlier stages of run {run_id}, whose working"
        " tables are gone; launch the run again from its first stage"
    )
