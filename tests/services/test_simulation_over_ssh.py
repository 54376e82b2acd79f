"""The dose of a beam on a remote host: connections break, workers die, and there is still just one engine."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from assets.beams.failures import BeamFailure
from assets.beams.run_records import published_dose
from assets.beams.stages.worker import Stopped
from assets.beams.states import BeamState
from resources.compute_host.ssh import SshHost
from tests.assets.beams.stages.simulated_beams import (
    FOLDER,
    Interrupted,
    Site,
    gpu_site,
    interrupt,
    lone_worker,
    once_running,
    stop_when_running,
    until,
)
from tests.services.ssh_server import SshServer, running

pytestmark = pytest.mark.services


@pytest.fixture
def server(tmp_path, missing_service) -> Iterator[SshServer]:
    folder = tmp_path / "sshd"
    folder.mkdir()
    with running(folder, missing_service) as server:
        yield server


def site_of(tmp_path: Path, server: SshServer, behaviour="success", batch_seconds=0.0, **host) -> Site:
    made = server.host(tmp_path / "far", **host)
    fields = {name: getattr(made, name) for name in SshHost.model_fields}
    return gpu_site(tmp_path, behaviour, host=partial(SshHost, **fields), batch_seconds=batch_seconds)


def test_a_beam_is_sent_simulated_and_brought_back(tmp_path, server):
    site = site_of(tmp_path, server)
    result = site.simulate()
    assert published_dose(result.folder).record.host == f"127.0.0.1:{server.port}"
    assert sorted(entry.name for entry in result.folder.iterdir()) == ["dose.raw", "engine.log", "run.json"]
    assert (site.beam().state, site.beam().progress) == (BeamState.VALIDATING, 97)
    assert site.lease_states() == [(1, "released", "r1")]
    assert (site.processes(), site.job_folders()) == ([], [])


@pytest.mark.parametrize("behaviour", ["kill_itself", "no_output", "nan_dose", "huge_output"])
def test_the_engine_is_judged_as_on_this_machine(tmp_path, server, behaviour):
    site = site_of(tmp_path, server, behaviour)
    codes = {"kill_itself": "killed_by_signal", "no_output": "missing_output", "nan_dose": "non_finite_dose"}
    if behaviour in codes:
        with pytest.raises(BeamFailure) as refusal:
            site.simulate()
        assert refusal.value.code == codes[behaviour]
    else:
        site.simulate()
    assert site.lease_states() == [(1, "released", "r1")]
    assert site.processes() == []


def test_a_connection_that_breaks_while_the_engine_runs_is_made_again(tmp_path, server):
    site = site_of(tmp_path, server, batch_seconds=0.5)
    site.simulate(sleep=once_running(site, server.drop))
    assert (site.starts(), site.beam().progress) == (1, 97)
    assert site.lease_states() == [(1, "released", "r1")]


def test_a_server_that_comes_back_finds_the_same_job_watched(tmp_path, server):
    site = site_of(tmp_path, server, batch_seconds=0.5)

    def restart() -> None:
        server.stop()
        threading.Timer(1.0, server.start).start()

    site.simulate(sleep=once_running(site, restart))
    assert (site.starts(), site.beam().progress) == (1, 97)


def test_a_server_that_stays_away_keeps_job_and_gpu_for_the_next_attempt(tmp_path, server):
    site = site_of(tmp_path, server, batch_seconds=0.5, reconnect_s=0.5)
    with pytest.raises(BeamFailure) as refusal:
        site.simulate(sleep=once_running(site, server.stop))
    assert (refusal.value.code, refusal.value.category) == ("ssh_connect", "retryable")
    assert site.lease_states() == [(1, "held", "r1")]
    server.start()
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 1
    assert site.lease_states() == [(1, "released", "r2")]


def test_a_killed_worker_is_followed_by_one_that_goes_on_with_its_engine(tmp_path, server):
    site = site_of(tmp_path, server, batch_seconds=1)
    with lone_worker(site, "r1"):
        pass
    assert site.processes() != []
    site.reopen("resume")
    result = site.simulate("r2")
    assert site.starts() == 1
    assert result.record.lease_tokens == {"GPU-11111111-aaaa": 1}
    assert site.lease_states() == [(1, "released", "r2")]
    assert (site.processes(), site.job_folders()) == ([], [])


def test_a_cancelled_beam_has_no_process_and_its_gpu_is_free(tmp_path, server):
    site = site_of(tmp_path, server, "hang")
    with pytest.raises(Stopped) as ending:
        site.simulate(**stop_when_running(site, "cancel"))
    assert ending.value.how == "cancelled"
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]


def test_an_interrupted_worker_stops_its_engine_first(tmp_path, server):
    site = site_of(tmp_path, server, "hang")
    with pytest.raises(Interrupted):
        site.simulate(sleep=once_running(site, interrupt))
    assert site.processes() == []
    assert site.lease_states() == [(1, "released", "r1")]


def test_at_the_end_of_a_drain_the_engine_goes_on_and_is_collected_later(tmp_path, server):
    site = site_of(tmp_path, server, batch_seconds=1)
    with pytest.raises(Stopped) as ending:
        site.simulate(**stop_when_running(site, "detach"))
    assert ending.value.how == "detached"
    assert site.lease_states() == [(1, "held", "r1")]
    until(lambda: not site.processes())
    site.reopen("resume")
    site.simulate("r2")
    assert site.starts() == 1
    assert site.lease_states() == [(1, "released", "r2")]


def test_an_upload_that_is_cut_leaves_no_file_under_its_name_and_is_done_again(tmp_path, server):
    site = site_of(tmp_path, server, reconnect_s=0)
    csv = Path("Log_csv", "log", FOLDER, "01_150.00MeV.csv")
    (site.output / csv).write_bytes(b"0.0,1.5,-2.5,40\r\n" * 6_000_000)
    cutting = threading.Thread(
        target=lambda: (until(lambda: list(tmp_path.glob("far/**/*.part"))), server.drop())
    )
    cutting.start()
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    cutting.join()
    assert (refusal.value.phase, refusal.value.category) == ("transfer", "retryable")
    assert [path.name for path in tmp_path.glob("far/**/*.csv")] == []
    assert (site.starts(), site.lease_states()) == (0, [(1, "released", "r1")])
    (site.output / csv).write_bytes(b"0.0,1.5,-2.5,40\r\n")
    site.reopen("rerun")
    site.simulate("r2")
    assert site.starts() == 1


@pytest.mark.parametrize("trusted", ["other_key", None])
def test_a_host_that_is_not_the_one_meant_gets_nothing(tmp_path, server, trusted):
    site = site_of(tmp_path, server)
    if trusted is None:
        (server.folder / "known_hosts").write_text("")
    else:
        server.trust(trusted)
    with pytest.raises(BeamFailure) as refusal:
        site.simulate()
    code = "host_key_unknown" if trusted is None else "host_key_changed"
    assert (refusal.value.code, refusal.value.category) == (code, "permanent")
    assert site.beam().failure_code == code
    assert (site.starts(), site.lease_states(), site.job_folders()) == (0, [], [])


def test_a_host_whose_key_changes_while_the_engine_runs_is_not_talked_to_any_more(tmp_path, server):
    site = site_of(tmp_path, server, "hang")

    def change() -> None:
        server.stop()
        server.host_key = "other_key"
        server.start()

    with pytest.raises(BeamFailure) as refusal:
        site.simulate(sleep=once_running(site, change))
    assert refusal.value.code == "host_key_changed"
    assert site.lease_states() == [(1, "held", "r1")]
    server.trust("other_key")
    site.reopen("forced_rerun")
    with pytest.raises(Stopped):
        site.simulate("r2", **stop_when_running(site, "cancel"))
    assert (site.processes(), site.starts()) == ([], 1)
    assert site.lease_states() == [(1, "released", "r2")]
