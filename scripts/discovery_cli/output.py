"""The two streams of a command: its answer on standard output, all else on standard error."""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final, TextIO

from rich.console import Console, RenderableType

from assets.discovery.credentials import shown
from scripts.discovery_cli.answers import Stream

LOGGER: Final = "quintet.discovery"
_UNBOUNDED: Final = 10_000
"""Columns of a pipe: nothing is cut there, and a table takes no more than it needs."""


class ReaderGone(Exception):
    """Whoever read standard output has closed it (`| head`)."""


def say(sentence: str) -> None:
    """Tell the person who typed the command, on standard error."""
    print(shown(sentence), file=sys.stderr, flush=True)


def print_json(document: Any) -> None:
    """Print one JSON document. It is ASCII: no terminal or locale stands in its way."""
    _write(sys.stdout, f"{json.dumps(document, indent=2)}\n")


def print_view(view: Iterable[RenderableType]) -> None:
    """Print what people read."""
    console = _console()
    for part in view:
        with console.capture() as captured:
            console.print(part)
        text = captured.get()
        # Tables fill their last column; beside a terminal that is noise.
        lines = text if console.is_terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines())
        _write(sys.stdout, lines)


def print_stream(
    stream: Stream, view: Callable[[Mapping[str, Any]], Iterable[RenderableType]], *, as_json: bool
) -> None:
    """Print entries as they come; as JSON they make one document, whole when the stream has ended."""
    if not as_json:
        for entry in stream.entries:
            print_view(view(entry))
        return
    _write(sys.stdout, f"{{{json.dumps(stream.name)}: [\n")
    for number, entry in enumerate(stream.entries):
        # A line each, so that who reads lines need not wait for the next one.
        _write(sys.stdout, f"{',' if number else ''}{json.dumps(entry)}\n")
    _write(sys.stdout, "]}\n")


@contextmanager
def answer_alone_on_stdout() -> Iterator[None]:
    """Send to standard error what handlers print: standard output is for the answer."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def log_shown(level: int) -> Iterator[None]:
    """Show on standard error what the engine and its handlers log, from this level on."""
    root, ours, handler = logging.getLogger(), logging.getLogger(LOGGER), _OnStandardError(level)
    before = ours.level
    root.addHandler(handler)
    ours.setLevel(level)
    try:
        yield
    finally:
        ours.setLevel(before)
        root.removeHandler(handler)


class _OnStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"{record.levelname.lower()}: {record.getMessage()}")


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _UNBOUNDED)


def _write(stream: TextIO, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # What Python writes when it ends must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise ReaderGone from None
