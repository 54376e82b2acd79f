"""The reference files that people keep by hand: vehicle mapping, catalogue, influence and manual CAMs.

They only describe what is published elsewhere, so nothing in them fails a run for a row: a row that cannot be
used is left out with a warning, and a missing file is an empty table. Not here: GA4 events (`events`), and
the tables that these frames refresh.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

import polars as pl

from assets.aim import fields
from assets.aim.csv_records import CsvRecords
from assets.aim.vehicles import folded
from assets.failures import PermanentFailure

_LINE: Final = "line"


@dataclass(frozen=True, slots=True)
class ReferenceFile:
    """A reference file: its path, the table it is loaded as, and the columns of that table.

    Rows are told apart by the column `key`: as a product number where it is INT64, else folded.
    """

    path: str
    table: str
    schema: Mapping[str, type[pl.DataType]]
    key: str


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """A reference file as loaded, one row per key, and a sentence for everything that was left out."""

    frame: pl.DataFrame
    warnings: tuple[str, ...]


VEHICLE_MAPPING: Final = ReferenceFile(
    path="reference/vehicle_mapping.csv",
    table="AIM.aim-vehiclemapping",
    schema=dict.fromkeys(("vehicle", "CarMake", "CarModel", "Pod", "Category", "Segment"), pl.String),
    key="vehicle",
)
PRODUCT_CATALOGUE: Final = ReferenceFile(
    path="reference/product_catalogue.csv",
    table="Reference_Tables.Product_catalogue",
    schema={
        "SKU": pl.Int64,
        **dict.fromkeys(("Manufacturer", "Model_Name", "OE", "run_flat", "Brand"), pl.String),
    },
    key="SKU",
)
INFLUENCE: Final = ReferenceFile(
    path="reference/tyrescore_influence.csv",
    table="nexus_tyrescore.tyrescore-influence",
    schema=dict.fromkeys(
        ("Vehicle", "Segment", "PRICE_pct", "GRADE_pct", "FUEL_pct", "WET_GRIP_pct", "AWARD_SCORE_pct"),
        pl.String,
    ),
    key="Vehicle",
)
MANUAL_CAMS: Final = ReferenceFile(
    path="reference/manual_cams.csv", table="AIM.aim-manual-cams", schema={"CAM": pl.String}, key="CAM"
)
REFERENCE_FILES: Final = (VEHICLE_MAPPING, PRODUCT_CATALOGUE, INFLUENCE, MANUAL_CAMS)


def read_reference(file: ReferenceFile, stream: BinaryIO | None) -> ReferenceTable:
    """Read a reference file.

    Columns are found by name, in any case and order; others are ignored. Texts stay as they are. Of several
    rows with one key the first is kept. A row is left out, with a warning, when it is no record, when its
    number of fields is not that of the header, or when its key is blank or no product number.

    Args:
        file: which one.
        stream: its content, or None when there is no such file: an empty table and a warning.

    Raises:
        PermanentFailure: a column is missing.
    """
    if stream is None:
        empty = pl.DataFrame(schema=file.schema)
        return ReferenceTable(empty, (f"{file.path} does not exist: {file.table} is empty",))
    records = CsvRecords(stream)
    header = [name.strip().casefold() for name in next(records, [])]
    if missing := [column for column in file.schema if column.casefold() not in header]:
        raise PermanentFailure(
            f"{file.path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}; its first row has "
            f"to name {', '.join(file.schema)}"
        )
    places = [header.index(column.casefold()) for column in file.schema]
    texts = pl.DataFrame(
        list(_rows(records, len(header), places)),
        {_LINE: pl.Int64, **dict.fromkeys(file.schema, pl.String)},
        orient="row",
    )
    usable = texts.filter(_with_usable_key(texts, file))
    for line, key in texts.join(usable, on=_LINE, how="anti").select(_LINE, file.key).iter_rows():
        records.rejections.add(line, f"has {file.key} {key[:40]!r}")
    frame = usable.filter(_keys(usable, file).is_first_distinct()).select(
        fields.whole_number(name) if dtype == pl.Int64 else name for name, dtype in file.schema.items()
    )
    return ReferenceTable(frame, _warnings(file, records))


def _rows(records: CsvRecords, width: int, places: list[int]) -> Iterator[tuple[int | str, ...]]:
    for row in records:
        if len(row) != width:
            records.reject(f"has {len(row)} fields instead of {width}")
            continue
        yield (records.line, *(row[place] for place in places))


def _keys(texts: pl.DataFrame, file: ReferenceFile) -> pl.Series:
    """What tells the rows apart; null for a product number that is none."""
    if file.schema[file.key] == pl.Int64:
        return texts.select(fields.product_id(file.key).cast(pl.Int64)).to_series()
    return folded(texts[file.key])


def _with_usable_key(texts: pl.DataFrame, file: ReferenceFile) -> pl.Series:
    return (_keys(texts, file).cast(pl.String) != "").fill_null(value=False)


def _warnings(file: ReferenceFile, records: CsvRecords) -> tuple[str, ...]:
    if not records.rejections.count:
        return ()
    line, reason = min(records.rejections.kept)
    count = f"{records.rejections.count:,} row{'s were' if records.rejections.count > 1 else ' was'} left out"
    return (f"{file.path}: {count}; the first is line {line}, which {reason}",)
