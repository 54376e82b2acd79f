"""When a job is due: by its interval or cron, in its time zone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.due import due_at, next_of_cron
from assets.discovery.job_model import Job
from assets.discovery.jobs_file import parse_jobs


def job(clock: str, zone: str = "UTC") -> Job:
    text = (
        f"version: 1\njobs: [{{name: papers, timezone: {zone}, handler: report, "
        f"discovery: {{strategy: static_list, params: {{values: [x]}}, {clock}}}}}]"
    )
    return parse_jobs(text, Path("jobs.yaml")).jobs[0]


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def shown(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_without_a_clock_a_job_is_due_on_request_only():
    assert due_at(job("limit: 1"), None) is None
    assert due_at(job("limit: 1"), 5) is None


@pytest.mark.parametrize("clock", ["every_s: 60", "cron: '0 6 * * *'"])
def test_a_job_that_was_never_discovered_is_due_at_once(clock):
    assert due_at(job(clock), None) == 0


@pytest.mark.parametrize(("every_s", "later"), [("86400", 86_400_000), ("0.5", 500)])
def test_an_interval_counts_from_the_beginning_of_the_last_discovery(every_s, later):
    assert due_at(job(f"every_s: {every_s}"), 1000) == 1000 + later


@pytest.mark.parametrize(
    ("cron", "zone", "last", "expected"),
    [
        ("0 6 * * *", "UTC", "2026-03-07T05:59:59Z", "2026-03-07T06:00:00+00:00"),
        ("0 6 * * *", "UTC", "2026-03-07T06:00:00Z", "2026-03-08T06:00:00+00:00"),
        (
            "0 6 * * *",
            "America/New_York",
            "2026-03-07T12:00:00Z",
            "2026-03-08T10:00:00+00:00",
        ),  # clocks go on
        ("0 6 * * *", "America/New_York", "2026-03-07T10:00:00Z", "2026-03-07T11:00:00+00:00"),
        ("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:00:00+00:00"),  # left out
        ("*/15 * * * *", "UTC", "2026-12-31T23:59:00Z", "2027-01-01T00:00:00+00:00"),
        ("0 0 * * 1", "Europe/London", "2026-03-28T00:00:00Z", "2026-03-29T23:00:00+00:00"),
    ],
)
def test_a_cron_is_read_in_the_time_zone_of_the_job(cron, zone, last, expected):
    due = due_at(job(f"cron: '{cron}'", zone), at(last))
    assert due is not None
    assert shown(due) == expected


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]))
def test_the_next_time_lies_ahead_and_nothing_lies_between(after, zone):
    due = next_of_cron("*/30 * * * *", zone, after)
    assert 0 < due - after <= 5_400_000  # An hour and a half at most, where clocks go on or back.
    assert next_of_cron("*/30 * * * *", zone, due - 1) == due
