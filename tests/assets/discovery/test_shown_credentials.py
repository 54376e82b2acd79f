"""Credentials: resolved at use, hidden from everything that is shown or stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.credentials import CREDENTIAL_NAMES, resolved, shown, shown_config
from assets.failures import PermanentFailure


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("https://a.example/?token=abc&id=1", "https://a.example/?token=***&id=1"),
        ("https://a.example/?id=1&API_KEY=abc#top", "https://a.example/?id=1&API_KEY=***#top"),
        ("https://a.example/?api%5Fkey=abc", "https://a.example/?api%5Fkey=***"),
        ("https://a.example/cb#access_token=abc", "https://a.example/cb#access_token=***"),
        ("GET https://a.example/?sig=a%2Fb failed: 403", "GET https://a.example/?sig=*** failed: 403"),
        ("postgresql://user:pa:ss@db.example/x?password=y", "postgresql://***@db.example/x?password=***"),
        ("https://u:p@ss@a.example/x", "https://***@a.example/x"),
        ("https://a.example/?page_token=3&q=a=b", "https://a.example/?page_token=3&q=a=b"),
        ("mail to me@a.example, key=7", "mail to me@a.example, key=7"),
    ],
)
def test_a_url_is_shown_without_its_secrets_wherever_it_stands(text, as_shown):
    assert shown(text) == as_shown
    assert shown(as_shown) == as_shown


@given(st.sampled_from(sorted(CREDENTIAL_NAMES)), st.text("ghij0189", min_size=8), st.booleans())
def test_no_value_of_a_credential_is_shown(name, secret, first):
    others = "a=1&" if not first else ""
    assert secret not in shown(f"https://a.example/p?{others}{name}={secret}&z=1")


def test_a_stored_configuration_hides_urls_and_literal_secrets_at_any_depth():
    config = {
        "params": {
            "url": "https://a.example/?key=abc",
            "headers": {"Authorization": "Bearer abc", "X-Api-Key": "env:KEY", "Accept": "text/html"},
            "list": ["https://u:p@a.example/", 7, None],
            "login": {"password": "abc", "token": 7, "key": "accession"},
        }
    }
    assert shown_config(config) == {
        "params": {
            "url": "https://a.example/?key=***",
            "headers": {"Authorization": "***", "X-Api-Key": "env:KEY", "Accept": "text/html"},
            "list": ["https://***@a.example/", 7, None],
            "login": {"password": "***", "token": 7, "key": "accession"},
        }
    }


@pytest.mark.parametrize(
    ("value", "at_use"),
    [
        ("env:TOKEN", "s3cret"),
        ("Bearer env:TOKEN", "Bearer s3cret"),
        ("https://a.example/?token=env:TOKEN&id=1", "https://a.example/?token=s3cret&id=1"),
        ({"a": ["env:TOKEN"], "n": 3}, {"a": ["s3cret"], "n": 3}),
        ("the env:TOKEN of a sentence", "the env:TOKEN of a sentence"),
        ("myenv:TOKEN", "myenv:TOKEN"),
    ],
)
def test_a_reference_becomes_the_value_of_its_variable(value, at_use):
    assert resolved(value, {"TOKEN": "s3cret"}) == at_use


@pytest.mark.parametrize("environment", [{}, {"TOKEN": ""}, {"TOKEN": "  "}])
def test_a_variable_that_is_unset_or_blank_is_named(environment):
    with pytest.raises(PermanentFailure, match="environment variable TOKEN is not set"):
        resolved({"url": "env:TOKEN"}, environment)
