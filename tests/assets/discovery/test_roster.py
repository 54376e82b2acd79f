"""The jobs of a process that lives long: all of them, or none and the sentence that says why."""

import pytest
import yaml

from assets.discovery.jobs_file import SHIPPED
from assets.discovery.readers.jobs_today import jobs_today
from assets.discovery.roster import Roster
from tests.assets.discovery.dagster_worlds import HANDLER, job


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.yaml"


def test_the_shipped_jobs_are_the_default():
    roster = Roster.load()
    assert roster.path == SHIPPED
    assert roster.problem is None
    assert "filings" in [job.name for job in roster.jobs]


def test_a_package_without_the_shipped_file_has_no_jobs_and_no_problem(path, monkeypatch):
    monkeypatch.setattr("assets.discovery.roster.SHIPPED", path)
    roster = Roster.load(path)
    assert (roster.jobs, roster.problem) == ((), None)


def test_a_variable_names_another_file(path, monkeypatch):
    path.write_text(yaml.safe_dump({"version": 1, "jobs": [job("mine")]}))
    monkeypatch.setenv("QUINTET_DISCOVERY_JOBS", str(path))
    roster = Roster.load()
    assert [job.name for job in roster.jobs] == ["mine"]
    assert list(roster.handlers) == [HANDLER]


MISTAKES = {
    "a file that is not there": (None, "cannot be read"),
    "no YAML": ("jobs: [", "no YAML"),
    "an unknown key": ("version: 1\njbos: []\n", "unknown key 'jbos'"),
    "a handler that is none": (
        yaml.safe_dump({"version": 1, "jobs": [job() | {"stages": [{"name": "a", "handler": "os.path"}]}]}),
        "handler os.path",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_leaves_no_job_and_is_said(path, text, sentence):
    if text is not None:
        path.write_text(text)
    roster = Roster.load(path)
    assert roster.jobs == ()
    assert sentence in str(roster.problem)


def test_mistakes_of_the_file_and_of_handlers_are_said_at_once(path):
    wrong = job() | {"stages": [{"name": "a", "handler": "os.path"}]}
    path.write_text(yaml.safe_dump({"version": 1, "jbos": [], "jobs": [wrong]}))
    problem = str(Roster.load(path).problem)
    assert "unknown key 'jbos'" in problem
    assert "handler os.path" in problem


def test_a_job_is_what_its_readers_get_of_a_command_line(path):
    limited = [job("one", pace={"limiter": "shared"}), job("two", pace={"rate": 1, "per_s": 1}), job("three")]
    limiters = {"shared": [{"rate": 1, "per_s": 1}]}
    path.write_text(yaml.safe_dump({"version": 1, "limiters": limiters, "jobs": limited}))
    roster = Roster.load(path)
    plans = {job.name: roster.plan(job) for job in roster.jobs}
    assert [roster.today(job) for job in roster.jobs] == jobs_today(roster.jobs_file, plans)
