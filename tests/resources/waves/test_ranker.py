"""The ranker's worked examples, and each of its rules where an example does not show it."""

import logging
import random

import polars as pl
import pytest

from resources.waves import Cam, Parameters, WavesMisconfigured
from resources.waves.ranker import Ranker
from resources.waves.score_index import ScoreIndex
from tests.resources.waves.score_rows import (
    FOCUS,
    GOLF,
    OCTAVIA,
    TIERS,
    changed,
    example_rows,
    frame,
    product_id,
    row,
    shown,
)


def answer(rows, cam=FOCUS, **parameters):
    return Ranker(ScoreIndex(frame(rows)), Parameters(**parameters)).answer(cam)


def slots(rows, cam=FOCUS, **parameters):
    return shown(answer(rows, cam, **parameters))


def only(*numbers):
    return [row for row in example_rows() if row["ProductId"] in map(product_id, numbers)]


@pytest.mark.parametrize(
    ("case", "found", "expected"),
    [
        ("W1", lambda: slots(example_rows()), "1 4 3 6 | 2 5 8 9"),
        ("W2", lambda: slots(changed(example_rows(), BudgetShare=0.0)), "1 4 6 2 | 3 5 8 9"),
        ("W3", lambda: slots(example_rows(), season="Winter"), "1 6 3 4 | 2 5 8 9"),
        ("W4", lambda: slots(example_rows(), model_enhancer="tour"), "1 4 2 3 | 6 5 8 9"),
        ("W5", lambda: slots(example_rows(), brand_enhancer="Zeta"), "1 4 3 6 | 8 2 5 9"),
        ("W6", lambda: slots(example_rows(), OCTAVIA), "8 1 3 4 | 6 9 2 5"),
        ("W7", lambda: slots(only(1, 3, 6)), "1 6 3 -"),
    ],
)
def test_the_worked_examples(case, found, expected):
    assert found() == expected, case


def test_three_products_fill_no_four_hotboxes():
    found = answer(only(1, 3, 6))
    assert (found["success"], found["error_code"]) == (False, "NO_RESULTS")
    assert set(found["SKUs"]) == {"-"}


def test_a_size_that_no_product_has_gets_no_results():
    found = answer(example_rows(), Cam("FORD FOCUS", "195/65 R15", "FORDFOCUS", "195/65/15"))
    assert (shown(found), found["success"], found["error_code"]) == ("- - - -", False, "NO_RESULTS")


def test_an_answer_has_the_form_of_the_service():
    found = answer(example_rows())
    assert found == {
        "Vehicle": "FORD FOCUS",
        "Size": "205/55 R16",
        "HB1": "10000001",
        "HB2": "10000004",
        "HB3": "10000003",
        "HB4": "10000006",
        "SKUs": ["10000002", "10000005", "10000008", "10000009", *["-"] * 16],
        "success": True,
        "error_code": None,
        "usage": {"prompt_token_count": 0, "candidates_token_count": 0, "total_token_count": 0},
    }


@pytest.mark.parametrize(
    ("vehicle", "size"), [("", "205/55 R16"), (" ", "205/55 R16"), ("FORD", "NaN"), ("nan", "x")]
)
def test_a_blank_vehicle_or_size_is_invalid_input(vehicle, size):
    found = answer(example_rows(), Cam(vehicle, size, "FORDFOCUS", "205/55/16"))
    assert (found["success"], found["error_code"]) == (False, "INVALID_INPUT")
    assert (found["Vehicle"], found["Size"]) == (vehicle, size)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("goldilocks_zone_pct", 4.9),
        ("goldilocks_zone_pct", 51),
        ("goldilocks_zone_pct", float("nan")),
        ("price_fluctuation_upper", 2.1),
        ("price_fluctuation_upper", 0.9),
        ("price_fluctuation_lower", 0.4),
        ("price_fluctuation_lower", 1.1),
    ],
)
def test_a_number_out_of_its_range_takes_the_default_and_a_warning_says_so(name, value, caplog):
    caplog.set_level(logging.WARNING)
    assert slots(example_rows(), **{name: value}) == "1 4 3 6 | 2 5 8 9"
    assert [f"{name} is {value}, outside" in record.getMessage() for record in caplog.records] == [True]


