"""Feeds as they are really written, read from a real server: keys, dates, links, and what is no feed."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.discovery.contract import AuthFailure, RateLimited
from assets.discovery.keys import partition_key, text_key
from assets.discovery.strategies.rss_atom import RssAtom
from assets.discovery.urls import hash_url
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing
from tests.resources.http.web_server import Answer, Raw

SAMPLES = Path(__file__).parents[1] / "samples" / "feeds"
MORNING = 1_772_355_600_000  # 2026-03-01T09:00:00Z


def rss(*items: str, more: str = "") -> str:
    head = f'<?xml version="1.0"?><rss version="2.0" {more}><channel><title>T</title>'
    return f"{head}{''.join(items)}</channel></rss>"


def item(**parts: str) -> str:
    return "<item>" + "".join(f"<{name}>{text}</{name}>" for name, text in parts.items()) + "</item>"


def atom(*entries: str, more: str = "") -> str:
    inner = "".join(f"<entry>{each}</entry>" for each in entries)
    return f'<feed xmlns="http://www.w3.org/2005/Atom" {more}><title>T</title>{inner}</feed>'


def json_feed(*items: object) -> str:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": items})


def source_of(site, body: str | bytes, kind: str = "", strategy: RssAtom | None = None, **job):
    return site.source(strategy or RssAtom(), site.answer("/feed", body, kind), **job)


def read(site, body: str | bytes, kind: str = "", **job):
    return source_of(site, body, kind, **job).read()


# E18, E19: the same link is the same item.


def test_links_that_mean_the_same_are_one_key(site):
    links = [
        "http://www.example.com/query?id=111&amp;cat=222",
        "http://www.example.com/query?cat=222&amp;id=111",
    ]
    assert read(site, rss(*(item(link=link) for link in links))).keys == ["url:c3caa212b4ecf515"] * 2
    links = ["https://EXAMPLE.com", "https://example.com/", "https://example.com:443/#x"]
    assert read(site, rss(*(item(link=link) for link in links))).keys == ["url:0f115db062b7c0dd"] * 3


def test_what_the_job_drops_from_links_is_not_in_their_key(site):
    body = rss(item(link="https://example.com/?utm_source=x"))
    assert read(site, body).keys != ["url:0f115db062b7c0dd"]
    assert read(site, body, strategy=RssAtom(drop_params=["utm_*"])).keys == ["url:0f115db062b7c0dd"]


# E20: a guid is the key, verbatim.


def test_a_guid_is_the_key_and_a_link_is_where_there_is_none(site):
    body = rss(item(guid="tag:x,1", link="https://example.com/"), item(link="https://example.com/"))
    found = read(site, body)
    assert found.keys == ["tag:x,1", "url:0f115db062b7c0dd"]
    assert partition_key(found.keys[0]) == "tag-x-1-2557a38cd5008bb5"
    assert {candidate.url for candidate in found.candidates} == {"https://example.com/"}


@pytest.mark.parametrize(
    "guid",
    [
        "post-7",
        "custom:x",
        "http:///x//y",
        "http://[x",
        "/posts/7",
        "HTTPS://Example.com/A?b&amp;c",
        "é ü",
        "Ã©",
        "0",
    ],
)
@pytest.mark.parametrize("kind", ["guid", 'guid isPermaLink="true"', 'guid isPermaLink="false"'])
def test_an_id_stays_verbatim_whatever_it_looks_like(site, guid, kind):
    body = rss(f"<item><{kind}> {guid}\n</guid></item>", more='xml:base="https://base.example/x/"')
    assert read(site, body).keys == [guid.replace("&amp;", "&")]


@pytest.mark.parametrize("identity", ["urn:uuid:1", "x:y", "relative/7", "http://[x"])
def test_an_atom_id_stays_verbatim_too(site, identity):
    body = atom(f"<id>{identity}</id>", more='xml:base="https://base.example/x/"')
    assert read(site, body).keys == [identity]


def test_a_guid_that_is_a_link_is_where_the_entry_is(site):
    body = rss(
        item(guid="https://example.com/a"),
        "<item><guid isPermaLink='true'>https://example.com/b</guid></item>",
        "<item><guid isPermaLink='false'>https://example.com/c</guid></item>",
        item(guid="post-7"),
        item(guid="tag:x,1"),
    )
    found = [candidate.url for candidate in read(site, body).candidates]
    assert found == ["https://example.com/a", "https://example.com/b", None, None, None]


def test_an_id_stays_verbatim_in_a_namespace_that_only_feedparser_knows(site):
    body = rss(item(guid="post-7"), more="xmlns='http://backend.userland.com/rss2'")
    assert read(site, body).keys == ["post-7"]


def test_entries_of_other_namespaces_are_none(site):
    body = rss("<x:item><guid>1</guid></x:item>", item(guid="2"), more="xmlns:x='https://example.com/x'")
    assert read(site, body).keys == ["2"]


# E21: without id and link.


def test_title_and_date_are_the_key_where_there_is_nothing_better(site):
    found = read(site, rss(item(title="Weekly note", pubDate="Sun, 01 Mar 2026 09:00:00 GMT")))
    assert found.keys == ["text:fe373ecaf2cb0587"]
    assert found.candidates[0].published_at == MORNING
    assert found.warnings == []


def test_a_title_alone_is_one_item_and_a_warning(site):
    source = source_of(site, rss(item(title="Untitled"), item(title="Untitled")))
    found = source.read()
    assert found.keys == ["text:000f1de25cdace81"] * 2
    assert found.new == ["text:000f1de25cdace81"]
    assert ["nothing but its title" in text for _, text in found.warnings] == [True, True]


def test_a_title_is_never_the_key_alone_where_the_entry_says_more(site):
    body = rss(item(title="Untitled", description="One."), item(title="Untitled", description="Two."))
    keys = read(site, body).keys
    assert len(set(keys)) == 2
    assert all(key.startswith("data:") for key in keys)


def test_a_key_field_is_asked_after_the_id_and_before_link_and_title(site):
    body = rss(
        item(guid="7", author="a"),
        item(link="https://example.com/", author="b"),
        item(title="t", pubDate="Sun, 01 Mar 2026 09:00:00 GMT", author="c"),
    )
    assert read(site, body, strategy=RssAtom(key_field="author")).keys == ["7", "b", "c"]


def test_an_entry_that_says_nothing_is_rejected_and_the_others_go_on(site):
    found = read(site, rss("<item/>", item(guid="1"), "<item><guid> </guid></item>"))
    assert found.keys == ["1"]
    assert found.rejected == [
        ("entry 1", "it has neither id, link, title nor text"),
        ("entry 3", "it has neither id, link, title nor text"),
    ]


# E23: nothing, and nothing new.


def test_an_empty_body_fails_and_the_place_is_kept(site):
    url = site.answers(
        "/feed", Answer(200, rss(item(guid="1")).encode(), (("ETag", '"1"'),)), Answer(200, b"")
    )
    source = site.source(RssAtom(), url)
    source.read()
    stored = source.validators
    with pytest.raises(PermanentFailure, match="empty body"):
        source.read()
    assert source.validators == stored


def test_an_unchanged_feed_is_read_no_more(site):
    head = (("ETag", '"1"'), ("Last-Modified", "Sun, 01 Mar 2026 09:00:00 GMT"))
    url = site.answers("/feed", Answer(200, rss(item(guid="1")).encode(), head), Answer(304))
    source = site.source(RssAtom(), url)
    assert source.read().new == ["1"]
    again = source.read()
    assert (again.candidates, [mark.page for mark in again.marks]) == ([], [0])
    asked = site.server.asked[-1].headers
    assert asked["If-None-Match"] == '"1"'
    assert asked["If-Modified-Since"] == "Sun, 01 Mar 2026 09:00:00 GMT"
    assert_a_second_read_changes_nothing(source)


def test_a_limit_keeps_the_validators_until_all_is_taken(site):
    body = rss(*(item(guid=str(number)) for number in range(5))).encode()
    source = site.source(RssAtom(), site.answers("/feed", Answer(200, body, (("ETag", '"1"'),))))
    taken = [source.read(limit=2).new for _ in range(3)]
    assert taken == [["0", "1"], ["2", "3"], ["4"]]
    assert source.validators is not None
    assert source.validators["etag"] == '"1"'
    assert not source.read().is_complete


def test_a_crash_forgets_nothing(site):
    source = source_of(site, rss(item(guid="1"), item(guid="2")))
    source.read(crash_after=1)
    assert source.known == {}
    assert source.read().new == ["1", "2"]


# Formats.


@pytest.mark.parametrize(
    ("sample", "kind", "keys"),
    [
        (
            "rss_without_guid.xml",
            "application/rss+xml",
            [f"url:{hash_url('https://example.org/a')}", "text:fe373ecaf2cb0587"],
        ),
        ("atom.xml", "application/atom+xml", ["urn:x:1", "urn:x:2"]),
        ("feed.json", "application/feed+json", ["https://example.org/a", "7"]),
        ("rdf.xml", "text/xml", ["https://example.org/a", "https://example.org/b"]),
        ("rss091.xml", "text/xml", [f"url:{hash_url('https://example.org/a')}"]),
    ],
)
def test_every_format_is_read_and_read_again_without_a_change(site, sample, kind, keys):
    source = source_of(site, (SAMPLES / sample).read_bytes(), kind)
    found = source.read()
    assert found.keys == keys
    assert found.rejected == []
    assert not found.is_complete
    assert_a_second_read_changes_nothing(source)


def test_all_that_an_entry_says_is_in_its_data(site):
    found = read(site, (SAMPLES / "atom.xml").read_bytes())
    first = found.candidates[0]
    assert first.data == {
        "id": "urn:x:1",
        "url": "https://example.org/notes/one",
        "title": "One & only bold",
        "published": "2026-03-01T10:00:00+01:00",
        "updated": "2026-03-02T09:00:00Z",
        "author": "The desk",
        "summary": "Short.",
        "content": "<p>Long <i>text</i>.</p>",
        "categories": ["a", "b"],
        "enclosures": [
            {
                "url": "https://example.org/notes/one.pdf",
                "type": "application/pdf",
                "bytes": 1200,
                "duration": "",
            }
        ],
    }
    assert (first.title, first.published_at) == ("One & only bold", MORNING)


def test_json_feed_gives_the_same_fields(site):
    found = read(site, (SAMPLES / "feed.json").read_bytes())
    assert found.data[0] == {
        "id": "https://example.org/a",
        "url": f"{site.url}/a",
        "title": "A",
        "published": "2026-03-01T10:00:00+01:00",
        "updated": "",
        "author": "The desk, The other desk",
        "summary": "Short.",
        "content": "<p>Long.</p>",
        "categories": ["x"],
        "enclosures": [
            {"url": f"{site.url}/a.mp3", "type": "audio/mpeg", "bytes": 99, "duration": "61.5"},
        ],
    }
    assert found.candidates[0].published_at == MORNING
    assert found.candidates[1].url == "https://elsewhere.example/"


def test_an_atom_entry_that_was_updated_has_changed(site):
    entry = "<id>urn:x:1</id><title>{}</title><updated>2026-03-0{}T09:00:00Z</updated>"
    source = source_of(site, atom(entry.format("One", 1)))
    source.read()
    before = dict(source.known)
    site.answer("/feed", atom(entry.format("One", 2)))
    assert source.read().new == []
    assert source.known.keys() == before.keys()
    assert source.known != before


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("<title>AT&amp;amp;T</title>", "AT&amp;T"),
        ("<title type='html'>AT&amp;amp;T &lt;i&gt;x&lt;/i&gt;</title>", "AT&T x"),
        ("<title type='text'>a &lt;b&gt; c</title>", "a <b> c"),
        ("<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a <i>b</i></div></title>", "a b"),
    ],
)
def test_a_title_is_text(site, title, text):
    assert read(site, atom(f"<id>1</id>{title}")).candidates[0].title == text


def test_html_is_neither_cleaned_nor_are_its_links_resolved(site):
    body = rss(item(guid="1", description="&lt;script&gt;x&lt;/script&gt;&lt;a href='b'&gt;"))
    assert read(site, body).data[0]["summary"] == "<script>x</script><a href='b'>"


def test_relative_links_are_meant_from_xml_base_and_else_from_the_document(site):
    body = atom(
        "<id>1</id><link href='a'/>",
        "<id>2</id><link xml:base='/c/' href='a'/>",
        "<id>3</id><link xml:base='c/' href='a'/>",
    )
    assert [found.url for found in read(site, body).candidates] == [
        f"{site.url}/a",
        f"{site.url}/c/a",
        f"{site.url}/c/a",
    ]
    based = read(site, body.replace(">", " xml:base='https://x.example/b/'>", 1)).candidates
    assert [found.url for found in based] == [
        "https://x.example/b/a",
        "https://x.example/c/a",
        "https://x.example/b/c/a",
    ]


@pytest.mark.parametrize(
    ("length", "size"), [("12", 12), ("-1", None), ("1.5", None), ("9" * 5000, None), ("", None)]
)
def test_a_length_that_is_no_number_of_bytes_is_unknown(site, length, size):
    body = rss(f"<item><guid>1</guid><enclosure url='/a' type='x/y' length='{length}'/></item>")
    assert read(site, body).data[0]["enclosures"][0]["bytes"] == size


def test_relative_links_of_rss_too(site):
    items = "<item><guid>1</guid><link>a</link><enclosure url='b' type='x/y' length='none'/></item>"
    plain = read(site, rss(items)).data[0]
    assert (plain["url"], plain["enclosures"][0]["url"]) == (f"{site.url}/a", f"{site.url}/b")
    based = read(site, rss(items, more="xml:base='c/'")).data[0]
    assert (based["url"], based["enclosures"]) == (
        f"{site.url}/c/a",
        [{"url": f"{site.url}/c/b", "type": "x/y", "bytes": None, "duration": ""}],
    )


def test_of_several_links_the_page_is_taken(site):
    entry = (
        "<id>1</id><link rel='self' href='https://x.example/self'/>"
        "<link rel='alternate' type='application/json' href='https://x.example/json'/>"
        "<link rel='alternate' type='text/html' href='https://x.example/page'/>"
    )
    assert read(site, atom(entry)).candidates[0].url == "https://x.example/page"
    assert (
        read(site, atom("<id>1</id><link rel='self' href='https://x.example/self'/>")).candidates[0].url
        is None
    )


# Dates.


def test_a_date_without_zone_is_in_the_zone_of_the_job_and_one_that_is_none_is_told(site):
    body = rss(
        item(guid="1", pubDate="Sun, 01 Mar 2026 04:00:00"),
        item(guid="2", pubDate="next week"),
        item(guid="3", pubDate="Sun, 01 Mar 2026 09:00:00 BST"),
        item(guid="4"),
    )
    found = read(site, body, timezone="America/New_York")
    assert [candidate.published_at for candidate in found.candidates] == [MORNING, None, None, None]
    said = f"of {site.url}/feed has the date"
    assert [text for _, text in found.warnings] == [
        f"Entry 2 {said} 'next week', which cannot be read; it stays without it.",
        f"Entry 3 {said} 'Sun, 01 Mar 2026 09:00:00 BST', which cannot be read; it stays without it.",
    ]


def test_an_entry_that_was_only_updated_has_that_date(site):
    assert (
        read(site, atom("<id>1</id><updated>2026-03-01T09:00:00Z</updated>")).candidates[0].published_at
        == MORNING
    )


# Encodings, and what is broken.


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (rss(item(title="café", guid="é")).encode(), "application/rss+xml"),
        (rss(item(title="café", guid="é")).encode("utf-16"), "application/rss+xml"),
        (rss(item(title="café", guid="é")).encode("utf-16"), ""),
        (rss(item(title="café", guid="é")).encode("utf-32"), "text/xml; charset=utf-8"),
        (
            rss(item(title="café", guid="é")).replace('"1.0"?', '"1.0" encoding="UTF-16"?').encode("utf-16"),
            "",
        ),
        (json_feed({"id": "é", "title": "café"}).encode("utf-8-sig"), ""),
        (b"\xef\xbb\xbf" + rss(item(title="café", guid="é")).encode(), "text/xml"),
        (
            rss(item(title="café", guid="é"))
            .replace('"1.0"?', '"1.0" encoding="iso-8859-1"?')
            .encode("latin-1"),
            "text/xml",
        ),
        (rss(item(title="café", guid="é")).encode("latin-1"), "application/rss+xml; charset=iso-8859-1"),
        (rss(item(title="café", guid="é")).encode(), "text/html; charset=utf-8"),
        (rss(item(title="café", guid="é")).encode("latin-1"), "application/rss+xml; charset=utf-8"),
        (rss(item(title="café", guid="é")).encode(), "text/xml; charset=nonsense"),
        (rss(item(title="café", guid="é")).encode(), "text/xml; charset=us-ascii"),
    ],
)
def test_encodings_are_told_apart(site, body, kind):
    found = read(site, body, kind)
    assert (found.keys, found.candidates[0].title) == (["é"], "café")


@pytest.mark.parametrize(("declared", "sent"), [("koi8-r", ""), ("utf-8", "; charset=koi8-r")])
def test_an_encoding_of_one_byte_is_the_one_that_is_named(site, declared, sent):
    body = rss(item(title="Привет")).replace('"1.0"?', f'"1.0" encoding="{declared}"?')
    assert read(site, body.encode("koi8-r"), f"text/xml{sent}").candidates[0].title == "Привет"


def test_what_feeds_get_wrong_about_ampersands_is_mended_without_a_word(site):
    titles = ["a & b&nbsp;c", "AT&T &eacute;&#233; &lt;i> &foo; &LT;", "<![CDATA[a & b &amp;]]>", "&"]
    found = read(site, rss(*(item(title=title, link="https://example.com/?a=1&b=2") for title in titles)))
    assert [candidate.title for candidate in found.candidates] == [
        "a & b\xa0c",
        "AT&T éé <i> &foo; <",
        "a & b &",
        "&",
    ]
    assert {candidate.url for candidate in found.candidates} == {"https://example.com/?a=1&b=2"}
    assert found.warnings == []


def test_what_is_quoted_as_a_whole_is_not_mended(site):
    html = '<a href="?x=1&y=2">&nbsp;&amp;</a>'
    body = rss(item(guid="1", description=f"<![CDATA[{html}]]>"), item(guid="a&b"))
    assert read(site, body).data[0]["summary"] == html


@pytest.mark.parametrize(
    "broken",
    [
        "<title>a <b> c</title>",
        "<unknown:tag>x</unknown:tag>",
        "<title>a\x0b</title>",
        "<a b=c/>",
    ],
)
def test_a_feed_that_is_not_well_formed_is_read_as_far_as_possible(site, broken):
    found = read(site, rss(f"<item><guid>1</guid>{broken}</item>", item(guid="2")))
    assert found.keys[0] == "1"
    assert found.keys[-1] == "2"
    assert ["no well-formed XML" in text for _, text in found.warnings] == [True]


@pytest.mark.parametrize(
    "body",
    [
        '<?xml version="1.0"?>' + "\n" * 400_000 + rss(item(guid="1")).partition("?>")[2],
        "\n" * 400_000 + rss(item(guid="1")).partition("?>")[2],
        rss(item(guid="1"), "<a " * 40_000),
        rss(item(guid="1"), "<" * 400_000),
        rss(item(guid="1"), "<a>" * 100_000),
        rss(item(guid="1"), "&" * 400_000),
    ],
    ids=["blank head", "blank beginning", "open tags", "brackets", "depth", "ampersands"],
)
def test_a_feed_that_is_made_to_take_long_does_not(site, body):
    """Each of them takes feedparser alone minutes, and the suite would not end."""
    assert read(site, body).keys[:1] == ["1"]


def test_what_stands_behind_the_end_does_no_harm(site):
    assert read(site, rss(item(guid="1")) + "<!-- served from a cache -->\n").warnings == []
    assert len(read(site, rss(item(guid="1")) + "<script>x</script>").warnings) == 1


@pytest.mark.parametrize("at", ["</guid></item></channel></rss>", "<guid>2", "ss>"])
def test_a_feed_that_is_cut_is_refused_for_its_last_entry_may_lack_its_id(site, at):
    body = rss(item(guid="1", title="<![CDATA[</rss>]]>"), item(title="x" * 1000, guid="2"))
    cut = body[: body.rindex(at)]
    with pytest.raises(PermanentFailure, match="is cut off"):
        read(site, cut)


def test_a_connection_that_breaks_off_fails_and_yields_nothing(site):
    body = rss(item(guid="1")).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode()
    source = site.source(RssAtom(), site.answers("/feed", Raw(head + body)))
    with pytest.raises(TransientFailure, match="broke off"):
        source.read()
    assert (source.known, source.validators) == ({}, None)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<html><body>Please sign in.</body></html>", "is no feed"),
        ("hello", "is no feed"),
        ("   ", "is no feed"),
        ('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url/></urlset>', "is no feed"),
        ("{}", "no JSON Feed"),
        ('{"version": "https://jsonfeed.org/version/1.1"}', "without its list of items"),
        ('{"version": "https://jsonfeed.org/version/1.1", "items": [', "begins like JSON"),
        ('{"items": ' + "[" * 100_000, "begins like JSON"),
        ("\0\1\2", "is no feed"),
    ],
)
def test_what_is_no_feed_is_a_failure_that_names_the_url(site, body, text):
    with pytest.raises(PermanentFailure, match=rf"^{site.url}/feed .*{text}"):
        read(site, body)


LAUGHS = '<!DOCTYPE rss [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "declared",
    [
        f"{LAUGHS}]>",
        '<!DOCTYPE rss [<!ENTITY i SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE rss [<!ENTITY i "x">]>',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_feed_that_declares_entities_is_refused(site, declared, encoding):
    feed = '<rss version="2.0"><channel><item><title>&i;</title></item></channel></rss>'
    body = f'<?xml version="1.0"?>{declared}{feed}'
    with pytest.raises(PermanentFailure, match="declares XML entities"):
        read(site, body.encode(encoding))


def test_neither_an_address_nor_a_path_in_a_body_is_opened(site, tmp_path):
    secret = tmp_path / "secret.xml"
    secret.write_text(rss(item(guid="secret")))
    for body in (str(secret), f"{site.url}/other"):
        with pytest.raises(PermanentFailure, match="is no feed"):
            read(site, body)
    assert "/other" not in site.server.paths()


# The web.


def test_a_feed_may_be_a_file(site, tmp_path):
    feed = tmp_path / "feed.xml"
    feed.write_text(rss(item(guid="1")))
    for url in (str(feed), feed.as_uri()):
        source = site.source(RssAtom(), url)
        assert source.read().keys == ["1"]
        assert source.read().marks[0].page == 0


def test_a_redirect_is_followed_and_links_are_meant_from_where_it_led(site):
    site.answer("/new/feed", rss(item(guid="1", link="a")))
    url = site.answers("/old", Answer(301, b"", (("Location", "/new/feed"),)))
    assert site.source(RssAtom(), url).read().candidates[0].url == f"{site.url}/new/a"


@pytest.mark.parametrize(
    ("answer", "failure", "text"),
    [
        (Answer(410), PermanentFailure, "gone"),
        (Answer(429, b"", (("Retry-After", "120"),)), RateLimited, "120"),
        (Answer(503, b"", (("Retry-After", "Thu, 01 Jan 1970 00:00:00 GMT"),)), RateLimited, "0 s"),
        (Answer(401), AuthFailure, "401"),
        (Answer(502), TransientFailure, "502"),
    ],
)
def test_what_the_host_says_is_the_failure(site, answer, failure, text):
    with pytest.raises(failure, match=text):
        site.source(RssAtom(), site.answers("/feed", answer)).read()


def test_robots_are_honoured(site):
    site.answer("/robots.txt", "User-agent: *\nDisallow: /", "text/plain")
    source = source_of(site, rss(item(guid="1")))
    with pytest.raises(PermanentFailure, match=r"robots\.txt"):
        source.read()
    assert "/feed" not in site.server.paths()


# Properties.

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=30
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_every_id_that_json_feed_and_rss_hold_comes_through_alike(site_of_module, entries):
    from xml.sax.saxutils import escape

    as_json = json_feed(*({"id": guid, "title": title} for guid, title in entries))
    as_rss = rss(*(item(guid=escape(guid), title=escape(title)) for guid, title in entries))
    keys = [read(site_of_module, body).keys for body in (as_json, as_rss.encode())]
    assert keys[0] == keys[1] == [guid.strip() for guid, _ in entries]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=200) | st.text("<>/&;!rss[]item={}\"'", min_size=1).map(str.encode))
def test_any_bytes_are_a_feed_or_a_failure_with_a_sentence(site_of_module, body):
    try:
        read(site_of_module, body)
    except PermanentFailure as failure:
        assert str(failure).endswith(".")  # noqa: PT017 - either way is right


def test_the_text_key_is_that_of_the_document():
    assert text_key("Weekly note", "2026-03-01T09:00:00Z") == "text:fe373ecaf2cb0587"
