"""What holds whether the web answers or a recording of it."""

import gzip
import zlib

import pytest

from resources.http import (
    AccessRefused,
    AnswerRefused,
    Gone,
    NotFound,
    RateLimited,
    RequestRefused,
    ServerFailed,
    TooLarge,
    TooManyRedirects,
    TooSlow,
    Unreachable,
    WebError,
)
from tests.resources.http.conftest import Site
from tests.resources.http.web_server import Answer

FEED = b"<rss/>" * 1_000


def test_a_document_comes_whole_with_its_status_url_and_headers_in_any_case(site: Site):
    headers = (("CONTENT-type", "text/xml"), ("Link", "<a>; rel=next"), ("Link", "<b>; rel=prev"))
    url = site.add("/feed?b=2&a=1", Answer(200, FEED, headers))
    with site.read(url) as response:
        assert (response.status, response.url, response.not_modified) == (200, url, False)
        assert response.file.read() == FEED == response.body
        assert response.headers["content-TYPE"] == "text/xml"
        assert response.headers["link"] == "<a>; rel=next, <b>; rel=prev"


def test_a_large_document_lies_on_disk_and_can_be_read_in_pieces(site: Site):
    body = b"0123456789abcdef" * 200_000
    url = site.add("/large", Answer(200, body))
    with site.read(url) as response:
        assert response.file.read(16) == body[:16]
        assert response.body == body
    assert response.file.closed


def test_stored_validators_bring_nothing_new_and_still_hold(site: Site):
    stored = (("ETag", 'W/"1"'), ("Last-Modified", "Sun, 01 Mar 2026 09:00:00 GMT"))
    url = site.add("/feed", Answer(200, FEED, stored), Answer(304, b"", (("etag", 'W/"2"'),)))
    web = site.web()
    first = web.fetch(url, **site.options)
    assert first.validators == {"etag": 'W/"1"', "last_modified": "Sun, 01 Mar 2026 09:00:00 GMT"}
    second = web.fetch(url, validators=first.validators, **site.options)
    assert second.not_modified
    assert second.body == b""
    assert second.validators == {"etag": 'W/"2"', "last_modified": "Sun, 01 Mar 2026 09:00:00 GMT"}


def test_a_304_that_nobody_asked_for_is_refused(site: Site):
    url = site.add("/feed", Answer(304))
    with pytest.raises(AnswerRefused, match="304 to a request without conditions"):
        site.read(url, validators={"unknown": "x"})


@pytest.mark.parametrize("status", [200, 204])
def test_an_empty_body_is_a_failure(site: Site, status: int):
    url = site.add("/feed", Answer(status))
    with pytest.raises(AnswerRefused, match="/feed has an empty body") as caught:
        site.read(url)
    assert (caught.value.failure, caught.value.status) == ("permanent", status)


def test_a_head_request_needs_no_body(site: Site):
    url = site.add("/feed", Answer(200, b"", (("ETag", '"1"'),)), method="HEAD")
    response = site.read(url, method="head")
    assert (response.body, response.validators) == (b"", {"etag": '"1"'})


@pytest.mark.parametrize(
    ("status", "kind", "builtin", "failure"),
    [
        (302, AnswerRefused, ValueError, "permanent"),
        (400, AnswerRefused, ValueError, "permanent"),
        (401, AccessRefused, PermissionError, "auth"),
        (402, AccessRefused, PermissionError, "auth"),
        (403, AccessRefused, PermissionError, "auth"),
        (404, NotFound, FileNotFoundError, "permanent"),
        (408, TooSlow, TimeoutError, "transient"),
        (410, Gone, FileNotFoundError, "permanent"),
        (418, AnswerRefused, ValueError, "permanent"),
        (429, RateLimited, ConnectionError, "rate_limited"),
        (500, ServerFailed, ConnectionError, "transient"),
        (503, ServerFailed, ConnectionError, "transient"),
        (599, ServerFailed, ConnectionError, "transient"),
    ],
)
def test_each_status_is_an_error_of_its_class(
    site: Site, status: int, kind: type[WebError], builtin: type[Exception], failure: str
):
    url = site.add("/page?token=abc", Answer(status, b"words"))
    with pytest.raises(builtin) as caught:
        site.read(url)
    assert type(caught.value) is kind
    assert (caught.value.failure, caught.value.status, caught.value.retry_after_s) == (failure, status, None)
    assert f"{site.url}/page?token=*** " in str(caught.value)
    assert str(status) in str(caught.value)


