"""The random number seed of a beam, for either engine: each has its own noise, the same salt repeats it."""

from hashlib import sha256
from typing import Final

_SEEDS: Final = 2**31 - 2
"""As many as a positive signed 32-bit integer can tell apart, its largest value left out."""


def random_seed(case: str, treatment_index: int, salt: str) -> int:
    """The seed, 1 to 2147483646, of a treatment beam (index from 1) under `BEAMS_RUN_SALT`."""
    digest = sha256(f"{case}|{treatment_index}|{salt}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % _SEEDS
