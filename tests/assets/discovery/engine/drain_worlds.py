"""A job with a test's own handlers in a ledger of its own, drained for real: threads, heartbeat and all."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

from assets.discovery.contract import Work
from assets.discovery.engine.context import RunContext, RunSummary
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.registry import ResourceRegistry, utc_now
from assets.discovery.engine.run import drain_job, open_ledger
from assets.discovery.handler_modules import Handler
from assets.discovery.job_model import Job
from assets.discovery.jobs_file import parse_jobs
from assets.discovery.keys import digest
from assets.discovery.ledger import items, listings
from assets.discovery.ledger.items import Sighting
from assets.discovery.ledger.listings import Report
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.ledger.revisions import Content
from resources.http import Http
from resources.ledger import Ledger

START = 1_772_323_200_000  # 2026-03-01T00:00:00Z
PATIENCE_S = 30.0
"""How long a test waits for something that has to happen."""

Handle = Callable[[Work], Any]


class Clock:
    """A clock that a test moves, and that every wait of a drain moves on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    @property
    def seconds(self) -> float:
        """Since the start."""
        return (self.now - START) / 1000

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class Stop(Event):
    """The request to stop, which a drain asks for once in every round.

    With a clock of the test every wait is over at once, and the clock stands at its end then.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self._test_clock = clock
        self.waits: list[float] = []
        self.rounds = 0

    def is_set(self) -> bool:
        self.rounds += 1
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        if self._test_clock is None:
            return super().wait(timeout)
        self._test_clock.advance(timeout or 0.0)
        return super().is_set()

    def pass_by(self, n: int) -> None:
        """Wait for so many more rounds."""
        last = self.rounds + n
        until(lambda: self.rounds >= last)


class World:
    """One job, `papers`, whose stages are named after the handlers and need each other in a row.

    `stage` has more keys of stages, `job`, `runner` and `file` more lines of the jobs file. With a `Clock`
    the test is as fast as its handlers; without one time is real.
    """

    def __init__(
        self,
        folder: Path,
        handlers: Mapping[str, Handle],
        *,
        stage: Mapping[str, str] | None = None,
        job: str = "",
        runner: str = "",
        file: str = "",
        clock: Clock | None = None,
        versions: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        names = list(handlers)
        keys = {name: (stage or {}).get(name, "") for name in names}
        lines = [
            "version: 1",
            *([file] if file else []),
            "jobs:",
            "  - name: papers",
            "    discovery: {strategy: static_list, params: {values: [x]}}",
            *(f"    {line}" for line in job.splitlines()),
            *([f"    runner: {{{runner}}}"] if runner else []),
            "    stages:",
            *(f"      - {{name: {name}, handler: tests.{name}, {keys[name]}}}" for name in names),
        ]
        self.folder, self.clock = folder, clock
        self.stop = Stop(clock)
        self.resources = ResourceRegistry(
            ledgers=Ledger(folder=str(folder / "ledger")),
            jobs=parse_jobs("\n".join(lines), folder / "jobs.yaml"),
            handlers={
                f"tests.{name}": Handler(f"tests.{name}", handle, (versions or {}).get(name, "1"), "0" * 64)
                for name, handle in handlers.items()
            },
            **{
                "webs": Http(),
                "environment": {},
                "clock": clock or utc_now,
                "run_id": "run",
                "stop": self.stop,
                **more,
            },
        )

    @property
    def job(self) -> Job:
        return self.resources.jobs.jobs[0]

    @property
    def plan(self) -> JobPlan:
        return self.resources.plans["papers"]

    def open(self) -> sqlite3.Connection:
        return self.resources.ledgers.open_db("discovery")

    def with_ledger(self, do: Callable[[sqlite3.Connection], Any]) -> Any:
        """What another process does to the ledger."""
        with closing(self.open()) as connection:
            return do(connection)

    def add(self, *keys: str, **data: Any) -> list[int]:
        """New items of these keys; their ids."""
        now = self.resources.clock()
        sightings = []
        for key in keys:
            content = {"key": key, **data}
            sightings.append(Sighting(key, Content(json.dumps(content), digest(content))))
        with closing(open_ledger(self.resources)) as connection:
            listing = listings.begin(connection, "papers", now)
            items.upsert(connection, self.plan, listing, sightings, now)
            listings.close(connection, self.plan, listing, Report(), now)
        ids = {row["key"]: row["id"] for row in self.rows("SELECT id, key FROM work_items")}
        return [ids[key] for key in keys]

    def drain(self, **context: Any) -> RunSummary:
        return asyncio.run(self.draining(**context))

    async def draining(self, **context: Any) -> RunSummary:
        jobs_file, pacer = self.resources.jobs, Pacer.of(self.resources.jobs)
        runner = jobs_file.runner_of(self.job)
        return await drain_job(self.job, runner, pacer, self.resources, RunContext(**context))

    def beside(self, **context: Any) -> "Beside":
        """A drain in a thread."""
        return Beside(lambda: self.drain(**context))

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with closing(self.resources.ledgers.open_raw_db("discovery")) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]

    def value(self, query: str, *values: object) -> Any:
        (row,) = self.rows(query, *values)
        (value,) = row.values()
        return value

    def write(self, statement: str, *values: object) -> None:
        with closing(self.open()) as connection:
            connection.execute(statement, values)

    def stage(self, key: str, name: str | None = None) -> dict[str, Any]:
        (row,) = self.rows(
            "SELECT s.* FROM item_stages s JOIN work_items w ON w.id = s.item_id "
            "WHERE w.key = ? AND s.stage = ?",
            key,
            name or self.job.chain[0].name,
        )
        return row

    def statuses(self) -> dict[str, list[str]]:
        """The statuses of each item's stages, in the order of the job."""
        rows = self.rows(
            "SELECT w.key, s.status FROM item_stages s JOIN work_items w ON w.id = s.item_id "
            "ORDER BY w.id, s.ord"
        )
        found: dict[str, list[str]] = {}
        for row in rows:
            found.setdefault(row["key"], []).append(row["status"])
        return found

    def outcomes(self, stage: str | None = None) -> list[str]:
        """How the attempts ended, in the order in which they were claimed."""
        rows = self.rows("SELECT outcome, stage FROM attempts ORDER BY id")
        return [row["outcome"] for row in rows if stage in (None, row["stage"])]

    def events(self, *types: str) -> list[dict[str, Any]]:
        rows = self.rows("SELECT * FROM events ORDER BY seq")
        return [{**row, **json.loads(row["payload_json"])} for row in rows if row["type"] in types]

    def state(self) -> dict[str, Any]:
        return self.rows("SELECT * FROM job_state WHERE job_id = 'papers'")[0]

    def spent(self) -> int:
        return self.value("SELECT coalesce(sum(micros), 0) FROM costs WHERE state = 'settled'")

    def everything(self) -> str:
        """All of the ledger as text."""
        with closing(self.resources.ledgers.open_raw_db("discovery")) as connection:
            return "\n".join(connection.iterdump())


