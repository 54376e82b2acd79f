"""A beam waits for GPUs, keeps them by its heartbeat, and takes none from a run that is alive."""

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta

import pytest

from assets.beams.failures import BeamFailure
from assets.beams.registry import gpus, leases
from assets.beams.stages.gpu_lease import Heartbeat, leased_gpus
from assets.beams.stages.worker import Stopped
from resources.compute_host import HostError
from tests.assets.beams.registry.registry_worlds import gpu_line, opened, uuid
from tests.assets.beams.stages.answering_hosts import (
    UNREACHABLE,
    Clock,
    said,
    session_of,
    settings,
    worker_of,
)

HOST = "gpu-host"
TWO_IDLE = (said(gpu_line(0), gpu_line(1)), said())
FAILS = (said(exit_code=9), said())
BUSY = (said(gpu_line(0)), said(f"77, {uuid(0)}, other, 700"))


@pytest.fixture
def registry(tmp_path):
    with closing(opened(tmp_path / "ledger")) as connection:
        yield connection


def held_uuids(registry, run: str) -> list[str]:
    return [lease.uuid for lease in leases.held_on(registry, HOST) if lease.owner_run == run]


def test_idle_gpus_are_leased_at_once(tmp_path, registry):
    clock = Clock()
    held = leased_gpus(worker_of(tmp_path, clock), session_of(TWO_IDLE), HOST, settings(tmp_path))
    assert [(lease.uuid, lease.owner_run, lease.beam_id) for lease in held] == [
        (uuid(0), "r1", "QA0001_beam_1")
    ]
    assert clock.elapsed == 0
    assert [row.status for row in gpus.listed(registry, HOST)] == ["held", "idle"]


@pytest.mark.parametrize(("asked", "given"), [("1", [0]), ("2", [0, 1]), ("all", [0, 1])])
def test_as_many_as_the_settings_say_are_leased(tmp_path, asked, given):
    worker = worker_of(tmp_path, Clock())
    held = leased_gpus(worker, session_of(TWO_IDLE), HOST, settings(tmp_path, gpus_per_beam=asked))
    assert [lease.uuid for lease in held] == [uuid(index) for index in given]


def test_a_gpu_that_becomes_free_while_a_beam_waits_is_leased(tmp_path):
    clock = Clock()
    session = session_of(BUSY, BUSY, TWO_IDLE)
    held = leased_gpus(worker_of(tmp_path, clock), session, HOST, settings(tmp_path))
    assert len(held) == 1
    assert clock.elapsed == 10


def test_who_waits_in_vain_gives_up_as_pending_when_the_time_is_over(tmp_path, registry):
    clock = Clock()
    with pytest.raises(BeamFailure) as refusal:
        leased_gpus(
            worker_of(tmp_path, clock), session_of(BUSY), HOST, settings(tmp_path, gpu_wait_seconds="12")
        )
    assert (refusal.value.code, refusal.value.category) == ("no_gpu", "pending")
    assert "12 s" in refusal.value.message
    assert "the 1 GPUs of gpu-host" in refusal.value.message
    assert clock.elapsed == 12
    assert leases.held_on(registry, HOST) == []


def test_a_wait_of_no_time_asks_once(tmp_path):
    clock = Clock()
    with pytest.raises(BeamFailure) as refusal:
        leased_gpus(
            worker_of(tmp_path, clock), session_of(BUSY), HOST, settings(tmp_path, gpu_wait_seconds="0")
        )
    assert refusal.value.code == "no_gpu"
    assert clock.elapsed == 0


def test_one_bad_answer_is_a_hiccup(tmp_path):
    clock = Clock()
    session = session_of(BUSY, FAILS, BUSY, FAILS, TWO_IDLE)
    assert leased_gpus(worker_of(tmp_path, clock), session, HOST, settings(tmp_path))
    assert clock.elapsed == 20


def test_two_bad_answers_in_a_row_are_not_waited_for(tmp_path, registry):
    clock = Clock()
    with pytest.raises(BeamFailure) as refusal:
        leased_gpus(worker_of(tmp_path, clock), session_of(FAILS), HOST, settings(tmp_path))
    assert (refusal.value.code, refusal.value.category) == ("gpu_unknown", "retryable")
    assert clock.elapsed == 5
    assert leases.held_on(registry, HOST) == []


def test_a_bad_answer_at_the_end_of_the_wait_is_not_told_as_no_gpu(tmp_path):
    with pytest.raises(BeamFailure) as refusal:
        leased_gpus(
            worker_of(tmp_path, Clock()),
            session_of(BUSY, FAILS),
            HOST,
            settings(tmp_path, gpu_wait_seconds="5"),
        )
    assert refusal.value.code == "gpu_unknown"


def test_a_host_out_of_reach_is_told_as_that(tmp_path):
    with pytest.raises(HostError) as refusal:
        leased_gpus(worker_of(tmp_path, Clock()), session_of((UNREACHABLE, said())), HOST, settings(tmp_path))
    assert refusal.value.code == "ssh_connect"