@pytest.mark.parametrize("name", ["brand_enhancer", "model_enhancer", "season"])
@pytest.mark.parametrize("blank", [None, "", " \t"])
def test_a_blank_enhancer_is_none(name, blank):
    rows = changed(example_rows(), **dict.fromkeys(("BRAND", "Model", "SEASONAL_PERFORMANCE")))
    assert slots(rows, **{name: blank}) == "1 4 3 6 | 2 5 8 9"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"goldilocks_zone_pct": 50}, "2 1 3 4 | 6 5 8 9"),
        ({"goldilocks_zone_pct": 5}, "2 1 3 5 | 4 6 8 9"),
        ({"price_fluctuation_upper": 1.2}, "1 5 3 4 | 6 2 8 9"),
        ({"price_fluctuation_lower": 1.0}, "1 4 3 2 | 5 6 8 9"),
    ],
)
def test_the_limits_of_prices_decide_what_comes_first(parameters, expected):
    assert slots(example_rows(), **parameters) == expected


def test_a_size_without_a_core_is_found_by_its_folded_text():
    rows = changed(example_rows(), SIZE="205/55 16", size_key=None)
    assert slots(rows, Cam("FORD FOCUS", " 205-55  16", "FORDFOCUS", None)) == "1 4 3 6 | 2 5 8 9"
    assert answer(rows, FOCUS)["error_code"] == "NO_RESULTS"


def test_a_size_of_which_nothing_is_left_matches_nothing():
    rows = [*changed(example_rows(), SIZE="--", size_key=None), row(20, SIZE=None, size_key=None)]
    assert answer(rows, Cam("FORD FOCUS", "?", "FORDFOCUS", None))["error_code"] == "NO_RESULTS"


def test_a_vehicle_without_a_key_has_no_own_rows():
    rows = [*example_rows(), row(20, Vehicle="--", vehicle_key="", PRICE=500.0)]
    assert slots(rows, Cam("??", "205/55 R16", "", "205/55/16")) == slots(rows, OCTAVIA)


def test_what_is_known_of_a_vehicle_stands_in_its_row_of_the_lowest_product():
    rows = example_rows()
    assert slots(changed(rows, 1, BudgetShare=0.0)) == "1 4 6 2 | 3 5 8 9"
    assert slots(changed(rows, 2, BudgetShare=0.0)) == "1 4 3 6 | 2 5 8 9"
    assert slots(changed(rows, 1, RunflatShare=5.0)) == "1 7 3 4 | 6 2 5 8 9"
    assert slots(changed(rows, 1, GoldilocksZone=90.0)) == "2 1 3 5 | 4 6 8 9"


def test_of_two_spellings_of_a_vehicle_the_one_that_sold_most_speaks():
    two = [row(1, Vehicle="FORD-FOCUS", vehicle_key="FORDFOCUS", Units=9, BudgetShare=0.0), row(1, Units=8)]
    rows = [*two, *(row(number) for number in (2, 3)), *(row(number, GRADE="Budget") for number in (4, 5))]
    assert slots(rows) == "1 2 3 - | 4 5"


def test_without_own_rows_the_shares_are_the_greatest_of_the_size():
    rows = changed(example_rows(), BudgetShare=0.0)
    assert slots(rows, OCTAVIA) == "8 1 4 6 | 3 9 2 5"
    assert slots(changed(rows, 9, BudgetShare=0.1), OCTAVIA) == "8 1 3 4 | 6 9 2 5"
    assert slots(changed(example_rows(), 9, RunflatShare=0.1), OCTAVIA) == "8 1 3 7 | 4 6 9 2 5"


def test_without_own_rows_each_product_is_judged_by_its_own_zone():
    rows = changed(example_rows(), 8, GoldilocksZone=300.0)
    assert slots(rows, OCTAVIA) == "1 4 3 6 | 9 8 2 5"


def test_the_products_of_other_vehicles_are_judged_by_the_zone_of_this_one():
    rows = changed(changed(example_rows(), 8, PRICE=200.0, GoldilocksZone=200.0), 9, PRICE=70.0)
    assert slots(rows) == "1 4 3 6 | 2 5 9 8"


def test_without_a_zone_every_known_price_is_near():
    rows = changed(changed(example_rows(), GoldilocksZone=None), 3, PRICE=None)
    assert slots(rows) == "2 1 4 6 | 3 5 8 9"


