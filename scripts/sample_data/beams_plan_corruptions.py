"""What can be wrong with the plan of a beams sample, one switch per code of the contract.

Each changes one thing of an otherwise sound draft. Not here: what is wrong with places, deliveries and logs
(`beams_corruptions`).
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Final

from pydicom.dataset import Dataset

from scripts.sample_data.beams_case import PLAN_FILE, Draft
from scripts.sample_data.beams_fields import SETUP_NUMBER
from scripts.sample_data.beams_plan import (
    LINE_SCAN_CREATOR,
    LINE_SCAN_GROUP,
    encoded,
    machine_name,
    set_attribute,
    uid,
)

_PHOTON_PLAN_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.5"
_CONFLICT_MM: Final = 0.5


def _missing_rtplan(draft: Draft) -> None:
    """The plan is not there."""
    del draft.dicom[PLAN_FILE]


def _multiple_rtplan(draft: Draft) -> None:
    """A second plan lies beside the first, the same but for its SOP instance."""
    second = deepcopy(draft.plan)
    second.SOPInstanceUID = uid(draft.case.patient_id, draft.case.study or "", "second plan")
    draft.dicom["plan_2.dcm"] = second


def _not_an_ion_plan(draft: Draft) -> None:
    """The plan says that it is an RT Plan, not an RT Ion Plan."""
    draft.plan.SOPClassUID = _PHOTON_PLAN_STORAGE


def _rtplan_parse_failed(draft: Draft) -> None:
    """The plan was cut at half its length."""
    whole = encoded(draft.plan)
    draft.dicom[PLAN_FILE] = whole[: len(whole) // 2]


def _map_length(draft: Draft) -> None:
    """The first line-scan map lacks its last coordinate."""
    block = _first_layer(draft).private_block(LINE_SCAN_GROUP, LINE_SCAN_CREATOR)
    positions = block[0x94]
    positions.value = positions.value[:-4]


def _map_conflict(draft: Draft) -> None:
    """The first point of the standard map is half a millimetre off that of the line-scan map."""
    point = _first_layer(draft)
    positions = [float(place) for place in point.ScanSpotPositionMap]
    point.ScanSpotPositionMap = [positions[0] + _CONFLICT_MM, *positions[1:]]


def _zero_expected_beams(draft: Draft) -> None:
    """Every item is delivered as a setup beam."""
    for item in _treatment_items(draft):
        item.TreatmentDeliveryType = "SETUP"


def _gantry_unknown(draft: Draft) -> None:
    """The first treatment beam is planned for a machine without a gantry number."""
    set_attribute(_treatment_items(draft)[0], "TreatmentMachineName", "PROTEUS235")


def _gantry_ambiguous(draft: Draft) -> None:
    """The first treatment beam is planned for a machine with two gantry numbers."""
    set_attribute(_treatment_items(draft)[0], "TreatmentMachineName", "G1G2")


def _gantry_mixed(draft: Draft) -> None:
    """The last treatment beam is planned for the other gantry."""
    set_attribute(_treatment_items(draft)[-1], "TreatmentMachineName", machine_name(3 - draft.case.gantry))


def _no_beam_meterset(draft: Draft) -> None:
    """The plan gives the first treatment beam no meterset, only weights."""
    del draft.plan.FractionGroupSequence[0].ReferencedBeamSequence[1].BeamMeterset


def _treatment_items(draft: Draft) -> list[Dataset]:
    return [item for item in draft.plan.IonBeamSequence if item.BeamNumber != SETUP_NUMBER]


def _first_layer(draft: Draft) -> Dataset:
    return _treatment_items(draft)[0].IonControlPointSequence[0]


PLAN_EDITS: Final[Mapping[str, Callable[[Draft], None]]] = {
    edit.__name__.removeprefix("_"): edit
    for edit in (
        _missing_rtplan,
        _multiple_rtplan,
        _not_an_ion_plan,
        _rtplan_parse_failed,
        _map_length,
        _map_conflict,
        _zero_expected_beams,
        _gantry_unknown,
        _gantry_ambiguous,
        _gantry_mixed,
        _no_beam_meterset,
    )
}
"""By code."""
