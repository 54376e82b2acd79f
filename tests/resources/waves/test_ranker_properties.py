"""The ranker on random scores: its promises, and the same slots as the rules told plainly."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.aim.vehicles import fold
from resources.waves import Cam, Parameters
from resources.waves.ranker import Ranker
from resources.waves.score_index import ScoreIndex, folded
from tests.resources.waves.plain_ranker import plain_slots
from tests.resources.waves.score_rows import TIERS, frame, product_id, row

SIZES = [("205/55 R16", "205/55/16"), ("205/55 ZR16", "205/55/16"), ("7.50 R16", "7.50//16"), ("spare", None)]
VEHICLES = ["FORDFOCUS", "FORD FOCUS", "Förd Focus", "VWGOLF", "--", None]
TEXTS = [None, "", "alpha", " Alpha ", "BETA", "Gämma"]
SEASONS = [None, "Winter", "winter ", "All-Season", "allseason", "Summer"]

shares = st.sampled_from([0.0, 0.01, 40.0])
prices = st.sampled_from([None, 10.0, 59.5, 70.0, 80.5, 85.0])


@st.composite
def score_rows(draw):
    """Rows in which everything ties with everything. A product may even have several sizes."""
    keys = draw(
        st.lists(
            st.tuples(st.integers(1, 12), st.sampled_from(VEHICLES)), unique=True, min_size=0, max_size=60
        )
    )
    return [draw(one_row(number, vehicle)) for number, vehicle in keys]


@st.composite
def one_row(draw, number, vehicle):
    size, size_key = draw(st.sampled_from(SIZES))
    return row(
        number,
        Vehicle=vehicle,
        vehicle_key=None if vehicle is None else folded(vehicle),
        SIZE=size,
        size_key=size_key,
        TyreScore=draw(st.sampled_from([*TIERS.values(), "Unclassified"])),
        GRADE=draw(st.sampled_from(["Premium", "Budget", " budget", None])),
        BRAND=draw(st.sampled_from(TEXTS)),
        Model=draw(st.sampled_from(TEXTS)),
        SEASONAL_PERFORMANCE=draw(st.sampled_from(SEASONS)),
        RunflatStatus=draw(st.sampled_from(["Runflat", "Non-Runflat"])),
        PRICE=draw(prices),
        PRICEFLUCTUATION=draw(st.sampled_from([None, 0.5, 0.9, 1.0, 1.1, 1.2])),
        Units=draw(st.integers(0, 2)),
        GoldilocksZone=draw(prices),
        BudgetShare=draw(shares),
        RunflatShare=draw(shares),
    )


@st.composite
def asked(draw):
    vehicle = draw(st.sampled_from(["Ford Focus", "VW Golf", "Skoda", "??", "nan"]))
    size, size_key = draw(st.sampled_from([*SIZES, ("195/65 R15", "195/65/15"), ("", None)]))
    return Cam(vehicle, size, folded(vehicle), size_key)


parameters = st.builds(
    Parameters,
    goldilocks_zone_pct=st.sampled_from([5, 15, 50]),
    price_fluctuation_upper=st.sampled_from([1.0, 1.1, 2.0]),
    price_fluctuation_lower=st.sampled_from([0.5, 0.9, 1.0]),
    brand_enhancer=st.sampled_from(TEXTS),
    model_enhancer=st.sampled_from(TEXTS),
    season=st.sampled_from(SEASONS),
)


def slots_of(answer):
    return [answer[f"HB{number}"] for number in range(1, 5)] + answer["SKUs"]


@settings(max_examples=400, deadline=None)
@given(score_rows(), asked(), parameters)
def test_the_slots_are_those_of_the_rules_told_plainly(rows, cam, parameters):
    found = Ranker(ScoreIndex(frame(rows)), parameters).answer(cam)
    assert (slots_of(found), found["error_code"]) == plain_slots(rows, cam, parameters)


@settings(max_examples=200, deadline=None)
@given(score_rows(), asked(), parameters, st.randoms())
def test_the_promises_hold_whatever_the_scores(rows, cam, parameters, chance):
    found = Ranker(ScoreIndex(frame(rows)), parameters).answer(cam)
    filled = [slot for slot in slots_of(found) if slot != "-"]
    of_size = {
        str(row["ProductId"]): row
        for row in rows
        if (row["size_key"] or folded(row["SIZE"])) == (cam.size_key or folded(cam.size))
    }
    assert set(filled) <= set(of_size)
    assert len(set(filled)) == len(filled)
    assert (
        found["success"] == (found["error_code"] is None) == all(found[f"HB{n}"] != "-" for n in range(1, 5))
    )
    if "-" in found["SKUs"]:
        assert set(found["SKUs"][found["SKUs"].index("-") :]) == {"-"}

    shuffled = chance.sample(rows, len(rows))
    assert Ranker(ScoreIndex(frame(shuffled)), parameters).answer(cam) == found


@settings(max_examples=100, deadline=None)
@given(st.integers(24, 60), st.integers(0, 40), parameters, st.integers())
def test_all_slots_are_full_when_there_are_candidates_enough(others, budgets, parameters, seed):
    numbers = range(1, others + budgets + 1)
    rows = [
        row(number, GRADE="Budget" if number > others else "Premium", Units=number % 5) for number in numbers
    ]
    random.Random(seed).shuffle(rows)
    found = Ranker(ScoreIndex(frame(rows)), parameters).answer(
        Cam("Ford Focus", "x", "FORDFOCUS", "205/55/16")
    )
    assert found["success"]
    assert "-" not in slots_of(found)
    assert {found["HB1"], found["HB2"]} <= {str(product_id(number)) for number in range(1, others + 1)}


@given(st.text())
def test_the_ranker_folds_as_the_pipeline_does(text):
    assert folded(text) == fold(text)
