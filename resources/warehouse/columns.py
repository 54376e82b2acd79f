"""Declared schemas, and whether a frame fits one.

Types are written in GoogleSQL: STRING, INT64, FLOAT64, BOOL, DATE, TIME, TIMESTAMP, NUMERIC, and `ARRAY<…>`
and `STRUCT<name type, …>` of them; as whole columns also STRING(length) in characters and NUMERIC(precision,
scale) in digits. Not here: a client's own schema classes.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import polars as pl

from resources.warehouse.errors import SchemaMismatch

Schema: TypeAlias = Mapping[str, str]
"""Column name to GoogleSQL type, in the order of the table."""

Schemas: TypeAlias = Mapping[str, Schema]
"""`dataset.table` to its columns."""

NUMERIC = pl.Decimal(38, 9)
_SCALARS: Mapping[str, pl.DataType] = {
    "STRING": pl.String(),
    "INT64": pl.Int64(),
    "FLOAT64": pl.Float64(),
    "BOOL": pl.Boolean(),
    "DATE": pl.Date(),
    "TIME": pl.Time(),
    "TIMESTAMP": pl.Datetime("us", "UTC"),
    "NUMERIC": NUMERIC,
}
_LIMITED = re.compile(r"(STRING) ?\((\d+)\)|(NUMERIC) ?\((\d+), ?(\d+)\)")
_MICROSECOND = 1_000  # of the nanoseconds in which Polars counts a time of day
_TABLE = re.compile(r"(?:[a-z][a-z0-9-]*\.)?([A-Za-z0-9_]+)\.([A-Za-z0-9_-]+)")


def split_table(table: str) -> tuple[str, str]:
    """Dataset and name of `dataset.table` or `project.dataset.table`.

    Raises `ValueError` for anything else.
    """
    if not (parts := _TABLE.fullmatch(table)):
        raise ValueError(
            f"{table!r} is no table: write dataset.table or project.dataset.table in letters, digits, "
            "_ and (project, table) -."
        )
    dataset, name = parts.groups()
    return dataset, name


def fields_of(google_type: str) -> tuple[str, list[tuple[str, str]]]:
    """A type taken one level apart: its outer word, and name and type of what is inside.

    An array has one unnamed inner type, a scalar none. The limits of a scalar are `limits_of`.

    Raises `ValueError` for a type that is not one of this module's.
    """
    text = _without_limits(google_type.strip())
    if text in _SCALARS:
        return text, []
    outer, _, inner = text.partition("<")
    if inner.endswith(">") and outer == "ARRAY":
        return outer, [("", inner[:-1].strip())]
    if inner.endswith(">") and outer == "STRUCT":
        pairs = [part.strip().partition(" ") for part in _parts(inner[:-1])]
        return outer, [(name, kind.strip()) for name, _, kind in pairs]
    raise ValueError(
        f"{google_type!r} is no column type; choose {', '.join(_SCALARS)}, STRING(length), "
        "NUMERIC(precision, scale), ARRAY<…> or STRUCT<…>."
    )


def limits_of(google_type: str) -> tuple[int, ...]:
    """The length of `STRING(length)`, precision and scale of `NUMERIC(precision, scale)`, else nothing.

    Raises `ValueError` for limits that BigQuery has not: a length of 0, a scale above 9, a precision that
    leaves no digit or more than 29 before the point.
    """
    match = _LIMITED.fullmatch(google_type.strip())
    if not match:
        return ()
    limits = tuple(int(number) for number in (match[2], match[4], match[5]) if number)
    if match[1]:
        is_possible = limits[0] > 0
    else:
        precision, scale = limits
        is_possible = scale <= 9 and max(1, scale) <= precision <= scale + 29
    if not is_possible:
        raise ValueError(
            f"{google_type!r} is no column type: a length is 1 or more, a scale 9 at most, and a precision "
            "from the scale, 1 at least, to the scale and 29."
        )
    return limits


def _without_limits(google_type: str) -> str:
    return google_type.partition("(")[0].rstrip() if limits_of(google_type) else google_type


def _parts(fields: str) -> list[str]:
    """Split at the commas outside of angle brackets."""
    parts, depth = [""], 0
    for character in fields:
        depth += (character == "<") - (character == ">")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def polars_type(google_type: str) -> pl.DataType:
    """The Polars type that holds every value of a GoogleSQL type.

    Raises `ValueError` for a type that is not one of this module's, or is one for whole columns only.
    """
    outer, inner = fields_of(google_type)
    for _, kind in inner:
        if limits_of(kind) or kind == "TIME":
            raise ValueError(f"{google_type!r} is no column type: {kind} is for whole columns only.")
    if outer == "ARRAY":
        return pl.List(polars_type(inner[0][1]))
    if outer == "STRUCT":
        return pl.Struct({name: polars_type(kind) for name, kind in inner})
    if outer == "NUMERIC" and (limits := limits_of(google_type)):
        return pl.Decimal(*limits)
    return _SCALARS[outer]


def fitted(table: str, frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The frame with exactly the declared columns, in order and in their types.

    A type may widen without loss (Int32 to INT64), an all-null column may be anything. Raises
    `SchemaMismatch`, naming table and column, for a missing or surplus column, another type, or a value that
    does not fit: too long a text, too great a number, a time of day finer than microseconds.
    """
    missing = [name for name in schema if name not in frame.columns]
    surplus = [name for name in frame.columns if name not in schema]
    if missing or surplus:
        raise SchemaMismatch(
            f"{table}: the frame lacks {_named(missing)} and has {_named(surplus)} too much; "
            "give it exactly the declared columns."
        )
    return frame.select(_fitted(table, frame[name], google_type) for name, google_type in schema.items())


