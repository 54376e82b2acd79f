"""Leases and inventories together: who gets a GPU, who loses one, and what no poll can take away."""

from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.nvidia_smi import Answer, read_inventory
from assets.beams.registry import beams, failing, gpus, leases
from assets.beams.registry.leases import Lease
from assets.beams.states import BeamState
from tests.assets.beams.registry.registry_worlds import (
    GRACE,
    HOST,
    MIN_FREE_MIB,
    at,
    beam,
    brought,
    gpu_line,
    gpu_states,
    interpreted,
    inventory,
    poll,
    rows,
    uuid,
)


def acquired(connection, name: str, count: int | None, seconds: float = 0) -> tuple[Lease, ...]:
    return leases.acquire(connection, f"beam-{name}", f"run-{name}", HOST, count, at(seconds))


def code_of(failure: pytest.ExceptionInfo[BeamFailure]) -> str:
    return failure.value.code


def test_gpus_of_one_beam_are_not_given_to_another_by_a_poll_in_between(connection):
    poll(connection, 2, 0)
    first = acquired(connection, "a", 2)
    assert [(lease.uuid, lease.token) for lease in first] == [(uuid(0), 1), (uuid(1), 1)]
    poll(connection, 2, 5)
    assert acquired(connection, "b", 1, 5) == ()
    assert gpu_states(connection) == {uuid(0): "held", uuid(1): "held"}


def test_a_gpu_without_memory_figures_is_kept_and_its_unknown_value_is_null(connection):
    answer = inventory(gpu_line(0, used="[N/A]"))
    gpus.record(connection, HOST, answer, MIN_FREE_MIB, at(0))
    (row,) = gpus.listed(connection, HOST)
    assert (row.memory_used_mib, row.memory_free_mib, row.status) == (None, 8182, "idle")


@pytest.mark.parametrize(
    ("idle", "asked", "given"),
    [
        (3, 2, [0, 1]),
        (2, 2, [0, 1]),
        (1, 2, []),
        (0, 1, []),
        (3, None, [0, 1, 2]),
        (1, None, [0]),
        (0, None, []),
    ],
)
def test_a_beam_gets_exactly_what_it_asks_for_by_index_or_nothing(connection, idle, asked, given):
    poll(connection, idle, 0)
    assert [lease.uuid for lease in acquired(connection, "a", asked)] == [uuid(index) for index in given]
    assert rows(connection, "SELECT count(*) AS n FROM leases") == [{"n": len(given)}]


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_gpu_cannot_be_asked_for(connection, count):
    with pytest.raises(ValueError, match="GPUs"):
        acquired(connection, "a", count)


def test_all_gpus_are_the_idle_ones_without_small_and_foreign_ones(connection):
    answer = inventory(gpu_line(0, free=999), gpu_line(1), gpu_line(2, free="[N/A]"), gpu_line(3), busy=(3,))
    gpus.record(connection, HOST, answer, MIN_FREE_MIB, at(0))
    assert list(gpu_states(connection).values()) == ["small", "idle", "small", "foreign"]
    assert [lease.uuid for lease in acquired(connection, "a", None)] == [uuid(1)]


def test_gpus_of_another_host_are_not_given(connection):
    gpus.record(connection, "other", inventory(gpu_line(0)), MIN_FREE_MIB, at(0))
    assert acquired(connection, "a", 1) == ()


@pytest.mark.parametrize(
    "answers",
    [
        (Answer(problem="exit code 9"), Answer("")),
        (Answer(gpu_line(0)), Answer(problem="no answer within 15 s")),
    ],
)
def test_a_failing_nvidia_smi_leaves_no_gpu_idle(connection, answers):
    poll(connection, 2, 0)
    gpus.record(connection, HOST, read_inventory(*answers), MIN_FREE_MIB, at(1))
    assert set(gpu_states(connection).values()) == {"unknown"}
    assert acquired(connection, "a", None, 1) == ()


def test_a_failing_nvidia_smi_says_nothing_of_other_hosts(connection):
    poll(connection, 1, 0)
    gpus.record(connection, "other", read_inventory(Answer(problem="x"), Answer()), MIN_FREE_MIB, at(1))
    assert len(acquired(connection, "a", 1, 1)) == 1


