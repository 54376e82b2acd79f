"""PlanRange, the table that says which log belongs to which layer, and how its monitors were ranged.

One row per log, columns found by the names in the header. The file name in a row is the only link between a
log and its layer, so it must be a bare name: nothing outside the delivery folder can be meant.

Not here: whether rows, logs and plan fit together (`join`).
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from assets.beams.strict_text import Line, StrictText, decimal_number, read_strict_text, whole_number

COLUMNS: Final = (
    *("RESULT_ID", "LAYER_NO", "LAYER_ENERGY", "PATIENT_ID", "FLD_NO"),
    *("DOSE1_RANGE", "DOSE2_RANGE", "PLAN_DOSE1_RANGE", "PLAN_DOSE2_RANGE"),
    *("SCAN_OUT_FL_NM", "PLAN_SCAN_OUT_FL_NM"),
)
"""All are needed, in any order; further ones are passed over."""


@dataclass(frozen=True, slots=True)
class PlanRangeRow:
    """What the machine says of one log, nothing of it believed yet."""

    line: int
    """Its line in the file, from 1."""
    result_id: str
    layer_number: int
    """LAYER_NO, from 1."""
    energy_mev: float
    patient_id: str = field(repr=False)
    """Whole: mask it wherever it is shown."""
    field_number: int
    dose1_range: int
    """Monitor range code, as all four; 1 to 5 are known."""
    dose2_range: int
    planned_dose1_range: int
    planned_dose2_range: int
    log_name: str
    """The bare name of the PTN file."""
    planned_log_name: str


def read_plan_range(file: Path) -> tuple[PlanRangeRow, ...]:
    """The rows of a delivery folder's PlanRange in the order of the file, at least one.

    Raises:
        BeamFailure: `planrange_invalid`: no row, a column is missing or doubled, a row has another number of
            fields, a number is none, or SCAN_OUT_FL_NM is no bare file name. Names file, line and column, and
            never the value.
        OSError: it cannot be read.
    """
    text = read_strict_text(file, "planrange_invalid")
    if not text.lines:
        raise text.refused("it is empty")
    header, *rows = text.lines
    names = _fields(text, header)
    _require_columns(text, names)
    if not rows:
        raise text.refused("it has a header and no row")
    return tuple(_row(text, names, line) for line in rows)


def _fields(text: StrictText, line: Line) -> list[str]:
    try:
        (fields,) = csv.reader([line.text], skipinitialspace=True, strict=True)
    except csv.Error:
        raise text.refused("its quotes do not match", line.number) from None
    return [value.strip(" ") for value in fields]


def _require_columns(text: StrictText, names: list[str]) -> None:
    if missing := [column for column in COLUMNS if column not in names]:
        raise text.refused(f"it has no column {', '.join(missing)}")
    if len(set(names)) < len(names):
        raise text.refused("a column stands twice in its header")


def _row(text: StrictText, names: list[str], line: Line) -> PlanRangeRow:
    fields = _fields(text, line)
    if len(fields) != len(names):
        raise text.refused(f"it has {len(fields)} fields, the header {len(names)}", line.number)
    values = dict(zip(names, fields, strict=True))

    def number(column: str) -> int:
        value = whole_number(values[column])
        if value is None:
            raise text.refused(f"its {column} is no whole number", line.number)
        return value

    energy = decimal_number(values["LAYER_ENERGY"])
    if energy is None:
        raise text.refused("its LAYER_ENERGY is no number", line.number)
    log = values["SCAN_OUT_FL_NM"]
    if log in ("", ".", "..") or "/" in log or "\\" in log:
        raise text.refused("its SCAN_OUT_FL_NM is no bare file name", line.number)
    return PlanRangeRow(
        line=line.number,
        result_id=values["RESULT_ID"],
        layer_number=number("LAYER_NO"),
        energy_mev=energy,
        patient_id=values["PATIENT_ID"],
        field_number=number("FLD_NO"),
        dose1_range=number("DOSE1_RANGE"),
        dose2_range=number("DOSE2_RANGE"),
        planned_dose1_range=number("PLAN_DOSE1_RANGE"),
        planned_dose2_range=number("PLAN_DOSE2_RANGE"),
        log_name=log,
        planned_log_name=values["PLAN_SCAN_OUT_FL_NM"],
    )
