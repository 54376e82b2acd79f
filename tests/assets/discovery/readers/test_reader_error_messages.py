"""Messages of equal failures of different items are one kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.readers.error_messages import LONGEST, normalised


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (
            "404 Not Found for https://a.example/x/7?page=2.",
            "410 Not Found for http://b.example/.",
            "<n> Not Found for <url>.",
        ),
        ("no row 'abc' in 12,000 rows", 'no row "x y" in 9 rows', "no row <text> in <n> rows"),
        ("object 0xFF at deadbeef01", "object 0x0a at 1234567890abcdef", "object <hex> at <hex>"),
        (
            "run 123e4567-e89b-12d3-a456-426614174000 ended",
            "run 00000000-0000-0000-0000-000000000001 ended",
            "run <hex> ended",
        ),
        ("timed out\n  after 30.5 s", "timed out after 1 s", "timed out after <n> s"),
    ],
)
def test_what_varies_between_two_failures_of_a_kind_is_taken_out(one, other, kind):
    assert normalised(one) == normalised(other) == kind


@pytest.mark.parametrize("text", ["it didn't work; it can't", "the decade of the facade", "a bed, a cafe"])
def test_words_that_only_look_like_quotes_or_hexadecimal_stay(text):
    assert normalised(text) == text


def test_different_failures_stay_different():
    assert normalised("connection refused by 10.0.0.1") != normalised("connection reset by 10.0.0.1")


def test_a_credential_in_a_message_is_hidden_even_where_it_is_no_url():
    assert normalised("refused: GET /list?token=hunter") == "refused: GET /list?token=***"


@given(st.text(max_size=400))
def test_a_kind_is_short_on_one_line_and_of_itself_the_same_kind(text):
    kind = normalised(text)
    assert len(kind) <= LONGEST
    assert "\n" not in kind
    assert normalised(kind) == kind
