"""Column types, and the frames that fit them."""

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from resources.warehouse import SchemaMismatch
from resources.warehouse.columns import fitted, polars_type


@pytest.mark.parametrize(
    ("google_type", "expected"),
    [
        ("STRING", pl.String()),
        ("STRING(255)", pl.String()),
        ("TIME", pl.Time()),
        ("NUMERIC", pl.Decimal(38, 9)),
        ("NUMERIC(10, 2)", pl.Decimal(10, 2)),
        ("NUMERIC(38,9)", pl.Decimal(38, 9)),
        ("ARRAY<INT64>", pl.List(pl.Int64())),
        (
            "ARRAY<STRUCT<key STRING, value STRUCT<text STRING, n INT64>>>",
            pl.List(
                pl.Struct({"key": pl.String(), "value": pl.Struct({"text": pl.String(), "n": pl.Int64()})})
            ),
        ),
    ],
)
def test_a_google_type_has_a_polars_type(google_type: str, expected: pl.DataType) -> None:
    assert polars_type(google_type) == expected


@pytest.mark.parametrize(
    "google_type",
    [
        "INTEGER", "string", "ARRAY<INT64", "ARRAY<VARCHAR>", "MAP<INT64>", "", "STRING()", "STRING(0)",
        "STRING(MAX)", "INT64(4)", "NUMERIC(10)", "NUMERIC(40, 10)", "NUMERIC(1, 2)", "NUMERIC(0, 0)",
        "NUMERIC(32, 2)", "ARRAY<STRING(5)>", "ARRAY<TIME>", "STRUCT<a TIME>", "ARRAY<STRUCT<a STRING(5)>>",
    ],
)  # fmt: skip
def test_another_type_is_refused(google_type: str) -> None:
    with pytest.raises(ValueError, match="is no column type"):
        polars_type(google_type)


@pytest.mark.parametrize(
    ("column", "google_type"),
    [
        (pl.Series("x", [1], pl.Int8), "INT64"),
        (pl.Series("x", [1], pl.UInt32), "INT64"),
        (pl.Series("x", [1.5], pl.Float32), "FLOAT64"),
        (pl.Series("x", ["a"], pl.Categorical), "STRING"),
        (pl.Series("x", [None]), "DATE"),
        (pl.Series("x", [None]), "STRING(1)"),
        (pl.Series("x", [None]), "TIME"),
        (pl.Series("x", [Decimal("99999999.9")]), "NUMERIC(10, 2)"),
        (pl.Series("x", ["ß", "é", None]), "STRING(1)"),
        (pl.Series("x", [[]]), "ARRAY<STRING>"),
        (pl.Series("x", [datetime(2025, 1, 1, tzinfo=UTC)], pl.Datetime("ms", "UTC")), "TIMESTAMP"),
    ],
)
def test_a_type_widens_without_loss(column: pl.Series, google_type: str) -> None:
    found = fitted("d.t", column.to_frame(), {"x": google_type})
    assert found.schema == {"x": polars_type(google_type)}
    assert found["x"].null_count() == column.null_count()


@pytest.mark.parametrize(
    ("column", "google_type"),
    [
        (pl.Series("x", [1], pl.UInt64), "INT64"),
        (pl.Series("x", [1.0]), "INT64"),
        (pl.Series("x", [1]), "FLOAT64"),
        (pl.Series("x", [1]), "STRING"),
        (pl.Series("x", [True]), "INT64"),
        (pl.Series("x", [datetime(2025, 1, 1)]), "TIMESTAMP"),  # noqa: DTZ001 - it has no zone on purpose
        (pl.Series("x", [datetime(2025, 1, 1)]), "DATE"),  # noqa: DTZ001 - as above
        (pl.Series("x", [[1]]), "ARRAY<STRING>"),
        (pl.Series("x", [{"a": 1}]), "STRUCT<b INT64>"),
    ],
)
def test_a_type_that_would_change_values_is_refused(column: pl.Series, google_type: str) -> None:
    with pytest.raises(SchemaMismatch, match=r"d\.t: column x is .* and declared"):
        fitted("d.t", column.to_frame(), {"x": google_type})


@pytest.mark.parametrize(
    ("column", "google_type", "says"),
    [
        (pl.Series("x", ["ab", "abc"]), "STRING(2)", "it has 3 characters"),
        (pl.Series("x", [Decimal("100000000.0")]), "NUMERIC(10, 2)", "100000000"),
        (pl.Series("x", [1_000, 1], pl.Int64).cast(pl.Time), "TIME", "it has fractions of a microsecond"),
    ],
)
def test_a_value_that_a_type_cannot_hold_is_refused(column: pl.Series, google_type: str, says: str) -> None:
    with pytest.raises(SchemaMismatch, match=rf"d\.t: a value of column x does not fit .*{says}"):
        fitted("d.t", column.to_frame(), {"x": google_type})


def test_columns_come_in_the_declared_order() -> None:
    frame = pl.DataFrame({"b": [1], "a": ["x"]})
    assert fitted("d.t", frame, {"a": "STRING", "b": "INT64"}).columns == ["a", "b"]
