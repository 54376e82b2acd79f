"""A code location for tests of the watcher: its runs work on a beam, with an engine that hangs.

`WATCHED_RUN` says how a run takes the drain: `obeys` looks for it and stops its engine, `deaf` never looks.
A new run is asked for with every tick, so that one that begins during a drain would show.
"""

import os
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import dagster as dg

from assets.beams import draining
from assets.beams.registry import beams, reopening
from assets.beams.registry.reopening import Reopening
from assets.beams.registry.steps import Request
from assets.beams.states import BeamState
from resources.compute_host import HostSession, LocalHost
from resources.home import quintet_home
from tests.assets.beams.registry.registry_worlds import WAY, beam, opened

BEAM = beam(1)
JOB = PurePosixPath("QA0001", "002_F1", "job-1")


def work_folder() -> Path:
    return quintet_home() / "work" / "beams"


def local_host() -> LocalHost:
    return LocalHost(folder=str(work_folder()))


@dg.op
def simulated(context: dg.OpExecutionContext) -> None:
    host = local_host()
    job = host.workdir() / JOB
    with (
        closing(opened(quintet_home() / "ledger")) as connection,
        host.connect() as session,
    ):
        work = beams.take(connection, BEAM, context.run_id, datetime.now(UTC))
        for state in WAY[: WAY.index(BeamState.RUNNING) + 1]:
            beams.move(connection, work, state, datetime.now(UTC))
        session.launch(job, [os.environ["WATCHED_ENGINE"], os.environ["WATCHED_TPS"]])
        _wait(session, job)
        asked = Reopening("resume", Request("run", "drained"), frozenset(), 3)
        reopening.reopen_beam(connection, BEAM, asked, datetime.now(UTC))


def _wait(session: HostSession, job: PurePosixPath) -> None:
    is_deaf = os.environ["WATCHED_RUN"] == "deaf"
    deadline = time.monotonic() + 300
    while is_deaf or draining.stop_requested(work_folder(), datetime.now(UTC)) != "detach":
        if time.monotonic() > deadline:
            raise TimeoutError("no drain came")
        time.sleep(0.2)
    session.stop(job, grace_s=draining.STOP_GRACE_S)


@dg.job
def simulate() -> None:
    simulated()


@dg.sensor(job=simulate, minimum_interval_seconds=1)
def beam_case_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    tick = int(context.cursor or 0)
    return dg.SensorResult([dg.RunRequest(run_key=str(tick))], cursor=str(tick + 1))


@dg.sensor(job=simulate, minimum_interval_seconds=1)
def beam_orphan_sensor() -> dg.SkipReason:
    return dg.SkipReason("nothing is left behind")


@dg.sensor(job=simulate)
def another_sensor() -> dg.SkipReason:
    return dg.SkipReason("nobody turned this on")


defs = dg.Definitions(jobs=[simulate], sensors=[beam_case_sensor, beam_orphan_sensor, another_sensor])
