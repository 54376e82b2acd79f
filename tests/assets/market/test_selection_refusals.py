"""What selection refuses, and the sentence it says."""

from datetime import UTC, date, datetime
from typing import Literal

import numpy as np
import pytest

from assets.failures import PermanentFailure
from assets.market.dbn import VendorFile
from assets.market.recipe import Recipe
from scripts.sample_data.dbn_writer import SymbolInterval, empty_records
from tests.assets.market.vendor_files import (
    ALWAYS,
    BASE_TICKS,
    NAME,
    Bar,
    bars_at,
    file_of,
    file_of_records,
    ids_of,
    mappings_of,
    records_of,
    selected,
)

DAY = "2025-10-15"
TICK = 250_000_000
PRICE = BASE_TICKS * TICK
UNDEFINED = 2**63 - 1
BOTH_RULES = pytest.mark.parametrize("rules", ["strict", "compat"])


def refusal(file: VendorFile, month: str = "2025-10", recipe: Recipe | None = None) -> str:
    """The sentence with which a file is refused, less its name."""
    with pytest.raises(PermanentFailure) as failure:
        selected(file, month, recipe)
    sentence = str(failure.value)
    assert sentence.startswith(f"{NAME}: ")
    assert "\n" not in sentence
    return sentence.removeprefix(f"{NAME}: ")


def changed(bars: list[Bar], row: int, **fields: int) -> VendorFile:
    """A file of the bars with some fields of one record replaced."""
    records = records_of(bars)
    for name, value in fields.items():
        records[name][row] = value
    return file_of_records(records, mappings_of(ids_of(bars)))


# ---- prices and times of the chosen contract ----

IMPOSSIBLE = [
    ({"open": UNDEFINED}, "an undefined price"),
    ({"high": UNDEFINED}, "an undefined price"),
    ({"low": UNDEFINED}, "an undefined price"),
    ({"close": UNDEFINED}, "an undefined price"),
    (dict.fromkeys(("open", "high", "low", "close"), UNDEFINED), "an undefined price"),
    ({"low": 0}, "a zero or negative price"),
    ({"low": -TICK}, "a zero or negative price"),
    ({"low": -(2**63)}, "a zero or negative price"),
    (dict.fromkeys(("open", "high", "low", "close"), 0), "a zero or negative price"),
    ({"high": PRICE + 1}, "a price off the 0.25 grid"),
    ({"low": PRICE - 50_000_000}, "a price off the 0.25 grid"),
    (dict.fromkeys(("open", "high", "low", "close"), PRICE + 100_000_000), "a price off the 0.25 grid"),
    ({"high": PRICE - TICK}, "open, high, low and close out of order"),
    ({"low": PRICE + TICK}, "open, high, low and close out of order"),
    ({"open": PRICE + TICK}, "open, high, low and close out of order"),
    ({"open": PRICE - TICK}, "open, high, low and close out of order"),
    ({"close": PRICE + TICK}, "open, high, low and close out of order"),
    ({"close": PRICE - TICK}, "open, high, low and close out of order"),
]


@BOTH_RULES
@pytest.mark.parametrize(("fields", "rule"), IMPOSSIBLE)
@pytest.mark.parametrize("clock", ["00:00:00", "07:29:59", "07:30:00", "14:59:59", "15:00:00", "23:59:59"])
def test_an_impossible_price_is_refused_anywhere_on_the_session_date(rules, fields, rule: str, clock: str):
    bars = [Bar("ESH6", f"{DAY} 08:00:00"), Bar("ESZ5", f"{DAY} 09:00:00"), Bar("ESZ5", f"{DAY} {clock}")]
    utc = f"{'2025-10-16' if clock == '23:59:59' else DAY}T{(int(clock[:2]) + 5) % 24:02d}{clock[2:]}Z"
    assert refusal(changed(bars, 2, **fields), recipe=Recipe(rules)).startswith(
        f"record 3 (ES-2025-12 at {utc}) has {rule}: open "
    )


def test_a_refused_price_is_told_in_full():
    bars = bars_at("ESZ5", DAY, "09:00:00")
    assert refusal(changed(bars, 0, high=PRICE + 1)) == (
        "record 1 (ES-2025-12 at 2025-10-15T14:00:00Z) has a price off the 0.25 grid: open 6700000000000, "
        "high 6700000000001, low 6700000000000, close 6700000000000 in units of 1e-9; download it again"
    )


