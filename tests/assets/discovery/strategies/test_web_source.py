"""What all strategies with a `url` share: how a document is asked for, and what is stored of it."""

import pytest

from assets.discovery.contract import Ask, AuthFailure, RateLimited
from assets.discovery.strategies.params import RssAtomParams, WebOptions
from assets.discovery.strategies.web_source import WebSource, absolute_url, json_of
from assets.failures import PermanentFailure, TransientFailure
from tests.resources.http.web_server import Answer, Raw, web_server


def source_of(site, url: str, ask: dict | None = None, **params) -> WebSource:
    options = RssAtomParams.model_validate({"url": url, "allow_private": True} | params)
    return WebSource(Ask(params={}, http=site.http, **(ask or {})), options, url)


def test_secret_headers_go_to_the_host_of_the_job_alone(site):
    secrets = {"Authorization": "Bearer x", "X-Mine": "y", "User-Agent": "Reader"}
    with web_server() as other:
        other.answers["/b"] = [Answer(200, b"b")]
        source = source_of(site, site.answer("/a", "a"), headers=secrets)
        site.answer("/c", "c")
        for url in (None, f"{other.url}/b", f"{site.url}/c"):
            source.open(url).close()
        at_home = [asked for asked in site.server.asked if asked.path in ("/a", "/c")]
        abroad = [asked for asked in other.asked if asked.path == "/b"]
    assert [asked.headers["Authorization"] for asked in at_home] == ["Bearer x", "Bearer x"]
    assert [(asked.headers["Authorization"], asked.headers["X-Mine"]) for asked in abroad] == [(None, None)]
    assert [asked.headers["User-Agent"] for asked in at_home + abroad] == ["Reader"] * 3


def test_own_headers_give_way_to_those_of_the_job(site):
    source = source_of(site, site.answer("/a", "a"), headers={"accept": "text/x"})
    source.open(headers={"Accept": "application/json", "X-More": "1"}).close()
    assert site.server.asked[-1].headers.get_all("Accept") == ["text/x"]
    assert site.server.asked[-1].headers["X-More"] == "1"


def test_a_condition_is_sent_only_where_the_same_was_asked_before(site):
    url = site.answers("/a", Answer(200, b"a", (("ETag", '"1"'),)), Answer(304))
    first = source_of(site, url)
    with first.open(conditional=True) as document:
        stored = first.validators(document)
    assert set(stored) == {"etag", "question"}

    again = source_of(
        site, url, {"validators": stored, "cursor": {"x": 1}}, headers={"X-Other": "1"}, timeout_s=5
    )
    with again.open(conditional=True) as document:
        assert document.not_modified
        mark = again.unchanged(document)
    assert (mark.cursor, mark.validators, mark.page, mark.complete) == ({"x": 1}, stored, 0, False)
    assert site.server.asked[-1].headers["If-None-Match"] == '"1"'

    for changed in (
        source_of(site, f"{url}?b", {"validators": stored}),
        source_of(site, url, {"validators": stored}, drop_params=["b"]),
    ):
        site.answer("/a", "a")
        site.answer("/a?b", "a")
        changed.open(conditional=True).close()
        assert site.server.asked[-1].headers["If-None-Match"] is None
    source_of(site, url, {"validators": stored}).open().close()
    assert site.server.asked[-1].headers["If-None-Match"] is None


def test_a_secret_in_the_url_is_not_in_what_is_stored(site):
    one, other = (source_of(site, site.answer(f"/a?token={secret}", "a")) for secret in ("first", "second"))
    with one.open() as document:
        stored = one.validators(document)
    assert stored == other.validators(document)
    assert "***" in one.shown
    assert "first" not in one.shown


def test_a_file_is_read_for_the_job_and_for_nobody_else(site, tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("mine")
    source = source_of(site, str(file))
    with source.open() as document:
        assert document.body == b"mine"
    for url in (str(file), file.as_uri()):
        with pytest.raises(PermanentFailure, match="is a file of this machine"):
            source.open(url)


@pytest.mark.parametrize(
    ("answer", "failure", "text"),
    [
        (Answer(200, b""), PermanentFailure, "has an empty body"),
        (Answer(404), PermanentFailure, "does not exist"),
        (Answer(410), PermanentFailure, "gone"),
        (Answer(403), AuthFailure, "refuses access"),
        (Answer(500), TransientFailure, "failed"),
        (Answer(429, b"", (("Retry-After", "7"),)), RateLimited, "for 7 s"),
        (Answer(503, b"", (("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"),)), RateLimited, "for 0 s"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"), TransientFailure, "broke off"),
    ],
)
def test_what_goes_wrong_is_a_failure_that_says_so(site, answer, failure, text):
    with pytest.raises(failure, match=text):
        source_of(site, site.answers("/a", answer)).open()


def test_the_caps_of_the_job_hold(site):
    url = site.answer("/a", "x" * 11)
    with pytest.raises(PermanentFailure, match="10"):
        source_of(site, url, max_bytes=10).open()
    with pytest.raises(PermanentFailure, match="private"):
        source_of(site, url, allow_private=False).open()


def test_a_robots_txt_that_refuses_is_honoured_unless_the_job_says_otherwise(site):
    url = site.answer("/a", "a")
    site.answer("/robots.txt", "User-agent: *\nDisallow: /a", "text/plain")
    with pytest.raises(PermanentFailure, match=r"robots\.txt"):
        source_of(site, url).open()
    source_of(site, url, robots=False).open().close()


def test_what_says_how_to_read_is_not_the_question():
    assert {"drop_params"} == set(WebOptions.model_fields) - {
        "allow_private",
        "robots",
        "headers",
        "timeout_s",
        "max_bytes",
    }


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("b?x#y", "https://a.example/b?x#y"),
        (" //c.example/ ", "https://c.example/"),
        ("mailto:x@a.example", "mailto:x@a.example"),
        ("http://[x", None),
    ],
)
def test_a_link_is_meant_from_its_document(link, url):
    assert absolute_url("https://a.example/feed", link) == url


def test_a_path_without_a_base_is_no_url():
    assert absolute_url("", "b") is None


def test_what_is_no_json_is_told(site):
    with (
        source_of(site, site.answer("/a", "{")).open() as document,
        pytest.raises(ValueError, match="no JSON"),
    ):
        json_of(document)
    with (
        source_of(site, site.answer("/a", "[" * 100_000)).open() as document,
        pytest.raises(ValueError, match="no JSON"),
    ):
        json_of(document)
