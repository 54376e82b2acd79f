"""Writes of the book that fail, its heartbeat, and several threads at once."""

import json
import logging
import threading

import pytest

from assets.aim.job_book import HEARTBEAT_SECONDS, JobBook
from assets.aim.job_files import JOB_STATUS, RUN_MANIFEST
from tests.assets.aim.book_places import LOAD, RECOMMEND, REPORT, RUN, SHA, Place, book_in, started


def a_whole_run(book: JobBook) -> None:
    book.start()
    with book.stage(*LOAD) as stage:
        book.ran_sql("assets/aim/sql/a.sql", 10, SHA)
        stage.rows = 2
    with book.stage(*RECOMMEND) as stage:
        book.progress(2, 2)
        book.report(REPORT)
        stage.rows = 2
    book.finish()


def writes_of_a_whole_run() -> int:
    place = Place()
    a_whole_run(book_in(place, RUN))
    return place.tried


@pytest.mark.parametrize("number", range(1, writes_of_a_whole_run() + 1))
def test_a_write_that_fails_leaves_the_old_file_and_the_next_brings_it_up_to_date(number):
    whole, place = Place(), Place(refused=(number,))
    a_whole_run(book_in(whole, RUN))
    book = book_in(place, RUN)
    with pytest.raises(OSError, match="the disk is full"):
        a_whole_run(book)
    place.refused.clear()
    paths = {path for path, _ in whole.written[: number - 1]}
    assert paths <= set(place.files)
    book.fail("the disk is full")
    assert place.status["state"] == "failed"
    stages = [stage["stage"] for stage in place.manifest["stages"]]
    assert stages == [1, 4][: len(stages)]
    assert None not in [stage["outcome"] for stage in place.manifest["stages"]]


def test_a_write_that_fails_does_not_hide_why_the_stage_failed(caplog):
    place = Place(refused=(5,))
    book = started(place)
    with pytest.raises(ValueError, match="bad feed"), book.stage(*LOAD):
        raise ValueError("bad feed")
    assert "the disk is full" in caplog.text
    book.fail("bad feed")
    assert place.manifest["stages"][0]["outcome"] == "failed"


def heartbeats(place: Place) -> list[str]:
    return [json.loads(content)["heartbeat_ts"] for path, content in place.written if path == JOB_STATUS]


def test_a_heartbeat_is_due_every_20_seconds():
    assert HEARTBEAT_SECONDS == 20


def test_a_long_stage_keeps_the_heartbeat_going():
    place = Place()
    book = started(place)
    with book.beating(every=0.001), book.stage(*LOAD):
        tried, manifest = place.tried, place.files[RUN_MANIFEST]
        place.wait_for_tries(tried + 5)
        assert place.files[RUN_MANIFEST] == manifest
        assert place.status["last_log_line"] == "Starting Stage 1: Load Data"
    assert len(set(heartbeats(place))) == len(heartbeats(place)) >= 8
    assert heartbeats(place) == sorted(heartbeats(place))


def test_the_heartbeat_stops_with_its_context_even_after_an_error():
    place = Place()
    book = started(place)

    def work() -> None:
        with book.beating(every=0.001):
            place.wait_for_tries(3)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    assert not [thread for thread in threading.enumerate() if thread.name == f"heartbeat of {RUN}"]


def test_a_long_interval_does_not_delay_the_end():
    place = Place()
    book = started(place)
    with book.beating(every=3600):
        book.finish()
    assert place.status["state"] == "success"


def test_no_heartbeat_follows_the_final_status():
    for _ in range(20):
        place = Place()
        book = started(place)
        with book.beating(every=0.0001):
            place.wait_for_tries(4)
            book.finish()
            final = dict(place.files)
            threading.Event().wait(0.002)
        assert place.files == final
        assert place.status["state"] == "success"


def test_a_heartbeat_that_cannot_be_written_is_a_warning_and_the_next_one_is_tried(caplog):
    place = Place(refused=(3, 4))
    book = started(place)
    with caplog.at_level(logging.WARNING), book.beating(every=0.001):
        place.wait_for_tries(6)
        book.progress(1, 1)
    assert caplog.text.count(f"The files of run {RUN} could not be written: the disk is full") == 2
    assert place.status["progress"]["attempted"] == 1


class OneAtATime(Place):
    """A place where writes take a while, and which notices if they overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.overlaps = 0
        self._busy = threading.Lock()

    def write(self, path: str, content: bytes) -> None:
        if not self._busy.acquire(blocking=False):
            self.overlaps += 1
            return
        threading.Event().wait(0.001)
        super().write(path, content)
        self._busy.release()


def test_writes_do_not_overtake_each_other():
    place = OneAtATime()
    book = started(place)
    threads = [threading.Thread(target=book.progress, args=(number, number)) for number in range(20)]
    with book.beating(every=0.0001):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert place.overlaps == 0


def test_threads_that_report_at_once_leave_whole_files_in_order():
    place = Place()
    book = started(place)

    def work(worker: int) -> None:
        for number in range(20):
            book.progress(number, number // 2, line=f"Processing batch {number}/20")
            book.ran_sql(f"{worker}_{number}.sql", 1, SHA)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    with book.beating(every=0.001):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert heartbeats(place) == sorted(heartbeats(place))
    sizes = [len(json.loads(content)["sql_files"]) for path, content in place.written if path == RUN_MANIFEST]
    assert sizes == list(range(81))
