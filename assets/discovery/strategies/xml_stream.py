"""Elements of a large XML document one after the other, without holding the document.

Not here: how XML is read without harm (`xml_documents`), and what elements mean.
"""

from collections.abc import Collection, Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from assets.discovery.strategies.xml_documents import (
    SAFELY,
    EntitiesDeclared,
    local_name,
    namespace,
    refuse_entities,
)
from assets.failures import PermanentFailure

if TYPE_CHECKING:
    from lxml import etree


class Stream(NamedTuple):
    """A document of which the first tag has been read."""

    root: str
    """The name of the first element, without its namespace."""
    namespace: str
    elements: "Iterator[etree._Element]"
    """Those that were asked for, each whole; it is emptied when the next one is asked for."""


def read_elements(file: IO[bytes], names: Collection[str], what: str) -> Stream:
    """Read the elements of these names in the namespace of the first element, wherever they are.

    Errors begin with `what`, the name of the document; reading on raises them as well.

    Raises:
        PermanentFailure: it is no well-formed XML, or declares entities.
    """
    from lxml import etree

    events = _events(
        etree.iterparse(file, events=("start", "end"), remove_comments=True, remove_pis=True, **SAFELY), what
    )
    _, root = next(events)
    try:
        refuse_entities(root)
    except EntitiesDeclared as error:
        raise PermanentFailure(f"{what} {error}.") from None
    prefix = f"{{{namespace(root)}}}" if namespace(root) else ""
    wanted = frozenset(prefix + name for name in names)
    return Stream(local_name(root), namespace(root), _elements(events, wanted))


def own_children(element: "etree._Element", name: str) -> "Iterator[etree._Element]":
    """The children of that name, in the namespace of the element itself."""
    home = namespace(element)
    return element.iterchildren(f"{{{home}}}{name}" if home else name)


def own_text(element: "etree._Element", name: str) -> str:
    """The text of the first such child; blank without one."""
    return next((all_text(child) for child in own_children(element, name)), "")


def all_text(element: "etree._Element") -> str:
    """All text within, with single spaces between words."""
    return " ".join("".join(map(str, element.itertext())).split())


def _events(parser: Any, what: str) -> "Iterator[tuple[str, etree._Element]]":
    from lxml import etree

    try:
        yield from parser
    except etree.XMLSyntaxError as error:
        raise PermanentFailure(
            f"{what} is no well-formed XML: {' '.join(str(error.msg).split()):.200}."
        ) from None


def _elements(
    events: "Iterator[tuple[str, etree._Element]]", wanted: Collection[str]
) -> "Iterator[etree._Element]":
    for event, element in events:
        if event == "end" and element.tag in wanted:
            yield element
            element.clear()
            parent = element.getparent()
            while parent is not None and parent[0] is not element:
                del parent[0]
