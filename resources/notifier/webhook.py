"""Messages to a webhook that takes JSON with a `text`: Slack, Mattermost, Teams and the like.

The URL is the whole credential, so it reaches no log line, no exception and no representation.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import sleep
from typing import cast

import dagster as dg
import httpx
from pydantic import Field
from tenacity import (
    Future,
    RetryCallState,
    Retrying,
    retry_if_result,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from resources.notifier.base import Message, NotificationFailed, Notifier

URL_VARIABLE = "QUINTET_ALERT_WEBHOOK_URL"
ATTEMPTS = 5
MOST_SECONDS = 45  # A sensor's evaluation is given 60.
TIMEOUT = httpx.Timeout(10.0)

_backoff = wait_random_exponential(multiplier=0.5, max=10)


class WebhookNotifier(Notifier):
    """Posts `{"text": …}` to one URL.

    A failed connection, a time-out (10 s), 429 and 5xx are tried again, 5 times and 45 s in all, after the
    pause that the server asks for in Retry-After or after a random growing one. Any other answer is final.
    """

    url: str | None = Field(default=None, repr=False, description=f"Secret; from {URL_VARIABLE}.")

    def _deliver(self, message: Message) -> None:
        # Dagster puts in the value when it starts a run; outside of runs nobody has done it.
        url = self.url.get_value() if isinstance(self.url, dg.EnvVar) else self.url
        if not url:
            raise NotificationFailed(f"There is no webhook to notify: set {URL_VARIABLE} to its URL.")
        repeated = Retrying(
            retry=retry_if_result(lambda attempt: attempt.may_be_repeated),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(MOST_SECONDS),
            wait=_pause,
            sleep=sleep,
            retry_error_callback=_outcome,
        )
        attempt: _Attempt = repeated(_post, url, {"text": str(message)})
        if attempt.problem:
            raise NotificationFailed(f"The webhook in {URL_VARIABLE} {attempt.problem}.")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What became of one request: a result, since an exception of httpx would carry the URL."""

    problem: str | None
    may_be_repeated: bool = False
    asked_pause: float | None = None


def _post(url: str, body: dict[str, str]) -> _Attempt:
    try:
        with _unlogged():
            answer = httpx.post(url, json=body, timeout=TIMEOUT)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
        return _Attempt("is no http or https URL; correct it")
    except httpx.TransportError as error:
        return _Attempt(f"could not be reached ({type(error).__name__})", may_be_repeated=True)
    if answer.is_success:
        return _Attempt(None)
    if answer.status_code == 429 or answer.is_server_error:
        problem = f"answered {answer.status_code} again and again"
        return _Attempt(problem, may_be_repeated=True, asked_pause=_retry_after(answer))
    return _Attempt(f"answered {answer.status_code}; check that it still exists")


def _retry_after(answer: httpx.Response) -> float | None:
    """The pause that the server asks for, in seconds; it may give a number or a date."""
    asked = answer.headers.get("Retry-After", "")
    try:
        seconds = (
            float(asked) if asked[:1].isdigit() else parsedate_to_datetime(asked).timestamp() - time.time()
        )
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _outcome(state: RetryCallState) -> _Attempt:
    return cast("Future", state.outcome).result()  # tenacity asks after an attempt only.


def _pause(state: RetryCallState) -> float:
    asked = _outcome(state).asked_pause
    return _backoff(state) if asked is None else asked


# httpx logs the URL of every request, at level INFO.
_posting: ContextVar[bool] = ContextVar("posting", default=False)
logging.getLogger("httpx").addFilter(lambda _: not _posting.get())


@contextmanager
def _unlogged() -> Iterator[None]:
    token = _posting.set(True)
    try:
        yield
    finally:
        _posting.reset(token)
