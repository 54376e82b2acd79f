"""What an engine's log says: how far it is, that it is done, that it failed.

Both engines write stdout and stderr to one log. It is read while it grows, in pieces that end anywhere, and
judged line by line; only the beginning of a line and a few lines are kept, however much an engine writes.

Not here: what follows from it (`evidence`), and how the bytes come here (the compute host).
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from assets.beams.progress import engine_progress

EngineName = Literal["mcsquare", "moqui"]

LONGEST_LINE: Final = 1024
"""Bytes of a line that are kept: everything that is looked for stands before."""
TAIL_BYTES: Final = 4096
NO_FREE_GPU: Final = "No free GPU remains after BeamLayerMultiGpu filtering"

_EXCERPT_LINES: Final = 10
_FAILURE: Final = re.compile(rf"FATAL ERROR|ERROR:|Segmentation fault|.*{NO_FREE_GPU}")
_COMPLETION: Final[Mapping[EngineName, re.Pattern[str]]] = {
    "mcsquare": re.compile(r"Total computation time:"),
    "moqui": re.compile(r"Total execution time:|Time taken by MC engine:"),
}
_PERCENT: Final = re.compile(r"\s*([0-9]{1,3})\.([0-9]) %")
_BATCH: Final = re.compile(r"Generating particles for \(([0-9]{1,9}) of ([0-9]{1,9}) batches\)")
_LOST: Final = re.compile(
    r"Nbr primaries simulated: ([0-9]{1,12}) \(([0-9]{1,12}) generated outside the geometry\)"
)


class LineStream:
    """Bytes in pieces to whole lines; of a longer line only the first `LONGEST_LINE` bytes."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, piece: bytes) -> Iterator[str]:
        """The lines that end in this piece, without their ends; a caller takes them all."""
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._keep(part)
            yield self._taken()
        self._keep(rest)

    def close(self) -> Iterator[str]:
        """The last line, if nothing ended it."""
        if self._begun:
            yield self._taken()

    def _keep(self, part: bytes) -> None:
        self._begun += part[: LONGEST_LINE - len(self._begun)]

    def _taken(self) -> str:
        line = self._begun.decode("utf-8", "replace").removesuffix("\r")
        self._begun.clear()
        return line


class EngineLog:
    """The log of one attempt of an engine, fed as it grows."""

    def __init__(self, engine: EngineName) -> None:
        self._engine: Final[EngineName] = engine
        self._lines = LineStream()
        self._latest: deque[str] = deque(maxlen=_EXCERPT_LINES)
        self._before_failure: tuple[str, ...] = ()
        self._tail = b""
        self.size = 0
        """Bytes fed so far: where in the log the next piece begins."""
        self.progress: float | None = None
        """The progress of the beam, 40 to 90, that the engine last gave; it never falls."""
        self.completion_line: str | None = None
        """The first line that says the engine is done."""
        self.failure_line: str | None = None
        """The first line that says it failed."""
        self.lost_share = 0.0
        """The share of protons that the CPU engine began outside of the phantom: their dose is missing."""

    def feed(self, piece: bytes) -> None:
        """Read the next piece of the log; it may end anywhere."""
        self.size += len(piece)
        self._tail = (self._tail + piece[-TAIL_BYTES:])[-TAIL_BYTES:]
        for line in self._lines.feed(piece):
            self._read(line)

    def close(self) -> None:
        """The engine has ended: what it wrote without a line end is a line too."""
        for line in self._lines.close():
            self._read(line)

    @property
    def excerpt(self) -> str:
        """The lines up to the failure line, else the last ones."""
        return "\n".join(self._before_failure or self._latest)

    @property
    def tail(self) -> str:
        """The last 4 KiB."""
        return self._tail.decode("utf-8", "replace")

    def _read(self, line: str) -> None:
        self._latest.append(line)
        if self.failure_line is None and _FAILURE.match(line):
            self.failure_line = line
            self._before_failure = tuple(self._latest)
        if self.completion_line is None and _COMPLETION[self._engine].match(line):
            self.completion_line = line
        if (progress := _progress(self._engine, line)) is not None:
            self.progress = max(self.progress or 0.0, progress)
        if self._engine == "mcsquare" and (lost := _LOST.match(line)):
            self.lost_share = int(lost[2]) / max(int(lost[1]), 1)


def _progress(engine: EngineName, line: str) -> float | None:
    if engine == "mcsquare":
        stated = _PERCENT.match(line)
        done, all_of_it = (int(stated[1] + stated[2]), 1000) if stated else (0, 0)
    else:
        stated = _BATCH.search(line)
        done, all_of_it = (int(stated[1]), int(stated[2])) if stated else (0, 0)
    return engine_progress(done, all_of_it) if 0 <= done <= all_of_it and all_of_it else None
