"""A page of HTML, and the elements of it that a selector chooses: CSS, or XPath if it begins with `/`.

Not here: which links are followed (`html_links`).
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from assets.discovery.strategies.link_filter import web_link
from assets.discovery.strategies.web_source import Document, absolute_url
from assets.discovery.strategies.xml_stream import all_text
from assets.discovery.web import likely_encoding
from assets.failures import PermanentFailure

if TYPE_CHECKING:
    from lxml import etree

_HTML_TYPES: Final = frozenset({"", "text/html", "application/xhtml+xml", "text/plain"})
"""`text/plain` is what servers say of files whose kind they do not know."""
_TAG: Final = re.compile(
    r"<(?:!doctype\s+html|html|head|body|title|base|main|nav|div|p|ul|ol|table|a)\b", re.I
)
_LINKS: Final = ("href", "src")


class Link(NamedTuple):
    """A link as it is written, and the text that stands for it."""

    target: str
    text: str


class Selector:
    """Chooses links of pages.

    Raises:
        PermanentFailure: the expression is neither CSS nor XPath.
    """

    def __init__(self, expression: str, parameter: str) -> None:
        from cssselect import HTMLTranslator, SelectorError
        from lxml import etree

        try:
            path = expression
            if not expression.startswith("/"):
                path = HTMLTranslator().css_to_xpath(expression, prefix="descendant-or-self::")
            self._path = etree.XPath(path)
        except (SelectorError, etree.XPathError) as error:
            raise PermanentFailure(
                f"{parameter} {expression!r} is neither CSS nor, beginning with /, XPath "
                f"({' '.join(str(error).split())}); correct it in the job."
            ) from None
        self._what = f"{parameter} {expression!r}"

    def links(self, root: "etree._Element") -> "Iterator[Link | None]":
        """The link of every element that is chosen, or of the first within it; none for one without any.

        Raises:
            PermanentFailure: the XPath cannot be evaluated, or gives no elements and no texts.
        """
        from lxml import etree

        try:
            found: Any = self._path(root)
        except etree.XPathError as error:
            raise PermanentFailure(f"{self._what} cannot be evaluated ({error}); correct it.") from None
        if not isinstance(found, list):
            raise PermanentFailure(f"{self._what} gives no elements; correct it.")
        return (_link_of(each) for each in found)


class Page:
    """The elements of a page, and what its links are meant from.

    Raises:
        PermanentFailure: the document is no HTML.
    """

    def __init__(self, document: Document, what: str) -> None:
        from lxml import etree
        from w3lib.encoding import html_to_unicode

        declared = document.headers.get("Content-Type", "")
        kind = declared.partition(";")[0].strip().lower()
        text = html_to_unicode(declared, document.body, auto_detect_fun=likely_encoding)[1]
        if kind not in _HTML_TYPES or "\0" in text or not _TAG.search(text):
            raise PermanentFailure(
                f"{what} is no HTML{f' but {kind}' if kind else ''}; give the URL of a page."
            )
        parser = etree.HTMLParser(
            encoding="utf-8", no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
        )
        # Given as bytes, a page may say what it likes of its encoding.
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
        broken = parser.error_log.filter_from_fatals()
        if root is None or broken:
            reason = broken[0].message.partition(",")[0] if broken else "it is blank"
            raise PermanentFailure(f"{what} cannot be read to its end ({reason}).")
        self.root = root
        self.url = document.url
        bases = (element.get("href") for element in root.iter("base"))
        base = next((href for href in bases if href is not None), "")
        self.base = absolute_url(document.url, base) or document.url

    def absolute(self, link: Link) -> str | None:
        """Where a link leads; none if that is not the web, or only another place of this page."""
        target = link.target.strip()
        return None if not target or target.startswith("#") else web_link(self.base, target)

    def next_by_rel(self) -> str | None:
        """The page that this one says is the next (`rel=next`)."""
        for element in self.root.iter("link", "a"):
            is_next = "next" in (element.get("rel") or "").lower().split()
            if is_next and (url := self.absolute(Link(element.get("href") or "", ""))):
                return url
        return None


def _link_of(found: Any) -> Link | None:
    if isinstance(found, str):  # XPath may end in an attribute or a text.
        element = getattr(found, "getparent", lambda: None)()
        return Link(found, _text_of(element) if element is not None else "")
    if not hasattr(found, "iter"):
        return None
    targets = (element.get(name) for name in _LINKS for element in found.iter())
    target = next((target for target in targets if target is not None), None)
    return None if target is None else Link(target, _text_of(found))


def _text_of(element: "etree._Element") -> str:
    """What a reader sees of it, or what its author says that it is."""
    described = (element.get("title") or "", *(image.get("alt") or "" for image in element.iter("img")))
    return all_text(element) or next((" ".join(text.split()) for text in described if text.strip()), "")
