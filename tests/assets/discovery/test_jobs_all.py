"""The demo jobs: with the shipped ones they cover every strategy, and each of them works offline."""

from pathlib import Path
from typing import Any

import pytest

from assets.discovery.contract import Skip
from assets.discovery.handler_modules import import_handlers
from assets.discovery.job_model import JobsFile
from assets.discovery.jobs_file import SHIPPED, load_jobs
from assets.discovery.keys import digest
from assets.discovery.strategies.registry import STRATEGIES
from assets.discovery.strategies.upstream_results import Output
from tests.assets.discovery.demo_jobs import JOBS_ALL, demo_jobs, demo_store
from tests.assets.discovery.sample_runs import job_source, worked_through
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing


class Known:
    """Results of another job that are at hand."""

    def __init__(self, outputs: list[Output]) -> None:
        self._outputs = outputs

    def outputs(self, job: str, stage: str, after_seq: int, most: int) -> list[Output]:
        return [output for output in self._outputs if output.seq > after_seq][:most]


@pytest.fixture
def jobs(tmp_path: Path) -> JobsFile:
    return load_jobs(demo_jobs(tmp_path / "demo"))


def the_source(jobs: JobsFile, name: str, tmp_path: Path) -> Source:
    job = jobs.job(name)
    assert job is not None
    more: dict[str, Any] = {}
    if name == "demo_upstream_results":
        upstream = jobs.job("demo_static_list")
        assert upstream is not None
        found = worked_through(upstream, job_source(upstream))
        results = ((key, stages["extract"]) for key, stages in found.items())
        more["upstream"] = Known(
            [
                Output(seq, key, None, payload["title"], None, digest(payload), payload)
                for seq, (key, payload) in enumerate(results, start=1)
            ]
        )
    return job_source(job, store=demo_store(tmp_path / "storage"), **more)


def test_both_files_together_cover_every_strategy():
    used = [job.discovery.strategy for path in (SHIPPED, JOBS_ALL) for job in load_jobs(path).jobs]
    assert sorted(used) == sorted(STRATEGIES)
    assert len(used) == 17


def test_the_handlers_of_both_files_are_there():
    for path in (SHIPPED, JOBS_ALL):
        jobs_file = load_jobs(path)
        assert import_handlers(jobs_file).keys() == {
            stage.handler for job in jobs_file.jobs for stage in job.chain
        }


FOUND = {
    "demo_static_list": ["alpha", "beta"],
    "demo_table_file": ["de|Haus", "de|07", "fr|maison"],
    "demo_directory_glob": ["2026/january.txt", "opening.txt"],
    "demo_object_store": ["demo/reports/april.txt", "demo/reports/march.txt"],
    "demo_sql_query": ["1", "2", "3"],
    "demo_git_history": ["Begin", "Fix the plan", "Security"],
    "demo_upstream_results": ["alpha", "beta"],
    "demo_rss_atom": ["tag:example.com,2026:news/2", "url:https://www.example.com/news/note"],
    "demo_html_links": ["Doors", "Windows", "Hinges"],
    "demo_json_api": ["7", "8", "9"],
}


@pytest.mark.parametrize("name", FOUND)
def test_a_demo_job_finds_its_things_once(jobs, name, tmp_path):
    source = the_source(jobs, name, tmp_path)
    read = source.read()
    by_key = {str(candidate.key): candidate for candidate in read.candidates}
    expected = FOUND[name]
    if name in {"demo_git_history", "demo_html_links"}:
        assert [by_key[key].title for key in read.new] == expected
    else:
        hashed = source.strategy.hash_url("https://www.example.com/news/note")
        assert [key.replace(hashed, "https://www.example.com/news/note") for key in read.new] == expected
    assert (read.rejected, read.warnings) == ([], [])
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize("name", FOUND)
def test_the_stages_of_a_demo_job_have_something_to_do(jobs, name, tmp_path):
    found = worked_through(jobs.job(name), the_source(jobs, name, tmp_path))
    results = [payload for stages in found.values() for payload in stages.values()]
    assert len(found) == len(FOUND[name])
    assert not any(isinstance(payload, Skip) for payload in results)


def test_scores_tell_the_things_apart(jobs, tmp_path):
    found = worked_through(
        jobs.job("demo_upstream_results"), the_source(jobs, "demo_upstream_results", tmp_path)
    )
    assert {key: stages["score"]["score"] for key, stages in found.items()} == {"alpha": 50, "beta": 25}
