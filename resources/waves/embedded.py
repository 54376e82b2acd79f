"""Recommendations without a service: the ranker, over score rows that the caller has."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from resources.waves.base import CamsBySegment, Waves
from resources.waves.engine import Engine
from resources.waves.journal import Journal
from resources.waves.ranker import Ranker
from resources.waves.score_index import ScoreIndex
from resources.waves.values import Answer, Cam, Parameters, ScoreSource


class EmbeddedWaves(Waves):
    """Ranks in this process. It costs no token, sends no request, and no batch of it ever fails."""

    @asynccontextmanager
    async def _engine(
        self,
        scores: ScoreSource,
        cams_by_segment: CamsBySegment,
        parameters: Parameters,
        timeout_s: float,
        journal: Journal,
    ) -> AsyncIterator[Engine]:
        yield RankingEngine(Ranker(ScoreIndex(scores()), parameters), cams_by_segment)


class RankingEngine(Engine):
    """Answers from a ranker. A segment has the CAMs it is given, and the segments are sorted."""

    def __init__(self, ranker: Ranker, cams_by_segment: CamsBySegment) -> None:
        self._ranker = ranker
        self._cams_by_segment = cams_by_segment

    async def batch(self, run_id: str, cams: Sequence[Cam]) -> Sequence[Answer]:
        """One answer for each CAM, in order."""
        await asyncio.sleep(0)  # An interrupt gets its turn between two batches.
        return [self._ranker.answer(cam) for cam in cams]

    async def segments(self) -> Sequence[str]:
        """The given ones, sorted."""
        return sorted(self._cams_by_segment)

    async def page(self, segment: str, offset: int, top_n: int) -> Sequence[Answer]:
        """The answers of the CAMs of a segment from this offset on; fewer at its end."""
        return await self.batch("", self._cams_by_segment[segment][offset : offset + top_n])
