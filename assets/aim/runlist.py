"""The runlist: the CSV of CAMs with a priority rank as the work list of a run.

Not here: where the file lies (`settings`), and how the list is cut into batches.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

import polars as pl

from assets.aim import fields
from assets.aim.cams import first_of_each_cam, repaired
from assets.aim.csv_records import CsvRecords, Rejection
from assets.failures import PermanentFailure

_RANK_NAMES: Final = ("priorityrank", "rank")
_ABSENT: Final = ("nan", "none", "null")
_TEXTS: Final = {"Vehicle": pl.String, "Size": pl.String, "Rank": pl.String}


@dataclass(frozen=True, slots=True)
class Runlist:
    """The CAMs of a run in rank order, columns Vehicle and Size, one row per (vehicle key, size key).

    Of the `read` rows, `dropped` had no Vehicle or Size or were no record, `duplicate` came after another row
    of the same CAM, `cut` were beyond the limit; the others are here. `rejections` are the first of those
    that were no record.
    """

    cams: pl.DataFrame
    read: int
    dropped: int
    duplicate: int
    cut: int
    rejections: tuple[Rejection, ...]


def read_runlist(stream: BinaryIO, name: str, limit: int) -> Runlist:
    """Read, repair, rank, de-duplicate and cut a runlist.

    Rows are in order of their rank, those without a number last, equal ones as in the file; without a rank
    column they stay in file order. A row shorter than the header lacks its last fields, a longer one is
    dropped: which of its fields has a comma too many is anyone's guess.

    Args:
        stream: the file.
        name: how messages call it.
        limit: the most CAMs to keep, `AIM_TOTAL_OVERALL`.

    Raises:
        PermanentFailure: a line is no UTF-8 text, the column Vehicle or Size is missing, or no row is left.
    """
    records = CsvRecords(stream)
    header = next(records, [])
    _refuse_foreign_text(records, name)
    rows = list(_rows(records, len(header), _places(header, name)))
    _refuse_foreign_text(records, name)
    texts = pl.DataFrame(rows, _TEXTS, orient="row")
    cams = _ranked(texts)
    distinct = first_of_each_cam(cams)
    read = texts.height + records.rejections.count
    if distinct.is_empty():
        raise PermanentFailure(
            f"{name}: none of its {read:,} rows has both a Vehicle and a Size; send a runlist with both"
        )
    return Runlist(
        cams=distinct.head(limit),
        read=read,
        dropped=read - cams.height,
        duplicate=cams.height - distinct.height,
        cut=max(0, distinct.height - limit),
        rejections=tuple(records.rejections.kept),
    )


def _refuse_foreign_text(records: CsvRecords, name: str) -> None:
    """A row that is left out would be a CAM that vanishes from the shop, so no line may be unreadable."""
    if records.first_foreign_line:
        raise PermanentFailure(
            f"{name}: line {records.first_foreign_line} is not UTF-8; save the file as UTF-8 CSV"
        )


def _places(header: Sequence[str], name: str) -> list[int | None]:
    """Where Vehicle, Size and Rank stand in a row; the rank may be nowhere."""
    names = [column.strip().casefold() for column in header]
    for needed in ("Vehicle", "Size"):
        if needed.casefold() not in names:
            raise PermanentFailure(
                f"{name} lacks the column {needed}; its header is {', '.join(header)[:200]!r}; send one with "
                "the columns Vehicle, Size and PriorityRank"
            )
    rank = next((names.index(rank) for rank in _RANK_NAMES if rank in names), None)
    return [names.index("vehicle"), names.index("size"), rank]


def _rows(records: CsvRecords, width: int, places: Sequence[int | None]) -> Iterator[tuple[str | None, ...]]:
    for row in records:
        if any(extra.strip() for extra in row[width:]):
            records.reject(f"has {len(row)} fields under a header of {width}")
            continue
        yield tuple(row[place] if place is not None and place < len(row) else None for place in places)


def _ranked(texts: pl.DataFrame) -> pl.DataFrame:
    """The usable rows, repaired, in rank order."""
    is_present = ~pl.col("Vehicle", "Size").str.to_lowercase().is_in(_ABSENT)
    return (
        texts.select(fields.number("Rank"))
        .hstack(repaired(texts["Vehicle"], texts["Size"]))
        .filter(pl.all_horizontal(is_present))
        .sort("Rank", nulls_last=True, maintain_order=True)
        .drop("Rank")
    )
