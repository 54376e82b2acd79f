"""How often a strategy marks its place.

Not here: what a mark promises (`contract.Mark`).
"""

from typing import Final

from assets.discovery.contract import Ask

USUAL: Final = 1000
"""Candidates between two marks: the size of the batches that the engine takes."""


def marks_every(ask: Ask) -> int:
    """After how many candidates to mark: each of them where a limit may cut, so that none is read twice."""
    return USUAL if ask.limit is None else 1
