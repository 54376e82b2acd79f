"""A hundred jobs of discovery load for a stranger: no ledger is opened, no source asked, no file written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROBE = Path(__file__).with_name("location_probe.py")
SOURCES = (
    {"strategy": "static_list", "params": {"values": ["a"]}, "every_s": 3600},
    {"strategy": "rss_atom", "params": {"url": "https://feeds.example.com/all"}, "cron": "5 * * * *"},
    {"strategy": "oai_pmh", "params": {"url": "https://oaipmh.arxiv.org/oai", "set": "q-fin"}},
    {"strategy": "sitemap", "params": {"url": "https://www.example.com/sitemap.xml"}},
)
STAGES = [{"name": name, "handler": name} for name in ("fetch", "extract", "score")]


def load(root: Path, folder: Path, environment: dict[str, str], jobs_file: str) -> dict:
    path = folder / "jobs.yaml"
    path.write_text(jobs_file)
    command = [sys.executable, str(PROBE), str(root)]
    environment = environment | {"QUINTET_DISCOVERY_JOBS": str(path)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"said": done.stderr}


@pytest.fixture
def none(root: Path, elsewhere: Path, bare_environment: dict[str, str]) -> dict:
    """The location without any job of discovery."""
    return load(root, elsewhere, bare_environment, "version: 1\n")


def test_a_hundred_jobs_load_without_network_ledger_or_file(root, elsewhere, bare_environment, none):
    jobs = [
        {"name": f"job_{n}", "discovery": SOURCES[n % len(SOURCES)], "stages": STAGES} for n in range(100)
    ]
    found = load(root, elsewhere, bare_environment, yaml.safe_dump({"version": 1, "jobs": jobs}))
    assert found["assets"] == none["assets"] + 200
    assert found["connections"] == []
    assert found["changes"] == []
    assert found["processes"] == []
    assert found["databases"] == []
    assert "feedparser" not in found["modules"]


def test_a_mistaken_jobs_file_takes_nothing_else_down_and_its_sentence_is_said(
    root, elsewhere, bare_environment, none
):
    found = load(root, elsewhere, bare_environment, "version: 1\njobs:\n  - {name: x, discovry: {}}\n")
    assert found["assets"] == none["assets"] + 1
    assert "unknown key 'discovry'" in found["said"]


def test_a_handler_that_fails_to_import_takes_nothing_else_down(root, elsewhere, bare_environment, none):
    (elsewhere / "own").mkdir()
    (elsewhere / "own" / "handler.py").write_text("raise RuntimeError('no model here')\n")
    job = {"name": "x", "discovery": SOURCES[0], "handler": "own.handler"}
    environment = bare_environment | {"PYTHONPATH": os.fspath(elsewhere)}
    found = load(root, elsewhere, environment, yaml.safe_dump({"version": 1, "jobs": [job]}))
    assert found["assets"] == none["assets"] + 1
    assert "no model here" in found["said"]
