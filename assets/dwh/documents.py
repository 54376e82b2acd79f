"""The JSON documents that runs leave for one another: how every one of them is written and read.

Keys are written in the order of their declaration, instants as `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`. Readers
ignore keys that they do not know. Not here: the documents themselves (`transform_manifests`,
`filter_manifests`, `inputs`, `adoption`).
"""

from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError

from assets.dwh.days import format_instant, in_utc, parse_instant
from assets.failures import PermanentFailure


class UnreadableDocument(PermanentFailure):
    """A document is there and cannot be read, which is never taken for one that is not there."""


def _instant(value: object) -> object:
    if isinstance(value, datetime):
        return value
    instant = parse_instant(value) if isinstance(value, str) else None
    if instant is None:
        raise ValueError("it is no instant such as 2025-01-15T08:00:00Z")
    return instant


def _schema_version(text: str) -> str:
    if not text.startswith("1."):
        raise ValueError(f"version {text!r} is unknown, only 1.x is")
    return text


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    AfterValidator(in_utc),
    PlainSerializer(format_instant, return_type=str),
]
"""A time in UTC, read from every form of `parse_instant`. Our own code must give one with a zone."""

SchemaVersion = Annotated[str, AfterValidator(_schema_version)]
"""The version of a document. A minor one adds keys, which readers ignore."""


class Part(BaseModel):
    """A JSON object of declared keys, each of exactly its type. It is a value and never changes."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class Document(Part):
    """A JSON object that is an object of the store too."""

    remedy: ClassVar[str] = "restore it"

    @classmethod
    def read(cls, name: str, content: bytes) -> Self:
        """The document in the content of an object.

        Raises:
            UnreadableDocument: it is not one; the sentence gives the object's name and the first fault.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(map(str, fault["loc"])) or "the document"
            reason = fault["msg"].removeprefix("Value error, ")
            raise UnreadableDocument(f"{name} cannot be read: {place}: {reason}; {cls.remedy}") from error

    def content(self) -> bytes:
        """The object to write: JSON in UTF-8, indented by two, with a line end."""
        return f"{self.model_dump_json(indent=2)}\n".encode()
