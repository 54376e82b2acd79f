"""XML as strangers write it, read without harm: no entity is expanded, nothing else is loaded, no huge tree.

Not here: documents that are too large to hold (`xml_stream`), and what documents say.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lxml import etree

SAFELY: Final[Mapping[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
}
"""What every parser of lxml, and `iterparse`, is told here."""


class EntitiesDeclared(ValueError):
    """A document declares entities of its own. They are not expanded, so its text would be incomplete."""

    def __init__(self) -> None:
        super().__init__(
            "declares XML entities of its own, which are never expanded; ask for it without them"
        )


def refuse_entities(element: "etree._Element") -> None:
    """Refuse the document of this element if it declares entities of its own.

    A document type declaration that declares none is harmless, and older RSS has one.

    Raises:
        EntitiesDeclared: as it says.
    """
    declared = element.getroottree().docinfo.internalDTD
    if declared is not None and next(declared.iterentities(), None) is not None:
        raise EntitiesDeclared


def local_name(element: "etree._Element") -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def namespace(element: "etree._Element") -> str:
    """The namespace of an element; blank without one."""
    return str(element.tag).rpartition("}")[0].removeprefix("{")
