"""A feed of any format as entries: RSS 0.9x to 2.0, RDF, Atom by feedparser; JSON Feed by `json_feed`.

feedparser gets bytes and nothing else: a text it may take for an address or a file. It neither cleans HTML
nor resolves links in it, so that what an entry says changes only when the feed does; dates are taken as they
are written. Not here: what becomes of entries (`feed_entry`).
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from w3lib.html import remove_tags, replace_entities

from assets.discovery.strategies.feed_entry import Enclosure, Entry
from assets.discovery.strategies.feed_text import feed_text
from assets.discovery.strategies.feed_xml import Element, FeedXml, read_feed_xml
from assets.discovery.strategies.json_feed import json_entries
from assets.discovery.strategies.web_source import Document, absolute_url

_HTML: Final = frozenset({"", "text/html", "application/xhtml+xml"})
_NO_FEED: Final = "is no feed: neither RSS, RDF, Atom nor JSON Feed; correct url in the job"
_BYTES: Final = re.compile(r"[0-9]{1,18}")
_TYPE: Final = "application/xml; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Feed:
    """The entries of a feed in their order, and what is wrong with it though it can be read."""

    entries: list[Entry]
    problem: str = ""


def read_feed(document: Document) -> Feed:
    """Read a feed.

    Raises:
        ValueError: it is no feed, is cut off, or declares entities; the text goes on after its name.
    """
    text = feed_text(document.body, document.headers.get("Content-Type", ""))
    if text.lstrip().startswith("{"):
        return Feed(json_entries(text, document.url))
    xml = read_feed_xml(text, document.url)
    if xml is None:
        raise ValueError(_NO_FEED)
    problem = f"is no well-formed XML ({xml.problem}); it was read as far as possible" if xml.problem else ""
    return Feed(_entries(xml, document.url), problem)


def _entries(xml: FeedXml, url: str) -> list[Entry]:
    import feedparser

    parsed: Mapping[str, Any] = feedparser.parse(
        io.BytesIO(xml.content),
        response_headers={"content-location": url, "content-type": _TYPE},
        resolve_relative_uris=False,
        sanitize_html=False,
    )
    if not parsed.get("version"):
        raise ValueError(_NO_FEED)
    elements, found = xml.elements, [dict(entry) for entry in parsed["entries"]]
    if len(elements) != len(found):
        # Entries of a namespace that is none of feeds; feedparser takes some of them for its own.
        elements = [Element(url)] * len(found)
    return [_entry(*pair) for pair in zip(found, elements, strict=True)]


def _entry(found: dict[str, Any], element: Element) -> Entry:
    return Entry(
        id=element.id or _text(found.get("id")),
        url=_link(found, element),
        title=_title(found),
        published=_text(found.get("published")),
        updated=_text(found.get("updated")),
        author=_text(found.get("author")),
        summary=_text(found.get("summary")),
        content="\n".join(_text(part.get("value")) for part in found.get("content", ())),
        categories=tuple(term for tag in found.get("tags", ()) if (term := _text(tag.get("term")))),
        enclosures=tuple(_enclosures(found, element)),
        duration=_text(found.get("itunes_duration")),
        transcripts=element.transcripts,
        video_id=element.video_id or _text(found.get("yt_videoid")),
    )


def _title(found: Mapping[str, Any]) -> str:
    """The title as text: formats may write it in HTML, and say so."""
    title, kind = _text(found.get("title")), _text((found.get("title_detail") or {}).get("type"))
    return " ".join(replace_entities(remove_tags(title)).split()) if kind in _HTML - {""} else title


def _link(found: Mapping[str, Any], element: Element) -> str | None:
    """The page of an entry: its alternate link, of several one in HTML; else an id that is a link."""
    links = [each for each in found.get("links", ()) if each.get("rel") == "alternate" and each.get("href")]
    links.sort(key=lambda each: _text(each.get("type")).lower() not in _HTML)
    if links:
        return absolute_url(element.base, links[0]["href"])
    return element.id if element.is_link and _scheme(element.id) in {"http", "https"} else None


def _enclosures(found: Mapping[str, Any], element: Element) -> Iterator[Enclosure]:
    for link in found.get("links", ()):
        url = absolute_url(element.base, _text(link.get("href"))) if link.get("rel") == "enclosure" else None
        if url is not None and link.get("href"):
            length = _text(link.get("length"))
            yield Enclosure(
                url,
                _text(link.get("type")).lower(),
                int(length) if _BYTES.fullmatch(length) else None,
            )


def _scheme(url: str) -> str:
    """The scheme of a URL; blank for what is none."""
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
