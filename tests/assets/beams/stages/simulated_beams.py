"""A prepared beam with its folders, registry, host and engine; all real but for GPUs and their engine."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest

from assets.beams.failures import BeamFailure, PendingBeamFailure
from assets.beams.registry import beams, failing, reopening, rows
from assets.beams.registry.beams import BeamWork
from assets.beams.registry.reopening import Occasion, Reopening
from assets.beams.registry.rows import Beam
from assets.beams.registry.steps import Request
from assets.beams.settings import BeamSettings, settings_of
from assets.beams.stages.attempt import DoseOrder
from assets.beams.stages.dose_validation import DoseResult
from assets.beams.stages.simulation import simulate
from assets.beams.stages.worker import Stop, Stopped, Worker
from assets.beams.states import BeamState
from assets.beams.tps_input import TpsBeam, write_tps_input
from resources.compute_host import ComputeHost, LocalHost
from resources.dose_engine import DoseEngine, McsquareEngine, MoquiEngine
from scripts.sample_data.beams_engine import set_behaviour, set_up_engine, starts
from scripts.sample_data.beams_nvidia_smi import set_up_nvidia_smi
from tests.assets.beams.registry.registry_worlds import CASE, interpreted, opened
from tests.assets.beams.registry.registry_worlds import rows as table

BEAM_ID = f"{CASE}_beam_1"
FOLDER = "002_F1"
CSVS = {
    "01_150.00MeV.csv": "0.0,1.5,-2.5,40\r\n0.06,2.5,-2.5,60\r\n",
    "02_140.00MeV.csv": "0.0,2.0,-2.0,50\r\n",
}
SPOTS = [(150.0, [(1.5, -2.5, 40.0), (2.5, -2.5, 60.0)]), (140.0, [(2.0, -2.0, 50.0)])]
MadeHost = Callable[[], ComputeHost]
"""A resource does not get into another process, but what makes it does."""
PHYSICIST = Request("physicist")


class FarHost(LocalHost):
    """This machine, taken for a remote one: files are sent, and an engine may be left alone."""

    @property
    def name(self) -> str:
        return "far:22"

    @property
    def is_remote(self) -> bool:
        return True


@dataclass
class Site:
    """Where a beam is simulated; `home` is deleted with the test."""

    home: Path
    host: ComputeHost
    engine: DoseEngine
    settings: BeamSettings
    remake: Callable[[], "Site"]
    """Makes it once more, in another process."""
    told: list[str] = field(default_factory=list)
    failures: list[tuple[str, BeamWork]] = field(default_factory=list)

    @property
    def command(self) -> Path:
        return self.home / "engine" / "tps_env"

    @property
    def nvidia_smi(self) -> Path:
        return self.home / "gpus" / "nvidia-smi"

    @property
    def output(self) -> Path:
        return self.home / "out" / CASE

    @property
    def jobs(self) -> Path:
        return Path(self.host.workdir()) / CASE / FOLDER

    def registry(self) -> sqlite3.Connection:
        return opened(self.home / "ledger")

    def order(self, **changes: Any) -> DoseOrder:
        order = DoseOrder(
            beam=TpsBeam(CASE, 1, 2, FOLDER, 2),
            case_output=self.output,
            csv_names=tuple(CSVS),
            spots=lambda: SPOTS,
            highest_mev=150.0,
        )
        return replace(order, **changes)

    def begin(self, run: str = "r1") -> BeamWork:
        """The beam, in the hands of a run at its step `dose`."""
        with closing(self.registry()) as connection:
            work = beams.take(connection, BEAM_ID, run, now())
            if rows.beam_of(connection, BEAM_ID).state is BeamState.PENDING:
                beams.move(connection, work, BeamState.PREPARED, now())
            beams.begin_step(connection, work, "dose", now())
            return work

    def reopen(self, occasion: Occasion, *alive: str) -> None:
        with closing(self.registry()) as connection:
            asked = Reopening(occasion, PHYSICIST, frozenset(alive), 9)
            reopening.reopen_beam(connection, BEAM_ID, asked, now())

    def worker(self, run: str = "r1", *, alive: tuple[str, ...] = (), **changes: Any) -> Worker:
        worker = Worker(
            work=self.begin(run),
            connect=self.registry,
            clock=now,
            active_runs=lambda runs: {run, *alive} & set(runs),
            log=self.told.append,
            on_failure=self.keep,
        )
        return replace(worker, **changes)

    def keep(self, failure: BeamFailure, work: BeamWork) -> None:
        """As the step does: the failure is kept while the leases are still held."""
        with closing(self.registry()) as connection:
            states = [row["state"] for row in table(connection, "SELECT state FROM leases")]
            self.failures.append((",".join(states), work))
            if isinstance(failure, PendingBeamFailure):
                beams.wait_for_gpu(connection, work, failure, now())
            elif failure.code != "lease_lost":
                failing.fail_beam(connection, work, failure, now())

    def simulate(self, run: str = "r1", **changes: Any) -> DoseResult:
        return simulate(self.order(), self.worker(run, **changes), self.settings, self.host, self.engine)

    def beam(self) -> Beam:
        with closing(self.registry()) as connection:
            return rows.beam_of(connection, BEAM_ID)

    def lease_states(self) -> list[tuple[int, str, str]]:
        """Token, state and run of every lease, by GPU."""
        with closing(self.registry()) as connection:
            found = table(connection, "SELECT token, state, owner_run FROM leases ORDER BY uuid, token")
        return [(row["token"], row["state"], row["owner_run"]) for row in found]

    def starts(self) -> int:
        return len(starts(self.command))

    def processes(self) -> list[int]:
        return processes_in(self.home)

    def is_at_work(self) -> bool:
        """Whether the engine runs; the stand-in has chosen its behaviour by then."""
        has_begun = self.starts() > 0 if self.engine.needs_gpu else bool(self.processes())
        return has_begun and self.beam().state is BeamState.RUNNING

    def job_folders(self) -> list[str]:
        return sorted(entry.name for entry in self.jobs.iterdir()) if self.jobs.is_dir() else []


def now() -> datetime:
    return datetime.now(UTC)


def processes_in(folder: Path) -> list[int]:
    """The processes that work in a folder or below it; engines do, and their children."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            where = str((entry / "cwd").readlink())
        except OSError:
            continue
        if Path(where.removesuffix(" (deleted)")).is_relative_to(folder):
            found.append(int(entry.name))
    return found


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def far_host(home: Path) -> MadeHost:
    return partial(FarHost, folder=str(home / "far"))


