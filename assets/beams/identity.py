"""Whose delivery it is, and when it was made: patient, beam and stamp, as the machine wrote them, or refused.

The beam is that of DICOM_BEAM_NUMBER and of nothing else. Names and order of folders, numbers of layers and
the machine's own field numbers are never used to guess it.

Not here: which log belongs to which layer (`join`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import sha256
from pathlib import Path

from assets.beams.beam_items import TreatmentBeam
from assets.beams.deliveries import DeliveryRecord
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import masked, shown
from assets.beams.machines import ConstantsBlock, Machine
from assets.beams.plan import Plan
from assets.beams.timestamps import in_utc, stamp_clock
from assets.failures import PermanentFailure


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """A delivery whose patient, beam and time are beyond doubt."""

    id: str
    """`<case>_delivery_<12 hex digits>`."""
    record: DeliveryRecord
    beam: TreatmentBeam
    clock: datetime
    """When it began, by the machine's clock, without a zone."""
    moment: datetime
    """The same in UTC."""
    block: ConstantsBlock
    """The constants in force then."""

    @property
    def folder(self) -> str:
        """The name of its folder, which is its stamp."""
        return self.record.folder

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.record.path

    @property
    def interrupted(self) -> bool:
        """Whether it stopped before the last layer of its beam."""
        return self.record.info.stop_layer != len(self.beam.layers)

    @property
    def order(self) -> tuple[datetime, str]:
        """What deliveries are sorted by."""
        return (self.moment, self.folder)


def delivery_id(case: str, folder: str) -> str:
    """The identity of a delivery, from its folder's path relative to the case."""
    return f"{case}_delivery_{sha256(folder.encode()).hexdigest()[:12]}"


def identity_problems(
    records: Sequence[DeliveryRecord], plan: Plan, machine: Machine, zone: tzinfo
) -> list[BeamFailure]:
    """Everything that puts the identity of a delivery in doubt: patient first, then beam, then stamp.

    `patient_id_mismatch`, `unresolved_folders`, `unknown_beam`, `setup_beam_delivered`,
    `field_number_conflict`, `missing_delivery_timestamp`, `timestamp_mismatch`; of each the folders in the
    order given.

    Args:
        records: the deliveries of one case.
        plan: its plan.
        machine: the machine of the plan's gantry.
        zone: where the machine's clock is set.
    """
    return [
        *(problem for record in records for problem in _patient_problems(record, plan.patient_id)),
        *_unresolved(records),
        *(problem for record in records for problem in _beam_problems(record, plan)),
        *_field_conflicts(records),
        *(problem for record in records for problem in _stamp_problems(record, machine, zone)),
    ]


def identified(record: DeliveryRecord, case: str, plan: Plan, machine: Machine, zone: tzinfo) -> Delivery:
    """A record without any `identity_problems` as the delivery that it is.

    Raises:
        ValueError: it has one that leaves beam or moment unknown.
    """
    number = record.info.beam_number
    beam = None if number is None else plan.beam_numbered(number)
    clock = stamp_clock(record.info.stamp)
    moment = None if clock is None else in_utc(clock, zone)
    if not isinstance(beam, TreatmentBeam) or clock is None or moment is None:
        raise ValueError(f"{shown(record.folder)} has identity problems")
    return Delivery(delivery_id(case, record.folder), record, beam, clock, moment, machine.block_at(clock))


def _patient_problems(record: DeliveryRecord, planned: str) -> Iterator[BeamFailure]:
    stated = [("PlanInfo", record.info.patient_id)]
    stated += [(f"line {row.line} of PlanRange", row.patient_id) for row in record.rows]
    strangers = [(where, patient) for where, patient in stated if patient != planned]
    if strangers:
        where, patient = strangers[0]
        yield beam_failure(
            "patient_id_mismatch",
            f"{shown(record.folder)}: {where} has patient {masked(patient)}, the plan {masked(planned)}; a"
            " case holds one patient: move the folder to the case it belongs to.",
        )


def _unresolved(records: Sequence[DeliveryRecord]) -> Iterator[BeamFailure]:
    folders = [shown(record.folder) for record in records if record.info.beam_number is None]
    if folders:
        yield beam_failure(
            "unresolved_folders",
            f"{', '.join(folders)}: PlanInfo has no DICOM_BEAM_NUMBER that is a whole number, and the beam is"
            " never guessed; copy PlanInfo from the machine again, or remove the folder.",
        )


def _beam_problems(record: DeliveryRecord, plan: Plan) -> Iterator[BeamFailure]:
    number = record.info.beam_number
    if number is None:
        return
    beam = plan.beam_numbered(number)
    where = f"{shown(record.folder)}: DICOM_BEAM_NUMBER {number}"
    if beam is None:
        known = ", ".join(str(treatment.dicom_number) for treatment in plan.treatment_beams)
        yield beam_failure(
            "unknown_beam",
            f"{where} is no beam of the plan, whose treatment beams are {known}; move the folder to the case"
            " of its own plan.",
        )
    elif not isinstance(beam, TreatmentBeam):
        yield beam_failure(
            "setup_beam_delivered",
            f"{where} is the setup beam {shown(beam.name)}, which delivers no dose; move the folder to the"
            " case of its own plan, or correct the plan.",
        )


def _field_conflicts(records: Sequence[DeliveryRecord]) -> Iterator[BeamFailure]:
    first_with: dict[int, dict[int, str]] = defaultdict(dict)
    for record in records:
        if record.info.beam_number is not None:
            first_with[record.info.beam_number].setdefault(record.info.field_number, record.folder)
    for beam_number, folders in first_with.items():
        if len(folders) > 1:
            named = ", ".join(f"{field} in {shown(folder)}" for field, folder in folders.items())
            yield beam_failure(
                "field_number_conflict",
                f"Beam {beam_number} has several TCSC_FIELD_NUMBERs ({named}), and one beam has one field;"
                " remove the folders of the other plan.",
            )


def _stamp_problems(record: DeliveryRecord, machine: Machine, zone: tzinfo) -> Iterator[BeamFailure]:
    where = f"{shown(record.folder)}: TCSC_IRRAD_DATETIME"
    if problem := _unusable_stamp(record.info.stamp, machine, zone):
        yield beam_failure(
            "missing_delivery_timestamp", f"{where} {problem}; copy PlanInfo from the machine again."
        )
    elif record.info.stamp != record.folder:
        yield beam_failure(
            "timestamp_mismatch",
            f"{where} {record.info.stamp} is not the name of its folder, so one of them belongs to another"
            " delivery; copy the folder from the machine again under its own name.",
        )


def _unusable_stamp(stamp: str, machine: Machine, zone: tzinfo) -> str | None:
    clock = stamp_clock(stamp)
    if clock is None:
        # It may be anything, a patient's id too, so it is not shown.
        return "is no date and time of 14 to 20 digits, YYYYMMDDhhmmss and a fraction"
    if in_utc(clock, zone) is None:
        return f"{stamp} is in an hour that clocks in {zone} skip, so BEAMS_TIMEZONE is not the machine's"
    try:
        machine.block_at(clock)
    except PermanentFailure:
        return f"{stamp} lies before the first constants of {machine.room}"
    return None
