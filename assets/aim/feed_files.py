"""Which files of the feed folder are feeds, of which date, and which of them a run reads.

Not here: what is in them (`feeds`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from assets.failures import NotReady

FeedKind = Literal["CarMakeModelSales", "TyreScore"]
FEED_KINDS: Final[tuple[FeedKind, ...]] = ("CarMakeModelSales", "TyreScore")

# Eight digits inside a longer number are no date.
_DATE: Final = re.compile(r"(?<!\d)(\d{4})(-?)(\d{2})\2(\d{2})(?!\d)", re.ASCII)
_SEPARATORS: Final = ("_", "-", ".", " ")


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A feed file by its path relative to the bucket or local root; undated when `date` is None."""

    path: str
    kind: FeedKind
    date: date | None


def feed_files(paths: Iterable[str], folder: str, extension: str = ".csv") -> list[FeedFile]:
    """The feed files among listed paths, sorted by path.

    A feed lies directly in the folder and is named `<prefix>CarMakeModelSales<extension>` or
    `<prefix>TyreScore<extension>`. The prefix is empty, or holds a date (the latest one counts) and ends in
    `_`, `-`, `.` or a space.
    """
    parent = f"{folder.strip('/')}/"
    found = (
        _feed_file(path, path.removeprefix(parent), kind, extension)
        for path in sorted(set(paths))
        if path.startswith(parent)
        for kind in FEED_KINDS
    )
    return [file for file in found if file is not None]


def choose_feed(
    paths: Iterable[str], kind: FeedKind, run_date: date, folder: str, extension: str = ".csv"
) -> str:
    """The path of the feed that a run reads.

    The latest date not after the run date; an undated file only where no dated one qualifies. Of two files
    with one date the last path in alphabetical order.

    Raises:
        NotReady: no file qualifies.
    """
    candidates = [
        file
        for file in feed_files(paths, folder, extension)
        if file.kind == kind and (file.date is None or file.date <= run_date)
    ]
    if not candidates:
        raise NotReady(
            f"No {kind} feed for {run_date} in {folder!r}: waiting for '{run_date:%Y%m%d}_{kind}{extension}' "
            f"or one of an earlier date, or for '{kind}{extension}'"
        )
    return max(candidates, key=lambda file: (file.date or date.min, file.path)).path


def _feed_file(path: str, name: str, kind: FeedKind, extension: str) -> FeedFile | None:
    ending = kind + extension
    if "/" in name or not name.endswith(ending):
        return None
    prefix = name.removesuffix(ending)
    if not prefix:
        return FeedFile(path, kind, None)
    dates = [day for match in _DATE.finditer(prefix) if (day := _calendar_date(match))]
    if not dates or not prefix.endswith(_SEPARATORS):
        return None
    return FeedFile(path, kind, max(dates))


def _calendar_date(match: re.Match[str]) -> date | None:
    year, _, month, day = match.groups()
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None
