"""What runs that died left behind: GPUs that nobody gives back, engines of beams that nobody goes on with.

A beam that is still active needs nothing of this: the scan asks for its next attempt, which goes on with the
engine that runs (`engine_jobs`). Here are the others: its case was cancelled, or it has ended otherwise.

Not here: which runs are alive (the sensor says so), resuming (`assets.beams.stage_planning`).
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from assets.beams.failures import one_line
from assets.beams.registry import leases
from assets.beams.registry.cancelling import cancel_beam
from assets.beams.registry.reopening import may_retry
from assets.beams.registry.rows import Beam, Unregistered, all_cases, beam_of, beams_of
from assets.beams.settings import BeamSettings
from assets.beams.stages.gpu_inventory import asked_gpus
from assets.beams.stages.gpu_lease import free_dead_leases
from assets.beams.states import CaseState
from resources.compute_host import ComputeHost, HostError, HostSession


def clear_up(
    connection: sqlite3.Connection,
    host: ComputeHost,
    settings: BeamSettings,
    active_runs: Collection[str],
    clock: Callable[[], datetime],
) -> tuple[str, ...]:
    """End what belongs to nobody any more; the host is asked only where something may.

    Args:
        connection: to the registry, in autocommit mode.
        host: where the engines run.
        settings: of beams.
        active_runs: the ids of all runs that are queued or at work.
        clock: the time, with a zone.

    Returns:
        A sentence for each thing that was done, or that could not be.
    """
    dead = [lease for lease in leases.held_on(connection, host.name) if lease.owner_run not in active_runs]
    cancelled = _to_be_cancelled(connection, active_runs)
    ended = _ended_beams(connection, {lease.beam_id for lease in dead}, settings.max_retries)
    if not (dead or cancelled):
        return ()
    told: list[str] = []
    try:
        with host.connect() as session:
            for beam in (*cancelled, *ended):
                told.extend(_stopped_jobs(session, host, beam))
            for beam in cancelled:
                cancel_beam(connection, beam.beam_id, clock())
                told.append(f"{beam.beam_id} is cancelled: its run is gone")
            if dead:
                told.extend(_freed(connection, session, host, settings, active_runs, clock))
    except HostError as error:
        told.append(
            f"the host {host.name} does not answer, so nothing is ended there: {one_line(str(error))}"
        )
    return tuple(told)


def _to_be_cancelled(connection: sqlite3.Connection, active_runs: Collection[str]) -> list[Beam]:
    """Beams whose case is being cancelled, and whose run is no more there to do it."""
    return [
        beam
        for case in all_cases(connection)
        if case.state is CaseState.CANCELLING
        for beam in beams_of(connection, case.case_key)
        if beam.is_active and beam.run_id not in active_runs
    ]


def _ended_beams(connection: sqlite3.Connection, beam_ids: Collection[str], most_retries: int) -> list[Beam]:
    """Those of the beams that no attempt goes on with; a retry goes on with the engine of a lost host."""
    found: list[Beam] = []
    for beam_id in sorted(beam_ids):
        try:
            beam = beam_of(connection, beam_id)
        except Unregistered:  # A newer plan has no such beam; its engine is left to its end.
            continue
        if not beam.is_active and not may_retry(beam, most_retries):
            found.append(beam)
    return found


def _stopped_jobs(session: HostSession, host: ComputeHost, beam: Beam) -> Sequence[str]:
    """Stop every engine that still runs for a beam."""
    folder = host.workdir() / beam.case_key / beam.folder
    told: list[str] = []
    for entry in session.list_files(folder):
        if session.observe(folder / entry.name).state == "running":
            session.stop(folder / entry.name)
            told.append(f"the engine of {beam.beam_id} in {folder / entry.name} is stopped")
    return told


def _freed(
    connection: sqlite3.Connection,
    session: HostSession,
    host: ComputeHost,
    settings: BeamSettings,
    active_runs: Collection[str],
    clock: Callable[[], datetime],
) -> Sequence[str]:
    before = clock()
    inventory = asked_gpus(session, settings.nvidia_smi)

    def active(owners: Collection[str]) -> set[str]:
        return set(owners).intersection(active_runs)

    freed = free_dead_leases(connection, inventory, host.name, active, settings.gpu_grace, before)
    return [f"GPU {lease.uuid} is free: run {lease.owner_run} is gone" for lease in freed]
