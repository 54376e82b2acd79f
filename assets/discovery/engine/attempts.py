"""One attempt: a handler at work on one item in a thread of its own, and what its end means for the ledger.

A thread cannot be killed. An attempt that takes too long, or that must end now, is told so at the next call
of `add_cost`, `log` or `http` that its handler makes; what it returns after that is not waited for. What it
spends even then is booked.

Not here: when attempts start and how their ends are written (`draining`).
"""

import asyncio
import inspect
import json
import logging
import sqlite3
import traceback
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final

from assets.discovery.contract import AuthFailure, RateLimited, Skip, Snooze, Work
from assets.discovery.credentials import hidden
from assets.discovery.engine.payloads import payload_of, store_payload
from assets.discovery.handler_modules import Handler
from assets.discovery.keys import canonical_json, idempotency_key, storable_text
from assets.discovery.ledger import outcomes
from assets.discovery.ledger.claims import Claim
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.items import ItemContent
from assets.discovery.ledger.outcomes import Outcome
from assets.discovery.ledger.results import Result
from assets.discovery.web import Answer, Web, failures_of_the_web
from assets.failures import NotReady, PermanentFailure, TransientFailure

_LONGEST_ERROR: Final = 2000
_SHORTEST_WAIT_S: Final = 1
"""What asks to wait is not counted as an attempt: without a second in between it could be asked for ever."""
_LONGEST_WAIT_S: Final = 366 * 86_400
_DEAREST_MICROS: Final = 10**15
"""A thousand million USD: more is no price, and its sums would not fit the ledger."""

_log = logging.getLogger("quintet.discovery")


class AttemptEnded(BaseException):
    """Raised into a handler whose attempt is over: nothing that it does any more counts.

    No `Exception`, so that a handler which catches every error of a call does not go on.
    """


class OverItemBudget(PermanentFailure):
    """The item has spent all that it may."""


@dataclass(frozen=True, slots=True)
class Station:
    """What all attempts at one stage of a job have in common in a drain.

    `secrets` are the values that references in the parameters stand for; `limiter` waits along when the
    source asks for it.
    """

    job_id: str
    stage: str
    handler: Handler
    params: Mapping[str, Any]
    timeout_s: float
    web: Web
    ledger_path: Path
    clock: Callable[[], int]
    loop: asyncio.AbstractEventLoop
    limiter: str | None = None
    item_budget_micros: int | None = None
    secrets: Collection[str] = ()

    def without_secrets(self, text: str) -> str:
        """A text that may be stored and shown."""
        return storable_text(hidden(text, self.secrets))


@dataclass(frozen=True, slots=True)
class Assignment:
    """One claim with all that its handler needs. `item_spent` is what the item cost before, in micros."""

    claim: Claim
    content: ItemContent
    inputs: Mapping[str, Result]
    item_spent: int = 0


