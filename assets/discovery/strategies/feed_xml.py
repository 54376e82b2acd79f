"""The XML of a feed: read without harm, mended if need be; and what feedparser changes or leaves out of it.

feedparser resolves ids like links and keeps one of several transcripts; ids must stay verbatim, for they are
keys. What it gets to read has been through the parser here: on a broken feed its own rules take minutes for
what takes this one an instant. Not here: all else that entries say (`feed_document`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from assets.discovery.strategies.feed_entry import Transcript
from assets.discovery.strategies.feed_text import mended
from assets.discovery.strategies.web_source import absolute_url
from assets.discovery.strategies.xml_documents import SAFELY, local_name, namespace, refuse_entities

if TYPE_CHECKING:
    from lxml import etree

_ROOTS: Final = frozenset({"feed", "rdf", "rss"})
_END: Final = re.compile(r"</(?:[\w.-]+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_TAIL: Final = 1000
"""Characters in which a feed ends; some programs write a comment behind it."""
_IS_LINK: Final = "isPermaLink"
_RDF_ABOUT: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_YOUTUBE: Final = "http://www.youtube.com/xml/schemas/2015"
_PODCAST: Final = frozenset(
    {
        "https://podcastindex.org/namespace/1.0",
        "https://github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md",
    }
)
_FORMATS: Final = frozenset(
    {
        "",  # RSS 0.9x and 2.0
        "http://purl.org/atom/ns#",
        "http://my.netscape.com/rdf/simple/0.9/",
        "http://purl.org/rss/1.0/",
        "http://www.w3.org/2005/Atom",
    }
)
"""The namespaces that entries and their ids are in. Others' `item` and `id` mean something else."""


@dataclass(frozen=True, slots=True)
class Element:
    """One entry as it is written."""

    base: str
    """The URL that relative links in it are meant from, by xml:base and the URL of the document."""
    id: str = ""
    is_link: bool = False
    """Whether the id is where the entry is, too."""
    video_id: str = ""
    transcripts: tuple[Transcript, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedXml:
    """A feed that has been read: its entries, and all of it for feedparser.

    `content` is well-formed, in UTF-8, and without a document type declaration; no id in it is a link, so
    that feedparser resolves none. `problem` is what was wrong with the feed, though it could be read.
    """

    elements: list[Element]
    content: bytes
    problem: str = ""


def read_feed_xml(text: str, url: str) -> FeedXml | None:
    """Read a feed; none if it is no XML. What is broken is read as far as it goes.

    Raises:
        EntitiesDeclared: it does.
        ValueError: it is cut off, so its last entry may lack what it is known by.
    """
    from lxml import etree

    content, problem = mended(text).encode("utf-8", "replace"), ""
    try:
        root = etree.fromstring(content, _parser(recover=False), base_url=url)
    except etree.XMLSyntaxError as error:
        problem = " ".join(str(error.msg).split())
        try:
            root = etree.fromstring(content, _parser(recover=True), base_url=url)
        except etree.XMLSyntaxError:
            return None
    if root is None:
        return None
    refuse_entities(root)
    if problem and local_name(root).lower() in _ROOTS and not _END.search(text[-_TAIL:]):
        raise ValueError("is cut off: it has no end; try again later")
    entries = root.iter("{*}entry", "{*}item")
    elements = [_element(each, url) for each in entries if namespace(each) in _FORMATS]
    for identity in root.iter("{*}guid", "{*}id"):
        identity.set(_IS_LINK, "false")
    return FeedXml(elements, etree.tostring(root, encoding="utf-8", xml_declaration=True), problem)


def _parser(*, recover: bool) -> "etree.XMLParser":
    from lxml import etree

    return etree.XMLParser(encoding="utf-8", recover=recover, remove_comments=True, remove_pis=True, **SAFELY)


def _element(element: "etree._Element", url: str) -> Element:
    base = element.base or url
    own = {local_name(child): child for child in element if namespace(child) in _FORMATS}
    identity = own.get("guid", own.get("id"))
    name = _text(identity) if identity is not None else ""
    guid = own.get("guid")
    is_link = guid is not None and guid.get(_IS_LINK) != "false"
    video = next((_text(child) for child in element if child.tag == f"{{{_YOUTUBE}}}videoId"), "")
    about = (element.get(_RDF_ABOUT) or "").strip()
    return Element(base, name or about, is_link, video, tuple(_transcripts(element, base)))


def _transcripts(element: "etree._Element", base: str) -> Iterator[Transcript]:
    for child in element:
        if local_name(child) == "transcript" and namespace(child) in _PODCAST:
            link = absolute_url(base, child.get("url") or "")
            if link is not None and child.get("url"):
                yield Transcript(link, (child.get("type") or "").strip().lower())


def _text(element: "etree._Element") -> str:
    return "".join(map(str, element.itertext())).strip()
