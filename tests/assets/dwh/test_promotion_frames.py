"""The frames of promotions give the rows of the plain rule, on every engine."""

import random
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from assets.dwh.frames.promotions import ROWS_OF_PROMOTION, latest_rows, warehouse_rows
from assets.dwh.promotion_tables import PROMOTION_COLUMNS
from scripts.sample_data.dwh_promotions import SCHEMA, promotions
from tests.assets.dwh.promotion_loads import DAY, NEXT_DAY, rows_by_rule

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MORNING, EVENING = datetime(2025, 1, 15, 8, tzinfo=UTC), datetime(2025, 1, 15, 20, tzinfo=UTC)
TIMES = [name for name, kind in PROMOTION_COLUMNS.items() if kind == "TIME"]


def extracted(session: "SparkSession", folder: Path, *extracts: pl.DataFrame) -> "DataFrame":
    """The rows of all extracts as frames make them, each extract in a file of its own."""
    frames = []
    for number, extract in enumerate(extracts):
        path = folder / f"{number}.parquet"
        extract.write_parquet(path)
        frames.append(session.read.parquet(str(path)))
    return warehouse_rows(frames, "loader")


def rows_by_frames(session: "SparkSession", folder: Path, *extracts: pl.DataFrame) -> list[dict[str, Any]]:
    found = pl.DataFrame(latest_rows(extracted(session, folder, *extracts)).toArrow())
    assert found[ROWS_OF_PROMOTION].sum() == sum(extract.height for extract in extracts)
    times = (pl.col(*TIMES) * 1_000_000_000).cast(pl.Time)
    return found.drop(ROWS_OF_PROMOTION).with_columns(times).sort("promotionid").to_dicts()


def check(session: "SparkSession", folder: Path, *extracts: pl.DataFrame) -> None:
    found, expected = rows_by_frames(session, folder, *extracts), rows_by_rule(extracts)
    assert [list(row) for row in found] == [list(row) for row in expected]
    assert [list(PROMOTION_COLUMNS)] * len(found) == [list(row) for row in found]
    differing = [pair for pair in zip(found, expected, strict=True) if pair[0] != pair[1]]
    assert differing == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_generated_promotions_are_those_of_the_rule(either_spark: "SparkSession", folder: Path):
    check(either_spark, folder, promotions(DAY, 3000), promotions(NEXT_DAY, 2000), promotions(DAY, 500, 1))