class Attempt:
    """A handler at work on one assignment; `on_end` is called once, in its thread, at the end."""

    def __init__(
        self, station: Station, assignment: Assignment, on_end: Callable[["Attempt", Outcome], None]
    ) -> None:
        self.station, self.assignment, self.claim = station, assignment, assignment.claim
        self.deadline = station.clock() + round(station.timeout_s * 1000)
        self._on_end = on_end
        self._over = Event()
        self._task: asyncio.Future[Any] | None = None
        self._lock = Lock()
        self._costs: list[Cost] = []
        self._spent = assignment.item_spent

    def start(self) -> None:
        """Begin. The thread does not keep the process alive."""
        name = f"{self.claim.job_id}/{self.claim.stage}/{self.claim.item_id}"
        Thread(target=self._run, name=name, daemon=True).start()

    def end(self) -> None:
        """Tell the handler, at its next call, that its attempt is over; one that awaits is cancelled."""
        if self._over.is_set():
            return
        self._over.set()
        if (task := self._task) is not None:
            self.station.loop.call_soon_threadsafe(task.cancel)

    def take_costs(self) -> list[Cost]:
        """What was spent since this was asked last."""
        with self._lock:
            costs, self._costs = self._costs, []
            return costs

    def _run(self) -> None:
        try:
            outcome = self._outcome()
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is this attempt's failure.
            outcome = self._after(error)
        self._on_end(self, outcome)

    def _after(self, error: BaseException) -> Outcome:
        if self._over.is_set():  # It was told to end; what that led to is no failure of its own.
            return outcomes.Released("its attempt was over")
        try:
            return self._failure(error)
        except Exception as second:  # noqa: BLE001 - the error itself is broken, and cannot be shown.
            name = type(error).__name__
            return outcomes.Failed("code", f"{name}, which cannot be read: {type(second).__name__}", name)

    def _outcome(self) -> Outcome:
        handler = self.station.handler
        with failures_of_the_web():
            returned: Any = handler.handle(self._work())
            if inspect.isawaitable(returned):
                returned = self._awaited(returned)
        match returned:
            case Skip(reason):
                return outcomes.Skipped(_cut(self.station.without_secrets(str(reason))), handler.version)
            case Snooze(seconds):
                return outcomes.Snoozed(_wait_ms(seconds))
            case Mapping():
                return self._done(returned)
            case _:
                raise TypeError(
                    f"{handler.module} returned {type(returned).__name__}; "
                    "a handler returns a JSON object, Skip or Snooze"
                )

    def _done(self, payload: Mapping[str, Any]) -> outcomes.Done:
        handler = self.station.handler
        try:
            stored = store_payload(self.station.ledger_path, dict(payload))
        except ValueError as error:
            raise TypeError(
                f"{handler.module} returned a payload that is no JSON ({error}); "
                "return an object of texts, finite numbers, lists and objects"
            ) from None
        return outcomes.Done(
            handler.version,
            stored.output_hash,
            stored.payload_json,
            stored.blob_path,
            stored.size,
            handler.logic_hash,
        )

    def _awaited(self, returned: Any) -> Any:
        """What is awaited, at its very end: also one that was cancelled may have something to clean up."""
        ended: Future[Any] = Future()

        def begin() -> None:
            try:
                task = self._task = asyncio.ensure_future(returned, loop=self.station.loop)
                task.add_done_callback(ended.set_result)
            except BaseException as error:  # noqa: BLE001 - the thread that waits is to raise it.
                ended.set_exception(error)
            else:
                if self._over.is_set():
                    task.cancel()

        self.station.loop.call_soon_threadsafe(begin)
        return ended.result().result()

    def _work(self) -> Work:
        claim, content, path = self.claim, self.assignment.content, self.station.ledger_path
        inputs = {name: payload_of(path, result) for name, result in self.assignment.inputs.items()}
        return Work(
            job_id=claim.job_id,
            item_id=claim.item_id,
            key=content.key,
            revision=claim.revision,
            data=json.loads(content.data_json),
            url=content.url,
            title=content.title,
            published_at=content.published_at,
            stage=claim.stage,
            attempt=claim.attempt,
            params=deepcopy(dict(self.station.params)),
            inputs=inputs,
            idempotency_key=idempotency_key(claim.job_id, content.key, claim.stage, claim.revision),
            http=_Watched(self.station.web, self._require_going),
            add_cost=self._add_cost,
            log=self._write_log,
        )

    def _add_cost(
        self,
        micros: int | None,
        provider: str = "",
        model: str = "",
        units: Mapping[str, Any] | None = None,
    ) -> None:
        if micros is not None and (type(micros) is not int or not 0 <= micros <= _DEAREST_MICROS):
            raise TypeError(f"a cost is whole micro-USD, or None for an unknown price, and not {micros!r}")
        details, mistake = _priced(provider, model, units)
        with self._lock:
            self._costs.append(Cost(micros, *details))
            self._spent += micros or 0
        if mistake:  # What was spent was spent, however it is described.
            raise TypeError(mistake)
        self._require_going()
        budget = self.station.item_budget_micros
        if budget is not None and self._spent > budget:
            raise OverItemBudget(
                f"{self.assignment.content.key} has cost {self._spent / 1e6:.6f} USD, more than the "
                f"{budget / 1e6:.6f} USD of per_item_usd; raise the limit or skip the item"
            )

    def _write_log(self, text: str, **fields: object) -> None:
        self._require_going()
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        place = f"{self.claim.job_id}/{self.claim.stage} {self.assignment.content.key}"
        _log.info("%s: %s", place, self.station.without_secrets(f"{text} {words}".rstrip()))

    def _require_going(self) -> None:
        if self._over.is_set():
            raise AttemptEnded

    def _failure(self, error: BaseException) -> Outcome:
        text = _cut(self.station.without_secrets(str(error)) or type(error).__name__)
        match error:
            case RateLimited():
                until = self.station.clock() + _wait_ms(error.retry_after_s)
                outcome = outcomes.RateLimited(until, text, self.station.limiter)
            case AuthFailure():
                outcome = outcomes.AuthRefused(text)
            case PermanentFailure():
                kind = "budget" if isinstance(error, OverItemBudget) else "permanent"
                outcome = outcomes.Failed(kind, text)
            case _ if _is_passing(error):
                outcome = outcomes.Failed("transient", text)
            case _:
                outcome = self._defect(error, text)
        return outcome

    def _defect(self, error: BaseException, text: str) -> outcomes.Failed:
        name = type(error).__name__
        trace = self.station.without_secrets("".join(traceback.format_exception(error)))
        _log.warning("%s/%s: a defect of the handler: %s", self.claim.job_id, self.claim.stage, trace)
        return outcomes.Failed("code", _cut(f"{name}: {text}") if str(error) else name, name)

    def timed_out(self) -> outcomes.Failed:
        """What becomes of an attempt that has taken longer than `timeout_s`."""
        text = f"stage {self.claim.stage} took longer than its timeout_s of {self.station.timeout_s:g} s"
        return outcomes.Failed("transient", text, "timeout")


def _is_passing(error: BaseException) -> bool:
    """Whether another try may succeed without anybody doing anything."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return isinstance(error, (TransientFailure, NotReady, TimeoutError, ConnectionError))


def _wait_ms(seconds: object) -> int:
    """Milliseconds of a wait that a handler asks for, brought within bounds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isfinite(seconds):
        raise TypeError(f"a handler asks to wait for a number of seconds, and not for {seconds!r}")
    return round(min(max(seconds, _SHORTEST_WAIT_S), _LONGEST_WAIT_S) * 1000)


def _priced(
    provider: object, model: object, units: object
) -> tuple[tuple[str, str, dict[str, Any]], str | None]:
    """What a cost was for, as the ledger can keep it, and what is wrong with it, if anything."""
    names = storable_text(str(provider)), storable_text(str(model))
    try:
        counted = json.loads(canonical_json(dict(units or {})))  # pyright: ignore[reportCallIssue, reportArgumentType] # what is no mapping raises
    except (TypeError, ValueError) as error:
        return (*names, {}), f"the units of a cost are a JSON object, and not {units!r:.100} ({error})"
    return (*names, counted), None


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 1]}…"


class _Watched:
    """The web for one attempt: it stops answering when the attempt is over."""

    def __init__(self, web: Web, require_going: Callable[[], None]) -> None:
        self._web, self._require_going = web, require_going

    def fetch(self, url: str, **options: Any) -> Answer:
        """As the web does."""
        self._require_going()
        return self._web.fetch(url, **options)