@pytest.mark.parametrize(("age", "given"), [(30, 1), (31, 0)])
def test_what_was_idle_long_ago_is_not_known_to_be_idle(connection, age, given):
    poll(connection, 1, 0)
    assert len(acquired(connection, "a", 1, age)) == given


def test_a_poll_that_comes_late_does_not_undo_a_newer_one(connection):
    poll(connection, 2, 10, busy=(0, 1))
    poll(connection, 2, 5)
    gpus.record(connection, HOST, read_inventory(Answer(problem="x"), Answer()), MIN_FREE_MIB, at(5))
    assert set(gpu_states(connection).values()) == {"foreign"}


def test_a_gpu_that_is_missing_from_a_good_answer_is_vanished_and_not_given(connection):
    poll(connection, 2, 0)
    poll(connection, 1, 1)
    assert gpu_states(connection) == {uuid(0): "idle", uuid(1): "vanished"}
    assert acquired(connection, "a", 2, 1) == ()


def test_the_lease_of_a_vanished_gpu_is_not_freed(connection):
    poll(connection, 2, 0)
    acquired(connection, "a", 2)
    answer = poll(connection, 1, 100)
    freed = leases.expire(connection, answer, (), GRACE, at(100))
    assert [lease.uuid for lease in freed] == [uuid(0)]


def test_tokens_of_a_gpu_rise_with_every_lease(connection):
    for n in range(1, 4):
        poll(connection, 1, n)
        (lease,) = acquired(connection, f"r{n}", 1, n)
        assert lease.token == n
        leases.release(connection, [lease], at(n))


def test_a_released_gpu_is_idle_again_only_when_a_poll_says_so(connection):
    poll(connection, 1, 0)
    leases.release(connection, acquired(connection, "a", 1), at(1))
    assert acquired(connection, "b", 1, 1) == ()
    poll(connection, 1, 2, busy=(0,))
    assert acquired(connection, "b", 1, 2) == ()
    poll(connection, 1, 3)
    assert len(acquired(connection, "b", 1, 3)) == 1


def test_one_beam_never_holds_leases_of_two_runs(connection):
    poll(connection, 2, 0)
    acquired(connection, "a", 1)
    with pytest.raises(BeamFailure) as failure:
        leases.acquire(connection, "beam-a", "another run", HOST, 1, at(1))
    assert code_of(failure) == "lease_lost"
    assert len(leases.held_by_beam(connection, "beam-a")) == 1


@pytest.mark.parametrize(
    ("zone"),
    [
        timezone(timedelta(hours=14)),
        timezone(timedelta(hours=-12)),
        ZoneInfo("Europe/London"),
        ZoneInfo("Asia/Tokyo"),
    ],
)
@pytest.mark.parametrize(
    ("age", "active", "busy", "is_freed"),
    [
        (5, False, False, False),
        (60, False, False, False),
        (61, False, False, True),
        (61, True, False, False),
        (61, False, True, False),
    ],
)
def test_a_lease_is_freed_only_old_expired_dead_and_without_a_process_in_every_zone(
    connection, zone, age, active, busy, is_freed
):
    poll(connection, 1, 0)
    (lease,) = leases.acquire(connection, "beam-a", "run-a", HOST, 1, at(0).astimezone(zone))
    answer = poll(connection, 1, age, busy=(0,) if busy else ())
    now = at(age).astimezone(zone)
    freed = leases.expire(connection, answer, {"run-a"} if active else {"other"}, GRACE, now)
    assert freed == ((lease,) if is_freed else ())
    (row,) = rows(connection, "SELECT state FROM leases")
    assert row["state"] == ("expired" if is_freed else "held")


def test_a_lease_with_a_heartbeat_is_not_freed_however_old(connection):
    poll(connection, 1, 0)
    held = acquired(connection, "a", 1)
    leases.heartbeat(connection, held, at(100))
    assert leases.expire(connection, poll(connection, 1, 129), (), GRACE, at(129)) == ()
    assert leases.expire(connection, poll(connection, 1, 130), (), GRACE, at(130)) == held


