"""The embedded ranker with the failures that a test or a rehearsal asks for."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count

from pydantic import Field

from resources.waves.base import CamsBySegment
from resources.waves.embedded import EmbeddedWaves
from resources.waves.engine import Engine
from resources.waves.journal import Journal
from resources.waves.values import Answer, Cam, Parameters, ScoreSource, Usage, failed_answer


class FaultyWaves(EmbeddedWaves):
    """Answers as the ranker does, but for what its fields spoil; without any it spoils nothing.

    Each run begins anew, so a run is the same when it is repeated.
    """

    failing: dict[str, int] = Field(
        default_factory=dict, description="By Vehicle, how many times the CAMs of it are an UPSTREAM_ERROR."
    )
    failing_batches: list[int] = Field(
        default_factory=list,
        description="Which batches or pages fail whole, numbered from 1 as they are asked.",
    )
    prompt_tokens: int = Field(default=0, description="What every batch costs that does not fail.")
    candidate_tokens: int = Field(default=0, description="What every batch costs that does not fail.")

    @asynccontextmanager
    async def _engine(
        self,
        scores: ScoreSource,
        cams_by_segment: CamsBySegment,
        parameters: Parameters,
        timeout_s: float,
        journal: Journal,
    ) -> AsyncIterator[Engine]:
        async with super()._engine(scores, cams_by_segment, parameters, timeout_s, journal) as engine:
            total = self.prompt_tokens + self.candidate_tokens
            price = Usage(self.prompt_tokens, self.candidate_tokens, total)
            yield FaultyEngine(engine, self.failing, self.failing_batches, price, journal)


class FaultyEngine(Engine):
    """Passes on to another engine, and spoils some of its answers."""

    def __init__(
        self,
        engine: Engine,
        failing: Mapping[str, int],
        failing_batches: Sequence[int],
        price: Usage,
        journal: Journal,
    ) -> None:
        self._engine = engine
        self._failures_left = Counter(failing)
        self._failing_batches = frozenset(failing_batches)
        self._numbers = count(1)
        self._price = price
        self._journal = journal

    async def batch(self, run_id: str, cams: Sequence[Cam]) -> Sequence[Answer]:
        """The answers of the other engine, with the failures."""
        if self._fails():
            return [failed_answer(cam.vehicle, cam.size, "BATCH_FAILED") for cam in cams]
        return [self._spoilt(answer) for answer in await self._engine.batch(run_id, cams)]

    async def segments(self) -> Sequence[str]:
        """Those of the other engine."""
        return await self._engine.segments()

    async def page(self, segment: str, offset: int, top_n: int) -> Sequence[Answer]:
        """The answers of the other engine, with the failures."""
        if self._fails():
            return [failed_answer(None, None, "BATCH_FAILED") for _ in range(top_n)]
        return [self._spoilt(answer) for answer in await self._engine.page(segment, offset, top_n)]

    def _fails(self) -> bool:
        if next(self._numbers) in self._failing_batches:
            self._journal.problems["The batch was meant to fail"] += 1
            return True
        self._journal.usage += self._price
        return False

    def _spoilt(self, answer: Answer) -> Answer:
        vehicle, size = answer["Vehicle"], answer["Size"]
        if self._failures_left[vehicle] <= 0:
            return answer
        self._failures_left[vehicle] -= 1
        return failed_answer(vehicle, size, "UPSTREAM_ERROR")
