"""From a home to a backup."""

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import yaml

from assets.failures import PermanentFailure, TransientFailure
from resources.ledger import copy_database
from scripts.backup import contents
from scripts.backup.containers import ARCHIVE_SUFFIX, Writer, writer
from scripts.backup.contents import DAGSTER, WAREHOUSE_LOG, Source, Turn
from scripts.backup.manifest import Manifest, StoredFile
from scripts.backup.unfinished import AlreadyThere, publish, unfinished
from scripts.backup.warehouses import still_warehouse

_PASSES: Final = 20
"""Listings in search of files that came during the copy; each has less to copy than the one before."""
_TOLD_EVERY_S: Final = 5.0
_ELSEWHERE: Final = ("AIM_LOCAL_ROOT", "BEAMS_SCAN_ROOT", "BEAMS_OUTPUT_ROOT")
"""Variables that put parts of the home somewhere else."""


class NotCopied(TransientFailure):
    """A file of the home could not be copied."""


@dataclass(slots=True)
class Creation:
    """A backup in the making."""

    home: Path
    dagster_home: Path
    staged: Path
    """A folder for the copies of databases."""
    writer: Writer
    wait_s: float
    say: Callable[[str], None]
    files: dict[str, StoredFile] = field(default_factory=dict)
    vanished: set[str] = field(default_factory=set)
    _told_at: float = field(default_factory=time.monotonic)

    def copy_everything(self) -> bool:
        """Copy what there is; whether a last look found nothing that is not in the backup."""
        for source in contents.sources(self.home, self.dagster_home):
            self._copy(source)
        for _ in range(_PASSES):
            new = [
                source
                for source in contents.sources(self.home, self.dagster_home)
                # The list of runs is taken: events of others would be nobody's.
                if source.turn is not Turn.RUN_EVENTS
                and source.path not in self.files
                and source.path not in self.vanished
            ]
            if not new:
                return True
            for source in new:
                self._copy(source)
        return False

    def _copy(self, source: Source) -> None:
        try:
            if source.turn is Turn.WAREHOUSE:
                self._copy_warehouse(source)
            elif source.turn is Turn.FILE:
                self._add(source.path, source.file)
            else:
                self._copy_database(source)
        except FileNotFoundError:
            self.vanished.add(source.path)
        except (OSError, sqlite3.DatabaseError) as error:
            raise NotCopied(f"{source.file} cannot be copied: {error}; there is no backup.") from error

    def _copy_database(self, source: Source) -> None:
        if not source.file.exists():
            raise FileNotFoundError
        copy = self.staged / "database"
        try:
            copy_database(source.file, copy)
            modified = source.file.stat().st_mtime
            os.utime(copy, (modified, modified))
            self._add(source.path, copy)
        finally:
            copy.unlink(missing_ok=True)

    def _copy_warehouse(self, source: Source) -> None:
        log = source.file.with_name(f"{source.file.name}{WAREHOUSE_LOG}")
        with still_warehouse(source.file, self.wait_s):
            # DuckDB's lock on the file ends when this process closes it: the log first.
            if log.exists():
                self._add(f"{source.path}{WAREHOUSE_LOG}", log)
            self._add(source.path, source.file)

    def _add(self, path: str, file: Path) -> None:
        with file.open("rb") as opened:
            self.files[path] = self.writer.add(path, opened, os.fstat(opened.fileno()))
        if time.monotonic() - self._told_at >= _TOLD_EVERY_S:
            self._told_at = time.monotonic()
            size = sum(stored.size for stored in self.files.values())
            self.say(f"{len(self.files):,} files, {size / 2**20:,.0f} MiB copied")


def create(
    home: Path,
    dagster_home: Path,
    target: Path,
    environ: Mapping[str, str],
    *,
    wait_s: float,
    say: Callable[[str], None],
) -> Manifest:
    """Make a backup; it has its name when it is whole.

    Args:
        home: Quintet's home.
        dagster_home: the folder of the Dagster instance.
        target: the backup: a file if it ends in `.tar.zst`, else a folder.
        environ: where variables may put parts of the home elsewhere.
        wait_s: for how long to wait for whoever writes to a warehouse.
        say: takes sentences on how far it is.

    Raises:
        PermanentFailure: there is no home, or the target is there or lies in the home.
        TransientFailure: a file cannot be copied, or a warehouse is being written to all the time.
    """
    _require_place(home, dagster_home, target)
    with unfinished(target) as folder:
        content = folder / (f"content{ARCHIVE_SUFFIX}" if target.name.endswith(ARCHIVE_SUFFIX) else "content")
        (folder / "staged").mkdir()
        with ExitStack() as stack:
            opened = stack.enter_context(writer(content))
            creation = Creation(home, dagster_home, folder / "staged", opened, wait_s, say)
            created_at = datetime.now(UTC).isoformat(timespec="seconds")
            is_settled = creation.copy_everything()
            manifest = Manifest(
                created_at=created_at,
                quintet_home=str(home),
                files=tuple(creation.files.values()),
                folders=contents.folders(home, dagster_home),
                notes=_notes(home, dagster_home, environ, is_settled=is_settled),
            )
            opened.finish(manifest)
        publish(content, target)
    return manifest


def _require_place(home: Path, dagster_home: Path, target: Path) -> None:
    if not home.is_dir():
        raise PermanentFailure(f"There is no {home} to back up; set QUINTET_HOME to Quintet's home.")
    if target.exists():
        raise AlreadyThere(f"{target} is there already; a backup never takes the place of another one.")
    for folder in (home, dagster_home):
        if target.resolve().is_relative_to(folder.resolve()):
            raise PermanentFailure(
                f"{target} lies in {folder}, which is what is backed up; choose a place outside, best on "
                "another disk."
            )


def _notes(
    home: Path, dagster_home: Path, environ: Mapping[str, str], *, is_settled: bool
) -> tuple[str, ...]:
    """What the backup lacks, a sentence each."""
    notes = [f"{path} is a link and not in the backup." for path in contents.links(home, dagster_home)]
    if (home / DAGSTER).is_dir() and (home / DAGSTER).resolve() != dagster_home.resolve():
        notes.append(
            f"{home / DAGSTER} is not the instance that DAGSTER_HOME names, and is not in the backup."
        )
    if _is_on_postgres(dagster_home):
        notes.append(
            "The Dagster instance keeps its history in PostgreSQL, which is not in the backup: take it with "
            "pg_dump right before a backup, and restore both."
        )
    for name in _ELSEWHERE:
        value = environ.get(name, "").strip()
        if value and not Path(value).expanduser().absolute().is_relative_to(home):
            notes.append(f"{name} lies outside of the home, in {value}, and is not in the backup.")
    if not is_settled:
        notes.append(
            f"Files came faster than they could be copied, {_PASSES} times: take another backup in a quieter "
            "hour, or a manifest in it may speak of files that it lacks."
        )
    return tuple(notes)


def _is_on_postgres(dagster_home: Path) -> bool:
    try:
        settings = yaml.safe_load((dagster_home / f"{DAGSTER}.yaml").read_bytes())
        return "postgres" in settings["storage"]
    except (OSError, yaml.YAMLError, LookupError, TypeError):
        return False
