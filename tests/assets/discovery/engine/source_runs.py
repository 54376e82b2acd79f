"""A job in a ledger of its own on a clock of its own, and sources that yield what a test tells them to."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.engine.context import DiscoverySummary, RunContext, RunSummary
from assets.discovery.engine.discovering import discover
from assets.discovery.engine.forecast import forecast
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.handler_modules import Handler
from assets.discovery.job_model import Job
from assets.discovery.job_plans import job_entries
from assets.discovery.jobs_file import parse_jobs
from assets.discovery.keys import digest
from assets.discovery.ledger import claims, finishing, jobs, schema
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.finishing import Ended
from assets.discovery.ledger.outcomes import Done, Outcome
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.strategies.base import BaseDiscovery
from resources.http import Http
from resources.ledger import Ledger

START = 1_772_323_200_000  # 2026-03-01T00:00:00Z
STAGES = "stages: [{name: fetch, handler: fetch}, {name: score, handler: score}]"


def registry(folder: Path, text: str, **more: Any) -> ResourceRegistry:
    """What a run of the jobs of this text uses, with handlers that nobody calls."""
    jobs_file = parse_jobs(text, folder / "jobs.yaml")
    modules = {stage.handler for job in jobs_file.jobs for stage in job.chain}
    usual: dict[str, Any] = {"environment": {}, "run_id": "run", "clock": lambda: START, "webs": Http()}
    return ResourceRegistry(
        ledgers=Ledger(folder=str(folder / "ledger")),
        jobs=jobs_file,
        handlers={module: Handler(module, lambda work: {}, "1", "0" * 64) for module in modules},
        **usual | more,
    )


def one_job(discovery: str, more: str = "", stages: str = STAGES) -> str:
    """A jobs file with one job, `papers`. All parts are flow or single lines."""
    lines = ["version: 1", "jobs:", "  - name: papers", f"    discovery: {discovery}", f"    {stages}"]
    return "\n".join([*lines, *(f"    {line}" for line in more.splitlines())])


@dataclass
class SourceRun:
    """One job of a jobs file and its ledger."""

    folder: Path
    text: str
    more: Mapping[str, Any] = field(default_factory=dict)
    now: int = START
    resources: ResourceRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.configure(self.text)

    def configure(self, text: str) -> None:
        """Change the jobs file."""
        self.resources = registry(self.folder, text, clock=lambda: self.now, **self.more)

    @property
    def job(self) -> Job:
        return self.resources.jobs.jobs[-1]

    @property
    def plan(self) -> JobPlan:
        return self.resources.plans[self.job.name]

    def open(self) -> sqlite3.Connection:
        connection = self.resources.ledgers.open_db(self.resources.ledger)
        schema.migrate(connection, self.now)
        jobs.sync(connection, job_entries(self.resources.jobs), self.now)
        return connection

    def discover(self, **more: Any) -> DiscoverySummary:
        """One discovery, a second after the last one."""
        self.now += 1000
        with closing(self.open()) as connection:
            return discover(self.job, self.plan, self.resources, connection, **more)

    def forecast(self, **context: Any) -> RunSummary:
        return forecast(self.job, self.plan, self.resources, RunContext(mode="dry_run", **context))

    def drain(
        self,
        end: Callable[[claims.Claim], Outcome] | None = None,
        *,
        most_items: int | None = None,
        costs: Callable[[claims.Claim], Sequence[Any]] = lambda _: (),
    ) -> list[tuple[int, str]]:
        """Claim one by one and end each, by default well, until nothing is claimable; returns what was."""
        worked: list[tuple[int, str]] = []
        with closing(self.open()) as connection:
            while True:
                items = {item for item, _ in worked}
                only = items if most_items is not None and len(items) == most_items else None
                worker = Worker("host:1:1:a", "a", 60_000)
                found = claims.claim(connection, self.plan, worker, 1, self.now, active_items=only).claims
                if not found:
                    return worked
                (claim,) = found
                worked.append((claim.item_id, claim.stage))
                outcome = end(claim) if end else returned({"stage": claim.stage})
                ended = Ended(claim, outcome, costs(claim))
                finishing.finish(connection, self.plan, [ended], self.now, lambda: 0.5)

    def rows(self, query: str, *values: object, ledger: str | None = None) -> list[dict[str, Any]]:
        with closing(self.resources.ledgers.open_raw_db(ledger or self.resources.ledger)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def write(self, statement: str, *values: object) -> None:
        with closing(self.open()) as connection:
            connection.execute(statement, values)

    @property
    def keys(self) -> list[str]:
        return [row["key"] for row in self.rows("SELECT key FROM work_items ORDER BY id")]

    @property
    def state(self) -> dict[str, Any]:
        return self.rows("SELECT * FROM job_state WHERE job_id = ?", self.job.name)[0]

    @property
    def last(self) -> dict[str, Any]:
        """The row of the last discovery."""
        return self.rows("SELECT * FROM discoveries ORDER BY id DESC LIMIT 1")[0]

    def events(self, *types: str) -> list[dict[str, Any]]:
        return [row for row in self.rows("SELECT * FROM events ORDER BY seq") if row["type"] in types]

    def with_resources(self, **changed: Any) -> None:
        self.resources = replace(self.resources, **changed)


def returned(payload: Mapping[str, Any]) -> Done:
    """What a handler returned, as the ledger takes it."""
    text = str(payload).replace("'", '"')
    return Done("1", digest(payload), text, size=len(text))


def dump(path: Path) -> list[str]:
    """All of a ledger as SQL."""
    with closing(Ledger(folder=str(path.parent)).open_raw_db(path.stem)) as connection:
        return list(connection.iterdump())


Script = Callable[[Ask], Iterator[Candidate | Mark]]


class Scripted(BaseDiscovery):
    """Yields what its script says."""

    name = "static_list"

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        yield from self._script(ask)


def seen(key: str, content: str = "a", **more: Any) -> Candidate:
    return Candidate(key, {"key": key}, content_hash=content, **more)
