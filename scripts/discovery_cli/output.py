"""What a command tells beside its answer, and answers that come bit by bit."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import RenderableType

from assets.discovery.credentials import shown
from scripts.discovery_cli.answers import Stream
from scripts.terminal.output import print_view, write

LOGGER: Final = "quintet.discovery"


def say(sentence: str) -> None:
    """Tell the person who typed the command, on standard error."""
    print(shown(sentence), file=sys.stderr, flush=True)


def print_stream(
    stream: Stream, view: Callable[[Mapping[str, Any]], Iterable[RenderableType]], *, as_json: bool
) -> None:
    """Print entries as they come; as JSON they make one document, whole when the stream has ended."""
    if not as_json:
        for entry in stream.entries:
            print_view(view(entry))
        return
    write(f"{{{json.dumps(stream.name)}: [\n")
    for number, entry in enumerate(stream.entries):
        # A line each, so that who reads lines need not wait for the next one.
        write(f"{',' if number else ''}{json.dumps(entry)}\n")
    write("]}\n")


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
