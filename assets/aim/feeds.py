"""The two daily feeds: their bytes as typed frames, bad rows rejected one by one.

A row that does not parse is left out and reported with its line; a few are the supplier's slips, more than
1 % are a broken file. Not here: which file is read (`feed_files`), and the tables it replaces.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final, NamedTuple

import polars as pl

from assets.aim import fields
from assets.aim.csv_records import CsvRecords, Rejection, Rejections
from assets.failures import PermanentFailure

ROW_NUMBER: Final = "row_number"

CAR_SALES_SCHEMA: Final = {
    "ProductId": pl.String,
    "CarMake": pl.String,
    "CarModel": pl.String,
    "Width": pl.String,
    "Profile": pl.String,
    "Rim": pl.String,
    "Orders": pl.Int64,
    "Units": pl.Int64,
    "AvgPrice": pl.Float64,
    ROW_NUMBER: pl.Int64,
}

TYRE_FEED_SCHEMA: Final = {
    "ProductId": pl.Int64,
    **dict.fromkeys(
        (
            "Grade",
            "Size",
            "Manufacturer",
            "Model",
            "WetGrip",
            "Fuel",
            "Noise",
            "Season",
            "Offer",
            "OE",
            "AwardScore",
        ),
        pl.String,
    ),
    **dict.fromkeys(("Price", "PrevPrice7", "PrevPrice28"), pl.Float64),
}
"""The columns that a tyre feed must have. Those it has besides follow as STRING, then `row_number`."""

_LINE: Final = " line"  # No column of a feed begins with a space.
_BATCH_ROWS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as loaded: at least one row. `rejections` holds the first of the `rejected` rows, by line."""

    name: str
    frame: pl.DataFrame
    rejected: int
    rejections: tuple[Rejection, ...]


def read_car_sales(stream: BinaryIO, name: str) -> Feed:
    """Read a CarMakeModelSales feed, which has no header; one that it has nevertheless is skipped.

    Args:
        stream: the file.
        name: how messages call it.

    Returns:
        A frame of `CAR_SALES_SCHEMA`. Blank numbers are null, `row_number` counts the data rows of the file
        from 1, rejected ones included.

    Raises:
        PermanentFailure: more than 1 % of the rows and more than one are rejected, or no row is left.
    """
    records = CsvRecords(stream)
    first = next(records, None)
    is_data = first is not None and first[0].strip().casefold() != "productid"
    columns = [column for column in CAR_SALES_SCHEMA if column != ROW_NUMBER]
    texts = _read_texts(chain([first], records) if first and is_data else records, records, columns)
    return _load(texts, CAR_SALES_SCHEMA, records.rejections, name)


def read_tyre_feed(stream: BinaryIO, name: str) -> Feed:
    """Read a TyreScore feed, whose first row names its columns.

    Args:
        stream: the file.
        name: how messages call it.

    Returns:
        The columns of `TYRE_FEED_SCHEMA`, then the others of the file as STRING, then `row_number` as in
        `read_car_sales`.

    Raises:
        PermanentFailure: the header cannot be read or lacks a column, more than 1 % of the rows and more than
            one are rejected, or no row is left.
    """
    records = CsvRecords(stream)
    header = next(records, None)
    if header is None and not records.rejections.count:
        raise PermanentFailure(f"{name} is empty: it has neither header nor rows; send the whole file again")
    if header is None or records.rejections.count:
        line, reason = records.rejections.kept[0]
        raise PermanentFailure(
            f"{name} has no readable header: line {line} {reason}; send it again as UTF-8 CSV"
        )
    columns = clean_header(header)
    if missing := [column for column in TYRE_FEED_SCHEMA if column not in columns]:
        raise PermanentFailure(
            f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its header names "
            f"{', '.join(columns)[:500]}; send it again with all columns"
        )
    others = dict.fromkeys((column for column in columns if column not in TYRE_FEED_SCHEMA), pl.String)
    texts = _read_texts(records, records, columns)
    return _load(texts, {**TYRE_FEED_SCHEMA, **others, ROW_NUMBER: pl.Int64}, records.rejections, name)


