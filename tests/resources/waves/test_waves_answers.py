"""Reading what the service says: tokens, whose answer is whose, segments; and writing what was asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.waves import Cam, Journal, Parameters, Usage
from resources.waves.matching import match_answers
from resources.waves.segment_options import segment_options


def cams(*vehicles):
    return [Cam(vehicle, "205/55 R16", vehicle, "205/55/16") for vehicle in vehicles]


def echo(vehicle: object, size: object = "205/55 R16", **others):
    return {"Vehicle": vehicle, "Size": size, "success": True, **others}


def test_as_many_answers_as_cams_are_matched_by_position_whatever_they_echo():
    answers = [echo("B"), None, {}]
    assert match_answers(cams("A", "B", "C"), answers) == (answers, 0)


def test_fewer_answers_are_matched_by_what_they_echo():
    found, surplus = match_answers(cams("A", "B", "C"), [echo("C"), echo("A")])
    assert surplus == 0
    assert [answer["Vehicle"] for answer in found] == ["A", "B", "C"]
    assert [answer["error_code"] for answer in found if not answer["success"]] == ["MISSING_RESULT"]
    assert (found[1]["HB1"], found[1]["SKUs"]) == ("-", ["-"] * 20)


def test_more_answers_are_matched_by_what_they_echo_and_the_rest_is_counted():
    found, surplus = match_answers(cams("A", "B"), [echo("X"), echo("B"), None, echo("A"), 7])
    assert [answer["Vehicle"] for answer in found] == ["A", "B"]
    assert surplus == 3


def test_an_echo_counts_only_exactly_as_it_was_sent():
    answers = [echo("a"), echo("A", "205/55R16"), echo("A", None), echo(["A"])]
    found, surplus = match_answers(cams("A"), answers)
    assert (found[0]["error_code"], surplus) == ("MISSING_RESULT", 4)


def test_each_answer_is_used_once_in_order():
    found, surplus = match_answers(cams("A", "A", "A"), [echo("A", n=1), echo("A", n=2)])
    assert [answer.get("n") for answer in found] == [1, 2, None]
    assert surplus == 0


@given(st.lists(st.sampled_from("ABCD")), st.lists(st.sampled_from("ABCDE")))
def test_no_answer_is_lost_and_none_goes_to_another_cam(asked, answered):
    found, surplus = match_answers(cams(*asked), [echo(vehicle) for vehicle in answered])
    assert len(found) == len(asked)
    used = [answer["Vehicle"] for answer in found if answer["success"]]
    assert len(used) + surplus == len(answered)
    if len(asked) != len(answered):
        assert [answer["Vehicle"] for answer in found] == asked


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"prompt_token_count": 70, "candidates_token_count": 30, "total_token_count": 100}, (70, 30, 100)),
        ({"prompt_token_count": None, "total_token_count": 5.0}, (0, 0, 5)),
        ({"prompt_token_count": "70", "candidates_token_count": True, "total_token_count": -1}, (0, 0, 0)),
        ({"prompt_token_count": float("inf"), "candidates_token_count": float("nan")}, (0, 0, 0)),
        ({}, (0, 0, 0)),
        (None, (0, 0, 0)),
        ([1], (0, 0, 0)),
    ],
)
def test_a_counter_that_is_none_is_zero(counters, expected):
    usage = Usage.of(counters)
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count) == expected


def test_null_and_blank_parameters_are_left_out():
    assert Parameters(brand_enhancer=" ", season="Winter", disable_search=False).given() == {
        "goldilocks_zone_pct": 15,
        "price_fluctuation_upper": 1.1,
        "price_fluctuation_lower": 0.9,
        "season": "Winter",
        "disable_search": False,
    }


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            '<select name="segment"><option value="a">SUV</option><option>City  Car\n</option></select>',
            ["SUV", "City Car"],
        ),
        ('<select name="segment"><option>-- all --<option> <option>SUV<option>Van</select>', ["SUV", "Van"]),
        (
            '<select name="pod"><option>No</option></select><select name="segment"><option>Yes</select>',
            ["Yes"],
        ),
        (
            '<select name="segment"><optgroup><option selected>A &amp; B</option></select><option>C',
            ["A & B"],
        ),
        ("<select><option>No</option></select>", []),
        ("please log in", []),
        ("", []),
    ],
)
def test_the_segments_are_the_options_of_their_select(page, expected):
    assert segment_options(page) == expected


def test_requests_are_listed_sorted_and_those_without_an_answer_last():
    journal = Journal()
    for status in (None, 503, 200, 200):
        journal.requests["POST", "/api/recommendations/batch", status] += 1
    journal.requests["GET", "/app", 200] += 1
    assert journal.http_requests() == [
        {"method": "GET", "path": "/app", "status": 200, "count": 1},
        {"method": "POST", "path": "/api/recommendations/batch", "status": 200, "count": 2},
        {"method": "POST", "path": "/api/recommendations/batch", "status": 503, "count": 1},
        {"method": "POST", "path": "/api/recommendations/batch", "status": None, "count": 1},
    ]
