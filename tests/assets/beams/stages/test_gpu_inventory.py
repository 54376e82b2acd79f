"""Asking a host for its GPUs, and the document that `gpus --json` prints."""

import json
from contextlib import closing

import pytest

from assets.beams.nvidia_smi import GPU_QUERY, PROCESS_QUERY
from assets.beams.registry import gpus, leases
from assets.beams.registry.leases import Lease
from assets.beams.stages.gpu_inventory import asked_gpus, gpus_document
from resources.compute_host import HostError, LocalHost
from scripts.sample_data.beams_nvidia_smi import set_answers, set_up_nvidia_smi
from tests.assets.beams.registry.registry_worlds import MIN_FREE_MIB, at, gpu_line, inventory, opened, uuid
from tests.assets.beams.stages.answering_hosts import (
    HANGS,
    SMI,
    UNREACHABLE,
    AnsweringSession,
    Clock,
    Reply,
    host_of,
    said,
    session_of,
    settings,
)

HOST = "gpu-host"


@pytest.fixture
def connection(tmp_path):
    with closing(opened(tmp_path / "ledger")) as connection:
        yield connection


def document(connection, tmp_path, gpus_said: Reply, processes_said: Reply, seconds: float = 0):
    clock = Clock()
    clock.sleep(seconds)
    session = AnsweringSession((gpus_said, processes_said))
    return gpus_document(connection, host_of(session), settings(tmp_path), clock)


def test_the_host_is_asked_for_gpus_and_processes_with_fifteen_seconds_for_each():
    session = AnsweringSession((said(gpu_line(0)), said()))
    inventory = asked_gpus(session, SMI)  # pyright: ignore[reportArgumentType]
    assert session.asked == [([SMI, *GPU_QUERY], 15), ([SMI, *PROCESS_QUERY], 15)]
    assert [gpu.uuid for gpu in inventory.gpus] == [uuid(0)]


BAD = [
    (said(exit_code=9), "exit code 9"),
    (said(exit_code=127), f"{SMI} is not found on the host"),
    (said(exit_code=None, signal=9), "killed by signal 9"),
    (HANGS, "no answer within 15 s"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD)
@pytest.mark.parametrize("place", [0, 1])
def test_either_query_without_a_good_answer_leaves_all_gpus_unknown(bad, reason, place):
    answers = [said(gpu_line(0)), said()]
    answers[place] = bad
    inventory = asked_gpus(session_of((answers[0], answers[1])), SMI)
    assert inventory.state == "unknown"
    assert inventory.gpus == ()
    assert inventory.reason is not None
    assert reason in inventory.reason


@pytest.mark.parametrize("code", ["ssh_connect", "sftp_eof", "host_key_changed"])
def test_a_lost_host_is_told_as_what_it_is(code):
    with pytest.raises(HostError) as refusal:
        asked_gpus(session_of((HostError(code, "It is gone."), said())), SMI)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({}, None),
        ({"failing": ["compute_apps"]}, "nvidia-smi did not list the processes: exit code 9"),
        ({"hanging": ["gpus"]}, "nvidia-smi did not list the GPUs: no answer within 1 s"),
    ],
)
def test_a_program_on_this_machine_is_asked_and_may_fail_or_hang(tmp_path, monkeypatch, answers, reason):
    monkeypatch.setattr("assets.beams.stages.gpu_inventory.TIMEOUT_SECONDS", 1)
    command = set_up_nvidia_smi(tmp_path / "gpus")
    set_answers(command, **answers)
    with LocalHost(folder=str(tmp_path / "work")).connect() as session:
        inventory = asked_gpus(session, str(command))
    assert inventory.reason == reason
    assert len(inventory.gpus) == (2 if reason is None else 0)


def test_a_machine_without_the_program_has_unknown_gpus(tmp_path):
    with LocalHost(folder=str(tmp_path / "work")).connect() as session:
        inventory = asked_gpus(session, str(tmp_path / "nvidia-smi"))
    assert inventory.state == "unknown"
    assert inventory.reason is not None
    assert "is not found on the host" in inventory.reason