def _named(columns: list[str]) -> str:
    return ", ".join(columns) or "no column"


def _fitted(table: str, column: pl.Series, google_type: str) -> pl.Series:
    target = polars_type(google_type)
    if not _widens(column.dtype, target):
        raise SchemaMismatch(
            f"{table}: column {column.name} is {column.dtype} and declared {google_type}; cast it before."
        )
    try:
        cast = column.cast(target)
    except pl.exceptions.PolarsError as error:
        raise SchemaMismatch(
            f"{table}: a value of column {column.name} does not fit {google_type}; {_first_line(error)}"
        ) from error
    if excess := _excess(cast, google_type):
        raise SchemaMismatch(
            f"{table}: a value of column {column.name} does not fit {google_type}; it has {excess}"
        )
    return cast


def _excess(column: pl.Series, google_type: str) -> str | None:
    """What a value has more than its type can hold, if Polars' own type does not see it."""
    match fields_of(google_type)[0], limits_of(google_type):
        case "STRING", (length,):
            longest: Any = column.str.len_chars().max()
            return f"{longest} characters" if longest is not None and longest > length else None
        case "TIME", _:
            is_finer = (column.to_physical() % _MICROSECOND != 0).any()
            return "fractions of a microsecond" if is_finer else None
    return None


def _widens(source: Any, target: Any) -> bool:
    match source, target:
        case pl.List(), pl.List():
            return _widens(source.inner, target.inner)
        case pl.Struct(), pl.Struct():
            theirs, ours = dict(source.to_schema()), dict(target.to_schema())
            return list(theirs) == list(ours) and all(_widens(theirs[key], ours[key]) for key in ours)
        case _:
            return source == target or _scalar_widens(source, target)


def _scalar_widens(source: Any, target: Any) -> bool:
    match source, target:
        case pl.Null(), _:
            widens = True
        case pl.Datetime(), pl.Datetime():
            widens = source.time_zone is not None and source.time_unit != "ns"
        case pl.Decimal(), pl.Decimal():
            widens = source.scale <= target.scale
        case _, pl.Int64():
            widens = source.is_integer() and source not in (pl.UInt64, pl.UInt128, pl.Int128)
        case _, pl.Float64():
            widens = source.is_float()
        case _, pl.String():
            widens = isinstance(source, pl.Categorical | pl.Enum)
        case _:
            widens = False
    return widens


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
