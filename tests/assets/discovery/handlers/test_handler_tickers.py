"""`tickers`: symbols that are meant as symbols, and words that are only written like them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.contract import Skip
from assets.discovery.handlers import tickers
from assets.discovery.handlers.tickers import listed
from tests.assets.discovery.handlers.works import a_text, a_work


def symbols(text):
    result = tickers.handle(a_text(text))
    assert isinstance(result, dict)
    return result["symbols"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We like NVDA and $TSLA.", ["NVDA", "TSLA"]),
        ("$ZZZZZ is listed nowhere", ["ZZZZZ"]),
        ("ZZZZZ is listed nowhere", []),
        ("ALL of IT is ON SO NOW", []),
        ("$ALL of $IT, $ON and $A", ["A", "ALL", "IT", "ON"]),
        ("A class, B class, F. Scott, plan C", []),
        ("nvda, Nvda and $nvda", []),
        ("BRK.B, BRK-A and $BF.B.", ["BF.B", "BRK.A", "BRK.B"]),
        ("$TSLA.", ["TSLA"]),
        ("(AAPL), AAPL: 'AAPL' AAPL's AAPL/MSFT", ["AAPL", "MSFT"]),
        ("XNVDA NVDAX NVDA2 NVDA_ _NVDA éNVDA NVDAé", []),
        ("an NVDA-led rally, anti-$TSLA, $AMD.Good", ["AMD", "NVDA", "TSLA"]),
        ("$AAPL$ZZZZ and US$QQ", ["AAPL", "QQ", "ZZZZ"]),
        ("$5B, $AAPL5, $TOOLONG, $aAPL", []),
        ("BRK.Bx BRK", []),
        ("it costs $ 100", []),
        ("", []),
        ("SHOUTING: WE HAVE ALL THE CASH FOR AMD", ["AMD"]),
    ],
)
def test_a_dollar_always_means_a_symbol_and_without_one_it_must_be_listed_and_no_word(text, found):
    assert symbols(f"text {text}") == found


def test_symbols_are_counted_and_the_most_mentioned_comes_first():
    result = tickers.handle(a_text("TSLA AMD $AMD\nAAPL", title="TSLA, TSLA"))
    assert result == {"symbols": ["TSLA", "AMD", "AAPL"], "mentions": {"AAPL": 1, "AMD": 2, "TSLA": 3}}


@pytest.mark.parametrize("data", [{"description": "about AMD"}, {"text": "about AMD", "summary": "AAPL"}])
def test_without_a_text_of_another_stage_that_of_the_item_counts(data):
    result = tickers.handle(a_work(data=data))
    assert result == {"symbols": ["AMD"], "mentions": {"AMD": 1}}


def test_without_any_text_the_item_is_skipped():
    assert tickers.handle(a_work(data={"text": " "})) == Skip("there is no text to look for symbols in")


def test_the_words_are_listed_symbols_and_all_symbols_have_the_form_that_is_looked_for():
    known, words = listed("ticker_symbols.txt"), listed("ticker_words.txt")
    assert words < known
    assert {symbol for symbol in known if symbols(f"${symbol}") != [symbol]} == set()
    assert {symbol for symbol in known if symbols(symbol) == [symbol]} == known - words


@given(st.lists(st.sampled_from(sorted(listed("ticker_symbols.txt"))), max_size=20))
def test_every_mention_with_a_dollar_is_counted_once(mentioned):
    result = tickers.handle(a_text("text " + ", ".join(f"${symbol}" for symbol in mentioned)))
    assert isinstance(result, dict)
    assert sum(result["mentions"].values()) == len(mentioned)
    assert set(result["symbols"]) == set(mentioned)
