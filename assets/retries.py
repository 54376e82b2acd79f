"""The one translation of failures into Dagster's retry world.

Dagster retries in two places which do not know of each other: inside the run (`RetryRequested`, a policy on
the step) and as a new run (`run_retries` of the instance). They multiply, and `Failure(allow_retries=False)`
speaks to the first only. So a step body runs under `translated_failures`, which answers for both, and has no
`retry_policy` of its own.

- `TransientFailure`, `ConnectionError`, `TimeoutError`: the step is tried again, later and later, then fails.
- `NotReady`: the step looks again at a fixed interval, then fails and names what it waited for.
- `PermanentFailure`, `FileNotFoundError`, `PermissionError`: the step fails at once, and no new run starts.
- Anything else is a defect of ours and passes unchanged.

Resources raise the standard library's kinds, since they do not know `assets.failures`.

Not here: retries of a single call (each resource has its own, shorter ones).
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from assets.failures import NotReady, PermanentFailure, TransientFailure

RUN_RETRY_TAG = "dagster/retry_on_asset_or_op_failure"
"""The run tag that overrides `run_retries.retry_on_asset_or_op_failure` of the instance for this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a step is tried again, and how many seconds lie between.

    Dagster counts the attempts of a step, not their reasons: retries and looks share one count.
    """

    retries: int = 4
    """Further attempts after a transient failure."""
    first_wait: float = 5.0
    """Seconds before the first retry; doubles with each."""
    longest_wait: float = 120.0
    """No wait is longer, in seconds."""
    looks: int = 10
    """Further looks for what was not ready."""
    look_every: float = 60.0
    """Seconds between two looks."""

    def wait_before_retry(self, attempts_before: int) -> float:
        """Return the seconds to wait, the upper half random: many steps do not come back together."""
        longest = min(self.longest_wait, self.first_wait * 2**attempts_before)
        return random.uniform(longest / 2, longest)  # noqa: S311 (jitter, not a secret)


DEFAULT_PATIENCE = Patience()


@contextmanager
def translated_failures(
    context: dg.OpExecutionContext | dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    patience: Patience | None = None,
) -> Iterator[None]:
    """Run the body of a step; whatever kind of failure leaves it, Dagster hears what to do.

    Wrap the whole body, yields included. Without `patience`, `DEFAULT_PATIENCE` holds.

    Raises:
        dagster.RetryRequested: the step will be tried again.
        dagster.Failure: the step is over; the description is the failure's own sentence.
    """
    patience = patience or DEFAULT_PATIENCE
    try:
        yield
    except NotReady as waiting:
        if context.retry_number < patience.looks:
            raise dg.RetryRequested(patience.looks, patience.look_every) from waiting
        looks = context.retry_number + 1
        raise dg.Failure(
            f"Still not ready after {looks} looks: {waiting}" if looks > 1 else str(waiting)
        ) from waiting
    except (PermanentFailure, FileNotFoundError, PermissionError) as failure:
        context.instance.add_run_tags(context.run.run_id, {RUN_RETRY_TAG: "false"})
        raise dg.Failure(_sentence(failure), allow_retries=False) from failure
    except (TransientFailure, ConnectionError, TimeoutError) as failure:
        if context.retry_number < patience.retries:
            wait = patience.wait_before_retry(context.retry_number)
            raise dg.RetryRequested(patience.retries, wait) from failure
        raise dg.Failure(_sentence(failure)) from failure


def _sentence(failure: Exception) -> str:
    """Return the message; clients raise some errors, time-outs above all, without any."""
    return str(failure) or type(failure).__name__
