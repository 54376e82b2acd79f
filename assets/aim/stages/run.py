"""What a run carries from stage to stage: its settings, files, warehouse, service, and its book.

A stage reads through a `Run` and changes the world only through it; under DRY_RUN it then says what it would
do and does nothing. Not here: what the stages do, and who makes a run.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import BinaryIO

import polars as pl

from assets.aim.configuration import Configuration
from assets.aim.job_book import JobBook
from assets.aim.settings import Settings
from assets.aim.stages.places import Folder
from assets.aim.tables import LIST_HISTORY, SCHEMAS, SNAPSHOT_DATES, google_schema, table_names
from assets.failures import PermanentFailure
from resources.warehouse import DuckDBWarehouse, JsonLines, Parameters, SqlFile, Warehouse, read_sql
from resources.waves import Waves

SQL_FOLDER = "assets/aim/sql"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of a run lie: the feeds, the runlist (a folder and a path in it), everything else."""

    files: Folder
    feeds: Folder
    runlist: tuple[Folder, str]


@dataclass(slots=True)
class Run:
    """One run for one run date.

    `started` is when the run began, with its zone. `waves` is there where Stage 4 is. `log` gets lines for a
    person, under DRY_RUN also what the run would do. Whoever makes a run for DRY_RUN gives it a warehouse
    that only reads.
    """

    configuration: Configuration
    run_date: date
    run_id: str
    started: datetime
    places: Places
    warehouse: Warehouse
    waves: Waves | None
    book: JobBook
    log: logging.Logger | logging.LoggerAdapter[logging.Logger]
    tables: Mapping[str, str] = field(init=False)
    _refreshed: set[str] = field(init=False, default_factory=set)
    _planned: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.tables = table_names(self.settings, has_projects=not self.is_embedded)

    @property
    def settings(self) -> Settings:
        """The effective settings."""
        return self.configuration.settings

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    @property
    def is_embedded(self) -> bool:
        """Whether the reference tables come from files; a cloud's warehouse has its own."""
        return isinstance(self.warehouse, DuckDBWarehouse)

    def require(self, made_by: str, *usual: str) -> None:
        """Refuse to go on without these tables, unless a dry run would have made them by now."""
        for table in usual:
            if not self.will_have(table):
                raise PermanentFailure(f"{self.tables[table]} does not exist; run {made_by} first")

    def require_lists(self) -> None:
        """Refuse to go on without published lists of the run date."""
        self.require("Stage 4", LIST_HISTORY)
        if LIST_HISTORY in self._planned:
            return
        if not self.count(LIST_HISTORY):
            raise PermanentFailure(
                f"{self.tables[LIST_HISTORY]} has no list of {self.run_date}; run Stage 4 for that date first"
            )

    def has(self, usual: str) -> bool:
        """Whether a table is there to be read now."""
        return self.warehouse.table_exists(self.tables[usual])

    def will_have(self, usual: str) -> bool:
        """Whether a table is there, or would be by now in a dry run."""
        return usual in self._planned or self.has(usual)

    def sql(self, name: str) -> SqlFile:
        """A SQL file of this pipeline, over the tables of this installation; the book notes it."""
        file = read_sql(f"{SQL_FOLDER}/{name}.sql")
        self.book.ran_sql(file.path, file.size, file.sha256)
        if self.settings.dry_run:
            self.log.info("DRY RUN: would execute %s", file.path)
        return file.renamed(self.tables)

    def query(self, name: str, parameters: Parameters | None = None) -> pl.DataFrame:
        """The rows of a SQL file."""
        return self.warehouse.query(self.sql(name), parameters)

    def execute(
        self,
        names: Sequence[str],
        writes: Sequence[str],
        parameters: Parameters | None = None,
        expected: int | None = None,
    ) -> tuple[int, ...]:
        """Run SQL files in one transaction, and say how many rows each statement changed.

        The tables that they write are made where they do not exist. A dry run says what it would execute and
        write, `expected` rows where that is known.
        """
        files = [self.sql(name) for name in names]
        if self.settings.dry_run:
            for table in writes:
                self.plan_write(table, expected)
            return ()
        self.make(*writes)
        return self.warehouse.execute(files, parameters)

    def make(self, *usual: str) -> None:
        """Make declared tables that do not exist, empty. One of another project has to be there already."""
        if self.settings.dry_run:
            return
        own = [table for table in usual if self.tables[table].count(".") == 1]
        self.warehouse.ensure_tables({self.tables[table]: SCHEMAS[table] for table in own})

    def load(self, usual: str, frame: pl.DataFrame) -> None:
        """Make a frame the whole content of a declared table."""
        if self.settings.dry_run:
            self.plan_write(usual, frame.height)
            return
        self.warehouse.load(self.tables[usual], frame, SCHEMAS[usual])

    def load_json_lines(self, usual: str, stream: BinaryIO) -> int:
        """Make the JSON objects of a file the whole content of a table; say how many lines were none.

        A dry run reads them all the same.
        """
        if self.settings.dry_run:
            lines = JsonLines(stream, SCHEMAS[usual])
            self.plan_write(usual, sum(frame.height for frame in lines.frames()))
            return lines.left_out
        return self.warehouse.load_json_lines(self.tables[usual], stream, SCHEMAS[usual])

    def load_together(self, frames: Mapping[str, pl.DataFrame]) -> None:
        """Make frames the whole content of their tables, of all or of none; their columns are the frames'."""
        if self.settings.dry_run:
            for usual, frame in frames.items():
                self.plan_write(usual, frame.height)
            return
        self.warehouse.load_together(
            {self.tables[usual]: (frame, google_schema(frame.schema)) for usual, frame in frames.items()}
        )

    def write(self, path: str, content: bytes) -> None:
        """Write a file of the run; a dry run has none to write."""
        self.places.files.write(path, content)

    def count(self, usual: str) -> int:
        """The rows of a table; of a snapshot table those of the run date."""
        return self.warehouse.count(self.tables[usual], where=self._of_run_date(usual))

    def preview(self, usual: str, order_by: Sequence[str] = (), limit: int = 5) -> pl.DataFrame:
        """A few rows of a table; of a snapshot table those of the run date."""
        return self.warehouse.rows(
            self.tables[usual], where=self._of_run_date(usual), order_by=order_by, limit=limit
        )

    def plan_write(self, usual: str, rows: int | None = None) -> None:
        """Say, in a dry run, that a table would be written; later stages may count on it."""
        self._planned.add(usual)
        # Digits alone, as in every line of a rehearsal: scripts read them.
        count = "an unknown number of" if rows is None else rows
        self.log.info("DRY RUN: would write %s (%s rows)", self.tables[usual], count)

    def first_time(self, what: str) -> bool:
        """Whether nobody asked this of the run before; inputs that stages share are refreshed once."""
        is_first = what not in self._refreshed
        self._refreshed.add(what)
        return is_first

    def _of_run_date(self, usual: str) -> dict[str, date]:
        column = SNAPSHOT_DATES.get(usual)
        return {column: self.run_date} if column else {}
