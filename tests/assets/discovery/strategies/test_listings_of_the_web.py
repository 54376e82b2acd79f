"""What every strategy of ours that lists a site does when the web does not play along."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from assets.discovery.contract import AuthFailure, RateLimited
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.edgar_index import EdgarIndex
from assets.discovery.strategies.html_links import HtmlLinks
from assets.discovery.strategies.oai_pmh import OaiPmh
from assets.discovery.strategies.sitemap import Sitemap
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing
from tests.assets.discovery.strategies.web_worlds import Site
from tests.resources.http.web_server import Answer, Raw, Reply

SITEMAP = (
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://a.example/x</loc></url>'
)
OAI = (
    '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-03-01T12:00:00Z</responseDate>'
    "<ListRecords><record><header><identifier>oai:x:1</identifier><datestamp>2026-02-01</datestamp></header>"
    "</record></ListRecords>"
)
EDGAR = (
    f"CIK|Company Name|Form Type|Date Filed|Filename\n{'-' * 80}\n"
    "1|A CO|10-K|2026-02-13|edgar/data/1/0000950170-26-000001.txt\n"
)


@dataclass(frozen=True)
class Listed:
    """A strategy, where its one thing is, and what that says."""

    strategy: Callable[[], BaseDiscovery]
    path: str
    body: str


STRATEGIES = {
    "sitemap": Listed(Sitemap, "/s", f"{SITEMAP}</urlset>"),
    "html_links": Listed(HtmlLinks, "/s", '<html><body><a href="https://a.example/x">x</a></body></html>'),
    "edgar_index": Listed(EdgarIndex, "/s", EDGAR),
    "oai_pmh": Listed(OaiPmh, "/s?verb=ListRecords&metadataPrefix=oai_dc", f"{OAI}</OAI-PMH>"),
}


@pytest.fixture(params=STRATEGIES)
def listed(request: pytest.FixtureRequest) -> Listed:
    return STRATEGIES[request.param]


def lay_out(site: Site, listed: Listed, *answers: Reply, **params: object):
    site.answers(listed.path, *(answers or [Answer(200, listed.body.encode())]))
    return site.source(listed.strategy(), f"{site.url}/s", params)


def test_it_lists_what_is_there(site, listed):
    source = lay_out(site, listed)
    assert len(source.read().new) == 1
    site.answer(f"{listed.path}&from=2026-03-01", listed.body)
    assert_a_second_read_changes_nothing(source)


TO_THE_LOOP = Answer(302, headers=(("Location", "/loop"),))


@pytest.mark.parametrize(
    ("answer", "failure", "sentence"),
    [
        (Answer(200), PermanentFailure, "has an empty body"),
        (Answer(200, b"<<<not what you want"), PermanentFailure, ""),
        (Answer(404), PermanentFailure, "does not exist"),
        (Answer(410), PermanentFailure, "is gone for good"),
        (Answer(403), AuthFailure, "refuses access"),
        (Answer(500), TransientFailure, "failed (500)"),
        (Answer(429, headers=(("Retry-After", "9"),)), RateLimited, "for 9 s"),
        (Answer(503, headers=(("Retry-After", "Thu, 01 Jan 2026 00:00:00 GMT"),)), RateLimited, "for 0 s"),
        (Answer(200, b"x", (("Content-Encoding", "br"),)), PermanentFailure, "encoded as 'br'"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n<x"), TransientFailure, "broke"),
        (TO_THE_LOOP, PermanentFailure, "redirects more than 10 times"),
        (
            Answer(302, headers=(("Location", "file:///etc/passwd"),)),
            PermanentFailure,
            "neither http nor https",
        ),
    ],
)
def test_a_refusal_fails_the_discovery_and_leaves_its_cursor(site, listed, answer, failure, sentence):
    source = lay_out(site, listed)
    source.read()
    cursor = source.cursor
    site.answers(listed.path, answer)
    site.answers("/loop", TO_THE_LOOP)
    if listed.strategy is OaiPmh:  # Its next question is another one.
        source.cursor = cursor = None
    with pytest.raises(failure, match="/s") as caught:
        source.read()
    assert sentence in str(caught.value)
    assert source.cursor == cursor


def test_a_redirect_is_followed(site, listed):
    site.answer("/elsewhere", listed.body)
    source = lay_out(site, listed, Answer(302, headers=(("Location", "/elsewhere"),)))
    assert len(source.read().new) == 1


def test_a_robots_txt_that_refuses_is_heeded_unless_the_job_may(site, listed):
    site.answer("/robots.txt", "User-agent: *\nDisallow: /s\n")
    with pytest.raises(PermanentFailure, match=r"robots\.txt"):
        lay_out(site, listed).read()
    assert len(lay_out(site, listed, robots=False).read().new) == 1


def test_a_private_host_is_refused_unless_the_job_says_so(site, listed):
    source = lay_out(site, listed, allow_private=False)
    with pytest.raises(PermanentFailure, match="private address"):
        source.read()
    assert site.server.asked == []


@pytest.mark.parametrize(
    ("name", "coding"),
    [(name, coding) for name in STRATEGIES for coding in ("none", "transport")]
    + [("sitemap", "content"), ("edgar_index", "content")],
)
def test_a_body_above_the_cap_is_refused_also_when_it_is_only_so_unpacked(site, name, coding):
    listed = STRATEGIES[name]
    body = listed.body.encode() + b" " * 200_000
    packed = gzip.compress(body, mtime=0)
    assert len(packed) < 2_000
    headers = (("Content-Encoding", "gzip"),) if coding == "transport" else ()
    source = lay_out(
        site, listed, Answer(200, body if coding == "none" else packed, headers), max_bytes=100_000
    )
    with pytest.raises(PermanentFailure, match="larger than 100,000 bytes"):
        source.read()
    assert source.cursor is None


@pytest.mark.parametrize("cut", [zlib.compress(b"x"), b"\x1f\x8b\x08\0broken"])
def test_damaged_compression_is_a_failure(site, listed, cut):
    source = lay_out(site, listed, Answer(200, cut, (("Content-Encoding", "gzip"),)))
    with pytest.raises((PermanentFailure, TransientFailure)):
        source.read()


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("declaration", [BOMB, OUTSIDE], ids=["expansion", "outside"])
@pytest.mark.parametrize("name", ["sitemap", "oai_pmh"])
def test_entities_are_refused_and_never_expanded(site, name, declaration):
    listed = STRATEGIES[name]
    body = declaration + listed.body.replace("a.example/x", "a.example/&a;").replace("oai:x:1", "oai:&a;")
    source = lay_out(site, listed, Answer(200, body.encode()))
    with pytest.raises(PermanentFailure, match="declares XML entities"):
        source.read()
    assert source.known == {}


def test_entities_of_html_are_those_of_the_language_alone(site):
    body = f"{BOMB}<html><body><a href='https://a.example/&a;?x=1&amp;y=2'>&auml;</a></body></html>"
    source = lay_out(site, STRATEGIES["html_links"], Answer(200, body.encode()))
    assert source.read().data == [{"url": "https://a.example/&a;?x=1&y=2", "title": "ä"}]
