"""Sitemaps: their forms, which of their files are read again, and when the listing is the whole."""

import gzip
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.contract import AuthFailure, RateLimited
from assets.discovery.strategies.link_filter import is_wanted
from assets.discovery.strategies.sitemap import Sitemap
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.strategies.source_worlds import NOON, assert_a_second_read_changes_nothing
from tests.resources.http.web_server import Answer

SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def element(name: str, location: str, lastmod: str = "", extra: str = "") -> str:
    changed = f"<lastmod>{lastmod}</lastmod>" if lastmod else ""
    return f"<{name}><loc>{location}</loc>{changed}{extra}</{name}>"


def urlset(*entries: str, space: str = SPACE) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {space}>{"".join(entries)}</urlset>'


def pages(*names: str) -> str:
    return urlset(*(element("url", f"https://www.example.com/{name}") for name in names))


def index(*entries: str) -> str:
    return f"<sitemapindex {SPACE}>{''.join(entries)}</sitemapindex>"


def names_of(read) -> list[str]:
    return [data["url"].removeprefix("https://www.example.com/") for data in read.data]


def child(site, name: str, lastmod: str = "") -> str:
    return element("sitemap", f"{site.url}/{name}", lastmod)


def test_a_sitemap_lists_its_pages_with_their_dates(site):
    image = '<image:image xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"><image:loc>x</image:loc></image:image>'
    body = urlset(
        element("url", " https://www.example.com/a?b=1&amp;a=2#top ", "2026-02-28T10:00:00+01:00"),
        element("url", "https://www.example.com/b", "2026-02-28", image),
        element("url", "https://www.example.com/c", "last week"),
        f"<url>{image}<x:loc xmlns:x='urn:x'>y</x:loc><loc>https://www.example.com/d</loc></url>",
    )
    source = site.source(Sitemap(), site.answer("/sitemap.xml", body), timezone="America/New_York")
    read = source.read()
    assert read.data[0] == {
        "url": "https://www.example.com/a?b=1&a=2",
        "lastmod": "2026-02-28T10:00:00+01:00",
    }
    assert read.keys[0] == f"url:{Sitemap().hash_url('https://www.example.com/a?a=2&b=1')}"
    assert [candidate.published_at for candidate in read.candidates] == [
        1_772_269_200_000,
        1_772_254_800_000,
        None,
        None,
    ]
    assert names_of(read)[1:] == ["b", "c", "d"]
    assert [text.partition(" has ")[2] for _, text in read.warnings] == [
        "1 lastmod that are no dates; these pages stay without one."
    ]
    assert read.is_complete
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize(
    "space", ["", 'xmlns="http://www.google.com/schemas/sitemap/0.84"', f'lang="x" {SPACE}']
)
def test_older_namespaces_and_none_are_understood(site, space):
    body = urlset(element("url", "https://www.example.com/a"), space=space)
    assert names_of(site.source(Sitemap(), site.answer("/sitemap.xml", body)).read()) == ["a"]


@pytest.mark.parametrize(
    "body",
    [
        "https://www.example.com/a\nhttps://www.example.com/b\n",
        "\ufeff\r\n  https://www.example.com/a  \r\n\r\nhttps://www.example.com/b",
        gzip.compress(b"https://www.example.com/a\nhttps://www.example.com/b\n", mtime=0),
        gzip.compress(pages("a", "b").encode(), mtime=0),
        pages("a", "b").replace("UTF-8", "UTF-16").encode("utf-16"),
        "\ufeff" + pages("a", "b"),
    ],
    ids=["text", "text with BOM and blanks", "packed text", "packed XML", "UTF-16", "XML with BOM"],
)
def test_a_file_is_what_its_content_is(site, body):
    for path in ("/sitemap.txt", "/sitemap.xml", "/sitemap.xml.gz"):
        read = site.source(Sitemap(), site.answer(path, body, "text/html")).read()
        assert (names_of(read), read.is_complete) == (["a", "b"], True)


def test_what_is_no_address_is_rejected_with_its_place(site):
    body = urlset(
        *(element("url", text) for text in ("", "ftp://x/y", "http://[x", "https://www.example.com/a"))
    )
    read = site.source(Sitemap(), site.answer("/sitemap.xml", body)).read()
    assert names_of(read) == ["a"]
    assert [position.partition(" of ")[0] for position, _ in read.rejected] == [
        "entry 1",
        "entry 2",
        "entry 3",
    ]
    text = "https://www.example.com/a\nnot an address\n"
    read = site.source(Sitemap(), site.answer("/sitemap.txt", text)).read()
    assert [position.partition(" of ")[0] for position, _ in read.rejected] == ["line 2"]
    assert names_of(read) == ["a"]


