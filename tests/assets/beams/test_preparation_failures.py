"""Every code with which the deliveries of a case are refused: file or folder, rule and remedy, ids masked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.beams.failures import CODES
from tests.assets.beams.delivered_cases import case_folder, deliver, log_file_name, moment, refusal, samples

PATIENT = "SECRETPATIENT123"
OTHER = "OTHERPATIENT789"
FOLDER = "2026032010050000"
LOG = log_file_name(5, 1)


def later(case: Path, number: int = 5, start: str = "12:00", **changes: Any) -> None:
    """Deliver a beam once more, with something wrong about it."""
    deliver(case, start, number, patient=PATIENT, **changes)


def remove_deliveries(case: Path) -> None:
    for folder in case.iterdir():
        if folder.is_dir():
            folder.rename(case.parent / folder.name)


def remove_beam_5(case: Path) -> None:
    (case / FOLDER).rename(case.parent / FOLDER)


def overlap(case: Path) -> None:
    """100 ms of beam 5 at 10:05, and another delivery 10 ms after it began."""
    for layer in (1, 2):
        (case / FOLDER / log_file_name(5, layer)).write_bytes(samples(1, 1000))
    later(case, number=9, start="10:05:00.01")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing_deliveries": (remove_deliveries, "'QA0001'"),
    "missing_planinfo": (lambda case: (case / FOLDER / "PlanInfo.txt").unlink(), f"'{FOLDER}'"),
    "planinfo_invalid": (
        lambda case: (case / FOLDER / "PlanInfo.txt").write_text(f"{PATIENT}\n"),
        f"'{FOLDER}/PlanInfo.txt', line 1",
    ),
    "missing_planrange": (lambda case: (case / FOLDER / "PlanRange.txt").unlink(), f"'{FOLDER}'"),
    "planrange_invalid": (
        lambda case: (case / FOLDER / "PlanRange.txt").write_text(f"{PATIENT}\n"),
        f"'{FOLDER}/PlanRange.txt'",
    ),
    "patient_id_mismatch": (
        lambda case: deliver(case, "12:00", 5, patient=OTHER),
        "'2026032012000000': PlanInfo has patient ***789, the plan ***123",
    ),
    "unresolved_folders": (
        lambda case: later(case, info={"DICOM_BEAM_NUMBER": PATIENT}),
        "'2026032012000000'",
    ),
    "unknown_beam": (lambda case: later(case, info={"DICOM_BEAM_NUMBER": "2"}), "'2026032012000000'"),
    "setup_beam_delivered": (lambda case: later(case, info={"DICOM_BEAM_NUMBER": "1"}), "'2026032012000000'"),
    "field_number_conflict": (
        lambda case: later(case, info={"TCSC_FIELD_NUMBER": "7"}),
        "7 in '2026032012000000'",
    ),
    "missing_delivery_timestamp": (
        lambda case: later(case, info={"TCSC_IRRAD_DATETIME": PATIENT}),
        "'2026032012000000'",
    ),
    "timestamp_mismatch": (
        lambda case: later(case, info={"TCSC_IRRAD_DATETIME": "2026032012000001"}),
        "'2026032012000000'",
    ),
    "fraction_window_open": (
        lambda case: later(case, start="23:59"),
        "Fraction 2, begun with '2026032023590000'",
    ),
    "ptn_missing": (
        lambda case: (case / FOLDER / LOG).unlink(),
        f"'{FOLDER}': beam 5, layer 1: there is no log '{LOG}'",
    ),
    "ptn_unlisted": (
        lambda case: (case / FOLDER / "x.ptn").write_bytes(samples(1)),
        f"'{FOLDER}': beam 5, log 'x.ptn'",
    ),
    "layer_number": (
        lambda case: later(case, rows={1: {"LAYER_NO": "3"}}),
        "'2026032012000000': beam 5, PlanRange",
    ),
    "layer_count": (
        lambda case: later(case, info={"STOP_LAYER_NUMBER": "1"}),
        "'2026032012000000': beam 5, layers",
    ),
    "layer_energy": (
        lambda case: later(case, rows={1: {"LAYER_ENERGY": "151"}}),
        "'2026032012000000': beam 5, layer 1",
    ),
    "range_code": (
        lambda case: later(case, rows={1: {"DOSE1_RANGE": "6"}}),
        "'2026032012000000': beam 5, layer 1",
    ),
    "ptn_empty": (lambda case: (case / FOLDER / LOG).write_bytes(b""), f"'{FOLDER}/{LOG}'"),
    "ptn_length": (lambda case: (case / FOLDER / LOG).write_bytes(b"x"), f"'{FOLDER}/{LOG}' has 1 bytes"),
    "delivery_overlap": (overlap, f"'2026032010050001' begins before '{FOLDER}' ends"),
    "missing_beams": (remove_beam_5, "beam 5 'F2 A/P'"),
}
"""What goes wrong, and the place that is named, by code."""


OF_THE_PLAN = {
    *(
        "missing_rtplan",
        "multiple_rtplan",
        "not_an_ion_plan",
        "rtplan_parse_failed",
        "map_length",
        "map_conflict",
    ),
    *("zero_expected_beams", "gantry_unknown", "gantry_ambiguous", "gantry_mixed", "room_mismatch"),
}


def test_every_code_of_the_preparation_that_is_not_of_the_plan_is_in_the_table() -> None:
    assert set(FAULTS) == {code for code, rule in CODES.items() if rule.phase == "preparation"} - OF_THE_PLAN


@pytest.mark.parametrize("code", FAULTS)
def test_a_refusal_names_the_place_the_rule_and_the_remedy_and_masks_ids(tmp_path: Path, code: str) -> None:
    case = case_folder(tmp_path, PatientID=PATIENT)
    for minute, number in ((0, 9), (5, 5), (10, 3)):
        deliver(case, f"10:{minute:02d}", number, patient=PATIENT)
    fault, place = FAULTS[code]
    fault(case)
    failure = refusal(case, now=moment("23:59:30"))
    assert failure.code == code
    assert place in failure.message
    sentence, semicolon, remedy = failure.message.rpartition("; ")
    assert sentence
    assert semicolon
    assert remedy.endswith(".")
    assert PATIENT not in failure.message
    assert OTHER not in failure.message
    assert "\n" not in failure.message
    assert failure.category == CODES[code].categories[0]
