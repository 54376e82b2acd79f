"""The step `dose` on a worker: from a prepared beam to its validated dose, on either engine and either host.

    attempt           what is asked for, and what the attempt holds
    gpu_lease         GPUs for the engine, kept by a heartbeat
    engine_inputs     what the engine is given, and the digests of it
    engine_jobs       one job on the host, gone on with after a worker died, stopped when that is due
    engine_watch      waiting for its end
    dose_validation   evidence, and the result in its place

The beam goes queued, uploading (to a remote host), running, collecting, validating. A GPU is given back only
when the engine and all of its processes are gone, and after the failure, if it was one, has been kept.

Not here: the orchestrator, and completing the beam (`rtdose`).
"""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from assets.beams.failures import BeamFailure, FailureDetails, beam_failure
from assets.beams.registry import beams, leases, rows
from assets.beams.settings import BeamSettings
from assets.beams.stages.attempt import Attempt, DoseOrder, Hold
from assets.beams.stages.dose_validation import DoseResult, validated_dose
from assets.beams.stages.engine_inputs import inputs_of
from assets.beams.stages.engine_jobs import earlier_job, forget_job, in_hand, new_job, remove_job
from assets.beams.stages.engine_watch import watched
from assets.beams.stages.gpu_lease import Heartbeat, leased_gpus
from assets.beams.stages.worker import Worker
from assets.beams.states import BeamState
from assets.beams.tps_input import require_log_tree
from resources.compute_host import ComputeHost, HostError
from resources.dose_engine import DoseEngine, EngineError

_TEMPORARY: Final = ".tmp"


def simulate(
    order: DoseOrder, worker: Worker, settings: BeamSettings, host: ComputeHost, engine: DoseEngine
) -> DoseResult:
    """Simulate a beam that is `prepared` or `queued`; it is `validating` then, at 97 %.

    A job that an earlier run left for the same inputs is gone on with; no beam has two jobs at a time.

    Raises:
        BeamFailure: any code of the phases `transfer`, `simulate` and `result`, and `tps_invalid`;
            `worker.on_failure` has been called with it.
        Stopped: as `worker.stop_requested` said.
        StaleWorker: another run has the beam.
    """
    hold = Hold()
    try:
        with _failures_named(host):
            return _simulated(order, worker, settings, host, engine, hold)
    except BeamFailure as failure:
        worker.on_failure(failure, replace(worker.work, leases=hold.leases))
        raise
    finally:
        if hold.leases and not hold.in_use:
            with closing(worker.connect()) as connection:
                leases.release(connection, hold.leases, worker.clock())


def _simulated(
    order: DoseOrder,
    worker: Worker,
    settings: BeamSettings,
    host: ComputeHost,
    engine: DoseEngine,
    hold: Hold,
) -> DoseResult:
    require_log_tree(order.beam, order.case_output, order.csv_names)
    with closing(worker.connect()) as connection, _scratch_folder(order) as scratch:
        if rows.beam_of(connection, worker.work.beam_id).state is not BeamState.QUEUED:
            beams.move(connection, worker.work, BeamState.QUEUED, worker.clock(), engine=engine.name)
        with host.connect() as session:
            attempt = Attempt(
                order=order,
                worker=worker,
                settings=settings,
                host=host,
                engine=engine,
                session=session,
                connection=connection,
                scratch=scratch,
                hold=hold,
            )
            return _carried_out(attempt)


def _carried_out(attempt: Attempt) -> DoseResult:
    inputs = inputs_of(attempt)
    earlier = earlier_job(attempt, inputs)
    if earlier is None and attempt.engine.needs_gpu:
        attempt.hold.leases = leased_gpus(
            attempt.worker, attempt.session, attempt.host.name, attempt.settings
        )
    with Heartbeat(attempt.worker, attempt.hold.leases) as heartbeat:
        job = earlier or new_job(attempt, inputs)
        with in_hand(attempt, job):
            beams.move(attempt.connection, attempt.work, BeamState.RUNNING, attempt.now())
            ended = watched(attempt, job, heartbeat)
        try:
            result = validated_dose(attempt, inputs, job, ended)
        except BeamFailure as failure:
            if failure.code != "lease_lost":  # Nothing is wrong with the dose then.
                forget_job(attempt, job)
            raise
    remove_job(attempt, job)
    return result


@contextmanager
def _scratch_folder(order: DoseOrder) -> Iterator[Path]:
    """A folder for what is neither input nor result; what an attempt that died left there is removed."""
    folder = order.case_output / "Dose" / _TEMPORARY / order.beam.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _failures_named(host: ComputeHost) -> Iterator[None]:
    """Turn what host and engine say went wrong into failures of the beam; their codes are ours."""
    try:
        yield
    except (HostError, EngineError) as error:
        details = FailureDetails(host=host.name)
        raise beam_failure(error.code, error.message, details=details) from error