def gpu_site(
    home: Path, behaviour: str | Sequence[str] = "success", *, host: MadeHost | None = None, **options: Any
) -> Site:
    """A site with the stand-in of the GPU engine."""
    set_up_nvidia_smi(home / "gpus")
    set_up_engine(home / "engine")
    site = gpu_site_again(home, host)
    set_behaviour(site.command, behaviour, **options)
    _write_inputs(site)
    return site


def gpu_site_again(home: Path, host: MadeHost | None = None) -> Site:
    """The site that was made there."""
    command = str(home / "engine" / "tps_env")
    engine = MoquiEngine(command=command)
    remake = partial(gpu_site_again, home, host)
    return _site(home, host, engine, remake, BEAMS_ENGINE="moqui", BEAMS_MOQUI_COMMAND=command)


def work_alone(remake: Callable[[], Site], run: str) -> None:
    """What a process that is going to be killed does."""
    remake().simulate(run)


@contextmanager
def lone_worker(site: Site, run: str) -> Iterator[SpawnProcess]:
    """A process that simulates the beam, once its engine runs; it is killed at the end of the block."""
    process = get_context("spawn").Process(target=work_alone, args=(site.remake, run))
    process.start()
    try:
        until(site.is_at_work)
        yield process
    finally:
        process.kill()
        process.join()


def cpu_site(home: Path, **settings: str) -> Site:
    """A site with the CPU engine, few protons and large voxels."""
    site = cpu_site_again(home, **settings)
    _write_inputs(site)
    return site


def cpu_site_again(home: Path, **settings: str) -> Site:
    """The site that was made there."""
    engine = McsquareEngine(stage_folder=str(home / "stage"))
    few = {"BEAMS_PRIMARIES": "1000", "BEAMS_VOXEL_MM": "10", **settings}
    return _site(home, None, engine, partial(cpu_site_again, home, **settings), **few)


def _site(
    home: Path, host: MadeHost | None, engine: DoseEngine, remake: Callable[[], Site], **environ: str
) -> Site:
    settings = settings_of(
        {
            "BEAMS_OUTPUT_ROOT": str(home / "out"),
            "BEAMS_NVIDIA_SMI": str(home / "gpus" / "nvidia-smi"),
            "BEAMS_ENGINE_POLL_SECONDS": "0.1",
            "BEAMS_GPU_WAIT_SECONDS": "0",
            "BEAMS_ENGINE_TIMEOUT_SECONDS": "120",
            **environ,
        },
        home,
    )
    made = host() if host else LocalHost(folder=str(home / "work"))
    return Site(home, made, engine, settings, remake)


def limited(site: Site, seconds: float) -> Site:
    """The same with so little time for the engine as no setting allows."""
    return replace(site, settings=replace(site.settings, engine_timeout=timedelta(seconds=seconds)))


def _write_inputs(site: Site) -> None:
    with closing(site.registry()) as connection:
        interpreted(connection, 1)
    log = site.output / "Log_csv" / "log"
    for folder in ("001_SETUP", FOLDER, "003_F2"):
        (log / folder).mkdir(parents=True)
    for name, text in CSVS.items():
        (log / FOLDER / name).write_bytes(text.encode())
    plan = site.output / "Log_csv" / "plan"
    plan.mkdir()
    (plan / "RTPLAN.dcm").write_bytes(b"a plan")
    order = site.order()
    write_tps_input(order.beam, order.case_output, order.csv_names, site.settings.run_salt)


class Interrupted(BaseException):
    """As the orchestrator raises it in the main thread, in the middle of anything."""


def once_running(site: Site, act: Callable[[], Any]) -> Callable[[float], None]:
    """A sleep that does something as soon as the engine is at work."""
    done: list[bool] = []

    def sleep(seconds: float) -> None:
        if not done and site.is_at_work():
            done.append(True)
            act()
        time.sleep(seconds)

    return sleep


def interrupt() -> None:
    raise Interrupted


def stop_when_running(site: Site, stop: Stop) -> dict[str, Any]:
    """What has a worker asked to stop while its engine runs."""
    asked: list[Stop] = []
    return {
        "sleep": once_running(site, lambda: asked.append(stop)),
        "stop_requested": lambda: asked[0] if asked else None,
    }


def abandon(site: Site, run: str = "r1") -> None:
    """Leave a remote engine as a worker leaves it that was killed, but without a process for it."""
    with pytest.raises(Stopped, match="goes on at"):
        site.simulate(run, **stop_when_running(site, "detach"))
