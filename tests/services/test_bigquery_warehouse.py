"""What only BigQuery has: typed errors of the service, job labels, and a service that cannot be reached."""

from typing import Any

import polars as pl
import pytest
from google.api_core import exceptions as answers
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.bigquery import Client
from pyarrow.parquet import ParquetFile

from resources.warehouse import AccessRefused, SqlFile, Warehouse, WarehouseUnavailable
from tests.services.bigquery_server import PROJECT

pytestmark = pytest.mark.services

ONE = SqlFile.from_bytes("assets/aim/sql/Select-One!.sql", b"SELECT 1 AS one")


def test_a_query_job_is_labelled_with_application_and_file(
    bigquery_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # bqemulator forgets labels, so they are read from what is sent.
    sent: list[Any] = []
    query = Client.query

    def note(client: Client, text: str, **options: Any) -> Any:
        sent.append(options["job_config"])
        return query(client, text, **options)

    monkeypatch.setattr(Client, "query", note)
    bigquery_warehouse.query(ONE)
    (config,) = sent
    assert config.labels == {"application": "quintet", "task": "select-one_"}
    assert int(config.job_timeout_ms) == 1_800_000


def test_many_frames_are_one_job_and_one_row_group_each(
    bigquery_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    row_groups: list[list[int]] = []
    load = Client.load_table_from_file

    def note(client: Client, file: Any, *place: Any, **options: Any) -> Any:
        metadata = ParquetFile(file).metadata
        row_groups.append([metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)])
        return load(client, file, *place, **options)

    monkeypatch.setattr(Client, "load_table_from_file", note)
    frames = (pl.DataFrame({"x": range(rows)}) for rows in (3, 1, 2))
    bigquery_warehouse.load("AIM.numbers", frames, {"x": "INT64"})
    assert row_groups == [[3, 1, 2]]
    assert bigquery_warehouse.count("AIM.numbers") == 6


def test_a_service_that_does_not_listen_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://127.0.0.1:9")
    from resources.warehouse.bigquery import BigQueryWarehouse

    warehouse = BigQueryWarehouse(project=PROJECT, retry_seconds=0.2)
    with pytest.raises(WarehouseUnavailable, match=r"BigQuery could not be reached.*try again later"):
        warehouse.query(ONE)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (answers.Forbidden("no role"), AccessRefused),
        (answers.Unauthorized("no token"), AccessRefused),
        (DefaultCredentialsError("none"), AccessRefused),
        (answers.ServiceUnavailable("busy"), WarehouseUnavailable),
        (answers.TooManyRequests("slow down"), WarehouseUnavailable),
        (TimeoutError(), WarehouseUnavailable),
    ],
)
def test_an_answer_of_the_service_has_one_meaning(
    bigquery_warehouse: Warehouse, error: Exception, meaning: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("google.cloud.bigquery.Client.query", fail)
    with pytest.raises(meaning, match=r"Select-One!\.sql, line 1: ") as caught:
        bigquery_warehouse.query(ONE)
    assert caught.value.__cause__ is error
