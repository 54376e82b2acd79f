"""aim in a cloud on this machine: buckets and tables on the emulators, the service on a loopback port.

The inputs are those of `tests.assets.aim.aim_roots`, so a local run of the same date says what to expect.
What the emulators get wrong is put right here, as far as a whole run meets it.
"""

import json
import re
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
import polars as pl
import pytest

from assets.aim.reference import REFERENCE_FILES, VEHICLE_MAPPING, ReferenceFile, read_reference
from assets.aim.tables import EVENTS, SCHEMAS, SCORES
from resources.object_store import ObjectStore
from resources.warehouse import DuckDBWarehouse, Warehouse
from resources.warehouse.columns import polars_type
from resources.waves import Usage
from scripts.waves_server import Received, WavesServer
from tests.assets.aim.aim_roots import CONFIG, DATE, RUNLIST, SALES, TYRES, WAREHOUSE, Finished, Root, command
from tests.resources.waves.loopback import PASSWORD, serving

PROJECT: Final = "quintet-aim"
GA4: Final = "analytics_123"
FEEDS: Final = "aim-feeds"
FILES: Final = "aim-files"
SETTINGS: Final = "aim-settings"
PREFIX: Final = "shop/daily/"
COST: Final = Usage(1_000_000, 100_000, 1_100_000)

_NARROW_DECIMAL: Final = re.compile(r"AS DECIMAL(\(18, 3\))?(?!\()")


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where a run in the cloud works, and the root on which a local run of the same inputs was made.

    `google` are the variables by which Google's clients find the emulators.
    """

    store: ObjectStore
    warehouse: Warehouse
    waves: WavesServer
    local: Root
    google: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a run; the JSON configuration makes the batches smaller."""
        return {
            "PROJECT_ID": PROJECT,
            "TYRESCORE_BUCKET": FEEDS,
            "TYRESCORE_PREFIX": "from shop/",
            "AIM_BUCKET_NAME": FILES,
            "AIM_GCS_PREFIX": PREFIX,
            "AIM_GA4_DATASET": GA4,
            "AIM_WAVES_URL": self.waves.url,
            "AIM_SERVICE_PASSWORD": PASSWORD,
            "AIM_RUN_MODE": "GLOBAL",
            "AIM_BATCH_SIZE": "30",
            "AIM_PRICE_INPUT_GBP_PER_M": "0.5",
            "AIM_PRICE_OUTPUT_GBP_PER_M": "2",
        }

    def run(self, *arguments: str, **environment: str) -> Finished:
        """Carry out a command line; a blank setting is none."""
        with chdir(self.local.path):
            return command("--run-date", DATE, *arguments, **{**self.environment, **environment})

    def objects(self) -> dict[str, bytes]:
        """The content of every object, by its address."""
        return {
            self.store.uri(bucket, key): self.store.read_bytes(bucket, key)
            for bucket in (FEEDS, FILES, SETTINGS)
            for key in self.store.list_keys(bucket)
        }

    def tables(self) -> dict[str, pl.DataFrame]:
        """The rows of every table that a run makes; see `tables_of`."""
        return tables_of(self.warehouse)

    def state(self) -> "State":
        return State(self.objects(), self.tables(), list(self.waves.received))


@dataclass(frozen=True, slots=True)
class State:
    """What a cloud holds, and what its service was asked, at some moment."""

    objects: dict[str, bytes]
    tables: dict[str, pl.DataFrame]
    received: list[Received]

    def file(self, name: str) -> bytes:
        """A file of the runs."""
        return self.objects[f"gs://{FILES}/{PREFIX}{name}"]

    def json(self, name: str) -> Any:
        return json.loads(self.file(name))

    def changed_since(self, before: "State") -> set[str]:
        """The names of the files of runs that are new or have another content."""
        changed = {uri for uri, content in self.objects.items() if before.objects.get(uri) != content}
        return {uri.removeprefix(f"gs://{FILES}/{PREFIX}") for uri in changed}

    def asked_since(self, before: "State") -> list[tuple[str, str]]:
        """Method and path of the requests to the service."""
        return [(request.method, request.path) for request in self.received[len(before.received) :]]


