"""What `python -m scripts.backup` refuses, by the name of the file, and what a kill leaves."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

from scripts.backup.__main__ import main
from scripts.backup.unfinished import AlreadyThere, unfinished
from tests.scripts.backup_homes import files, items, make_home, members, pack

FORMS = pytest.mark.parametrize("name", ["backup.tar.zst", "backup"])


@pytest.fixture
def home(isolated_environment, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    return make_home(isolated_environment)


def test_a_backup_never_takes_the_place_of_something(home, tmp_path, capsys):
    (tmp_path / "backup.tar.zst").write_bytes(b"precious")
    assert main(["create", str(tmp_path / "backup.tar.zst")]) == 2
    assert "never takes the place" in capsys.readouterr().err
    assert (tmp_path / "backup.tar.zst").read_bytes() == b"precious"


def test_a_backup_in_the_home_itself_is_refused(home, capsys):
    assert main(["create", str(home / "storage" / "backup.tar.zst")]) == 2
    assert str(home) in capsys.readouterr().err
    assert not list((home / "storage").glob("*backup*"))


def test_without_a_home_there_is_nothing_to_back_up(isolated_environment, tmp_path, capsys):
    assert main(["create", str(tmp_path / "backup")]) == 2
    assert "QUINTET_HOME" in capsys.readouterr().err
    assert not isolated_environment.exists()


@FORMS
def test_a_home_that_has_something_is_left_alone(name, home, tmp_path, capsys):
    main(["create", str(tmp_path / name)])
    (tmp_path / "new").mkdir()
    assert main(["restore", str(tmp_path / name), "--into", str(tmp_path / "new")]) == 0
    before = files(tmp_path / "new")
    assert main(["restore", str(tmp_path / name), "--into", str(tmp_path / "new")]) == 2
    assert "not empty" in capsys.readouterr().err
    assert files(tmp_path / "new") == before


def refused(backup, tmp_path, capsys, *words):
    """Neither `verify` nor `restore` takes it; both say these words; nothing has the new home's name."""
    for command in (["verify", str(backup)], ["restore", str(backup), "--into", str(tmp_path / "new")]):
        capsys.readouterr()
        assert main(command) == 2
        said = capsys.readouterr().err
        assert all(word in said for word in words), said
    assert not list(tmp_path.glob("*new*"))


@FORMS
def test_a_file_that_was_changed_is_named(name, home, tmp_path, capsys):
    backup = tmp_path / name
    main(["create", str(backup)])
    if backup.is_dir():
        (backup / "home" / "storage" / "bucket" / "folder" / "object").write_bytes(b"CONTENT")
    else:
        pack(backup, {**members(backup), "home/storage/bucket/folder/object": b"CONTENT"})
    refused(backup, tmp_path, capsys, "storage/bucket/folder/object", "SHA-256")


@FORMS
def test_a_file_that_is_missing_or_was_added_is_named(name, home, tmp_path, capsys):
    backup = tmp_path / name
    main(["create", str(backup)])
    if backup.is_dir():
        (backup / "home" / "dagster" / "dagster.yaml").rename(backup / "home" / "dagster" / "other.yaml")
    else:
        content = members(backup)
        content["home/dagster/other.yaml"] = content.pop("home/dagster/dagster.yaml")
        content["MANIFEST.json"] = content.pop("MANIFEST.json")
        pack(backup, content)
    refused(backup, tmp_path, capsys, "dagster/dagster.yaml", "is not there")
    if backup.is_dir():
        (backup / "home" / "dagster" / "dagster.yaml").write_bytes(
            (backup / "home" / "dagster" / "other.yaml").read_bytes()
        )
        refused(backup, tmp_path, capsys, "dagster/other.yaml", "not in the manifest")


