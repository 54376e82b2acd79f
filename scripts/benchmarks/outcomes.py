"""What came of the parts of a benchmark: as a table each, as JSON, and as the rows of the table of all.

Not here: what the rows are (`targets`), and what ran the parts (`suites`).
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from rich.table import Column, Table

from scripts.benchmarks.lines import Line, Part
from scripts.benchmarks.targets import TARGETS, Target


@dataclass(frozen=True, slots=True)
class Outcome:
    """A part that was measured, or the sentence why it was not; the load average before and after."""

    pipeline: str
    part: str
    measured: Part | None
    failure: str
    load: tuple[float, float]
    is_full_size: bool
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

    @property
    def is_shared(self) -> bool:
        """Whether the machine was busy before the part began, so that its wall time says little."""
        return self.load[0] > self.cores

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """The outcome that `asdict` made these of."""
        part = values["measured"]
        measured = None if part is None else Part.from_json(json.dumps(part))
        return cls(**{**values, "measured": measured, "load": tuple(values["load"])})


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table of all, as text. The verdict may be empty."""

    pipeline: str
    what: str
    size: str
    value: str
    cpu: str
    target: str
    verdict: str
    baseline: str
    ratio: str
    load: str


def write_json(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write outcomes for another program."""
    path.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1), encoding="utf-8")


def read_json(path: Path) -> list[Outcome]:
    """The outcomes that another process wrote."""
    return [Outcome.from_values(values) for values in json.loads(path.read_text(encoding="utf-8"))]


def rows_of(pipelines: Iterable[str], outcomes: Sequence[Outcome], failures: Mapping[str, str]) -> list[Row]:
    """A row for everything that is to be measured of these pipelines, in the order of `TARGETS`.

    What has no line gets a row that says why: its part failed, or what was to run its part did, of which
    `failures` has the sentence by pipeline.
    """
    known, by_part = set(pipelines), {(outcome.pipeline, outcome.part): outcome for outcome in outcomes}
    rows: list[Row] = []
    for target in TARGETS:
        outcome = by_part.get((target.pipeline, target.part))
        if outcome is not None:
            rows.append(_row(target, outcome))
        elif target.pipeline in known:
            rows.append(_failed(target, failures.get(target.pipeline, "was not measured")))
    return rows


def markdown(rows: Sequence[Row], facts: Mapping[str, str], day: str) -> str:
    """The table of all, with what a reader must know to judge it."""
    heads = ("pipeline", "what", "of", "measured", "CPU", "target", "", "baseline", "ratio", "load")
    cells = [[*asdict(row).values()] for row in rows]
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {day}: {', '.join(f'{name} {value}' for name, value in facts.items())}.",
        "",
        "The ratio says how many times better than the baseline it is, which was measured in the same run;",
        "below 1 it is worse. Load is the load average of the last minute, before and after: where it is",
        "above the number of cores, others had a part in the time. Targets are for two cores and full size.",
        "One that is met in CPU time was missed on a busy machine; its seconds of CPU are within the target.",
        "",
        *(" | ".join(["", *row, ""]).strip() for row in (heads, ["---"] * len(heads), *map(_escaped, cells))),
        "",
    ]
    return "\n".join(lines)


def table_of(outcome: Outcome, part: Part) -> Table:
    """All lines of a part. Targets are for the full size, so with less of it none is met or missed."""
    before, after = outcome.load
    peak = f" peak memory {part.peak_bytes / 1e9:.2f} GB," if part.peak_bytes else ""
    table = Table(
        "measured",
        *(Column(name, justify="right") for name in ("value", "CPU s", "of", "rate", "target")),
        "verdict",
        Column("ratio", justify="right"),
        title=f"{part.title};{peak} load average {before:.1f} before and {after:.1f} after",
    )
    targets = {target.line: target for target in _targets_of(outcome)}
    for line in part.lines:
        target = targets.get(line.name)
        table.add_row(
            line.name,
            _amount(line.value, line.unit),
            "" if line.cpu is None else f"{line.cpu:.3f}",
            _size(line),
            f"{line.rows / line.value:,.0f}/s" if line.rows and line.unit == "s" else "",
            _target(target) if target else "",
            _verdict(target, line, outcome) if target else "",
            f"{_ratio(line)} {line.against}".strip(),
        )
    return table


def _targets_of(outcome: Outcome) -> list[Target]:
    return [
        target for target in TARGETS if (target.pipeline, target.part) == (outcome.pipeline, outcome.part)
    ]


def _row(target: Target, outcome: Outcome) -> Row:
    if outcome.measured is None:
        return _failed(target, outcome.failure)
    line = next((line for line in outcome.measured.lines if line.name == target.line), None)
    if line is None:
        return _failed(target, "was not measured")
    baseline = "" if line.baseline is None else _amount(target.shown(line.baseline, line), target.unit)
    return Row(
        target.pipeline,
        target.what,
        _size(line),
        _amount(target.shown(line.value, line), target.unit),
        "" if line.cpu is None else _amount(line.cpu, "s"),
        _target(target),
        _verdict(target, line, outcome),
        f"{line.against}: {baseline}" if baseline else "",
        _ratio(line),
        " / ".join(f"{load:.1f}" for load in outcome.load),
    )


def _failed(target: Target, why: str) -> Row:
    return Row(target.pipeline, target.what, "", why, "", _target(target), "failed", "", "", "")


def _target(target: Target) -> str:
    wanted = [
        *([] if target.most is None else [f"<= {_amount(target.most, target.unit)}"]),
        *([] if target.least is None else [f">= {_amount(target.least, target.unit)}"]),
        *([] if target.times is None else [f">= {target.times:g}x"]),
    ]
    return ", ".join(wanted)


def _verdict(target: Target, line: Line, outcome: Outcome) -> str:
    if not _target(target):
        return ""
    if not outcome.is_full_size:
        return "not full size"
    is_met = target.is_met(line)
    if is_met is None:
        return "no baseline"
    if is_met:
        return "met"
    return "met in CPU time" if outcome.is_shared and _is_met_in_cpu_time(target, line) else "missed"


def _is_met_in_cpu_time(target: Target, line: Line) -> bool:
    """Whether it would be met had nobody kept it waiting; for work on several cores this asks too much."""
    if line.cpu is None or line.unit != "s":
        return False
    baseline = None if line.ratio is None else line.cpu * line.ratio
    return bool(target.is_met(replace(line, value=line.cpu, baseline=baseline)))


def _size(line: Line) -> str:
    return f"{line.rows:,} {line.of}" if line.rows else ""


def _ratio(line: Line) -> str:
    return "" if line.ratio is None else f"{_number(line.ratio)}x"


def _amount(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}"


def _number(value: float) -> str:
    """Three digits that count; more where the number has them anyway."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _escaped(cells: Iterable[str]) -> list[str]:
    return [" ".join(cell.split()).replace("|", "\\|") for cell in cells]
