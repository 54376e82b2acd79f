"""What a variant supplies to the driver: answers to one batch or one page at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from resources.waves.values import Answer, Cam


class Engine(ABC):
    """Asks for one piece at a time. What fails is answered with failures, never raised.

    An engine belongs to one run, whose journal it fills, and to one event loop.
    """

    @abstractmethod
    async def batch(self, run_id: str, cams: Sequence[Cam]) -> Sequence[Answer]:
        """One answer for each CAM, in order."""

    @abstractmethod
    async def segments(self) -> Sequence[str]:
        """The segments on offer, in order. Raises what `errors` lists: without them nothing can be asked."""

    @abstractmethod
    async def page(self, segment: str, offset: int, top_n: int) -> Sequence[Answer]:
        """Up to `top_n` answers of a segment; exactly `top_n` failures if the page failed."""
