"""The page of a delivery, as a physicist reads it."""

from dataclasses import replace
from typing import Any

import pytest

from assets.beams import delivery_report
from assets.beams.delivery_check import DeliveryCheck
from assets.beams.delivery_report import delivery_page, delivery_pictures
from assets.beams.failures import BeamFailure, RetryableBeamFailure
from assets.beams.plan import Plan
from assets.beams.report_page import NOTICE
from assets.pictures import PICTURE_CAP
from tests.assets.beams.checked_deliveries import as_planned, check_of, without_beam
from tests.assets.beams.planned_maps import range_row
from tests.assets.beams.report_pages import Page


def page_of(made: tuple[Plan, DeliveryCheck], **changed: Any) -> Page:
    plan, check = made
    given = {"fraction_index": 1, "is_reference": False} | changed
    return Page(delivery_page("QA0001", plan, check, **given))


def test_the_page_says_whose_delivery_it_is_and_what_it_came_to():
    page = page_of(check_of(as_planned(), as_planned(off_mm=[3.0])), fraction_index=3, is_reference=True)
    assert page.title == "QA0001: delivery 2026032010000000 of beam 5, conditional"
    facts = {
        row[place]: row[place + 1]
        for row in page.table("What was delivered")
        for place in range(0, len(row), 2)
    }
    assert facts["Patient ID"] == "QA0001"
    assert facts["Case"] == "QA0001"
    assert facts["Room"] == "G2"
    assert facts["Beam"] == "F2 A/P: number 5, item 2 of the plan, treatment beam 1 of 1"
    assert facts["Folder"] == "2026032010000000"
    assert facts["Start"] == "2026-03-20 10:00:00.000 by the machine’s clock, 2026-03-20T10:00:00Z"
    assert facts["Fraction"] == "3, the reference delivery of its beam"
    assert facts["Layers"] == "2 of 2"
    assert facts["Criteria"] == (
        "2 mm and 5 % of the largest planned weight of the layer, for points of at least 10 % of it; passed"
        " from 95 %, conditional from 80 %"
    )
    assert "conditional verdict 83.33 % of points pass 5 of 6 evaluated points" in page.words


@pytest.mark.parametrize(("off", "verdict"), [([], "passed"), ([3.0], "conditional"), ([3.0, 3.0], "failed")])
def test_the_verdict_stands_at_the_top_and_in_the_title(off, verdict):
    page = page_of(check_of(as_planned(off_mm=off), as_planned()))
    assert page.title.endswith(verdict)
    assert f"{verdict} verdict" in page.words


def test_the_table_has_every_layer_with_what_the_check_found():
    rows = [range_row(1), range_row(2, dose1_range=3, dose2_range=3)]
    page = page_of(check_of(as_planned(), as_planned(off_mm=[0, 3.0], dose=40), rows=rows))
    first, second = page.table("Layers")
    assert first == [
        *("1", "150.00", "3", "100.00 %", "0.00", "0.00"),
        *("50.00 %", "45.66 % !", "400", "400", "0.00 %", "2, 2 (2)", "3", "0"),
    ]
    assert second[:4] == ["2", "149.00", "3", "66.66 %"]
    assert second[6:] == ["50.00 %", "54.34 % !", "477", "477", "0.00 %", "3, 3 (2) !", "3", "0"]


def test_monitors_that_disagree_and_ranges_that_differ_are_marked():
    odd = [replace(sample, dose2=round(1.1 * sample.dose1)) for sample in as_planned()]
    page = page_of(check_of(odd, rows=[range_row(1, dose1_range=2, dose2_range=2)]))
    (row,) = page.table("Layers")
    assert row[10] == "10.00 % !"
    (warning,) = page.table("Warnings")
    assert warning[0] == "monitor disagreement"
    assert "400 counts by monitor 1 and 440 by monitor 2" in warning[1]
    different = page_of(check_of(as_planned(), rows=[range_row(1, dose1_range=2, dose2_range=3)]))
    assert different.table("Layers")[0][11] == "2, 3 (2) !"


def test_an_interrupted_delivery_says_how_far_it_came():
    page = page_of(check_of(as_planned(), as_planned(), of=5))
    assert "2 of 5, interrupted" in page.words
    assert page.table("Warnings")[0][0] == "interrupted delivery"


