"""The ledgers: whether SQLite opens, locks and trusts them."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from resources.ledger import Ledger
from scripts.doctor.findings import Finding, ok, problem, warning
from scripts.doctor.installation import Installation
from scripts.doctor.machine import folder

_SECONDS: Final = 5.0
_STEPS: Final = 10_000
"""Of SQLite's machine, between two looks at the clock."""


def ledgers(matter: str, installation: Installation) -> Iterator[Finding]:
    """A write to a scratch ledger in the folder, then the integrity of each ledger that is there."""
    ledger = installation.resource("ledger", Ledger)
    place = Path(ledger.folder)
    if not place.is_dir():
        yield from folder(matter, place)
        return
    mode = _scratch_mode(ledger)
    if mode == "wal":
        yield ok(matter, f"SQLite {sqlite3.sqlite_version} writes and locks in {place}")
    else:
        remedy = "choose a folder on a disk of this machine"
        yield problem(matter, f"{place} does not bear a write-ahead log (it is {mode})", remedy)
    for name in _names(installation):
        if ledger.path(name).exists():
            yield _integrity(matter, ledger, name)


def _names(installation: Installation) -> Iterator[str]:
    from assets.discovery.engine.registry import LEDGER
    from scripts.beams.desk import REGISTRY

    if "discovery" in installation.pipelines:
        yield LEDGER
    if "beams" in installation.pipelines:
        yield REGISTRY


def _scratch_mode(ledger: Ledger) -> str:
    """Make a ledger, write to it and remove it; say how it kept its log."""
    name = f"doctor-{uuid4().hex}"
    try:
        with closing(ledger.open_db(name)) as connection:
            connection.execute("CREATE TABLE probe (number INTEGER)")
            connection.execute("INSERT INTO probe VALUES (1)")
            return connection.execute("PRAGMA journal_mode").fetchone()[0]
    finally:
        path = ledger.path(name)
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(f"{path.name}{ending}").unlink()


def _integrity(matter: str, ledger: Ledger, name: str) -> Finding:
    path = ledger.path(name)
    until = time.monotonic() + _SECONDS
    with closing(ledger.open_raw_db(name)) as connection:
        connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
        try:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if "interrupted" in str(error):
                remedy = f"sqlite3 {path} 'PRAGMA quick_check'"
                return warning(matter, f"{path} is too large to be checked within {_SECONDS:g} s", remedy)
            said = str(error)
    if said == "ok":
        return ok(matter, f"{path}, {path.stat().st_size / 1024**2:.1f} MiB, whole")
    return problem(
        matter, f"{path} is damaged: {said}", "stop what writes to it, and restore the last backup"
    )
