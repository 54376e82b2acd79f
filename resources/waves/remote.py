"""Recommendations from the service: what it is asked, and how its answers are read.

Not here: logins, redirects, retries (`service`), batches and their order (`driver`).
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from resources.waves.base import CamsBySegment, Waves
from resources.waves.engine import Engine
from resources.waves.errors import WavesMisconfigured, WavesRefused, WavesUnavailable
from resources.waves.identity import google_identity_token
from resources.waves.journal import Journal
from resources.waves.matching import match_answers
from resources.waves.segment_options import segment_options
from resources.waves.service import Reply, Service, TokenProvider, checked_url
from resources.waves.values import Answer, Cam, Parameters, ScoreSource, Usage, failed_answer

_log = logging.getLogger(__name__)

BATCH_PATH = "/api/recommendations/batch"
PAGE_PATH = "/api/recommendations"

_JSON = {"Content-Type": "application/json"}


class HttpWaves(Waves):
    """Asks the service at `url`.

    With a password it logs in first. With `google_identity` it also sends an identity token for that address,
    if one can be had. `service.Service.ask` has the policy of retries.
    """

    url: str | None = Field(default=None, description="http(s)://host[:port][/path]; from AIM_WAVES_URL.")
    password: str | None = Field(default=None, repr=False, description="Secret; from AIM_SERVICE_PASSWORD.")
    google_identity: bool = Field(default=False, description="Whether to send a Google identity token.")

    @asynccontextmanager
    async def _engine(
        self,
        scores: ScoreSource,
        cams_by_segment: CamsBySegment,
        parameters: Parameters,
        timeout_s: float,
        journal: Journal,
    ) -> AsyncIterator[Engine]:
        url, password = _value(self.url), _value(self.password)
        if url is None:
            raise WavesMisconfigured("There is no Waves service to ask: set AIM_WAVES_URL to its address.")
        address = checked_url(url)
        token = self._token_provider(str(address))
        service = Service(address, journal, timeout_s, password=password, token=token, sleep=self._sleep)
        async with service:
            yield HttpEngine(service, parameters, journal)

    def _token_provider(self, audience: str) -> TokenProvider | None:
        return partial(google_identity_token, audience) if self.google_identity else None

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class HttpEngine(Engine):
    """Asks through one conversation, and keeps the usage of every answer in the journal."""

    def __init__(self, service: Service, parameters: Parameters, journal: Journal) -> None:
        self._service = service
        self._journal = journal
        self._parameters = parameters.given()

    async def batch(self, run_id: str, cams: Sequence[Cam]) -> Sequence[Answer]:
        """One answer for each CAM, in order; all are `BATCH_FAILED` if the batch failed."""
        body = {
            "run_id": run_id,
            "cams": [{"Vehicle": cam.vehicle, "Size": cam.size} for cam in cams],
            "params": self._parameters,
        }
        reply = await self._service.ask("POST", BATCH_PATH, content=json.dumps(body).encode(), headers=_JSON)
        found = _parsed(reply)
        results = found.get("results") if isinstance(found, dict) else None
        if isinstance(found, dict):
            self._count_usage(found.get("usage"), results)
        if not isinstance(results, list):
            self._note(reply.problem or f"POST {BATCH_PATH} answered 200 without a list of results")
            return [failed_answer(cam.vehicle, cam.size, "BATCH_FAILED") for cam in cams]
        answers, surplus = match_answers(cams, results)
        self._journal.surplus_answers += surplus
        return answers

    async def segments(self) -> Sequence[str]:
        """What the page of the service offers."""
        reply = await self._service.ask("GET", "/app")
        if reply.problem:
            error = WavesUnavailable if reply.may_be_repeated else WavesRefused
            raise error(f"The segments of Waves are not known: {reply.problem}.")
        options = segment_options(reply.content.decode(errors="replace"))
        if not options:
            raise WavesRefused(
                'The segments of Waves are not known: GET /app has no <select name="segment">.'
            )
        return options

    async def page(self, segment: str, offset: int, top_n: int) -> Sequence[Answer]:
        """Up to `top_n` answers of a segment; as many `BATCH_FAILED` if the page failed."""
        # The legacy call has no disable_search.
        parameters = {name: value for name, value in self._parameters.items() if name != "disable_search"}
        query = {"segment": segment, "top_n": top_n, "offset": offset, **parameters}
        reply = await self._service.ask("GET", PAGE_PATH, params=query)
        found = _parsed(reply)
        if not isinstance(found, list):
            self._note(reply.problem or f"GET {PAGE_PATH} answered 200 without a list of results")
            return [failed_answer(None, None, "BATCH_FAILED") for _ in range(top_n)]
        self._count_usage(None, found)
        self._journal.surplus_answers += max(0, len(found) - top_n)
        return found[:top_n]

    def _count_usage(self, usage: object, results: object) -> None:
        """Add what one answer cost: its own count, else the sum over its results."""
        if usage is None and isinstance(results, list):
            parts = [Usage.of(result.get("usage")) for result in results if isinstance(result, dict)]
            self._journal.usage = sum(parts, start=self._journal.usage)
        else:
            self._journal.usage += Usage.of(usage)

    def _note(self, problem: str) -> None:
        self._journal.problems[problem] += 1
        _log.warning("%s.", problem)


def _parsed(reply: Reply) -> Any:
    """The JSON of a good answer; None for any other, and for what is no JSON."""
    try:
        return None if reply.problem else json.loads(reply.content)
    except (ValueError, RecursionError):
        return None


def _value(setting: str | None) -> str | None:
    # Dagster puts in the value when it starts a run; outside of runs nobody has done it.
    text = setting.get_value() if isinstance(setting, dg.EnvVar) else setting
    return text if text and text.strip() else None
