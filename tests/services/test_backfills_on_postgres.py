"""Backfills at once on the PostgreSQL instance, by the processes of an installation, on few connections.

They are asked for in the web UI before the daemon starts, so its first look finds them all: a range of
market, one run of many months; single months of it, a run each, more than the queue lets run at once; and
dates of aim, a run each, of which a tag lets one run at a time.
"""

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import dagster as dg
import httpx
import psutil
import psycopg2
import pytest
import yaml

from assets.market.checks import ASSET_KEYS as MARKET_KEYS
from assets.market.months import BUCKET, raw_key
from resources.deployments import resources_for
from resources.object_store import ObjectStore
from scripts.sample_data.aim import write_inputs
from scripts.web_server import LOADED, ask, shown_locations
from tests.assets.aim.aim_roots import SCALE
from tests.market_samples import tiny_file
from tests.postgres_server import postgres_server

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "deploy" / "dagster.postgres.yaml"
RANGE = ["2025-01", "2025-02", "2025-03", "2025-04", "2025-05", "2025-06"]
SINGLE = ["2025-07", "2025-08", "2025-09", "2025-10"]
DATES = ["2025-06-10", "2025-06-11"]
FEEDS = [dg.AssetKey(["aim", "car_sales"]), dg.AssetKey(["aim", "tyre_feed"])]
EXCLUSIVE = {"quintet/exclusive": "aim"}
CONNECTIONS = 16
PATIENCE_FOR_ANSWERS = 60
"""For everything: web server, daemon, code server, and the four runs at work. 8 at once were seen.

They open some 3,000 one after the other: if few of them stayed open, the limit would be reached.
"""
IDLE_CONNECTIONS = 2
"""Of the servers and the daemon while nothing is at work: they look every now and then, and hold none."""
MOST_RUNS = yaml.safe_load(SETTINGS.read_text())["concurrency"]["runs"]["max_concurrent_runs"]
COMPLAINTS = ("OperationalError", "deadlock", "could not serialize", "too many connections")
OF_EACH_RUN = (
    dg.DagsterEventType.PIPELINE_ENQUEUED,
    dg.DagsterEventType.PIPELINE_START,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.PIPELINE_SUCCESS,
)
PATIENCE = 480.0

LAUNCH = """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
} }"""
STATUS = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
    __typename ... on PartitionBackfill { status } ... on PythonError { message }
} }"""

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Database:
    """The database of the instance, as its administrator sees it, and how the instance gets in."""

    port: int

    def ask(self, query: str) -> tuple[Any, ...]:
        """The first row of an answer."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres", dbname="postgres")
        with connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(query)
            row = cursor.fetchone() if cursor.description else None
        connection.close()
        return row or ()

    @property
    def connections(self) -> int:
        """How many the instance holds now."""
        return self.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'quintet'")[0]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "QUINTET_PG_HOST": "127.0.0.1",
            "QUINTET_PG_PORT": str(self.port),
            "QUINTET_PG_DATABASE": "quintet",
            "QUINTET_PG_USER": "quintet",
            "QUINTET_PG_PASSWORD": "trusted here, whatever it is",
        }


