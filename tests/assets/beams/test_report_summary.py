"""The summary of a case for programs, and the values that it is made of."""

import json
from dataclasses import replace
from math import inf

import pytest

from assets.beams.aggregation import Outcome
from assets.beams.case_results import Missing, checked, unchecked
from assets.beams.delivery_check import check_record
from assets.beams.report_page import NOTICE
from assets.beams.report_summary import case_summary, summary_json
from assets.beams.states import CheckState
from scripts.sample_data.beams import SampleCase, corrupted
from tests.assets.beams.reported_cases import ENTRY, NO_EVIDENCE, checks_of, judged_sample, result_of


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    root = tmp_path_factory.mktemp("scan")
    return judged_sample(root, corrupted(SampleCase(samples=1000), "gamma_failed"))


@pytest.fixture(scope="module")
def checks(case):
    return checks_of(case)


@pytest.fixture(scope="module")
def summary(case, checks):
    return json.loads(summary_json(result_of(case, checks, failed=[2])))


def test_a_summary_says_of_which_case_it_is_and_how_that_stands(summary, case):
    assert {name: value for name, value in summary.items() if name not in ("beams", "fractions")} == {
        "notice": NOTICE,
        "case": "QA0001",
        "room": "G2",
        "gantry": 2,
        "plan": {"label": "RT Ion Plan", "sop_instance_uid": case.plan.sop_instance_uid},
        "state": "failed",
        "message": NO_EVIDENCE.message,
        "warnings": [],
    }


def test_a_summary_has_every_beam_by_its_four_numbers_and_its_dose(summary):
    first, second, third = summary["beams"]
    assert {name: value for name, value in first.items() if name != "deliveries"} == {
        "treatment_index": 1,
        "dicom_number": 5,
        "plan_position": 2,
        "name": "F2 A/P",
        "folder": "002_F2_A_P",
        "status": "completed",
        "missing": [],
        "dose": {
            "engine": "mcsquare",
            "primaries": 20_000,
            "seed": 433038655,
            "host": "local",
            "max": 1234.5,
            "mean": 12.25,
            "unit": "arbitrary",
            "rtdose": "RTDOSE_QA0001_beam_1.dcm",
            "rtdose_dose_units": "RELATIVE",
            "digests": {
                "engine": "e" * 64,
                "command": "c" * 64,
                "output": "0" * 64,
                "rtdose": "d" * 64,
                "input config.txt": "1" * 64,
                "input plan.txt": "2" * 64,
            },
        },
    }
    assert list(first["dose"]["digests"])[-2:] == ["input config.txt", "input plan.txt"]
    assert (second["status"], second["dose"]) == ("failed", None)
    assert second["missing"] == [{"what": "dose", "code": "no_evidence", "message": NO_EVIDENCE.message}]
    assert third["dose"]["rtdose"] == "RTDOSE_QA0001_beam_3.dcm"


def test_a_summary_has_every_delivery_with_its_verdict_and_every_digit(summary, case, checks):
    for beam in summary["beams"]:
        made = case.deliveries_of(beam["treatment_index"])
        assert [delivery["folder"] for delivery in beam["deliveries"]] == [
            joined.delivery.folder for joined in made
        ]
        for delivery, joined in zip(beam["deliveries"], made, strict=True):
            found = checks[joined.delivery.id].summary
            assert delivery["status"] == found.verdict.value
            assert (delivery["pass_rate"], delivery["gamma_mean"], delivery["gamma_max"]) == (
                found.pass_rate,
                found.gamma_mean,
                found.gamma_max,
            )
            assert delivery["evaluated_points"] == found.evaluated_points
    verdicts = [delivery["status"] for beam in summary["beams"] for delivery in beam["deliveries"]]
    assert sorted(verdicts) == ["failed", *["passed"] * 5]


def test_a_summary_tells_reference_and_fraction_of_each_delivery(summary):
    for beam in summary["beams"]:
        assert [delivery["fraction_index"] for delivery in beam["deliveries"]] == [1, 2]
        assert [delivery["is_reference"] for delivery in beam["deliveries"]] == [True, False]
    assert [fraction["status"] for fraction in summary["fractions"]] == ["complete", "complete"]


def test_a_summary_of_the_same_results_has_the_same_bytes_and_no_patient(case, checks):
    result = result_of(case, checks)
    assert summary_json(result) == summary_json(result_of(case, checks))
    odd = replace(result, key="C7", plan=replace(result.plan, patient_id="a-secret-id"))
    assert b"a-secret-id" not in summary_json(odd)


def test_a_summary_keeps_names_as_they_are(case, checks):
    result = result_of(case, checks)
    named = replace(result.beams[0], beam=replace(result.beams[0].beam, name="Fälle <b> a&b"))
    written = summary_json(replace(result, beams=(named, *result.beams[1:])))
    assert "Fälle <b> a&b" in written.decode()
    assert written.endswith(b"}\n")


def test_a_number_that_is_not_finite_is_no_json(case, checks):
    result = result_of(case, checks)
    (dose,) = [beam.dose for beam in result.beams[:1]]
    assert dose is not None
    endless = replace(result.beams[0], dose=replace(dose, run=replace(dose.run, max=inf)))
    with pytest.raises(ValueError, match="JSON compliant"):
        summary_json(replace(result, beams=(endless,)))


def test_a_dose_without_an_rtdose_says_so(case, checks):
    result = result_of(case, checks)
    beam = result.beams[0]
    assert beam.dose is not None
    without = replace(beam, dose=replace(beam.dose, rtdose=None))
    (written,) = case_summary(replace(result, beams=(without,)))["beams"]
    assert (written["dose"]["rtdose"], written["dose"]["rtdose_dose_units"]) == (None, None)
    assert "rtdose" not in written["dose"]["digests"]


def test_a_check_that_came_to_nothing_has_its_reason_and_no_numbers(case, checks):
    failure = Missing("check", "layer_word", "'a.ptn' is another layer's; restore the names.")
    result = result_of(case, checks)
    beam = replace(
        result.beams[0],
        deliveries=(unchecked(ENTRY, CheckState.ERROR, failure), unchecked(ENTRY, CheckState.NONE)),
    )
    (written,) = case_summary(replace(result, beams=(beam,), outcome=Outcome.COMPLETED_WITH_WARNINGS))[
        "beams"
    ]
    error, none = written["deliveries"]
    assert (error["status"], error["pass_rate"], error["missing"]["code"]) == ("error", None, "layer_word")
    assert (none["status"], none["missing"]) == ("none", None)


def test_the_record_of_another_delivery_is_refused(checks):
    record = check_record(next(iter(checks.values())))
    with pytest.raises(ValueError, match="is not that of QA0001_delivery_0123456789ab"):
        checked(ENTRY, record)
