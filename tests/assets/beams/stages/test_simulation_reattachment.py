"""A worker dies, or its host is out of reach: the next one goes on with the engine, and never starts two."""

import json
import time
from contextlib import closing

import pytest

from assets.beams.failures import BeamFailure
from assets.beams.registry import leases
from assets.beams.stages.gpu_inventory import gpus_document
from assets.beams.states import BeamState
from tests.assets.beams.stages.simulated_beams import (
    BEAM_ID,
    FOLDER,
    Interrupted,
    abandon,
    cpu_site,
    far_host,
    gpu_site,
    interrupt,
    limited,
    lone_worker,
    now,
    once_running,
    until,
)


def test_a_killed_worker_is_followed_by_one_that_goes_on_with_its_engine(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=1)
    with lone_worker(site, "r1"):
        pass
    assert site.processes() != []
    assert site.lease_states() == [(1, "held", "r1")]
    site.reopen("resume")
    result = site.simulate("r2")
    assert site.starts() == 1
    assert result.record.lease_tokens == {"GPU-11111111-aaaa": 1}
    assert site.lease_states() == [(1, "released", "r2")]
    assert (site.beam().state, site.beam().progress) == (BeamState.VALIDATING, 97)
    assert (site.processes(), site.job_folders()) == ([], [])


def test_an_engine_that_ended_while_nobody_watched_is_collected(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=0.5, host=far_host(tmp_path))
    abandon(site)
    until(lambda: not site.processes())
    site.reopen("resume")
    site.simulate("r2")
    assert site.starts() == 1
    assert site.beam().progress == 97


def test_an_engine_that_ended_is_collected_even_when_its_gpu_was_given_on(tmp_path):
    site = gpu_site(tmp_path, batch_seconds=0.5, host=far_host(tmp_path))
    abandon(site)
    until(lambda: not site.processes())
    with closing(site.registry()) as connection:
        leases.release(connection, leases.held_by_beam(connection, BEAM_ID), now())
        connection.execute("UPDATE gpu_resources SET status = 'idle'")
        leases.acquire(connection, "other", "r9", "far:22", 1, now())
    site.reopen("resume")
    site.simulate("r2", alive=("r9",))
    assert site.starts() == 1
    assert site.lease_states() == [(1, "released", "r1"), (2, "held", "r9")]


def test_an_engine_that_runs_without_its_gpu_is_stopped_and_started_anew(tmp_path):
    site = gpu_site(tmp_path, ["hang", "success"], host=far_host(tmp_path))
    abandon(site)
    with closing(site.registry()) as connection:
        leases.release(connection, leases.held_by_beam(connection, BEAM_ID), now())
    site.reopen("resume")
    site.simulate("r2")
    assert site.starts() == 2
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1"), (2, "released", "r2")]


def test_an_engine_that_computes_something_else_is_stopped_and_started_anew(tmp_path):
    site = gpu_site(tmp_path, ["hang", "success"], host=far_host(tmp_path))
    abandon(site)
    csv = site.output / "Log_csv" / "log" / FOLDER / "01_150.00MeV.csv"
    csv.write_bytes(b"0.0,9.5,-2.5,40\r\n")
    site.reopen("resume")
    site.simulate("r2")
    assert site.starts() == 2
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r2"), (2, "released", "r2")]


def test_the_engine_of_a_living_run_is_left_to_it(tmp_path):
    site = gpu_site(tmp_path, "hang", host=far_host(tmp_path))
    abandon(site)
    site.reopen("resume")
    with pytest.raises(BeamFailure) as refusal:
        site.simulate("r2", alive=("r1",))
    assert refusal.value.code == "lease_lost"
    assert site.lease_states() == [(1, "held", "r1")]
    assert (len(site.job_folders()), site.starts()) == (1, 1)
    assert site.processes() != []
    site.reopen("forced_rerun")
    with pytest.raises(BeamFailure):
        limited(site, 0.1).simulate("r3")
    assert site.processes() == []


def test_the_time_of_an_engine_counts_from_its_start_not_from_the_new_worker(tmp_path):
    site = gpu_site(tmp_path, "hang", host=far_host(tmp_path))
    abandon(site)
    time.sleep(1.2)
    site.reopen("resume")
    with pytest.raises(BeamFailure) as refusal:
        limited(site, 1).simulate("r2", sleep=lambda _seconds: pytest.fail("there is nothing to wait for"))
    assert refusal.value.code == "timeout"
    assert (site.processes(), site.starts()) == ([], 1)


