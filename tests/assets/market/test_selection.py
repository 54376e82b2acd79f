"""Selection: which sessions a file holds, the contract of each, and what else was counted. Strict rules."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.market.contracts import ContractChoice
from assets.market.recipe import Recipe
from assets.market.selection import Selection
from scripts.sample_data.dbn_writer import SymbolInterval
from tests.assets.market.vendor_files import (
    Bar,
    bars_at,
    file_of,
    file_of_records,
    ids_of,
    mappings_of,
    records_of,
    selected,
)


def contracts(selection: Selection) -> dict[str, str]:
    return {str(chosen.session.date): chosen.choice.contract for chosen in selection.sessions}


# ---- sessions ----


def test_a_session_needs_an_outrights_bar_between_0730_and_the_close():
    bars = [
        Bar("ESZ5", "2025-10-01 07:29:59"),
        Bar("ESZ5", "2025-10-02 07:30:00"),
        Bar("ESZ5", "2025-10-03 14:59:59"),
        Bar("ESZ5", "2025-10-06 15:00:00"),
        Bar("ESZ5-ESH6", "2025-10-07 09:00:00"),
        Bar("ESH6", "2025-10-08 09:00:00"),
    ]
    assert contracts(selected(file_of(bars))) == {
        "2025-10-02": "ES-2025-12",
        "2025-10-03": "ES-2025-12",
        "2025-10-08": "ES-2026-03",
    }


def test_evenings_closed_days_and_other_months_neither_choose_nor_roll():
    bars = [
        Bar("ESH6", "2025-10-31 19:30:00", volume=900),  # the evening before the month
        Bar("ESH6", "2025-11-01 09:00:00", volume=900),  # a Saturday
        Bar("ESH6", "2025-11-02 17:30:00", volume=900),  # a Sunday evening
        Bar("ESZ5", "2025-11-03 09:00:00"),
        Bar("ESH6", "2025-11-27 12:30:00", volume=900),  # after Thanksgiving's early close
        Bar("ESZ5", "2025-11-28 09:00:00"),
        Bar("ESH6", "2025-12-01 09:00:00", volume=900),
    ]
    assert contracts(selected(file_of(bars), "2025-11")) == {
        "2025-11-03": "ES-2025-12",
        "2025-11-28": "ES-2025-12",
    }


def test_volumes_are_those_of_the_whole_chicago_date():
    day = "2025-10-15"
    bars = [
        Bar("ESH6", f"{day} 00:00:00", volume=2),
        Bar("ESZ5", f"{day} 09:00:00", volume=5),
        Bar("ESH6", f"{day} 09:00:00", volume=2),
        Bar("ESH6", f"{day} 23:59:59", volume=2),
        Bar("ESZ5", "2025-10-14 23:59:59", volume=9),
        Bar("ESZ5", "2025-10-16 00:00:00", volume=9),
    ]
    [chosen] = selected(file_of(bars)).sessions
    assert chosen.choice == ContractChoice("ES-2026-03", 6, "ES-2025-12", 5, "ES-2026-03")


@pytest.mark.parametrize("rules", ["strict", "compat"])
def test_worked_example_c01_the_contract_with_the_higher_volume_is_chosen(rules):
    bars = [Bar("ESZ0", "2010-12-08 09:00:00", volume=900), Bar("ESH1", "2010-12-08 09:00:00", volume=1500)]
    assert contracts(selected(file_of(bars), "2010-12", Recipe(rules))) == {"2010-12-08": "ES-2011-03"}


@pytest.mark.parametrize("rules", ["strict", "compat"])
def test_worked_example_c03_a_tie_without_incumbent(rules):
    bars = [Bar("ESM1", "2011-03-08 09:00:00", volume=1000), Bar("ESH1", "2011-03-08 09:00:00", volume=1000)]
    assert contracts(selected(file_of(bars), "2011-03", Recipe(rules))) == {"2011-03-08": "ES-2011-03"}


def test_a_roll_is_not_taken_back():
    roll = {"2025-09-10": (9, 5), "2025-09-11": (5, 9), "2025-09-12": (9, 5)}
    bars = [
        Bar(symbol, f"{day} 09:00:00", volume=volume)
        for day, volumes in roll.items()
        for symbol, volume in zip(("ESU5", "ESZ5"), volumes, strict=True)
    ]
    selection = selected(file_of(bars), "2025-09")
    assert contracts(selection) == {
        "2025-09-10": "ES-2025-09",
        "2025-09-11": "ES-2025-12",
        "2025-09-12": "ES-2025-12",
    }
    assert [chosen.choice.by_previous_session_volume for chosen in selection.sessions] == [
        "ES-2025-09",
        "ES-2025-09",
        "ES-2025-12",
    ]


def test_an_early_close_ends_the_session():
    bars = bars_at("ESU5", "2025-07-03", "12:14:59", "12:15:00")
    [chosen] = selected(file_of(bars), "2025-07").sessions
    assert chosen.session.closes_at == bars[1].second
    assert chosen.seconds.tolist() == [
        bar.second for bar in bars
    ]  # the bar after the close still is the date's


def test_the_chosen_bars_are_those_of_the_contract_on_its_date_ascending_with_their_places_in_the_file():
    bars = [
        Bar("ESZ5", "2025-10-15 15:30:00"),
        Bar("ESZ5-ESH6", "2025-10-15 09:00:00"),
        Bar("ESZ5", "2025-10-15 09:00:00"),
        Bar("ESZ5", "2025-10-16 00:00:00"),
        Bar("ESZ5", "2025-10-15 00:00:00"),
    ]
    [chosen] = selected(file_of(bars)).sessions
    assert chosen.records.tolist() == [4, 2, 0]
    assert chosen.seconds.tolist() == [bars[4].second, bars[2].second, bars[0].second]


# ---- symbols ----


def test_an_id_that_is_reused_means_another_contract_from_that_utc_date_on():
    # 19:00 in Chicago is midnight in UTC, where the mappings change.
    bars = bars_at("any", "2025-10-15", "09:00:00", "18:59:59", "19:00:00")
    bars += bars_at("any", "2025-10-16", "09:00:00")
    change = date(2025, 10, 16)
    mappings = {
        "ESZ5": [SymbolInterval(date(2025, 10, 1), change, 1)],
        "ESH6": [SymbolInterval(change, date(2025, 11, 1), 1)],
        "ESM6": [SymbolInterval(date(2025, 11, 1), date(2025, 12, 1), 1)],
    }
    selection = selected(file_of_records(records_of(bars), mappings))
    assert contracts(selection) == {"2025-10-15": "ES-2025-12", "2025-10-16": "ES-2026-03"}
    assert [chosen.records.tolist() for chosen in selection.sessions] == [[0, 1], [3]]
    assert [chosen.choice.runner_up for chosen in selection.sessions] == ["ES-2026-03", None]


def test_two_ids_of_one_contract_are_one_contract():
    bars = [
        Bar("ESZ5", "2025-10-15 09:00:00", volume=3),
        Bar("ESZ25", "2025-10-15 09:00:01", volume=3),
        Bar("ESH6", "2025-10-15 09:00:00", volume=5),
    ]
    [chosen] = selected(file_of(bars)).sessions
    assert chosen.choice == ContractChoice("ES-2025-12", 6, "ES-2026-03", 5, "ES-2025-12")
    assert chosen.records.tolist() == [0, 1]


def test_the_expired_contract_of_last_month_and_the_next_decades_are_told_apart():
    bars = [Bar("ESZ0", "2021-01-04 09:00:00", volume=2), Bar("ESH1", "2021-01-04 09:00:00", volume=3)]
    [chosen] = selected(file_of(bars), "2021-01").sessions
    assert (chosen.choice.contract, chosen.choice.runner_up) == ("ES-2021-03", "ES-2020-12")


def test_spreads_and_foreign_symbols_are_not_judged_and_never_chosen():
    bars = [
        *bars_at("ESZ5", "2025-10-15", "09:00:00"),
        Bar("ESZ5-ESH6", "2025-10-15 09:00:00", volume=900),
        Bar("ESZ5-ESH6", "2025-10-15 09:00:00", volume=900),
        Bar("NQZ5", "2025-10-15 09:00:00.5", volume=900),
    ]
    records = records_of(bars)
    records["high"][1:] = 2**63 - 1
    records["open"][1:] = -4_650_000_000
    records["volume"][3] = 2**64 - 1
    [chosen] = selected(file_of_records(records, mappings_of(ids_of(bars)))).sessions
    assert chosen.choice == ContractChoice("ES-2025-12", 1, None, None, "ES-2025-12")


def test_an_outright_that_is_not_chosen_is_not_judged():
    bars = [Bar("ESZ5", "2025-10-15 09:00:00", volume=2), Bar("ESH6", "2025-10-15 09:00:00.5", (0, -5, 5, 0))]
    records = records_of(bars)
    records["close"][1] = 7
    [chosen] = selected(file_of_records(records, mappings_of(ids_of(bars)))).sessions
    assert chosen.choice.contract == "ES-2025-12"


# ---- counts ----


def test_what_the_file_held_beyond_the_chosen_bars_is_counted():
    bars = [
        Bar("ESZ5", "2025-10-31 19:30:00"),
        Bar("ESZ5", "2025-11-01 09:00:00"),
        Bar("ESZ5", "2025-11-01 09:00:01"),
        Bar("ESZ5-ESH6", "2025-11-01 09:00:00"),
        Bar("ESZ5", "2025-11-01 15:00:00"),
        Bar("ESZ5", "2025-11-02 17:30:00"),
        Bar("ESZ5", "2025-11-03 09:00:00"),
        Bar("ESH6", "2025-11-04 02:00:00"),
        Bar("ESZ5", "2025-11-04 09:00:00"),
        Bar("ESZ5-ESH6", "2025-11-03 09:00:00"),
        Bar("nobody", "2025-11-05 15:00:00"),
        Bar("nobody", "2025-11-05 07:29:59"),
        Bar("ESH6", "2025-11-07 18:00:00"),
        Bar("ESZ5", "2025-11-07 18:00:00"),
    ]
    ids = ids_of(bars)
    known = {symbol: number for symbol, number in ids.items() if symbol != "nobody"}
    counts = selected(file_of_records(records_of(bars, ids), mappings_of(known)), "2025-11").counts
    assert counts.original_rows == 14
    assert counts.original_dates == 7
    assert counts.days_with_multiple_contracts == 1
    assert counts.unmapped_rows == 2
    assert counts.bars_on_closed_days == {"2025-11-01": 2}


@pytest.mark.parametrize(
    ("symbol", "days"),
    [
        ("ESH5", ("2025-03-08", "2025-03-09", "2025-03-10")),
        ("ESZ5", ("2025-11-01", "2025-11-02", "2025-11-03")),
    ],
)
def test_chicago_dates_are_counted_across_both_clock_changes(symbol: str, days: tuple[str, ...]):
    bars = [bar for day in days for bar in bars_at(symbol, day, "00:00:00", "09:00:00", "23:59:59")]
    assert selected(file_of(bars), days[0][:7]).counts.original_dates == 3


# ---- duplicates ----


def test_the_later_record_of_a_second_is_kept_before_volumes_are_summed():
    bars = [
        Bar("ESZ5", "2025-10-15 09:00:00", 1, volume=9),
        Bar("ESH6", "2025-10-15 09:00:00", 2, volume=5),
        Bar("ESZ5", "2025-10-15 09:00:00", 3, volume=9),
        Bar("ESZ5", "2025-10-15 09:00:00", 4, volume=1),
        Bar("ESH6", "2025-10-16 09:00:00", 5, volume=1),
        Bar("ESH6", "2025-10-16 09:00:00", 6, volume=1),
    ]
    selection = selected(file_of(bars), recipe=Recipe(duplicates="last"))
    assert contracts(selection) == {"2025-10-15": "ES-2026-03", "2025-10-16": "ES-2026-03"}
    assert [chosen.duplicates_dropped for chosen in selection.sessions] == [2, 1]
    assert [chosen.records.tolist() for chosen in selection.sessions] == [[1], [5]]
    assert selection.sessions[0].choice == ContractChoice("ES-2026-03", 5, "ES-2025-12", 1, "ES-2026-03")
    assert selection.counts.original_rows == 6


def test_records_of_one_second_of_several_instruments_are_no_duplicates():
    bars = [Bar(symbol, "2025-10-15 09:00:00") for symbol in ("ESZ5", "ESH6", "ESZ5-ESH6", "ESM6")]
    [chosen] = selected(file_of(bars)).sessions
    assert chosen.duplicates_dropped == 0


# ---- independence ----


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_file_changes_no_session(random):
    bars = [
        Bar(symbol, f"{day} {clock}", volume=volume)
        for day in ("2025-10-14", "2025-10-15")
        for clock in ("02:00:00", "08:00:00", "08:00:01")
        for symbol, volume in (("ESZ5", 3), ("ESH6", 2), ("ESZ5-ESH6", 9))
    ]
    ids = ids_of(bars)
    shuffled = random.sample(bars, len(bars))
    ordered, mixed = (
        selected(file_of_records(records_of(records, ids), mappings_of(ids))) for records in (bars, shuffled)
    )
    assert mixed.counts == ordered.counts
    for before, after in zip(ordered.sessions, mixed.sessions, strict=True):
        assert (after.session, after.choice) == (before.session, before.choice)
        assert np.array_equal(after.seconds, before.seconds)
        assert [shuffled[record] for record in after.records] == [bars[record] for record in before.records]