def test_an_index_with_packed_and_plain_files_is_read_whole(site):
    site.answer("/one.xml", pages("a", "b"))
    site.answer("/two.xml", gzip.compress(pages("b", "c").encode(), mtime=0), "application/octet-stream")
    site.answer("/inner.xml", index(child(site, "three.txt")))
    site.answer("/three.txt", "https://www.example.com/d\n")
    body = index(*(child(site, name, "2026-02-01T00:00:00Z") for name in ("one.xml", "two.xml")))
    body = body.replace(
        "</sitemapindex>", child(site, "inner.xml") + child(site, "one.xml") + "</sitemapindex>"
    )
    source = site.source(Sitemap(), site.answer("/sitemap.xml", body))
    read = source.read()
    assert names_of(read) == ["a", "b", "b", "c", "d"]
    assert read.is_complete
    assert [mark.page for mark in read.marks] == [2, 3, 5, 5]
    assert source.cursor == {
        "files": {
            f"{site.url}/one.xml": "2026-02-01T00:00:00Z",
            f"{site.url}/two.xml": "2026-02-01T00:00:00Z",
            f"{site.url}/three.txt": None,
        }
    }


def test_a_robots_txt_names_the_sitemaps(site):
    site.answer("/one.xml", pages("a"))
    site.answer("/two.txt", "https://www.example.com/b")
    robots = f"User-agent: *\nDisallow: /private\nSitemap: {site.url}/one.xml # ours\nsitemap:/two.txt\n"
    read = site.source(Sitemap(), site.answer("/robots.txt", robots)).read()
    assert (names_of(read), read.is_complete) == (["a", "b"], True)
    site.answer("/robots.txt", "# Be kind.\n" * 200 + f"Sitemap: {site.url}/one.xml\n")
    assert names_of(site.source(Sitemap(), f"{site.url}/robots.txt").read()) == ["a"]
    site.answer("/robots.txt", "User-agent: *\nDisallow:\n")
    with pytest.raises(PermanentFailure, match="has no line `Sitemap:`"):
        site.source(Sitemap(), f"{site.url}/robots.txt").read()


def test_files_that_name_each_other_are_read_once(site):
    site.answer("/a.xml", index(child(site, "sitemap.xml"), child(site, "b.xml")))
    site.answer("/b.xml", index(child(site, "a.xml"), child(site, "c.xml")))
    site.answer("/c.xml", pages("a"))
    read = site.source(Sitemap(), site.answer("/sitemap.xml", index(child(site, "a.xml")))).read()
    assert names_of(read) == ["a"]
    assert site.server.paths().count("/a.xml") == 1


def two_files(site, *lastmods: str):
    site.answer("/0.xml", pages("a"))
    site.answer("/1.xml", pages("b"))
    entries = (child(site, f"{number}.xml", lastmod) for number, lastmod in enumerate(lastmods))
    return site.answer("/sitemap.xml", index(*entries))


def test_a_file_whose_lastmod_has_not_moved_is_not_read(site):
    source = site.source(Sitemap(), two_files(site, "2026-01-01", "2026-01-02"))
    assert source.read().is_complete
    assert_a_second_read_changes_nothing(source)
    read = source.read()
    assert (names_of(read), read.is_complete, read.marks[-1].page) == ([], False, 0)
    two_files(site, "2026-01-01", "2026-01-03")
    read = source.read()
    assert (names_of(read), read.is_complete) == (["b"], False)
    assert source.cursor == {"files": {f"{site.url}/0.xml": "2026-01-01", f"{site.url}/1.xml": "2026-01-03"}}
    assert (site.asked("/0.xml"), site.asked("/1.xml")) == (1, 2)
    # A file that was taken out of the index is forgotten.
    site.answer("/sitemap.xml", index(child(site, "1.xml", "2026-01-03")))
    source.read()
    assert source.cursor == {"files": {f"{site.url}/1.xml": "2026-01-03"}}


@pytest.mark.parametrize(
    ("lastmod", "params", "is_read"),
    [
        ("2026-01-01", {}, False),
        ("2026-01-01", {"use_lastmod": False}, True),
        ("", {}, True),
        ("recently", {}, True),
        ("2026-02-28T09:00:00Z", {}, False),
        ("2026-03-01T11:59:59Z", {}, False),
        # These days, months and years are not over at noon of 2026-03-01, anywhere on earth.
        ("2026-03-01", {}, True),
        ("2026-02-28", {}, False),
        ("2026-03", {}, True),
        ("2026-01", {}, False),
        ("2026", {}, True),
        ("2024", {}, False),
    ],
)
def test_only_a_lastmod_that_the_next_change_would_move_spares_a_file(site, lastmod, params, is_read):
    source = site.source(Sitemap(), two_files(site, lastmod), params)
    source.read()
    read = source.read()
    assert (site.asked("/0.xml") == 2) == is_read
    assert read.is_complete == is_read


