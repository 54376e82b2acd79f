"""One sound case of the beams samples: its plan, its deliveries, and the files they make.

A case is drafted, perhaps spoilt by one corruption, and only then becomes files. Its beams are delivered in
another order than planned, once a fraction; every second fraction spells its texts as freely as is allowed.

Not here: what is spoilt (`beams_corruptions`, `beams_plan_corruptions`), and writing to disk (`beams`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from assets.beams.machines import MachineConstants, machine
from scripts.sample_data.beams_fields import PlannedBeam, Variant, gantry_of, planned_beams
from scripts.sample_data.beams_logs import FEWEST_SAMPLES, RANGE_CODES, as_bytes, layer_counts, layer_log
from scripts.sample_data.beams_plan import companions, encoded, ion_plan

MARKER: Final = "_CASE_READY"
PLAN_FILE: Final = "plan.dcm"
FIRST_START: Final = datetime(2026, 3, 20, 10)  # noqa: DTZ001 (the machine's clock has no zone)
"""When the first beam of a case is delivered, by the machine's clock."""
BETWEEN_BEAMS: Final = timedelta(minutes=5)
"""From start to start within a fraction."""

_BETWEEN_FRACTIONS: Final = timedelta(days=1)
_PLANNED_BEFORE: Final = timedelta(days=3)
# 15 x 15 points are 70 mm of field; in a log of a few hundred samples they would have one sample each.
_MANY_SAMPLES: Final = 10_000
_MANY_COLUMNS, _FEW_COLUMNS = 15, 5


@dataclass(frozen=True, slots=True)
class SampleCase:
    """What to make: everything that decides the bytes of a case."""

    number: int = 1
    """1 to 9999: patient and case are called `QA0001` and so on."""
    samples: int = 400
    """Of every layer's log."""
    fractions: int = 2
    """Days on which every beam is delivered once."""
    variants: frozenset[Variant] = frozenset()
    in_room: bool = True
    """Whether the case lies in a folder of its room."""
    study: str | None = None
    """The study folder of a nested case, in a folder named by the patient; None for a flat one."""
    start: datetime = FIRST_START
    """Of the first delivery."""
    corruption: str | None = None
    """The code of the one thing that is wrong with it; see `beams_corruptions`."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 9999:
            raise ValueError(f"{self.number} is no number of a case; give 1 to 9999")
        if self.samples < FEWEST_SAMPLES:
            raise ValueError(f"{self.samples} samples are too few for a log; give at least {FEWEST_SAMPLES}")
        if not 1 <= self.fractions <= 60:
            raise ValueError(f"{self.fractions} fractions cannot be made; give 1 to 60")

    @property
    def patient_id(self) -> str:
        """PatientID of plan and logs, and the name of the case's or the patient's folder."""
        return f"QA{self.number:04d}"

    @property
    def gantry(self) -> int:
        """1 or 2."""
        return gantry_of(self.variants)

    @property
    def place(self) -> "Place":
        """Where it lies, when nothing is wrong with that."""
        names = (self.patient_id,) if self.study is None else (self.patient_id, self.study)
        return Place(f"G{self.gantry}" if self.in_room else None, names)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case lies below the scan root."""

    room: str | None
    names: tuple[str, ...]
    """The case folder of a flat case; patient and study folder of a nested one."""

    @property
    def top(self) -> PurePosixPath:
        """The folder of the case, or that of its patient: the marker lies here."""
        return PurePosixPath(self.room or "", self.names[0])

    @property
    def folder(self) -> PurePosixPath:
        """The case folder."""
        return PurePosixPath(self.room or "", *self.names)

    def renamed(self, name: str) -> "Place":
        """The place beside it where the case folder is called otherwise."""
        return Place(self.room, (*self.names[:-1], name))


@dataclass(slots=True)
class Delivery:
    """One beam delivered once."""

    beam: PlannedBeam
    fraction: int
    """From 1."""
    folder: str
    info: dict[str, str]
    """The lines of PlanInfo."""
    rows: list[dict[str, str]]
    """The rows of PlanRange."""
    logs: dict[str, bytes]
    """Contents of the PTN files by name; in the order of the layers while nothing is wrong."""
    extra_info: str = ""
    """Text at the end of PlanInfo, as it is."""
    has_info: bool = True
    """Whether there is a PlanInfo."""
    has_rows: bool = True
    """Whether there is a PlanRange."""


@dataclass(slots=True)
class Draft:
    """A case before it becomes files; a corruption changes one thing of it."""

    case: SampleCase
    place: Place
    marker: PurePosixPath | None
    """The folder with the marker; None for no marker."""
    plan: Dataset
    dicom: dict[str, bytes | Dataset]
    """All DICOM files by name, `plan` among them."""
    deliveries: list[Delivery]
    """In the order of time."""
    copies: list[Place] = field(default_factory=list)
    """Where the whole case lies once more."""
    link_target: str | None = None
    """A folder beside the case's that holds it, while a symbolic link stands in its place."""
    closed: list[str] = field(default_factory=list)
    """Delivery folders that nobody may list."""

    @property
    def constants(self) -> MachineConstants:
        """Of the machine it was delivered on."""
        return machine(self.case.gantry).block_at(self.case.start).constants


@dataclass(frozen=True, slots=True)
class CaseTree:
    """What a case is on disk; paths are relative to the scan root."""

    files: Mapping[PurePosixPath, bytes]
    """The marker is the last, as whoever copies a case leaves it."""
    links: Mapping[PurePosixPath, str]
    closed: frozenset[PurePosixPath]
    """Folders without any permission."""


