"""The shipped jobs on their samples, offline: what they find, and what their stages make of it."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from assets.discovery.contract import Skip
from assets.discovery.jobs_file import SHIPPED, load_jobs
from assets.discovery.strategies.registry import strategy_class
from assets.discovery.urls import canonical_url
from tests.assets.discovery.sample_runs import job_source, worked_through
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing

JOBS = {job.name: job for job in load_jobs(SHIPPED).jobs}


def test_filings_finds_the_reports_of_a_quarter_and_reads_them():
    source = job_source(JOBS["filings"])
    found = worked_through(JOBS["filings"], source)
    assert list(found) == ["0009900001-26-000004", "0009900002-26-000011"]
    titles = [stages["extract"]["title"] for stages in found.values()]
    assert titles == [
        "Alder & Ash Holdings Inc: annual report for 2025",
        "Birch Street Bancorp: current report",
    ]
    assert all(stages["extract"]["words"] > 30 for stages in found.values())
    assert_a_second_read_changes_nothing(source)


def test_filings_shows_one_of_them_for_two_companies():
    read = job_source(JOBS["filings"]).read()
    assert (len(read.keys), len(read.new), read.rejected) == (3, 2, [])


def test_papers_finds_the_records_of_two_pages_and_the_deleted_one():
    source = job_source(JOBS["papers"])
    read = source.read()
    assert [
        (key[-5:], candidate.deleted) for key, candidate in zip(read.keys, read.candidates, strict=True)
    ] == [
        ("00001", False),
        ("00002", False),
        ("00003", True),
        ("00004", False),
    ]
    assert [mark.page for mark in read.marks] == [1, 2]
    assert source.cursor == {"from": "2026-03-02"}
    assert_a_second_read_changes_nothing(source)


def test_papers_extracts_the_abstracts():
    found = worked_through(JOBS["papers"], job_source(JOBS["papers"]))
    first = found["oai:arXiv.org:9999.00001"]["extract"]
    assert not isinstance(first, Skip)
    assert first["title"] == "How long a quote lives: order books at a tick of one cent"
    assert first["text"].startswith("We measure the time that limit orders rest")
    assert isinstance(found["oai:arXiv.org:9999.00003"]["extract"], Skip)


def test_site_pages_finds_the_pages_of_both_files_and_rates_them():
    job = JOBS["site_pages"]
    source = job_source(job)
    found = worked_through(job, source)
    scores = {stages["extract"]["title"]: stages["score"]["score"] for stages in found.values()}
    assert scores == {"Documentation": 0, "Upgrading": 40, "Version 4 is here": 20, "Security notice": 60}
    assert source.cursor == {
        "files": {
            "https://www.example.com/sitemap-docs.xml": "2026-02-20T08:00:00+00:00",
            "https://www.example.com/sitemap-blog.xml": "2026-03-01T08:00:00+00:00",
        }
    }
    assert_a_second_read_changes_nothing(source)


def test_site_pages_lists_the_whole_site_and_drops_what_only_counts_visits():
    read = job_source(JOBS["site_pages"]).read()
    assert read.is_complete
    strategy = strategy_class("sitemap")()
    assert read.keys[2] == f"url:{strategy.hash_url('https://www.example.com/blog/release-4')}"


def test_inbox_finds_each_mail_once_and_rates_it():
    found = worked_through(JOBS["inbox"], job_source(JOBS["inbox"]))
    assert {key[:13]: stages["score"]["score"] for key, stages in found.items()} == {
        "20260302.0001": 50,
        "20260302.0002": 50,
        "20260303.0003": 0,
    }
    text = found["20260302.0001@example.com"]["extract"]["text"]
    assert text.endswith("\n\nFrom this month on we send invoices only by mail.")
    assert "From the look of it" in found["20260302.0002@example.com"]["extract"]["text"]


@dataclass
class Noted:
    """A web that keeps what it was asked for."""

    web: Any
    urls: set[str] = field(default_factory=set)

    def fetch(self, url: str, **options: Any) -> Any:
        self.urls.add(canonical_url(url))
        return self.web.fetch(url, **options)


@pytest.mark.parametrize("name", ["filings", "papers", "site_pages"])
def test_every_answer_of_a_sample_is_asked_for(name):
    job = JOBS[name]
    source = job_source(job)
    source.http = noted = Noted(source.http)
    worked_through(job, source)
    source.read()
    assert job.replay_folder is not None
    lines = (job.replay_folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
    assert noted.urls == {canonical_url(json.loads(line)["url"]) for line in lines}
