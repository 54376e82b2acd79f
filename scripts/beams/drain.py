"""The end of the sensor loop: runs end, engines on this machine stop, beams wait for the next start.

The runs are told by `assets.beams.draining`, and end by themselves. What has not ended in time is killed, its
run is reported to Dagster as cancelled, its engine stopped, and its beam begins anew at the next start. A job
on another host goes on in any case; the next run of its beam re-attaches to it.
"""

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assets.beams import draining
from assets.beams.registry import reopening
from assets.beams.registry.reopening import NoAttempt, Reopening
from assets.beams.registry.rows import Beam, all_cases, beams_of
from assets.beams.registry.steps import Request
from resources.compute_host import HostError
from scripts.beams.desk import Desk, active_runs
from scripts.beams.sensor_loop import Daemon

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

    from resources.compute_host import ComputeHost

KILL_AFTER_S: Final = 26.5
"""When everything is killed that has not ended, though the deadline was later: the 30 s are for all of it."""

_TO_LET_GO_S: Final = draining.STOP_GRACE_S + 1.5
"""What runs get after the deadline, to notice it and to stop their engine."""
_LOOK_EVERY_S: Final = 0.25
_LAUNCHED_TAG: Final = ".dagster/grpc_info"
"""Of runs in a code server; a run of a command line is in the process of that command."""
_WHY: Final = "beam_watcher was stopped"


def work_folder(home: Path) -> Path:
    """Where the beams of this machine work."""
    return home / "work" / "beams"


def drain(
    desk: Desk,
    instance: "DagsterInstance",
    host: "ComputeHost",
    daemon: Daemon,
    say: Callable[[str], None],
) -> None:
    """End the loop and all that it started, within 30 s."""
    began = time.monotonic()
    seconds = desk.settings.drain_seconds
    folder = work_folder(desk.home)
    draining.request_drain(folder, desk.clock() + timedelta(seconds=seconds))
    try:
        daemon.ask_to_stop()
        runs = _until_ended(instance, daemon, began + min(seconds + _TO_LET_GO_S, KILL_AFTER_S))
        if left := _launched(instance):
            say(f"{len(left)} run(s) did not end in time and are killed; their beams begin anew.")
            daemon.kill()
            for run in left:
                instance.report_run_canceled(run, f"{_WHY} and the run did not end in time.")
        else:
            daemon.end()
        if runs and not host.is_remote:
            _return_beams(desk, host, runs, frozenset(run.run_id for run in active_runs(instance)), say)
    finally:
        draining.clear(folder)


def _until_ended(instance: "DagsterInstance", daemon: Daemon, deadline: float) -> frozenset[str]:
    """Wait until the daemon and every run have ended, or time is over; returns the runs that were there."""
    seen: set[str] = set()
    while True:
        # In this order: a daemon that has ended launches no run between the two looks.
        has_ended = daemon.exit_code is not None
        at_work = {run.run_id for run in _launched(instance)}
        seen |= at_work
        if (has_ended and not at_work) or time.monotonic() >= deadline:
            return frozenset(seen)
        time.sleep(_LOOK_EVERY_S)


def _launched(instance: "DagsterInstance") -> "list[DagsterRun]":
    """The runs in the code servers of this instance that have not ended."""
    return [run for run in active_runs(instance) if _LAUNCHED_TAG in run.tags]


def _return_beams(
    desk: Desk,
    host: "ComputeHost",
    runs: Collection[str],
    still_active: frozenset[str],
    say: Callable[[str], None],
) -> None:
    """Stop what runs that are gone have left on this machine, and let their beams begin anew."""
    with desk.writing() as connection:
        left = [
            beam
            for case in all_cases(connection)
            for beam in beams_of(connection, case.case_key)
            if beam.is_active and beam.run_id in runs
        ]
        asked = Reopening("resume", Request("beam_watcher", _WHY), still_active, desk.settings.max_retries)
        for beam in left:
            try:
                _stop_engine(host, beam)
                reopening.reopen_beam(connection, beam.beam_id, asked, desk.clock())
            except (NoAttempt, HostError) as refusal:
                say(f"Beam {beam.beam_id} stays as it is until the next start: {refusal}")
            else:
                say(f"Beam {beam.beam_id} waits for the next start.")


def _stop_engine(host: "ComputeHost", beam: Beam) -> None:
    jobs = host.workdir() / beam.case_key / beam.folder
    with host.connect() as session:
        for job in session.list_files(jobs):
            session.stop(jobs / job.name, grace_s=0)
