"""Work in a thread beside the one that was asked for it, so that this one can be interrupted."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Event, Thread
from typing import Final, TypeVar

TELL_EVERY_S: Final = 15.0

_Result = TypeVar("_Result")

_log = logging.getLogger("quintet.discovery")


def beside(work: Callable[[], _Result], stop: Event, patience_s: float, tell: Callable[[], None]) -> _Result:
    """Do the work in a thread while this one waits; return or raise what it does.

    Whatever interrupts the waiting (a signal raises in the main thread) sets `stop`; the work then has
    `patience_s` to give back what it holds, and the interruption goes on. The thread does not keep the
    process alive.

    Args:
        work: what to do; it ends soon after `stop` is set.
        stop: what asks the work to end.
        patience_s: how many seconds it may take to.
        tell: called every 15 s while the work lasts; its errors are logged and end nothing.
    """
    outcome: Future[_Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever waits.
            outcome.set_exception(error)

    Thread(target=run, name="discovery-run", daemon=True).start()
    try:
        while not wait([outcome], timeout=TELL_EVERY_S).done:
            _try(tell)
    except BaseException:
        stop.set()
        wait([outcome], timeout=patience_s)
        raise
    return outcome.result()


def _try(tell: Callable[[], None]) -> None:
    try:
        tell()
    except Exception:  # noqa: BLE001 - whatever keeps progress from being told, the work goes on.
        _log.exception("How far the run has come could not be told; the run goes on.")
