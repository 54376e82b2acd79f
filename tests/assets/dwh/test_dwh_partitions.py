"""The days that can be launched, in the zone that a deployment names."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import dagster as dg
import pytest

from assets.dwh.days import day_window
from assets.dwh.partitions import configured_timezone, day_partitions, local_days


def test_the_days_are_those_of_los_angeles_from_2025_on():
    assert local_days == dg.DailyPartitionsDefinition(
        start_date="2025-01-01", timezone="America/Los_Angeles", end_offset=1
    )
    assert local_days.get_first_partition_key() == "2025-01-01"


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (datetime(2025, 1, 16, 7, 59, 59, tzinfo=UTC), "2025-01-15"),
        (datetime(2025, 1, 16, 8, tzinfo=UTC), "2025-01-16"),
    ],
)
def test_the_running_day_is_a_day_from_its_local_midnight_on(now, last):
    assert day_partitions("America/Los_Angeles").get_partition_keys(current_time=now)[-1] == last


@pytest.mark.parametrize("timezone", ["America/Los_Angeles", "Europe/London", "Asia/Kolkata"])
def test_the_window_that_dagster_gives_a_day_is_ours_also_where_the_clocks_change(timezone):
    days = day_partitions(timezone)
    for key in ("2025-01-15", "2025-03-09", "2025-03-30", "2025-10-26", "2025-11-02"):
        window = days.time_window_for_partition_key(key)
        day = datetime.fromisoformat(key).date()
        assert (window.start, window.end) == day_window(day, timezone)


@pytest.mark.parametrize(
    ("environ", "timezone"),
    [
        ({}, "America/Los_Angeles"),
        ({"DWH_TIMEZONE": " "}, "America/Los_Angeles"),
        ({"DWH_TIMEZONE": " Europe/London "}, "Europe/London"),
    ],
)
def test_the_zone_comes_from_its_variable_and_blank_is_unset(environ, timezone):
    assert configured_timezone(environ) == timezone


@pytest.mark.parametrize("timezone", ["PST", "pacific", "america/los_angeles", "localtime"])
def test_what_is_no_iana_name_is_refused_in_a_sentence_that_names_the_variable(timezone):
    with pytest.raises(ValueError, match=f"^DWH_TIMEZONE: Time zone '{timezone}' is no IANA name; give one"):
        configured_timezone({"DWH_TIMEZONE": timezone})
    with pytest.raises(ValueError, match="is no IANA name"):
        day_partitions(timezone)


def test_a_wrong_zone_is_an_error_when_the_location_loads():
    loading = subprocess.run(
        [sys.executable, "-c", "import assets.dwh.partitions"],
        env={**os.environ, "DWH_TIMEZONE": "PST"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert loading.returncode == 1
    assert loading.stderr.splitlines()[-1] == (
        "ValueError: DWH_TIMEZONE: Time zone 'PST' is no IANA name; give one such as 'America/Los_Angeles'"
    )
