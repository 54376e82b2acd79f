"""What a command answers, and the exit codes.

Nothing here loads rich: a command that fails at once need not wait for it.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from assets.failures import PermanentFailure, QuintetFailure

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2

DocumentT = TypeVar("DocumentT")


@dataclass(frozen=True, slots=True)
class Answer(Generic[DocumentT]):
    """What a command did or found, as the document that `--json` prints, and its exit code.

    Commands with more to tell people add fields of their own.
    """

    document: DocumentT
    code: int = DONE
    notes: tuple[str, ...] = ()
    """Sentences beside the document, for standard error."""


def exit_code(failure: Exception) -> int | None:
    """The exit code of a failure that was foreseen; None for a defect of ours, which is shown whole."""
    if isinstance(failure, PermanentFailure):
        return WRONG
    if isinstance(failure, QuintetFailure | sqlite3.DatabaseError | OSError):
        return FAILED
    from resources.ledger import LedgerUnusable

    return WRONG if isinstance(failure, LedgerUnusable) else None
