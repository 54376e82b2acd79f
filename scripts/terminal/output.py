"""What a command writes to standard output: one JSON document, or what people read."""

import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from rich.console import Console, RenderableType

_UNBOUNDED: Final = 10_000
"""Columns of a pipe: nothing is cut there, and a table takes no more than it needs."""


class ReaderGone(Exception):
    """Whoever read standard output has closed it (`| head`)."""


def print_answer(document: Any, view: Iterable[RenderableType], *, as_json: bool) -> None:
    """Print the document as JSON, or else what people read. That nobody reads it any more is no failure."""
    with suppress(ReaderGone):
        if as_json:
            print_json(document)
        else:
            print_view(view)


def print_json(document: Any) -> None:
    """Print one JSON document. It is ASCII: no terminal or locale stands in its way.

    Raises:
        ReaderGone: nobody reads it any more; true of all that print here.
    """
    write(f"{json.dumps(document, indent=2)}\n")


def print_view(view: Iterable[RenderableType]) -> None:
    """Print what people read."""
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _UNBOUNDED)
    for part in view:
        with console.capture() as captured:
            console.print(part)
        text = captured.get()
        # Tables fill their last column; beside a terminal that is noise.
        write(text if console.is_terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))


def write(text: str) -> None:
    """Write a text as it is; characters that the encoding lacks are written as escapes."""
    stream = sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # What Python writes when it ends must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise ReaderGone from None
