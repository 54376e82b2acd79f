"""The job of a beam on its host: the one that an earlier run left, or a new one; never two at a time.

A worker may die and leave its engine running. Whoever comes to the beam next looks into the beam's folder on
the host first. A job there that computes the same, and was not judged, is gone on with; any other is stopped
and removed before a new one starts.

Not here: what an engine is given (`engine_inputs`), waiting for its end (`engine_watch`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final

from assets.beams.draining import STOP_GRACE_S
from assets.beams.registry import beams, leases
from assets.beams.stages import job_records
from assets.beams.stages.attempt import Attempt
from assets.beams.stages.engine_inputs import Inputs, prepared_run, upload
from assets.beams.stages.job_records import JobRecord
from assets.beams.states import BeamState
from resources.compute_host import HostError
from resources.compute_host.errors import HostUnreachable
from resources.dose_engine import PreparedRun

_GRACE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """An engine's job, which this run has in hand."""

    folder: PurePosixPath
    record: JobRecord
    prepared: PreparedRun | None = None
    """What is to be started; None for a job that an earlier run started."""


def earlier_job(attempt: Attempt, inputs: Inputs) -> Job | None:
    """The job of this beam to go on with, which `in_hand` takes over; all others are gone then.

    The leases that a dead run left on the beam are this run's then; without a job to go on with they end.

    Raises:
        BeamFailure: `lease_lost`: the run that holds them is not dead.
        HostError: the host cannot be asked, so nothing is known of a job there.
    """
    session, hold = attempt.session, attempt.hold
    hold.leases = _adopted(attempt)
    # Until every job is looked at, one of them may run on these GPUs.
    hold.in_use = bool(hold.leases)
    found: Job | None = None
    for entry in session.list_files(attempt.jobs_folder):
        job = _recorded(attempt, attempt.jobs_folder / entry.name)
        if found is None and job is not None and _goes_on(attempt, inputs, job):
            found = job
        else:
            folder = attempt.jobs_folder / entry.name
            attempt.worker.log(f"{attempt.host.name}: removing an earlier job, {folder}")
            session.stop(folder)
            session.remove_tree(folder)
    hold.in_use = found is not None
    if found is None:
        end_leases(attempt)
        return None
    attempt.worker.log(f"{attempt.host.name}: going on with the job of attempt {found.record.attempt}")
    return Job(found.folder, replace(found.record, run_id=attempt.work.run_id))


def new_job(attempt: Attempt, inputs: Inputs) -> Job:
    """Have everything ready for the engine, on the leases that the attempt holds; nothing is started yet.

    Raises:
        BeamFailure: the codes of `prepared_run`; `lease_lost`.
        HostError, EngineError: the inputs could not be sent, or made.
    """
    folder, session = _job_folder(attempt), attempt.session
    if attempt.host.is_remote:
        beams.move(attempt.connection, attempt.work, BeamState.UPLOADING, attempt.now())
        if attempt.engine.needs_gpu:
            upload(attempt, folder)
    prepared = prepared_run(attempt, inputs, folder)
    record = JobRecord(
        run_id=attempt.work.run_id,
        attempt=attempt.work.attempt,
        lease_tokens={lease.uuid: lease.token for lease in attempt.hold.leases},
        launched_at=attempt.now().timestamp(),
        computes=inputs.computes,
        command_digest=prepared.command_digest,
        input_digests={**inputs.digests, **prepared.input_digests()},
    )
    session.make_folders(folder)
    job_records.write(session, record, folder, _draft(attempt))
    return Job(folder, record, prepared)


