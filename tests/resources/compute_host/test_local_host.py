"""This machine as a compute host, beyond the contract of all hosts (tests/services)."""

import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from resources.compute_host import HostMisconfigured, LocalHost


def test_it_is_called_local_and_nothing_is_sent(tmp_path: Path) -> None:
    host = LocalHost(folder=str(tmp_path))
    assert (host.name, host.is_remote, host.workdir()) == ("local", False, PurePosixPath(tmp_path))


@pytest.mark.parametrize("folder", ["", "relative", "/", "/a/../b", "/a/-b", "/a\nb"])
def test_a_work_folder_that_cannot_be_one_is_refused(folder: str) -> None:
    with pytest.raises(HostMisconfigured, match="work folder"), LocalHost(folder=folder).connect():
        pass


def test_our_environment_is_the_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEAM_LIGHT", "on")
    host = LocalHost(folder=str(tmp_path))
    with host.connect() as session:
        assert session.run(["printenv", "BEAM_LIGHT"]).stdout == b"on\n"
        assert session.run(["printenv", "BEAM_LIGHT"], environ={"BEAM_LIGHT": "off"}).stdout == b"off\n"


def test_connecting_makes_nothing(tmp_path: Path) -> None:
    with LocalHost(folder=str(tmp_path / "w")).connect():
        pass
    assert [*tmp_path.glob("w")] == []


def test_this_machine_needs_no_client_of_ssh() -> None:
    """The location loads the package; paramiko takes 0.2 s."""
    code = "import sys, resources.compute_host; sys.exit('paramiko' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