def test_an_answer_that_is_no_utf_8_is_read_as_far_as_it_goes():
    answer = said(gpu_line(0))
    broken = type(answer)(0, None, answer.stdout.replace(b"GeForce", b"GeF\xffrce"), b"")
    (gpu,) = asked_gpus(session_of((broken, said())), SMI).gpus
    assert gpu.uuid == uuid(0)


def test_the_document_has_every_gpu_with_its_status_and_its_lease(connection, tmp_path):
    lines = [gpu_line(0), gpu_line(1), gpu_line(2, free=10), gpu_line(3), gpu_line(4)]
    document(connection, tmp_path, said(*lines, gpu_line(5)), said())
    (lease,) = leases.acquire(connection, "b", "r1", HOST, 1, at(1))
    leases.quarantine(connection, uuid(3), at(1))
    shown = document(
        connection, tmp_path, said(*lines, "8, GPU-x"), said(f"41, {uuid(4)}, other, 700"), seconds=2
    )
    assert json.loads(json.dumps(shown)) == shown
    assert (shown["state"], shown["reason"]) == ("known", None)
    assert [(gpu["index"], gpu["status"], gpu["compute_processes"]) for gpu in shown["gpus"]] == [
        (0, "held", 0),
        (1, "idle", 0),
        (2, "small", 0),
        (3, "quarantined", 0),
        (4, "foreign", 1),
        (5, "vanished", None),
    ]
    assert shown["gpus"][1] == {
        "index": 1,
        "uuid": uuid(1),
        "name": "GeForce RTX 2080",
        "memory_total_mib": 8192,
        "memory_used_mib": 10,
        "memory_free_mib": 8182,
        "temperature_c": 35,
        "utilization_percent": 0,
        "core_clock_mhz": 300,
        "compute_processes": 0,
        "status": "idle",
        "lease": None,
    }
    held = shown["gpus"][0]["lease"]
    assert (held["token"], held["owner_run"], held["beam_id"]) == (lease.token, "r1", "b")
    assert held["expires_at"] == "2026-03-20T13:00:31.000000Z"
    assert [row["line"] for row in shown["rejected_rows"]] == ["8, GPU-x"]


def test_an_unknown_inventory_shows_no_gpu_at_all(connection, tmp_path):
    document(connection, tmp_path, said(gpu_line(0)), said())
    shown = document(connection, tmp_path, said(exit_code=9), said(), seconds=1)
    assert shown == {
        "state": "unknown",
        "reason": "nvidia-smi did not list the GPUs: exit code 9",
        "gpus": [],
        "rejected_rows": [],
    }
    assert [row.status for row in gpus.listed(connection, HOST)] == ["unknown"]


def test_a_host_that_does_not_answer_is_an_unknown_inventory(connection, tmp_path):
    document(connection, tmp_path, said(gpu_line(0)), said())
    clock = Clock()
    clock.sleep(1)
    shown = gpus_document(connection, host_of(UNREACHABLE), settings(tmp_path), clock)
    assert shown["state"] == "unknown"
    assert shown["reason"] == "the host gpu-host does not answer: The host does not answer."
    assert [row.status for row in gpus.listed(connection, HOST)] == ["unknown"]


def test_a_gpu_whose_lease_ended_since_the_host_was_asked_has_the_status_that_was_seen(connection, tmp_path):
    document(connection, tmp_path, said(gpu_line(0)), said(), seconds=5)
    held = leases.acquire(connection, "b", "r1", HOST, 1, at(6))
    leases.release(connection, held, at(6))
    shown = document(connection, tmp_path, said(gpu_line(0)), said(), seconds=4)
    assert [gpu["status"] for gpu in shown["gpus"]] == ["idle"]


def test_leases_of_other_hosts_and_ended_ones_are_not_shown(connection):
    for host, index in (("other", 0), (HOST, 1)):
        gpus.record(connection, host, inventory(gpu_line(index)), MIN_FREE_MIB, at(0))
        leases.acquire(connection, f"b{index}", f"r{index + 1}", host, 1, at(0))
    assert [lease.owner_run for lease in leases.held_on(connection, HOST)] == ["r2"]
    leases.release(connection, [Lease(uuid(1), 1, "r2", "c", HOST)], at(1))
    assert leases.held_on(connection, HOST) == []
