"""doctor, migrate, export, report."""

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, Final, TextIO, TypedDict

from assets.discovery.config_problems import ConfigurationError, unknown_word
from assets.discovery.doctor.case import standing_jobs
from assets.discovery.doctor.examination import examine
from assets.discovery.doctor.examination import fix as put_right
from assets.discovery.doctor.findings import Finding
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.engine.registry import LEDGER
from assets.discovery.job_settings import KeepDays
from assets.discovery.ledger import schema
from assets.discovery.ledger.pruning import prune_exported
from assets.discovery.ledger.reaping import holders
from assets.discovery.readers.export import JobExport
from assets.discovery.readers.jobs_today import with_orphans
from assets.discovery.readers.report import report_page
from resources.home import quintet_home
from resources.ledger import LedgerUnusable
from resources.ledger.file_systems import NETWORK_FILE_SYSTEMS, file_system_of
from scripts.discovery_cli.dagster_runs import dagster_instance, ended_runs, recorded_partitions
from scripts.discovery_cli.selection import seen_jobs
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import DONE, FAILED, Answer

if TYPE_CHECKING:
    from dagster import DagsterInstance

_RECORDS: Final = ("item", "stage", "attempt", "result", "cost", "event")


class Findings(TypedDict):
    """The document of `doctor`: what is left, after a fix."""

    findings: list[dict[str, Any]]


class Migrated(TypedDict):
    """The document of `migrate`: the version that the ledger has, and those that were applied now."""

    version: int
    applied: list[int]


class Exported(TypedDict):
    """The document of `export`: lines by what they are, and how many events were removed."""

    path: str
    lines: dict[str, int]
    pruned: int


class Reported(TypedDict):
    """The document of `report`."""

    path: str


def doctor(place: Workplace, job: str | None, *, fix: bool) -> Answer[Findings]:
    """Examine the ledger, and put right what is safe to if that is asked for.

    It needs no handler: that one cannot be used is a finding.
    """
    jobs, ledgers, fixed = standing_jobs(place.jobs_file), place.resources.ledger, list[Finding]()
    _require_known(place, job)
    with dagster_instance(place.environment) as instance:
        if fix and ledgers.path(LEDGER).exists():
            with closing(ledgers.open_db(LEDGER)) as connection:
                fixed = put_right(connection, jobs, place.clock(), _surroundings(place, connection, instance))
        with _ledger_if_any(place) as connection:
            around = _surroundings(place, connection, instance)
            findings = examine(connection, jobs, place.clock(), around, only=job)
    told = tuple(f"Fixed: {finding.evidence}" for finding in fixed)
    code = FAILED if any(finding.severity != "info" for finding in findings) else DONE
    return Answer({"findings": [asdict(finding) for finding in findings]}, code, told)


def migrate(place: Workplace) -> Answer[Migrated]:
    """Bring the ledger to the newest schema, once the jobs file is known to be right."""
    registry = place.registry
    with closing(registry.ledgers.open_db(registry.ledger)) as connection:
        applied = schema.migrate(connection, place.clock())
        return Answer(Migrated(version=schema.version_of(connection), applied=applied))


def export(place: Workplace, job: str | None, to: str | None, *, prune: bool) -> Answer[Exported]:
    """Write all jobs or one to a file; events are removed only when that is whole and on the disk."""
    path = _named(to)
    lines, exported_up_to = Counter[str](), dict[str, int]()
    with place.reading() as connection:
        jobs = seen_jobs(place, connection, job)
        with _written(path) as file:
            for today in jobs:
                rows = JobExport(connection, today.name)
                file.writelines(f"{line}\n" for line in rows)
                lines += rows.counts
                exported_up_to[today.name] = rows.last_event_seq
    pruned = _pruned(place, exported_up_to) if prune else 0
    counts = {f"{record}s": lines[record] for record in _RECORDS}
    return Answer(Exported(path=str(path), lines=counts, pruned=pruned))


def report(place: Workplace, to: str | None) -> Answer[Reported]:
    """Write the page of all jobs, those that left the jobs file included."""
    path = _named(to) if to is not None else quintet_home(place.environment) / "work" / "discovery.html"
    with place.reading() as connection, _written(path) as file:
        file.write(report_page(connection, place.all_jobs(connection), place.clock()))
    return Answer(Reported(path=str(path)))


def _pruned(place: Workplace, exported_up_to: Mapping[str, int]) -> int:
    kept = {job.name: job.keep_days.events for job in place.jobs_file.jobs}
    with place.writing() as connection:
        return sum(
            # A job that left the jobs file keeps what a job keeps that says nothing of it.
            prune_exported(connection, name, kept.get(name, KeepDays().events), last, place.clock())
            for name, last in exported_up_to.items()
        )


def _named(to: str | None) -> Path:
    if to is None or not to.strip():
        raise ConfigurationError(["give the file to write: --to PATH"])
    return Path(to).expanduser().absolute()


@contextmanager
def _written(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of `path` when it is whole and on the disk, and never before."""
    if path.is_dir():
        raise ConfigurationError([_unwritable(path, "it is a folder")])
    part = path.parent / f".{path.name}.{os.getpid()}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("x", encoding="utf-8", errors="backslashreplace") as file, _removed_unless_whole(part):
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise ConfigurationError([_unwritable(path, (error.strerror or str(error)).lower())]) from None


@contextmanager
def _removed_unless_whole(part: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        part.unlink()
        raise


def _unwritable(path: Path, reason: str) -> str:
    return f"{path} cannot be written ({reason}); name another file by --to"


@contextmanager
def _ledger_if_any(place: Workplace) -> Iterator[Connection | None]:
    try:
        connection = place.resources.ledger.open_raw_db(LEDGER)
    except LedgerUnusable:
        yield None
        return
    with closing(connection):
        yield connection


def _require_known(place: Workplace, job: str | None) -> None:
    names = [each.name for each in place.jobs_file.jobs]
    if job is None or job in names:
        return
    with _ledger_if_any(place) as connection:
        try:
            orphans = [] if connection is None else [each.name for each in with_orphans(connection, [])]
        except sqlite3.DatabaseError:
            orphans = []
    if job not in orphans:
        raise ConfigurationError([unknown_word(job, "job", names)])


def _surroundings(
    place: Workplace, connection: Connection | None, instance: "DagsterInstance | None"
) -> Surroundings:
    path = place.resources.ledger.path(LEDGER)

    def network_file_system(folder: Path) -> str | None:
        kind = file_system_of(folder)
        return kind if kind in NETWORK_FILE_SYSTEMS else None

    return Surroundings(
        ledger=path,
        environment=place.environment,
        network_file_system=network_file_system,
        ended_runs=ended_runs(instance, _holding_runs(connection)),
        is_stored=lambda blob_path: (path.parent / blob_path).is_file(),
        mirrored=None if instance is None else lambda job: recorded_partitions(instance, job),
    )


def _holding_runs(connection: Connection | None) -> set[str]:
    """The runs that hold leases; none of a ledger that cannot be read, which is a finding of its own."""
    try:
        return set() if connection is None else holders(connection)[1]
    except sqlite3.DatabaseError:
        return set()
