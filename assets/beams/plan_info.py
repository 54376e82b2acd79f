"""PlanInfo, the text file that says what a delivery is: lines `KEY,VALUE`, of which five keys are needed.

Not here: whether what it says is true of the case (`identity`).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from assets.beams.strict_text import StrictText, read_strict_text, whole_number

_PATIENT: Final = "DICOM_PATIENT_ID"
_BEAM: Final = "DICOM_BEAM_NUMBER"
_FIELD: Final = "TCSC_FIELD_NUMBER"
_STOP: Final = "STOP_LAYER_NUMBER"
_STAMP: Final = "TCSC_IRRAD_DATETIME"


@dataclass(frozen=True, slots=True)
class PlanInfo:
    """What the machine says of one delivery, nothing of it believed yet."""

    patient_id: str = field(repr=False)
    """Whole: mask it wherever it is shown."""
    beam_number: int | None
    """DICOM_BEAM_NUMBER; None where the file has none, or none that is a whole number."""
    field_number: int
    """The machine's own number of the beam; nothing is looked up by it."""
    stop_layer: int
    """The last layer that was delivered, from 1."""
    stamp: str
    """When it began, as `timestamps.stamp_clock` reads it."""


def read_plan_info(file: Path) -> PlanInfo:
    """The PlanInfo of a delivery folder. Keys that are not needed are passed over.

    Raises:
        BeamFailure: `planinfo_invalid`: a line is not `KEY,VALUE`, a key stands twice or is missing (but for
            DICOM_BEAM_NUMBER), or a number is none. Names file, line and key, and never the value.
        OSError: it cannot be read.
    """
    text = read_strict_text(file, "planinfo_invalid")
    values = _values(text)
    return PlanInfo(
        patient_id=_required(text, values, _PATIENT),
        beam_number=whole_number(values.get(_BEAM, "")),
        field_number=_number(text, values, _FIELD),
        stop_layer=_number(text, values, _STOP),
        stamp=_required(text, values, _STAMP),
    )


def _values(text: StrictText) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.lines:
        key, comma, value = (part.strip(" ") for part in line.text.partition(","))
        if not (key and comma):
            raise text.refused("it is not KEY,VALUE", line.number)
        if key in values:
            raise text.refused("its key stands in an earlier line too", line.number)
        values[key] = value
    return values


def _required(text: StrictText, values: dict[str, str], key: str) -> str:
    if key not in values:
        raise text.refused(f"it has no {key}")
    return values[key]


def _number(text: StrictText, values: dict[str, str], key: str) -> int:
    number = whole_number(_required(text, values, key))
    if number is None:
        raise text.refused(f"its {key} is no whole number")
    return number
