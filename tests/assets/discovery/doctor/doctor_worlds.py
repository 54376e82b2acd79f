"""A ledger with one job that is well, and short words for examining it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assets.discovery.doctor.case import StandingJob, standing_jobs
from assets.discovery.doctor.examination import examine, fix
from assets.discovery.doctor.findings import Finding
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.jobs_file import parse_jobs
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.items import Sighting
from assets.discovery.ledger.revisions import Content
from tests.assets.discovery.ledger.ledger_worlds import World, done

SECRET = "s3cr3t väl/&ue"
PAPERS = """
version: 1
budget: {daily_usd: "5.00"}
jobs:
  - name: papers
    timezone: America/New_York
    discovery:
      strategy: html_links
      params: {url: "https://papers.example/list?token=env:PAPERS_TOKEN"}
      every_s: 3600
    stages:
      - {name: fetch, handler: fetch, cost_estimate_usd: "0.01"}
      - {name: extract, handler: extract, params: {note: "env:UNSET_NOTE"}}
    budget: {daily_usd: "1.00"}
"""


def jobs_of(text: str = PAPERS) -> list[StandingJob]:
    return standing_jobs(parse_jobs(text, Path("jobs.yaml")))


def linked(key: str, url: str) -> Sighting:
    return Sighting(key, Content('{"a":1}', "a", url=url))


class Clinic(World):
    """A world whose ledger is examined. Three items: done, waiting, and skipped in its first stage."""

    def __init__(self, connection: sqlite3.Connection, folder: Path, text: str = PAPERS) -> None:
        self.jobs: Sequence[StandingJob] = jobs_of(text)
        super().__init__(connection, self.jobs[0].plan)
        self.folder = folder
        self.surroundings = Surroundings(
            ledger=folder / "discovery.sqlite",
            environment={"PAPERS_TOKEN": SECRET, "UNSET_NOTE": " ", "HOME": "somewhere"},
            free_bytes=lambda _: 10**12,
            is_dead=lambda _: False,
        )

    def use(self, text: str) -> None:
        """Another jobs file."""
        self.jobs = jobs_of(text)
        self.job = self.jobs[0].plan

    def know(self, **more: Any) -> None:
        """Other surroundings."""
        self.surroundings = replace(self.surroundings, **more)

    def finish_all(self, *costs: Cost, version: str | None = None) -> None:
        """Work on everything that is claimable until it is done."""
        while found := self.claim():
            for claim in found:
                stage = self.job.stage(claim.stage)
                assert stage is not None
                self.finish(claim, done(claim.stage, version or stage.handler_version), costs)

    def examine(self, only: str | None = None) -> list[Finding]:
        return examine(self.connection, self.jobs, self.now, self.surroundings, only)

    def ids(self) -> list[str]:
        return [finding.id for finding in self.examine()]

    def one(self, id_: str) -> Finding:
        """The only finding of this id."""
        (finding,) = [finding for finding in self.examine() if finding.id == id_]
        return finding

    def fix(self) -> list[Finding]:
        return fix(self.connection, self.jobs, self.now, self.surroundings)

    def do(self, statement: str, *values: object) -> None:
        self.connection.execute(statement, values)
