"""The page of a case: every beam, what it came to, and what is missing of it."""

from dataclasses import replace
from typing import Any

import pytest

from assets.beams import case_report_page
from assets.beams.aggregation import Outcome
from assets.beams.case_report_page import BeamEvidence, beam_pictures, case_page
from assets.beams.case_results import CaseResult, Missing, unchecked
from assets.beams.case_warnings import CaseWarning
from assets.beams.failures import BeamFailure
from assets.beams.report_page import NOTICE
from assets.beams.states import CheckState
from assets.pictures import PICTURE_CAP
from scripts.sample_data.beams import SampleCase, corrupted
from tests.assets.beams.dose_pictures import curve, plane
from tests.assets.beams.report_pages import Page
from tests.assets.beams.reported_cases import (
    ENTRY,
    NO_EVIDENCE,
    checks_of,
    judged_sample,
    reference_check,
    result_of,
)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    root = tmp_path_factory.mktemp("scan")
    return judged_sample(root, corrupted(SampleCase(samples=1000), "gamma_conditional"))


@pytest.fixture(scope="module")
def checks(case):
    return checks_of(case)


@pytest.fixture(scope="module")
def evidence(case, checks):
    return {
        index: BeamEvidence(reference_check(case, checks, index), curve(), plane()) for index in (1, 2, 3)
    }


@pytest.fixture(scope="module")
def result(case, checks):
    return result_of(case, checks)


@pytest.fixture(scope="module")
def page(result, evidence):
    return Page(case_page(result, evidence))


def plain(result: CaseResult, **changed: Any) -> Page:
    """The page of a result without any picture."""
    return Page(case_page(replace(result, **changed), {}))


def test_the_page_says_of_which_case_and_patient_it_is_and_how_it_stands(page):
    assert page.title == "QA0001: report of the case, completed"
    assert "Case QA0001" in page.words
    assert "QA0001 patient ID G2 room 3 treatment beams 2 fractions" in page.words


def test_the_first_table_has_every_beam_with_state_dose_and_verdicts(page):
    assert page.table("Beams") == [
        ["1: F2 A/P", "5", "2", "completed", "mcsquare, RELATIVE", "passed 2", "nothing"],
        ["2: F3", "3", "1", "completed", "mcsquare, RELATIVE", "passed 1 conditional 1", "nothing"],
        ["3: F4", "9", "1", "completed", "mcsquare, RELATIVE", "passed 2", "nothing"],
    ]


def test_every_beam_has_its_five_pictures(page):
    sections = list(page.root.iter("section"))
    assert len(sections) == 3
    for section in sections:
        captions = [caption.text_content().split()[0] for caption in section.iter("figcaption")]
        assert captions == ["Dose", "Dose", "Pass", "What", "Errors"]


def test_a_beam_says_what_its_dose_was_made_with(page):
    words = page.words
    assert "mcsquare on local" in words
    assert "20,000, seed 433038655" in words
    assert "1234, mean 12.25, in the engine’s unit, not calibrated" in words
    assert "RTDOSE_QA0001_beam_1.dcm, RELATIVE" in words
    assert "e" * 64 in words


def test_a_dose_in_gray_is_called_so(result):
    dose = result.beams[0].dose
    in_gray = replace(result.beams[0], dose=replace(dose, unit="Gy"))
    assert "mean 12.25, in Gy" in plain(result, beams=(in_gray,)).words


def test_deliveries_are_listed_with_their_verdict_and_lead_to_their_pages(page, result):
    beam = result.beams[1]
    (section,) = [one for one in page.root.iter("section") if "beam-2" in str(one.get("aria-labelledby"))]
    links = [link.get("href") for link in section.iter("a")]
    assert links == [f"../Daily_PTN/{delivery.page}" for delivery in beam.deliveries]
    rows = [[cell.text_content().strip() for cell in row] for row in section.iterfind(".//tbody/tr")][-2:]
    assert [row[2] for row in rows] == ["passed", "conditional"]
    assert rows[0][7].strip() == "Reference: its logs are simulated."
    assert [row[1] for row in rows] == ["1", "2"]


def test_fractions_are_listed_with_their_folders(page):
    assert page.table("Fractions")[0] == [
        *("1", "complete", "2026032010000000, 2026032010050000, 2026032010100000", "–", "–"),
    ]


def test_a_failed_beam_says_what_is_missing_with_code_and_reason(case, checks, evidence):
    failed = result_of(case, checks, failed=[2])
    only_check = evidence | {2: BeamEvidence(reference_check(case, checks, 2))}
    page = Page(case_page(failed, only_check))
    assert page.title.endswith("failed")
    assert NO_EVIDENCE.message in page.words
    assert page.table("Beams")[1][3:] == ["failed", "none", "passed 1 conditional 1", "dose: no_evidence"]
    assert page.table("What is missing") == [["dose", "no_evidence", NO_EVIDENCE.message]]
    (section,) = [one for one in page.root.iter("section") if "beam-2" in str(one.get("aria-labelledby"))]
    assert len(list(section.iter("img"))) == 3


def test_a_case_of_which_everything_failed_still_has_a_page(case, checks):
    page = Page(case_page(result_of(case, checks, failed=[1, 2, 3]), {}))
    assert [row[4] for row in page.table("Beams")] == ["none"] * 3
    assert not list(page.root.iter("img"))


