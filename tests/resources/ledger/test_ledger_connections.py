"""How ledgers are opened, and where they are not."""

import ast
import sqlite3
import threading
from pathlib import Path

import pytest

from resources.ledger import Ledger, LedgerAbsent, LedgerUnusable, connections, file_systems
from resources.ledger.file_systems import file_system_of

REPOSITORY = Path(connections.__file__).resolve().parents[2]


@pytest.fixture
def ledger(tmp_path):
    return Ledger(folder=str(tmp_path / "ledger"))


def pragma(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_writer_gets_the_pragmas_of_the_contract(ledger):
    connection = ledger.open_db("discovery")
    found = {
        name: pragma(connection, name)
        for name in ("journal_mode", "synchronous", "foreign_keys", "temp_store")
    }
    assert found == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "temp_store": 2}
    assert pragma(connection, "busy_timeout") == 30_000
    assert connection.isolation_level is None
    assert not connection.in_transaction


def test_a_reader_cannot_write(ledger):
    writer = ledger.open_db("discovery")
    writer.execute("CREATE TABLE t (x)")
    reader = ledger.open_raw_db("discovery")
    assert pragma(reader, "query_only") == 1
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO t VALUES (1)")
    reader.execute("PRAGMA query_only = OFF")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO t VALUES (1)")


def test_reading_a_ledger_that_is_not_there_makes_none(ledger, tmp_path):
    with pytest.raises(LedgerAbsent, match=r"no ledger at .*discovery\.sqlite yet"):
        ledger.open_raw_db("discovery")
    assert list(tmp_path.rglob("*.sqlite")) == []


def test_a_folder_with_odd_characters_can_be_read_from(tmp_path):
    ledger = Ledger(folder=str(tmp_path / "a ?b#c%20d"))
    ledger.open_db("discovery").execute("CREATE TABLE t (x)")
    assert ledger.open_raw_db("discovery").execute("SELECT count(*) FROM t").fetchone() == (0,)


@pytest.mark.parametrize("name", ["../discovery", "", "A", "a/b", "a.b", "1a"])
def test_a_name_that_could_leave_the_folder_is_refused(ledger, name):
    with pytest.raises(LedgerUnusable, match="is no ledger's name"):
        ledger.open_db(name)


@pytest.mark.parametrize("name", ["discovery", "beams", "discovery-test-dumb_money_live"])
def test_each_name_is_a_file_of_its_own(ledger, name):
    ledger.open_db(name).close()
    assert ledger.path(name).exists()


def test_an_old_sqlite_is_refused_with_the_version_that_is_needed(ledger, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    for opened in (ledger.open_db, ledger.open_raw_db):
        monkeypatch.setattr(Path, "exists", lambda _: True)
        with pytest.raises(LedgerUnusable, match=r"3\.37 or newer"):
            opened("discovery")


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 0:40 / /mnt/team rw,relatime shared:1 - nfs4 server:/team rw
41 27 0:41 / /mnt/my\\040share rw,relatime - cifs //server/share rw
42 40 0:42 / /mnt/team/local rw,relatime - xfs /dev/vdb rw
43 27 0:43 / /mnt/over rw,relatime - ext4 /dev/vdc rw
44 43 0:44 / /mnt/over rw,relatime - fuse.sshfs host: rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/quintet", "ext4"),
        ("/mnt/team/ledger", "nfs4"),
        ("/mnt/teammate/ledger", "ext4"),
        ("/mnt/my share/ledger", "cifs"),
        ("/mnt/team/local/ledger", "xfs"),
        ("/mnt/over/ledger", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_its_nearest_mount(tmp_path, path, kind):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system_of(Path(path), mounts) == kind


def test_where_the_kernel_does_not_tell_nothing_is_known(tmp_path):
    assert file_system_of(tmp_path, tmp_path / "absent") is None


@pytest.mark.parametrize("kind", sorted(file_systems.NETWORK_FILE_SYSTEMS))
def test_a_ledger_on_a_network_file_system_is_refused_and_not_made(ledger, monkeypatch, kind):
    monkeypatch.setattr(connections, "file_system_of", lambda _: kind)
    with pytest.raises(LedgerUnusable, match=f"network file system.*{kind}.*QUINTET_HOME"):
        ledger.open_db("discovery")
    assert not ledger.path("discovery").exists()


def test_many_threads_that_open_a_new_ledger_at_once_all_get_it(ledger):
    start, failures = threading.Barrier(8), []

    def open_and_write() -> None:
        start.wait(30)
        try:
            connection = ledger.open_db("discovery")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
            connection.execute("COMMIT")
            connection.close()
        except sqlite3.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=open_and_write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_nothing_but_the_ledger_connects_to_sqlite():
    found = set()
    for folder in ("assets", "resources", "sensors", "jobs", "scripts"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node) == "sqlite3.connect":
                    found.add(path.relative_to(REPOSITORY).as_posix())
                if isinstance(node, ast.ImportFrom) and node.module == "sqlite3":
                    assert "connect" not in {alias.name for alias in node.names}, path
    assert found == {"resources/ledger/connections.py", "resources/ledger/copies.py"}
