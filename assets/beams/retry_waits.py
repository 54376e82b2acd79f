"""How often a case or a beam is tried again, and how long each time is waited before.

Only retryable failures are; a permanent one has one attempt, a pending one is no failure and needs no retry.
Chance is a parameter, so that a sensor plans the same twice.

Not here: the count of retries, which begins anew with a new fingerprint (the registry).
"""

from dataclasses import dataclass
from typing import Final

from assets.beams.failures import CODES, Category

_ENOUGH: Final = 64
"""After so many doublings any wait is the longest; 2.0**1024 would be no float any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How waits grow."""

    first_wait: float = 1.0
    """Seconds before the first retry."""
    factor: float = 2.0
    """What each wait is multiplied by for the next, at least 1."""
    longest_wait: float = 60.0
    """Seconds that no wait exceeds."""

    def wait(self, retries_before: int) -> float:
        """The longest wait, in seconds, before the retry that follows so many others."""
        return min(self.longest_wait, self.first_wait * self.factor ** min(retries_before, _ENOUGH))

    def jittered_wait(self, retries_before: int, chance: float) -> float:
        """The wait to keep, its upper half by `chance` in [0, 1): many beams do not come back together."""
        longest = self.wait(retries_before)
        return longest / 2 + longest / 2 * chance

    def waits(self, attempts: int) -> tuple[float, ...]:
        """All waits of so many attempts, without jitter: one less than there are attempts."""
        return tuple(self.wait(retries) for retries in range(attempts - 1))


BEAM_RETRIES: Final = RetryPolicy()


def may_retry(code: str, category: Category, retries_before: int, most_retries: int) -> bool:
    """Whether what failed so is tried again by itself.

    Args:
        code: of the failure; some may be retried less often than others (`failures.CODES`).
        category: of the failure.
        retries_before: how often it was tried again since its fingerprint is what it is.
        most_retries: `BEAMS_MAX_RETRIES`.

    Raises:
        KeyError: there is no such code.
    """
    limit = CODES[code].most_retries
    allowed = most_retries if limit is None else min(most_retries, limit)
    return category == "retryable" and retries_before < allowed
