"""In which order and how many at once: batches of a runlist in two passes, pages of segments.

One piece of code for every variant. Everything here runs in one event loop, so nothing needs a lock.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from resources.waves.engine import Engine
from resources.waves.journal import Failure, Journal, Progress
from resources.waves.values import Answer, Cam, Pace, SegmentPlan

_Piece: TypeAlias = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


async def ask_runlist(
    engine: Engine, cams: Sequence[Cam], pace: Pace, journal: Journal, run_id: str
) -> list[Answer]:
    """One answer for each CAM, at its place, whatever came back first.

    What has no good answer after the first pass is asked once more, in order and cut into batches anew; there
    only good answers replace.
    """
    return await _Runlist(engine, cams, pace, journal).ask(run_id)


async def ask_segments(engine: Engine, plan: SegmentPlan, journal: Journal) -> list[Answer]:
    """The answers of all pages, in the order of segments and offsets; failures stand for a page that failed.

    So the length of the list is the number of CAMs attempted. There is no second pass.
    """
    segments = _wanted(await engine.segments(), plan.limit_to)
    offsets = range(0, plan.total_per_segment, plan.page_size)
    watch = _Watch(journal)
    watch.begin(len(segments) * len(offsets), second_pass=False)
    pages: dict[tuple[str, int], Sequence[Answer]] = {}

    async def page(segment: str, offset: int) -> None:
        top_n = min(plan.page_size, plan.total_per_segment - offset)
        answers = pages[segment, offset] = await engine.page(segment, offset, top_n)
        watch.attempted += len(answers)
        watch.tell(journal.judge(answers), [_echo(answer) for answer in answers])

    async def segment(name: str) -> None:
        await _at_once((partial(page, name, offset) for offset in offsets), plan.pages_in_flight)

    await _at_once((partial(segment, name) for name in segments), plan.segments_in_flight)
    return [answer for name in segments for offset in offsets for answer in pages[name, offset]]


class _Runlist:
    def __init__(self, engine: Engine, cams: Sequence[Cam], pace: Pace, journal: Journal) -> None:
        self._engine, self._cams, self._pace, self._journal = engine, cams, pace, journal
        self._watch = _Watch(journal, attempted=0)
        self._answers: list[Answer] = [None] * len(cams)
        self._good = [False] * len(cams)

    async def ask(self, run_id: str) -> list[Answer]:
        await self._pass(range(len(self._cams)), run_id, second_pass=False)
        missing = [place for place, good in enumerate(self._good) if not good]
        await self._pass(missing, f"{run_id}_retry", second_pass=True)
        return self._answers

    async def _pass(self, places: Sequence[int], run_id: str, second_pass: bool) -> None:
        size = self._pace.batch_size
        batches = [places[first : first + size] for first in range(0, len(places), size)]
        self._watch.begin(len(batches), second_pass)
        pieces = (partial(self._batch, batch, run_id, second_pass) for batch in batches)
        await _at_once(pieces, self._pace.in_flight)

    async def _batch(self, places: Sequence[int], run_id: str, second_pass: bool) -> None:
        cams = [self._cams[place] for place in places]
        answers = await self._engine.batch(run_id, cams)
        codes = self._journal.judge(answers)
        for place, answer, code in zip(places, answers, codes, strict=True):
            self._good[place] = code is None
            if code is None or not second_pass:
                self._answers[place] = answer
        if not second_pass:
            self._watch.attempted += len(cams)
        self._watch.tell(codes, [(cam.vehicle, cam.size) for cam in cams])


@dataclass
class _Watch:
    """Counts, and calls `on_batch`."""

    journal: Journal
    attempted: int = 0
    succeeded: int = 0
    finished: int = 0
    batches: int = 0
    second_pass: bool = False

    def begin(self, batches: int, second_pass: bool) -> None:
        self.finished, self.batches, self.second_pass = 0, batches, second_pass

    def tell(self, codes: Sequence[str | None], names: Iterable[tuple[str | None, str | None]]) -> None:
        failures = [Failure(*name, code) for name, code in zip(names, codes, strict=True) if code is not None]
        self.finished += 1
        self.succeeded += len(codes) - len(failures)
        self.journal.on_batch(
            Progress(self.finished, self.batches, self.second_pass, self.attempted, self.succeeded, failures)
        )


def _wanted(offered: Sequence[str], limit_to: Sequence[str]) -> list[str]:
    """Each segment once, in the order offered."""
    if unknown := [name for name in limit_to if name not in offered]:
        _log.warning("There is no segment %s; there are %s.", ", ".join(unknown), ", ".join(offered))
    return [name for name in dict.fromkeys(offered) if not limit_to or name in limit_to]


def _echo(answer: Answer) -> tuple[str | None, str | None]:
    return (answer.get("Vehicle"), answer.get("Size")) if isinstance(answer, dict) else (None, None)


async def _at_once(pieces: Iterable[_Piece], limit: int) -> None:
    """Carry out all pieces, `limit` at a time, begun in order; the first error ends the others."""
    gate = asyncio.Semaphore(limit)

    async def carry_out(piece: _Piece) -> Any:
        async with gate:
            await piece()

    tasks = [asyncio.create_task(carry_out(piece)) for piece in pieces]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