def test_any_columns_may_be_absent_but_two(either_spark: "SparkSession", folder: Path):
    extract = promotions(DAY, 200)
    optional = [name for name in SCHEMA if name not in ("_id", "updatedate")]
    for seed in range(2):
        absent = random.Random(seed).sample(optional, len(optional) // 2)
        check(either_spark, folder, extract.drop(absent), extract.select(pl.all().shuffle(seed=seed)))
    check(either_spark, folder, extract.select("_id", "updatedate"))


def test_fields_of_parts_may_be_absent(either_spark: "SparkSession", folder: Path):
    skus = [{"skuOrCategoryId": "a"}, None]
    rows = {
        "_id": ["p"],
        "updatedate": [MORNING],
        "bundles_bundleA": [{"promotionSkus": skus}],
        "bundles_bundleB": [{"minimumpurchase": 1}],
        "discount_discountTiers": [{"periscopeId": ["9"]}],
        "properties_flags": [{"zeta": True, "Alpha": False, "codeUnique": None}],
    }
    check(either_spark, folder, pl.DataFrame(rows))
    (row,) = rows_by_rule([pl.DataFrame(rows)])
    assert row["promo_elements"] == "bundleA,bundleB,discountTiers"
    assert row["promo_properties"] == "Alpha=false,zeta=true"


def test_values_that_are_null_throughout_may_have_no_type(either_spark: "SparkSession", folder: Path):
    # Not so lists and parts: the JVM takes a column without a type for one of integers.
    scalars = {name: pl.Null for name, kind in SCHEMA.items() if not kind.is_nested() and name != "_id"}
    rows = {name: [None] for name in scalars} | {"_id": ["p"], "tags": [[None]]}
    frame = pl.DataFrame(rows, {**scalars, "_id": pl.String, "tags": pl.List(pl.Null)})
    check(either_spark, folder, frame)


INSTANT = datetime(2025, 1, 15, 8, 7, 33, 123000, tzinfo=UTC)


def test_instants_are_read_in_utc_however_they_are_stored(either_spark: "SparkSession", folder: Path):
    column = pa.array([INSTANT], pa.timestamp("us", "UTC"))
    stored = {
        "with a zone": (column.cast(pa.timestamp("us", "America/Los_Angeles")), False),
        "without a zone": (column.cast(pa.timestamp("us")), False),
        "in milliseconds": (column.cast(pa.timestamp("ms", "UTC")), False),
        "as older engines do": (column, True),
    }
    for number, (name, (instants, is_int96)) in enumerate(stored.items()):
        path = str(folder / f"{number}.parquet")
        table = pa.table({"_id": [name], "updatedate": instants})
        parquet.write_table(table, path, use_deprecated_int96_timestamps=is_int96)
        rows = latest_rows(warehouse_rows([either_spark.read.parquet(path)], "loader"))
        assert rows.select("promotionid", "eventupdtime").toArrow().to_pylist() == [
            {"promotionid": name, "eventupdtime": INSTANT}
        ]


def test_integers_may_be_wide(either_spark: "SparkSession", folder: Path):
    frame = promotions(DAY, 50).with_columns(pl.col(pl.Int32).cast(pl.Int64))
    check(either_spark, folder, frame.with_columns(limits_global=pl.lit(2**40)))


def one(updated: datetime | None, name: str | None = None, description: str | None = None) -> tuple[Any, ...]:
    return updated, name, description


RANKED = [
    # The winner, and others.
    (one(EVENING, "a"), one(MORNING, "z")),
    (one(MORNING), one(None, "z")),
    (one(MORNING, ""), one(MORNING, None, "z"), one(None, "y")),
    (one(MORNING, "a", "b"), one(MORNING, "a"), one(MORNING)),
    # By code points a full-width letter comes before a symbol beyond the first 65,536.
    (one(MORNING, "\U0001d11e"), one(MORNING, "\uff21")),
    (one(MORNING, None, "x"), one(MORNING)),
    (one(None, None, "x"), one(None), one(None)),
]


def test_the_last_update_wins_and_then_the_greatest_row(either_spark: "SparkSession", folder: Path):
    schema = ["_id", "updatedate", "name", "description"]
    rows = [(f"p{at}", *row) for at, ranked in enumerate(RANKED) for row in ranked]
    types = {"updatedate": pl.Datetime("us", "UTC")}
    for seed in range(3):
        shuffled = pl.DataFrame(
            random.Random(seed).sample(rows, len(rows)), schema, schema_overrides=types, orient="row"
        )
        found = rows_by_frames(either_spark, folder, shuffled[:8], shuffled[8:])
        winners = [(row["eventupdtime"], row["promotioncode"], row["promotiondescription"]) for row in found]
        assert winners == [winner for winner, *_ in RANKED]


def test_nulls_are_lowest_wherever_the_rows_lie(either_spark: "SparkSession", folder: Path):
    # On Sail, comparing rows as structs alone fails this for every second promotion.
    chance = random.Random(7)
    rows = [
        (
            f"p{chance.randrange(400)}",
            chance.choice([None, MORNING]),
            chance.choice([None, "", "a", "é"]),
            chance.choice([None, 0, 1]),
            chance.choice([None, {"codeUnique": True}, {"codeUnique": None}]),
        )
        for _ in range(12_000)
    ]
    schema = {
        "_id": pl.String,
        "updatedate": pl.Datetime("us", "UTC"),
        "name": pl.String,
        "couponmin": pl.Int32,
        "properties_flags": pl.Struct({"codeUnique": pl.Boolean}),
    }
    frame = pl.DataFrame(rows, schema, orient="row")
    check(either_spark, folder, *(frame[start::4] for start in range(4)))


def test_a_time_of_day_is_the_second_of_the_day(either_spark: "SparkSession", folder: Path):
    seconds = [0, 1, 43_201, 86_399, None]
    frame = pl.DataFrame(
        {"_id": [str(at) for at in seconds], "updatedate": MORNING, "schedule_dailyEndTime": seconds}
    )
    found = {row["promotionid"]: row["dailyendtime"] for row in rows_by_frames(either_spark, folder, frame)}
    assert found == {
        "0": time(),
        "1": time(0, 0, 1),
        "43201": time(12, 0, 1),
        "86399": time(23, 59, 59),
        "None": None,
    }


def test_rows_without_an_id_are_counted_as_one_promotion(either_spark: "SparkSession", folder: Path):
    frame = pl.DataFrame(
        {"_id": [None, "p", None], "updatedate": MORNING},
        {"_id": pl.String, "updatedate": pl.Datetime("us", "UTC")},
    )
    found = rows_by_frames(either_spark, folder, frame)
    assert [row["promotionid"] for row in found] == [None, "p"]
