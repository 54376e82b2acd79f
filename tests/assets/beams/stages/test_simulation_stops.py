"""However the work on a beam ends, no engine runs on unnoticed and no GPU is given away under one."""

import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from assets.beams.evidence import require_dose
from assets.beams.failures import BeamFailure
from assets.beams.registry import beams, leases
from assets.beams.registry.cases import StaleWorker
from assets.beams.stages.gpu_lease import Heartbeat
from assets.beams.stages.worker import Stop, Stopped
from tests.assets.beams.stages.simulated_beams import (
    BEAM_ID,
    FOLDER,
    Interrupted,
    abandon,
    cpu_site,
    far_host,
    gpu_site,
    interrupt,
    now,
    once_running,
    stop_when_running,
)


@pytest.mark.parametrize("is_far", [False, True])
def test_a_cancelled_beam_has_no_process_and_its_gpu_is_free(tmp_path, is_far):
    site = gpu_site(tmp_path, "hang", host=far_host(tmp_path) if is_far else None)
    with pytest.raises(Stopped) as ending:
        site.simulate(**stop_when_running(site, "cancel"))
    assert ending.value.how == "cancelled"
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]
    assert site.failures == []


@pytest.mark.parametrize("is_far", [False, True])
def test_an_interrupted_worker_stops_its_engine_first(tmp_path, is_far):
    site = gpu_site(tmp_path, "hang", host=far_host(tmp_path) if is_far else None)
    with pytest.raises(Interrupted):
        site.simulate(sleep=once_running(site, interrupt))
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]


def test_an_interrupted_worker_stops_an_engine_that_does_not_listen(tmp_path):
    site = gpu_site(tmp_path, "deaf")
    with pytest.raises(Interrupted):
        site.simulate(sleep=once_running(site, interrupt))
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]


def test_an_interrupted_cpu_engine_is_stopped(tmp_path):
    site = cpu_site(tmp_path, BEAMS_PRIMARIES="50000000")
    with pytest.raises(Interrupted):
        site.simulate(sleep=once_running(site, interrupt))
    assert site.processes() == []


def test_at_the_end_of_a_drain_a_local_engine_is_stopped(tmp_path):
    site = gpu_site(tmp_path, "hang")
    with pytest.raises(Stopped) as ending:
        site.simulate(**stop_when_running(site, "detach"))
    assert ending.value.how == "drained"
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]


def test_a_deaf_local_engine_does_not_hold_up_the_end_of_a_drain(tmp_path):
    site = gpu_site(tmp_path, "deaf")
    begun = time.monotonic()
    with pytest.raises(Stopped):
        site.simulate(**stop_when_running(site, "detach"))
    assert site.processes() == []
    assert time.monotonic() - begun < 10, "TERM alone is waited for 10 s where nothing is urgent"


def test_at_the_end_of_a_drain_a_remote_engine_goes_on_with_its_gpu(tmp_path):
    site = gpu_site(tmp_path, host=far_host(tmp_path), batch_seconds=1)
    with pytest.raises(Stopped) as ending:
        site.simulate(**stop_when_running(site, "detach"))
    assert ending.value.how == "detached"
    assert site.processes() != []
    assert site.lease_states() == [(1, "held", "r1")]
    site.reopen("resume")
    result = site.simulate("r2")
    assert result.record.lease_tokens == {"GPU-11111111-aaaa": 1}
    assert site.starts() == 1
    assert site.lease_states() == [(1, "released", "r2")]
    assert site.processes() == []


def test_an_interrupt_after_a_drain_leaves_a_remote_engine_alone_too(tmp_path):
    site = gpu_site(tmp_path, "hang", host=far_host(tmp_path))
    stops: list[Stop] = []

    def act() -> None:
        stops.append("detach")
        raise Interrupted

    with pytest.raises(Interrupted):
        site.simulate(sleep=once_running(site, act), stop_requested=lambda: stops[0] if stops else None)
    assert site.processes() != []
    assert site.lease_states() == [(1, "held", "r1")]
    site.reopen("rerun")
    with pytest.raises(Stopped):
        site.simulate("r2", **stop_when_running(site, "cancel"))
    assert (site.processes(), site.starts()) == ([], 1)
    assert site.lease_states() == [(1, "released", "r2")]


def test_a_drain_lets_a_running_engine_end(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=0.2)
    site.simulate(**stop_when_running(site, "drain"))
    assert site.beam().progress == 97


