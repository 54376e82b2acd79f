"""Databases, each copied the way it stays whole under a writer."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from assets.failures import TransientFailure

SQLITE_WAIT_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.2


class WriterAtWork(TransientFailure):
    """A database is held by a writer for longer than is waited."""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, its write-ahead log included, with any number of writers.

    The copy is one file. Raises `sqlite3.DatabaseError`, which names no file, where the source is damaged.
    """
    # Whoever opens a write-ahead log to read only leaves it behind, with 32 kB of its index, for every run.
    uri = f"{source.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=SQLITE_WAIT_S)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        # The copy is worth nothing before the backup is whole, which is synced then: 4 times as fast.
        writing.execute("PRAGMA synchronous = OFF")
        writing.execute("PRAGMA journal_mode = OFF")
        # In one step: a copy in several begins anew whenever somebody writes, and might never end.
        reading.backup(writing, pages=-1)


@contextmanager
def still_warehouse(path: Path, wait_s: float) -> Iterator[None]:
    """Keep a DuckDB file from being written to while the block lasts, readers excepted.

    Raises:
        WriterAtWork: a writer had it for as long as was waited.
    """
    import duckdb

    deadline = time.monotonic() + wait_s
    with closing(duckdb.connect()) as engine:
        name = str(path).replace("'", "''")
        while True:
            try:
                engine.execute(f"ATTACH '{name}' AS held (READ_ONLY)")
                break
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise
                if time.monotonic() >= deadline:
                    raise WriterAtWork(
                        f"{path} was open for writing for all of {wait_s:g} s: a run loads it. Try again "
                        "when that has ended, or wait longer with --wait."
                    ) from None
                time.sleep(_LOOK_AGAIN_S)
        yield
