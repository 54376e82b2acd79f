"""One pass over everything that grows: what may go, and, in earnest, its removal."""

import os
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

import dagster as dg

from resources.compute_host import LocalHost
from scripts.retention import compute_logs, dwh_folders, history, work_folders
from scripts.retention.past_runs import Plan, plan

DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """From which age in days each kind may go; None leaves a kind alone."""

    runs: float
    logs: float
    work: float
    dwh: float | None


@dataclass(slots=True)
class Heap:
    """Files of one kind that may go."""

    count: int = 0
    size: int = 0
    """Bytes."""

    def add(self, size: int) -> None:
        """Count another one."""
        self.count, self.size = self.count + 1, self.size + size


@dataclass(slots=True, kw_only=True)
class Report:
    """What a pass found and, unless it is a rehearsal, removed."""

    is_rehearsal: bool
    runs: int
    runs_to_go: int
    kept: dict[str, int]
    """How many runs stay, by the reason."""
    event_files: int = 0
    """Of runs that had been deleted before, by other means."""
    logs: Heap = field(default_factory=Heap)
    work: Heap = field(default_factory=Heap)
    dwh: Heap | None = None
    notes: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A pass: where, how old, when, and whether in earnest."""

    instance: dg.DagsterInstance
    home: Path
    """Quintet's home."""
    ages: Ages
    now: float
    """Seconds since the epoch."""
    in_earnest: bool
    say: Callable[[str], None]
    """Takes a sentence about how far it is."""

    def carry_out(self) -> Report:
        """Find what may go and remove it, the runs first: what else may go depends on them."""
        files = history.event_files(self.instance)
        log_folder = compute_logs.log_folder(self.instance)
        logs = None if log_folder is None else compute_logs.listed(log_folder)
        runs = history.past_runs(self.instance)
        decided = plan(
            runs,
            history.holders(self.instance),
            history.open_backfills(self.instance),
            self._before(self.ages.runs),
        )
        ownerless = files - {run.run_id for run in runs}
        report = Report(
            is_rehearsal=not self.in_earnest,
            runs=len(runs),
            runs_to_go=len(decided.deletable),
            kept=decided.reasons(),
            event_files=len(ownerless),
        )
        if self.in_earnest:
            self._delete_runs(decided)
            history.remove_event_files(self.instance, ownerless)
        live = {run.run_id: run.made_at for run in runs if run.ended_at is None}
        self._sweep_logs(report, logs, live, decided.kept)
        self._sweep_work(report, live)
        if self.ages.dwh is not None:
            self._sweep_dwh(report, self._before(self.ages.dwh))
        return report

    def _before(self, days: float) -> float:
        return self.now - days * DAY_SECONDS

    def _delete_runs(self, decided: Plan) -> None:
        run_ids = [run.run_id for run in decided.deletable]
        began = time.monotonic()

        def told(done: int) -> None:
            rate = done / max(time.monotonic() - began, 1e-3)
            left = (len(run_ids) - done) / rate
            self.say(f"{done:,} of {len(run_ids):,} runs deleted, {rate:.0f} a second, {left:.0f} s left")

        history.delete_runs(self.instance, run_ids, told)

    def _sweep_logs(
        self, report: Report, logs: list[Path] | None, live: Collection[str], kept: Collection[str]
    ) -> None:
        if logs is None:
            report.notes.append(
                "Logs of steps go to another system; have that one remove them by age, by a rule of its own."
            )
            return
        for old in compute_logs.old_logs(logs, live, kept, self._before(self.ages.logs)):
            report.logs.add(old.size)
            if self.in_earnest:
                compute_logs.remove(old)

    def _sweep_work(self, report: Report, live: dict[str, float]) -> None:
        work = self.home / "work"
        with LocalHost(folder=str(work / "beams")).connect() as session:

            def engine_runs(folder: Path) -> bool:
                return session.observe(PurePosixPath(folder)).state == "running"

            for leftover in work_folders.leftovers(work, live, self._before(self.ages.work), engine_runs):
                report.work.add(leftover.size)
                if self.in_earnest:
                    work_folders.remove(leftover)

    def _sweep_dwh(self, report: Report, before: float) -> None:
        from resources.deployments import resources_for
        from resources.object_store import ObjectStore

        store = resources_for(environ=os.environ)["object_store"]
        if not isinstance(store, ObjectStore):
            raise TypeError(f"The resource object_store is a {type(store).__name__}.")
        found = dwh_folders.superfluous(store, datetime.fromtimestamp(before, UTC))
        report.dwh = Heap()
        report.notes += found.notes
        for folder in found.folders:
            report.dwh.add(folder.size)
            if self.in_earnest:
                dwh_folders.remove(store, folder)