@pytest.fixture
def database(
    tmp_path_factory: pytest.TempPathFactory,
    missing_service: Callable[[str], NoReturn],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    with postgres_server(tmp_path_factory, missing_service) as port:
        database = Database(port)
        database.ask(f"CREATE ROLE quintet LOGIN CONNECTION LIMIT {CONNECTIONS}")
        database.ask("CREATE DATABASE quintet OWNER quintet")
        for name, value in database.environment.items():
            monkeypatch.setenv(name, value)
        yield database


@dataclass(frozen=True)
class Installation:
    """The code server and the web server, which run, and the daemon, which does not yet."""

    web: str
    workspace: Path
    output: Path
    start: Callable[..., None]

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """The one answer to a question or an order, which has to be understood."""
        (found,) = ask(self.web, text, PATIENCE_FOR_ANSWERS, **variables).values()
        assert "message" not in found, found["message"]
        return found

    def launch(self, assets: list[dg.AssetKey], partitions: list[str], **tags: str) -> str:
        params = {
            "assetSelection": [{"path": key.path} for key in assets],
            "partitionNames": partitions,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        return self.query(LAUNCH, params=params)["backfillId"]

    def statuses(self, *backfills: str) -> list[str]:
        return [self.query(STATUS, id=backfill)["status"] for backfill in backfills]

    def start_daemon(self) -> None:
        self.start("dagster-daemon", "run", "-w", str(self.workspace))

    def waits_for(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if holds():
                    return
            time.sleep(0.5)
        raise TimeoutError(f"Within {PATIENCE} s it was not so that {what}:\n{self.output.read_text()}")


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Started as the service files do it; every process is ended with the block."""
    output = folder / "output"
    code_port, web_port = free_ports()
    workspace = folder / "workspace.yaml"
    workspace.write_text((ROOT / "deploy" / "workspace.services.yaml").read_text().replace("4266", code_port))
    with ExitStack() as running:

        def start(program: str, *arguments: str) -> None:
            command = [str(Path(sys.executable).with_name(program)), *arguments]
            with output.open("ab") as log:
                process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
            running.callback(end, process)

        of_code = ("-f", "definitions.py", "-d", str(ROOT), "--location-name", "quintet")
        start("dagster", "code-server", "start", *of_code, "-h", "127.0.0.1", "-p", code_port)
        start("dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", web_port)
        yield Installation(f"http://127.0.0.1:{web_port}", workspace, output, start)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and leave nothing of its family behind."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for left in family:
        with suppress(psutil.NoSuchProcess):
            left.kill()
    process.kill()
    process.wait()


def free_ports() -> tuple[str, str]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return str(first.getsockname()[1]), str(second.getsockname()[1])


def runs_of(instance: dg.DagsterInstance, backfill: str) -> Sequence[dg.RunRecord]:
    return instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": backfill}))


def most_at_once(records: Sequence[dg.RunRecord]) -> int:
    """The most of these runs that were at work at one moment."""
    spans = [(record.start_time or 0.0, record.end_time or 0.0) for record in records]
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


def made(
    instance: dg.DagsterInstance, keys: list[dg.AssetKey], event: dg.DagsterEventType
) -> Counter[tuple[str, str]]:
    """How many events of a kind each partition of each asset has."""
    records = [
        (key.to_user_string(), str(record.partition_key))
        for key in keys
        for record in instance.event_log_storage.get_event_records(
            dg.EventRecordsFilter(event, asset_key=key)
        )
    ]
    return Counter(records)


def test_backfills_at_once_end_whole_within_the_limits_of_queue_and_database(database, tmp_path):
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes(SETTINGS.read_bytes())
    store = cast("ObjectStore", resources_for()["object_store"])
    for month in RANGE + SINGLE:
        store.put_bytes(BUCKET, raw_key(month), tiny_file(month))
    write_inputs(Path(os.environ["QUINTET_HOME"]) / "storage" / "aim", SCALE, only=["feeds"])
    tables = list(MARKET_KEYS.values())

    with installation(tmp_path) as site:
        site.waits_for(
            "the web server shows the location",
            lambda: shown_locations(site.web, PATIENCE_FOR_ANSWERS) == {"quintet": LOADED},
        )
        backfills = [
            site.launch(FEEDS, DATES, **EXCLUSIVE),
            site.launch(tables, RANGE),
            *(site.launch(tables, [month]) for month in SINGLE),
        ]
        assert site.statuses(*backfills) == ["REQUESTED"] * len(backfills)
        site.start_daemon()
        done = ["COMPLETED_SUCCESS"] * len(backfills)
        site.waits_for("all backfills are complete", lambda: site.statuses(*backfills) == done)
        site.waits_for("connections are given back", lambda: database.connections <= IDLE_CONNECTIONS)
        output = site.output.read_text()

    assert not [word for word in COMPLAINTS if word in output], output
    assert database.ask("SELECT deadlocks FROM pg_stat_database WHERE datname = 'quintet'") == (0,)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        dates, *months = (runs_of(instance, backfill) for backfill in backfills)
        runs = [*dates, *(record for records in months for record in records)]
        assert {record.dagster_run.status for record in runs} == {dg.DagsterRunStatus.SUCCESS}
        assert [len(dates), *map(len, months)] == [len(DATES)] + [1] * (1 + len(SINGLE))
        assert most_at_once(dates) == 1
        assert len(runs) > MOST_RUNS >= most_at_once(runs)
        for keys, partitions in ((tables, RANGE + SINGLE), (FEEDS, DATES)):
            once = Counter((key.to_user_string(), partition) for key in keys for partition in partitions)
            assert made(instance, keys, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED) == once
            assert made(instance, keys, dg.DagsterEventType.ASSET_MATERIALIZATION) == once
        for record in runs:
            events = [event.dagster_event_type for event in instance.all_logs(record.dagster_run.run_id)]
            assert [events.count(event) for event in OF_EACH_RUN] == [1] * len(OF_EACH_RUN)
