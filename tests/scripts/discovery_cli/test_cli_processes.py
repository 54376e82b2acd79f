"""Commands as processes of their own: from the repository's root, stopped by signals, read in part."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from tests.scripts.discovery_cli.cli_worlds import ROOT, Desk, end, inv, ledger_path, rows, start, words

INV = Path(sys.executable).with_name("inv")


def wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 30 s")


@contextmanager
def started(*words_: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that is killed at the end, or after a minute: no test waits for its next line for ever."""
    process = start(*words_)
    watchdog = Timer(60, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


def read_until(process: "subprocess.Popen[str]", word: str) -> str:
    assert process.stdout is not None
    lines = ""
    while word not in lines:
        line = process.stdout.readline()
        assert line, "the process has ended"
        lines += line
    return lines


@pytest.fixture
def running(desk: Desk) -> Iterator["subprocess.Popen[str]"]:
    """A run with one handler at work and two items that wait for their turn."""
    begun = desk.folder / "begun"
    stage = {"name": "fetch", "params": {"does": "wait", "begun": str(begun)}}
    runner = {"concurrency": 1, "claim_batch": 3, "grace_s": 0.2}
    desk.jobs(words("a", "b", "c", stages=[stage], runner=runner))
    with started("jobs.run", "-j", "words", "--json") as process:
        wait_until(begun.exists)
        yield process


@pytest.mark.skipif(not INV.exists(), reason="the environment of the tests has no inv")
def test_inv_lists_the_jobs_at_the_root_of_the_repository():
    ended = subprocess.run([INV, "jobs.list", "--json"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "dumb_money_live" in [job["job"] for job in json.loads(ended.stdout)["jobs"]]
    assert ended.stderr == ""


def test_inv_works_in_a_folder_of_the_repository_too():
    assert end(start("jobs.list", "--json", folder=ROOT / "docs")).code == 0


def test_listing_jobs_loads_neither_dagster_nor_another_heavy_library():
    code = (
        "import sys; from invoke.program import Program; import tasks\n"
        "Program(namespace=tasks.namespace).run(['inv', 'jobs.list', '--json'])\n"
        "sys.exit(', '.join({'dagster', 'polars', 'sqlalchemy', 'httpx'} & set(sys.modules)))"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.stderr.strip() == ""


def test_a_shipped_job_can_be_tried_on_a_fresh_checkout_without_a_network():
    # A process without a network would need privileges; a proxy that nobody is at comes close.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    ended = subprocess.run(
        [sys.executable, "-m", "invoke", "jobs.test", "-j", "dumb_money_live", "--json"],
        cwd=ROOT,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    tested = json.loads(ended.stdout)
    assert (ended.returncode, tested["mode"], tested["items"]) == (0, "test", {"done": 3, "failed": 0})
    assert {result["stage"] for result in tested["results"]} == {"fetch", "transcript", "tickers", "score"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_run_which_gives_its_work_back_and_tells_what_it_did(
    running: "subprocess.Popen[str]", number: signal.Signals
):
    running.send_signal(number)
    ended = end(running)

    assert ended.code == 0
    assert (ended.document["stopped"], ended.document["stages"]["done"]) == ("signal", 0)
    assert "another signal ends this process at once" in ended.err
    assert rows("SELECT DISTINCT status, attempt, owner FROM item_stages") == [("pending", 0, None)]
    assert rows("SELECT DISTINCT outcome FROM attempts") == [("released",)]
    assert rows("SELECT type FROM events ORDER BY seq DESC LIMIT 1") == [("run_finished",)]


def test_a_signal_after_a_failure_exits_1(desk: Desk):
    begun = desk.folder / "begun"
    values = ({"value": "a", "does": "fail"}, {"value": "b", "does": "wait"})
    stage = {"name": "fetch", "params": {"begun": str(begun)}}
    desk.jobs(words(*values, stages=[stage], runner={"concurrency": 1, "grace_s": 0}))
    with started("jobs.run", "-j", "words", "--json") as process:
        wait_until(begun.exists)
        process.terminate()
        ended = end(process)

    assert (ended.code, ended.document["stopped"], ended.document["stages"]["failed"]) == (1, "signal", 1)


def test_a_second_signal_ends_a_run_at_once_and_the_next_run_takes_its_work(desk: Desk):
    begun = desk.folder / "begun"
    stage = {"name": "fetch", "params": {"does": "wait", "begun": str(begun)}}
    job = words("a", stages=[stage], runner={"grace_s": 600, "lease_s": 600})
    desk.jobs(job)
    with started("jobs.run", "-j", "words", "--json") as process:
        wait_until(begun.exists)
        process.terminate()
        assert process.stderr is not None
        assert "another signal" in process.stderr.readline()
        process.terminate()
        ended = end(process)

    assert (ended.code, ended.out) == (-signal.SIGTERM, "")
    assert rows("SELECT status FROM item_stages") == [("in_progress",)]
    desk.jobs({**job, "stages": [{**job["stages"][0], "params": {}}]})
    # The process no longer exists, so its lease of 600 s holds nobody up; a lost attempt waits up to 10 s.
    assert inv("jobs.run", "-j", "words", "--single-pass", "--json").code == 0
    assert rows("SELECT outcome FROM attempts ORDER BY id LIMIT 1") == [("lost",)]


def test_pause_now_ends_what_another_process_is_running(running: "subprocess.Popen[str]"):
    inv("jobs.pause", "-j", "words", "--now")
    ended = end(running)

    assert (ended.code, ended.document["stopped"]) == (3, "paused")
    assert rows("SELECT DISTINCT status FROM item_stages") == [("pending",)]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_events_are_followed_until_a_signal(desk: Desk, options: tuple[str, ...]):
    desk.jobs(words("a"))
    with started("jobs.events", "-j", "words", "--follow", *options) as process:
        if options:
            assert read_until(process, "[") == '{"events": [\n'
        inv("jobs.pause", "-j", "words", "--reason", "first")
        lines = read_until(process, "paused")
        inv("jobs.unpause", "-j", "words")
        lines += read_until(process, "resumed")
        process.send_signal(signal.SIGINT)
        ended = end(process)

    assert (ended.code, ended.err) == (0, "No longer following.\n")
    if options:
        whole = json.loads(f'{{"events": [{lines}{ended.out}')
        assert [event["type"] for event in whole["events"]] == ["paused", "resumed"]
    else:
        assert len(lines.splitlines()) == 2


@pytest.mark.parametrize(
    "command", [("list", "--json"), ("list",), ("events", "--follow", "--json"), ("events", "--follow")]
)
def test_a_reader_that_goes_away_is_no_error(desk: Desk, command: tuple[str, ...]):
    desk.jobs(words("a"))
    inv("jobs.run", "-j", "words")
    with started(f"jobs.{command[0]}", *command[1:]) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_wrong_usage_is_one_sentence_without_a_traceback(desk: Desk):
    desk.jobs(words("a"))

    ended = end(start("jobs.run", "-j", "wrods", "--json"))

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "unknown job 'wrods'; the nearest is 'words'\n"
    assert not ledger_path().exists()
