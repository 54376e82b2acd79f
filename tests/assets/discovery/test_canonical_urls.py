"""Canonical URLs: what is one link, and what is another."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assets.discovery.urls import canonical_url, hash_url

ONE_LINK = [
    ("http://www.example.com/query?id=111&cat=222", "http://www.example.com/query?cat=222&id=111"),
    ("https://EXAMPLE.com", "https://example.com/"),
    ("https://example.com:443/#x", "https://example.com/"),
    ("http://example.com:80/", "http://example.com/"),
    ("http://example.com:/a", "http://example.com/a"),
    ("http://example.com:8080/", "http://example.com:8080/"),
    ("https://example.com:80/", "https://example.com:80/"),
    ("HTTP://user:pass@Example.COM/", "http://example.com/"),
    ("  https://example.com/a \n", "https://example.com/a"),
    ("http://a.example/b/./../c/../d", "http://a.example/d"),
    ("http://a.example/b/%2e%2E/c", "http://a.example/c"),
    ("http://a.example/../x/", "http://a.example/x/"),
    ("http://a.example/%7euser/%c3%a9", "http://a.example/~user/%C3%A9"),
    ("http://a.example/a;v=%7e%c3", "http://a.example/a;v=~%C3"),
    ("http://a.example/a%2fb", "http://a.example/a%2Fb"),
    ("http://a.example/é x", "http://a.example/%C3%A9%20x"),
    ("http://a.example/100%", "http://a.example/100%25"),
    ("http://a.example/?b", "http://a.example/?b="),
    ("http://a.example/?b=", "http://a.example/?b="),
    ("http://a.example/?b=2&b=1&a=", "http://a.example/?a=&b=1&b=2"),
    ("http://a.example/?q=a+b", "http://a.example/?q=a+b"),
    ("http://a.example/?q=a%20b", "http://a.example/?q=a+b"),
    ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ("http://straße.example/", "http://xn--strae-oqa.example/"),
    ("http://[0:0::1]:80/", "http://[::1]/"),
    ("http://a.example/p?token=abc&id=1&API_KEY=x", "http://a.example/p?id=1"),
    ("http://a.example/p?api%5Fkey=x", "http://a.example/p"),
    ("https://example.com/?utm_source=x", "https://example.com/?utm_source=x"),
    ("http://[x", "http://[x"),
    ("http://%45xample.com/", "http://example.com/"),
    ("http://a%2Fb.example/", "http://a%2Fb.example/"),
    ("http:///a b", "http:///a b"),
    (" /srv/a b ", "/srv/a b"),
    ("file:///srv/a b", "file:///srv/a%20b"),
    ("http://example.com:99999/", "http://example.com:99999/"),
]


@pytest.mark.parametrize(("url", "canonical"), ONE_LINK)
def test_a_url_has_this_canonical_form_which_is_its_own(url, canonical):
    assert canonical_url(url) == canonical
    assert canonical_url(canonical) == canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://a.example/x", "http://a.example/X"),
        ("http://a.example/x", "http://a.example/x/"),
        ("http://a.example/", "http://www.a.example/"),
        ("http://a.example/", "https://a.example/"),
        ("http://a.example/?q=x", "http://a.example/?q=X"),
        ("http://a.example/?b=", "http://a.example/"),
        ("http://a.example/a/b", "http://a.example/a%2Fb"),
        ("http://a.example/?q=a+b", "http://a.example/?q=a%2Bb"),
        ("http://straße.example/", "http://strasse.example/"),
    ],
)
def test_what_may_be_two_pages_stays_two(one, other):
    assert hash_url(one) != hash_url(other)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://www.example.com/query?id=111&cat=222", "c3caa212b4ecf515"),
        ("http://www.example.com/query?cat=222&id=111", "c3caa212b4ecf515"),
        ("https://EXAMPLE.com", "0f115db062b7c0dd"),
        ("https://example.com/", "0f115db062b7c0dd"),
        ("https://example.com:443/#x", "0f115db062b7c0dd"),
    ],
)
def test_the_hash_of_a_url_is_the_documented_one(url, key):
    assert hash_url(url) == key


def test_parameters_that_a_job_drops_do_not_count_and_others_do():
    tracked = "https://example.com/?utm_source=x&id=1&UTM_medium=y"
    assert canonical_url(tracked, ["utm_*"]) == "https://example.com/?UTM_medium=y&id=1"
    assert hash_url("https://example.com/?utm_source=x", ["utm_*"]) == "0f115db062b7c0dd"
    assert hash_url("https://example.com/?utm_source=x") != "0f115db062b7c0dd"


ODD = st.text(
    st.sampled_from("aZ09é/.;?&=#%+:@[]~!$'()*, \\\t\n\u2028\ud800|^`{}<>\"-_25eEßİ。"), max_size=25
)
SCHEMES = st.sampled_from(["http://", "https://", "HTTP://", "//", "", "file:///", "mailto:"])
HOSTS = st.sampled_from(
    ["", "a.example", "A.Example:80", "u:p@a.example", "bücher.example", "[::1]:443", "1.2.3.4"]
)


@given(SCHEMES, HOSTS, ODD)
@example("http://", "a.example", "/%%34%31")
@example("http://", "a.example", "/..;x/%2e%2e;y")
@example("http://", "a.example", "/?%%34%31&a;b")
def test_canonical_forms_of_odd_urls_are_their_own(scheme, host, rest):
    once = canonical_url(scheme + host + rest)
    assert canonical_url(once) == once


@given(st.text(max_size=40))
def test_any_text_has_a_hash_of_16_hex_digits(text):
    assert len(hash_url(text)) == 16
    assert int(hash_url(text), 16) >= 0


NAMES = st.text("abcxyz", min_size=1, max_size=3)
VALUES = st.text("abc=&é +%/", max_size=4)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_parameters_does_not_count(pairs, random):
    from urllib.parse import urlencode

    shuffled = random.sample(pairs, len(pairs))
    base = "http://a.example/?"
    assert canonical_url(base + urlencode(pairs)) == canonical_url(base + urlencode(shuffled))
