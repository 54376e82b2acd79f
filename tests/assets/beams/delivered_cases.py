"""Cases as machines deliver them: a plan of four items, and delivery folders with small logs.

Numbers, places and order differ on purpose: the beams are 5, 3 and 9, behind a setup beam 1, and the names of
a delivery's logs sort against its layers.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.beams.attributes import Item
from assets.beams.case_input import Judgement, Rules, judge_case
from assets.beams.deliveries import DeliveryRecord
from assets.beams.failures import BeamFailure
from assets.beams.identity import Delivery, identified
from assets.beams.machines import machine
from assets.beams.plan import Plan, interpreted_plan
from assets.beams.plan_info import PlanInfo
from assets.beams.plan_range import COLUMNS
from tests.assets.beams.written_plans import PlannedLayer, beam, case_with, control_points, ion_plan

CASE = "QA0001"
DAY = "20260320"
ENERGIES: Mapping[int, tuple[float, ...]] = {5: (150.0, 140.0), 3: (100.0,), 9: (120.0,)}
"""Of the layers of each treatment beam, by DICOM number, in plan order."""
NAMES: Mapping[int, str] = {5: "F2 A/P", 3: "F3", 9: "F4"}
letter_case_matters = pytest.mark.skipif(
    Path(__file__).with_name(Path(__file__).name.upper()).exists(),
    reason="two names that differ in letter case need a file system that keeps them apart",
)
RULES = Rules(window=timedelta(hours=1), zone=UTC)
LATER = datetime(2026, 4, 1, tzinfo=UTC)
"""When every window is closed."""


def planned_items(energies: Mapping[int, Sequence[float]] = ENERGIES) -> list[Any]:
    """The items of the plan: the setup beam 1 and these treatment beams."""
    setup = beam(1, "SETUP", TreatmentDeliveryType="SETUP")
    return [
        setup,
        *(
            beam(number, NAMES.get(number, f"F{number}"), control_points([PlannedLayer(e) for e in layers]))
            for number, layers in energies.items()
        ),
    ]


def plan_of(energies: Mapping[int, Sequence[float]] = ENERGIES) -> Plan:
    """The plan as a value, without a file."""
    return interpreted_plan(Item(ion_plan(planned_items(energies)), "'plan.dcm'"), Path("plan.dcm"))


def case_folder(folder: Path, energies: Mapping[int, Sequence[float]] = ENERGIES, **plan: Any) -> Path:
    """A case folder with the plan alone."""
    return case_with(folder, *planned_items(energies), **plan)


def moment(clock: str) -> datetime:
    """A time of the day of these tests, `13:00:00`, in UTC."""
    return datetime.fromisoformat(f"2026-03-20T{clock}+00:00")


def stamp(start: str) -> str:
    """The stamp of `10:05` or `10:05:30.25` on the day of these tests, to the centisecond."""
    clock, _, fraction = start.partition(".")
    return f"{DAY}{clock.replace(':', '').ljust(6, '0')}{fraction.ljust(2, '0')}"


def log_file_name(number: int, layer: int) -> str:
    """The name of the log of a layer: later layers sort first."""
    return f"01-QA0001_{number}_{900 - layer}.ptn"


def samples(x_word: int, count: int = 3) -> bytes:
    """A log of `count` samples, all alike, by which a test tells it from others."""
    return np.full((count, 8), x_word, dtype=">u2").tobytes()


def deliver(
    case: Path,
    start: str,
    number: int,
    *,
    layers: int | None = None,
    energies: Sequence[float] | None = None,
    info: Mapping[str, str | None] | None = None,
    rows: Mapping[int, Mapping[str, str]] | None = None,
    samples_per_layer: int = 3,
    patient: str = CASE,
) -> Path:
    """Write one delivery and return its folder.

    Args:
        case: the case folder.
        start: as `stamp` takes it.
        number: DICOM number of the beam.
        layers: how many were delivered; all, if None.
        energies: of all layers; those of the plan, if None.
        info: values of PlanInfo that differ; None leaves a key out.
        rows: values of PlanRange that differ, by layer number.
        samples_per_layer: in each log.
        patient: the id in both text files.
    """
    planned = ENERGIES[number] if energies is None else energies
    delivered = planned[:layers]
    folder = case / stamp(start)
    folder.mkdir()
    table = [
        row(number, layer, energy) | {"PATIENT_ID": patient}
        for layer, energy in enumerate(delivered, start=1)
    ]
    for layer, changes in (rows or {}).items():
        table[layer - 1] |= changes
    for layer in range(1, len(delivered) + 1):
        log = samples(1000 * number + layer, samples_per_layer)
        (folder / log_file_name(number, layer)).write_bytes(log)
    values = {
        "DICOM_PATIENT_ID": patient,
        "DICOM_BEAM_NUMBER": str(number),
        "TCSC_FIELD_NUMBER": str(number + 100),
        "STOP_LAYER_NUMBER": str(len(delivered)),
        "TCSC_IRRAD_DATETIME": folder.name,
    } | dict(info or {})
    lines = [f"{key},{value}\n" for key, value in values.items() if value is not None]
    (folder / "PlanInfo.txt").write_text("".join(lines))
    (folder / "PlanRange.txt").write_text(table_text(table))
    return folder


def row(number: int, layer: int, energy: float) -> dict[str, str]:
    """A row of PlanRange, nothing of it remarkable."""
    return {
        "RESULT_ID": f"R{number}",
        "LAYER_NO": str(layer),
        "LAYER_ENERGY": f"{energy:.2f}",
        "PATIENT_ID": CASE,
        "FLD_NO": str(number + 100),
        **dict.fromkeys(("DOSE1_RANGE", "DOSE2_RANGE", "PLAN_DOSE1_RANGE", "PLAN_DOSE2_RANGE"), "2"),
        "SCAN_OUT_FL_NM": log_file_name(number, layer),
        "PLAN_SCAN_OUT_FL_NM": f"plan_{layer}.txt",
    }


def table_text(rows: Sequence[Mapping[str, str]]) -> str:
    """The text of a PlanRange."""
    lines = [",".join(COLUMNS), *(",".join(row[column] for column in COLUMNS) for row in rows)]
    return "".join(f"{line}\n" for line in lines)


def deliver_all(case: Path, hour: int = 10, numbers: Sequence[int] = (9, 5, 3)) -> list[Path]:
    """One fraction: a delivery of each beam, five minutes apart, in this order."""
    return [deliver(case, f"{hour:02d}:{5 * place:02d}", number) for place, number in enumerate(numbers)]


def judged(case: Path, *, now: datetime = LATER, rules: Rules = RULES, room: str | None = None) -> Judgement:
    """What a case folder comes to."""
    return judge_case(case, case.name, rules, room=room, now=now)


def refusal(case: Path, **known: Any) -> BeamFailure:
    """The failure that a case folder comes to."""
    outcome = judged(case, **known).outcome
    assert isinstance(outcome, BeamFailure), "the case was judged ready"
    return outcome


def delivery_of(plan: Plan, number: int, start: str, *, stop_layer: int | None = None) -> Delivery:
    """A delivery as a value, without a folder; of all layers, if `stop_layer` is None."""
    planned = next(beam for beam in plan.treatment_beams if beam.dicom_number == number)
    stop = len(planned.layers) if stop_layer is None else stop_layer
    text = start if start.isdigit() else stamp(start)
    record = DeliveryRecord(Path(text), PlanInfo(CASE, number, number, stop, text), (), ())
    return identified(record, CASE, plan, machine(plan.gantry), UTC)