def test_an_index_that_has_not_changed_is_not_read_if_it_tells_of_all_its_files(site):
    for lastmod, status in (("2026-01-01", 0), ("", 2)):
        url = two_files(site, lastmod)
        body, etag = site.server.answers["/sitemap.xml"][0].body, (("ETag", '"1"'),)
        site.answers(
            "/sitemap.xml",
            Answer(200, body, etag),
            Answer(304, headers=etag) if lastmod else Answer(200, body, etag),
        )
        source = site.source(Sitemap(), url)
        source.read()
        cursor = source.cursor
        read = source.read()
        assert (read.marks[-1].page, source.cursor) == (status, cursor)
        assert site.server.asked[-1 - bool(status)].headers["If-None-Match"] == ('"1"' if lastmod else None)


def test_an_index_of_which_not_all_was_read_is_read_again_though_it_has_not_changed(site):
    url = two_files(site, "2026-01-01", "2026-01-02")
    body, etag = site.server.answers["/sitemap.xml"][0].body, (("ETag", '"1"'),)
    site.answers("/sitemap.xml", Answer(200, body, etag))
    for job in ({"max_pages": 2}, {}):
        site.answers("/1.xml", Answer(404)) if not job else None
        source = site.source(Sitemap(), url, **job)
        assert names_of(source.read()) == ["a"]
        site.answer("/1.xml", pages("b"))
        assert names_of(source.read()) == ["b"]
        assert site.server.asked[-2].headers["If-None-Match"] is None


def test_a_change_of_what_is_wanted_lists_everything_again(site):
    source = site.source(Sitemap(), two_files(site, "2026-01-01", "2026-01-02"), {"include": ["*/a"]})
    assert names_of(source.read()) == ["a"]
    source.params = {**source.params, "include": ["*/b"]}
    assert names_of(source.read()) == ["b"]


def test_more_files_than_pages_are_read_in_turn_and_none_is_missing_before(site):
    for number in range(5):
        site.answer(f"/{number}.xml", pages(f"p{number}"))
    body = index(*(child(site, f"{number}.xml", "2026-01-01" if number else "") for number in range(5)))
    source = site.source(Sitemap(), site.answer("/sitemap.xml", body), max_pages=3)
    read = source.read()
    assert (names_of(read), read.is_complete) == (["p0", "p1"], False)
    assert "more files than max_pages 3" in read.warnings[0][1]
    read = source.read()
    assert (names_of(read), read.is_complete) == (["p2", "p3"], False)
    assert names_of(source.read()) == ["p4", "p0"]


@pytest.mark.parametrize(
    "broken",
    [Answer(404), Answer(410), Answer(200, b"<html/>"), Answer(200, b"<urlset><url>"), Answer(200, b"")],
    ids=["not there", "gone", "no sitemap", "cut", "empty"],
)
def test_a_file_that_cannot_be_used_is_told_and_the_others_are_read(site, broken):
    url = two_files(site, "2026-01-01", "2026-01-02")
    site.answers("/0.xml", broken)
    source = site.source(Sitemap(), url)
    read = source.read()
    assert (names_of(read), read.is_complete) == (["b"], False)
    ((_, text),) = read.warnings
    assert "was passed over" in text
    assert "/0.xml" in text
    site.answer("/0.xml", pages("a"))
    assert names_of(source.read()) == ["a"]


def test_an_index_of_which_no_file_can_be_used_fails(site):
    url = two_files(site, "2026-01-01")
    site.answers("/0.xml", Answer(404))
    with pytest.raises(PermanentFailure, match=r"0\.xml does not exist"):
        site.source(Sitemap(), url).read()


@pytest.mark.parametrize(
    ("answer", "failure", "others"),
    [
        (Answer(500), TransientFailure, ["b"]),
        (Answer(503, headers=(("Retry-After", "7"),)), RateLimited, []),
        (Answer(403), AuthFailure, []),
    ],
)
def test_what_may_be_readable_later_fails_the_listing_and_keeps_what_was_read(site, answer, failure, others):
    url = two_files(site, "2026-01-01", "2026-01-02")
    site.answers("/0.xml", answer)
    source = site.source(Sitemap(), url)
    with pytest.raises(failure):
        source.read()
    assert len(source.known) == len(others)
    site.answer("/0.xml", pages("a"))
    assert source.read().keys == [f"url:{Sitemap().hash_url('https://www.example.com/a')}"] + (
        [] if others else [f"url:{Sitemap().hash_url('https://www.example.com/b')}"]
    )


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ([], [], ["blog/a", "blog/b?x=1", "Shop/c"]),
        (["*/blog/*"], [], ["blog/a", "blog/b?x=1"]),
        ([], ["*/blog/*"], ["Shop/c"]),
        (["*/blog/*", "*/Shop/*"], ["*[?]*"], ["blog/a", "Shop/c"]),
        (["*/shop/*"], [], []),
    ],
)
def test_only_the_pages_that_are_wanted_are_listed(site, include, exclude, expected):
    body = pages("blog/a", "blog/b?x=1", "Shop/c")
    params = {"include": include, "exclude": exclude}
    read = site.source(Sitemap(), site.answer("/sitemap.xml", body), params).read()
    assert (names_of(read), read.is_complete) == (expected, True)


