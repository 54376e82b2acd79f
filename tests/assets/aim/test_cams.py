"""Vehicles and CAMs: folding, the repair of Vehicle and Size with its worked examples, identity, CAM keys."""

import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from assets.aim.cams import CAM_SCHEMA, Cam, cam_key, first_of_each_cam, repair, repaired
from assets.aim.sizes import size_key
from assets.aim.vehicles import fold, folded, vehicle_key, vehicle_keys

FRAGMENTS = st.sampled_from(
    [
        "205/55R16",
        "7.50r16",
        "31x1050R15",
        "20555 R16C",
        "FORD",
        "_",
        " ",
        "\u00a0",
        "Citroën",
        "A4",
        "/",
        "1",
        "R",
    ]
)
TEXTS = st.lists(FRAGMENTS | st.text(max_size=3), max_size=5).map("".join)
OPTIONAL = st.none() | TEXTS

WORKED_EXAMPLES = [
    ("FORD FOCUS", "205/55R16", "FORD FOCUS", "205/55 R16", "205/55/16"),
    ("FORD FOCUS", "225/40ZR18", "FORD FOCUS", "225/40 ZR18", "225/40/18"),
    ("FORD FOCUS", "205/55r16", "FORD FOCUS", "205/55 R16", "205/55/16"),
    ("FORD FOCUS", "205/55RF16", "FORD FOCUS", "205/55 RF16", "205/55/16"),
    ("FORD FOCUS", "225\\55 R18", "FORD FOCUS", "225/55 R18", "225/55/18"),
    ("FORD FOCUS", "245/40R18 XL", "FORD FOCUS", "245/40 R18", "245/40/18"),
    ("FORD TRANSIT", "195/70R15C", "FORD TRANSIT", "195/70 R15C", "195/70/15C"),
    ("JEEP", "31/10.50R15", "JEEP", "31/10.50 R15", "31/10.50/15"),
    ("JEEP", "31x10.50R15", "JEEP", "31x10.50 R15", "31/10.50/15"),
    ("JEEP", "31/1050R15", "JEEP", "31/1050 R15", "31/10.50/15"),
    ("JEEP", "7.50R16", "JEEP", "7.50 R16", "7.50//16"),
    ("LAND", "ROVER90 205/80R16", "LAND ROVER90", "205/80 R16", "205/80/16"),
    ("AUDI A4 225/50R17 AVANT", "unknown", "AUDI A4 AVANT", "225/50 R17", "225/50/17"),
    ("VW", "GOLF205/55R16", "VW GOLF", "205/55 R16", "205/55/16"),
    ("VW_GOLF", "20555R16", "VW GOLF", "205/55 R16", "205/55/16"),
    ("FIAT 500C", "185/55 R15", "FIAT 500C", "185/55 R15", "185/55/15"),
    ("FORD FOCUS", "205/55 16", "FORD FOCUS", "205/55 16", None),
]


@pytest.mark.parametrize(("vehicle", "size", "vehicle_out", "size_out", "key"), WORKED_EXAMPLES)
def test_the_worked_examples_of_the_repair(vehicle, size, vehicle_out, size_out, key):
    assert repair(vehicle, size) == (vehicle_out, size_out)
    found = size_key(size_out)
    assert (found.text if found else None) == key


@pytest.mark.parametrize(
    ("vehicle", "size"),
    [
        (None, "205/55R16"),
        ("", "205/55R16"),
        (" _ ", "205/55R16"),
        ("FORD", None),
        ("FORD", " \t"),
        (None, None),
        ("205/55R16", "unknown"),
    ],
)
def test_a_row_that_keeps_a_blank_vehicle_or_size_is_not_repairable(vehicle, size):
    assert repair(vehicle, size) is None


