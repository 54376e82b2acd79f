"""Small homes with one of everything, and archives looked into and made by hand, for the tests of backups."""

import io
import sqlite3
import tarfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import duckdb
import zstandard

from resources.object_store import LocalObjectStore


def make_home(home: Path) -> Path:
    """A home with one of everything; the instance lies in it."""
    LocalObjectStore(root=str(home / "storage")).put_bytes("bucket", "folder/object", b"content")
    (home / "storage" / "empty").mkdir()
    (home / "work").mkdir()
    (home / "work" / "scratch").write_bytes(b"of a run")
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text("storage: {sqlite: {base_dir: {env: DAGSTER_HOME}}}\n")
    (home / "ledger").mkdir(mode=0o750)
    with closing(ledger(home)) as connection:
        connection.execute("CREATE TABLE items (n INTEGER)")
        connection.execute("INSERT INTO items VALUES (1)")
        connection.commit()
    (home / "warehouse").mkdir()
    with closing(duckdb.connect(str(home / "warehouse" / "quintet.duckdb"))) as connection:
        connection.execute("CREATE TABLE sales AS SELECT range AS n FROM range(1000)")
    return home


def ledger(home: Path) -> sqlite3.Connection:
    """The ledger of a home; the caller closes it."""
    connection = sqlite3.connect(home / "ledger" / "items.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    return connection


def items(home: Path) -> list[int]:
    """What the ledger of a home holds."""
    with closing(sqlite3.connect(home / "ledger" / "items.sqlite")) as connection:
        return [n for (n,) in connection.execute("SELECT n FROM items ORDER BY n")]


def files(folder: Path) -> set[str]:
    """The paths of all files in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def members(backup: Path) -> dict[str, bytes]:
    """What is in an archive, in its order."""
    with (
        backup.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        return {entry.name: content.read() for entry in archive if (content := archive.extractfile(entry))}


def pack(backup: Path, content: Mapping[str, bytes]) -> None:
    """Write an archive by hand."""
    with (
        backup.open("wb") as file,
        zstandard.ZstdCompressor().stream_writer(file) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as archive,
    ):
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
