"""Tables, facts and counts as people read them in a terminal or a pipe."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

NOTHING: Final = "-"
"""What stands in a cell without a value."""
_WORSE: Final = {
    "failed": "red",
    "error": "red",
    "paused": "yellow",
    "warn": "yellow",
    "over_budget": "yellow",
}


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; columns of numbers are named with a leading `#`. Long cells are folded, never cut."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        is_number = column.startswith("#")
        made.add_column(column.removeprefix("#"), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def facts(named: Mapping[str, object]) -> Table:
    """Names and their values, a line each."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in named.items():
        made.add_row(cell(name), cell(value))
    return made


def heading(text: str) -> Text:
    """What stands over a table, after an empty line."""
    return Text("\n").append(plain(text), style="bold")


def remark(text: str) -> Text:
    """A line of words, after an empty line."""
    return Text("\n").append(plain(text))


def sentence(text: str) -> Text:
    """A line of words."""
    return Text(plain(text))


def cell(value: object) -> Text:
    """A value in a table; statuses that ask for a person are coloured."""
    if value is None or value == "":
        return Text(NOTHING, style="dim")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    text = plain(str(value))
    return Text(text, style=_WORSE.get(text, ""))


def plain(text: str) -> str:
    """A text without characters that steer a terminal: what a source wrote must not."""
    return "".join(
        " " if character in "\r\n\t" else "\N{REPLACEMENT CHARACTER}" if _steers(character) else character
        for character in text
    )


def _steers(character: str) -> bool:
    # Control characters, and those of format, which turn the direction of writing among other things.
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def counts(named: Mapping[str, int]) -> str:
    """Counts that are not zero, in words: `3 done, 1 failed`."""
    return ", ".join(f"{count:,} {name}" for name, count in named.items() if count) or "none"
