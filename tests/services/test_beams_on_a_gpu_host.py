"""A case whose beams are simulated on a host behind SSH, chosen by variables, as an installation does it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assets.beams.launched_cases import FIELD_ASSETS, Launches, launches, sentence_of
from tests.services.ssh_server import SshServer, running

__all__ = ["launches"]  # A fixture.

pytestmark = pytest.mark.services

FIELD = "QA0001|1"


@pytest.fixture
def server(tmp_path: Path, missing_service) -> Iterator[SshServer]:
    (tmp_path / "sshd").mkdir()
    with running(tmp_path / "sshd", missing_service) as server:
        yield server


@pytest.fixture
def on_a_host(launches: Launches, server: SshServer, monkeypatch: pytest.MonkeyPatch) -> Launches:
    """An installation whose engine and GPUs are behind the server, with a case that has its manifest."""
    host = server.host(launches.home.parent / "far")
    for name, value in {
        "BEAMS_COMPUTE_HOST": "ssh",
        "BEAMS_SSH_HOST": host.host,
        "BEAMS_SSH_PORT": str(host.port),
        "BEAMS_SSH_USER": host.user,
        "BEAMS_SSH_KEY_FILE": host.key_file,
        "BEAMS_SSH_KNOWN_HOSTS": host.known_hosts,
        "BEAMS_SSH_WORKDIR": host.folder,
    }.items():
        monkeypatch.setenv(name, str(value))
    made = Launches(launches.home)
    made.write()
    assert made.launch("case_manifest", "QA0001").success
    return made


def test_a_beam_goes_to_the_host_and_its_dose_comes_back(on_a_host: Launches, server: SshServer) -> None:
    assert on_a_host.launch(FIELD_ASSETS, FIELD).success
    record = json.loads((on_a_host.output / "Dose" / "002_F2_A_P" / "run.json").read_text())
    assert (record["host"], record["exit_code"]) == (f"127.0.0.1:{server.port}", 0)
    assert on_a_host.rows("SELECT status FROM beams WHERE treatment_index = 1") == [("completed",)]
    assert on_a_host.rows("SELECT state, host FROM leases") == [("released", record["host"])]
    # Nothing of the case stays on the host once its dose is validated here.
    assert not list((on_a_host.home.parent / "far").rglob("*.raw"))


def test_a_host_whose_key_changed_is_refused_for_good(on_a_host: Launches, server: SshServer) -> None:
    server.trust("other_key")
    result = on_a_host.launch(FIELD_ASSETS, FIELD)
    assert not result.success
    assert "host key" in sentence_of(result)
    row = "SELECT status, failure_code, failure_category FROM beams WHERE treatment_index = 1"
    assert on_a_host.rows(row) == [("failed", "host_key_changed", "permanent")]
    assert on_a_host.rows("SELECT count(*) FROM leases") == [(0,)]


def test_a_host_that_is_away_fails_the_beam_for_another_try(on_a_host: Launches, server: SshServer) -> None:
    server.stop()
    assert not on_a_host.launch(FIELD_ASSETS, FIELD).success
    row = "SELECT status, failure_code, failure_category FROM beams WHERE treatment_index = 1"
    assert on_a_host.rows(row) == [("failed", "ssh_connect", "retryable")]
    server.start()
    assert on_a_host.launch(FIELD_ASSETS, FIELD).success
