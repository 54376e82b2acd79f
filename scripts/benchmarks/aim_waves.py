"""Batches over the loopback server, in a process of its own, at several in flight.

With no more than the ranker's own work behind it, a server on the same two cores gains nothing from several
batches at once; with the latency of a real service it does. Not here: the ranker alone (`aim_answers`).
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from resources.waves import Answer, EmbeddedWaves, HttpWaves, Pace
from scripts.benchmarks.aim_answers import cams_of, recommended, scores_of, work_list
from scripts.benchmarks.aim_stages import SCORES_FILE
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch
from scripts.benchmarks.processes import started
from scripts.sample_data.aim_shop import Scale

_BATCH: Final = 500
_IN_FLIGHT: Final = (1, 4, 8)


def measure_waves(root: Path, scale: Scale, latency: float) -> Part:
    """Ask the server for all CAMs. Raises `BenchmarkFailed` where its answers are not the ranker's."""
    scores, cams = scores_of(root), cams_of(work_list(root, scale.cams))
    expected = recommended(EmbeddedWaves(), cams, Pace(), scores)
    batches = -(-len(cams) // _BATCH)
    lines = []
    for seconds in (0.0, latency):
        # Enough for two passes of every line, and to spare.
        slow = [f"slow:{seconds:g}"] * (2 * (batches + 1) * len(_IN_FLIGHT))
        with _served(root / SCORES_FILE, slow if seconds else []) as url:
            waves = HttpWaves(url=url)
            recommended(waves, cams[:_BATCH], Pace(_BATCH), scores)  # What is made once is made by now.
            lines += _lines(partial(recommended, waves, cams, scores=scores), expected, seconds)
    return Part(
        f"{batches} batches of {_BATCH} over the loopback server",
        lines,
        [
            f"The latency is {latency:g} s a batch, injected.",
            "With the second pass for what got no list. CPU is that of the client.",
            "All answers are those of the embedded ranker.",
        ],
    )


def _lines(ask: Callable[..., list[Answer]], expected: Sequence[Answer], latency: float) -> list[Line]:
    lines: list[Line] = []
    for in_flight in _IN_FLIGHT:
        watch = Stopwatch()
        answers = ask(pace=Pace(_BATCH, in_flight))
        name = f"{in_flight} in flight, {'with' if latency else 'no'} latency"
        line = Line(name, *watch.lap(), len(answers), "CAMs")
        if answers != expected:
            raise BenchmarkFailed(f"The answers with {in_flight} batches in flight are not the ranker's")
        lines.append(line.compared(lines[0], "1 in flight") if lines else line)
    return lines


@contextmanager
def _served(scores: Path, faults: Sequence[str]) -> Iterator[str]:
    """The address of a server over a score table, until the block ends."""
    command = [sys.executable, "-m", "scripts.waves_server", "--scores", str(scores)]
    command += ["--faults", ",".join(faults)]
    environ = {name: value for name, value in os.environ.items() if name != "AIM_SERVICE_PASSWORD"}
    with started(command, environ) as process:
        line = process.stdout.readline() if process.stdout else ""
        _, found, rest = line.partition("AIM_WAVES_URL=")
        if not found:
            raise BenchmarkFailed("scripts.waves_server did not start; what it said is above")
        yield rest.partition(";")[0]
