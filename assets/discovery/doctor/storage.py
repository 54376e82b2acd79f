"""The file of the ledger: intact, of a version that this code knows, on a local disk with room."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from assets.discovery.doctor.case import Case
from assets.discovery.doctor.findings import Finding, found
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.doctor.wording import counted
from assets.discovery.ledger import schema

LARGE_WAL_BYTES: Final = 256 * 2**20
LEAST_FREE_BYTES: Final = 10**9
_PROBLEMS_TOLD: Final = 3
_GB: Final = 10**9
_MB: Final = 2**20


def wal_large(surroundings: Surroundings) -> Iterator[Finding]:
    """A write-ahead log that has grown because nobody could bring it into the file."""
    if surroundings.ledger is None:
        return
    log = surroundings.ledger.with_name(surroundings.ledger.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > LARGE_WAL_BYTES:
        yield found(
            "wal_large",
            None,
            f"The write-ahead log {log} has {size // _MB:,} MB, more than {LARGE_WAL_BYTES // _MB}: "
            "a reader that does not end keeps it from being emptied.",
            f"sqlite3 '{surroundings.ledger}' 'PRAGMA wal_checkpoint(TRUNCATE)'",
        )


def network_file_system(surroundings: Surroundings) -> Iterator[Finding]:
    """A ledger where locks do not hold, so that two processes may do the same work."""
    if surroundings.ledger is None:
        return
    kind = surroundings.network_file_system(surroundings.ledger.parent)
    if kind is not None:
        yield found(
            "network_file_system",
            None,
            f"{surroundings.ledger} lies on a network file system ({kind}), "
            "where SQLite's locks do not hold.",
            "export QUINTET_HOME=FOLDER_ON_A_LOCAL_DISK",
        )


def disk_low(surroundings: Surroundings) -> Iterator[Finding]:
    """A disk on which the ledger will soon find no room."""
    if surroundings.ledger is None:
        return
    free = surroundings.free_bytes(surroundings.ledger.parent)
    if free < LEAST_FREE_BYTES:
        evidence = f"{free / _GB:.2f} GB are free where {surroundings.ledger} lies, less than 1 GB."
        yield found("disk_low", None, evidence, f"df -h '{surroundings.ledger.parent}'")


def schema_behind(case: Case) -> Iterator[Finding]:
    """A ledger of another schema version than this code's: older, or newer."""
    version = schema.version_of(case.connection)
    if version == schema.NEWEST:
        return
    evidence = f"The ledger has schema version {version}, this code has {schema.NEWEST}"
    if version < schema.NEWEST:
        yield found("schema_behind", None, f"{evidence}; it waits for its migration.", "inv jobs.migrate")
    else:
        evidence = f"{evidence}; update Quintet before it opens this ledger."
        yield found("schema_behind", None, evidence, "git pull", "error")


def integrity(case: Case) -> Iterator[Finding]:
    """A damaged file: broken pages, values that break their constraints, rows that refer to nothing.

    `quick_check` takes half as long as `integrity_check`; it leaves out whether indexes agree with tables.
    """
    told = case.rows(f"PRAGMA quick_check({_PROBLEMS_TOLD})")
    problems = [text for (text,) in told if text != "ok"]
    dangling = case.rows("PRAGMA foreign_key_check")
    if dangling:
        table, row, parent, _ = dangling[0]
        count = counted(len(dangling), "reference")
        problems.append(f"{count} to rows that do not exist (of {table} {row} to {parent})")
    if problems:
        yield damaged(case.surroundings.ledger, "; ".join(problems))


def damaged(ledger: Path | None, problem: sqlite3.Error | str) -> Finding:
    """The finding of a ledger that cannot be read as it should be."""
    text = " ".join(str(problem).split()).rstrip(".")
    place = f"The ledger {ledger}" if ledger else "The ledger"
    command = f"sqlite3 '{ledger or 'LEDGER'}' .recover"
    return found("integrity", None, f"{place} is damaged: {text}.", command)
