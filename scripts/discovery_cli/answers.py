"""What is particular about answers of discovery."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

STOPPED: Final = 3
"""The exit code of a job that is paused or over budget."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes bit by bit: as JSON it is one document with a list called `name`."""

    name: str
    entries: Iterator[Mapping[str, Any]]
