"""The nine stages on generated inputs, timed stage by stage, loads and SQL files told apart.

The stages run as the command line runs them, over a warehouse that notes how long its calls take. Not here:
what the stages do (`assets.aim.stages`).
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

import polars as pl
from pydantic import PrivateAttr

from assets.aim.job_book import JobBook
from assets.aim.run_ids import new_run_id
from assets.aim.stages.order import STAGES, perform_all
from assets.aim.stages.outcomes import Outcome
from assets.aim.stages.run import Run
from assets.aim.stages.sites import WAREHOUSE_FILE, Sources, site_of
from assets.aim.tables import EVENTS, SCORES
from resources.object_store import FolderObjectStore
from resources.warehouse import DuckDBWarehouse, Parameters, Schema, SqlFile
from resources.waves import EmbeddedWaves
from scripts.benchmarks.lines import Line, Part, Stopwatch
from scripts.sample_data.aim_shop import RUN_DATE, Scale

SCORES_FILE: Final = "scores.parquet"

_WITH_TARGET: Final = (3, 5, 6, 7, 8, 9)
_SHOWN_SECONDS: Final = 0.1  # A call that takes less is part of its stage and gets no line.


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the warehouse: the tables that it loaded or the SQL files that it ran, and the rows of it.

    Those are the rows loaded, found, or changed by the statement that changed most.
    """

    name: str
    is_sql: bool
    rows: int
    wall: float
    cpu: float


