"""`python -m scripts.backup create`: homes that are written to meanwhile, and what comes back of them."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import duckdb
import pytest

from resources.object_store import LocalObjectStore
from scripts.backup import contents, creation
from scripts.backup.__main__ import main
from tests.scripts.backup_homes import files, items, ledger, make_home

FORMS = pytest.mark.parametrize("name", ["backup.tar.zst", "backup"])


@pytest.fixture
def home(isolated_environment, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    return make_home(isolated_environment)


@FORMS
def test_a_restored_home_has_everything_but_the_work_of_runs(name, home, tmp_path, capsys):
    backup, new = tmp_path / name, tmp_path / "new"
    assert main(["create", str(backup)]) == 0
    assert main(["verify", str(backup)]) == 0
    assert main(["restore", str(backup), "--into", str(new)]) == 0
    assert files(new) == {
        "dagster/dagster.yaml",
        "ledger/items.sqlite",
        "storage/bucket/folder/object",
        "warehouse/quintet.duckdb",
    }
    assert items(new) == [1]
    assert LocalObjectStore(root=str(new / "storage")).read_bytes("bucket", "folder/object") == b"content"
    with closing(duckdb.connect(str(new / "warehouse" / "quintet.duckdb"))) as connection:
        assert connection.execute("SELECT sum(n) FROM sales").fetchone() == (499_500,)
    assert f"QUINTET_HOME={new} and DAGSTER_HOME={new}/dagster" in capsys.readouterr().out


@FORMS
def test_permissions_times_and_empty_folders_come_back(name, home, tmp_path):
    secret = home / "storage" / "bucket" / "secret"
    secret.write_bytes(b"s")
    secret.chmod(0o600)
    os.utime(secret, (1_700_000_000.25, 1_700_000_000.25))
    main(["create", str(tmp_path / name)])
    main(["restore", str(tmp_path / name), "--into", str(tmp_path / "new")])
    copy = tmp_path / "new" / "storage" / "bucket" / "secret"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.stat().st_mtime == 1_700_000_000.25
    assert (tmp_path / "new" / "ledger").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "new" / "storage" / "empty").is_dir()


@FORMS
def test_nobody_else_can_read_a_backup_or_what_is_made_of_it(name, home, tmp_path):
    main(["create", str(tmp_path / name)])
    main(["restore", str(tmp_path / name), "--into", str(tmp_path / "new")])
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_what_is_in_the_write_ahead_log_of_an_open_database_is_in_the_backup(home, tmp_path):
    with closing(ledger(home)) as connection:
        connection.execute("INSERT INTO items VALUES (2)")
        connection.commit()
        assert (home / "ledger" / "items.sqlite-wal").stat().st_size > 0
        connection.execute("INSERT INTO items VALUES (3)")
        main(["create", str(tmp_path / "backup")])
    assert files(tmp_path / "backup" / "home" / "ledger") == {"items.sqlite"}
    assert items(tmp_path / "backup" / "home") == [1, 2]


def test_a_backup_leaves_no_file_beside_the_databases_that_nobody_has_open(home, tmp_path):
    before = files(home)
    main(["create", str(tmp_path / "backup")])
    assert files(home) == before


_WRITER = """
import sqlite3, sys, pathlib
from resources.object_store import LocalObjectStore
home = pathlib.Path(sys.argv[1])
store = LocalObjectStore(root=str(home / "storage"))
connection = sqlite3.connect(home / "ledger" / "items.sqlite", timeout=60)
n = 1
while True:
    n += 1
    # An object first, and then who speaks of it, as everything here does.
    store.put_bytes("bucket", f"object-{n}", str(n).encode() * 10_000)
    store.put_bytes("bucket", "manifest", f"object-{n}".encode())
    connection.execute("INSERT INTO items VALUES (?)", (n,))
    connection.commit()
    print(n, flush=True)