def test_a_short_grace_does_not_free_a_lease_before_it_expires(connection):
    poll(connection, 1, 0)
    acquired(connection, "a", 1)
    assert leases.expire(connection, poll(connection, 1, 29), (), timedelta(0), at(29)) == ()
    assert len(leases.expire(connection, poll(connection, 1, 30), (), timedelta(0), at(30))) == 1


def test_an_unknown_inventory_frees_no_lease(connection):
    poll(connection, 1, 0)
    acquired(connection, "a", 1)
    unknown = read_inventory(Answer(problem="x"), Answer())
    assert leases.expire(connection, unknown, (), GRACE, at(1000)) == ()


def test_a_clock_without_a_zone_is_refused(connection):
    poll(connection, 1, 0)
    with pytest.raises(ValueError, match="no time zone"):
        leases.acquire(connection, "b", "r", HOST, 1, at(0).replace(tzinfo=None))


def test_a_late_write_with_the_old_token_is_rejected_and_changes_nothing(connection):
    interpreted(connection, 1)
    poll(connection, 1, 0)
    held = leases.acquire(connection, beam(1), "r1", HOST, 1, at(0))
    work = brought(connection, 1, BeamState.RUNNING)
    work = beams.BeamWork(work.beam_id, work.attempt, work.run_id, held)
    assert beams.advance(connection, work, 50, at(2))
    leases.expire(connection, poll(connection, 1, 100), (), GRACE, at(100))
    poll(connection, 1, 101)
    (newer,) = leases.acquire(connection, "beam-b", "rb", HOST, 1, at(101))
    assert newer.token == held[0].token + 1
    before = rows(connection, "SELECT * FROM beams")
    for write in (
        lambda: beams.advance(connection, work, 60, at(102)),
        lambda: beams.move(connection, work, BeamState.COLLECTING, at(102)),
        lambda: beams.begin_step(connection, work, "dose", at(102)),
        lambda: failing.fail_beam(connection, work, beam_failure("no_evidence", "x"), at(102)),
        lambda: leases.heartbeat(connection, held, at(102)),
    ):
        with pytest.raises(BeamFailure) as failure:
            write()
        assert code_of(failure) == "lease_lost"
    leases.release(connection, held, at(102))
    assert rows(connection, "SELECT * FROM beams") == before
    assert rows(connection, "SELECT state, owner_run FROM leases ORDER BY token") == [
        {"state": "expired", "owner_run": "r1"},
        {"state": "held", "owner_run": "rb"},
    ]
    assert rows(connection, "SELECT * FROM workflow_steps WHERE step = 'dose'") == []


def test_a_heartbeat_for_a_lost_and_a_held_lease_keeps_neither(connection):
    poll(connection, 2, 0)
    first, second = acquired(connection, "a", 2)
    leases.release(connection, [second], at(1))
    with pytest.raises(BeamFailure):
        leases.heartbeat(connection, [first, second], at(10))
    (row,) = rows(connection, "SELECT heartbeat_at FROM leases WHERE state = 'held'")
    assert row["heartbeat_at"] == "2026-03-20T13:00:00.000000Z"


def test_the_run_that_goes_on_takes_the_leases_of_a_dead_one_with_their_tokens(connection):
    poll(connection, 2, 0)
    before = acquired(connection, "a", 2)
    with pytest.raises(BeamFailure) as failure:
        leases.adopt(connection, "beam-a", "next", {"run-a"}, at(5))
    assert code_of(failure) == "lease_lost"
    after = leases.adopt(connection, "beam-a", "next", {"next"}, at(200))
    assert [(lease.uuid, lease.token, lease.owner_run) for lease in after] == [
        (lease.uuid, lease.token, "next") for lease in before
    ]
    leases.heartbeat(connection, after, at(210))
    with pytest.raises(BeamFailure):
        leases.heartbeat(connection, before, at(211))
    assert leases.expire(connection, poll(connection, 2, 215), (), GRACE, at(215)) == ()
    leases.release(connection, before, at(216))
    assert len(leases.held_by_beam(connection, "beam-a")) == 2


def test_a_beam_without_leases_has_none_to_adopt(connection):
    assert leases.adopt(connection, "beam-a", "next", (), at(0)) == ()


