"""The two shipped jobs that are tried first: they find and work on their samples, without any network."""

import json

import pytest

from assets.discovery.contract import Skip
from assets.discovery.jobs_file import SHIPPED, load_jobs
from tests.assets.discovery.sample_runs import job_source, worked_through
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing

JOBS = {job.name: job for job in load_jobs(SHIPPED).jobs}


def test_the_show_finds_its_episodes_and_the_companies_that_they_name():
    job = JOBS["dumb_money_live"]
    source = job_source(job)
    found = {
        key.removeprefix("dumb-money-live-000"): made for key, made in worked_through(job, source).items()
    }
    assert list(found) == ["4", "3", "2", "1"]
    assert {key: made["transcript"]["format"] for key, made in found.items() if key != "4"} == {
        "1": "vtt",
        "2": "srt",
        "3": "text",
    }
    assert {key: made["tickers"]["symbols"] for key, made in found.items()} == {
        "1": ["MSFT", "NVDA", "AMD"],
        "2": ["GM", "F", "TSLA"],
        "3": ["AAPL", "BRK.B", "META"],
        "4": [],
    }
    assert {key: made["score"]["score"] for key, made in found.items()} == {"1": 30, "2": 30, "3": 40, "4": 0}
    assert isinstance(found["4"]["fetch"], Skip)
    assert_a_second_read_changes_nothing(source)


def test_the_releases_are_found_with_the_one_that_was_yanked_and_each_is_read():
    job = JOBS["package_releases"]
    source = job_source(job)
    data = source.read().data
    assert {each["version"]: each["yanked"] for each in data} == {
        "20.3.0": False,
        "21.1.0": True,
        "21.2.0": False,
        "25.4.0": False,
    }
    for key, made in worked_through(job, source).items():
        assert json.loads(made["fetch"]["body"])["info"]["version"] == key.partition("@")[2]
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize("name", ["dumb_money_live", "package_releases"])
def test_nothing_in_a_sample_is_odd(name):
    read = job_source(JOBS[name]).read()
    assert (read.warnings, read.rejected) == ([], [])
    assert all(candidate.published_at and candidate.title and candidate.url for candidate in read.candidates)


@pytest.mark.parametrize("name", ["dumb_money_live", "package_releases"])
def test_every_file_of_a_sample_is_answered_with_its_type_and_is_small(name):
    folder = JOBS[name].replay_folder
    assert folder is not None
    lines = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    assert {line["file"] for line in lines} | {"index.jsonl"} == {path.name for path in folder.iterdir()}
    assert all({"Content-Type", "ETag"} <= set(line["headers"]) for line in lines)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 50_000