def test_a_price_that_is_not_known_is_not_near_and_an_unknown_fluctuation_is_steady():
    assert slots(changed(example_rows(), 4, PRICE=None)) == "1 6 3 2 | 5 4 8 9"
    assert slots(changed(example_rows(), 5, PRICEFLUCTUATION=None)) == "1 5 3 4 | 6 2 8 9"
    assert slots(changed(example_rows(), 5, PRICEFLUCTUATION=float("nan"))) == "1 5 3 4 | 6 2 8 9"


@pytest.mark.parametrize(
    ("price", "fluctuation", "is_in"),
    [
        (80.50, 1.0, True),
        (59.50, 1.0, True),
        (80.51, 1.0, False),
        (59.49, 1.0, False),
        (70.0, 1.1, True),
        (70.0, 0.9, True),
        (70.0, 1.11, False),
        (70.0, 0.89, False),
        (80.50 + 9e-10, 1.1 + 9e-10, True),
        (80.50 + 2e-9, 1.0, False),
    ],
)
def test_the_edges_of_the_band_belong_to_it(price, fluctuation, is_in):
    rows = changed(example_rows(), 2, PRICE=price, PRICEFLUCTUATION=fluctuation)
    assert slots(rows) == ("2 1 3 4 | 6 5 8 9" if is_in else "1 4 3 6 | 2 5 8 9")


def test_of_the_rows_of_a_product_the_one_that_sold_most_counts_then_the_first_vehicle():
    others = [
        row(8, Vehicle="AUDIA4", Units=50, PRICE=200.0),
        row(8, Vehicle="ZASTAVA", Units=50, PRICE=70.0),
    ]
    fewer = [row(8, Vehicle="AAA", Units=49, PRICE=200.0), row(8, Vehicle=None, vehicle_key=None, Units=50)]
    rows = [*(r for r in example_rows() if r["ProductId"] != product_id(8)), *others, *fewer]
    assert slots(rows, OCTAVIA) == "1 4 3 6 | 9 8 2 5"
    assert slots(changed(rows, 8, Units=50), OCTAVIA) == "1 4 3 6 | 9 8 2 5"
    beaten = [{**r, "Units": 51} if r["Vehicle"] == "ZASTAVA" else r for r in rows]
    assert slots(beaten, OCTAVIA) == "8 1 3 4 | 6 9 2 5"


def test_a_product_that_this_vehicle_and_others_bought_is_the_vehicles_own():
    rows = [*example_rows(), row(6, Vehicle="VWGOLF", TyreScore=TIERS["BEST"], Units=999)]
    assert slots(rows) == "1 4 3 6 | 2 5 8 9"


def test_ties_go_to_the_lower_product():
    assert slots([row(number) for number in (5, 3, 4, 2, 1, 6)]) == "1 2 3 4 | 5 6"


def test_a_missing_tier_comes_last():
    rows = [row(1, TyreScore=None), *(row(number, TyreScore="Unclassified") for number in (2, 3, 4, 5))]
    assert slots(rows) == "2 3 4 5 | 1"


def test_runflat_is_a_candidate_only_where_runflat_sells():
    rows = changed(example_rows(), 7, RunflatStatus=" runflat ")
    assert "7" not in slots(rows).split()
    assert slots(changed(rows, RunflatShare=0.01)) == "1 7 3 4 | 6 2 5 8 9"


@pytest.mark.parametrize("share", [0.0, None])
def test_budget_is_in_no_hotbox_where_none_sells_and_in_the_list_all_the_same(share):
    rows = [row(1), *(row(number, GRADE=" budget ") for number in (2, 3, 4, 5))]
    found = answer(changed(rows, BudgetShare=share))
    assert (shown(found), found["success"]) == ("1 - - - | 2 3 4 5", False)


def test_budget_never_leads_even_if_there_is_nothing_else():
    found = answer([row(number, GRADE="Budget") for number in range(1, 7)])
    assert (shown(found), found["error_code"]) == ("- - 1 2 | 3 4 5 6", "NO_RESULTS")


