"""The doctor on this machine: what it asks, says and leaves, its exit codes, and what it never shows."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from resources.deployments import RESOURCES
from resources.home import quintet_home
from resources.object_store import LocalObjectStore
from scripts.doctor import machine
from scripts.doctor.installation import PIPELINES
from tests.scripts.doctor_examinations import examined, tree

ROOT = Path(__file__).resolve().parents[2]


def test_a_new_installation_has_no_problem_and_nothing_is_made_of_it(tmp_path):
    before = tree(tmp_path)
    found = examined()
    assert (found.code, found.problems) == (0, [])
    assert tree(tmp_path) == before
    matters = {finding["matter"].partition(":")[0] for finding in found.findings}
    assert {"Python", "packages", "code location", "QUINTET_HOME", "DAGSTER_HOME"} <= matters
    assert RESOURCES.keys() <= matters
    assert {f"{pipeline} settings" for pipeline in PIPELINES if pipeline != "market"} <= matters
    assert "Dagster instance" in matters
    (spark,) = found.of("spark")
    assert "started and counted 3 rows" in spark


def test_the_deployment_test_without_a_home_is_in_order(monkeypatch):
    monkeypatch.delenv("QUINTET_HOME")
    found = examined("--deployment", "test", "--pipeline", "market", "--pipeline", "aim")
    assert (found.code, found.problems) == (0, [])


def test_only_what_a_pipeline_needs_is_looked_at():
    found = examined("--pipeline", "market")
    resources = {finding["matter"].partition(":")[0] for finding in found.findings} & RESOURCES.keys()
    assert resources == {"object_store", "notifier"}
    assert found.of("object_store: LocalObjectStore, of local: market")


def test_a_bucket_is_written_to_and_is_as_before():
    home = quintet_home()
    store = LocalObjectStore(root=str(home / "storage"))
    for bucket in ("es-1-second-data", "dwh-data", "aim"):
        store.put_bytes(bucket, "kept/object", b"kept")
    before = tree(home)
    found = examined("--pipeline", "market", "--pipeline", "aim", "--pipeline", "dwh")
    probed = [text for text in found.of("object_store", "ok") if "was written, read and deleted" in text]
    listed = [text for text in found.of("object_store", "ok") if "can be listed" in text]
    assert (len(probed), len(listed), found.code) == (3, 2, 0)
    after = tree(home)
    assert {name: size for name, size in after.items() if not name.startswith("storage/.")} == {
        name: size for name, size in before.items() if not name.startswith("storage/.")
    }


def test_a_bucket_that_cannot_be_written_to_is_a_problem():
    bucket = quintet_home() / "storage" / "es-1-second-data"
    bucket.mkdir(parents=True)
    (bucket / "processed-data").write_bytes(b"a file where a folder has to be")
    found = examined("--pipeline", "market")
    assert found.code == 1
    assert any("processed-data" in problem for problem in found.problems)


def test_a_bucket_that_cannot_be_made_is_a_problem():
    quintet_home().mkdir()
    (quintet_home() / "storage").write_text("a file where a folder has to be")
    found = examined("--pipeline", "market")
    assert found.code == 1
    assert "Not a directory" in found.of("object_store", "problem")[0]


@pytest.mark.parametrize(
    "words", [("--deployment", "azure"), ("--pipeline", "nobody"), ("--timeout", "0"), ("x",)]
)
def test_wrong_usage_is_exit_code_2(words):
    found = examined(*words)
    assert (found.code, found.out) == (2, "")
    assert "usage:" in found.err


def test_an_unknown_deployment_of_the_environment_is_exit_code_2_and_lists_the_choices(monkeypatch):
    monkeypatch.setenv("QUINTET_DEPLOYMENT", "azure")
    found = examined()
    assert found.code == 2
    assert "QUINTET_DEPLOYMENT is 'azure'; choose one of local, test, aws, gcp" in found.err


def test_the_option_wins_over_the_variable(monkeypatch):
    monkeypatch.setenv("QUINTET_DEPLOYMENT", "gcp")
    (location,) = examined("--deployment", "local", "--pipeline", "market").of("code location")
    assert "deployment local" in location


def test_a_variant_that_does_not_exist_is_one_sentence(monkeypatch):
    monkeypatch.setenv("QUINTET_OBJECT_STORE", "ftp")
    found = examined()
    assert found.code == 1
    assert found.problems == [
        "resources | QUINTET_OBJECT_STORE is 'ftp'; choose one of local, s3, gcs, or leave it unset."
    ]


def test_the_variable_that_chose_a_variant_is_named(monkeypatch):
    monkeypatch.setenv("QUINTET_COMPUTE", "subprocess")
    found = examined("--deployment", "gcp", "--pipeline", "dwh")
    assert found.of("compute: subprocess, by QUINTET_COMPUTE") == ["jobs run on this machine"]
    assert found.of("warehouse: BigQueryWarehouse, of gcp: dwh")


def test_every_finding_is_an_object_of_four_texts_and_a_line_of_the_table():
    found = examined("--pipeline", "market")
    assert all(list(finding) == ["state", "matter", "found", "remedy"] for finding in found.findings)
    lines = examined("--pipeline", "market", as_json=False).out.splitlines()
    table = [line for line in lines if line.startswith(("ok ", "warning ", "problem "))]
    assert len(table) == len(found.findings)
    assert lines[-1].endswith(", problems: 0")


def test_the_command_in_a_process_of_its_own():
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.doctor", "--pipeline", "market", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert all(finding["state"] != "problem" for finding in json.loads(ended.stdout))


def test_code_that_does_not_load_is_a_problem_and_the_rest_is_looked_at(monkeypatch):
    monkeypatch.setenv("DWH_TIMEZONE", "Mars/Olympus")
    ended = subprocess.run(
        [sys.executable, "-m", "scripts.doctor", "--pipeline", "market", "--timeout", "120", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    by_matter = {finding["matter"]: finding for finding in json.loads(ended.stdout)}
    assert by_matter["code location"]["state"] == "problem"
    assert "DWH_TIMEZONE" in by_matter["code location"]["found"]
    assert by_matter["object_store: LocalObjectStore, of local: market"]["state"] == "ok"


def test_who_gives_no_answer_is_a_problem_and_does_not_keep_the_doctor(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AIM_WAVES_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        ended = subprocess.run(
            [sys.executable, "-m", "scripts.doctor", "--pipeline", "aim", "--timeout", "2", "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 1, ended.stderr
    (waves,) = (finding for finding in json.loads(ended.stdout) if finding["matter"].startswith("waves"))
    assert (waves["state"], waves["found"]) == ("problem", "gave no answer within 2 s")
    assert waves["remedy"]


LEFT_BEHIND = """
import runpy, sys, time
from concurrent.futures import ThreadPoolExecutor
from scripts.doctor import services