@BOTH_RULES
def test_a_bar_that_starts_inside_a_second_is_refused(rules):
    bars = [*bars_at("ESZ5", DAY, "09:00:00"), Bar("ESZ5", f"{DAY} 09:00:01.000001")]
    assert refusal(file_of(bars), recipe=Recipe(rules)).startswith(
        "record 2 (ES-2025-12 at 2025-10-15T14:00:01Z) has a start that is no whole second: "
    )


@pytest.mark.parametrize("time", [2**64 - 1, 2**63])
def test_an_undefined_time_is_refused(time: int):
    bars = bars_at("ESZ5", DAY, "09:00:00", "09:00:01", "09:00:02")
    assert refusal(changed(bars, 1, ts_event=time)) == "record 2 has an undefined ts_event; download it again"


@BOTH_RULES
@pytest.mark.parametrize("volume", [2**32, 2**63, 2**64 - 1])
def test_a_volume_beyond_all_reason_cannot_turn_the_choice_of_a_contract(rules, volume: int):
    bars = bars_at("ESZ5", DAY, "09:00:00", "09:00:01") + bars_at("ESH6", DAY, "09:00:01")
    assert refusal(changed(bars, 2, volume=volume), recipe=Recipe(rules)) == (
        f"record 3 ({'ES-2026-03' if rules == 'strict' else 'ESH6'} at 2025-10-15T14:00:01Z) has the volume "
        f"{volume:,}, 4,294,967,295 is the largest possible; download it again"
    )


def test_the_largest_volumes_add_up_exactly():
    bars = bars_at("ESZ5", DAY, "09:00:00", "09:00:01", "09:00:02", volume=2**32 - 1)
    [chosen] = selected(file_of(bars)).sessions
    assert chosen.choice.volume == 3 * (2**32 - 1)


# ---- symbols ----


@BOTH_RULES
@pytest.mark.parametrize(
    ("clock", "with_others"), [("07:30:00", True), ("14:59:59", True), ("09:00:00", False)]
)
def test_an_unmapped_instrument_in_a_session_is_refused(rules, clock: str, with_others: bool):
    bars = [
        Bar("ESZ5", "2025-10-14 09:00:00"),
        Bar("nobody", f"{DAY} 06:00:00"),
        Bar("nobody", f"{DAY} {clock}"),
        Bar("nobody", f"{DAY} 16:00:00"),
    ]
    bars += bars_at("ESZ5", DAY, "10:00:00") if with_others else []
    file = file_of_records(records_of(bars), mappings_of({"ESZ5": ids_of(bars)["ESZ5"]}))
    assert refusal(file, recipe=Recipe(rules)) == (
        f"instrument {ids_of(bars)['nobody']} (record 3) has no symbol in the header, bars without one in "
        f"the session of {DAY}: 1; download it again with its symbol mappings"
    )


def test_an_unmapped_instrument_outside_the_sessions_is_only_counted():
    bars = [Bar("nobody", f"{DAY} {clock}") for clock in ("00:00:00", "07:29:59", "15:00:00", "23:59:59")]
    bars += [Bar("nobody", "2025-10-18 09:00:00"), *bars_at("ESZ5", DAY, "09:00:00")]
    file = file_of_records(records_of(bars), mappings_of({"ESZ5": ids_of(bars)["ESZ5"]}))
    assert selected(file).counts.unmapped_rows == 5


def test_an_instrument_is_unmapped_on_the_end_date_of_its_interval():
    mappings = {"ESZ5": [SymbolInterval(date(2025, 10, 14), date(2025, 10, 15), 1)]}
    for day, is_mapped in {"2025-10-13": False, "2025-10-14": True, "2025-10-15": False}.items():
        file = file_of_records(records_of(bars_at("ESZ5", day, "09:00:00")), mappings)
        if is_mapped:
            assert len(selected(file).sessions) == 1
        else:
            assert f"bars without one in the session of {day}: 1;" in refusal(file)


def test_an_instrument_with_two_symbols_on_one_date_is_refused():
    mappings = {"ESZ5": [SymbolInterval(*ALWAYS, 1)], "ESH6": [SymbolInterval(*ALWAYS, 1)]}
    assert refusal(file_of_records(records_of(bars_at("ESZ5", DAY, "09:00:00")), mappings)) == (
        "the header maps instrument 1 on 2025-10-15 to both ESZ5 and ESH6; download it again"
    )


