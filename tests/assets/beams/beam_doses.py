"""Doses and their RTDOSE for tests: small grids of a treatment beam of a written plan."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from assets.beams.attributes import Item
from assets.beams.dose_grid import DoseGrid, DoseUnit
from assets.beams.plan import Plan, interpreted_plan
from assets.beams.plan_files import parsed_plan
from assets.beams.rtdose import BeamDose, rtdose
from tests.assets.beams.written_plans import beam, data_set, dicom_bytes, ion_plan

ORIGIN_MM = (-4.5, -18.5, -3.0)
SPACING_MM = (3.0, 2.0, 1.5)


def grid_of(values: Any, unit: DoseUnit = "arbitrary", dtype: Any = np.float64) -> DoseGrid:
    """A grid of these values, (frames, rows, columns)."""
    return DoseGrid(np.array(values, dtype), SPACING_MM, ORIGIN_MM, unit)


def ramp(shape: tuple[int, int, int] = (4, 3, 2), largest: float = 1.0) -> NDArray[np.float64]:
    """Values from 0 to the largest, no two of them equal: whatever changes place is seen."""
    return np.linspace(0.0, largest, int(np.prod(shape))).reshape(shape)


def plan_item(**attributes: Any) -> Item:
    """A plan with a setup beam and the treatment beams 5, 3 and 9."""
    beams = [beam(1, "SETUP", []), beam(5, "F2 A/P"), beam(3, "F3"), beam(9, "F4")]
    named: dict[str, Any] = {"PatientName": "Sample^QA", "PatientBirthDate": "19500102", "PatientSex": "O"}
    return parsed_plan(dicom_bytes(ion_plan(beams, **named | attributes)), "'plan.dcm'")


def plan_of(item: Item) -> Plan:
    return interpreted_plan(item, Path("plan.dcm"))


def beam_dose(
    grid: DoseGrid,
    *,
    plan: Item | None = None,
    index: int = 1,
    gray: float | None = None,
    digests: dict[str, str] | None = None,
) -> BeamDose:
    """The dose of a treatment beam of `plan_item`, the first one by default."""
    return BeamDose(
        case="QA0001",
        beam=plan_of(plan or plan_item()).treatment_beams[index - 1],
        grid=grid,
        gray=gray,
        input_digests={"plan": "00", "dose": "11"} if digests is None else digests,
    )


def written(grid: DoseGrid, *, plan: Item | None = None, **of: Any) -> bytes:
    """The RTDOSE of a grid."""
    plan = plan or plan_item()
    return rtdose(plan, beam_dose(grid, plan=plan, **of))


def read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))


def changed(content: bytes, **attributes: Any) -> bytes:
    """A file with other values of some attributes; None removes one."""
    dataset = read(content)
    for keyword in attributes:
        if keyword in dataset:
            del dataset[keyword]
    dataset.update(data_set(**attributes))
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()