class TimedWarehouse(DuckDBWarehouse):
    """A DuckDB warehouse that notes what its calls took. A load counts what makes its frames as well."""

    _calls: list[Call] = PrivateAttr(default_factory=list)

    def take_calls(self) -> list[Call]:
        """The calls since the last time."""
        calls, self._calls = self._calls, []
        return calls

    def query(self, sql: SqlFile, parameters: Parameters | None = None) -> pl.DataFrame:
        """As any warehouse, and noted."""
        watch = Stopwatch()
        found = super().query(sql, parameters)
        self._note([sql.path], found.height, watch, is_sql=True)
        return found

    def execute(
        self, sql: SqlFile | Sequence[SqlFile], parameters: Parameters | None = None
    ) -> tuple[int, ...]:
        """As any warehouse, and noted."""
        files, watch = [sql] if isinstance(sql, SqlFile) else sql, Stopwatch()
        counts = super().execute(files, parameters)
        self._note([file.path for file in files], max(counts, default=0), watch, is_sql=True)
        return counts

    def load(
        self,
        table: str,
        frames: pl.DataFrame | Iterator[pl.DataFrame],
        schema: Schema,
        *,
        replace: bool = True,
    ) -> None:
        """As any warehouse, and noted."""
        rows = 0

        def counted(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
            nonlocal rows
            for frame in frames:
                rows += frame.height
                yield frame

        watch = Stopwatch()
        parts = iter([frames]) if isinstance(frames, pl.DataFrame) else frames
        super().load(table, counted(parts), schema, replace=replace)
        self._note([table], rows, watch, is_sql=False)

    def load_together(self, tables: Mapping[str, tuple[pl.DataFrame, Schema]]) -> None:
        """As any warehouse, and noted."""
        watch = Stopwatch()
        super().load_together(tables)
        self._note(list(tables), sum(frame.height for frame, _ in tables.values()), watch, is_sql=False)

    def load_json_lines(self, table: str, stream: BinaryIO, schema: Schema) -> int:
        """As any warehouse, and noted, but for the rows."""
        watch = Stopwatch()
        left_out = super().load_json_lines(table, stream, schema)
        self._note([table], 0, watch, is_sql=False)
        return left_out

    def _note(self, names: Sequence[str], rows: int, watch: Stopwatch, *, is_sql: bool) -> None:
        name = " + ".join(PurePosixPath(name).name for name in names)
        self._calls.append(Call(name, is_sql, rows, *watch.lap()))


@dataclass(frozen=True, slots=True)
class TimedStage:
    """A stage that is done: what it and its calls of the warehouse took, and its rows for the manifest."""

    number: int
    wall: float
    cpu: float
    rows: int
    calls: Sequence[Call]


def measure_stages(root: Path, scale: Scale) -> Part:
    """Run all nine stages on the inputs under a root; the scores are left beside them for the ranker."""
    stages = _timed_stages(root, STAGES, scale.cams)
    judged = [stage for stage in stages if stage.number in _WITH_TARGET]
    sql = [call for stage in judged for call in stage.calls if call.is_sql]
    lines = [line for stage in stages for line in _lines_of(stage, scale)]
    whole = Line(
        "Stages 3 and 5 to 9",
        sum(stage.wall for stage in judged),
        sum(stage.cpu for stage in judged),
        scale.events,
        "events",
    )
    of_sql = Line("  their SQL alone", sum(call.wall for call in sql), sum(call.cpu for call in sql))
    title = (
        f"Stages on DuckDB: {scale.sales:,} rows of sales, {scale.products:,} tyres, {scale.events:,} events"
    )
    return Part(title, [*lines, whole, of_sql])


def score(root: Path, scale: Scale) -> Part:
    """Run Stages 1 and 3 alone, for the parts that need no more than scores."""
    stages = _timed_stages(root, (1, 3), scale.cams)
    return Part(
        "Scores for the other parts, without events", [line for s in stages for line in _lines_of(s, scale)]
    )


def _timed_stages(root: Path, numbers: Sequence[int] | Mapping[int, object], cams: int) -> list[TimedStage]:
    # What a kept folder has from the last time would be replaced, not made.
    (root / WAREHOUSE_FILE).unlink(missing_ok=True)
    warehouse = TimedWarehouse(path=str(root / WAREHOUSE_FILE))
    run = _run(root, warehouse, cams)
    done: list[TimedStage] = []
    watch = Stopwatch()

    def note(number: int, outcome: Outcome) -> None:
        done.append(TimedStage(number, *watch.lap(), outcome.rows, warehouse.take_calls()))

    perform_all(run, numbers, note)
    warehouse.rows(SCORES).write_parquet(root / SCORES_FILE)
    return done


def _run(root: Path, warehouse: DuckDBWarehouse, cams: int) -> Run:
    """A run as `aim-job/main.py` makes it under AIM_MODE=local, whatever the environment says."""
    environ = {
        "AIM_MODE": "local",
        "AIM_RUN_MODE": "GLOBAL",
        "AIM_LOCAL_ROOT": str(root),
        "AIM_TOTAL_OVERALL": str(cams),
    }
    site = site_of(Sources(environ), FolderObjectStore(root=str(root)), warehouse)
    started = datetime.now(UTC)
    run_id = new_run_id(started)
    book = JobBook.open(
        run_id,
        mode=site.mode,
        dry_run=False,
        files=site.places.files,
        now=lambda: datetime.now(UTC),
        is_alone=True,
    )
    return Run(
        configuration=site.configuration,
        run_date=RUN_DATE,
        run_id=run_id,
        started=started,
        places=site.places,
        warehouse=site.warehouse,
        waves=EmbeddedWaves(),
        book=book,
        log=logging.getLogger("quintet.aim"),
    )


def _lines_of(stage: TimedStage, scale: Scale) -> list[Line]:
    """The line of a stage, then those of its calls that take long enough to be seen."""
    of_stage = Line(STAGES[stage.number].name, stage.wall, stage.cpu, stage.rows)
    return [of_stage, *(_line_of(call, scale) for call in stage.calls if call.wall >= _SHOWN_SECONDS)]


def _line_of(call: Call, scale: Scale) -> Line:
    """Loading and collecting go through all events and scoring through all sales, whatever they leave."""
    name = f"  {call.name}" if call.is_sql else f"  loading {call.name}"
    if call.name == EVENTS or call.name.startswith("collect_"):
        return Line(name, call.wall, call.cpu, scale.events, "events")
    if call.name.startswith("score_"):
        return Line(name, call.wall, call.cpu, scale.sales, "rows of sales")
    return Line(name, call.wall, call.cpu, call.rows)