@pytest.mark.parametrize(
    ("vehicle", "size", "expected"),
    [
        ("AUDI A4", "205/55R16", ("AUDI A4", "205/55 R16")),
        (None, "GOLF 205/55R16", ("GOLF", "205/55 R16")),
        ("VW 205/55R16", None, ("VW", "205/55 R16")),
        ("VW 195/65R15", "205/55R16", ("VW 195/65R15", "205/55 R16")),
        ("VW", "GOLF_GTI 205/55R16", ("VW GOLF GTI", "205/55 R16")),
        ("VW\u00a0 GOLF\t", " un  known ", ("VW GOLF", "un known")),
        ("VW GOLF205/55R16AVANT", "x", ("VW GOLF205/55R16AVANT", "x")),
        ("VW", "P205/55R16", ("VW P", "205/55 R16")),
    ],
)
def test_the_repair_moves_only_the_core_and_the_words_before_it(vehicle, size, expected):
    assert repair(vehicle, size) == expected


@given(OPTIONAL, OPTIONAL)
def test_repairing_twice_changes_nothing_more(vehicle, size):
    once = repair(vehicle, size)
    assert once is None or repair(*once) == once


@given(st.lists(st.tuples(OPTIONAL, OPTIONAL), max_size=8))
def test_repaired_columns_are_the_repaired_rows(rows):
    frame = pl.DataFrame(rows, {"v": pl.String, "s": pl.String}, orient="row")
    expected = [repair(*row) or (None, None) for row in rows]
    assert_frame_equal(repaired(frame["v"], frame["s"]), pl.DataFrame(expected, CAM_SCHEMA, orient="row"))


def test_the_rows_of_a_long_column_stay_in_their_order():
    vehicles = pl.Series([f"FORD {number % 700}" for number in range(5_000)])
    sizes = pl.Series(["205/55R16"] * 5_000)
    assert repaired(vehicles, sizes)["Vehicle"].equals(vehicles)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("CITROËN C3", "CITROENC3"),
        ("Citroe\u0308n c3", "CITROENC3"),
        ("Mercedes-Benz", "MERCEDESBENZ"),
        ("ŠKODA Ⅳ", "SKODAIV"),
        ("Straße", "STRASSE"),
        ("\uff26\uff2f\uff32\uff24", "FORD"),
        ("ﬁat", "FIAT"),
        ("²", "2"),
        ("Лада", ""),
        ("", ""),
    ],
)
def test_folding_keeps_the_letters_and_digits_of_every_spelling(text, key):
    assert fold(text) == key


@given(st.text())
def test_folding_is_the_documented_chain_of_steps_and_idempotent(text):
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in decomposed if not unicodedata.category(letter).startswith("M"))
    expected = "".join(letter for letter in bare.upper() if letter.isascii() and letter.isalnum())
    assert fold(text) == expected
    assert fold(fold(text)) == fold(text)


@given(st.lists(st.none() | st.text(max_size=6), max_size=8))
def test_folded_columns_are_the_folded_texts(texts):
    column = pl.Series("Vehicle", texts, dtype=pl.String)
    expected = pl.Series("Vehicle", [None if text is None else fold(text) for text in texts], dtype=pl.String)
    assert folded(column).equals(expected, check_names=True)


def test_two_spellings_of_a_vehicle_are_one():
    assert vehicle_key("CITROËN C3") == vehicle_key("Citroen c3")
    assert vehicle_keys(pl.Series(["CITROËN C3", "Citroen c3"])).n_unique() == 1


def test_the_first_row_of_each_vehicle_and_size_key_is_kept_with_all_its_columns():
    rows = [
        Cam("FORD FOCUS", "205/55 R16"),
        Cam("Ford  focus", "205/55 ZR16"),
        Cam("FORD FOCUS", "205/55 R16C"),
        Cam("FORD FOCUS", "un-known"),
        Cam("FordFocus", "UNKNOWN"),
        Cam("VW GOLF", "unknown"),
        Cam("FORD FOCUS", "2055516"),
    ]
    frame = pl.DataFrame(rows, CAM_SCHEMA, orient="row").with_row_index("row")
    assert first_of_each_cam(frame)["row"].to_list() == [0, 2, 3, 5, 6]


def test_the_cam_key_is_make_model_and_size_folded():
    assert cam_key("Mercedes-Benz", "C Class", "225", "45", "17") == "MERCEDESBENZCCLASS2254517"
    assert cam_key("Jeep", "Wrangler", "31", "10.50", "15C") == "JEEPWRANGLER31105015C"
