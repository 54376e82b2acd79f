"""Contracts: what a raw symbol means on a date, and which contract each session gets."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.market.contracts import ContractChoice, choose_contracts, contract_of, is_contract

EXPIRY_MONTHS = {"H": 3, "M": 6, "U": 9, "Z": 12}
DATES = st.dates(min_value=date(2010, 6, 6), max_value=date(2099, 12, 31))
CONTRACTS = ["ES-2025-03", "ES-2025-06", "ES-2025-09", "ES-2025-12"]
OTHER_SYMBOLS = [
    "", "ES", "ESZ", "ESZ025", "ESF5", "esz5", "ESZ5 ", " ESZ5", "ESZ5\n", "ESZ\u0665", "NQZ5",
    "EWZ5", "MESZ5", "ESZ5-ESH6", "ESZ5.1", "ES:BF Z5-H6-M6", "ES.FUT", "ES.c.0",
]  # fmt: skip
VOLUMES = st.dictionaries(st.sampled_from(CONTRACTS), st.integers(0, 5), min_size=1)


def chosen(*volumes: dict[str, int]) -> list[str]:
    return [choice.contract for choice in choose_contracts(volumes)]


# ---- symbols ----


@pytest.mark.parametrize(
    ("raw_symbol", "on", "contract"),
    [
        ("ESU0", date(2010, 7, 15), "ES-2010-09"),
        ("ESU0", date(2020, 7, 15), "ES-2020-09"),
        ("ESH1", date(2010, 12, 15), "ES-2011-03"),
        ("ESH0", date(2029, 12, 15), "ES-2030-03"),
        ("ESZ0-ESH1", date(2010, 12, 15), None),
    ],
)
def test_worked_example_c06(raw_symbol: str, on: date, contract: str | None):
    assert contract_of(raw_symbol, on) == contract


@pytest.mark.parametrize(
    ("raw_symbol", "on", "contract", "why"),
    [
        ("ESZ0", date(2021, 1, 4), "ES-2020-12", "last month's contract can still be listed"),
        ("ESZ0", date(2021, 1, 31), "ES-2020-12", "the whole month long"),
        ("ESZ0", date(2021, 2, 1), "ES-2030-12", "two months later it is the next decade's"),
        ("ESU5", date(2025, 10, 31), "ES-2025-09", "expired in the month before"),
        ("ESU5", date(2025, 11, 1), "ES-2035-09", "expired two months before"),
        ("ESH0", date(2025, 10, 15), "ES-2030-03", "a far listing"),
        ("ESZ5", date(2025, 10, 15), "ES-2025-12", "the front contract"),
        ("ESH6", date(2025, 10, 15), "ES-2026-03", "next year's"),
        ("ESZ4", date(2025, 10, 15), "ES-2034-12", "last year's December is over"),
        ("ESZ09", date(2010, 1, 15), "ES-2009-12", "two digits, last month"),
        ("ESZ25", date(2025, 10, 15), "ES-2025-12", "two digits"),
        ("ESU25", date(2025, 11, 15), "ES-2125-09", "two digits repeat each century"),
        ("ESH00", date(2099, 12, 15), "ES-2100-03", "two digits over the century"),
    ],
)
def test_the_year_of_a_symbol_follows_from_the_date(raw_symbol: str, on: date, contract: str, why: str):
    assert contract_of(raw_symbol, on) == contract, why


@pytest.mark.parametrize("raw_symbol", OTHER_SYMBOLS)
def test_everything_else_is_no_outright(raw_symbol: str):
    assert contract_of(raw_symbol, date(2025, 10, 15)) is None


@given(st.sampled_from("HMUZ"), st.integers(0, 109), DATES)
def test_a_symbol_means_the_first_expiry_from_last_month_on_with_its_digits(code: str, number: int, on: date):
    digits = str(number) if number < 10 else f"{number - 10:02d}"
    candidates = (
        (year, EXPIRY_MONTHS[code])
        for year in range(on.year - 1, on.year + 102)
        if str(year).endswith(digits) and (year - on.year) * 12 + EXPIRY_MONTHS[code] >= on.month - 1
    )
    year, month = next(candidates)
    assert contract_of(f"ES{code}{digits}", on) == f"ES-{year}-{month:02d}"


def test_contracts_are_told_from_raw_symbols():
    assert is_contract("ES-2025-12")
    assert not any(
        is_contract(name) for name in ["ESZ5", "ESZ5-ESH6", "ES-2025-12 ", "ES-2025-1", "NQ-2025-12"]
    )


# ---- the contract of a session ----


def test_worked_example_c01_the_higher_volume_wins():
    assert chosen({"ES-2010-12": 900, "ES-2011-03": 1500}) == ["ES-2011-03"]


def test_worked_example_c03_a_tie_without_incumbent_goes_to_the_nearest_expiry():
    assert chosen({"ES-2011-06": 1000, "ES-2011-03": 1000}) == ["ES-2011-03"]


def test_a_tie_goes_to_the_incumbent():
    assert (
        chosen({"ES-2025-12": 2, "ES-2026-03": 1}, {"ES-2025-12": 5, "ES-2026-03": 5}) == ["ES-2025-12"] * 2
    )
    assert (
        chosen({"ES-2026-03": 2}, {"ES-2026-03": 5, "ES-2026-06": 5, "ES-2025-12": 5}) == ["ES-2026-03"] * 2
    )


def test_a_tie_of_later_contracts_goes_to_the_nearer_one():
    assert chosen({"ES-2025-09": 1}, {"ES-2025-09": 1, "ES-2026-03": 9, "ES-2025-12": 9})[1] == "ES-2025-12"


def test_no_session_goes_back_to_an_earlier_expiry():
    rolled = {"ES-2025-09": 900, "ES-2025-12": 1500}
    back = {"ES-2025-09": 1500, "ES-2025-12": 900}
    assert chosen(back, rolled, back, back) == ["ES-2025-09", "ES-2025-12", "ES-2025-12", "ES-2025-12"]


def test_the_incumbent_stays_when_only_earlier_contracts_trade():
    [_, choice] = choose_contracts([{"ES-2025-12": 5}, {"ES-2025-09": 100}])
    assert choice == ContractChoice("ES-2025-12", 0, "ES-2025-09", 100, "ES-2025-12")


def test_the_runner_up_is_the_busiest_other_contract():
    volumes = [
        {"ES-2025-09": 3, "ES-2025-12": 9, "ES-2026-03": 4},
        {"ES-2025-12": 9, "ES-2026-06": 4, "ES-2026-03": 4},
    ]
    assert [(choice.runner_up, choice.runner_up_volume) for choice in choose_contracts(volumes)] == [
        ("ES-2026-03", 4),
        ("ES-2026-03", 4),
    ]


def test_a_single_contract_has_no_runner_up():
    assert choose_contracts([{"ES-2025-12": 9}]) == [
        ContractChoice("ES-2025-12", 9, None, None, "ES-2025-12")
    ]


def test_the_causal_choice_ranks_by_the_session_before_and_never_goes_back():
    days = [
        {"ES-2025-09": 9, "ES-2025-12": 1},
        {"ES-2025-09": 1, "ES-2025-12": 9},
        {"ES-2025-09": 9, "ES-2025-12": 1},
        {"ES-2025-09": 1, "ES-2025-12": 9},
    ]
    assert [choice.by_previous_session_volume for choice in choose_contracts(days)] == [
        "ES-2025-09",
        "ES-2025-09",
        "ES-2025-12",
        "ES-2025-12",
    ]


def test_no_sessions_have_no_contracts():
    assert choose_contracts([]) == []


@given(st.lists(VOLUMES, max_size=8), st.integers(2, 9))
def test_every_choice_is_the_best_that_does_not_go_back(days: list[dict[str, int]], factor: int):
    choices = choose_contracts(days)
    incumbent = ""
    for volumes, choice in zip(days, choices, strict=True):
        candidates = {contract: volume for contract, volume in volumes.items() if contract >= incumbent}
        if candidates:
            busiest = max(candidates.values())
            tied = [contract for contract, volume in candidates.items() if volume == busiest]
            assert choice.contract == (incumbent if incumbent in tied else min(tied))
        else:
            assert choice.contract == incumbent
        assert choice.volume == volumes.get(choice.contract, 0)
        incumbent = choice.contract

    scaled = [{contract: volume * factor for contract, volume in volumes.items()} for volumes in days]
    assert [choice.contract for choice in choose_contracts(scaled)] == [choice.contract for choice in choices]


@given(st.lists(VOLUMES, min_size=1, max_size=8))
def test_later_sessions_change_no_earlier_choice(days: list[dict[str, int]]):
    assert choose_contracts(days)[:-1] == choose_contracts(days[:-1])
