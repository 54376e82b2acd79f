"""What an entry of dwh says, and where: one line on standard output, everything else on standard error.

Whatever is shown goes through `without_secrets`. Not here: which exit code follows from what (`dwh_entry`).
"""

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Final, TextIO

from assets.dwh.redaction import without_secrets
from assets.failures import QuintetFailure
from jobs.loggers import PROGRESS_LOGGER
from resources.compute.base import INTERRUPTS

PROGRAM: Final = "generic_entry.py"
OURS: Final = "quintet"
"""The loggers of our own code are below this name."""


@contextmanager
def standard_output_kept() -> Iterator[Callable[[str], None]]:
    """Keep standard output for the lines of the function that is returned.

    All else goes to standard error meanwhile: what libraries print, and what the processes that they start
    write to file 1.
    """
    ours = sys.stdout
    ours.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield lambda text: _write(ours, kept, text)
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def lines_shown() -> Iterator[None]:
    """Show on standard error what our own code logs, and the warnings of everybody."""
    shown = _Lines()
    # The logger of runs passes nothing on to the root.
    progress, ours, root = (logging.getLogger(name) for name in (PROGRESS_LOGGER, OURS, None))
    progress.addHandler(shown)
    root.addHandler(shown)
    level = ours.level
    ours.setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            # What Dagster calls beta is nothing that whoever starts a job could do something about.
            warnings.filterwarnings("ignore", module=r"dagster(\.|_)")
            yield
    finally:
        ours.setLevel(level)
        root.removeHandler(shown)
        progress.removeHandler(shown)


def say_failure(error: BaseException) -> None:
    """Say in one sentence what went wrong; of what nobody foresaw also where."""
    if not _is_foreseen(error):
        say("".join(traceback.format_exception(error)).rstrip())
    say(f"{PROGRAM}: {sentence_of(error)}")


def sentence_of(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, INTERRUPTS):
        return "interrupted"
    text = " ".join(str(error).split())
    if _is_foreseen(error):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_foreseen(error: BaseException) -> bool:
    ours = type(error).__module__.startswith(("assets.", "resources.", "scripts."))
    return ours or isinstance(error, (QuintetFailure, OSError, *INTERRUPTS))


def say(text: str) -> None:
    """Write a text to standard error, without secrets."""
    print(without_secrets(text), file=sys.stderr, flush=True)


def _write(stream: TextIO, kept: int, text: str) -> None:
    """Write a line to a stream whose file 1 is kept elsewhere; notebooks have one that is no file."""
    with suppress(BrokenPipeError):  # Whoever read it has gone; the work is done all the same.
        if _is_file_1(stream):
            os.write(kept, f"{text}\n".encode())
        else:
            print(text, file=stream, flush=True)


def _is_file_1(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 1
    except (OSError, ValueError):
        return False


class _Lines(logging.Handler):
    """Writes our own lines as they are, and those of libraries from warnings on, to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(OURS) and record.levelno < logging.WARNING:
            return
        text = getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage()
        if record.exc_info:
            text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
        with suppress(BrokenPipeError):
            say(text if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {text}")
