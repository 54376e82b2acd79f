"""The baseline of the dwh benchmark: the predecessor's shape, as its description says, on the JVM engine.

One frame is read, deduplicated by a window over whole rows, and not cached; every action computes it anew:
two counts, the null keys, the counts by source run, the run directory, and `latest/`, deleted and rewritten.
It gets what the predecessor did not have, so that only the shape differs: a schema instead of one inferred by
a further pass, the same session and inputs as ours, rows without a key that stay, the same order of rows, and
the same codec.
"""

import shutil
import time
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from assets.dwh.days import format_instant
from assets.dwh.frames.schemas import SOURCE_RUN_ID, SOURCE_TIMESTAMP, transformed_schema
from resources.spark import Spark
from scripts.benchmarks.dwh_inputs import DAY, TRANSFORMED, Inputs, run_id_of, window_of
from scripts.benchmarks.dwh_ours import Run

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_KEY: Final = "data.mediaid"
_Result = TypeVar("_Result")


class _Actions:
    """The seconds of each action, by its name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, action: Callable[[], _Result]) -> _Result:
        started = time.perf_counter()
        result = action()
        self.seconds[name] = time.perf_counter() - started
        return result


def run_predecessor(home: Path, inputs: Inputs) -> Run:
    """Deduplicate the day in that shape.

    Raises:
        ValueError: the counts of its actions contradict one another.
    """
    from pyspark.sql import functions as F  # noqa: N812 (the name that all of Spark's users know)

    run_folder, latest = (home / "predecessor" / name for name in ("run", "latest"))
    actions = _Actions()
    started = time.perf_counter()
    with Spark(engine="jvm", work_folder=str(home / "work")).session() as session:
        rows = _all_rows(session, home, inputs)
        kept = _deduplicated(rows)
        read = actions.timed("count before", rows.count)
        written = actions.timed("count after", kept.count)
        unkeyed = actions.timed("null keys", kept.where(F.col(_KEY).isNull()).count)
        by_run = actions.timed("lineage", kept.groupBy(SOURCE_RUN_ID).count().collect)
        actions.timed("run directory", lambda: _write(kept, run_folder))
        actions.timed("latest", lambda: _write(kept, latest))
    seconds = time.perf_counter() - started
    if not unkeyed <= written == sum(row["count"] for row in by_run) <= read == inputs.rows:
        raise ValueError(
            f"Of {inputs.rows} rows the actions counted {read}, {written}, {unkeyed} and {by_run}"
        )
    return Run(seconds, written, str(run_folder), actions.seconds)


def _all_rows(session: "SparkSession", home: Path, inputs: Inputs) -> "DataFrame":
    return reduce(
        lambda one, other: one.unionByName(other),
        [_rows_of(session, home, inputs, output) for output in range(inputs.outputs)],
    )


def _rows_of(session: "SparkSession", home: Path, inputs: Inputs, output: int) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: N812

    place = TRANSFORMED.rows("nautilus", DAY, run_id_of(output))
    # The folder is a file's path here, so the columns in the names of its parents are not read.
    rows = session.read.schema(transformed_schema()).json(str(home / "storage" / place.bucket / place.key))
    source = format_instant(window_of(inputs, output).end)
    return rows.withColumns({SOURCE_TIMESTAMP: F.lit(source), SOURCE_RUN_ID: F.lit(run_id_of(output))})


def _deduplicated(rows: "DataFrame") -> "DataFrame":
    """The newest whole row of each key, and all rows without one."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F  # noqa: N812

    newest = Window.partitionBy(_KEY).orderBy(F.desc(SOURCE_TIMESTAMP), F.desc("data.updated"))
    ranked = rows.withColumn("_rank", F.row_number().over(newest))
    return ranked.where((F.col("_rank") == 1) | F.col(_KEY).isNull()).drop("_rank")


def _write(rows: "DataFrame", folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    rows.write.option("compression", "snappy").parquet(str(folder))
