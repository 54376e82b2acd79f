"""The values that references stand for, and texts without them."""

import json
from urllib.parse import quote, quote_plus

import pytest

from assets.discovery.credentials import hidden, resolved, secrets_of

ENVIRONMENT = {"A": "first secret", "B": " padded ", "SHORT": "abc", "BLANK": "  "}


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("env:A", {"first secret"}),
        ("Bearer env:B", {"padded"}),
        ("https://host/x?token=env:A&n=env:B", {"first secret", "padded"}),
        ({"a": ["env:A", {"b": "env:B"}], "c": 3}, {"first secret", "padded"}),
        ("env:SHORT env:BLANK env:ABSENT", set()),
        ("no env:A", {"first secret"}),
        (7, set()),
        (None, set()),
    ],
)
def test_the_secrets_of_parameters_are_what_their_references_stand_for(value, secrets):
    assert secrets_of(value, ENVIRONMENT) == secrets


def test_every_secret_that_is_put_in_place_is_one_that_is_hidden():
    value = {"h": "Bearer env:A", "u": "https://host/?key=env:B", "l": ["env:A"]}
    put = json.dumps(resolved(value, ENVIRONMENT))
    shown = hidden(put, secrets_of(value, ENVIRONMENT))
    assert "first secret" in put
    assert "first secret" not in shown
    assert "padded" not in shown


@pytest.mark.parametrize(
    "write", [str, repr, json.dumps, quote, quote_plus, lambda text: quote(text, safe="")]
)
@pytest.mark.parametrize(
    "secret", ["plain", "with /&?= signs", 'quo"ted', "it's", "back\\slash", "two\nlines", "ü€"]
)
def test_a_secret_is_hidden_however_it_is_written(secret, write):
    written = write(secret).strip("'\"")
    text = f"before {write(secret)} after"
    assert hidden(text, {secret}).startswith("before ")
    assert hidden(text, {secret}).endswith(" after")
    assert written not in hidden(text, {secret})
    assert "***" in hidden(text, {secret})


def test_the_longer_of_two_secrets_is_hidden_whole():
    assert hidden("it was secret-and-more here", {"secret", "secret-and-more"}) == "it was *** here"


def test_what_is_shown_of_urls_is_hidden_without_any_secret():
    assert hidden("https://me:word@host/?token=x&q=y", ()) == "https://***@host/?token=***&q=y"
