"""Loading promotions: from parquet in a store to the table of a warehouse, and what ends a load before."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest

from assets.dwh.quality import ThresholdViolated
from assets.dwh.stages.promoting import ExtractRefused, PromotionsSite
from assets.dwh.stages.promotion_table import IdCounts, PromotionTable
from assets.failures import PermanentFailure, TransientFailure
from resources.object_store import LocalObjectStore, ObjectStore
from resources.spark import EngineFiles, Spark
from resources.warehouse import DuckDBWarehouse, Warehouse, WarehouseUnavailable
from scripts.sample_data.dwh_promotions import promotions
from tests.assets.dwh.promotion_loads import (
    DAY,
    NEXT_DAY,
    NOON,
    load,
    put_extract,
    rows_by_rule,
    site_on,
    stored,
)

MORNING, EVENING = datetime(2025, 1, 15, 8, tzinfo=UTC), datetime(2025, 1, 15, 20, tzinfo=UTC)
TYPES = {"_id": pl.String, "updatedate": pl.Datetime("us", "UTC"), "name": pl.String}


class ForbiddenWarehouse(DuckDBWarehouse):
    """Refuses whatever it is asked for."""

    def _connect(self) -> NoReturn:
        raise AssertionError("the warehouse was touched")


class UnreachableFiles(EngineFiles):
    """Sends an engine to files that are gone, as a cloud's bucket may be for an engine elsewhere."""

    def readable(self, objects: Sequence[tuple[str, str]]) -> list[str]:
        return [f"{self._store.scan_source(*address).uri}.gone" for address in objects]

    def scratch(self, name: str) -> NoReturn:
        raise NotImplementedError

    def written(self, folder: str) -> NoReturn:
        raise NotImplementedError

    def _open(self, folder: str, written: object) -> NoReturn:
        raise NotImplementedError


def extract(*rows: tuple[str | None, datetime | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), TYPES, orient="row")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return DuckDBWarehouse(path=str(tmp_path / "quintet.duckdb"))


@pytest.fixture
def site(spark_resource: Spark, store: ObjectStore, warehouse: Warehouse) -> Iterator[PromotionsSite]:
    with site_on(spark_resource, store, warehouse) as site:
        yield site


@pytest.fixture
def untouchable(spark_resource: Spark, store: ObjectStore, tmp_path: Path) -> Iterator[PromotionsSite]:
    forbidden = ForbiddenWarehouse(path=str(tmp_path / "forbidden.duckdb"))
    with site_on(spark_resource, store, forbidden) as site:
        yield site


def test_generated_extracts_become_the_rows_of_the_rule_on_every_engine(
    either_resource: Spark, store: ObjectStore, warehouse: Warehouse
):
    extracts = [promotions(DAY, 300), promotions(DAY, 100, 1).drop("tags"), promotions(NEXT_DAY, 200)]
    for at, (frame, day) in enumerate(zip(extracts, (DAY, DAY, NEXT_DAY), strict=True)):
        put_extract(store, frame, day, f"part-{at}.snappy.parquet")
    with site_on(either_resource, store, warehouse) as site:
        loaded = load(site, DAY, NEXT_DAY)
    expected = rows_by_rule(extracts)
    times = {"dwcreatedat": NOON, "etl_created_at": NOON}
    assert stored(warehouse) == [row | times for row in expected]
    assert loaded.rows_read == 600
    assert loaded.staged == IdCounts(len(expected), 0, len(expected))
    assert (loaded.merged, loaded.newer_in_table) == (len(expected), 0)
    assert loaded.repeats_removed == 600 - len(expected)


def test_a_loaded_promotion_has_the_types_of_the_table(site: PromotionsSite, store: ObjectStore):
    frame = extract(("p", EVENING, "SAVE")).with_columns(
        schedule_dailyStartTime=pl.lit(32_400), skus_minimumPurchase=pl.lit(12)
    )
    put_extract(store, frame)
    load(site, DAY)
    columns = ("promotionid", "dailystarttime", "minimumpurchase", "eventupdtime", "sitewideflag")
    assert stored(site.warehouse, *columns) == [("p", time(9), Decimal(12), EVENING, False)]


def test_of_two_rows_of_one_id_the_later_update_is_loaded(site: PromotionsSite, store: ObjectStore):
    put_extract(store, extract(("p", EVENING, "later"), ("p", MORNING, "earlier")))
    assert load(site, DAY).repeats_removed == 1
    assert stored(site.warehouse, "promotionid", "promotioncode") == [("p", "later")]


