"""Settings: each documented variable is named by what the doctor says, and a missing one is one sentence."""

import os
import re
from pathlib import Path

import pytest

from tests.resources.waves.loopback import serving
from tests.scripts.doctor_examinations import examined

ROOT = Path(__file__).resolve().parents[2]
HOSTS = {
    "BEAMS_SSH_HOST": "gpu.example.com",
    "BEAMS_SSH_USER": "beams",
    "BEAMS_SSH_KEY_FILE": "key",
    "BEAMS_SSH_KNOWN_HOSTS": "known_hosts",
    "BEAMS_SSH_WORKDIR": "/srv/beams",
}
CLOUD = {
    "PROJECT_ID": "a-project",
    "AIM_BUCKET_NAME": "aim-files",
    "TYRESCORE_BUCKET": "aim-feeds",
    "AIM_WAVES_URL": "http://127.0.0.1:1",
}

Case = tuple[dict[str, str], tuple[str, ...]]

NAMED: dict[str, Case] = {
    "QUINTET_HOME": ({}, ("--pipeline", "market")),
    "DAGSTER_HOME": ({}, ("--pipeline", "market")),
    "QUINTET_DEPLOYMENT": ({"QUINTET_DEPLOYMENT": "azure"}, ()),
    "QUINTET_OBJECT_STORE": ({"QUINTET_OBJECT_STORE": "ftp"}, ()),
    "QUINTET_WAREHOUSE": ({"QUINTET_WAREHOUSE": "excel"}, ()),
    "QUINTET_SPARK_ENGINE": ({"QUINTET_SPARK_ENGINE": "steam"}, ()),
    "QUINTET_SPARK_REMOTE": ({"QUINTET_SPARK_ENGINE": "connect"}, ("--pipeline", "dwh")),
    "QUINTET_SPARK_DRIVER_MEMORY": (
        {"QUINTET_SPARK_ENGINE": "jvm", "QUINTET_SPARK_DRIVER_MEMORY": "lots"},
        ("--pipeline", "dwh"),
    ),
    "QUINTET_COMPUTE": ({"QUINTET_COMPUTE": "abacus"}, ()),
    "DWH_DECRYPT_FUNCTION": ({}, ("--pipeline", "dwh")),
    "DWH_TIMEZONE": ({"DWH_TIMEZONE": "Mars/Olympus"}, ("--pipeline", "dwh")),
    "QUINTET_SNS_TOPIC_ARN": ({}, ("--deployment", "aws", "--pipeline", "beams")),
    "QUINTET_ALERT_WEBHOOK_URL": ({}, ("--deployment", "gcp", "--pipeline", "beams")),
    "QUINTET_DISCOVERY_JOBS": ({"QUINTET_DISCOVERY_JOBS": "absent.yaml"}, ("--pipeline", "discovery")),
    "QUINTET_CONTACT": ({}, ("--pipeline", "discovery")),
    "AIM_LOCAL_ROOT": ({"AIM_LOCAL_ROOT": "demo"}, ("--pipeline", "aim")),
    "AIM_BUCKET_NAME": ({}, ("--deployment", "aws", "--pipeline", "aim")),
    "TYRESCORE_BUCKET": ({}, ("--deployment", "gcp", "--pipeline", "aim")),
    "PROJECT_ID": ({}, ("--deployment", "gcp", "--pipeline", "aim")),
    "AIM_WAVES_URL": ({}, ("--deployment", "aws", "--pipeline", "aim")),
    "AIM_SERVICE_PASSWORD": ({}, ("--pipeline", "aim")),
    "QUINTET_UI_URL": ({}, ("--pipeline", "market")),
    "QUINTET_PG_HOST": ({}, ("--pipeline", "market")),
    "QUINTET_PG_PORT": ({}, ("--pipeline", "market")),
    "QUINTET_PG_DATABASE": ({}, ("--pipeline", "market")),
    "QUINTET_PG_USER": ({}, ("--pipeline", "market")),
    "QUINTET_PG_PASSWORD": ({}, ("--pipeline", "market")),
}
"""By variable of the table in docs/operations.md: environment and options that make the doctor name it."""


