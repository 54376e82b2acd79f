"""Tables on BigQuery through dagster-gcp's `BigQueryResource` and the official client.

Credentials come from Google's own chain (`GOOGLE_APPLICATION_CREDENTIALS`, gcloud, the metadata server), an
emulator from `BIGQUERY_EMULATOR_HOST`. Imported only where a BigQuery warehouse is really made: dagster-gcp
takes 2.3 s.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from tempfile import TemporaryFile
from threading import local
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import polars as pl
import requests
from dagster_gcp import BigQueryResource
from google.api_core import exceptions as answers
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import (
    ArrayQueryParameter,
    Client,
    ConnectionProperty,
    CopyJobConfig,
    Dataset,
    LoadJobConfig,
    QueryJob,
    QueryJobConfig,
    ScalarQueryParameter,
    SchemaField,
    Table,
)
from google.cloud.bigquery.format_options import ParquetOptions
from google.cloud.bigquery.retry import DEFAULT_RETRY
from pydantic import Field, PrivateAttr

from resources.google_answers import NO_CREDENTIALS, UNAVAILABLE, no_credentials, unavailable
from resources.warehouse.base import Warehouse
from resources.warehouse.columns import Schema, fields_of, limits_of, polars_type
from resources.warehouse.errors import (
    AccessRefused,
    StatementRefused,
    TableNotFound,
    WarehouseUnavailable,
)
from resources.warehouse.sql_files import Statement
from resources.warehouse.values import Typed

if TYPE_CHECKING:
    from pyarrow import Schema as ArrowSchema

REQUEST_SECONDS = 60
_POSITION = re.compile(r"at \[(\d+):\d+\]")
_DATASET = re.compile(r"`([\w.:-]+)\.[\w*-]+`")
_LIMITS = {"STRING": ("max_length",), "NUMERIC": ("precision", "scale")}
_NOT_LABEL = re.compile(r"[^a-z0-9_-]")
# With a retry of jobs the client (3.47) repeats a failing request for 10 minutes, whatever it is told.
_NO_JOB_RETRY: Any = None

_log = logging.getLogger(__name__)


class BigQueryWarehouse(Warehouse):
    """Tables on BigQuery; a script of several statements is one transaction in a session of BigQuery's own.

    Each request gives up after 60 s without an answer. After a time-out, a broken connection, 429, 500, 502,
    503 or 504 it is repeated, with growing random pauses, for `retry_seconds` in
    all. 400, 403 and 404 are answers and are not repeated, nor is a job that has run and failed.
    BigQuery ends a job after `job_seconds`.
    """

    project: str | None = Field(default=None, description="The project that jobs are made in and paid by.")
    location: str | None = Field(default=None, description="Where new datasets lie and jobs run.")
    labels: dict[str, str] = Field(
        default={"application": "quintet"}, description="Labels of every job, for the bill."
    )
    retry_seconds: float = Field(default=120, description="How long a failing request is repeated.")
    job_seconds: float = Field(default=1800, description="How long one job may take.")

    _open: local = PrivateAttr(default_factory=local)

    @contextmanager
    def _session(self) -> Iterator[None]:
        if getattr(self._open, "client", None) is not None:
            yield
            return
        with self._translating(self.project or "BigQuery"):
            self._open.client = self._new_client()
        try:
            yield
        finally:
            self._open.client.close()
            self._open.client = None

    def _new_client(self) -> Client:
        if os.environ.get("BIGQUERY_EMULATOR_HOST"):
            # The client for storage does the same by itself; an emulator asks for no account.
            return Client(self.project, AnonymousCredentials(), location=self.location)
        with BigQueryResource(project=self.project, location=self.location).get_client() as client:
            return client

    @property
    def _client(self) -> Client:
        return self._open.client

    @property
    def _patience(self) -> dict[str, Any]:
        return {"timeout": REQUEST_SECONDS, "retry": DEFAULT_RETRY.with_timeout(self.retry_seconds)}

    def _query(self, statement: Statement, values: Mapping[str, Typed]) -> pl.DataFrame:
        job = self._start(statement, values)
        rows = job.result(timeout=self.job_seconds, retry=DEFAULT_RETRY.with_timeout(self.retry_seconds))
        if not rows.schema:
            raise StatementRefused(f"{statement.location()}: the statement has no rows; execute it instead.")
        # The Storage API would need a second permission and gRPC; pages of the REST API do.
        frame = pl.from_arrow(rows.to_arrow(create_bqstorage_client=False))
        return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()

    def _execute(self, statements: Sequence[Statement], values: Mapping[str, Typed]) -> list[int]:
        if len(statements) == 1:
            return [self._run(statements[0], values)]
        with self._translating(statements[0].location(), statements[0]):
            location = self._location_of(statements)
        with self._transaction(location) as connection:
            return [self._run(statement, values, connection) for statement in statements]

    def _location_of(self, statements: Sequence[Statement]) -> str | None:
        """Where a session for the statements has to be: it names no table when it begins, and would be US."""
        if self.location:
            return self.location
        named = (match for statement in statements for match in _DATASET.finditer(statement.text))
        dataset = next((self._reference(match[1], 1) for match in named), None)
        return self._client.get_dataset(dataset, **self._patience).location if dataset else None

    @contextmanager
    def _transaction(self, location: str | None) -> Iterator[tuple[str, str]]:
        """A transaction in a new session of BigQuery: its id, and the location it is bound to."""
        config = self._job_config("begin")
        config.create_session = True
        command = "BEGIN TRANSACTION"
        with self._translating(command):
            job = self._client.query(
                command, job_config=config, location=location, job_retry=_NO_JOB_RETRY, **self._patience
            )
            begun = self._finish(job)
        session: Any = begun.session_info  # Always there, as a session was asked for.
        connection = (str(session.session_id), str(begun.location))
        try:
            yield connection
        except BaseException:
            try:
                self._control("ROLLBACK TRANSACTION", connection)
            except Exception as error:  # noqa: BLE001 (what ended the transaction matters more)
                # Most errors have ended the transaction already, and BigQuery ends what is left itself.
                _log.warning("ROLLBACK TRANSACTION was refused: %s", type(error).__name__)
            raise
        self._control("COMMIT TRANSACTION", connection)

    def _control(self, command: str, connection: tuple[str, str]) -> None:
        config = self._job_config(command.partition(" ")[0].lower(), session_id=connection[0])
        with self._translating(command):
            job = self._client.query(
                command, job_config=config, location=connection[1], job_retry=_NO_JOB_RETRY, **self._patience
            )
            self._finish(job)

    def _run(
        self, statement: Statement, values: Mapping[str, Typed], connection: tuple[str, str] | None = None
    ) -> int:
        with self._translating(statement.location(), statement):
            return self._finish(self._start(statement, values, connection)).num_dml_affected_rows or 0

    def _start(
        self, statement: Statement, values: Mapping[str, Typed], connection: tuple[str, str] | None = None
    ) -> QueryJob:
        config = self._job_config(
            PurePosixPath(statement.path).stem, session_id=connection[0] if connection else None
        )
        config.query_parameters = _parameters(statement, values)
        return self._client.query(
            statement.text,
            job_config=config,
            job_retry=_NO_JOB_RETRY,
            location=connection[1] if connection else None,
            **self._patience,
        )

    def _finish(self, job: QueryJob) -> QueryJob:
        job.result(timeout=self.job_seconds, retry=DEFAULT_RETRY.with_timeout(self.retry_seconds))
        return job

    def _job_config(self, task: str, session_id: str | None = None) -> QueryJobConfig:
        config = QueryJobConfig(labels=self._labels(task))
        config.job_timeout_ms = int(self.job_seconds * 1000)
        if session_id:
            config.connection_properties = [ConnectionProperty("session_id", session_id)]
        return config

    def _labels(self, task: str) -> dict[str, str]:
        return {**self.labels, "task": _NOT_LABEL.sub("_", task.lower())[:63]}

    def _load(self, table: str, frames: Iterator[pl.DataFrame], schema: Schema, replace: bool) -> None:
        with TemporaryFile() as file:
            _write_parquet(file, frames, schema)
            with self._translating(table):
                self._ensure_dataset(table)
                self._load_parquet(table, file, schema, replace)

    def _load_parquet(self, table: str, file: IO[bytes], schema: Schema, replace: bool) -> None:
        inference = ParquetOptions()
        inference.enable_list_inference = True
        config = LoadJobConfig(
            source_format="PARQUET",
            schema=_fields(schema),
            parquet_options=inference,
            write_disposition="WRITE_TRUNCATE" if replace else "WRITE_APPEND",
            labels=self._labels("load"),
        )
        config.job_timeout_ms = int(self.job_seconds * 1000)
        job = self._client.load_table_from_file(
            file, self._reference(table), rewind=True, job_config=config, timeout=REQUEST_SECONDS
        )
        job.result(timeout=self.job_seconds, retry=DEFAULT_RETRY.with_timeout(self.retry_seconds))

    def _load_together(self, loads: Sequence[tuple[str, pl.DataFrame, Schema]]) -> None:
        """No transaction of BigQuery spans load jobs: load beside the tables, then copy, which is quick."""
        beside = {table: f"{table}_incoming_{uuid4().hex[:8]}" for table, _, _ in loads}
        try:
            for table, frame, schema in loads:
                self._load(beside[table], iter([frame]), schema, replace=True)
            for table, incoming in beside.items():
                with self._translating(table):
                    self._copy(incoming, table)
        finally:
            for incoming in beside.values():
                self._remove(incoming)

    def _remove(self, incoming: str) -> None:
        try:
            self._client.delete_table(self._reference(incoming), not_found_ok=True, **self._patience)
        except (answers.GoogleAPIError, requests.RequestException) as error:
            _log.warning("%s is left over and can be removed: %s", incoming, type(error).__name__)

    def _copy(self, source: str, target: str) -> None:
        config = CopyJobConfig(write_disposition="WRITE_TRUNCATE", labels=self._labels("load"))
        job = self._client.copy_table(
            self._reference(source), self._reference(target), job_config=config, **self._patience
        )
        job.result(timeout=self.job_seconds, retry=DEFAULT_RETRY.with_timeout(self.retry_seconds))

    def _create(self, table: str, schema: Schema) -> None:
        self._ensure_dataset(table)
        made = Table(self._reference(table), schema=_fields(schema))
        self._client.create_table(made, exists_ok=True, **self._patience)

    def _ensure_dataset(self, table: str) -> None:
        dataset = Dataset(self._reference(table).rpartition(".")[0])
        if self.location:
            dataset.location = self.location
        self._client.create_dataset(dataset, exists_ok=True, **self._patience)

    def _columns(self, table: str) -> list[str] | None:
        try:
            found = self._client.get_table(self._reference(table), **self._patience)
        except answers.NotFound:
            return None
        return [field.name for field in found.schema]

    def _reference(self, name: str, dots: int = 2) -> str:
        """The name of a table, or with one dot of a dataset, with its project before it."""
        return name if name.count(".") == dots else f"{self._client.project}.{name}"

    def _estimate(self, statement: Statement, values: Mapping[str, Typed]) -> int | None:
        config = self._job_config(PurePosixPath(statement.path).stem)
        config.dry_run, config.use_query_cache = True, False
        config.query_parameters = _parameters(statement, values)
        job = self._client.query(statement.text, job_config=config, job_retry=_NO_JOB_RETRY, **self._patience)
        return job.total_bytes_processed

    def _translate(self, error: Exception, location: str, statement: Statement | None) -> Exception | None:
        match error:
            case answers.NotFound():
                return TableNotFound(f"{location}: {_reason(error)}")
            case answers.Unauthorized() | answers.Forbidden():
                return AccessRefused(
                    f"{location}: BigQuery refuses access; check the account's roles. ({_reason(error)})"
                )
            case _ if isinstance(error, NO_CREDENTIALS):
                return AccessRefused(no_credentials(location))
            case answers.BadRequest() if statement is not None:
                return StatementRefused(f"{_place(error, statement)}: {_reason(error)}")
            case _ if isinstance(error, UNAVAILABLE):
                return WarehouseUnavailable(unavailable(location, "BigQuery", self.retry_seconds, error))
            case _:
                return None


def _place(error: Exception, statement: Statement) -> str:
    position = _POSITION.search(str(error))
    return statement.location(int(position[1]) if position else 1)


def _reason(error: answers.GoogleAPICallError) -> str:
    """The first line that the service wrote; what follows repeats it with the job's address."""
    return str(error.message or error).partition("\n")[0].partition("; reason:")[0]


