"""One command from start to end: what is done, what is shown where, and the exit code.

A failure that was foreseen is one sentence on standard error; any other is a defect of ours, with its place.
"""

import logging
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

from invoke.exceptions import Exit

from assets.discovery.config_problems import ConfigurationError
from scripts.discovery_cli.answers import Stream
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import DONE, Answer, exit_code

if TYPE_CHECKING:
    from rich.console import RenderableType

AnswerT = TypeVar("AnswerT", bound=Answer[Any])


def conduct(
    work: Callable[[Workplace], AnswerT],
    view: "Callable[[AnswerT], Iterable[RenderableType]]",
    *,
    as_json: bool,
    log_level: int = logging.WARNING,
) -> None:
    """Do the work of a verb and show its answer.

    Args:
        work: what to do.
        view: how the answer looks to people.
        as_json: print the answer's document instead.
        log_level: what of the log is shown meanwhile.

    Raises:
        Exit: the exit code is not 0.
    """
    from scripts.discovery_cli import output
    from scripts.terminal.output import print_answer

    try:
        # What handlers print is no answer.
        with redirect_stdout(sys.stderr), output.log_shown(log_level):
            answer = work(Workplace())
    except Exception as failure:  # noqa: BLE001 - `_told` lets a defect through.
        raise Exit(code=_told(failure)) from None
    print_answer(answer.document, view(answer), as_json=as_json)
    for note in answer.notes:
        output.say(note)
    if answer.code != DONE:
        raise Exit(code=answer.code)


def conduct_stream(
    work: Callable[[Workplace], Stream],
    view: "Callable[[Mapping[str, Any]], Iterable[RenderableType]]",
    *,
    as_json: bool,
) -> None:
    """Do the same for a verb that answers bit by bit, until it is stopped or nobody reads it any more."""
    from scripts.discovery_cli.output import print_stream
    from scripts.terminal.output import ReaderGone

    try:
        print_stream(work(Workplace()), view, as_json=as_json)
    except ReaderGone:
        return
    except Exception as failure:  # noqa: BLE001 - `_told` lets a defect through.
        raise Exit(code=_told(failure)) from None


def _told(failure: Exception) -> int:
    """Say what went wrong, and return the exit code for it; a defect passes through."""
    from scripts.discovery_cli.output import say

    code = exit_code(failure)
    if code is None:
        raise failure
    sentences = failure.sentences if isinstance(failure, ConfigurationError) else (_sentence(failure),)
    for sentence in sentences:
        say(sentence)
    return code


def _sentence(failure: Exception) -> str:
    if isinstance(failure, sqlite3.DatabaseError):
        return f"the ledger cannot be used ({failure}); `inv jobs.doctor` examines it"
    return str(failure)
