"""The text of a feed: its encoding, and what feeds get wrong about `&`.

Not here: what the text says (`feed_document`).
"""

import codecs
import re
from collections.abc import Iterator
from html.entities import html5
from typing import Final
from xml.sax.saxutils import escape

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # It begins like that of UTF-16.
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE | re.ASCII)
_DECLARED: Final = re.compile(rb"\s*<\?xml\s[^>]*?encoding\s*=\s*[\"']([\w.:-]+)")
_DECLARATION: Final = re.compile(r"\s*<\?xml\s[^>]*\?>")
_AMPERSAND: Final = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)|&(?!#[0-9]+;|#x[0-9a-fA-F]+;|(?:amp|lt|gt|quot|apos);)([0-9A-Za-z]{1,32};)?",
    re.DOTALL,
)


def feed_text(content: bytes, media_type: str) -> str:
    """The text of a feed, without an XML declaration.

    Its encoding is that of the byte order mark, else the one that the host names, else its own (RFC 7303);
    one that does not fit is not believed.
    """
    text = _decoded(content, media_type)
    declaration = _DECLARATION.match(text)
    return text[declaration.end() :] if declaration else text


def mended(text: str) -> str:
    """The text of an XML document with every `&` that is only an ampersand, and HTML's entities, made XML.

    A text that is well-formed on its own stays as it is.
    """
    return _AMPERSAND.sub(_as_xml, text)


def _decoded(content: bytes, media_type: str) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.removeprefix(mark).decode(encoding, "replace")
    for encoding in _candidates(content, media_type):
        try:
            return content.decode(encoding)
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def _candidates(content: bytes, media_type: str) -> Iterator[str]:
    if named := _CHARSET.search(media_type):
        yield named[1]
    if declared := _DECLARED.match(content):
        yield declared[1].decode("ascii")
    yield "utf-8"


def _as_xml(found: re.Match[str]) -> str:
    if found[0].startswith("<"):
        return found[0]
    name = found[1] or ""
    return escape(html5[name]) if name in html5 else f"&amp;{name}"
