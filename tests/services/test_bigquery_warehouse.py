"""What only BigQuery has: typed errors of the service, job labels, and a service that cannot be reached."""

from typing import Any

import polars as pl
import pytest
from google.api_core import exceptions as answers
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.bigquery import Client, Dataset
from pyarrow.parquet import ParquetFile

from resources.warehouse import AccessRefused, SqlFile, StatementRefused, Warehouse, WarehouseUnavailable
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


def test_a_transaction_is_where_its_tables_are(
    bigquery_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A session that is begun without a place is in the US and sees no table elsewhere. To bqemulator all
    # places are one, so what is asked for is looked at.
    begun: list[Any] = []
    query = Client.query

    def note(client: Client, text: str, **options: Any) -> Any:
        if text.startswith("BEGIN"):
            begun.append(options["location"])
        return query(client, text, **options)

    monkeypatch.setattr(Client, "query", note)
    with Client(PROJECT, AnonymousCredentials()) as client:
        dataset = Dataset(f"{PROJECT}.AIM")
        dataset.location = "europe-west2"
        client.create_dataset(dataset)
    bigquery_warehouse.ensure_tables({"AIM.some-numbers": {"x": "INT64"}})
    text = b"DELETE FROM `AIM.some-numbers` WHERE TRUE; INSERT INTO `AIM.some-numbers` (x) VALUES (1);"
    assert bigquery_warehouse.execute(SqlFile.from_bytes("two.sql", text)) == (0, 1)
    assert begun == ["europe-west2"]


def test_what_was_loaded_beside_a_table_and_cannot_be_removed_is_a_warning(
    bigquery_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise answers.Forbidden("no role")

    monkeypatch.setattr(Client, "delete_table", refuse)
    frame = pl.DataFrame({"x": [1, 2]})
    bigquery_warehouse.load_together({"AIM.numbers": (frame, {"x": "INT64"})})
    assert bigquery_warehouse.count("AIM.numbers") == 2
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith("AIM.numbers_incoming_")
    assert warning.endswith(" is left over and can be removed: Forbidden")


def test_a_transaction_that_may_not_begin_is_a_refusal(
    bigquery_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise answers.Forbidden("no role")

    bigquery_warehouse.ensure_tables({"AIM.numbers": {"x": "INT64"}})
    monkeypatch.setattr(Client, "query", refuse)
    text = b"DELETE FROM `AIM.numbers` WHERE TRUE; DELETE FROM `AIM.numbers` WHERE TRUE;"
    with pytest.raises(AccessRefused, match="BEGIN TRANSACTION: BigQuery refuses access"):
        bigquery_warehouse.execute(SqlFile.from_bytes("two.sql", text))


def test_a_service_that_is_lost_in_a_transaction_does_not_hide_what_ended_it(
    bigquery_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    query = Client.query

    def lose(client: Client, text: str, **options: Any) -> Any:
        job = query(client, text, **options)
        if text.startswith("ROLLBACK"):
            raise answers.ServiceUnavailable("busy")
        return job

    monkeypatch.setattr(Client, "query", lose)
    bigquery_warehouse.ensure_tables({"AIM.numbers": {"x": "INT64"}})
    text = b"DELETE FROM `AIM.numbers` WHERE TRUE;\nDELETE FROM `AIM.numbers` WHERE missing = 1;"
    with pytest.raises(StatementRefused, match=r"two\.sql, line 2: "):
        bigquery_warehouse.execute(SqlFile.from_bytes("two.sql", text))
    assert "ROLLBACK TRANSACTION was refused" in caplog.text


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
