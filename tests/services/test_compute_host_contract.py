"""What every compute host promises of commands and files, on this machine and over SSH."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from resources.compute_host import ComputeHost, HostError, HostSession
from tests.services.compute_hosts import ended, here, host, processes_with, session, sshd, unique, wait_for

__all__ = ["host", "session", "sshd"]  # Fixtures.

AWKWARD = ["a b", "$(touch x)", "; touch x", "`touch x`", "it's", '"', "a\\b", "*", "~", "ümlaut", "a=b"]


def test_a_host_has_a_name_and_says_whether_files_must_be_sent(host: ComputeHost, tmp_path: Path) -> None:
    assert host.is_remote == (host.name != "local")
    assert host.workdir() == PurePosixPath(tmp_path / "host")


class TestCommands:
    def test_what_a_command_writes_and_its_exit_code_come_back(self, session: HostSession) -> None:
        result = session.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
        assert (result.exit_code, result.signal) == (7, None)
        assert (result.stdout, result.stderr) == (b"out\n", b"err\n")

    @pytest.mark.parametrize("number", [1, 2, 6, 9, 11, 13, 15])
    def test_a_signal_is_told_from_an_exit_code(self, session: HostSession, number: int) -> None:
        killed = session.run(["sh", "-c", f"kill -{number} $$"])
        assert (killed.exit_code, killed.signal) == (None, number)
        exited = session.run(["sh", "-c", f"exit {128 + number}"])
        assert (exited.exit_code, exited.signal) == (128 + number, None)

    def test_a_command_that_does_not_exist_has_exit_code_127(self, session: HostSession) -> None:
        result = session.run(["no-such-command-here"])
        assert result.exit_code == 127
        assert b"no-such-command-here" in result.stderr

    def test_five_megabytes_on_both_streams_come_back_whole(self, session: HostSession) -> None:
        script = "head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/zero; echo end; echo end >&2"
        result = session.run(["sh", "-c", script])
        assert result.stdout == result.stderr == bytes(5_000_000) + b"end\n"

    def test_both_streams_at_once_come_back_whole(self, session: HostSession) -> None:
        script = "head -c 5000000 /dev/zero >&2 & head -c 5000000 /dev/zero; wait"
        result = session.run(["sh", "-c", script])
        assert result.stdout == result.stderr == bytes(5_000_000)

    def test_an_argument_arrives_as_it_is(self, session: HostSession) -> None:
        for argument in (*AWKWARD, "", "-n", "two\nlines", "\t", "a" * 100_000):
            assert session.run(["printf", "%s", argument]).stdout == argument.encode()

    def test_variables_are_added_to_those_of_the_host(self, session: HostSession) -> None:
        script = 'printf "%s|%s" "$BEAM" "${PATH:+set}"'
        result = session.run(["sh", "-c", script], environ={"BEAM": "a b;$(x)"})
        assert result.stdout == b"a b;$(x)|set"

    def test_a_command_has_nothing_to_read(self, session: HostSession) -> None:
        assert session.run(["cat"]).stdout == b""

    def test_a_command_that_hangs_is_ended_and_the_session_goes_on(self, session: HostSession) -> None:
        with pytest.raises(HostError, match=r"within 0\.5 s") as raised:
            session.run(["sleep", unique(7431)], timeout_s=0.5)
        assert raised.value.code == "ssh_timeout"
        wait_for(lambda: not processes_with(7431))
        assert session.run(["echo", "on"]).stdout == b"on\n"

    def test_a_command_that_never_stops_writing_is_ended(self, session: HostSession) -> None:
        with pytest.raises(HostError) as raised:
            session.run(["sh", "-c", "while :; do echo y; sleep 0.01; done"], timeout_s=0.5)
        assert raised.value.code == "ssh_timeout"

    @pytest.mark.parametrize("argv", [[], [""], ["-rf"], ["A=b"], ["echo", "a\0b"]])
    def test_what_is_no_command_is_refused(self, session: HostSession, argv: list[str]) -> None:
        with pytest.raises(ValueError, match=r"is no command|holds a NUL"):
            session.run(argv)

    @pytest.mark.parametrize("name", ["", "A B", "1A", "A=B", "A;x", "Ä"])
    def test_what_is_no_name_of_a_variable_is_refused(self, session: HostSession, name: str) -> None:
        with pytest.raises(ValueError, match="no name of an environment variable"):
            session.run(["true"], environ={name: "x"})


class TestPaths:
    USES: tuple[Callable[[HostSession, PurePosixPath, Path], object], ...] = (
        lambda session, path, _: session.make_folders(path),
        lambda session, path, _: session.remove_tree(path),
        lambda session, path, _: session.list_files(path),
        lambda session, path, _: session.read(path),
        lambda session, path, file: session.put(file, path),
        lambda session, path, file: session.get(path, file),
        lambda session, path, _: session.launch(path, ["touch", "started"]),
        lambda session, path, _: session.observe(path),
        lambda session, path, _: session.stop(path),
    )

    @pytest.mark.parametrize(
        "part",
        ["..", "-rf", "a/../b", "a/-b", "a\nb", "a\0b", "a\x1bb", "a\x7f", "a\x85b", "/etc/passwd", "."],
    )
    def test_a_path_that_could_be_misread_or_lies_elsewhere_is_refused(
        self, host: ComputeHost, session: HostSession, tmp_path: Path, part: str
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"x")
        for use in self.USES:
            with pytest.raises(ValueError, match=r"on a compute host|below the work folder"):
                use(session, host.workdir() / part, file)
        assert not here(host.workdir()).exists()
        assert file.read_bytes() == b"x"

    def test_a_relative_path_is_refused(self, session: HostSession) -> None:
        with pytest.raises(ValueError, match="not absolute"):
            session.read(PurePosixPath("case/engine.log"))

    def test_a_folder_that_only_begins_like_the_work_folder_is_refused(
        self, host: ComputeHost, session: HostSession
    ) -> None:
        with pytest.raises(ValueError, match="below the work folder"):
            session.make_folders(host.workdir().with_name(host.workdir().name + "2") / "a")


class TestFolders:
    def test_a_folder_is_made_with_those_above_it_and_once_more(
        self, host: ComputeHost, session: HostSession
    ) -> None:
        folder = host.workdir() / "a" / "b"
        session.make_folders(folder)
        session.make_folders(folder)
        assert here(folder).is_dir()
        assert here(folder).stat().st_mode & 0o077 == 0

    def test_a_listing_has_files_and_folders_by_name_and_no_links(
        self, host: ComputeHost, session: HostSession
    ) -> None:
        root = here(host.workdir() / "a")
        (root / "z").mkdir(parents=True)
        (root / "b").write_bytes(b"12345")
        (root / "link").symlink_to(root / "b")
        (root / "linked").symlink_to(root / "z")
        (root / "dangling").symlink_to(root / "nothing")
        os.mkfifo(root / "pipe")
        os.utime(root / "b", (1_700_000_000, 1_700_000_000))
        b, z = session.list_files(host.workdir() / "a")
        assert (b.name, b.size, b.modified, b.is_folder) == ("b", 5, 1_700_000_000, False)
        assert (z.name, z.is_folder) == ("z", True)

    def test_what_is_absent_or_no_folder_has_no_files(self, host: ComputeHost, session: HostSession) -> None:
        root = here(host.workdir())
        (root / "real").mkdir(parents=True)
        (root / "real" / "file").write_bytes(b"")
        (root / "link").symlink_to(root / "real")
        for name in ("absent", "real/file", "link"):
            assert session.list_files(host.workdir() / name) == []

    def test_a_tree_is_removed_but_not_what_its_links_point_to(
        self, host: ComputeHost, session: HostSession, tmp_path: Path
    ) -> None:
        kept = tmp_path / "kept"
        kept.mkdir()
        (kept / "file").write_bytes(b"x")
        root = here(host.workdir() / "a")
        root.mkdir(parents=True)
        (root / "link").symlink_to(kept)
        (root.parent / "b").symlink_to(kept)
        session.remove_tree(host.workdir() / "a")
        session.remove_tree(host.workdir() / "b")
        session.remove_tree(host.workdir() / "absent")
        assert [*root.parent.iterdir()] == []
        assert (kept / "file").read_bytes() == b"x"


class TestReading:
    @pytest.mark.parametrize(
        ("offset", "limit", "expected"),
        [(0, 100, b"0123456789"), (4, 3, b"456"), (9, 5, b"9"), (10, 5, b""), (11, 5, b""), (0, 0, b"")],
    )
    def test_a_part_of_a_file_is_read(
        self, host: ComputeHost, session: HostSession, offset: int, limit: int, expected: bytes
    ) -> None:
        here(host.workdir()).mkdir()
        here(host.workdir() / "a").write_bytes(b"0123456789")
        assert session.read(host.workdir() / "a", offset, limit) == expected

    def test_a_long_file_is_read_in_pieces_without_gap(self, host: ComputeHost, session: HostSession) -> None:
        content = os.urandom(2_500_000)
        here(host.workdir()).mkdir()
        here(host.workdir() / "a").write_bytes(content)
        read = b""
        while piece := session.read(host.workdir() / "a", len(read)):
            assert len(piece) <= 1 << 20
            read += piece
        assert read == content

    def test_a_file_that_is_absent_a_folder_or_a_link_reads_as_nothing(
        self, host: ComputeHost, session: HostSession
    ) -> None:
        root = here(host.workdir())
        (root / "folder").mkdir(parents=True)
        (root / "file").write_bytes(b"x")
        (root / "link").symlink_to(root / "file")
        for name in ("absent", "folder", "link", "file/below"):
            assert session.read(host.workdir() / name) == b""


class TestTransfer:
    @pytest.mark.parametrize("size", [0, 1, 32_768, 3_000_001])
    def test_a_file_goes_there_and_comes_back_the_same(
        self, host: ComputeHost, session: HostSession, tmp_path: Path, size: int
    ) -> None:
        content = os.urandom(size)
        (tmp_path / "source").write_bytes(content)
        target = host.workdir() / "QA0001" / "log" / "002_F2_A_P" / "01_150.00MeV.csv"
        session.put(tmp_path / "source", target)
        assert here(target).read_bytes() == content
        session.get(target, tmp_path / "back" / "again")
        assert (tmp_path / "back" / "again").read_bytes() == content
        assert [file.name for file in session.list_files(target.parent)] == [target.name]
        assert [*(tmp_path / "back").iterdir()] == [tmp_path / "back" / "again"]

    def test_awkward_names_do_no_harm(
        self, host: ComputeHost, session: HostSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in AWKWARD:
            (tmp_path / name).write_bytes(name.encode())
            folder = host.workdir() / name
            session.put(tmp_path / name, folder / name)
            assert session.read(folder / name) == name.encode()
            assert [file.name for file in session.list_files(folder)] == [name]
            session.get(folder / name, tmp_path / "back" / name)
            assert (tmp_path / "back" / name).read_bytes() == name.encode()
            session.launch(folder / "job", ["pwd"])
            assert ended(session, folder / "job").exit_code == 0
            assert session.read(folder / "job" / "engine.log").decode() == f"{folder / 'job'}\n"
            session.remove_tree(folder)
        assert [*here(host.workdir()).iterdir()] == []
        assert not (tmp_path / "x").exists()
        assert not (Path.home() / "x").exists()

    def test_another_content_replaces_a_file_and_the_same_is_not_sent_again(
        self, host: ComputeHost, session: HostSession, tmp_path: Path
    ) -> None:
        source, target = tmp_path / "source", host.workdir() / "target"
        source.write_bytes(b"first")
        session.put(source, target)
        first = here(target).stat().st_ino
        session.put(source, target)
        assert here(target).stat().st_ino == first
        source.write_bytes(b"other")
        session.put(source, target)
        assert here(target).read_bytes() == b"other"

        back = tmp_path / "back"
        session.get(target, back)
        first = back.stat().st_ino
        session.get(target, back)
        assert back.stat().st_ino == first
        here(target).write_bytes(b"third")
        session.get(target, back)
        assert back.read_bytes() == b"third"

    def test_what_an_interrupted_transfer_left_is_overwritten(
        self, host: ComputeHost, session: HostSession, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.write_bytes(b"kept")
        here(host.workdir()).mkdir()
        (tmp_path / "source").write_bytes(b"whole")
        for name in ("a", "b"):
            here(host.workdir() / f"{name}.part").write_bytes(b"half of another, longer file")
        here(host.workdir() / "c.part").symlink_to(elsewhere)
        for name in ("a", "c"):
            session.put(tmp_path / "source", host.workdir() / name)
            assert here(host.workdir() / name).read_bytes() == b"whole"
        (tmp_path / "back.part").symlink_to(elsewhere)
        session.get(host.workdir() / "a", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"whole"
        assert elsewhere.read_bytes() == b"kept"

    def test_links_and_folders_are_no_files_to_copy(
        self, host: ComputeHost, session: HostSession, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"x")
        (tmp_path / "link").symlink_to(tmp_path / "file")
        session.put(tmp_path / "file", host.workdir() / "file")
        here(host.workdir() / "link").symlink_to(here(host.workdir() / "file"))
        os.mkfifo(tmp_path / "pipe")
        for name in ("link", "absent", "pipe", "."):
            with pytest.raises(FileNotFoundError):
                session.put(tmp_path / name, host.workdir() / "copy")
        session.make_folders(host.workdir() / "folder")
        for name in ("link", "absent", "folder"):
            with pytest.raises(FileNotFoundError):
                session.get(host.workdir() / name, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        assert not here(host.workdir() / "copy").exists()

    def test_a_link_in_the_place_of_the_target_is_replaced_not_followed(
        self, host: ComputeHost, session: HostSession, tmp_path: Path
    ) -> None:
        for kept in ("kept", "kept too"):
            (tmp_path / kept).write_bytes(b"same")
        (tmp_path / "source").write_bytes(b"same")
        here(host.workdir()).mkdir()
        here(host.workdir() / "target").symlink_to(tmp_path / "kept")
        session.put(tmp_path / "source", host.workdir() / "target")
        assert not here(host.workdir() / "target").is_symlink()
        (tmp_path / "back").symlink_to(tmp_path / "kept too")
        session.get(host.workdir() / "target", tmp_path / "back")
        assert not (tmp_path / "back").is_symlink()
        assert (tmp_path / "kept").read_bytes() == (tmp_path / "kept too").read_bytes() == b"same"


def test_a_digest_is_that_of_the_host(host: ComputeHost, session: HostSession) -> None:
    here(host.workdir()).mkdir()
    here(host.workdir() / "a").write_bytes(b"x")
    result = session.run(["sha256sum", "--", str(host.workdir() / "a")])
    assert result.stdout.split()[0].decode() == hashlib.sha256(b"x").hexdigest()
