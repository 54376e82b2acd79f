"""`gpus`: what the host shows, who holds what, and that unknown is an answer."""

from datetime import UTC, datetime

import pytest

from assets.beams.registry import leases
from resources.home import quintet_home
from scripts.sample_data.beams_nvidia_smi import set_answers, set_up_nvidia_smi
from tests.assets.beams.registry.registry_worlds import beam
from tests.scripts.beams_desks import beams, registry

GOOD = "0, GPU-11111111-aaaa, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 35, 0, 300"
SMALL = "1, GPU-22222222-bbbb, NVIDIA GeForce RTX 2080, 8192, 8000, 192, [N/A], 97, 300"
BAD = "two, GPU-33333333-cccc, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 35, 0, 300"


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    command = set_up_nvidia_smi(tmp_path / "bin", [GOOD, SMALL, BAD])
    monkeypatch.setenv("BEAMS_NVIDIA_SMI", str(command))
    return command


@pytest.mark.usefixtures("nvidia_smi")
def test_every_gpu_has_its_figures_and_its_status():
    ended = beams("gpus", "--json")
    assert (ended.code, ended.document["state"], ended.document["reason"]) == (0, "known", None)
    first, second = ended.document["gpus"]
    assert first == {
        "index": 0,
        "uuid": "GPU-11111111-aaaa",
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
    assert (second["status"], second["temperature_c"]) == ("small", None)
    (refused,) = ended.document["rejected_rows"]
    assert refused["line"] == BAD
    assert refused["reason"]


@pytest.mark.usefixtures("nvidia_smi")
def test_a_gpu_in_quarantine_is_freed_by_a_person_and_by_nothing_else():
    beams("gpus")
    with registry() as connection:
        leases.quarantine(connection, "GPU-11111111-aaaa", datetime.now(UTC))
    assert beams("gpus", "--json").document["gpus"][0]["status"] == "quarantined"
    refused = beams("gpus", "--free", "GPU-22222222-bbbb")
    assert refused.code == 2
    assert "in quarantine are GPU-11111111-aaaa" in refused.err
    freed = beams("gpus", "--json", "--free", "GPU-11111111-aaaa")
    assert (freed.code, freed.document["gpus"][0]["status"]) == (0, "idle")


@pytest.mark.usefixtures("nvidia_smi")
def test_a_gpu_that_is_held_shows_the_run_and_the_beam_that_hold_it():
    beams("gpus")
    with registry() as connection:
        leases.acquire(connection, beam(1), "r1", "local", 1, datetime.now(UTC))
    ended = beams("gpus", "--json")
    assert ended.document["gpus"][0]["status"] == "held"
    assert ended.document["gpus"][0]["lease"]["owner_run"] == "r1"
    table = beams("gpus").out
    for word in ("held", beam(1), "r1", "Refused rows", "97 %"):
        assert word in table


def test_a_query_that_fails_is_unknown_and_no_failure_of_the_command(nvidia_smi):
    set_answers(nvidia_smi, [GOOD], failing=["compute_apps"])
    ended = beams("gpus", "--json")
    assert (ended.code, ended.document["state"], ended.document["gpus"]) == (0, "unknown", [])
    assert "none is given out" in beams("gpus").out


def test_a_host_without_the_command_is_unknown(monkeypatch):
    monkeypatch.setenv("BEAMS_NVIDIA_SMI", str(quintet_home() / "no-such-command"))
    ended = beams("gpus", "--json")
    assert (ended.code, ended.document["state"]) == (0, "unknown")
    assert "not found" in ended.document["reason"]


def test_a_host_without_gpus_says_so(nvidia_smi):
    set_answers(nvidia_smi, [])
    assert beams("gpus").out == "The host has no GPU.\n"