class Beside:
    """Something that runs in a thread while the test goes on."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._answer: Any = None
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            self._answer = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the test asks for the answer.
            self._error = error

    def answer(self) -> Any:
        """What came of it."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "it did not end"
        if self._error is not None:
            raise self._error
        return self._answer


class Gathering:
    """A handler that counts who is at work, and lets nobody go before it is opened."""

    def __init__(self, payload: Mapping[str, Any] | None = None) -> None:
        self._payload = payload or {}
        self._open = Event()
        self.seen: Counter[str] = Counter()
        self.at_work = 0
        self.most = 0

    def __call__(self, work: Work) -> Mapping[str, Any]:
        self.seen[work.key] += 1
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        assert self._open.wait(PATIENCE_S)
        self.at_work -= 1
        return self._payload

    def open(self) -> None:
        self._open.set()

    def await_workers(self, n: int) -> None:
        until(lambda: self.at_work >= n)


def until(happened: Callable[[], object]) -> None:
    """Wait for something that has to happen."""
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def returning(payload: Mapping[str, Any] | None = None) -> Handle:
    """A handler that returns this at once."""
    return lambda work: payload or {}


def raising(error: BaseException | type[BaseException]) -> Handle:
    """A handler that raises this at once."""

    def handle(work: Work) -> Any:
        raise error

    return handle


def script(*turns: Any) -> Handle:
    """A handler that does for each item what its n-th call is to do: return a value, or raise an error."""
    calls: Counter[str] = Counter()

    def handle(work: Work) -> Any:
        turn = turns[min(calls[work.key], len(turns) - 1)]
        calls[work.key] += 1
        if isinstance(turn, BaseException):
            raise turn
        return turn

    return handle
