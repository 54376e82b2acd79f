"""`extract`: the plain text of an HTML or text document, its title and how many words it has.

The document is what a stage before has read, else the first text of the item's own data. Parameters:
`fields`, where in the data to look; `min_words` 1, below which an item is skipped.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree
from pydantic import Field

from assets.discovery.config_values import Count, Keys
from assets.discovery.contract import Skip, Work
from assets.discovery.stage_input import TEXT_FIELDS, Document, checked_params, document_of, own_text
from assets.failures import PermanentFailure

HANDLER_VERSION = 1

_HTML_TYPES: Final = ("text/html", "application/xhtml+xml")
# Filings of the SEC are text with a page of HTML somewhere in it.
_HTML: Final = re.compile(r"<(?:!doctype\s+html|html|body)\b", re.IGNORECASE)
_UNSEEN: Final = frozenset(
    {
        *("head", "title", "script", "style", "template", "noscript"),
        *("iframe", "object", "svg", "math", "ix:header"),
    }
)
"""What a browser does not show as text; `ix:header` holds the hidden facts of inline XBRL."""
_INLINE: Final = frozenset(
    {
        *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em"),
        *("font", "i", "img", "ins", "kbd", "label", "mark", "q", "s", "samp", "small", "span", "strike"),
        *("strong", "sub", "sup", "time", "tt", "u", "var", "wbr"),
    }
)
"""What does not begin a new line; an element that nobody knows does."""
_CELLS: Final = frozenset({"td", "th"})
_LINE_END: Final = "\0"
"""No text that the parser gives has one; newlines of the source are mere white space."""


class _Params(Keys, extra="ignore"):
    fields_: tuple[str, ...] = Field((*TEXT_FIELDS, "html"), alias="fields")
    min_words: Count = 1


def handle(work: Work) -> dict[str, Any] | Skip:
    """Give `title` (null if there is none), `text` and `words`, which are what white space separates.

    Skips an item with fewer than `min_words` words.

    Raises:
        PermanentFailure: the params are wrong, or the document is no text, or nested or long beyond reason.
    """
    params = checked_params(work, _Params)
    document = document_of(work) or _own_document(work, params.fields_)
    if document.type in _HTML_TYPES or _HTML.search(document.body):
        title, text = _read_html(work, document.body)
    else:
        title, text = None, document.body.replace("\r\n", "\n").replace("\r", "\n").strip("\n\ufeff")
    words = len(text.split())
    if words < params.min_words:
        return Skip(f"too short: {words} of at least {params.min_words} words")
    return {"title": title or work.title, "text": text, "words": words}


def _own_document(work: Work, fields: tuple[str, ...]) -> Document:
    for field in fields:
        if text := own_text(work.data, (field,)):
            return Document("text/html" if field == "html" else "", text)
    return Document("", "")


def _read_html(work: Work, html: str) -> tuple[str | None, str]:
    """The title, if there is one, and the text, a line for each block that has some."""
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True)
    # Given as bytes, a page may say what it likes of its encoding.
    root = etree.fromstring(html.encode("utf-8", "replace"), parser)
    # Pages are broken in many ways, which the parser mends; only where it gives up, text is missing.
    if fatal := parser.error_log.filter_from_fatals():
        raise PermanentFailure(
            f"the HTML of {work.key} cannot be read to its end ({fatal[0].message.partition(',')[0]}); "
            "skip this item, or give a plainer page"
        )
    if root is None:  # Nothing but white space and comments.
        return None, ""
    lines = (" ".join(line.split()) for line in "".join(_pieces(root)).split(_LINE_END))
    return _title(root), "\n".join(line for line in lines if line)


def _title(root: etree._Element) -> str | None:
    for path in (".//title", ".//h1"):
        element = root.find(path)
        if element is not None and (title := " ".join("".join(element.itertext()).split())):
            return title
    return None


def _pieces(root: etree._Element) -> Iterator[str]:
    """The text of the page as it is written, with a `_LINE_END` wherever a line begins or ends."""
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = str(element.tag)
        edge = _edge(tag)
        if event == "end":
            yield edge
            yield element.tail or ""
        elif tag in _UNSEEN:
            walk.skip_subtree()
        else:
            yield edge
            yield element.text or ""


def _edge(tag: str) -> str:
    """What separates an element from what is beside it."""
    if tag in _CELLS:
        return " "
    return "" if tag in _INLINE or tag in _UNSEEN or tag.startswith("ix:") else _LINE_END
