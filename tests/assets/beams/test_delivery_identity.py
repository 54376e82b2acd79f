"""Whose delivery a folder is: every doubt is a refusal of the case that names folder, rule and remedy."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from assets.beams.case_input import Rules
from assets.beams.identity import delivery_id
from tests.assets.beams.delivered_cases import (
    RULES,
    case_folder,
    deliver,
    deliver_all,
    delivery_of,
    judged,
    plan_of,
    refusal,
)

OTHER = "SECRETPATIENT789"


def test_another_patient_in_plan_info_is_refused_and_both_ids_are_masked(tmp_path: Path) -> None:
    case = case_folder(tmp_path, PatientID="SECRETPATIENT123")
    deliver(case, "10:00", 5, info={"DICOM_PATIENT_ID": OTHER})
    failure = refusal(case)
    assert failure.code == "patient_id_mismatch"
    assert failure.message == (
        "'2026032010000000': PlanInfo has patient ***789, the plan ***123; a case holds one patient: move the"
        " folder to the case it belongs to."
    )


def test_one_row_of_another_patient_is_refused(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver_all(case)
    folder = deliver(case, "12:00", 5, rows={2: {"PATIENT_ID": OTHER}})
    failure = refusal(case)
    assert failure.code == "patient_id_mismatch"
    assert f"'{folder.name}': line 3 of PlanRange has patient ***789, the plan ***001" in failure.message
    assert OTHER not in failure.message


@pytest.mark.parametrize("patient", ["", "qa0001", "QA0001 x", "QA00011"])
def test_an_id_that_is_only_similar_is_another_patient(tmp_path: Path, patient: str) -> None:
    case = case_folder(tmp_path)
    deliver(case, "10:00", 5, info={"DICOM_PATIENT_ID": patient})
    assert refusal(case).code == "patient_id_mismatch"


def test_folders_without_a_beam_number_are_listed_together_and_may_be_tried_again(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver_all(case)
    deliver(case, "12:00", 5, info={"DICOM_BEAM_NUMBER": None})
    deliver(case, "12:10", 3, info={"DICOM_BEAM_NUMBER": "F3"})
    failure = refusal(case)
    assert (failure.code, failure.category) == ("unresolved_folders", "retryable")
    assert failure.message.startswith("'2026032012000000', '2026032012100000': PlanInfo has no DICOM_BEAM")
    assert "never guessed; copy PlanInfo" in failure.message


@pytest.mark.parametrize(
    ("number", "code"), [(2, "unknown_beam"), (-5, "unknown_beam"), (1, "setup_beam_delivered")]
)
def test_a_beam_number_must_be_that_of_a_treatment_beam(tmp_path: Path, number: int, code: str) -> None:
    """2 is a place in the plan and a treatment index; it is no beam number."""
    case = case_folder(tmp_path)
    deliver_all(case)
    folder = deliver(case, "12:00", 5, info={"DICOM_BEAM_NUMBER": str(number)})
    failure = refusal(case)
    assert failure.code == code
    assert f"'{folder.name}': DICOM_BEAM_NUMBER {number} is " in failure.message
    assert "; move the folder to the case of its own plan" in failure.message


def test_the_beam_is_that_of_its_number_whatever_else_looks_like_another(tmp_path: Path) -> None:
    """One layer and the field number of beam 9 do not make it beam 9."""
    case = case_folder(tmp_path)
    for place, number in enumerate((9, 3, 5)):
        deliver(case, f"10:{place:02d}", number, info={"TCSC_FIELD_NUMBER": str(12 - number)})
    ready = judged(case).required_case()
    assert [joined.delivery.beam.dicom_number for joined in ready.deliveries] == [9, 3, 5]


def test_two_field_numbers_of_one_beam_are_refused(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver_all(case)
    deliver(case, "12:00", 5, info={"TCSC_FIELD_NUMBER": "7"})
    failure = refusal(case)
    assert failure.code == "field_number_conflict"
    assert "Beam 5 has several TCSC_FIELD_NUMBERs (105 in '2026032010050000', 7 in '2026032012000000')" in (
        failure.message
    )
    assert failure.message.endswith("; remove the folders of the other plan.")


@pytest.mark.parametrize("stamp", ["", "20260320", "2026032010", "2026133010000000", "10:00", "x" * 16])
def test_a_stamp_that_is_none_is_refused(tmp_path: Path, stamp: str) -> None:
    case = case_folder(tmp_path)
    folder = deliver(case, "10:00", 5, info={"TCSC_IRRAD_DATETIME": stamp})
    failure = refusal(case)
    assert failure.code == "missing_delivery_timestamp"
    assert f"'{folder.name}': TCSC_IRRAD_DATETIME is no date and time of 14 to 20 digits" in failure.message
    assert failure.message.endswith("; copy PlanInfo from the machine again.")


@pytest.mark.parametrize(
    "stamp", ["2026032010000001", "20260320100000", "202603201000000", "2026032010000000000"]
)
def test_a_stamp_that_is_not_the_name_of_the_folder_is_refused(tmp_path: Path, stamp: str) -> None:
    case = case_folder(tmp_path)
    folder = deliver(case, "10:00", 5, info={"TCSC_IRRAD_DATETIME": stamp})
    failure = refusal(case)
    assert failure.code == "timestamp_mismatch"
    assert f"'{folder.name}': TCSC_IRRAD_DATETIME {stamp} is not the name of its folder" in failure.message


def test_a_renamed_folder_is_refused_whatever_its_name(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    deliver(case, "10:00", 5).rename(case / "beam5")
    assert refusal(case).code == "timestamp_mismatch"


def test_a_stamp_before_the_first_constants_is_refused(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    folder = deliver(case, "10:00", 5, info={"TCSC_IRRAD_DATETIME": "1999123110000000"})
    folder.rename(case / "1999123110000000")
    failure = refusal(case)
    assert failure.code == "missing_delivery_timestamp"
    assert "lies before the first constants of G2" in failure.message


def test_a_stamp_that_the_zone_skips_is_refused(tmp_path: Path) -> None:
    case = case_folder(tmp_path)
    folder = deliver(case, "10:00", 5, info={"TCSC_IRRAD_DATETIME": "2026032902300000"})
    folder.rename(case / "2026032902300000")
    rome = Rules(window=RULES.window, zone=ZoneInfo("Europe/Rome"))
    failure = refusal(case, rules=rome)
    assert failure.code == "missing_delivery_timestamp"
    assert "clocks in Europe/Rome skip, so BEAMS_TIMEZONE is not the machine's" in failure.message


def test_an_identity_is_of_the_case_and_the_folder() -> None:
    assert delivery_id("QA0001", "2026032010000000") == "QA0001_delivery_4731437e7bfd"
    assert delivery_id("P1.1.2.3", "2026032010000000") != delivery_id("P1.1.2.4", "2026032010000000")


def test_a_delivery_knows_its_moment_its_constants_and_whether_it_was_interrupted() -> None:
    plan = plan_of()
    delivery = delivery_of(plan, 5, "10:05:59.12")
    assert delivery.moment == datetime(2026, 3, 20, 10, 5, 59, 120000, tzinfo=UTC)
    assert delivery.beam is plan.beam_numbered(5)
    assert delivery.block.constants.time_gain == 0.06
    assert not delivery.interrupted
    assert delivery_of(plan, 5, "10:05", stop_layer=1).interrupted


def test_a_doubtful_record_never_becomes_a_delivery() -> None:
    with pytest.raises(ValueError, match="has identity problems"):
        delivery_of(plan_of(), 5, "20261332100000")