@pytest.mark.parametrize(
    "mappings",
    [
        {"ESZ5": [SymbolInterval(*ALWAYS, 1), SymbolInterval(*ALWAYS, 1)]},
        {
            "ESZ5": [SymbolInterval(*ALWAYS, 1)],
            "ESH6": [SymbolInterval(*ALWAYS, 2)],
            "ESM6": [SymbolInterval(*ALWAYS, 2)],
        },
    ],
    ids=["intervals that agree", "an instrument without a bar"],
)
def test_overlapping_intervals_that_contradict_nothing_are_taken(mappings):
    [chosen] = selected(file_of_records(records_of(bars_at("ESZ5", DAY, "09:00:00")), mappings)).sessions
    assert chosen.choice.contract == "ES-2025-12"


# ---- contracts and duplicates ----


def test_a_chosen_contract_without_a_bar_in_the_session_is_refused_naming_both():
    bars = [Bar("ESH6", f"{DAY} 06:00:00", volume=9), *bars_at("ESZ5", DAY, "09:00:00")]
    assert refusal(file_of(bars)) == (
        f"the contract of {DAY} is ES-2026-03, which has no bar in the session, while ES-2025-12 has; check "
        "the file's symbol mappings"
    )


def test_an_incumbent_without_a_bar_is_refused_and_not_rolled_back():
    bars = bars_at("ESH6", "2025-10-14", "09:00:00") + bars_at("ESZ5", DAY, "09:00:00")
    assert refusal(file_of(bars)).startswith(
        f"the contract of {DAY} is ES-2026-03, which has no bar in the session, while ES-2025-12 has"
    )


@pytest.mark.parametrize("clock", ["02:00:00", "09:00:00", "23:59:59"])
@pytest.mark.parametrize("symbol", ["ESZ5", "ESH6"])
def test_duplicates_of_an_outright_are_refused_and_cannot_multiply_rows(symbol: str, clock: str):
    bars = [*bars_at("ESZ5", DAY, "10:00:00", volume=9), *[Bar(symbol, f"{DAY} {clock}")] * 3]
    bars += [Bar(symbol, "2025-10-16 10:00:00")] * 2
    contract = {"ESZ5": "ES-2025-12", "ESH6": "ES-2026-03"}[symbol]
    utc = {
        "02:00:00": f"{DAY}T07:00:00Z",
        "09:00:00": f"{DAY}T14:00:00Z",
        "23:59:59": "2025-10-16T04:59:59Z",
    }[clock]
    assert refusal(file_of(bars)) == (
        f"{contract} has 3 records for the second {utc}, one is the rule (3 surplus records in the file); "
        "download it again, or set duplicates to 'last' to keep the later ones"
    )


def test_duplicates_of_one_contract_under_two_ids_are_found():
    bars = [Bar("ESZ5", f"{DAY} 09:00:00"), Bar("ESH6", f"{DAY} 09:00:00"), Bar("ESZ25", f"{DAY} 09:00:00")]
    assert refusal(file_of(bars)).startswith("ES-2025-12 has 2 records for the second 2025-10-15T14:00:00Z")


# ---- files that hold no session ----


@BOTH_RULES
def test_a_file_without_records_is_refused(rules: Literal["strict", "compat"]):
    assert refusal(file_of_records(empty_records(0), {}), recipe=Recipe(rules)) == (
        "the file holds no bar at all; download 2025-10 again"
    )


def test_a_file_of_spreads_alone_is_refused():
    bars = bars_at("ESZ5-ESH6", DAY, "09:00:00", "09:00:01") + bars_at("NQZ5", DAY, "08:00:00")
    assert refusal(file_of(bars)) == (
        "none of its 3 bars (2025-10-15T13:00:00Z to 2025-10-15T14:00:01Z) belongs to an ES outright, all "
        "are spreads, other or unknown symbols; request the parent symbol ES.FUT"
    )


@BOTH_RULES
@pytest.mark.parametrize("day", ["2025-09-15", "2025-11-14", "2024-10-15", "2035-10-15"])
def test_a_renamed_file_of_another_month_is_refused(rules, day: str):
    bars = bars_at("ESZ5", day, "09:00:00", "15:00:00")
    first, last = (datetime.fromtimestamp(bar.second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for bar in bars)
    assert refusal(file_of(bars), recipe=Recipe(rules)).endswith(
        f" lies in a session of 2025-10, its bars run from {first} to {last}; put the file of that month "
        "in its place"
    )


def test_every_refusal_leaves_the_records_as_they_were():
    file = changed(bars_at("ESZ5", DAY, "09:00:00", "09:00:01"), 1, low=0)
    before = file.records.copy()
    refusal(file)
    assert np.array_equal(file.records, before)