def _parameters(
    statement: Statement, values: Mapping[str, Typed]
) -> list[ScalarQueryParameter | ArrayQueryParameter]:
    return [_parameter(name, values[name]) for name in sorted(statement.parameters)]


def _parameter(name: str, value: Typed) -> ScalarQueryParameter | ArrayQueryParameter:
    outer, inner = fields_of(value.type)
    content: Any = value.value
    if outer == "ARRAY":
        return ArrayQueryParameter(name, inner[0][1], content)
    return ScalarQueryParameter(name, outer, content)


def _write_parquet(file: IO[bytes], frames: Iterator[pl.DataFrame], schema: Schema) -> None:
    """The frames as row groups of one file, which has the columns also without any."""
    from pyarrow.parquet import ParquetWriter

    columns = _arrow_schema(schema)
    with ParquetWriter(file, columns) as writer:
        for frame in frames:
            writer.write_table(frame.to_arrow().cast(columns))


def _arrow_schema(schema: Schema) -> "ArrowSchema":
    """The columns of a file to be loaded, where a TIME has microseconds: BigQuery takes no finer one."""
    import pyarrow as pa

    columns = pl.Schema({name: polars_type(kind) for name, kind in schema.items()})
    return pa.schema(
        pa.field(field.name, pa.time64("us")) if pa.types.is_time64(field.type) else field
        for field in columns.to_frame().to_arrow().schema
    )


def _fields(schema: Schema) -> list[SchemaField]:
    return [_field(name, google_type) for name, google_type in schema.items()]


def _field(name: str, google_type: str) -> SchemaField:
    outer, inner = fields_of(google_type)
    mode = "NULLABLE"
    if outer == "ARRAY":
        mode = "REPEATED"
        outer, inner = fields_of(inner[0][1])
    kind = "RECORD" if outer == "STRUCT" else outer
    # The names of a kind's limits, with their values where the type has any.
    limits: dict[str, Any] = dict(zip(_LIMITS.get(kind, ()), limits_of(google_type), strict=False))
    return SchemaField(name, kind, mode=mode, fields=[_field(*pair) for pair in inner], **limits)
