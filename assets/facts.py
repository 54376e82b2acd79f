"""What a run shows for itself: facts for people, by name, before any web UI is thought of.

A step of Dagster, a command line and a job on a platform show the same facts. Not here: how Dagster writes
them (`assets.metadata`), and which facts there are (each pipeline has its own).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Markdown:
    """A text to be rendered, pictures included (`assets.pictures`)."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same columns."""

    rows: Sequence[Mapping[str, Scalar]]


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object."""

    content: Mapping[str, object]


Fact = str | int | float | bool | Markdown | Table | Document
Facts = Mapping[str, Fact]