def waves(matter, installation):
    yield ThreadPoolExecutor(1).submit(time.sleep, 600).result()

services.waves = waves
sys.argv[1:] = ["--pipeline", "aim", "--timeout", "1"]
runpy.run_module("scripts.doctor", run_name="__main__")
"""


def test_a_client_that_would_hold_the_process_does_not_keep_the_doctor():
    command = [sys.executable, "-c", LEFT_BEHIND]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "gave no answer within 1 s" in ended.stdout


# ---- this machine ----


def test_a_home_that_is_a_file_is_a_problem(monkeypatch, tmp_path):
    (tmp_path / "a-file").write_text("")
    monkeypatch.setenv("QUINTET_HOME", str(tmp_path / "a-file"))
    found = examined("--pipeline", "market")
    assert found.code == 1
    assert "Not a directory" in found.of("QUINTET_HOME", "problem")[0]


def test_a_home_that_everybody_may_change_is_a_warning():
    home = quintet_home()
    home.mkdir()
    home.chmod(stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO)
    found = examined("--pipeline", "market")
    assert found.of("QUINTET_HOME", "warning") == [
        f"everybody on this machine may change {home} | chmod o-w {home}"
    ]


def test_a_disk_with_little_room_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1024**3}))
    (found,) = machine.folder("a folder", tmp_path)
    assert found.state == "warning"
    assert "1.0 GiB free" in found.found


def test_a_network_file_system_is_a_problem(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "file_system_of", lambda _: "nfs4")
    first, _ = machine.folder("a folder", tmp_path)
    assert first.state == "problem"
    assert "network file system (nfs4)" in first.found


def test_packages_that_are_not_the_locked_ones_are_named(tmp_path):
    (tmp_path / "requirements").mkdir()
    lock = "polars==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0 \\\n    --hash=sha256:00\n"
    (tmp_path / machine.LOCK).write_text(lock)
    *_, packages = machine.python_and_packages(tmp_path)
    assert packages.state == "problem"
    assert "instead of 0.0.1" in packages.found
    assert "no-such-package is missing instead of 1.0" in packages.found


def test_without_a_lock_versions_are_not_compared(tmp_path):
    *_, packages = machine.python_and_packages(tmp_path)
    assert packages.state == "warning"


# ---- what is never shown ----


def test_no_secret_of_the_environment_is_shown(monkeypatch):
    secrets = {
        "AIM_SERVICE_PASSWORD": "a-passw0rd-that-nobody-may-see",
        "QUINTET_ALERT_WEBHOOK_URL": "https://hooks.example.com/a-key-that-nobody-may-see",
        "QUINTET_PG_PASSWORD": "an0ther-passw0rd-that-nobody-may-see",
        "DATABRICKS_TOKEN": "a-t0ken-that-nobody-may-see",
        "AWS_SECRET_ACCESS_KEY": "a-secret-that-nobody-may-see",
    }
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for name, value in {
            **secrets,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_ENDPOINT_URL": f"http://user:{secrets['DATABRICKS_TOKEN']}@127.0.0.1:{port}",
            "AIM_WAVES_URL": f"http://127.0.0.1:{port}",
            "AIM_BUCKET_NAME": "aim-files",
            "QUINTET_PG_HOST": "127.0.0.1",
            "QUINTET_PG_PORT": str(port),
            "QUINTET_PG_DATABASE": "quintet",
            "QUINTET_PG_USER": "quintet",
        }.items():
            monkeypatch.setenv(name, value)
        settings = ROOT / "deploy" / "dagster.postgres.yaml"
        (Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml").write_bytes(settings.read_bytes())
        words = ("--deployment", "aws", "--pipeline", "market", "--pipeline", "aim")
        as_json, as_table = examined(*words), examined(*words, as_json=False)
    assert as_json.code == 1
    assert {"Dagster instance", "object_store", "waves"} <= {
        problem.partition(":")[0].partition(" |")[0] for problem in as_json.problems
    }
    for shown in (as_json.out, as_table.out, as_json.err, as_table.err):
        assert not [name for name, value in secrets.items() if value in shown]
        assert "nobody-may-see" not in shown
