"""The lines of an index of EDGAR: `master` with its bars, `form`, `company` and `crawler` in fixed columns.

What a file is says its header, the last line before one of dashes. Not here: which filings are wanted
(`edgar_index`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from assets.failures import PermanentFailure

_COLUMNS: Final = {
    "cik": "cik",
    "companyname": "company",
    "formtype": "form",
    "datefiled": "date",
    "filename": "file",
    "url": "file",
}
"""What a header may name, without its spaces, and what it is called here."""
_HEADER_LINES: Final = 50
_LONGEST_LINE: Final = 1000  # the longest real ones have 200 characters; patterns are slow on endless ones
_DASHES: Final = re.compile(r"-{20,}\s*")
_HEADING: Final = re.compile(r"\S+(?: \S+)*")
# Names of companies and forms have spaces, and names digits; what follows them has none.
_RIGHT: Final = re.compile(r"(.*\S)\s+(\d{1,10})\s+(\d{4}-?\d{2}-?\d{2})\s+(\S+)\s*", re.ASCII)
_ACCESSION: Final = re.compile(r"(?<!\d)(\d{10})-?(\d{2})-?(\d{6})(?!\d)", re.ASCII)
_CIK: Final = re.compile(r"\d{1,10}", re.ASCII)


class Filing(NamedTuple):
    """One line: a filing of one of those who filed it."""

    cik: str
    """Without leading zeros."""
    company: str
    form: str
    date: str
    """The day on which it was filed, `2026-02-14`."""
    file: str
    """As it is written: mostly a path below the archives."""
    accession: str
    """`0000000000-00-000000`."""


class BadLine(NamedTuple):
    """A line that is no filing."""

    number: int
    reason: str


def filings(lines: Iterable[bytes], what: str) -> Iterator[Filing | BadLine]:
    """The filings in the order of the file; blank lines are passed over. Errors begin with `what`.

    Raises:
        PermanentFailure: there is no header that ends at a line of dashes, or it is of another kind of file.
    """
    texts = (line.decode("latin-1").rstrip("\r\n") for line in lines)
    numbered = enumerate(texts, start=1)
    layout = _layout(_header(numbered, what), what)
    for number, text in numbered:
        if text.strip():
            try:
                yield layout.filing(text)
            except ValueError as error:
                yield BadLine(number, str(error))


def _header(numbered: Iterator[tuple[int, str]], what: str) -> str:
    before = ""
    for number, text in numbered:
        if _DASHES.fullmatch(text):
            return before
        if number == _HEADER_LINES:
            break
        before = text if text.strip() else before
    raise PermanentFailure(
        f"{what} is no index of EDGAR: it has no header that ends at a line of dashes; "
        "give the URL of a master, form, company or crawler index."
    )


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns of a file, in their order. `second` is where the second begins; 0 says that bars do."""

    columns: tuple[str, ...]
    second: int = 0

    def filing(self, text: str) -> Filing:
        """Raises `ValueError`, saying why, for a line that is none."""
        if len(text) > _LONGEST_LINE:
            raise ValueError(f"it has {len(text):,} characters, more than {_LONGEST_LINE:,}")
        values = self._fixed(text) if self.second else text.split("|")
        if len(values) != len(self.columns):
            raise ValueError(f"it has {len(values)} columns, not {len(self.columns)}")
        named = {name: " ".join(value.split()) for name, value in zip(self.columns, values, strict=True)}
        accession = _ACCESSION.search(named["file"])
        if accession is None:
            raise ValueError(f"its file {named['file']!r:.80} has no accession number")
        if not _CIK.fullmatch(named["cik"]):
            raise ValueError(f"its CIK {named['cik']!r:.20} is no number")
        return Filing(
            named["cik"].lstrip("0") or "0",
            named["company"],
            named["form"],
            _day(named["date"]),
            named["file"],
            "-".join(accession.groups()),
        )

    def _fixed(self, text: str) -> list[str]:
        matched = _RIGHT.fullmatch(text)
        if matched is None:
            raise ValueError("it does not end in a CIK, a date and a file")
        left, *right = matched.groups()
        if left[self.second - 1 : self.second].isspace():
            return [left[: self.second], left[self.second :], *right]
        # A form or name that is longer than its column pushes what follows it to the right.
        first, _, second = left.partition("  ")
        return [first, second, *right]


def _layout(header: str, what: str) -> _Layout:
    headings = header.split("|") if "|" in header else [each[0] for each in _HEADING.finditer(header)]
    columns = tuple(_COLUMNS.get("".join(heading.split()).lower(), "") for heading in headings)
    is_fixed = "|" not in header
    is_known = sorted(columns) == sorted(set(_COLUMNS.values()))
    if not is_known or (
        is_fixed and (set(columns[:2]), columns[2:]) != ({"form", "company"}, ("cik", "date", "file"))
    ):
        raise PermanentFailure(
            f"{what} is no index of filings: its header is {' '.join(header.split())!r:.120}."
        )
    return _Layout(columns, header.index(headings[1]) if is_fixed else 0)


def _day(text: str) -> str:
    """`20260214` and `2026-02-14` as the latter."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"its date {text!r:.20} is none") from None
