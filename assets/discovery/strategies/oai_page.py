"""One answer of a repository to ListRecords (OAI-PMH 2.0): its records, and how the list goes on.

Not here: requests, and which of them follow each other (`oai_pmh`).
"""

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from assets.discovery.strategies.xml_documents import local_name
from assets.discovery.strategies.xml_stream import all_text, own_children, own_text, read_elements
from assets.failures import PermanentFailure

if TYPE_CHECKING:
    from lxml import etree

_WANTED: Final = ("responseDate", "error", "record", "resumptionToken", "ListRecords")
_TEXTS: Final = ("title", "description", "abstract")
"""What is one text, however often it is given; the stages behind read it."""
_LISTS: Final = {
    "contributor": "contributors",
    "coverage": "coverage",
    "creator": "creators",
    "date": "dates",
    "format": "formats",
    "identifier": "identifiers",
    "language": "languages",
    "publisher": "publishers",
    "relation": "relations",
    "rights": "rights",
    "source": "sources",
    "subject": "subjects",
    "type": "types",
}
"""The other elements of Dublin Core, which may all be repeated."""


class Refusal(PermanentFailure):
    """The repository answered with an error; `code` is one of those of the protocol."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Record(NamedTuple):
    """One record; a deleted one mostly has no metadata."""

    identifier: str
    datestamp: str
    sets: list[str]
    is_deleted: bool
    fields: dict[str, Any]
    """The metadata: texts, and lists of texts."""


class OaiPage:
    """An answer, of which the records can be read once. Errors begin with `what`.

    Raises:
        PermanentFailure: it is no answer of such a repository, or no XML.
    """

    def __init__(self, file: IO[bytes], what: str) -> None:
        self._what = what
        self._stream = read_elements(file, _WANTED, what)
        if self._stream.root != "OAI-PMH":
            raise PermanentFailure(
                f"{what} is no answer of an OAI-PMH repository: its first element is {self._stream.root}."
            )
        self.response_date = ""
        self.token = ""
        """What asks for the next page; blank on the last one. Known behind the records."""

    def records(self) -> Iterator[Record]:
        """The records in the order of the answer.

        Raises:
            Refusal: there are none, and this is why.
            PermanentFailure: the answer breaks off, or is no list.
        """
        is_list = False
        for element in self._stream.elements:
            match local_name(element):
                case "responseDate":
                    self.response_date = all_text(element)
                case "record":
                    yield _record(element)
                case "resumptionToken":
                    self.token = (element.text or "").strip()
                case "error":
                    code = element.get("code", "")
                    reason = f": {text:.200}" if (text := all_text(element)) else ""
                    raise Refusal(code, f"{self._what} refuses with {code or 'an error'}{reason}.")
                case _:
                    is_list = True
        if not is_list:
            raise PermanentFailure(
                f"{self._what} answers with no ListRecords; give the base URL of a repository."
            )


def _record(element: "etree._Element") -> Record:
    fields: dict[str, Any] = {}
    for metadata in own_children(element, "metadata"):
        for record in metadata:
            fields = _fields(record)
    header = next(own_children(element, "header"), None)
    if header is None:
        return Record("", "", [], False, fields)
    return Record(
        own_text(header, "identifier"),
        own_text(header, "datestamp"),
        [text for each in own_children(header, "setSpec") if (text := all_text(each))],
        header.get("status") == "deleted",
        fields,
    )


def _fields(record: "etree._Element") -> dict[str, Any]:
    """The elements of the metadata by name, blank ones left out."""
    values: dict[str, list[str]] = {}
    lists: set[str] = set()
    for element in record:
        name = _LISTS.get(local_name(element), local_name(element))
        parts = list(element)
        # Such as authors with an author each.
        is_list = bool(parts) and len({str(part.tag) for part in parts}) == 1
        if is_list or local_name(element) in _LISTS:
            lists.add(name)
        texts = (_words(part) for part in (parts if is_list else [element]))
        values.setdefault(name, []).extend(text for text in texts if text)
    return {name: _value(name, texts, name in lists) for name, texts in values.items() if texts}


def _value(name: str, texts: list[str], is_list: bool) -> Any:
    if name in _TEXTS:
        return texts[0] if name == "title" else "\n\n".join(texts)
    return texts if is_list or len(texts) > 1 else texts[0]


def _words(element: "etree._Element") -> str:
    """All text within, the parts apart."""
    return " ".join(" ".join(map(str, element.itertext())).split())