@given(st.text(min_size=1))
def test_a_url_is_wanted_if_any_glob_says_so_and_excluding_wins(url):
    assert is_wanted(url, (), ())
    assert is_wanted(url, ("no such", "*"), ())
    assert not is_wanted(url, ("*",), ("*",))


@given(sizes=st.lists(st.integers(0, 3), max_size=4), crashes=st.lists(st.integers(0, 6), max_size=3))
def test_a_crash_anywhere_repeats_and_never_skips(site_of_module, sizes, crashes):
    site = site_of_module
    for number, size in enumerate(sizes):
        site.answer(f"/{number}.xml", pages(*(f"{number}-{page}" for page in range(size))))
    body = index(*(child(site, f"{number}.xml", "2026-01-01") for number in range(len(sizes))))
    source = site.source(Sitemap(), site.answer("/sitemap.xml", body))
    for crash_after in crashes:
        source.read(crash_after=crash_after)
    source.read()
    assert len(source.known) == sum(sizes)
    assert source.read().keys == []


def test_a_limit_takes_every_page_once(site):
    url = two_files(site, "2026-01-01", "2026-01-02")
    site.answer("/0.xml", pages("a", "c", "d"))
    source = site.source(Sitemap(), url)
    assert [len(source.read(limit=1).new) for _ in range(5)] == [1, 1, 1, 1, 0]


def test_more_pages_than_a_file_may_have_are_read_and_told(site):
    body = pages(*(str(number) for number in range(50_001)))
    read = site.source(Sitemap(), site.answer("/sitemap.xml", body)).read()
    assert (len(read.new), read.is_complete) == (50_001, True)
    assert "has 50,001 entries, more than the 50,000" in read.warnings[0][1]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("<html><body>Not found</body></html>", "is no sitemap: its first element is html"),
        ("<rss><channel/></rss>", "is no sitemap: its first element is rss"),
        ("Not found", "is neither XML nor a list of addresses"),
        (" \n \n", "is blank, and no sitemap"),
        ("%PDF\0", "is neither XML nor text"),
        (f"<urlset {SPACE}><url><loc>https://www.example.com/", "is no well-formed XML"),
        ("<!-- nothing -->", "is no well-formed XML"),
    ],
)
def test_what_is_no_sitemap_fails_by_its_name(site, body, sentence):
    source = site.source(Sitemap(), site.answer("/sitemap.xml", body))
    with pytest.raises(PermanentFailure, match=r"/sitemap\.xml ") as caught:
        source.read()
    assert sentence in str(caught.value)
    assert source.cursor is None


def test_the_headers_of_a_job_stay_with_its_host(site):
    other = f"http://localhost:{site.server.port}"
    site.answer("/a.xml", pages("a"))
    site.answer("/b.xml", pages("b"))
    body = index(child(site, "a.xml"), element("sitemap", f"{other}/b.xml"))
    params = {"headers": {"Authorization": "Bearer abc"}}
    read = site.source(Sitemap(), site.answer("/sitemap.xml", body), params).read()
    assert names_of(read) == ["a", "b"]
    sent = {asked.path: asked.headers["Authorization"] for asked in site.server.asked}
    assert (sent["/sitemap.xml"], sent["/a.xml"], sent["/b.xml"]) == ("Bearer abc", "Bearer abc", None)


def test_an_index_cannot_lead_to_files_of_this_machine(site, tmp_path):
    (tmp_path / "secret.txt").write_text("https://www.example.com/secret")
    body = index(element("sitemap", f"file://{tmp_path}/secret.txt"), child(site, "a.xml"))
    site.answer("/a.xml", pages("a"))
    read = site.source(Sitemap(), site.answer("/sitemap.xml", body)).read()
    assert names_of(read) == ["a"]
    assert read.rejected[0][1] == "it has no http or https address"


def test_marks_never_go_back_a_page(site):
    source = site.source(Sitemap(), two_files(site, "2026-01-01", "2026-01-02"), now=NOON)
    assert all(before.page <= after.page for before, after in pairwise(source.read().marks))
