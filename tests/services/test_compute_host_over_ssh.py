"""Getting in over SSH: keys that do not fit, hosts that cannot be reached."""

import select
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from resources.compute_host import HostError, HostMisconfigured
from resources.compute_host.ssh import SshHost
from tests.services.ssh_server import SshServer, free_port, running

pytestmark = pytest.mark.services


@pytest.fixture
def sshd(tmp_path: Path, missing_service: Callable[[str], NoReturn]) -> Iterator[SshServer]:
    """A server of the test's own, which it may break."""
    (tmp_path / "sshd").mkdir()
    with running(tmp_path / "sshd", missing_service) as server:
        yield server


@pytest.fixture
def host(sshd: SshServer, tmp_path: Path) -> SshHost:
    return sshd.host(tmp_path / "host")


def failure(host: SshHost) -> HostError:
    with pytest.raises(HostError) as raised, host.connect():
        pass
    return raised.value


class TestHostKeys:
    @pytest.mark.parametrize(
        "content", ["", "# none\n", "[127.0.0.1]:1 ssh-ed25519 {key}\n", "127.0.0.1 x\n"]
    )
    def test_a_host_that_is_not_known_is_refused_and_not_learnt(
        self, sshd: SshServer, host: SshHost, content: str
    ) -> None:
        key = (sshd.folder / "host_key.pub").read_text().split()[1]
        known = sshd.folder / "known_hosts"
        known.write_text(content.format(key=key))
        before = known.read_bytes()
        for _ in range(2):
            error = failure(host)
            assert error.code == "host_key_unknown"
            assert f"127.0.0.1]:{sshd.port}" in error.message
        assert known.read_bytes() == before

    def test_a_file_of_host_keys_that_cannot_be_read_is_named(self, sshd: SshServer, tmp_path: Path) -> None:
        for name, content in (("absent", None), ("broken", "[127.0.0.1]:1 ssh-ed25519 not-base64!\n")):
            if content:
                (tmp_path / name).write_text(content)
            error = failure(sshd.host(tmp_path / "host", known_hosts=str(tmp_path / name)))
            assert error.code == "host_key_unknown"
            assert str(tmp_path / name) in error.message

    def test_a_host_with_another_key_than_known_is_refused(self, sshd: SshServer, host: SshHost) -> None:
        sshd.trust("other_key")
        known = (sshd.folder / "known_hosts").read_bytes()
        error = failure(host)
        assert error.code == "host_key_changed"
        assert str(sshd.folder / "known_hosts") in error.message
        assert (sshd.folder / "known_hosts").read_bytes() == known

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_a_host_with_another_kind_of_key_than_known_is_refused(
        self, sshd: SshServer, host: SshHost, kind: str
    ) -> None:
        sshd.make_key("old_key", kind)
        sshd.trust("old_key")
        assert failure(host).code == "host_key_changed"

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_every_usual_kind_of_key_serves(self, sshd: SshServer, tmp_path: Path, kind: str) -> None:
        sshd.stop()
        sshd.make_key("new_host_key", kind)
        user_key = sshd.make_key("new_user_key", kind)
        shutil.copy(sshd.folder / "new_user_key.pub", sshd.folder / "authorized_keys")
        sshd.host_key = "new_host_key"
        sshd.trust("new_host_key")
        sshd.start()
        with sshd.host(tmp_path / "host", key_file=str(user_key)).connect() as session:
            assert session.run(["echo", "in"]).stdout == b"in\n"


