"""The stamp of a delivery: fixed widths, real dates, and the zone of the machine's clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.timestamps import in_utc, iso_utc, stamp_clock

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("stamp", "clock"),
    [
        ("2025042401440800", "2025-04-24T01:44:08"),
        ("2026032010055912", "2026-03-20T10:05:59.120000"),
        ("20250424014408", "2025-04-24T01:44:08"),
        ("20250424014408123456", "2025-04-24T01:44:08.123456"),
        ("202504240144085", "2025-04-24T01:44:08.500000"),
        ("20240229235959999", "2024-02-29T23:59:59.999000"),
    ],
)
def test_a_stamp_is_cut_by_place(stamp: str, clock: str) -> None:
    assert stamp_clock(stamp) == datetime.fromisoformat(clock)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20260320",
        "202603201005",
        "2026032010055",
        "202603201005591234567",
        "2026032010055912000000",
        " 2026032010055912",
        "2026032010055912 ",
        "2026032010055912\n",
        "2026130110000000",
        "2026022910000000",
        "2026032024000000",
        "2026032010600000",
        "2026032010006000",
        "0000010110000000",
        "9999123123595900",
        "2026-03-20T10:05",
        "20260320100559.12",
        "٢٠٢٦٠٣٢٠١٠٠٥٥٩١٢",
    ],
)
def test_any_other_text_is_no_stamp(text: str) -> None:
    assert stamp_clock(text) is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(0, 6))  # noqa: DTZ001
def test_every_moment_comes_back_from_its_own_stamp(moment: datetime, digits: int) -> None:
    stamp = f"{moment:%Y%m%d%H%M%S}{moment.microsecond:06d}"[: 14 + digits]
    whole = moment.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits)
    assert stamp_clock(stamp) == moment.replace(microsecond=whole)


def test_a_clock_is_read_in_its_own_zone() -> None:
    clock = datetime.fromisoformat("2026-03-20T10:00:00")
    assert in_utc(clock, UTC) == datetime(2026, 3, 20, 10, tzinfo=UTC)
    assert in_utc(clock, ROME) == datetime(2026, 3, 20, 9, tzinfo=UTC)
    assert in_utc(clock, ZoneInfo("Asia/Tokyo")) == datetime(2026, 3, 20, 1, tzinfo=UTC)


def test_an_hour_that_the_zone_skips_has_no_moment() -> None:
    skipped = datetime.fromisoformat("2026-03-29T02:30:00")
    assert in_utc(skipped, ROME) is None
    assert in_utc(skipped, UTC) is not None


def test_of_an_hour_that_comes_twice_the_first_is_meant() -> None:
    assert in_utc(datetime.fromisoformat("2026-10-25T02:30:00"), ROME) == datetime(
        2026, 10, 25, 0, 30, tzinfo=UTC
    )


def test_moments_are_shown_in_utc() -> None:
    assert iso_utc(datetime(2026, 3, 20, 14, tzinfo=ROME)) == "2026-03-20T13:00:00Z"
    assert iso_utc(datetime(2026, 3, 20, 14, 0, 0, 120000, tzinfo=ROME)) == "2026-03-20T13:00:00.120000Z"