def sound_draft(case: SampleCase) -> Draft:
    """A case with nothing wrong."""
    beams = planned_beams(case.variants, _MANY_COLUMNS if case.samples >= _MANY_SAMPLES else _FEW_COLUMNS)
    study, planned = case.study or "", case.start - _PLANNED_BEFORE
    plan = ion_plan(case.patient_id, study, beams, case.variants, planned)
    dicom: dict[str, bytes | Dataset] = {PLAN_FILE: plan}
    if Variant.COMPANIONS in case.variants:
        dicom |= companions(case.patient_id, study, planned)
    return Draft(
        case=case,
        place=case.place,
        marker=case.place.top,
        plan=plan,
        dicom=dicom,
        deliveries=list(_deliveries(case, beams)),
    )


def case_tree(draft: Draft) -> CaseTree:
    """The files of a draft."""
    held, links = draft.place, {}
    if draft.link_target is not None:
        links[held.folder] = draft.link_target
        held = held.renamed(draft.link_target)
    files: dict[PurePosixPath, bytes] = {}
    for place in (held, *draft.copies):
        files |= {place.folder / name: content for name, content in _contents(draft)}
    for place in draft.copies:
        files[place.top / MARKER] = b""
    if draft.marker is not None:
        folder = held.folder if draft.marker == draft.place.folder else draft.marker
        files[folder / MARKER] = b""
    return CaseTree(files, links, frozenset(held.folder / folder for folder in draft.closed))


def stamp(moment: datetime) -> str:
    """A moment as folder names and PlanInfo write it: to the centisecond."""
    return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 10_000:02d}"


def _deliveries(case: SampleCase, beams: tuple[PlannedBeam, ...]) -> Iterator[Delivery]:
    constants = machine(case.gantry).block_at(case.start).constants
    for fraction in range(1, case.fractions + 1):
        turn = fraction % len(beams)
        for place, beam in enumerate((*beams[turn:], *beams[:turn])):
            start = case.start + (fraction - 1) * _BETWEEN_FRACTIONS + place * BETWEEN_BEAMS
            yield _delivery(case, beam, fraction, start, constants)


def _delivery(
    case: SampleCase, beam: PlannedBeam, fraction: int, start: datetime, constants: MachineConstants
) -> Delivery:
    ending = ".PTN" if _is_ornate(fraction) else ".ptn"
    rows: list[dict[str, str]] = []
    logs: dict[str, bytes] = {}
    for number, layer in enumerate(beam.layers, start=1):
        code = RANGE_CODES[(number - 1) % len(RANGE_CODES)]
        name = f"{case.patient_id}_{beam.file_name_part}_{beam.dicom_number:03d}_{number:03d}"
        rows.append(
            {
                "RESULT_ID": str(1000 * fraction + 10 * beam.field_number + number),
                "LAYER_NO": str(number),
                "LAYER_ENERGY": f"{layer.energy_mev:.2f}",
                "PATIENT_ID": case.patient_id,
                "FLD_NO": str(beam.field_number),
                "DOSE1_RANGE": str(code),
                "DOSE2_RANGE": str(code),
                "PLAN_DOSE1_RANGE": str(code),
                "PLAN_DOSE2_RANGE": str(code),
                "SCAN_OUT_FL_NM": f"{fraction:02d}-{name}.ptn",
                "PLAN_SCAN_OUT_FL_NM": f"00-{name}.ptn",
            }
        )
        generator = np.random.default_rng([case.number, fraction, beam.dicom_number, number])
        counts = layer_counts(layer, beam.layers, case.samples)
        words = layer_log(layer, number, counts, code, case.samples, constants, generator)
        logs[f"{fraction:02d}-{name}{ending}"] = as_bytes(words)
    info = {
        "DICOM_PATIENT_ID": case.patient_id,
        "DICOM_BEAM_NUMBER": str(beam.dicom_number),
        "TCSC_FIELD_NUMBER": str(beam.field_number),
        "STOP_LAYER_NUMBER": str(len(beam.layers)),
        "TCSC_IRRAD_DATETIME": stamp(start),
    }
    return Delivery(beam, fraction, stamp(start), info, rows, logs)


def _contents(draft: Draft) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The files of a case folder, the marker left out."""
    for name, dicom in draft.dicom.items():
        yield PurePosixPath(name), dicom if isinstance(dicom, bytes) else encoded(dicom)
    for delivery in draft.deliveries:
        folder, ornate = PurePosixPath(delivery.folder), _is_ornate(delivery.fraction)
        for name, content in delivery.logs.items():
            yield folder / name, content
        if delivery.has_info:
            lines = [f"{key},{value}" for key, value in delivery.info.items()]
            yield folder / "PlanInfo.txt", _text(lines, ornate) + delivery.extra_info.encode()
        if delivery.has_rows:
            lines = [",".join(row) for row in (delivery.rows[0], *(row.values() for row in delivery.rows))]
            yield folder / ("PlanRange.csv" if ornate else "PlanRange.txt"), _text(lines, ornate)


def _is_ornate(fraction: int) -> bool:
    """Whether a fraction's texts have all that readers have to accept: BOM, CR LF, blanks, empty lines."""
    return fraction % 2 == 0


def _text(lines: list[str], ornate: bool) -> bytes:
    if not ornate:
        return "".join(f"{line}\n" for line in lines).encode()
    spaced = (line.replace(",", " , ") for line in lines)
    return "\ufeff".encode() + "".join(f"{line} \r\n\r\n" for line in spaced).encode()