def test_a_check_that_came_to_nothing_or_did_not_end_is_told(result):
    failure = Missing("check", "layer_word", "'a.ptn' carries layer 3 <b>")
    deliveries = (unchecked(ENTRY, CheckState.ERROR, failure), unchecked(ENTRY, CheckState.NONE))
    page = plain(result, beams=(replace(result.beams[0], deliveries=deliveries),))
    error, none = page.table("Deliveries")
    assert error[2:7] == ["error", "0", "–", "–", "–"]
    assert "layer_word: 'a.ptn' carries layer 3 <b>" in error[7]
    assert none[2] == "not checked"
    assert page.table("Beams")[0][5] == "error 1 not checked 1"


def test_a_delivery_with_no_data_is_shown_as_such_and_not_as_a_failure(result):
    page = plain(
        result, beams=(replace(result.beams[0], deliveries=(unchecked(ENTRY, CheckState.NO_DATA),)),)
    )
    (row,) = page.table("Deliveries")
    assert row[2] == "no data"
    assert "this is no failure" in row[7]
    assert not page.classes() & {"failed", "error", "bad"}


def test_a_beam_without_deliveries_says_so(result):
    page = plain(result, beams=(replace(result.beams[0], deliveries=()),))
    assert page.table("Deliveries") == [["No delivery of it is known."]]
    assert page.table("Beams")[0][5] == "none"


def test_warnings_of_the_case_and_of_deliveries_are_told(result):
    warning = CaseWarning("meterset_share", "layer 1 has 60 % of the counts")
    delivery = replace(result.beams[0].deliveries[0], warnings=(warning,), interrupted=True)
    page = plain(
        result,
        outcome=Outcome.COMPLETED_WITH_WARNINGS,
        warnings=(CaseWarning("mixed_fraction_reference", "no fraction has all beams"),),
        beams=(replace(result.beams[0], deliveries=(delivery,)),),
    )
    assert page.title.endswith("completed with warnings")
    assert page.table("Warnings of the case") == [["mixed fraction reference", "no fraction has all beams"]]
    remarks = page.table("Deliveries")[0][7]
    assert "Interrupted." in remarks
    assert "meterset share: layer 1 has 60 % of the counts" in remarks


def test_the_page_runs_nothing_and_takes_nothing_from_elsewhere(page):
    assert all(address.startswith("../Daily_PTN/") for address in page.addresses())
    assert len(page.addresses()) == 6
    assert not list(page.root.iter("script", "link", "iframe", "object"))
    assert "url(" not in page.text


def test_the_notice_is_on_the_page_and_on_every_printed_sheet(page):
    assert page.words.startswith(NOTICE)
    assert f'@bottom-center {{ content: "{NOTICE}"' in page.text
    assert '@top-right { content: "Case QA0001"' in page.text


def test_whatever_comes_from_outside_is_shown_and_not_obeyed(result):
    name = '<b>a&b</b> "><img src=x> {{ 1 }}'
    beam = replace(
        result.beams[0],
        beam=replace(result.beams[0].beam, name=name),
        missing=(Missing("dose", "no_evidence", name),),
        deliveries=(replace(result.beams[0].deliveries[0], page='"><x>.html'),),
    )
    odd = replace(result.plan, patient_id="QA<i>1</i>", label="<h1>x</h1>")
    page = plain(result, plan=odd, message=name, beams=(beam,), warnings=(CaseWarning("a<i>", name),))
    assert page.words.count(name) == 5
    assert "QA<i>1</i>" in page.words
    assert "<h1>x</h1>" in page.words
    assert not list(page.root.iter("i", "x", "img"))
    assert page.addresses() == ["../Daily_PTN/%22%3E%3Cx%3E.html"]


def test_the_same_results_have_the_same_page(result, evidence):
    only = {1: evidence[1]}
    assert case_page(result, only) == case_page(result, only)


def test_pictures_for_metadata_are_one_sheet_of_doses_and_one_of_deliveries_for_each_beam(result, evidence):
    given = evidence | {2: BeamEvidence(evidence[2].check), 3: BeamEvidence(None, None, plane())}
    pictures = beam_pictures(result, given)
    assert list(pictures) == ["dose_1", "deliveries_1", "deliveries_2", "dose_3"]
    assert all(len(text.encode()) <= PICTURE_CAP for text in pictures.values())
    assert pictures["dose_1"].startswith("![dose of beam 1, number 5, F2 A/P](data:image/png;base64,")
    assert beam_pictures(result, {}) == {}


@pytest.mark.parametrize("make", [case_page, beam_pictures])
def test_what_goes_wrong_while_drawing_is_a_failure_to_render_that_names_the_page(
    make, result, evidence, monkeypatch
):
    def broken(_: Any) -> None:
        raise KeyError("QA0001")

    monkeypatch.setattr(case_report_page, "depth_dose_picture", broken)
    with pytest.raises(BeamFailure, match="of case QA0001' could not be drawn \\(KeyError\\)") as failure:
        make(result, evidence)
    assert (failure.value.code, failure.value.category) == ("render_failed", "retryable")


def test_a_failure_of_the_program_to_end_is_passed_on(result, monkeypatch):
    def interrupted(*_: Any, **__: Any) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(case_report_page, "html_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        case_page(result, {})