def test_a_source_that_is_gone_is_called_gone(site: Site):
    url = site.add("/feed", Answer(410, b"moved out"))
    with pytest.raises(NotFound, match="is gone"):
        site.read(url)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("asked", "wait"), [("120", 120.0), ("Wed, 01 Jan 2020 00:00:00 GMT", 0.0)])
def test_a_host_that_names_a_pause_is_rate_limiting(site: Site, status: int, asked: str, wait: float):
    url = site.add("/api", Answer(status, b"slow down", (("retry-AFTER", asked),)))
    with pytest.raises(RateLimited) as caught:
        site.read(url)
    assert (caught.value.retry_after_s, caught.value.status) == (wait, status)


def test_ten_redirects_are_followed_to_the_document(site: Site):
    for hop in range(10):
        site.add(f"/{hop}", Answer(301 + hop % 2, b"", (("Location", f"/{hop + 1}"),)))
    site.add("/10", Answer(200, FEED))
    response = site.read(f"{site.url}/0")
    assert (response.body, response.url) == (FEED, f"{site.url}/10")


def test_the_eleventh_redirect_of_a_loop_is_refused(site: Site):
    url = site.add("/loop", Answer(302, b"", (("Location", "/loop"),)))
    with pytest.raises(TooManyRedirects, match="/loop redirects more than 10 times"):
        site.read(url)


def test_what_is_wrong_behind_a_redirect_names_both_places(site: Site):
    url = site.add("/old?sig=1", Answer(308, b"", (("Location", "/new?key=2"),)))
    site.add("/new?key=2", Answer(404))
    with pytest.raises(NotFound) as caught:
        site.read(url)
    assert f"{site.url}/new?key=*** (redirected from {site.url}/old?sig=***)" in str(caught.value)


@pytest.mark.parametrize("place", ["ftp://site.test/x", "file:///etc/passwd"])
def test_a_redirect_leads_nowhere_but_to_http(site: Site, place: str):
    url = site.add("/", Answer(302, b"", (("Location", place),)))
    with pytest.raises(RequestRefused, match="neither http nor https"):
        site.read(url, allow_files=True)


@pytest.mark.parametrize("place", ["javascript:alert(1)", "http://site.test:port/"])
def test_a_redirect_to_what_is_no_url_is_refused(site: Site, place: str):
    url = site.add("/", Answer(302, b"", (("Location", place),)))
    with pytest.raises(AnswerRefused, match="redirects to something that is no URL"):
        site.read(url)


def test_a_post_is_asked_for_by_get_after_a_303(site: Site):
    url = site.add("/search", Answer(303, b"", (("Location", "/found"),)), method="POST")
    site.add("/found", Answer(200, FEED))
    assert site.read(url, method="POST", body=b"q=1").body == FEED


@pytest.mark.parametrize("coding", ["gzip", "X-GZIP"])
def test_a_body_encoded_as_gzip_is_unpacked(site: Site, coding: str):
    url = site.add("/feed", Answer(200, gzip.compress(FEED), (("Content-Encoding", coding),)))
    assert site.read(url).body == FEED


def test_a_body_in_another_encoding_is_refused_by_its_name(site: Site):
    url = site.add("/feed", Answer(200, zlib.compress(FEED), (("Content-Encoding", "deflate"),)))
    with pytest.raises(AnswerRefused, match="'deflate'"):
        site.read(url)


@pytest.mark.parametrize(
    "body",
    [FEED, gzip.compress(FEED), gzip.compress(FEED[:10]) + gzip.compress(FEED[10:])],
    ids=["plain", "one member", "two members"],
)
@pytest.mark.parametrize("is_encoded", [False, True])
def test_gzip_is_told_by_its_content_whatever_the_name(site: Site, body: bytes, is_encoded: bool):
    sent = gzip.compress(body) if is_encoded else body
    headers = (("Content-Encoding", "gzip"),) if is_encoded else ()
    url = site.add("/sitemap.xml", Answer(200, sent, headers))
    assert site.read(url, gunzip=True).body == FEED


