"""What the table of all benchmarks has a row for, and the targets.

A target is that of the pipeline's contract, for two cores and the full size; where there is none, the row
shows what users wait for. Not here: how it is measured.
"""

from dataclasses import dataclass
from typing import Final

from scripts.benchmarks.lines import Line


@dataclass(frozen=True, slots=True)
class Target:
    """A row: which line of which part it shows, and what that must come to, if anything.

    A unit that ends in `/s` turns the seconds of the line into how many went through in one. `most` or
    `least` is the worst value that will do, in that unit; `times` the least ratio to the baseline.
    """

    pipeline: str
    part: str
    line: str
    what: str
    unit: str = "s"
    most: float | None = None
    least: float | None = None
    times: float | None = None

    def shown(self, value: float, line: Line) -> float:
        """A value of the line in the unit of the row."""
        return line.rows / value if self.unit.endswith("/s") else value

    def is_met(self, line: Line) -> bool | None:
        """Whether the line meets the target; `None` without one, or if it has no baseline for its ratio."""
        value = self.shown(line.value, line)
        judged = [
            *([] if self.most is None else [value <= self.most]),
            *([] if self.least is None else [value >= self.least]),
            *([] if self.times is None or line.ratio is None else [line.ratio >= self.times]),
        ]
        if not all(judged):
            return False
        is_whole = self.times is None or line.ratio is not None
        return True if judged and is_whole else None


TARGETS: Final = (
    Target("market", "month", "month", "a month of one-second bars, made again", most=1.5),
    Target("market", "month", "peak memory", "peak memory of that", unit="MB", most=1000),
    Target("market", "month", "labels", "labels under six brackets", most=0.15),
    Target("market", "month", "features", "features", most=0.6),
    Target(
        "market", "month", "unchanged month", "a look at a month that has not changed", unit="ms", most=50
    ),
    Target("market", "history", "all months", "all 184 months, projected", unit="min", most=8),
    Target("market", "history", "unchanged history", "the same months again, unchanged"),
    Target("aim", "sql", "Stages 3 and 5 to 9", "Stages 3 and 5 to 9 on DuckDB", most=30),
    Target("aim", "results", "result processing", "result processing, 24 slots a CAM", most=1),
    Target("aim", "ranker", "ranker", "the embedded ranker, its index included", unit="CAMs/s", least=2_000),
    Target(
        "aim", "waves", "8 in flight, with latency", "the service over HTTP, eight batches at once", "CAMs/s"
    ),
    Target("dwh", "filter", "sail", "a day of images deduplicated, on Sail", most=60, times=3),
    Target("dwh", "filter", "sail, peak memory", "peak memory of that, all processes", unit="MB", most=4000),
    Target("dwh", "cluster", "sail", "a smaller day through a container's entry, on Sail"),
    Target("dwh", "cluster", "jvm", "the same day on the JVM"),
    Target("dwh", "cluster", "submit", "the same day on a Spark cluster of this machine, submitted"),
    Target("dwh", "cluster", "connect", "the same day on that cluster through Spark Connect"),
    Target(
        "discovery",
        "claims",
        "claim and finish, 1 processes",
        "claim and finish, one process",
        "rows/s",
        least=5_000,
    ),
    Target(
        "discovery",
        "claims",
        "claim and finish, 4 processes",
        "claim and finish, four processes",
        "rows/s",
        least=2_000,
    ),
    Target("discovery", "upserts", "upsert, all new", "candidates taken, all new", most=2),
    Target("discovery", "upserts", "upsert, all unchanged", "the same candidates, unchanged", most=1),
    Target("discovery", "source", "discover a table file", "a table file discovered"),
    Target("discovery", "source", "peak memory", "peak memory of that", unit="MB", most=300),
    Target("discovery", "reads", "status", "status of a ledger, four stages", most=0.5),
    Target("discovery", "reads", "doctor", "doctor on that ledger", most=5),
    Target("discovery", "drain", "drain, no mirroring", "a drain beyond its handlers", most=5),
    Target("discovery", "drain", "drain in Dagster", "the same with a record in Dagster of every item"),
    Target("discovery", "recovery", "killed here", "rows of a killed worker done, lease 5 s", most=35),
    Target("discovery", "recovery", "killed elsewhere", "the same, the worker on another machine", most=35),
    Target(
        "beams",
        "logs",
        "vectorised",
        "machine logs to CSV, in memory",
        "samples/s",
        least=3_000_000,
        times=20,
    ),
    Target("beams", "logs", "published", "the same, checked, synced and read back", "samples/s"),
    Target("beams", "gamma", "400 spots", "gamma of a layer, 400 spots", most=0.2),
    Target("beams", "gamma", "400 segments", "gamma of a layer, 400 segments", most=0.2),
    Target("beams", "gamma", "800 segments", "gamma of a layer, 800 segments", most=0.2),
    Target("beams", "tick", "tick", "a look of the sensor at cases without a change", most=2),
    Target(
        "beams", "case", "manifest to report", "a case of three beams, from its logs to its report", most=60
    ),
    Target("location", "load", "beyond dagster", "the code location, beyond `import dagster`", most=2),
    Target("location", "load", "interpreter to location", "a fresh interpreter with the location loaded"),
    Target("location", "memory", "idle memory", "idle memory of `make dev`, all processes", unit="MB"),
    Target("location", "memory", "start", "`make dev` until the location is loaded"),
    Target(
        "location", "materialise", "materialise", "`dagster asset materialize` of the smallest asset, cold"
    ),
)
"""By pipeline, in the order of the table."""