def clean_header(names: Sequence[str]) -> list[str]:
    """Column names trimmed, each space, dot and hyphen a `_`, and unique: a repeated one gets `_2`, `_3`.

    Names that differ only in case repeat each other, as they do in a warehouse, and so does `row_number`,
    which the table has anyway. A blank one is named by its position.
    """
    taken = {ROW_NUMBER}
    unique: list[str] = []
    for position, name in enumerate(names, start=1):
        clean = re.sub(r"[ .-]", "_", name.strip()) or f"column_{position}"
        candidate, repetition = clean, 1
        while candidate.casefold() in taken:
            repetition += 1
            candidate = f"{clean}_{repetition}"
        taken.add(candidate.casefold())
        unique.append(candidate)
    return unique


def _read_texts(rows: Iterable[list[str]], records: CsvRecords, columns: list[str]) -> pl.DataFrame:
    """All rows with the right number of fields, as text, with their line and number."""
    schema = {**dict.fromkeys(columns, pl.String), _LINE: pl.Int64, ROW_NUMBER: pl.Int64}
    batches = [pl.DataFrame(schema=schema)]
    # One flat list per batch: 200,000 small ones would keep the garbage collector busy for most of the time.
    cells: list[str] = []
    lines: list[int] = []
    numbers: list[int] = []

    def flush() -> None:
        by_column = [cells[start :: len(columns)] for start in range(len(columns))]
        batches.append(pl.DataFrame(dict(zip(schema, [*by_column, lines, numbers], strict=True)), schema))
        for values in (cells, lines, numbers):
            values.clear()

    number = 0
    for row in rows:
        if len(row) != len(columns):
            records.reject(f"has {len(row)} fields instead of {len(columns)}")
            continue
        number += 1
        cells += row
        lines.append(records.line)
        numbers.append(number + records.rejections.count)
        if len(lines) == _BATCH_ROWS:
            flush()
    flush()
    return pl.concat(batches)


class _Rule(NamedTuple):
    """How the text of a column becomes a value, and what a text is called that does not."""

    value: pl.Expr
    allowed: str
    may_be_blank: bool = True

    def fault(self, column: str) -> pl.Expr:
        """Per row a predicate such as `has Units 'x', which is not a whole number`, or null."""
        text = fields.trimmed(column)
        broken = self.value.is_null() & ((text != "") | pl.lit(not self.may_be_blank))
        return pl.when(broken).then(
            pl.format("has {} '{}', which is not {}", pl.lit(column), text.str.head(40), pl.lit(self.allowed))
        )


def _rule(column: str, dtype: type[pl.DataType]) -> _Rule | None:
    if column == "ProductId":
        return _Rule(fields.product_id(column).cast(dtype), "7 or 8 digits", may_be_blank=False)
    if dtype == pl.Int64:
        return _Rule(fields.whole_number(column), "a whole number")
    if dtype == pl.Float64:
        return _Rule(fields.number(column), "a number")
    return None


def _load(
    texts: pl.DataFrame, schema: Mapping[str, type[pl.DataType]], rejections: Rejections, name: str
) -> Feed:
    """Type the columns, reject the rows where that fails, and judge how many were rejected in all."""
    rules = {
        column: rule
        for column, dtype in schema.items()
        if column != ROW_NUMBER and (rule := _rule(column, dtype)) is not None
    }
    faults = pl.coalesce(rule.fault(column) for column, rule in rules.items())
    judged = texts.with_columns(faults.alias(" fault"))
    for line, fault in judged.filter(pl.col(" fault").is_not_null()).select(_LINE, " fault").iter_rows():
        rejections.add(line, fault)
    frame = judged.filter(pl.col(" fault").is_null()).select(
        rules[column].value.alias(column) if column in rules else column for column in schema
    )
    _refuse_a_broken_file(frame.height, rejections, name)
    return Feed(name, frame, rejections.count, tuple(sorted(rejections.kept)))


def _refuse_a_broken_file(loaded: int, rejections: Rejections, name: str) -> None:
    rejected, total = rejections.count, loaded + rejections.count
    if not total:
        raise PermanentFailure(f"{name} is empty: it has no row; send the whole file again")
    if loaded and (rejected <= 1 or 100 * rejected <= total):
        return
    line, reason = min(rejections.kept)
    rule = "more than the 1 % that is tolerated" if loaded else "so none is left"
    raise PermanentFailure(
        f"{name}: {rejected:,} of {total:,} rows were rejected, {rule}; the first is line {line}, which "
        f"{reason}; correct the file and send it again"
    )
