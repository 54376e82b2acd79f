"""A host that does not answer, or not to everything, while a beam is simulated on it."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from assets.beams.failures import BeamFailure
from assets.beams.states import BeamState
from scripts.sample_data.beams_engine import set_behaviour
from tests.assets.beams.registry.registry_worlds import rows as table
from tests.assets.beams.stages.refusing_hosts import FullHost, LosingHost, refusing
from tests.assets.beams.stages.simulated_beams import (
    CSVS,
    Interrupted,
    abandon,
    far_host,
    gpu_site,
    interrupt,
    once_running,
)


def test_a_host_that_is_gone_while_the_engine_runs_keeps_gpu_and_job_for_the_next_attempt(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=0.4, host=far_host(tmp_path))
    with pytest.raises(BeamFailure) as refusal:
        refusing(site, "observe").simulate()
    assert (refusal.value.code, refusal.value.category) == ("ssh_connect", "retryable")
    assert (site.beam().state, site.beam().failure_code) == (BeamState.FAILED, "ssh_connect")
    assert site.lease_states() == [(1, "held", "r1")]
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 1
    assert site.lease_states() == [(1, "released", "r2")]


def test_a_host_that_is_gone_before_its_jobs_are_looked_at_keeps_the_gpu_of_a_dead_run(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=1, host=far_host(tmp_path))
    abandon(site)
    site.reopen("resume")
    with pytest.raises(BeamFailure) as refusal:
        refusing(site, "list_files").simulate("r2")
    assert refusal.value.code == "ssh_connect"
    assert site.lease_states() == [(1, "held", "r2")]
    site.reopen("rerun")
    site.simulate("r3")
    assert site.starts() == 1
    assert site.lease_states() == [(1, "released", "r3")]


def test_a_host_that_is_gone_when_the_output_is_brought_here_computes_nothing_twice(tmp_path):
    site = gpu_site(tmp_path)
    with pytest.raises(BeamFailure) as refusal:
        refusing(site, "get").simulate()
    assert refusal.value.code == "ssh_connect"
    assert site.beam().state is BeamState.FAILED
    assert site.lease_states() == [(1, "released", "r1")]
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 1
    assert site.beam().progress == 97


def test_a_host_that_is_gone_when_the_engine_has_to_be_stopped_keeps_the_gpu(tmp_path):
    site = gpu_site(tmp_path, "hang", host=far_host(tmp_path))
    with pytest.raises(Interrupted):
        refusing(site, "stop").simulate(sleep=once_running(site, interrupt))
    assert site.processes() != []
    assert site.lease_states() == [(1, "held", "r1")]
    set_behaviour(site.command)
    site.reopen("rerun")
    site.simulate("r2")
    assert site.processes() == []
    assert site.starts() == 2
    assert [state for _, state, _ in site.lease_states()] == ["released", "released"]


def test_an_upload_that_breaks_off_starts_nothing_and_frees_the_gpu(tmp_path):
    site = gpu_site(tmp_path, host=far_host(tmp_path))
    with pytest.raises(BeamFailure) as refusal:
        refusing(site, "put").simulate()
    assert refusal.value.code == "ssh_connect"
    assert site.starts() == 0
    assert site.lease_states() == [(1, "released", "r1")]
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 1


def test_a_host_that_refuses_while_the_engine_runs_has_it_stopped(tmp_path):
    site = gpu_site(tmp_path, "hang", host=far_host(tmp_path))
    with pytest.raises(BeamFailure) as refusal:
        refusing(site, "observe", "ssh_auth").simulate()
    assert (refusal.value.code, refusal.value.category) == ("ssh_auth", "permanent")
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]


def test_an_engine_is_stopped_though_the_disk_of_its_host_is_full(tmp_path):
    site = gpu_site(tmp_path, ["hang", "success"], host=far_host(tmp_path))
    full = replace(site, host=FullHost(folder=str(site.host.workdir())))
    with pytest.raises(Interrupted):
        full.simulate(sleep=once_running(site, interrupt))
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 2


def test_a_job_that_cannot_be_removed_takes_nothing_from_its_result(tmp_path):
    site = gpu_site(tmp_path, host=far_host(tmp_path))
    refusing(site, "remove_tree", "ssh_timeout").simulate()
    assert site.beam().progress == 97
    assert site.lease_states() == [(1, "released", "r1")]
    assert len(site.job_folders()) == 1
    site.reopen("by_hand")
    site.simulate("r2")
    assert site.job_folders() == []


def test_an_output_that_is_gone_before_it_is_brought_here_is_missing(tmp_path):
    site = gpu_site(tmp_path)
    with pytest.raises(BeamFailure) as refusal:
        replace(site, host=LosingHost(folder=str(site.host.workdir()))).simulate()
    assert refusal.value.code == "missing_output"
    assert site.beam().failure_code == "missing_output"


def test_a_registry_that_is_busy_costs_no_simulation(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=0.3)
    busy: list[bool] = []

    def connect() -> sqlite3.Connection:
        connection = site.registry()
        connection.execute("PRAGMA busy_timeout = 50")
        return connection

    def keep_busy() -> None:
        other = site.registry()
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.6, lambda: busy.append(True)).start()
        others.append(other)

    others: list[sqlite3.Connection] = []

    def sleep(seconds: float) -> None:
        once(seconds)
        if busy and others:
            others.pop().close()

    once = once_running(site, keep_busy)
    site.simulate(sleep=sleep, connect=connect)
    assert any("was not stored" in line for line in site.told)
    assert site.beam().progress == 97


def test_a_remote_tree_has_every_folder_and_only_the_beams_own_logs(tmp_path):
    site = gpu_site(tmp_path, "nonzero_exit", host=far_host(tmp_path))
    (site.output / "Log_csv" / "log" / "003_F2" / "01_100.00MeV.csv").write_bytes(b"of another beam")
    with pytest.raises(BeamFailure):
        site.simulate()
    (job,) = site.job_folders()
    tree = site.jobs / job
    files = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_relative_to(tree / "Log_csv")}
    assert files == {
        *("Log_csv", "Log_csv/plan", "Log_csv/plan/RTPLAN.dcm", "Log_csv/log"),
        *("Log_csv/log/001_SETUP", "Log_csv/log/002_F1", "Log_csv/log/003_F2"),
        *(f"Log_csv/log/002_F1/{name}" for name in CSVS),
    }
    ran = (tree / "moqui_tps_QA0001_beam_1.in").read_text()
    assert str(site.output) not in ran
    with closing(site.registry()) as connection:
        assert table(connection, "SELECT status FROM beams") == [{"status": "failed"}]