def test_the_metrics_say_what_was_loaded_and_when(site: PromotionsSite, store: ObjectStore):
    put_extract(store, extract(("p", EVENING, None), ("p", MORNING, None), ("q", None, None)))
    metrics = load(site, DAY).metrics
    assert metrics.job_status == "SUCCESS"
    assert (metrics.records_read, metrics.records_written, metrics.records_dropped) == (3, 2, 1)
    assert [(entry.reason, entry.count) for entry in metrics.drop_reasons] == [("duplicate", 1)]
    assert metrics.payload is not None
    assert metrics.payload.model_dump() == {"message": "LoadPromosJob completed successfully"}
    assert {metrics.phases.extract.start_time, metrics.phases.load.end_time} == {NOON}
    assert metrics.created_by == "loader"


def test_only_the_parquet_objects_of_the_days_are_read(site: PromotionsSite, store: ObjectStore):
    put_extract(store, extract(("p", MORNING, None)))
    put_extract(store, extract(("next", MORNING, None)), NEXT_DAY)
    for name in ("_temporary.parquet", ".part.parquet", "part.csv", "deeper/part.parquet"):
        put_extract(store, extract(("no", MORNING, None)), name=name)
    # A delivery of a day holds what was updated the day before.
    put_extract(store, extract(("before", datetime(2025, 1, 14, 23, tzinfo=UTC), None)), name="b.parquet")
    loaded = load(site, DAY, DAY)
    assert [file.place.name for file in loaded.extract] == ["b.parquet", "part-0.parquet"]
    assert stored(site.warehouse, "promotionid") == [("before",), ("p",)]


def test_days_in_any_order_and_again_give_the_same_table(
    spark_resource: Spark, store: ObjectStore, tmp_path: Path
):
    days = [DAY, NEXT_DAY, date(2025, 1, 17)]
    for day in days:
        # A promotion without an update time may differ from day to day: then the last load counts.
        put_extract(store, promotions(day, 60).drop_nulls("updatedate"), day)
    tables = []
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2, 0, 1]):
        warehouse = DuckDBWarehouse(path=str(tmp_path / f"{len(tables)}.duckdb"))
        with site_on(spark_resource, store, warehouse) as site:
            for at in order:
                load(site, days[at])
        tables.append(stored(warehouse))
    assert tables[0] == tables[1] == tables[2] != []


REFUSALS = [
    (None, "Row Count failed"),
    (extract(), "Row Count failed"),
    (extract(("p", MORNING, None)).drop("_id"), "Columns failed: _id"),
    (extract(("p", MORNING, None)).drop("updatedate"), "Columns failed: updatedate"),
    (extract(("p", MORNING, None)).select("name"), "Columns failed: _id, updatedate"),
    (extract(("p", MORNING, None), (None, MORNING, None)), "Null Count failed"),
]


@pytest.mark.parametrize(("frame", "says"), REFUSALS)
def test_a_bad_extract_is_refused_before_the_warehouse_is_touched(
    untouchable: PromotionsSite, store: ObjectStore, frame: pl.DataFrame | None, says: str
):
    store.put_bytes("dwh-data", "unrelated", b"")
    if frame is not None:
        put_extract(store, frame)
    with pytest.raises(ExtractRefused) as refused:
        load(untouchable, DAY)
    assert str(refused.value) == f"Extract Data Quality - {says}"
    assert refused.value.__notes__


def test_an_empty_extract_leaves_the_table_as_it_was(site: PromotionsSite, store: ObjectStore):
    put_extract(store, extract(("p", MORNING, "kept")))
    load(site, DAY)
    before = stored(site.warehouse)
    put_extract(store, extract(), NEXT_DAY)
    with pytest.raises(ExtractRefused, match="Extract Data Quality - Row Count failed"):
        load(site, NEXT_DAY)
    assert stored(site.warehouse) == before


def test_a_required_column_may_be_absent_from_no_file(untouchable: PromotionsSite, store: ObjectStore):
    put_extract(store, extract(("p", MORNING, None)))
    put_extract(store, extract(("q", MORNING, None)).drop("updatedate"), name="part-1.parquet")
    with pytest.raises(ExtractRefused, match="Columns failed: updatedate") as refused:
        load(untouchable, DAY)
    assert refused.value.__notes__ == [
        "Lacking in s3://dwh-data/promotions_raw/ptn_ingress_date=2025-01-15/part-1.parquet"
    ]


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        (IdCounts(0, 0, 0), "Row Count failed: Transform Data Quality - Row Count: 0 <= 0"),
        (IdCounts(2, 1, 1), "Null Count failed: Transform Data Quality - Null Count: 1 > 0"),
        (IdCounts(2, 0, 1), "Distinct Count failed: Transform Data Quality - Distinct Count: 1 < 2"),
    ],
)
def test_bad_transformed_rows_are_refused_before_the_warehouse_is_touched(
    untouchable: PromotionsSite,
    store: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    counts: IdCounts,
    says: str,
):
    put_extract(store, extract(("p", MORNING, None)))
    monkeypatch.setattr(IdCounts, "of", lambda _: counts)
    with pytest.raises(ThresholdViolated, match=f"^Transform Data Quality - {says}$"):
        load(untouchable, DAY)