def faulty_turn(connection, number: int, code: str | None, run: str = "") -> None:
    """A beam on the GPU whose engine fails with a code, or completes."""
    seconds = 10 * number
    poll(connection, 1, seconds)
    run = run or f"r{number}"
    held = leases.acquire(connection, beam(number), run, HOST, 1, at(seconds))
    assert held
    work = brought(connection, number, BeamState.RUNNING, run, seconds)
    beams.begin_step(connection, work, "dose", at(seconds))
    if code is None:
        beams.end_step(connection, work, "dose", at(seconds))
    else:
        failing.fail_beam(connection, work, beam_failure(code, "it broke"), at(seconds))
    leases.release(connection, held, at(seconds + 1))


def turns(connection, *codes: str | None) -> list[str]:
    interpreted(connection, *range(1, len(codes) + 1))
    for number, code in enumerate(codes, start=1):
        faulty_turn(connection, number, code)
    return [row["state"] for row in rows(connection, "SELECT state FROM leases ORDER BY token")]


@pytest.mark.parametrize(
    "codes",
    [
        ("no_evidence", "killed_by_signal"),
        ("no_evidence", None, "no_evidence", "timeout"),
        ("no_evidence", "gpu_unknown", "no_evidence", "timeout"),
        ("disk_full", "disk_full", "disk_full", "disk_full"),
    ],
)
def test_faults_that_are_not_three_of_an_engine_in_a_row_bar_no_gpu(connection, codes):
    assert set(turns(connection, *codes)) == {"released"}


def test_a_fault_counts_for_its_own_beam_only_where_one_run_has_several(connection):
    interpreted(connection, 1, 2, 3)
    for number, code in enumerate((None, None, "no_evidence"), start=1):
        faulty_turn(connection, number, code, "one run")
    assert rows(connection, "SELECT DISTINCT state FROM leases") == [{"state": "released"}]


def test_three_engine_faults_in_a_row_bar_the_gpu_until_a_person_frees_it(connection):
    states = turns(connection, None, "no_evidence", "empty_dose", "killed_by_signal")
    assert states == ["released", "released", "released", "quarantined"]
    poll(connection, 1, 100)
    assert gpu_states(connection) == {uuid(0): "quarantined"}
    assert acquired(connection, "b", 1, 100) == ()
    gpus.record(connection, HOST, read_inventory(Answer(problem="x"), Answer()), MIN_FREE_MIB, at(101))
    poll(connection, 0, 102)
    assert gpu_states(connection) == {uuid(0): "quarantined"}
    assert gpus.end_quarantine(connection, uuid(0))
    assert not gpus.end_quarantine(connection, uuid(0))
    assert acquired(connection, "b", 1, 103) == ()
    poll(connection, 1, 104)
    assert len(acquired(connection, "b", 1, 104)) == 1


def test_a_freed_gpu_is_barred_again_only_after_three_more_faults(connection):
    interpreted(connection, *range(1, 7))
    for number in range(1, 4):
        faulty_turn(connection, number, "no_evidence")
    gpus.end_quarantine(connection, uuid(0))
    for number in range(4, 7):
        assert gpu_states(connection)[uuid(0)] == "unknown"
        faulty_turn(connection, number, "no_evidence")
    assert gpu_states(connection) == {uuid(0): "quarantined"}


def test_a_gpu_in_an_error_state_is_barred_and_its_lease_ends_so(connection):
    poll(connection, 1, 0)
    held = acquired(connection, "a", 1)
    gpus.record(connection, HOST, inventory(gpu_line(0, used="[Unknown Error]")), MIN_FREE_MIB, at(5))
    assert gpu_states(connection) == {uuid(0): "quarantined"}
    leases.heartbeat(connection, held, at(6))
    leases.release(connection, held, at(7))
    assert rows(connection, "SELECT state FROM leases") == [{"state": "quarantined"}]


def test_a_person_bars_a_gpu_and_its_worker_loses_it(connection):
    poll(connection, 1, 0)
    held = acquired(connection, "a", 1)
    leases.quarantine(connection, uuid(0), at(5))
    with pytest.raises(BeamFailure):
        leases.heartbeat(connection, held, at(6))
    assert gpu_states(connection) == {uuid(0): "quarantined"}