@pytest.mark.parametrize(
    ("rows", "parameters", "expected"),
    [
        ("as they are", {"model_enhancer": " ECO "}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"model_enhancer": "Van"}, "1 4 8 3 | 6 2 5 9"),
        ("as they are", {"model_enhancer": "Track"}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"model_enhancer": "unheard of"}, "1 4 3 6 | 2 5 8 9"),
        ("no budget", {"model_enhancer": "Eco"}, "1 4 6 2 | 3 5 8 9"),
        ("as they are", {"season": "all-season"}, "1 4 3 5 | 6 2 8 9"),
        ("as they are", {"season": "winter", "model_enhancer": "ice"}, "1 6 4 3 | 2 5 8 9"),
        ("as they are", {"season": "winter", "model_enhancer": "tour"}, "1 6 2 4 | 3 5 8 9"),
        ("as they are", {"season": "summer", "model_enhancer": "eco"}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"season": "spring"}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"brand_enhancer": " alpha"}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"brand_enhancer": "beta"}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"brand_enhancer": "omega"}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"brand_enhancer": "unheard of"}, "1 4 3 6 | 2 5 8 9"),
        ("as they are", {"brand_enhancer": "zeta", "season": "Winter"}, "1 6 3 4 | 8 2 5 9"),
    ],
)
def test_what_the_enhancers_change(rows, parameters, expected):
    given = example_rows() if rows == "as they are" else changed(example_rows(), BudgetShare=0.0)
    assert slots(given, **parameters) == expected


def test_enhancers_prefer_tiers_to_prices():
    rows = [
        *changed(example_rows(), 2, SEASONAL_PERFORMANCE="Winter"),
        row(10, BRAND="Zeta", Vehicle="VWGOLF"),
    ]
    assert slots(rows, season="Winter") == "1 4 3 2 | 6 5 8 10 9"
    assert slots(changed(rows, 8, PRICE=200.0), brand_enhancer="Zeta") == "1 4 3 6 | 8 2 5 10 9"


def test_a_reservation_that_leaves_a_hotbox_empty_is_given_up():
    rows = [row(1, Model="Tour"), row(2), row(3, GRADE="Budget"), row(4, GRADE="Budget")]
    assert slots(rows) == "1 2 3 4"
    assert slots(rows, model_enhancer="Tour") == "1 2 3 4"
    assert slots(rows, season="summer") == "1 2 3 4"


def test_reservations_are_given_up_also_where_that_fills_no_more():
    rows = [row(1, Model="Tour"), row(2), row(3, GRADE="Budget")]
    assert slots(rows, model_enhancer="Tour") == "1 2 3 -"


def test_the_list_has_twenty_slots_and_no_more():
    found = answer([row(number) for number in range(1, 40)])
    assert [found[f"HB{n}"] for n in range(1, 5)] + found["SKUs"] == [
        str(product_id(n)) for n in range(1, 25)
    ]


def test_the_order_of_the_rows_changes_nothing():
    rows = [*example_rows(), row(8, Vehicle="FORD FOCUS", vehicle_key="FORDFOCUS", Units=50)]
    ranker = Ranker(ScoreIndex(frame(rows)), Parameters())
    for seed in range(20):
        shuffled = random.Random(seed).sample(rows, len(rows))
        other = Ranker(ScoreIndex(frame(shuffled)), Parameters())
        for cam in (FOCUS, GOLF, OCTAVIA):
            assert other.answer(cam) == ranker.answer(cam)


def test_no_rows_at_all_give_no_results():
    assert answer([])["error_code"] == "NO_RESULTS"


def test_a_missing_column_is_named():
    scores = frame(example_rows()).drop("Units", "size_key")
    with pytest.raises(WavesMisconfigured, match="no column Units, size_key"):
        ScoreIndex(scores)


def test_a_product_that_a_vehicle_has_twice_is_refused():
    with pytest.raises(WavesMisconfigured, match="twice for the same vehicle"):
        ScoreIndex(frame([row(1), row(1, PRICE=1.0)]))


def test_other_columns_and_narrower_types_do_not_matter():
    scores = frame(example_rows()).with_columns(
        pl.col("PRICE").cast(pl.Float32), pl.col("Units").cast(pl.Int16)
    )
    ranker = Ranker(ScoreIndex(scores.with_columns(Segment=pl.lit("SUV"))), Parameters())
    assert shown(ranker.answer(FOCUS)) == "1 4 3 6 | 2 5 8 9"