def test_gzip_is_left_alone_unless_asked_for(site: Site):
    url = site.add("/archive", Answer(200, gzip.compress(FEED)))
    assert site.read(url).body == gzip.compress(FEED)


def test_gzip_that_is_cut_may_be_whole_the_next_time(site: Site):
    url = site.add("/feed", Answer(200, gzip.compress(FEED)[:-9], (("Content-Encoding", "gzip"),)))
    with pytest.raises(Unreachable, match="broke off"):
        site.read(url)


def test_gzip_that_is_damaged_is_refused(site: Site):
    packed = bytearray(gzip.compress(FEED))
    packed[-5] ^= 1
    url = site.add("/feed", Answer(200, bytes(packed)))
    with pytest.raises(AnswerRefused, match="damaged"):
        site.read(url, gunzip=True)


@pytest.mark.parametrize("has_length", [True, False])
def test_a_body_above_the_cap_is_refused_announced_or_not(site: Site, has_length: bool):
    url = site.add("/large", Answer(200, b"x" * 1_001, has_length=has_length))
    with pytest.raises(TooLarge, match="larger than 1,000 bytes; raise max_bytes"):
        site.read(url, max_bytes=1_000)


def test_a_body_is_counted_as_it_was_sent_too(site: Site):
    packed = gzip.compress(b"") * 100 + gzip.compress(b"x")
    url = site.add("/padded", Answer(200, packed, has_length=False))
    assert site.read(url, gunzip=True).body == b"x"
    with pytest.raises(TooLarge, match="/padded is larger than 1,000 bytes"):
        site.read(url, gunzip=True, max_bytes=1_000)


def test_a_body_of_just_the_cap_is_read(site: Site):
    url = site.add("/exact", Answer(200, b"x" * 1_000))
    assert len(site.read(url, max_bytes=1_000).body) == 1_000


@pytest.mark.parametrize("is_encoded", [False, True])
def test_a_small_body_that_unpacks_above_the_cap_is_refused(site: Site, is_encoded: bool):
    bomb = gzip.compress(bytes(50_000_000))
    headers = (("Content-Encoding", "gzip"),) if is_encoded else ()
    url = site.add("/bomb", Answer(200, bomb, headers))
    assert len(bomb) < 100_000
    with pytest.raises(TooLarge, match="unpacked, is larger than 100,000 bytes"):
        site.read(url, gunzip=True, max_bytes=100_000)


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Accept-Encoding", "Connection"]
)
def test_headers_that_carry_the_message_cannot_be_set(site: Site, name: str):
    url = site.add("/", Answer(200, FEED))
    with pytest.raises(RequestRefused, match=f"The header {name} is set by the client"):
        site.read(url, headers={name: "1"})


@pytest.mark.parametrize(("name", "value"), [("X-A", "1\r\nX-B: 2"), ("X A", "1"), ("", "1"), ("X-A", "é")])
def test_a_header_that_would_break_the_message_is_refused_without_its_value(
    site: Site, name: str, value: str
):
    url = site.add("/", Answer(200, FEED))
    with pytest.raises(RequestRefused, match="cannot be sent") as caught:
        site.read(url, headers={name: value})
    assert value not in str(caught.value).replace(repr(name), "")


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("samples/feed.xml", "neither http nor https"),
        ("ftp://site.test/feed", "neither http nor https"),
        ("//site.test/feed", "neither http nor https"),
        ("http:///feed", "names no host"),
        ("http://site.test:99999/", "a port that does not exist"),
        ("http://site.test\n/feed", "is no URL"),
        ("http://[::1/feed", "is no URL"),
    ],
)
def test_what_is_no_url_is_refused_before_anything_is_asked(site: Site, url: str, rule: str):
    site.add("/", Answer(200, FEED))
    with pytest.raises(RequestRefused, match=rule):
        site.read(url)


@pytest.mark.parametrize("limit", [{"timeout_s": 0.0}, {"timeout_s": float("inf")}, {"max_bytes": 0}])
def test_a_limit_that_is_none_is_an_error_of_the_caller(site: Site, limit: dict[str, float]):
    site.add("/", Answer(200, FEED))
    with pytest.raises(ValueError, match="above 0"):
        site.read(f"{site.url}/", **limit)
