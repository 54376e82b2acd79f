"""What a command answers, and the exit codes."""

from dataclasses import dataclass
from typing import Any, Final

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command did or found, as the document that `--json` prints."""

    document: Any
    notes: tuple[str, ...] = ()
    """Sentences beside the document, for standard error."""