def tables_of(warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    """The rows of every table that a run makes, in an order that their values alone decide.

    A warehouse promises types, so frames of two warehouses can be compared as they are.
    """
    inputs = {EVENTS, *(file.table for file in REFERENCE_FILES)}
    with warehouse.session():
        return {table: in_order(warehouse.rows(table)) for table in SCHEMAS if table not in inputs}


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(rows.columns, nulls_last=True)


@contextmanager
def exact_numerics() -> Iterator[None]:
    """bqemulator keeps three digits of what is cast to NUMERIC; BigQuery and DuckDB keep nine."""
    from bqemulator.domain.result import Ok
    from bqemulator.sql.translator import SQLTranslator

    translate = SQLTranslator.translate

    def corrected(translator: Any, sql: str, **options: Any) -> Any:
        translated = translate(translator, sql, **options)
        if isinstance(translated, Ok):
            return Ok(_NARROW_DECIMAL.sub("AS DECIMAL(38, 9)", translated.value))
        return translated

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLTranslator, "translate", corrected)
        yield


@contextmanager
def opened_cloud(bigquery: str, gcs: str, local: Root) -> Iterator[Cloud]:
    """A cloud with the inputs of a root on which a run was made, and the service with its scores."""
    from google.cloud.storage import Client

    from resources.object_store.gcs import GCSObjectStore
    from resources.warehouse.bigquery import BigQueryWarehouse

    google = {
        "BIGQUERY_EMULATOR_HOST": bigquery,
        "STORAGE_EMULATOR_HOST": gcs,
        "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        # An account that is not there: the library would look for one of the machine.
        "GOOGLE_APPLICATION_CREDENTIALS": str(local.file("no-account.json")),
    }
    scores = DuckDBWarehouse(path=str(local.file(WAREHOUSE))).rows(SCORES)
    with (
        pytest.MonkeyPatch.context() as patch,
        exact_numerics(),
        serving(scores, password=PASSWORD, cost=COST) as waves,
    ):
        for name, value in google.items():
            patch.setenv(name, value)
        httpx.get(f"{gcs}/wipe", timeout=30).raise_for_status()
        for bucket in (FEEDS, FILES, SETTINGS):
            Client().create_bucket(bucket)
        cloud = Cloud(GCSObjectStore(), BigQueryWarehouse(project=PROJECT), waves, local, google)
        give_files(cloud)
        with cloud.warehouse.session():
            give_tables(cloud)
        yield cloud


def give_files(cloud: Cloud) -> None:
    """Feeds, runlist and configuration at their usual places, and the latter two at places of their own."""
    put, runlist = cloud.store.put_bytes, cloud.local.file(RUNLIST).read_bytes()
    for feed in (SALES, TYRES):
        put(
            FEEDS,
            feed.replace("tyrescore-AWS3-daily-files", "from shop"),
            cloud.local.file(feed).read_bytes(),
        )
    put(FILES, PREFIX + RUNLIST, runlist)
    put(SETTINGS, "lists/cams.csv", runlist)
    put(FILES, PREFIX + CONFIG, b'{"BATCH_SIZE": 20}')
    put(SETTINGS, "aim.json", b'{"BATCH_SIZE": 16}')


def give_tables(cloud: Cloud) -> None:
    """What a cloud has before a run: the reference tables, and events in a table for each day.

    A day that is not over has its events in an intraday table besides, where they do not count.
    """
    for file in REFERENCE_FILES:
        give_reference(cloud, file)
    schema = {name: polars_type(kind) for name, kind in SCHEMAS[EVENTS].items()}
    events = pl.read_ndjson(cloud.local.file("reference/ga4_events.jsonl"), schema=schema)
    days = events.partition_by("event_date", as_dict=True)
    for (day,), of_day in days.items():
        cloud.warehouse.load(f"{GA4}.events_{day}", of_day, SCHEMAS[EVENTS])
    cloud.warehouse.load(f"{GA4}.events_intraday_20250609", days["20250609",], SCHEMAS[EVENTS])


def give_reference(cloud: Cloud, file: ReferenceFile, table: str | None = None) -> None:
    with cloud.local.file(file.path).open("rb") as stream:
        frame = read_reference(file, stream).frame
    cloud.warehouse.load(table or file.table, frame, SCHEMAS[file.table])


def give_mapping(cloud: Cloud, dataset: str) -> None:
    """The vehicle mapping of an installation with another dataset."""
    give_reference(cloud, VEHICLE_MAPPING, f"{dataset}.aim-vehiclemapping")
