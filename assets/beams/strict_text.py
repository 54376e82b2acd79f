"""The two text files beside the logs, line by line and strictly: what a machine never writes is refused.

A byte order mark, CR LF, blanks around values and blank lines are accepted. Everything else that a reader
could see in two ways is refused, and no refusal repeats a value: any of them may be a patient's id.

Not here: what the lines say (`plan_info`, `plan_range`).
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown

LARGEST_BYTES: Final = 1 << 20
"""A hundred layers take about 20 KB."""

_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,9}")
_DECIMAL_NUMBER: Final = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{0,17})?(?:[Ee][+-]?[0-9]{1,2})?")
_BREAKING: Final = ("Cc", "Zl", "Zp")
"""Unicode's categories of control characters, and of line and paragraph ends."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, without the blanks around it."""

    text: str
    number: int
    """Its place in the file, from 1, blank lines counted."""


@dataclass(frozen=True, slots=True)
class StrictText:
    """A file that could be read; the code is that of everything that is wrong with it."""

    name: str
    """The delivery folder and the file, as messages name it."""
    code: str
    lines: tuple[Line, ...]

    def refused(self, problem: str, line: int | None = None) -> BeamFailure:
        """The failure of the file, or of a line of it."""
        return _refused(self.name, self.code, problem, line)


def read_strict_text(file: Path, code: str) -> StrictText:
    """The lines of a file in a delivery folder; `code` is what it is refused with.

    Raises:
        BeamFailure: it is larger than 1 MiB, no UTF-8, or has a control character.
        OSError: it cannot be read.
    """
    name = f"{file.parent.name}/{file.name}"
    with file.open("rb") as opened:
        content = opened.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise _refused(name, code, f"it is larger than {LARGEST_BYTES >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(name, code, "it is no UTF-8") from None
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        for mark in line:
            if unicodedata.category(mark) in _BREAKING:
                raise _refused(name, code, f"it has the control character U+{ord(mark):04X}", number)
    stripped = (Line(line.strip(" "), number) for number, line in enumerate(lines, start=1))
    return StrictText(name, code, tuple(line for line in stripped if line.text))


def whole_number(text: str) -> int | None:
    """A whole number in digits, perhaps with a minus; None for anything else that Python would take."""
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None


def decimal_number(text: str) -> float | None:
    """A finite decimal number; None for anything else that Python would take."""
    return float(text) if _DECIMAL_NUMBER.fullmatch(text) else None


def _refused(name: str, code: str, problem: str, line: int | None = None) -> BeamFailure:
    where = shown(name) if line is None else f"{shown(name)}, line {line}"
    return beam_failure(
        code, f"{where}: {problem}; copy the file from the machine again, it is never repaired."
    )
