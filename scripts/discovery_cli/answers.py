"""What a verb answers: a document, how it went, and what else a person should know."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
STOPPED: Final = 3
"""Paused or over budget."""

DocumentT = TypeVar("DocumentT")


@dataclass(frozen=True, slots=True)
class Answer(Generic[DocumentT]):
    """What a verb did or found, and its exit code. Verbs with more to tell people add fields of their own."""

    document: DocumentT
    code: int = DONE
    notes: tuple[str, ...] = ()
    """Sentences beside the document, for standard error."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes bit by bit: as JSON it is one document with a list called `name`."""

    name: str
    entries: Iterator[Mapping[str, Any]]
