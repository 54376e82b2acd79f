"""Resources of this machine as the doctor sees them: tables, ledgers, backends, engine, service, alerts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from resources.deployments import resources_for
from resources.home import quintet_home
from resources.ledger import Ledger
from resources.warehouse import DuckDBWarehouse, TableNotFound
from scripts.doctor import warehouses
from scripts.sample_data.beams_engine import set_up_engine
from scripts.sample_data.beams_nvidia_smi import set_up_nvidia_smi
from tests.resources.waves.loopback import PASSWORD, running, serving
from tests.scripts.doctor_examinations import examined, tree

_HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(folder=str(quintet_home() / "ledger"))


def made(ledger: Ledger, name: str) -> Path:
    with closing(ledger.open_db(name)) as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
        connection.executemany("INSERT INTO things VALUES (?)", [(f"thing {n} " * 50,) for n in range(500)])
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return ledger.path(name)


# ---- ledgers ----


def test_a_whole_ledger_is_checked_and_nothing_is_left_beside_it(ledger):
    path = made(ledger, "beams")
    before = path.read_bytes()
    found = examined("--pipeline", "beams")
    writes, whole = found.of("ledger", "ok")
    assert f"writes and locks in {path.parent}" in writes
    assert whole.startswith(f"{path}, ")
    assert whole.endswith("whole")
    assert path.read_bytes() == before
    # Whoever reads a ledger leaves its empty log.
    assert tree(path.parent).keys() <= {path.name, f"{path.name}-wal", f"{path.name}-shm"}


def test_a_damaged_ledger_is_a_problem(ledger):
    path = made(ledger, "beams")
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 2)
    found = examined("--pipeline", "beams")
    assert found.code == 1
    (problem,) = found.of("ledger", "problem")
    assert f"{path} is damaged" in problem
    assert "restore the last backup" in problem


def test_a_ledger_of_another_pipeline_is_left_alone(ledger):
    path = made(ledger, "beams")
    path.write_bytes(b"no database at all" * 1000)
    assert examined("--pipeline", "discovery").of("ledger", "problem") == []


# ---- tables ----


def test_a_file_of_tables_is_asked(tmp_path):
    warehouse = resources_for("local")["warehouse"]
    assert isinstance(warehouse, DuckDBWarehouse)
    warehouse.load("set.table", _frame(), {"one": "INT64"})
    (said,) = examined("--pipeline", "dwh").of("warehouse: DuckDBWarehouse, of local: dwh", "ok")
    assert said == f"{warehouse.path}, SELECT 1 was answered"


def _frame():
    import polars as pl

    return pl.DataFrame({"one": [1]})


def test_the_tables_of_aim_are_those_of_its_own_file(monkeypatch, tmp_path):
    monkeypatch.setenv("AIM_LOCAL_ROOT", str(tmp_path / "demo"))
    (said,) = examined("--pipeline", "aim").of("warehouse")
    assert str(tmp_path / "demo") in said


def test_a_file_that_another_process_holds_is_a_warning(tmp_path):
    path = quintet_home() / "warehouse" / "quintet.duckdb"
    path.parent.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "open\n"
        found = examined("--pipeline", "dwh")
        holder.stdin.close()
    assert found.code == 0
    assert len(found.of("warehouse", "warning")) == 1


def test_a_file_that_is_no_database_is_a_problem():
    path = quintet_home() / "warehouse" / "quintet.duckdb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database" * 1000)
    found = examined("--pipeline", "dwh")
    assert found.code == 1
    assert len(found.of("warehouse", "problem")) == 1


def test_a_dataset_that_is_not_there_is_a_warning_that_names_it():
    class WithoutDatasets(DuckDBWarehouse):
        def query(self, sql, parameters=None):
            raise TableNotFound("There is none.")

    found = warehouses._dataset("warehouse", WithoutDatasets(path="unused"), "AIM")
    (finding,) = found
    assert (finding.state, finding.found) == ("warning", "there is no dataset AIM yet")


# ---- backends of dwh ----


@pytest.mark.parametrize(
    ("backend", "settings", "sentence"),
    [
        ("glue", {}, "needs QUINTET_GLUE_JOB: set it to the name of the Glue job"),
        ("glue", {"QUINTET_GLUE_JOB": "etl"}, "needs QUINTET_PIPES_BUCKET: set it to"),
        ("emr", {}, "needs QUINTET_EMR_CODE: set it to"),
        ("emr", {"QUINTET_EMR_CODE": "s3://code/quintet"}, "needs QUINTET_EMR_JOB_FLOW: set it to"),
        ("databricks", {}, "needs QUINTET_DATABRICKS_CODE: set it to"),
        (
            "databricks",
            {"QUINTET_DATABRICKS_CODE": "/Workspace/quintet"},
            "needs QUINTET_DATABRICKS_VOLUME: set it to",
        ),
        ("container", {}, "needs QUINTET_CONTAINER_IMAGE: set it to"),
        (
            "container",
            {"QUINTET_CONTAINER_IMAGE": "quintet", "QUINTET_CONTAINER_OPTIONS": "["},
            "is not JSON",
        ),
    ],
)
def test_a_setting_that_a_backend_lacks_is_one_sentence(backend, settings, sentence, monkeypatch):
    monkeypatch.setenv("QUINTET_COMPUTE", backend)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = examined("--pipeline", "dwh")
    assert found.code == 1
    (problem,) = found.of(f"compute: {backend}, by QUINTET_COMPUTE")
    assert sentence in problem


def test_a_container_daemon_that_is_not_there_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setenv("QUINTET_COMPUTE", "container")
    monkeypatch.setenv("QUINTET_CONTAINER_IMAGE", "quintet")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/absent.sock")
    (problem,) = examined("--pipeline", "dwh").of("compute", "problem")
    assert "see DOCKER_HOST" in problem


# ---- Spark ----


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"QUINTET_SPARK_ENGINE": "connect"}, "set QUINTET_SPARK_REMOTE to sc://host:port"),
        (
            {"QUINTET_SPARK_ENGINE": "connect", "QUINTET_SPARK_REMOTE": "http://127.0.0.1"},
            "it is not sc://host:port",
        ),
        (
            {"QUINTET_SPARK_ENGINE": "connect", "QUINTET_SPARK_REMOTE": "sc://127.0.0.1:1"},
            "sc://127.0.0.1:1 does not answer",
        ),
        ({"QUINTET_SPARK_ENGINE": "jvm", "JAVA_HOME": "/nowhere"}, "needs Java 17 or later"),
        (
            {"QUINTET_SPARK_ENGINE": "jvm", "QUINTET_SPARK_DRIVER_MEMORY": "lots"},
            "QUINTET_SPARK_DRIVER_MEMORY is 'lots'",
        ),
    ],
)
def test_an_engine_that_cannot_start_is_one_sentence(settings, sentence, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = examined("--pipeline", "dwh")
    assert found.code == 1
    (problem,) = found.of("spark", "problem")
    assert sentence in problem


def test_an_old_java_is_a_problem(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("QUINTET_SPARK_ENGINE", "jvm")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    problems = examined("--pipeline", "dwh").of("spark", "problem")
    assert any("is Java 11 | install Java 17 or later" in problem for problem in problems)


# ---- the machine of the dose engine ----


def test_a_gpu_in_this_machine_is_listed_and_the_engine_known_by_its_bytes(monkeypatch, tmp_path):
    monkeypatch.setenv("BEAMS_ENGINE", "moqui")
    monkeypatch.setenv("BEAMS_MOQUI_COMMAND", str(set_up_engine(tmp_path / "moqui")))
    monkeypatch.setenv("BEAMS_NVIDIA_SMI", str(set_up_nvidia_smi(tmp_path / "smi")))
    found = examined("--pipeline", "beams")
    assert found.code == 0
    assert any(text.startswith("GPUs 0 ") for text in found.of("compute_host", "ok"))
    assert found.of("dose_engine: MoquiEngine, by BEAMS_ENGINE", "ok")


def test_a_machine_without_gpus_or_engine_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setenv("BEAMS_ENGINE", "moqui")
    monkeypatch.setenv("BEAMS_MOQUI_COMMAND", str(tmp_path / "absent"))
    monkeypatch.setenv("BEAMS_NVIDIA_SMI", str(tmp_path / "absent-smi"))
    found = examined("--pipeline", "beams")
    assert found.code == 1
    assert "BEAMS_NVIDIA_SMI" in found.of("compute_host", "problem")[0]
    assert "BEAMS_MOQUI_COMMAND" in found.of("dose_engine", "problem")[0]


def test_an_engine_that_may_not_be_executed_is_a_problem(monkeypatch, tmp_path):
    command = set_up_engine(tmp_path / "moqui")
    command.chmod(0o644)
    monkeypatch.setenv("BEAMS_ENGINE", "moqui")
    monkeypatch.setenv("BEAMS_MOQUI_COMMAND", str(command))
    monkeypatch.setenv("BEAMS_NVIDIA_SMI", str(set_up_nvidia_smi(tmp_path / "smi", [])))
    found = examined("--pipeline", "beams")
    assert "shows no GPU" in found.of("compute_host", "problem")[0]
    assert f"chmod +x {command}" in found.of("dose_engine", "problem")[0]


def test_a_folder_that_is_no_engine_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setenv("BEAMS_MCSQUARE_HOME", str(tmp_path))
    (problem,) = examined("--pipeline", "beams").of("dose_engine", "problem")
    assert "has no 'MCsquare_linux'" in problem


def test_a_work_folder_that_is_there_is_written_to_and_left_empty(monkeypatch):
    work = quintet_home() / "work" / "beams"
    work.mkdir(parents=True)
    assert f"work folder {work}, writable" in examined("--pipeline", "beams").of("compute_host", "ok")
    assert list(work.iterdir()) == []


def test_a_work_folder_below_a_file_is_a_problem():
    quintet_home().mkdir()
    (quintet_home() / "work").write_text("")
    (problem,) = examined("--pipeline", "beams").of("compute_host", "problem")
    assert f"{quintet_home() / 'work'} cannot be written to" in problem


# ---- the recommendation service ----


def test_a_service_that_answers_is_in_order_and_was_asked_for_its_health_alone(monkeypatch):
    with serving(password=PASSWORD) as server:
        monkeypatch.setenv("AIM_WAVES_URL", server.url)
        monkeypatch.setenv("AIM_SERVICE_PASSWORD", PASSWORD)
        found = examined("--pipeline", "aim")
        asked = [(request.method, request.path) for request in server.received]
    assert found.code == 0
    assert found.of("waves: HttpWaves, of local", "ok") == ["logged in, GET /health was answered"]
    assert asked == [("POST", "/login"), ("GET", "/health")]


def test_a_wrong_password_is_a_problem_and_is_not_shown(monkeypatch):
    with serving(password=PASSWORD) as server:
        monkeypatch.setenv("AIM_WAVES_URL", server.url)
        monkeypatch.setenv("AIM_SERVICE_PASSWORD", "a-wr0ng-password")
        found = examined("--pipeline", "aim")
    (problem,) = found.of("waves", "problem")
    assert "check AIM_WAVES_URL and AIM_SERVICE_PASSWORD" in problem
    assert "a-wr0ng-password" not in found.out + found.err


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1", "ftp://example.com", "http://user:pass@example.com"]
)
def test_an_address_that_is_none_is_a_problem_that_names_its_variable(address, monkeypatch):
    monkeypatch.setenv("AIM_WAVES_URL", address)
    found = examined("--pipeline", "aim")
    assert found.code == 1
    assert any("AIM_WAVES_URL" in problem for problem in found.problems)


# ---- alerts ----


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A webhook on the loopback interface, and what it was sent."""
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is of the base class
            """Nothing."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/a-key-that-nobody-may-see", received


def test_an_alert_is_sent_only_where_it_was_asked_for(monkeypatch):
    with webhook() as (url, received):
        monkeypatch.setenv("QUINTET_ALERT_WEBHOOK_URL", url)
        quiet = examined("--deployment", "gcp", "--pipeline", "beams")
        assert received == []
        loud = examined("--deployment", "gcp", "--pipeline", "beams", "--send-test-alert")
    assert quiet.of("notifier", "problem") == loud.of("notifier", "problem") == []
    assert "a test alert was sent" in loud.of("notifier", "ok")
    assert [message["text"].splitlines()[0] for message in received] == ["Quintet: a test"]


def test_an_alert_that_is_refused_is_a_problem_without_the_address(monkeypatch):
    with webhook(404) as (url, _):
        monkeypatch.setenv("QUINTET_ALERT_WEBHOOK_URL", url)
        found = examined("--deployment", "gcp", "--pipeline", "beams", "--send-test-alert")
    (problem,) = found.of("notifier", "problem")
    assert "answered 404" in problem
    assert "nobody-may-see" not in found.out
