"""What a part of a benchmark measured, line by line, and the clocks and the table for it.

Not here: what is measured, and against what.
"""

import json
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from rich.table import Column, Table


class BenchmarkFailed(Exception):
    """What was measured is not worth a number: a result is wrong, or a command failed."""


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._last = self._now()

    def lap(self) -> tuple[float, float]:
        """Seconds since the last lap: wall time, and CPU time of all threads of this process."""
        before, self._last = self._last, self._now()
        return self._last[0] - before[0], self._last[1] - before[1]

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


@dataclass(frozen=True, slots=True)
class Line:
    """One measured thing.

    `rows` counts what went through, `unit` names it. A target is the most `seconds` or the least rows
    `per_second`. `ratio` says how many times the rows per second of the line `against` it has.
    """

    name: str
    wall: float
    cpu: float
    rows: int = 0
    unit: str = "rows"
    seconds: float | None = None
    per_second: float | None = None
    ratio: float | None = None
    against: str = ""

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.wall

    def compared(self, baseline: "Line", against: str) -> "Line":
        """The same line with its ratio to another one."""
        return Line(**{**asdict(self), "ratio": self.rate / baseline.rate, "against": against})

    @property
    def target(self) -> str:
        """The target as text; empty without one."""
        if self.seconds is not None:
            return f"<= {self.seconds:g} s"
        return "" if self.per_second is None else f">= {self.per_second:,.0f}/s"

    @property
    def is_met(self) -> bool:
        """Whether the target is met; true without one."""
        is_fast = self.seconds is None or self.wall <= self.seconds
        return is_fast and (self.per_second is None or self.rate >= self.per_second)


@dataclass(frozen=True, slots=True)
class Part:
    """What one process measured, and the peak of its memory. `notes` are sentences under the table."""

    title: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()
    peak_bytes: int = field(default_factory=lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)

    def to_json(self) -> str:
        """The part as another process reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The part that another process wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "lines": [Line(**line) for line in values["lines"]]})


def table_of(part: Part, load: Sequence[float], *, is_full_size: bool) -> Table:
    """The part as a table. Targets are for the full size, so with less of it none is met or missed."""
    table = Table(
        "measured",
        *(Column(name, justify="right") for name in ("wall s", "CPU s", "rows", "rows/s", "target")),
        "met",
        Column("ratio", justify="right"),
        title=(
            f"{part.title}; peak memory {part.peak_bytes / 1e9:.2f} GB, "
            f"load average {load[0]:.1f} before and {load[1]:.1f} after"
        ),
    )
    for line in part.lines:
        table.add_row(
            line.name,
            f"{line.wall:.3f}",
            f"{line.cpu:.3f}",
            f"{line.rows:,} {line.unit}" if line.rows else "",
            f"{line.rate:,.0f}" if line.rows else "",
            line.target,
            _verdict(line, is_full_size=is_full_size),
            "" if line.ratio is None else f"{line.ratio:,.1f}x {line.against}",
        )
    return table


def _verdict(line: Line, *, is_full_size: bool) -> str:
    if not line.target:
        return ""
    if not is_full_size:
        return "not full size"
    return "yes" if line.is_met else "NO"
