"""Links of pages: what they are resolved against, which are chosen, and how one page leads to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.html_links import HtmlLinks
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing
from tests.resources.http.web_server import Answer


def html(body: str, head: str = "") -> str:
    return f"<!doctype html><html><head><title>x</title>{head}</head><body>{body}</body></html>"


def links(*names: str) -> str:
    return "".join(f'<a href="https://www.example.com/{name}">{name}</a>' for name in names)


def found(site, body: str, params=None, head: str = "", path: str = "/list/index.html") -> list[str]:
    url = site.answer(path, html(body, head), "text/html; charset=utf-8")
    return [data["url"].replace(site.url, "") for data in site.source(HtmlLinks(), url, params).read().data]


def test_the_links_of_a_page_are_things_with_their_text(site):
    body = (
        '<a href=" https://www.example.com/a?b=1#top ">The <b>first</b>\n one</a>'
        '<a href="https://www.example.com/b"><img src="i.png" alt="A picture"></a>'
        '<a href="https://www.example.com/c" title="Said  elsewhere"></a>'
        '<a href="https://www.example.com/d"></a>'
    )
    source = site.source(HtmlLinks(), site.answer("/", html(body)))
    read = source.read()
    assert read.data == [
        {"url": "https://www.example.com/a?b=1", "title": "The first one"},
        {"url": "https://www.example.com/b", "title": "A picture"},
        {"url": "https://www.example.com/c", "title": "Said elsewhere"},
        {"url": "https://www.example.com/d"},
    ]
    assert read.candidates[0].title == "The first one"
    assert read.keys[0] == f"url:{HtmlLinks().hash_url('https://www.example.com/a?b=1')}"
    assert (read.is_complete, source.cursor) == (False, None)
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize(
    ("link", "base", "expected"),
    [
        ("page", "", "/list/page"),
        ("../up", "", "/up"),
        ("/root", "", "/root"),
        ("?page=2", "", "/list/index.html?page=2"),
        ("//cdn.example.com/x", "", "http://cdn.example.com/x"),
        ("page", "/deep/er/", "/deep/er/page"),
        ("page", "https://other.example.com/a/b", "https://other.example.com/a/page"),
        ("page", "  /deep/ ", "/deep/page"),
        ("page", "http://[x", "/list/page"),
        ("other.html#part", "", "/list/other.html"),
        ("#part", "", None),
        ("  ", "", None),
        ("mailto:a@example.com", "", None),
        ("javascript:void(0)", "", None),
        ("tel:+1", "", None),
        ("file:///etc/passwd", "", None),
        ("file://localhost/etc/passwd", "", None),
        ("data:text/plain,x", "", None),
        ("http://[x", "", None),
        ("HTTPS://www.example.com/", "", "HTTPS://www.example.com/"),
    ],
)
def test_a_link_is_meant_from_the_base_of_its_page_and_must_lead_into_the_web(site, link, base, expected):
    head = f'<base target="_top"><base href="{base}"><base href="/second/">' if base else ""
    urls = found(site, f'<a href="{link}">x</a>', head=head)
    assert [url.lower() for url in urls] == ([expected.lower()] if expected else [])


def test_a_redirected_page_has_its_links_from_where_it_led_to(site):
    site.answer("/new/place.html", html('<a href="page">x</a>'))
    url = site.answers("/old", Answer(301, headers=(("Location", "/new/place.html"),)))
    assert site.source(HtmlLinks(), url).read().data[0]["url"] == f"{site.url}/new/page"


BODY = (
    '<nav><a href="/nav">n</a></nav><ul class="news"><li><a class="x" href="/1">one</a></li>'
    '<li data-id="7"><p>text <img src="/thumb.png"> <a href="/2">two</a></p></li></ul><img src="/img.png">'
)


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("a[href]", ["/nav", "/1", "/2"]),
        ("ul.news a", ["/1", "/2"]),
        ("a.x, nav a", ["/nav", "/1"]),
        ("li[data-id]", ["/2"]),
        ("img", ["/thumb.png", "/img.png"]),
        ("//ul//a", ["/1", "/2"]),
        ("//a[text()='two']/@href", ["/2"]),
        ("/html/body/nav/a", ["/nav"]),
        ("table a", []),
    ],
)
def test_links_are_chosen_by_css_or_xpath(site, select, expected):
    assert found(site, BODY, {"select": select}) == expected


def test_what_is_chosen_and_has_no_link_is_rejected(site):
    url = site.answer("/", html("<ul><li>none</li><li><a href='/a'>a</a></li></ul>"))
    read = site.source(HtmlLinks(), url, {"select": "li"}).read()
    assert len(read.keys) == 1
    assert read.rejected == [(f"link 1 of {site.url}/", "what select chose has no href and no src")]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"select": "a["}, "select 'a[' is neither CSS nor"),
        ({"select": "//a["}, "select '//a[' is neither CSS nor"),
        ({"select": "a:nosuch"}, "select 'a:nosuch' is neither CSS nor"),
        ({"next": "a[rel="}, "next 'a[rel=' is neither CSS nor"),
        ({"select": "//a/nosuch()"}, "'//a/nosuch()'"),
        ({"select": "/html/body/a = 3"}, "gives no elements"),
    ],
)
def test_a_selector_that_is_none_fails_by_its_name(site, params, sentence):
    source = site.source(HtmlLinks(), site.answer("/", html(links("a"))), params)
    with pytest.raises(PermanentFailure) as caught:
        source.read()
    assert sentence in str(caught.value)


def listing(site, number: int, last: int, how: str) -> None:
    following = how.format(f"/{number + 1}") if number < last else ""
    site.answer(f"/{number}", html(links(f"p{number}a", f"p{number}b") + following))


@pytest.mark.parametrize(
    ("how", "params"),
    [
        ('<link rel="next" href="{}">', {}),
        ('<a rel="nofollow NEXT" href="{}">more</a>', {}),
        ('<a class="more" href="{}">more</a>', {"next": "a.more"}),
        ('<a class="more" href="{}">more</a>', {"next": "//a[@class='more']/@href"}),
        ('<a rel="next" href="/0">no</a><p class="more"><a href="{}">more</a></p>', {"next": "p.more"}),
    ],
)
def test_pages_follow_each_other_by_rel_or_by_a_selector(site, how, params):
    for number in range(3):
        listing(site, number, 2, how)
    params = {"include": ["https://www.example.com/*"], **params}
    read = site.source(HtmlLinks(), f"{site.url}/0", params).read()
    assert [data["title"] for data in read.data] == ["p0a", "p0b", "p1a", "p1b", "p2a", "p2b"]
    assert [mark.page for mark in read.marks] == [1, 2, 3]
    assert not any(mark.complete for mark in read.marks)


def test_the_cap_on_pages_ends_the_listing_and_is_told(site):
    for number in range(4):
        listing(site, number, 3, '<link rel="next" href="{}">')
    read = site.source(HtmlLinks(), f"{site.url}/0", max_pages=2).read()
    assert ([mark.page for mark in read.marks], len(read.keys)) == ([1, 2], 4)
    assert "goes on after max_pages 2" in read.warnings[0][1]
    assert site.source(HtmlLinks(), f"{site.url}/0", max_pages=4).read().warnings == []


@pytest.mark.parametrize("target", ["/0", "/1", "/1?b=&a=1#x", "/0#next"])
def test_pages_that_lead_in_a_circle_are_read_once(site, target):
    for number in (0, 1):
        site.answer(f"/{number}", html(links(f"p{number}") + f'<link rel="next" href="/{1 - number}">'))
    site.answer("/1?a=1&b=", html(links("p1") + f'<link rel="next" href="{target}">'))
    site.answer("/1?b=&a=1", html(links("p1") + f'<link rel="next" href="{target}">'))
    site.answer("/1", html(links("p1") + f'<link rel="next" href="{target}">'))
    read = site.source(HtmlLinks(), f"{site.url}/0").read()
    assert len(read.marks) <= 3
    assert read.warnings == []


def test_a_page_is_known_by_where_it_came_from_in_the_end(site):
    site.answer("/0", html(links("a") + '<link rel="next" href="/1">'))
    site.answer("/2", html(links("a") + '<link rel="next" href="/2">'))
    site.answers("/1", Answer(302, headers=(("Location", "/2"),)))
    assert [mark.page for mark in site.source(HtmlLinks(), f"{site.url}/0").read().marks] == [1, 2]


def test_only_a_page_without_a_next_one_is_asked_whether_it_has_changed(site):
    etag = (("ETag", '"1"'),)
    alone = html(links("a")).encode()
    url = site.answers("/alone", Answer(200, alone, etag), Answer(304, headers=etag))
    source = site.source(HtmlLinks(), url)
    source.read()
    read = source.read()
    assert (read.keys, read.marks[-1].page) == ([], 0)
    assert site.server.asked[-1].headers["If-None-Match"] == '"1"'
    first = html(links("a") + '<link rel="next" href="/second">').encode()
    site.answers("/first", Answer(200, first, etag))
    site.answer("/second", html(links("b")))
    source = site.source(HtmlLinks(), f"{site.url}/first")
    source.read()
    assert len(source.read().keys) == 2
    sent = [asked.headers["If-None-Match"] for asked in site.server.asked if asked.path == "/first"]
    assert sent == [None, None]


def test_a_page_that_got_a_next_one_is_no_longer_asked_whether_it_has_changed(site):
    etag = (("ETag", '"1"'),)
    more = html(links("a") + '<link rel="next" href="/second">').encode()
    url = site.answers("/", Answer(200, html(links("a")).encode(), etag), Answer(200, more, etag))
    site.answer("/second", html(links("b")))
    source = site.source(HtmlLinks(), url)
    for _ in range(3):
        source.read()
    sent = [asked.headers["If-None-Match"] for asked in site.server.asked if asked.path == "/"]
    assert sent == [None, '"1"', None]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("text/html; charset=iso-8859-1", "latin-1"),
        ("text/html", "utf-8"),
        ("text/html", "cp1252"),
        ("", "utf-16"),
        ("application/xhtml+xml; charset=utf-8", "utf-8"),
    ],
)
def test_a_page_is_read_in_its_encoding(site, declared, encoding):
    body = html('<a href="/Grüße">Grüße</a>').encode(encoding)
    read = site.source(HtmlLinks(), site.answer("/", body, declared)).read()
    assert read.data == [{"url": f"{site.url}/Grüße", "title": "Grüße"}]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"a": "<a href=x>"}', "application/json"),
        ("just a text", "text/plain"),
        ("just a text", "text/html"),
        ("%PDF-1.7 \0 <html>", ""),
        ("<rss><channel><link>x</link></channel></rss>", "application/rss+xml"),
        ("   ", "text/html"),
    ],
)
def test_what_is_no_html_fails_by_its_name(site, body, kind):
    with pytest.raises(PermanentFailure, match=r"/page is no HTML"):
        site.source(HtmlLinks(), site.answer("/page", body, kind)).read()


def test_a_page_behind_the_first_that_fails_keeps_what_was_marked(site):
    listing(site, 0, 1, '<link rel="next" href="{}">')
    site.answers("/1", Answer(500))
    source = site.source(HtmlLinks(), f"{site.url}/0")
    with pytest.raises(TransientFailure):
        source.read()
    assert len(source.known) == 2


def test_a_page_of_this_machine_is_read_but_leads_to_no_other_file(site, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(html(links("a") + '<a href="other.html">x</a><link rel="next" href="other.html">'))
    read = site.source(HtmlLinks(), page.as_uri()).read()
    assert [data["url"] for data in read.data] == ["https://www.example.com/a"]


@given(st.text(st.characters(exclude_characters="\0"), max_size=200))
def test_whatever_is_on_a_page_only_links_into_the_web_come_of_it(site_of_module, body):
    site = site_of_module
    # Half surrogates become bytes that are no UTF-8, as a broken page has them.
    page = f"<p>{body}</p>{links('a')}".encode("utf-8", "surrogatepass")
    read = site.source(HtmlLinks(), site.answer("/", page, "text/html")).read()
    assert all(data["url"].lower().startswith(("http://", "https://")) for data in read.data)