def test_a_killed_worker_of_the_cpu_engine_is_followed_by_one_that_goes_on(tmp_path):
    site = cpu_site(tmp_path, BEAMS_PRIMARIES="60000")
    with lone_worker(site, "r1"):
        pass
    assert site.processes() != []
    (job,) = site.job_folders()
    before = json.loads((site.jobs / job / "job.json").read_text())["pid"]
    assert before in site.processes()
    site.reopen("resume")
    pids: set[int] = set()

    def noted(seconds: float) -> None:
        pids.update(json.loads(path.read_text())["pid"] for path in site.jobs.glob("*/job.json"))
        time.sleep(seconds)

    site.simulate("r2", sleep=noted)
    assert pids <= {before}
    assert (site.processes(), site.beam().progress) == ([], 97)


def test_a_result_that_was_refused_is_not_taken_up_again(tmp_path):
    site = gpu_site(tmp_path, ["nan_dose", "success"])
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    assert refusal.value.code == "non_finite_dose"
    assert len(site.job_folders()) == 1
    site.reopen("rerun")
    site.simulate("r2")
    assert (site.starts(), site.job_folders()) == (2, [])


@pytest.mark.parametrize("behaviour", ["kill_itself", "failure_line", "silent_exit"])
def test_an_engine_that_failed_is_not_taken_up_again(tmp_path, behaviour):
    site = gpu_site(tmp_path, [behaviour, "success"])
    with pytest.raises(BeamFailure):
        site.simulate()
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 2


def test_a_cancelled_engine_is_not_taken_up_again(tmp_path):
    site = gpu_site(tmp_path, ["hang", "success"])
    with pytest.raises(Interrupted):
        site.simulate(sleep=once_running(site, interrupt))
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 2


@pytest.mark.parametrize("how", ["TERM", "KILL"])
def test_an_engine_that_a_signal_ended_while_nobody_watched_is_started_anew(tmp_path, how):
    site = gpu_site(tmp_path, ["hang", "success"], host=far_host(tmp_path))
    abandon(site)
    with site.host.connect() as session:
        (job,) = site.job_folders()
        session.stop(site.host.workdir() / "QA0001" / FOLDER / job, grace_s=5 if how == "TERM" else 0)
    site.reopen("resume")
    site.simulate("r2")
    assert site.starts() == 2


def test_a_lease_without_any_job_is_given_back_before_another_is_taken(tmp_path):
    site = gpu_site(tmp_path)
    with closing(site.registry()) as connection:
        site.begin("dead")
        gpus_document(connection, site.host, site.settings, now)
        leases.acquire(connection, BEAM_ID, "dead", "local", 1, now())
    site.reopen("resume")
    site.simulate("r1")
    assert site.lease_states() == [(1, "released", "r1"), (2, "released", "r1")]


def test_a_folder_that_nobody_can_read_is_removed(tmp_path):
    site = gpu_site(tmp_path)
    for name, content in (("1-00000000", "{}"), ("2-00000000", "no JSON"), ("3-00000000", None)):
        (site.jobs / name).mkdir(parents=True)
        if content is not None:
            (site.jobs / name / "launch.json").write_text(content)
    site.simulate()
    assert site.job_folders() == []
    assert site.starts() == 1


def test_jobs_of_other_beams_are_left_alone(tmp_path):
    site = gpu_site(tmp_path)
    others = site.jobs.with_name("003_F2") / "1-00000000"
    others.mkdir(parents=True)
    site.simulate()
    assert others.is_dir()


def test_a_worker_that_ends_while_it_publishes_is_followed_by_one_that_publishes_the_same(
    tmp_path, monkeypatch
):
    site = gpu_site(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("assets.beams.stages.dose_validation.publish_run", lambda *_: interrupt())
        with pytest.raises(Interrupted):
            site.simulate()
    assert site.lease_states() == [(1, "released", "r1")]
    site.reopen("resume")
    result = site.simulate("r2")
    assert site.starts() == 1
    assert result.record.lease_tokens == {"GPU-11111111-aaaa": 1}
    assert site.lease_states() == [(1, "released", "r1")]
