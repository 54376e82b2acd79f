"""The Waves service on this machine for a test, a client that never waits, and what they talk about."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any, TypeVar

import polars as pl
from pydantic import PrivateAttr

from resources.waves import HttpWaves, Journal, Pace, Parameters, SegmentPlan, Usage, Waves
from resources.waves.errors import IdentityUnavailable
from scripts.waves_rehearsal import WavesRehearsal
from scripts.waves_server import WavesServer
from tests.resources.waves.score_rows import first_id, numbered

COUNT = 12
SCORES, CAMS = numbered(COUNT)
EXPECTED = [first_id(number) for number in range(COUNT)]
COST = Usage(60, 40, 100)
PASSWORD = "a-passw0rd-that-nobody-may-see"
TOKEN = "a-t0ken-that-nobody-may-see"

_Server = TypeVar("_Server", bound=ThreadingHTTPServer)


@contextmanager
def serving(scores: pl.DataFrame = SCORES, **options: Any) -> Iterator[WavesServer]:
    """A server for as long as the block lasts; the options are those of `WavesServer`."""
    with running(WavesServer(WavesRehearsal(scores), **options)) as server:
        yield server


@contextmanager
def running(server: _Server) -> Iterator[_Server]:
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class ImpatientWaves(HttpWaves):
    """Keeps the pauses that it should have made, in seconds. Bears the given tokens, one for each login."""

    tokens: list[str] | None = None
    _pauses: list[float] = PrivateAttr(default_factory=list)

    @property
    def pauses(self) -> list[float]:
        return self._pauses

    async def _sleep(self, seconds: float) -> None:
        self._pauses.append(seconds)
        await asyncio.sleep(0)

    def _token_provider(self, audience):
        tokens = iter(self.tokens or [])

        def next_token() -> str:
            for token in tokens:
                return token
            raise IdentityUnavailable("There is no token left.")

        return None if self.tokens is None else next_token


def ask(waves: Waves, journal: Journal | None = None, cams=CAMS, parameters=None, **pace) -> list[Any]:
    return waves.recommend(
        cams,
        scores=no_scores,
        parameters=parameters or Parameters(),
        pace=Pace(**{"in_flight": 1, **pace}),
        started=datetime.fromisoformat("2025-06-10T06:00:00+01:00"),
        journal=journal or Journal(),
    )


def ask_pages(waves: Waves, journal: Journal | None = None, parameters=None, **plan) -> list[Any]:
    return waves.recommend_segments(
        {},
        scores=no_scores,
        parameters=parameters or Parameters(),
        plan=SegmentPlan(**{"segments_in_flight": 1, "pages_in_flight": 1, **plan}),
        journal=journal or Journal(),
    )


def no_scores():
    raise AssertionError("The service has its own scores.")


def codes(answers):
    return [answer["error_code"] for answer in answers]


def hotboxes(answers):
    return [answer["HB1"] for answer in answers]


def statuses(journal: Journal, path: str = "/api/recommendations/batch") -> dict[int | None, int]:
    """How often each status came from a path."""
    return {status: count for (_, asked, status), count in journal.requests.items() if asked == path}
