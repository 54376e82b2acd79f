"""The one handle for recommendations, and everything that its variants have in common.

Not here: how a list is made (`ranker`), how a service is asked (`service`), and in which order (`driver`).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import dagster as dg

from resources.waves.driver import ask_runlist, ask_segments
from resources.waves.engine import Engine
from resources.waves.journal import Journal
from resources.waves.values import Answer, Cam, Pace, Parameters, ScoreSource, SegmentPlan

CamsBySegment = Mapping[str, Sequence[Cam]]


class Waves(dg.ConfigurableResource, ABC):
    """Ranked tyres for CAMs: the same promises from the embedded ranker and from the service.

    A batch or page that fails ends no run: its CAMs are answered with `success` false and `BATCH_FAILED`.
    What ends a run, before or after some batches, is in `errors`; the journal tells what happened until then.
    The methods run an event loop of their own, so they are not for callers inside one.
    """

    def recommend(
        self,
        cams: Sequence[Cam],
        *,
        scores: ScoreSource,
        parameters: Parameters,
        pace: Pace,
        started: datetime,
        journal: Journal,
    ) -> list[Answer]:
        """Ask for all CAMs in batches, and once more for those that failed; one answer each, in order.

        `started`, with its zone, names the run to the service: `global_<YYYYMMDD_HHMMSS>` in UTC, and the
        same with `_retry` in the second pass. An answer belongs to the CAM at its place, whatever it echoes.
        """
        run_id = f"global_{started.astimezone(UTC):%Y%m%d_%H%M%S}"

        async def ask() -> list[Answer]:
            async with self._engine(scores, {}, parameters.within_range(), pace.timeout_s, journal) as engine:
                return await ask_runlist(engine, cams, pace, journal, run_id)

        return asyncio.run(ask()) if cams else []

    def recommend_segments(
        self,
        cams_by_segment: CamsBySegment,
        *,
        scores: ScoreSource,
        parameters: Parameters,
        plan: SegmentPlan,
        journal: Journal,
    ) -> list[Answer]:
        """Ask for segments page by page; the answers in the order of segments and offsets, one per attempt.

        The service has its own segments and CAMs; the embedded ranker takes those given, segments sorted. A
        page that failed is as many failures as it asked for, without Vehicle and Size.
        """

        async def ask() -> list[Answer]:
            engine_for = self._engine(
                scores, cams_by_segment, parameters.within_range(), plan.timeout_s, journal
            )
            async with engine_for as engine:
                return await ask_segments(engine, plan, journal)

        return asyncio.run(ask())

    @abstractmethod
    def _engine(
        self,
        scores: ScoreSource,
        cams_by_segment: CamsBySegment,
        parameters: Parameters,
        timeout_s: float,
        journal: Journal,
    ) -> AbstractAsyncContextManager[Engine]:
        """Open what a run needs. Entering it logs in, or reads the scores."""