def test_no_data_is_said_and_is_no_failure():
    page = page_of(check_of(without_beam(as_planned()), without_beam(as_planned())))
    assert page.title.endswith("no data")
    assert (
        "no data verdict – of points pass 0 of 0 evaluated points – mean gamma – largest gamma" in page.words
    )
    assert "This says nothing of the delivery" in page.words
    assert not page.classes() & {"failed", "bad", "error", "conditional", "warn"}
    assert [row[3] for row in page.table("Layers")] == ["no data", "no data"]
    assert [row[6:8] for row in page.table("Layers")] == [["–", "–"]] * 2


def test_a_layer_without_any_dose_fails_where_another_has_some():
    page = page_of(check_of(as_planned(), without_beam(as_planned())))
    assert page.table("Layers")[1][3] == "0.00 %"
    assert page.table("Layers")[1][10] == "–"
    assert page.title.endswith("failed")


def test_the_page_has_the_pictures_of_the_delivery_inside():
    page = page_of(check_of(as_planned(), as_planned()))
    assert [caption.partition(" ")[0] for caption in page.captions()] == [
        *("Planned", "Gamma", "Pass", "What", "Errors"),
    ]
    pictures = list(page.root.iter("img"))
    assert len(pictures) == 5
    assert all(picture.get("alt") for picture in pictures)


def test_the_page_runs_nothing_and_needs_nothing_from_elsewhere():
    page = page_of(check_of(as_planned()))
    assert page.addresses() == []
    assert not list(page.root.iter("script", "link", "iframe", "object"))
    assert "url(" not in page.text
    assert "default-src 'none'" in page.text


def test_the_notice_is_on_the_page_and_on_every_printed_sheet():
    page = page_of(check_of(as_planned()))
    assert page.words.startswith(NOTICE)
    assert f'@bottom-center {{ content: "{NOTICE}"' in page.text
    assert '@top-right { content: "Case QA0001"' in page.text


def test_whatever_beam_patient_and_plan_are_called_is_shown_and_not_obeyed():
    plan, check = check_of(as_planned())
    plain = page_of((plan, check))
    name = '<b>a&b</b> <script>alert(1)</script> "><img src=x> {{ 1 }} ${x}'
    plan, check = check_of(as_planned(), name=name)
    odd = replace(plan, patient_id="QA<i>1</i>", label="<h1>x</h1>")
    page = page_of((odd, check))
    facts = page.table("What was delivered")
    assert f"beam 5, {name}" in page.words
    assert facts[0][1] == "QA<i>1</i>"
    assert facts[1][1] == "<h1>x</h1>"
    assert facts[2][1].startswith(name)
    assert [element.tag for element in page.root.iter()] == [element.tag for element in plain.root.iter()]


def test_the_same_check_has_the_same_page():
    made = check_of(as_planned(), as_planned(off_mm=[1.0]))
    assert page_of(made).text == page_of(made).text


def test_pictures_for_metadata_are_small_and_named():
    pictures = delivery_pictures(check_of(*[as_planned(off_mm=[1.0])] * 9)[1])
    assert list(pictures) == ["positions", "gamma", "layers"]
    assert all(len(text.encode()) <= PICTURE_CAP for text in pictures.values())
    assert all(text.startswith("![") and "data:image/png;base64," in text for text in pictures.values())


@pytest.mark.parametrize(
    "make", [lambda plan, check: page_of((plan, check)), lambda plan, check: delivery_pictures(check)]
)
def test_what_goes_wrong_while_drawing_is_a_failure_to_render_that_names_the_page(make, monkeypatch):
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("patient QA0001 <b>")

    monkeypatch.setattr(delivery_report, "histogram_picture", broken)
    with pytest.raises(BeamFailure) as failure:
        make(*check_of(as_planned()))
    assert isinstance(failure.value, RetryableBeamFailure)
    assert (failure.value.code, failure.value.phase) == ("render_failed", "report")
    assert "of delivery 2026032010000000" in failure.value.message
    assert "ZeroDivisionError" in failure.value.message
    assert "QA0001" not in failure.value.message
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_a_key_that_is_none_never_gets_into_a_style_sheet():
    plan, check = check_of(as_planned())
    with pytest.raises(BeamFailure) as failure:
        delivery_page('x"; } body { background: url(x)', plan, check, fraction_index=1, is_reference=False)
    assert failure.value.code == "render_failed"