@pytest.mark.parametrize(
    ("stop", "how"), [("drain", "drained"), ("detach", "drained"), ("cancel", "cancelled")]
)
def test_waiting_ends_within_a_second_of_being_asked_to(tmp_path, stop, how):
    clock = Clock()
    worker = worker_of(tmp_path, clock, stops=lambda: stop if clock.elapsed >= 7 else None)
    with pytest.raises(Stopped) as ending:
        leased_gpus(worker, session_of(BUSY), HOST, settings(tmp_path))
    assert ending.value.how == how
    assert clock.elapsed == 7


def test_the_gpu_of_a_dead_run_is_given_on_once_its_lease_has_expired(tmp_path, registry):
    clock = Clock()
    dead = worker_of(tmp_path, clock, run="dead", beam="other")
    leased_gpus(dead, session_of(TWO_IDLE), HOST, settings(tmp_path, gpus_per_beam="2"))
    held = leased_gpus(worker_of(tmp_path, clock), session_of(TWO_IDLE), HOST, settings(tmp_path))
    assert [(lease.uuid, lease.token) for lease in held] == [(uuid(0), 2)]
    assert 60 < clock.elapsed <= 65
    assert held_uuids(registry, "dead") == []


def test_the_gpu_of_a_living_run_is_kept_however_late_its_heartbeat_is(tmp_path, registry):
    clock = Clock()
    other = worker_of(tmp_path, clock, run="alive", beam="other")
    leased_gpus(other, session_of(TWO_IDLE), HOST, settings(tmp_path, gpus_per_beam="2"))
    with pytest.raises(BeamFailure) as refusal:
        leased_gpus(
            worker_of(tmp_path, clock, active=["alive"]), session_of(TWO_IDLE), HOST, settings(tmp_path)
        )
    assert refusal.value.code == "no_gpu"
    assert held_uuids(registry, "alive") == [uuid(0), uuid(1)]


def test_the_gpu_of_a_dead_run_with_a_process_on_it_is_kept(tmp_path, registry):
    clock = Clock()
    dead = worker_of(tmp_path, clock, run="dead", beam="other")
    leased_gpus(dead, session_of((said(gpu_line(0)), said())), HOST, settings(tmp_path))
    with pytest.raises(BeamFailure):
        leased_gpus(worker_of(tmp_path, clock), session_of(BUSY), HOST, settings(tmp_path))
    assert held_uuids(registry, "dead") == [uuid(0)]


def beating(tmp_path, every: float, **known):
    clock = Clock()
    worker = worker_of(tmp_path, clock, **known)
    held = leased_gpus(worker, session_of(TWO_IDLE), HOST, settings(tmp_path))
    return clock, held, Heartbeat(worker, held, timedelta(seconds=every))


def waited_for(condition, seconds: float = 20) -> bool:
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        pause.wait(0.02)
    return False


def test_a_heartbeat_extends_the_lease_from_a_thread_of_its_own(tmp_path, registry):
    clock, _, heartbeat = beating(tmp_path, 0.02)
    with heartbeat:
        clock.sleep(500)
        assert waited_for(
            lambda: leases.held_on(registry, HOST)[0].expires_at == "2026-03-20T13:08:50.000000Z"
        )
        heartbeat.require_held()
    assert "beam-leases" not in [thread.name for thread in threading.enumerate()]


def test_a_heartbeat_finds_that_its_lease_is_lost(tmp_path, registry):
    _, held, heartbeat = beating(tmp_path, 0.02)
    with heartbeat:
        leases.quarantine(registry, held[0].uuid, Clock()())

        def is_lost() -> bool:
            try:
                heartbeat.require_held()
            except BeamFailure as failure:
                return failure.code == "lease_lost"
            return False

        assert waited_for(is_lost)


def test_a_heartbeat_that_cannot_be_written_is_tried_again(tmp_path, registry):
    failing = [sqlite3.OperationalError("database is locked")] * 2
    said_of_it: list[str] = []

    def connect() -> sqlite3.Connection:
        if threading.current_thread().name == "beam-leases" and failing:
            raise failing.pop()
        return opened(tmp_path / "ledger")

    clock, _, heartbeat = beating(tmp_path, 0.02, connect=connect, log=said_of_it.append)
    with heartbeat:
        clock.sleep(100)
        assert waited_for(
            lambda: leases.held_on(registry, HOST)[0].expires_at == "2026-03-20T13:02:10.000000Z"
        )
        heartbeat.require_held()
    assert len(said_of_it) == 2
    assert "database is locked" in said_of_it[0]


def test_an_engine_without_gpus_has_no_heartbeat(tmp_path):
    with Heartbeat(worker_of(tmp_path, Clock()), ()) as heartbeat:
        assert "beam-leases" not in [thread.name for thread in threading.enumerate()]
        heartbeat.require_held()