@contextmanager
def in_hand(attempt: Attempt, job: Job) -> Iterator[None]:
    """Start the job, or take it over. Whatever ends the block, the engine does not run on unnoticed.

    It is stopped, unless the host is out of reach or the worker lets go of it on purpose: then the leases
    stay held, and the next attempt goes on with the job.
    """
    if job.prepared is not None:
        attempt.worker.require_no_stop()
    attempt.hold.in_use = True
    try:
        if job.prepared is None:
            job_records.write(attempt.session, job.record, job.folder, _draft(attempt))
        else:
            attempt.engine.launch(attempt.session, job.prepared, job.folder)
        yield
    except HostUnreachable:
        raise
    except BaseException:
        if not (attempt.host.is_remote and attempt.worker.stop_requested() == "detach"):
            _stop(attempt, job)
        raise
    attempt.hold.in_use = False


def forget_job(attempt: Attempt, job: Job) -> None:
    """Have nobody go on with a job whose result was refused; it stays for a look until the next attempt."""
    with _failure_told(attempt, job):
        job_records.mark_judged(attempt.session, job.folder, _draft(attempt))


def remove_job(attempt: Attempt, job: Job) -> None:
    """Remove a job whose result is in its place."""
    with _failure_told(attempt, job):
        attempt.session.remove_tree(job.folder)


def end_leases(attempt: Attempt) -> None:
    """Give back the GPUs that no engine of ours uses any more."""
    leases.release(attempt.connection, attempt.hold.leases, attempt.now())
    attempt.hold.leases = ()


def _job_folder(attempt: Attempt) -> PurePosixPath:
    """Where a new job of this attempt lies; a GPU gives each token once, so no other has this name."""
    held = attempt.hold.leases
    if not held:
        return attempt.jobs_folder / f"attempt-{attempt.work.attempt}"
    return attempt.jobs_folder / f"{held[0].token}-{sha256(held[0].uuid.encode()).hexdigest()[:8]}"


def _adopted(attempt: Attempt) -> tuple[leases.Lease, ...]:
    worker, connection = attempt.worker, attempt.connection
    owners = {lease.owner_run for lease in leases.held_by_beam(connection, worker.work.beam_id)}
    if not owners:
        return ()
    active = worker.active_runs(owners)
    return leases.adopt(connection, worker.work.beam_id, worker.work.run_id, active, attempt.now())


def _recorded(attempt: Attempt, folder: PurePosixPath) -> Job | None:
    record = job_records.read(attempt.session, folder)
    return None if record is None else Job(folder, record)


def _goes_on(attempt: Attempt, inputs: Inputs, job: Job) -> bool:
    """Whether a job computes what is asked for, and has something to bring.

    One that runs has to have its GPUs still, one that has ended needs none; a signal leaves nothing to judge.
    """
    if job.record.computes != inputs.computes or job_records.is_judged(attempt.session, job.folder):
        return False
    status = attempt.engine.observe(attempt.session, job.folder)
    held = {lease.uuid: lease.token for lease in attempt.hold.leases}
    return (status.state == "running" and job.record.lease_tokens == held) or status.exit_code is not None


def _stop(attempt: Attempt, job: Job) -> None:
    """Stop the engine and all of its group; a job that another run has taken over is left to it."""
    is_urgent = attempt.worker.stop_requested() == "detach"
    with _failure_told(attempt, job):
        record = job_records.read(attempt.session, job.folder)
        if record is not None and record.run_id != attempt.work.run_id:
            return
        try:
            job_records.mark_judged(attempt.session, job.folder, _draft(attempt))
        except HostUnreachable:
            raise
        except HostError as error:  # Such as a full disk, on which the engine still has to be stopped.
            attempt.worker.log(f"{attempt.host.name}: {error}")
        attempt.session.stop(job.folder, grace_s=STOP_GRACE_S if is_urgent else _GRACE_S)
        attempt.hold.in_use = False


@contextmanager
def _failure_told(attempt: Attempt, job: Job) -> Iterator[None]:
    """What ends the attempt is worth more than that its host fails meanwhile."""
    try:
        yield
    except HostError as error:
        attempt.worker.log(f"{attempt.host.name}: the job {job.folder} stays as it is: {error}")


def _draft(attempt: Attempt) -> Path:
    return attempt.scratch / "draft"
