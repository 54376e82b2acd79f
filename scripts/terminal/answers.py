"""What a command answers, the exit codes, and what it says beside that.

Nothing here loads rich: a command that fails at once need not wait for it.
"""

import sqlite3
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from assets.failures import PermanentFailure, QuintetFailure

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2

DocumentT = TypeVar("DocumentT")
T = TypeVar("T")


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


def carried_out(
    work: Callable[[], T],
    show: Callable[[T], int],
    *,
    code_of: Callable[[Exception], int | None] = exit_code,
    sentence_of: Callable[[Exception], str] = str,
) -> int:
    """Do what a command is for and show what came of it; the exit code.

    A failure that was foreseen is one sentence; any other is a defect of ours and passes through.
    """
    try:
        # What libraries print is no answer.
        with redirect_stdout(sys.stderr):
            done = work()
    except Exception as failure:
        code = code_of(failure)
        if code is None:
            raise
        say(sentence_of(failure))
        return code
    return show(done)


def say(sentence: str) -> None:
    """Tell the person who typed the command, on standard error."""
    print(sentence, file=sys.stderr, flush=True)