def documented() -> set[str]:
    """The names in the first column of the table of our environment variables."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = re.search(r"^\|.*?\n\n", text.partition("## Environment variables")[2], re.MULTILINE | re.DOTALL)
    assert table
    names: set[str] = set()
    for row in re.findall(r"^\| (`[^|]*) \|", table[0], re.MULTILINE):
        stem = ""
        for word in re.findall(r"`([A-Z_]+)`", row):
            names.add(f"{stem}{word}" if word.startswith("_") else word)
            stem = stem if word.startswith("_") else word.rpartition("_")[0]
    return names


def test_every_documented_variable_has_a_case():
    assert documented() == NAMED.keys()


@pytest.mark.parametrize("variable", NAMED)
def test_a_documented_variable_is_named(variable, monkeypatch):
    environ, words = NAMED[variable]
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    if variable.startswith("QUINTET_PG_"):
        text = (ROOT / "deploy" / "dagster.postgres.yaml").read_text("utf-8")
        (Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml").write_text(text)
    if variable == "AIM_SERVICE_PASSWORD":
        with serving() as server:
            monkeypatch.setenv("AIM_WAVES_URL", server.url)
            found = examined(*words)
    else:
        found = examined(*words)
    assert re.search(rf"\b{variable}\b", found.out + found.err)
    assert "Traceback" not in found.out + found.err


@pytest.mark.parametrize("missing", CLOUD)
def test_a_setting_that_aim_lacks_in_its_cloud_is_one_sentence(missing, monkeypatch):
    for name, value in CLOUD.items():
        monkeypatch.setenv(name, "" if name == missing else value)
    (problem,) = examined("--deployment", "gcp", "--pipeline", "aim").of("aim settings", "problem")
    assert problem == f"AIM_MODE=cloud needs {missing}; set what is missing, or AIM_MODE=local"


@pytest.mark.parametrize("missing", [*HOSTS, "BEAMS_MOQUI_COMMAND"])
def test_a_setting_that_the_gpu_host_lacks_is_one_sentence(missing, monkeypatch):
    for name, value in {**HOSTS, "BEAMS_MOQUI_COMMAND": "/opt/moqui/tps_env"}.items():
        monkeypatch.setenv(name, "" if name == missing else value)
    problems = examined("--deployment", "aws", "--pipeline", "beams").of("beams settings", "problem")
    assert problems == [f"{missing} is not set, and deployment aws needs it: set {missing}"]


def test_a_value_that_is_not_allowed_is_a_problem_and_an_unknown_variable_a_warning(monkeypatch):
    monkeypatch.setenv("BEAMS_VOXEL_MM", "many")
    monkeypatch.setenv("BEAMS_VOXELMM", "3")
    found = examined("--pipeline", "beams")
    assert "BEAMS_VOXEL_MM is 'many', allowed is a number" in found.of("beams settings", "problem")[0]
    assert "'BEAMS_VOXELMM' is not known" in found.of("beams settings", "warning")[0]


def test_the_cpu_engine_on_another_machine_is_a_problem(monkeypatch):
    monkeypatch.setenv("BEAMS_COMPUTE_HOST", "ssh")
    for name, value in HOSTS.items():
        monkeypatch.setenv(name, value)
    (problem,) = examined("--pipeline", "beams").of("dose_engine", "problem")
    assert "set BEAMS_COMPUTE_HOST=local, or BEAMS_ENGINE=moqui" in problem


def test_input_of_beams_that_is_not_there_is_a_warning(monkeypatch, tmp_path):
    found = examined("--pipeline", "beams")
    assert "BEAMS_SCAN_ROOT" in found.of("beams input", "warning")[0]
    (tmp_path / "scans").mkdir()
    monkeypatch.setenv("BEAMS_SCAN_ROOT", str(tmp_path / "scans"))
    assert examined("--pipeline", "beams").of("beams input", "ok") == [f"{tmp_path / 'scans'}, readable"]


JOBS = """
version: 1
jobs:
  - name: mails
    discovery:
      strategy: json_api
      params:
        url: https://api.example.com/items
        headers: {Authorization: "Bearer env:MAIL_KEY"}
        items: items
        key: id
    handler: fetch
"""
NO_KEY = "the environment variable MAIL_KEY is not set; the jobs file refers to it as env:MAIL_KEY, so set it"


def test_a_reference_of_a_job_to_a_variable_that_is_not_set_is_one_sentence(monkeypatch, tmp_path):
    write_jobs(tmp_path, monkeypatch)
    found = examined("--pipeline", "discovery")
    (problem,) = found.of("discovery settings", "problem")
    assert problem == f"mails: {NO_KEY}"
    monkeypatch.setenv("MAIL_KEY", "a-key-that-nobody-may-see")
    mended = examined("--pipeline", "discovery")
    assert mended.of("discovery settings", "problem") == []
    assert "nobody-may-see" not in mended.out


def test_a_job_that_asks_the_web_needs_a_contact(monkeypatch, tmp_path):
    write_jobs(tmp_path, monkeypatch)
    monkeypatch.setenv("MAIL_KEY", "a-key-that-nobody-may-see")
    (problem,) = examined("--pipeline", "discovery").of("http", "problem")
    assert "jobs that ask: mails | set QUINTET_CONTACT" in problem
    monkeypatch.setenv("QUINTET_CONTACT", "somebody@example.com")
    assert examined("--pipeline", "discovery").of("http") == [
        "hosts are told to write to somebody@example.com"
    ]


def write_jobs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "jobs.yaml").write_text(JOBS)
    monkeypatch.setenv("QUINTET_DISCOVERY_JOBS", str(folder / "jobs.yaml"))


def test_a_decryptor_that_is_no_function_is_a_problem(monkeypatch):
    monkeypatch.setenv("DWH_DECRYPT_FUNCTION", "drop table; --")
    assert examined("--pipeline", "dwh").of("dwh settings", "problem")
