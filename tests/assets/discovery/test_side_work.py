"""Work beside a thread that may be interrupted: it is asked to stop, and waited for, but not for ever."""

import threading
import time

import pytest

from assets.discovery import side_work
from assets.discovery.side_work import beside


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(side_work, "TELL_EVERY_S", 0.01)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_the_result_is_returned_and_the_work_has_a_thread_of_its_own():
    stop = threading.Event()
    assert beside(threading.current_thread, stop, 1, lambda: None) is not threading.current_thread()
    assert not stop.is_set()


def test_an_error_of_the_work_is_raised():
    stop = threading.Event()

    def fail() -> None:
        raise ZeroDivisionError("of the work")

    with pytest.raises(ZeroDivisionError, match="of the work"):
        beside(fail, stop, 1, lambda: None)
    assert not stop.is_set()


def test_an_interrupted_waiter_lets_the_work_end_first(impatient):
    stop, order = threading.Event(), []

    def work() -> None:
        assert stop.wait(20)
        time.sleep(0.1)
        order.append("given back")

    with pytest.raises(KeyboardInterrupt):
        beside(work, stop, 20, interrupt)
    assert order == ["given back"]


def test_work_that_does_not_end_is_left_after_its_time(impatient):
    stop, over = threading.Event(), threading.Event()
    with pytest.raises(KeyboardInterrupt):
        beside(lambda: over.wait(20), stop, 0.05, interrupt)
    assert stop.is_set()
    assert not over.is_set()
    over.set()


def test_progress_is_told_while_the_work_lasts(impatient):
    told, enough = [], threading.Event()

    def tell() -> None:
        told.append("so far")
        if len(told) == 3:
            enough.set()

    assert beside(lambda: enough.wait(20), threading.Event(), 1, tell)
    assert len(told) >= 3


def test_an_error_of_telling_ends_nothing_and_is_logged(impatient, caplog):
    tried = threading.Event()

    def tell() -> None:
        tried.set()
        raise OSError("the log is full")

    assert beside(lambda: tried.wait(20), threading.Event(), 1, tell)
    assert "the log is full" in caplog.text
