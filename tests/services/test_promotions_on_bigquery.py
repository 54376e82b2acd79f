"""The load of promotions through the official BigQuery client: the same rows as on the embedded warehouse."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud.bigquery import Client

from assets.dwh.promotion_tables import PROMOTIONS, STAGED
from assets.dwh.stages.promotion_table import IdCounts, PromotionTable
from resources.object_store import LocalObjectStore
from resources.spark import Spark
from resources.warehouse import DuckDBWarehouse, StatementRefused, Warehouse
from scripts.sample_data.dwh_promotions import promotions
from tests.assets.dwh.promotion_loads import (
    DAY,
    NEXT_DAY,
    NOON,
    load,
    put_extract,
    site_on,
    stored,
    table_rows,
)

pytestmark = pytest.mark.services

EARLY, LATE = datetime(2025, 1, 15, 8, tzinfo=UTC), datetime(2025, 1, 15, 20, tzinfo=UTC)


def row(name: str, updated: datetime | None, code: str, created_by: str = "first") -> dict[str, Any]:
    by = {"dwcreatedby": created_by, "etl_created_by": created_by}
    return {"promotionid": name, "promotioncode": code, "eventupdtime": updated, **by}


def merge(warehouse: Warehouse, *rows: dict[str, Any], at: datetime = NOON) -> int:
    return PromotionTable(warehouse).merge(table_rows(*rows), at)


def test_generated_extracts_give_the_same_table_as_on_the_embedded_warehouse(
    bigquery_warehouse: Warehouse, tmp_path: Path
):
    store = LocalObjectStore(root=str(tmp_path / "storage"))
    embedded = DuckDBWarehouse(path=str(tmp_path / "quintet.duckdb"))
    for day in (DAY, NEXT_DAY):
        put_extract(store, promotions(day, 60), day)
    for warehouse in (embedded, bigquery_warehouse):
        with site_on(Spark(work_folder=str(tmp_path / "work")), store, warehouse) as site:
            for days in ([NEXT_DAY], [DAY], [DAY, NEXT_DAY]):
                assert load(site, *days).staged.rows > 0
    assert stored(bigquery_warehouse) == stored(embedded) != []


def test_older_promotions_do_not_replace_newer_ones_and_the_creation_is_kept(bigquery_warehouse: Warehouse):
    merge(bigquery_warehouse, row("p", EARLY, "old"), row("q", LATE, "newer"), row("r", None, "none"))
    incoming = (row("p", LATE, "new", "second"), row("q", EARLY, "older"), row("r", None, "again"))
    assert merge(bigquery_warehouse, *incoming, at=NOON + timedelta(days=1)) == 2
    columns = ("promotionid", "promotioncode", "dwcreatedby", "dwcreatedat")
    assert stored(bigquery_warehouse, *columns) == [
        ("p", "new", "first", NOON),
        ("q", "newer", "first", NOON),
        ("r", "again", "first", NOON),
    ]
    assert bigquery_warehouse.count(STAGED) == 0
    assert PromotionTable(bigquery_warehouse).count() == IdCounts(3, 0, 3)


def test_the_merge_is_rolled_back_where_the_read_back_fails(
    bigquery_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    merge(bigquery_warehouse, row("p", EARLY, "old"))
    before = stored(bigquery_warehouse)
    query = Client.query

    def lose(client: Client, text: str, **options: Any) -> Any:
        # Between the merge and its read-back a promotion goes, in the same transaction.
        if "Read-back" in text:
            query(client, f"DELETE FROM `{PROMOTIONS}` WHERE promotionid = 'r'", **_unbound(options)).result()
        return query(client, text, **options)

    monkeypatch.setattr(Client, "query", lose)
    with pytest.raises(StatementRefused, match=r"prove_promotions\.sql, line \d+: .*Read-back failed"):
        merge(bigquery_warehouse, row("p", LATE, "new"), row("r", LATE, "new"))
    assert stored(bigquery_warehouse) == before


def _unbound(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a statement in the same session, without its parameters."""
    from google.cloud.bigquery import QueryJobConfig

    config = QueryJobConfig()
    config.connection_properties = options["job_config"].connection_properties
    return {**options, "job_config": config}
