"""What a part of a benchmark measured, line by line, and the clock for it.

Not here: what is measured and against what, the targets (`targets`), and how it is shown (`outcomes`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self


class BenchmarkFailed(Exception):
    """What was measured is not worth a number: a result is wrong, or a command failed."""


def peak_bytes() -> int:
    """The most memory that this process has had; `ru_maxrss` would count that of its parent too."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024


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
    """One measured thing: seconds of wall time, or an amount of another unit, the less the better.

    `rows` counts what went through, `of` names it. `baseline` is the value of what this one is compared
    `against`, in the same unit and for as many rows.
    """

    name: str
    value: float
    cpu: float | None = None
    rows: int = 0
    of: str = "rows"
    unit: str = "s"
    baseline: float | None = None
    against: str = ""

    def compared(self, other: "Line", against: str) -> "Line":
        """The same line beside another one, whose seconds count for as many rows as went through this one."""
        scale = self.rows / other.rows if self.rows and other.rows else 1.0
        return replace(self, baseline=other.value * scale, against=against)

    @property
    def ratio(self) -> float | None:
        """How many times better than the baseline it is; below 1 it is worse."""
        return None if self.baseline is None else self.baseline / self.value


@dataclass(frozen=True, slots=True)
class Part:
    """What one process measured, and the peak of its memory; 0 where others were measured than itself.

    `notes` are sentences under the table, `details` what a program prints that reads it.
    """

    title: str
    lines: Sequence[Line]
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    peak_bytes: int = field(default_factory=peak_bytes)

    def to_json(self) -> str:
        """The part as another process reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The part that another process wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "lines": [Line(**line) for line in values["lines"]]})
