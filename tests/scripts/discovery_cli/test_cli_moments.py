"""Times as people type them."""

import pytest

from assets.discovery.config_problems import ConfigurationError
from scripts.discovery_cli.moments import day, moment, moment_ahead

NOW = 1_772_355_600_000  # 2026-03-01T09:00:00Z


@pytest.mark.parametrize(
    ("text", "zone", "milliseconds"),
    [
        ("2026-03-01T09:00:00Z", "America/New_York", NOW),
        ("2026-03-01T09:00", "UTC", NOW),
        ("2026-03-01T04:00", "America/New_York", NOW),
        ("2026-03-01T10:00+01:00", "America/New_York", NOW),
        (" 2026-03-01 18:00:00 ", "Asia/Tokyo", NOW),
        ("2026-03-01", "UTC", NOW - 9 * 3_600_000),
        ("2026-03-01T09:00:00.25Z", "UTC", NOW + 250),
        # The hour that is left out in spring is read as the hour after it.
        ("2026-03-08T02:30", "America/New_York", 1_772_955_000_000),
    ],
)
def test_a_time_without_an_offset_is_of_the_job(text: str, zone: str, milliseconds: int):
    assert moment(text, zone, "--since") == milliseconds


@pytest.mark.parametrize("text", ["", "now", "09:00", "2026-13-01", "2026-02-30T00:00"])
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(ConfigurationError, match=r"--since .* is no ISO time"):
        moment(text, "UTC", "--since")


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("+1", NOW + 1000), (" +3600 ", NOW + 3_600_000), ("2026-03-01T04:00:01", NOW + 1000)],
)
def test_a_time_ahead_may_be_so_many_seconds(text: str, milliseconds: int):
    assert moment_ahead(text, "America/New_York", NOW, "--until") == milliseconds


@pytest.mark.parametrize("text", ["+0", "2026-03-01T04:00:00", "2026-03-01T09:00Z", "2025-01-01"])
def test_a_time_that_has_passed_is_refused(text: str):
    with pytest.raises(ConfigurationError, match=r"--until .* is not in the future"):
        moment_ahead(text, "America/New_York", NOW, "--until")


@pytest.mark.parametrize("text", ["+", "+1.5", "+-1", "+1h", "++1", "+٣", "+99999999999"])
def test_seconds_are_a_whole_number(text: str):
    with pytest.raises(ConfigurationError, match=r"is no \+SECONDS"):
        moment_ahead(text, "UTC", NOW, "--until")


def test_a_day_is_a_date():
    assert day(" 2026-03-01 ", "--day").isoformat() == "2026-03-01"
    with pytest.raises(ConfigurationError, match=r"--day 'today' is no date"):
        day("today", "--day")