def test_a_cut_or_damaged_archive_is_refused_and_says_where(home, tmp_path, capsys):
    (home / "storage" / "bucket" / "large").write_bytes(os.urandom(3_000_000))
    backup = tmp_path / "backup.tar.zst"
    main(["create", str(backup)])
    whole = backup.read_bytes()
    backup.write_bytes(whole[: len(whole) // 2])
    refused(backup, tmp_path, capsys, "home/storage/bucket/large")
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    backup.write_bytes(damaged)
    refused(backup, tmp_path, capsys, "storage/bucket/large")
    backup.write_bytes(b"")
    refused(backup, tmp_path, capsys, str(backup))
    backup.write_bytes(b"no archive at all")
    refused(backup, tmp_path, capsys, str(backup))


@pytest.mark.parametrize("path", ["../escaped", "/escaped", "a/../../escaped"])
def test_a_path_that_leads_out_of_the_home_is_refused(path, home, tmp_path, capsys):
    backup = tmp_path / "backup.tar.zst"
    main(["create", str(backup)])
    content = members(backup)
    manifest = json.loads(content.pop("MANIFEST.json"))
    for name in (f"home/{path}", path):
        pack(backup, {name: b"x", **content, "MANIFEST.json": json.dumps(manifest).encode()})
        refused(backup, tmp_path, capsys, str(backup))
    manifest["files"][0]["path"] = path
    pack(backup, {**content, "MANIFEST.json": json.dumps(manifest).encode()})
    refused(backup, tmp_path, capsys, "outside of the home")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "files": [1]}'])
def test_a_manifest_that_cannot_be_read_is_named(content, home, tmp_path, capsys):
    main(["create", str(tmp_path / "backup")])
    (tmp_path / "backup" / "MANIFEST.json").write_bytes(content)
    refused(tmp_path / "backup", tmp_path, capsys, "MANIFEST.json", str(tmp_path / "backup"))


def test_what_is_no_backup_is_refused(tmp_path, capsys):
    refused(tmp_path / "absent", tmp_path, capsys, "no backup")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", tmp_path, capsys, "MANIFEST.json")


def test_a_database_that_is_damaged_is_named_and_there_is_no_backup(home, tmp_path, capsys):
    path = home / "ledger" / "items.sqlite"
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 500)
    assert main(["create", str(tmp_path / "backup")]) == 1
    assert str(path) in capsys.readouterr().err
    assert not list(tmp_path.glob("*backup*"))


def test_json_is_one_document(home, tmp_path, capsys):
    main(["create", str(tmp_path / "backup"), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert document["files"] == 4
    assert document["place"] == str(tmp_path / "backup")
    assert document["notes"] == []


# ---- kills ----

_KILLED = """
import os, signal, sys
from scripts.backup import containers, creation, restoring
from scripts.backup.__main__ import main

where, *arguments = sys.argv[1:]
def kill_after(module, name):
    done = getattr(module, name)
    def killed(*given, **named):
        done(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, name, killed)
module, name = {
    "first file": (creation.Creation, "_add"),
    "manifest": (containers._ArchiveWriter, "finish"),
    "manifest of a folder": (containers._FolderWriter, "finish"),
    "restored file": (containers, "write_file"),
    "restored all": (restoring, "_set_properties"),
}[where]
kill_after(module, name)
main(arguments)
"""


def killed_at(where, *arguments):
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, where, *arguments],
        env=os.environ,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr.decode()


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("first file", "backup.tar.zst"),
        ("first file", "backup"),
        ("manifest", "backup.tar.zst"),
        ("manifest of a folder", "backup"),
    ],
)
def test_a_create_that_is_killed_leaves_nothing_under_the_name_and_the_next_one_clears_up(
    where, name, home, tmp_path
):
    killed_at(where, "create", str(tmp_path / name))
    assert not (tmp_path / name).exists()
    assert (tmp_path / f".{name}.partial").exists()
    assert main(["create", str(tmp_path / name)]) == 0
    assert main(["verify", str(tmp_path / name)]) == 0
    assert not (tmp_path / f".{name}.partial").exists()


@pytest.mark.parametrize("where", ["restored file", "restored all"])
def test_a_restore_that_is_killed_leaves_no_home_and_the_next_one_makes_it(where, home, tmp_path):
    main(["create", str(tmp_path / "backup.tar.zst")])
    new = tmp_path / "new"
    killed_at(where, "restore", str(tmp_path / "backup.tar.zst"), "--into", str(new))
    assert not new.exists()
    assert main(["restore", str(tmp_path / "backup.tar.zst"), "--into", str(new)]) == 0
    assert items(new) == [1]
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_two_processes_do_not_make_one_backup(home, tmp_path, capsys):
    with unfinished(tmp_path / "backup") as folder:
        (folder / "content").write_text("of the first")
        assert main(["create", str(tmp_path / "backup")]) == 2
        assert "Another process" in capsys.readouterr().err
        assert (folder / "content").read_text() == "of the first"
    assert main(["create", str(tmp_path / "backup")]) == 0
    assert (tmp_path / "backup").is_dir()


@pytest.mark.parametrize("is_made_anew", [False, True])
def test_a_folder_that_its_owner_removed_while_it_was_opened_is_not_worked_in(
    is_made_anew, tmp_path, monkeypatch
):
    lock, folder = fcntl.flock, tmp_path / ".backup.partial"

    def removed_first(descriptor, operation):
        folder.rmdir()
        if is_made_anew:
            folder.mkdir()
            (folder / "content").touch()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    with pytest.raises(AlreadyThere, match="Another process"), unfinished(tmp_path / "backup"):
        pass
    assert (folder / "content").exists() is is_made_anew
