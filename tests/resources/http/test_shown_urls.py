"""What is secret in a URL reaches nobody who reads messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.http.shown import LONGEST, shown

NAMES = ["token", "key", "api_key", "apikey", "access_token", "signature", "sig", "password", "secret"]


@pytest.mark.parametrize("name", [*NAMES, "TOKEN", "X-Amz-Signature", "client_secret", "%74oken", "+key"])
def test_a_parameter_named_like_a_credential_is_masked(name: str):
    assert shown(f"https://site.test/a?x=1&{name}=abc&y=2#abc") == f"https://site.test/a?x=1&{name}=***&y=2"


@pytest.mark.parametrize(
    "url",
    [
        "https://site.test/a/b@c?q=1&q=&tokens=2&monkey=3&key",
        "/var/data/feed.xml",
        "relative/path",
        "http://[::1/",
        "",
    ],
)
def test_what_is_not_secret_is_shown_as_it_is(url: str):
    assert shown(url) == url


@pytest.mark.parametrize("scheme", ["https://", "//", "HTTP://", "ftp:\\\\"])
def test_user_information_is_masked(scheme: str):
    assert shown(f"{scheme}user:abc@site.test/x") == f"{scheme}***@site.test/x"


def test_a_url_is_shown_in_one_line_of_bearable_length():
    assert shown("http://a\n\x1b.test/") == "http://a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}.test/"
    assert len(shown("http://site.test/" + "x" * 9_999)) == LONGEST


@given(st.text(), st.sampled_from(NAMES), st.text(alphabet="SECRET0123456789", min_size=8))
def test_no_secret_value_is_ever_shown(rest: str, name: str, secret: str):
    rest = rest.replace("#", "").replace(secret, "")
    assert secret not in shown(f"https://site.test/{rest.replace('?', '')}?{rest}&{name}={secret}")