@pytest.mark.parametrize("is_far", [False, True])
@pytest.mark.parametrize(
    ("stop", "how"), [("drain", "drained"), ("detach", "drained"), ("cancel", "cancelled")]
)
def test_no_engine_is_started_any_more_once_a_stop_is_asked_for(tmp_path, stop, how, is_far):
    site = gpu_site(tmp_path, host=far_host(tmp_path) if is_far else None)
    asked: list[Stop] = []

    def stop_requested() -> Stop | None:
        if site.lease_states():
            asked.append(stop)
        return asked[0] if asked else None

    with pytest.raises(Stopped) as ending:
        site.simulate(stop_requested=stop_requested)
    assert ending.value.how == how
    assert site.starts() == 0
    assert site.lease_states() == [(1, "released", "r1")]


def test_a_cpu_engine_is_not_started_during_a_drain(tmp_path):
    site = cpu_site(tmp_path)
    with pytest.raises(Stopped) as ending:
        site.simulate(stop_requested=lambda: "drain")
    assert ending.value.how == "drained"
    assert site.processes() == []
    site.simulate()
    assert site.beam().progress == 97


def test_a_heartbeat_that_finds_its_lease_lost_does_not_wait_for_the_next_look(tmp_path, monkeypatch):
    often = partial(Heartbeat, every=timedelta(seconds=0.1))
    monkeypatch.setattr("assets.beams.stages.simulation.Heartbeat", often)
    site = gpu_site(tmp_path, "hang")
    slept: list[float] = []

    def bar() -> None:
        with closing(site.registry()) as connection:
            leases.quarantine(connection, "GPU-11111111-aaaa", now())

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        act(seconds)

    act = once_running(site, bar)
    site.settings = replace(site.settings, engine_poll_seconds=60)
    with pytest.raises(BeamFailure) as refusal:
        site.simulate(sleep=sleep)
    assert refusal.value.code == "lease_lost"
    assert sum(slept) < 50
    assert site.processes() == []


def test_a_run_that_lost_its_beam_to_another_leaves_the_job_to_that_one(tmp_path):
    site = gpu_site(tmp_path, host=far_host(tmp_path), batch_seconds=1)

    def take_away() -> None:
        site.reopen("forced_rerun")
        abandon(site, "r2")

    with pytest.raises((BeamFailure, StaleWorker)):
        site.simulate(sleep=once_running(site, take_away))
    assert site.processes() != []
    assert site.lease_states() == [(1, "held", "r2")]
    assert (site.beam().run_id, site.failures) == ("r2", [])
    site.reopen("resume")
    site.simulate("r3")
    assert site.starts() == 1
    assert site.lease_states() == [(1, "released", "r3")]


def test_a_run_that_lost_its_beam_at_the_last_moment_publishes_nothing(tmp_path, monkeypatch):
    site = gpu_site(tmp_path)

    def judged(run, read):
        site.reopen("forced_rerun")
        return require_dose(run, read)

    monkeypatch.setattr("assets.beams.stages.dose_validation.require_dose", judged)
    with pytest.raises(StaleWorker):
        site.simulate()
    assert not (site.output / "Dose" / FOLDER).exists()
    assert site.lease_states() == [(1, "released", "r1")]


def test_a_run_whose_attempt_is_over_stops_its_own_engine(tmp_path):
    site = cpu_site(tmp_path, BEAMS_PRIMARIES="50000000")

    def give_away() -> None:
        site.reopen("forced_rerun")
        with closing(site.registry()) as connection:
            beams.take(connection, BEAM_ID, "r2", now())

    with pytest.raises(StaleWorker):
        site.simulate(sleep=once_running(site, give_away))
    assert site.processes() == []


def test_what_cannot_be_kept_still_lets_go_of_the_gpu(tmp_path):
    site = gpu_site(tmp_path, "kill_itself")

    def unkept(*_: object) -> None:
        raise StaleWorker("the attempt is over")

    with pytest.raises(StaleWorker):
        site.simulate(on_failure=unkept)
    assert site.lease_states() == [(1, "released", "r1")]


def test_a_run_whose_gpu_was_taken_stops_its_engine(tmp_path):
    site = gpu_site(tmp_path, "hang")

    def bar() -> None:
        with closing(site.registry()) as connection:
            leases.quarantine(connection, "GPU-11111111-aaaa", now())

    with pytest.raises(BeamFailure) as refusal:
        site.simulate(sleep=once_running(site, bar))
    assert refusal.value.code == "lease_lost"
    assert site.processes() == []
    assert site.lease_states() == [(1, "quarantined", "r1")]
