"""The plan of a case: its identity, its beams, and every rule that holds for a plan alone.

Not here: which file is read (`plan_files`), what one beam says (`beam_items`), and everything that needs a
delivery: whether logs fit the plan is not asked here.
"""

from dataclasses import dataclass, field
from pathlib import Path

from assets.beams.attributes import Item
from assets.beams.beam_items import (
    PlanBeam,
    TreatmentBeam,
    gantry_of,
    is_setup_beam,
    numbered_items,
    setup_beam,
    treatment_beam,
)
from assets.beams.failures import beam_failure
from assets.beams.keys import MOST_PLAN_ITEMS
from assets.beams.plan_files import plan_file, read_plan_file


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """An RT Ion Plan that keeps every rule."""

    file: Path
    sop_instance_uid: str
    patient_id: str = field(repr=False)
    """Whole: mask it wherever it is shown."""
    study_instance_uid: str | None
    frame_of_reference_uid: str | None
    label: str
    gantry: int
    """1 or 2: that of all its treatment beams."""
    beams: tuple[PlanBeam, ...]
    """Every item in plan order, setup beams too: `beams[i].plan_position` is i + 1."""

    @property
    def room(self) -> str:
        """`G1` or `G2`."""
        return f"G{self.gantry}"

    @property
    def treatment_beams(self) -> tuple[TreatmentBeam, ...]:
        """Those that deliver dose, in plan order: `treatment_beams[i].treatment_index` is i + 1."""
        return tuple(beam for beam in self.beams if isinstance(beam, TreatmentBeam))

    def beam_numbered(self, dicom_number: int) -> PlanBeam | None:
        """The item with this BeamNumber, setup beams too; None where the plan has none."""
        return next((beam for beam in self.beams if beam.dicom_number == dicom_number), None)


def read_plan(case_folder: Path, *, room: str | None = None) -> Plan:
    """The plan of a case folder, checked against the room folder above it where there is one.

    Raises:
        BeamFailure: the first rule that is broken, naming file, item, rule and remedy: `missing_rtplan`,
            `multiple_rtplan`, `not_an_ion_plan`, `rtplan_parse_failed`, `zero_expected_beams`,
            `gantry_unknown`, `gantry_ambiguous`, `gantry_mixed`, `room_mismatch`, `map_length`,
            `map_conflict`.
        OSError: the folder cannot be listed.
    """
    file = plan_file(case_folder)
    return interpreted_plan(read_plan_file(file), file, room=room)


def interpreted_plan(plan: Item, file: Path, *, room: str | None = None) -> Plan:
    """What the data set of a plan says, read from that file.

    Raises:
        BeamFailure: as `read_plan`, but for the first three.
    """
    items = numbered_items(plan)
    if len(items) > MOST_PLAN_ITEMS:
        raise plan.refused(f"it has {len(items)} items, more than {MOST_PLAN_ITEMS}")
    gantry = _common_gantry(plan, [item for _, item in items if not is_setup_beam(item)])
    _require_room(plan, gantry, room)
    return Plan(
        file=file,
        sop_instance_uid=plan.required_text("SOPInstanceUID"),
        patient_id=plan.required_text("PatientID"),
        study_instance_uid=plan.text("StudyInstanceUID") or None,
        frame_of_reference_uid=plan.text("FrameOfReferenceUID") or None,
        label=plan.text("RTPlanLabel"),
        gantry=gantry,
        beams=_beams(items, _metersets(plan)),
    )


def _beams(items: list[tuple[int, Item]], metersets: dict[int, float]) -> tuple[PlanBeam, ...]:
    beams: list[PlanBeam] = []
    treatment_index = 0
    for plan_position, (dicom_number, item) in enumerate(items, start=1):
        if is_setup_beam(item):
            beams.append(setup_beam(dicom_number, plan_position, item))
            continue
        treatment_index += 1
        meterset = metersets.get(dicom_number)
        beams.append(treatment_beam(dicom_number, plan_position, treatment_index, item, meterset))
    return tuple(beams)


def _common_gantry(plan: Item, treatment_items: list[Item]) -> int:
    if not treatment_items:
        raise plan.refused("no item of it is a treatment beam", code="zero_expected_beams")
    gantries = [gantry_of(item) for item in treatment_items]
    for item, gantry in zip(treatment_items, gantries, strict=True):
        if gantry != gantries[0]:
            raise item.refused(
                f"it is planned for G{gantry}, and {treatment_items[0].where} for G{gantries[0]}",
                code="gantry_mixed",
                remedy="make one plan for each gantry",
            )
    return gantries[0]


def _require_room(plan: Item, gantry: int, room: str | None) -> None:
    if room is not None and room != f"G{gantry}":
        raise beam_failure(
            "room_mismatch",
            f"{plan.where} is planned for G{gantry} and lies in the room folder {room}; move the case to the"
            f" folder of G{gantry}, or plan it for {room}.",
        )


def _metersets(plan: Item) -> dict[int, float]:
    """BeamMeterset by BeamNumber, of the beams for which it is given."""
    metersets: dict[int, float] = {}
    for group in plan.items("FractionGroupSequence", "fraction group"):
        for reference in group.items("ReferencedBeamSequence", "beam"):
            number = reference.whole_number("ReferencedBeamNumber")
            meterset = reference.number("BeamMeterset")
            if number is None or meterset is None:
                continue
            if metersets.setdefault(number, meterset) != meterset:
                raise reference.refused(f"BeamNumber {number} has another BeamMeterset elsewhere")
    return metersets
