"""The word to the runs: what it says before and after its deadline, and when it means nothing any more."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from assets.beams import draining

NOW = datetime(2026, 3, 20, 13, tzinfo=UTC)
DEADLINE = NOW + timedelta(seconds=20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "work" / "beams"


def test_without_a_drain_nothing_is_asked_of_a_run(folder):
    assert draining.stop_requested(folder, NOW) is None
    draining.clear(folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("seconds", "asked"),
    [(0, "drain"), (19.999, "drain"), (20, "detach"), (80, "detach"), (80.001, None), (1e6, None)],
)
def test_engines_go_on_until_the_deadline_and_a_drain_is_forgotten_a_minute_after_it(folder, seconds, asked):
    draining.request_drain(folder, DEADLINE)
    assert draining.stop_requested(folder, NOW + timedelta(seconds=seconds)) == asked


def test_the_deadline_is_a_moment_whatever_the_zone_it_was_given_in(folder):
    draining.request_drain(folder, DEADLINE.astimezone(timezone(timedelta(hours=-5))))
    assert draining.drain_deadline(folder, NOW) == DEADLINE


def test_a_later_request_replaces_the_earlier_one_and_leaves_no_other_file(folder):
    draining.request_drain(folder, NOW)
    draining.request_drain(folder, DEADLINE)
    assert draining.drain_deadline(folder, NOW) == DEADLINE
    assert [path.name for path in folder.iterdir()] == ["draining"]


def test_a_word_that_was_taken_back_is_not_heard(folder):
    draining.request_drain(folder, DEADLINE)
    draining.clear(folder)
    assert draining.stop_requested(folder, NOW) is None


@pytest.mark.parametrize("content", [b"", b"soon", b"\xff\xfe"])
def test_a_file_that_no_watcher_wrote_stops_nothing(folder, content):
    folder.mkdir(parents=True)
    (folder / "draining").write_bytes(content)
    assert draining.stop_requested(folder, NOW) is None