"""


@FORMS
def test_under_a_writer_in_another_process_everything_that_is_spoken_of_is_there(name, home, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(home)], stdout=subprocess.PIPE, text=True
    ) as writer:
        try:
            assert writer.stdout
            while int(writer.stdout.readline()) < 20:
                pass
            drain = threading.Thread(target=writer.stdout.read, daemon=True)
            drain.start()
            assert main(["create", str(tmp_path / name)]) == 0
        finally:
            writer.kill()
    assert main(["restore", str(tmp_path / name), "--into", str(tmp_path / "new")]) == 0
    store = LocalObjectStore(root=str(tmp_path / "new" / "storage"))
    objects = set(store.list_keys("bucket"))
    numbers = items(tmp_path / "new")
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 20
    assert {f"object-{n}" for n in numbers if n > 1} <= objects
    assert store.read_bytes("bucket", "manifest").decode() in objects


def test_a_manifest_that_comes_during_the_copy_finds_its_file_there_too(home, tmp_path, monkeypatch):
    """A file that sorts before what is being copied was not there when the home was listed."""
    store = LocalObjectStore(root=str(home / "storage"))
    copied = creation.Creation._add

    def add(self, path, file):
        copied(self, path, file)
        if path == "storage/bucket/folder/object":
            store.put_bytes("bucket", "a-new-output", b"rows")
            store.put_bytes("bucket", "z-pointer", b"a-new-output")

    monkeypatch.setattr(creation.Creation, "_add", add)
    main(["create", str(tmp_path / "backup")])
    assert {"storage/bucket/a-new-output", "storage/bucket/z-pointer"} <= files(tmp_path / "backup" / "home")


def test_the_events_of_a_run_that_came_after_the_list_of_runs_are_left_out(home, tmp_path, monkeypatch):
    runs, copied = home / "dagster" / "history" / "runs", creation.Creation._add

    def add(self, path, file):
        copied(self, path, file)
        runs.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(runs / "a-run.db")) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS event_logs (n)")

    monkeypatch.setattr(creation.Creation, "_add", add)
    main(["create", str(tmp_path / "backup")])
    assert not list((tmp_path / "backup").rglob("a-run.db"))


def test_files_that_never_stop_coming_are_told(home, tmp_path, monkeypatch, capsys):
    store, copied = LocalObjectStore(root=str(home / "storage")), creation.Creation._add

    def add(self, path, file):
        copied(self, path, file)
        store.put_bytes("bucket", f"after-{len(self.files)}", b"x")

    monkeypatch.setattr(creation.Creation, "_add", add)
    assert main(["create", str(tmp_path / "backup")]) == 0
    assert "came faster than they could be copied" in capsys.readouterr().err


def test_a_file_that_goes_during_the_copy_is_left_out(home, tmp_path, monkeypatch):
    doomed = home / "storage" / "bucket" / "z"
    doomed.write_bytes(b"z")
    copied = creation.Creation._add

    def add(self, path, file):
        doomed.unlink(missing_ok=True)
        copied(self, path, file)

    monkeypatch.setattr(creation.Creation, "_add", add)
    assert main(["create", str(tmp_path / "backup.tar.zst")]) == 0
    assert main(["verify", str(tmp_path / "backup.tar.zst")]) == 0


@FORMS
def test_a_log_that_grows_during_the_copy_is_in_it_as_long_as_it_was(name, home, tmp_path, monkeypatch):
    log = home / "dagster" / "step.err"
    log.write_bytes(b"line\n")
    status = os.fstat

    def fstat(descriptor):
        found = status(descriptor)
        if found.st_ino == log.stat().st_ino:
            with log.open("ab") as growing:
                growing.write(b"another\n")
        return found

    monkeypatch.setattr(creation.os, "fstat", fstat)
    assert main(["create", str(tmp_path / name)]) == 0
    monkeypatch.undo()
    assert main(["restore", str(tmp_path / name), "--into", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "dagster" / "step.err").read_bytes() == b"line\n"
    assert log.stat().st_size > len(b"line\n")


def test_databases_are_copied_before_what_they_speak_of_and_cursors_first(tmp_path):
    for path in (
        "dagster/schedules/schedules.db",
        "dagster/history/runs.db",
        "dagster/history/runs/index.db",
        "dagster/history/runs/a-run.db",
        "ledger/items.sqlite",
        "other/some.sqlite",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(tmp_path / path)) as connection:
            connection.execute("CREATE TABLE t (n)")
    with closing(duckdb.connect(str(tmp_path / "a.duckdb"))):
        pass
    (tmp_path / "a-file").write_bytes(b"")
    assert [source.path for source in contents.sources(tmp_path, tmp_path / "dagster")] == [
        "dagster/schedules/schedules.db",
        "ledger/items.sqlite",
        "dagster/history/runs/index.db",
        "dagster/history/runs/a-run.db",
        "dagster/history/runs.db",
        "other/some.sqlite",
        "a.duckdb",
        "a-file",
    ]


def test_an_instance_outside_of_the_home_is_taken_too(home, tmp_path, monkeypatch):
    elsewhere = tmp_path / "instance"
    (home / "dagster").rename(elsewhere)
    monkeypatch.setenv("DAGSTER_HOME", str(elsewhere))
    main(["create", str(tmp_path / "backup")])
    main(["restore", str(tmp_path / "backup"), "--into", str(tmp_path / "new")])
    assert (tmp_path / "new" / "dagster" / "dagster.yaml").is_file()


@pytest.mark.parametrize("place", ["instance", "home/instance"])
def test_of_two_instances_the_one_in_use_is_taken_once_and_the_other_is_told(
    place, home, tmp_path, monkeypatch, capsys
):
    elsewhere = tmp_path / place if place == "instance" else home / "instance"
    elsewhere.mkdir()
    (elsewhere / "dagster.yaml").write_text("in: use\n")
    monkeypatch.setenv("DAGSTER_HOME", str(elsewhere))
    assert main(["create", str(tmp_path / "backup.tar.zst")]) == 0
    assert f"{home / 'dagster'} is not the instance" in capsys.readouterr().err
    assert main(["restore", str(tmp_path / "backup.tar.zst"), "--into", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "dagster" / "dagster.yaml").read_text() == "in: use\n"
    assert not (tmp_path / "new" / "instance").exists()


_LOADING = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_warehouse_that_a_run_loads_is_waited_for_and_refused_by_its_name(home, tmp_path, capsys):
    path = home / "warehouse" / "quintet.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", _LOADING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        assert run.stdin
        assert run.stdout.readline() == "open\n"
        assert main(["create", str(tmp_path / "backup"), "--wait", "0.5"]) == 1
        said = capsys.readouterr().err
        assert str(path) in said
        assert "--wait" in said
        assert not list(tmp_path.glob("*backup*"))
        run.stdin.close()
        run.wait(60)
    assert main(["create", str(tmp_path / "backup"), "--wait", "30"]) == 0


def test_the_log_of_a_warehouse_whose_writer_was_killed_is_in_the_backup(home, tmp_path):
    path = home / "warehouse" / "quintet.duckdb"
    insert = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('INSERT INTO sales VALUES (7)'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", insert, str(path)], check=False, timeout=60)
    assert path.with_name("quintet.duckdb.wal").stat().st_size > 0
    main(["create", str(tmp_path / "backup")])
    main(["restore", str(tmp_path / "backup"), "--into", str(tmp_path / "new")])
    with closing(duckdb.connect(str(tmp_path / "new" / "warehouse" / "quintet.duckdb"))) as connection:
        assert connection.execute("SELECT count(*) FROM sales").fetchone() == (1001,)


@pytest.mark.parametrize(
    ("settings", "says"),
    [("storage: {postgres: {postgres_db: {}}}\n", True), ("storage: {sqlite: {}}\n", False), ("{", False)],
)
def test_of_a_postgresql_instance_the_rest_is_backed_up_and_pg_dump_is_named(
    settings, says, home, tmp_path, capsys
):
    (home / "dagster" / "dagster.yaml").write_text(settings)
    assert main(["create", str(tmp_path / "backup.tar.zst")]) == 0
    assert ("pg_dump" in capsys.readouterr().err) is says
    assert main(["verify", str(tmp_path / "backup.tar.zst")]) == 0
    assert ("pg_dump" in capsys.readouterr().err) is says


def test_what_lies_elsewhere_and_links_are_told(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BEAMS_OUTPUT_ROOT", str(tmp_path / "results"))
    monkeypatch.setenv("AIM_LOCAL_ROOT", str(home / "storage" / "aim"))
    (home / "storage" / "link").symlink_to(tmp_path)
    assert main(["create", str(tmp_path / "backup")]) == 0
    said = capsys.readouterr().err
    assert "BEAMS_OUTPUT_ROOT" in said
    assert "AIM_LOCAL_ROOT" not in said
    assert "storage/link is a link" in said