def cut(content: bytes) -> bytes:
    return content[:-20]


def damaged_rows(content: bytes) -> bytes:
    # The footer is whole, so the damage shows only when the rows are read.
    return content[:8] + b"\x07" * 200 + content[208:]


@pytest.mark.parametrize("damage", [cut, damaged_rows, lambda _: b"", lambda _: b"no parquet at all"])
def test_an_unreadable_file_is_named(either_resource: Spark, store: ObjectStore, tmp_path: Path, damage: Any):
    put_extract(store, promotions(DAY, 500))
    place = put_extract(store, promotions(DAY, 500), name="bad.parquet")
    store.put_bytes(place.bucket, place.key, damage(store.read_bytes(place.bucket, place.key)))
    forbidden = ForbiddenWarehouse(path=str(tmp_path / "forbidden.duckdb"))
    with (
        site_on(either_resource, store, forbidden) as site,
        pytest.raises(PermanentFailure, match=r"2025-01-15/bad\.parquet cannot be read as parquet; have it"),
    ):
        load(site, DAY)


def test_rows_that_the_engine_does_not_see_are_missed(untouchable: PromotionsSite, store: ObjectStore):
    put_extract(store, extract(("p", MORNING, None), ("q", MORNING, None)))
    # Of a file that does not exist Sail knows neither rows nor columns, of others it does.
    put_extract(store, extract(("r", MORNING, None)), name="part-1.parquet")

    class HalfReachable(UnreachableFiles):
        def readable(self, objects: Sequence[tuple[str, str]]) -> list[str]:
            near = [self._store.scan_source(*address).uri for address in objects[:1]]
            return [*near, *super().readable(objects[1:])]

    site = PromotionsSite(
        untouchable.session, HalfReachable(store), store, untouchable.warehouse, untouchable.now
    )
    with pytest.raises(TransientFailure, match="The engine read 2 of the 3 rows"):
        load(site, DAY)


class FailingWarehouse(DuckDBWarehouse):
    """Fails at one of the steps of a load."""

    step: str

    def ensure_tables(self, schemas: Any) -> None:
        self._reach("ensure_tables")
        super().ensure_tables(schemas)

    def _load(self, table: str, frames: Any, schema: Any, replace: bool) -> None:
        super()._load(table, frames, schema, replace)
        self._reach("load")

    def _run(self, statement: Any, values: Any) -> int:
        changed = super()._run(statement, values)
        self._reach(Path(statement.path).stem)
        return changed

    def _reach(self, step: str) -> None:
        if step == self.step:
            raise WarehouseUnavailable(f"lost after {step}")


STEPS = ["ensure_tables", "load", "merge_promotions", "prove_promotions", "clear_staged_promotions"]


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_leaves_the_table_and_the_next_try_succeeds(
    site: PromotionsSite, store: ObjectStore, warehouse: DuckDBWarehouse, step: str
):
    put_extract(store, extract(("p", MORNING, "old"), ("q", MORNING, "old")))
    load(site, DAY)
    before = stored(warehouse)
    put_extract(store, extract(("p", EVENING, "new"), ("r", EVENING, "new")), NEXT_DAY)
    failing = FailingWarehouse(path=warehouse.path, step=step)
    broken = PromotionsSite(site.session, site.files, store, failing, site.now)
    with pytest.raises(WarehouseUnavailable, match=f"lost after {step}"):
        load(broken, NEXT_DAY)
    assert stored(warehouse) == before
    assert load(site, NEXT_DAY).merged == 2
    assert stored(warehouse, "promotionid", "promotioncode") == [("p", "new"), ("q", "old"), ("r", "new")]


def test_a_value_that_does_not_fit_its_column_is_named_and_nothing_is_loaded(
    site: PromotionsSite, store: ObjectStore
):
    put_extract(store, extract(("p", MORNING, "x" * 256)))
    with pytest.raises(ValueError, match=r"promotioncode does not fit STRING\(255\); it has 256 characters"):
        load(site, DAY)
    put_extract(store, extract(("p", MORNING, "")).with_columns(skus_minimumPurchase=pl.lit(100_000_000)))
    with pytest.raises(ValueError, match=r"minimumpurchase does not fit NUMERIC\(10, 2\)"):
        load(site, DAY)
    assert stored(site.warehouse) == []


def test_another_table_can_be_loaded(site: PromotionsSite, store: ObjectStore):
    put_extract(store, extract(("p", MORNING, None)))
    load(site, DAY, table="mart.promotions")
    assert stored(site.warehouse, "promotionid", table="mart.promotions") == [("p",)]
    assert not site.warehouse.table_exists("dw_core.d_promotion_3_0")
    assert PromotionTable(site.warehouse, "mart.promotions").count() == IdCounts(1, 0, 1)


def test_no_days_are_no_rows(untouchable: PromotionsSite):
    with pytest.raises(ExtractRefused, match="Row Count failed"):
        load(untouchable)