class TestOurKey:
    def test_a_key_that_does_not_open_is_refused(self, sshd: SshServer, tmp_path: Path) -> None:
        error = failure(sshd.host(tmp_path / "host", key_file=str(sshd.folder / "other_key")))
        assert error.code == "ssh_auth"
        assert str(sshd.folder / "other_key") in error.message

    def test_a_user_who_does_not_exist_is_refused(self, sshd: SshServer, tmp_path: Path) -> None:
        error = failure(sshd.host(tmp_path / "host", user="no-such-user"))
        assert error.code == "ssh_auth"
        assert "'no-such-user'" in error.message

    def test_no_other_key_is_tried(
        self, sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = tmp_path / "home"
        (home / ".ssh").mkdir(parents=True)
        shutil.copy(sshd.folder / "user_key", home / ".ssh" / "id_ed25519")
        monkeypatch.setenv("HOME", str(home))
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind(str(tmp_path / "agent"))
            agent.listen()
            agent.setblocking(False)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
            key_file = str(sshd.folder / "other_key")
            assert failure(sshd.host(tmp_path / "host", key_file=key_file)).code == "ssh_auth"
            with pytest.raises(BlockingIOError):
                agent.accept()

    @pytest.mark.parametrize(
        "fault", ["absent", "garbage", "truncated", "passphrase", "folder", "of another kind"]
    )
    def test_a_key_that_cannot_be_used_is_named_and_not_shown(
        self, sshd: SshServer, tmp_path: Path, fault: str
    ) -> None:
        path = tmp_path / "key"
        good = (sshd.folder / "user_key").read_text()
        if fault == "garbage":
            path.write_text("c2VjcmV0LW1hdGVyaWFs\n" * 3)
        elif fault == "truncated":
            path.write_text(good[: len(good) // 2])
        elif fault == "folder":
            path.mkdir()
        elif fault == "passphrase":
            keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "correct horse", "-f", path]
            subprocess.run(keygen, check=True)
        elif fault == "of another kind":
            path.write_bytes(x25519_key())
        error = failure(sshd.host(tmp_path / "host", key_file=str(path)))
        assert error.code == "ssh_auth"
        assert str(path) in error.message
        assert error.__cause__ is None
        assert error.__context__ is None
        content = path.read_text().split("\n") if path.is_file() else []
        assert not [line for line in content if len(line) > 10 and line in error.message]


def x25519_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class TestReaching:
    @pytest.mark.parametrize(
        ("field", "variable"),
        [
            ("host", "BEAMS_SSH_HOST"),
            ("user", "BEAMS_SSH_USER"),
            ("key_file", "BEAMS_SSH_KEY_FILE"),
            ("known_hosts", "BEAMS_SSH_KNOWN_HOSTS"),
            ("folder", "BEAMS_SSH_WORKDIR"),
        ],
    )
    @pytest.mark.parametrize("value", [None, "", " "])
    def test_what_is_not_set_fails_the_use_and_names_its_variable(
        self, sshd: SshServer, tmp_path: Path, field: str, variable: str, value: str | None
    ) -> None:
        host = sshd.host(tmp_path / "host", **{field: value})
        with pytest.raises(HostMisconfigured, match=f"set {variable}"), host.connect():
            pass

    @pytest.mark.parametrize("port", [0, -1, 65536])
    def test_what_is_no_port_fails_the_use(self, sshd: SshServer, tmp_path: Path, port: int) -> None:
        host = sshd.host(tmp_path / "host", port=port)
        with pytest.raises(HostMisconfigured, match="BEAMS_SSH_PORT"), host.connect():
            pass

    @pytest.mark.parametrize("folder", ["relative", "/", "/a/../b", "/a/-b", "~/beams"])
    def test_a_work_folder_that_cannot_be_one_is_refused(
        self, sshd: SshServer, tmp_path: Path, folder: str
    ) -> None:
        host = sshd.host(tmp_path, folder=folder)
        with pytest.raises(HostMisconfigured, match="work folder"), host.connect():
            pass

    def test_a_port_where_nobody_listens_cannot_be_reached(self, sshd: SshServer, tmp_path: Path) -> None:
        port = free_port()
        error = failure(sshd.host(tmp_path / "host", port=port))
        assert error.code == "ssh_connect"
        assert f"127.0.0.1:{port}" in error.message

    def test_a_name_that_nobody_knows_cannot_be_reached(self, sshd: SshServer, tmp_path: Path) -> None:
        assert failure(sshd.host(tmp_path / "host", host="no-such-host.invalid")).code == "ssh_connect"

    def test_a_host_that_takes_the_connection_and_says_nothing_is_given_up(
        self, sshd: SshServer, tmp_path: Path
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            port = mute.getsockname()[1]
            error = failure(sshd.host(tmp_path / "host", port=port, connect_timeout_s=0.5))
        assert error.code == "ssh_timeout"

    def test_a_host_that_speaks_no_ssh_cannot_be_reached(self, sshd: SshServer, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as web, ThreadPoolExecutor(1) as pool:
            pool.submit(hang_up, web)
            error = failure(sshd.host(tmp_path / "host", port=web.getsockname()[1], connect_timeout_s=5))
        assert error.code == "ssh_connect"

    def test_a_connection_that_breaks_anywhere_on_the_way_in_is_no_refusal(
        self, sshd: SshServer, tmp_path: Path
    ) -> None:
        codes = []
        for allowed in range(0, 4000, 100):
            with socket.create_server(("127.0.0.1", 0)) as proxy, ThreadPoolExecutor(1) as pool:
                cut = pool.submit(pass_on, proxy, sshd.port, allowed)
                try:
                    with sshd.host(
                        tmp_path / "host", port=proxy.getsockname()[1], **known(sshd, proxy)
                    ).connect():
                        break
                except HostError as error:
                    codes.append(error.code)
                cut.result(10)
        assert len(codes) > 10
        assert set(codes) == {"ssh_connect"}


def known(sshd: SshServer, proxy: socket.socket) -> dict[str, str]:
    """The field of known hosts where the proxy has the key of the server."""
    path = sshd.folder / "known_proxy"
    key = " ".join((sshd.folder / "host_key.pub").read_text().split()[:2])
    path.write_text(f"[127.0.0.1]:{proxy.getsockname()[1]} {key}\n")
    return {"known_hosts": str(path)}


def pass_on(proxy: socket.socket, port: int, allowed: int) -> None:
    """Pass one connection on to a port until so many bytes came back, then cut it."""
    client, _ = proxy.accept()
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        while allowed > 0:
            for ready in select.select([client, server], [], [], 10)[0]:
                data = ready.recv(65536 if ready is client else min(allowed, 65536))
                if not data:
                    return
                if ready is client:
                    server.sendall(data)
                else:
                    client.sendall(data)
                    allowed -= len(data)


def hang_up(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_two_threads_may_each_have_a_session(host: SshHost) -> None:
    together = threading.Barrier(4)

    def ask(number: int) -> bytes:
        with host.connect() as session:
            together.wait(20)
            return session.run(["echo", str(number)]).stdout

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(ask, range(4))] == [b"0\n", b"1\n", b"2\n", b"3\n"]
