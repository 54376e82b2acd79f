"""Months as text, and the object keys that the bucket's readers know."""

import calendar
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.market.months import (
    BUCKET,
    FIRST_MONTH,
    Month,
    month_of_raw_key,
    months_between,
    raw_key,
    session_bars_key,
    statistics_key,
    training_table_key,
)

MONTHS = st.builds(Month, st.integers(1, 9998), st.integers(1, 12))


def test_the_default_range_is_184_months_and_its_20th_file_ends_on_a_leap_day():
    months = list(months_between(Month.parse(FIRST_MONTH), Month.parse("2025-10")))
    assert len(months) == 184
    assert raw_key(str(months[19])) == "raw-data/databento/glbx-mdp3-20120201-20120229.ohlcv-1s.dbn.zst"


def test_the_object_keys_are_the_documented_ones():
    assert BUCKET == "es-1-second-data"
    assert raw_key("2025-10") == "raw-data/databento/glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst"
    assert session_bars_key("2025-10") == "processed-data/session-bars/2025/10/session_bars_2025-10.parquet"
    assert training_table_key("2025-10") == "processed-data/monthly/2025/10/monthly_2025-10.parquet"
    assert (
        statistics_key("2025-10")
        == "processed-data/monthly/2025/10/statistics/monthly_2025-10_statistics.json"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2025",
        "2025-1",
        "2025-00",
        "2025-13",
        "25-10",
        "2025-10-01",
        "2025/10",
        " 2025-10",
        "2025-10\n",
        "\uff12\uff10\uff12\uff15-10",
    ],
)
def test_anything_but_year_and_month_is_no_month(text: str):
    with pytest.raises(ValueError, match="is not a month; write it as YYYY-MM, for example 2025-10"):
        Month.parse(text)


@pytest.mark.parametrize("key_of", [raw_key, session_bars_key, training_table_key, statistics_key])
def test_no_key_is_built_from_a_month_that_is_none(key_of):
    with pytest.raises(ValueError, match="'2025-13' is not a month"):
        key_of("2025-13")


@pytest.mark.parametrize(
    "key",
    [
        "glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst",
        "raw-data/glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst",
        "raw-data/databento/older/glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst",
        "raw-data/databento/glbx-mdp3-20251001-20251030.ohlcv-1s.dbn.zst",
        "raw-data/databento/glbx-mdp3-20251002-20251031.ohlcv-1s.dbn.zst",
        "raw-data/databento/glbx-mdp3-20251001-20251130.ohlcv-1s.dbn.zst",
        "raw-data/databento/glbx-mdp3-20251301-20251331.ohlcv-1s.dbn.zst",
        "raw-data/databento/glbx-mdp3-20250201-20250229.ohlcv-1s.dbn.zst",
        "raw-data/databento/glbx-mdp3-20251001-20251031.ohlcv-1d.dbn.zst",
        "raw-data/databento/glbx-mdp3-20251001-20251031.ohlcv-1s.dbn",
        "raw-data/databento/glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst.part",
        "raw-data/databento/glbx-mdp3-\uff12\uff10\uff12\uff151001-20251031.ohlcv-1s.dbn.zst",
        "raw-data/databento/",
    ],
)
def test_a_key_that_is_no_whole_vendor_month_holds_none(key: str):
    assert month_of_raw_key(key) is None


@given(MONTHS)
def test_every_month_reads_back_from_its_text_and_from_its_vendor_key(month: Month):
    assert Month.parse(str(month)) == month
    assert month_of_raw_key(raw_key(str(month))) == str(month)


@given(MONTHS, st.integers(-11, 11))
def test_months_add_up_as_in_the_calendar(month: Month, step: int):
    later = month.plus(step)
    assert later.ordinal - month.ordinal == step
    assert later.plus(-step) == month
    assert (
        date(month.year, month.month, month.last_day).day == calendar.monthrange(month.year, month.month)[1]
    )


def test_a_range_includes_both_ends_and_is_empty_in_the_wrong_order():
    first, last = Month(2024, 11), Month(2025, 2)
    assert [str(month) for month in months_between(first, last)] == [
        "2024-11",
        "2024-12",
        "2025-01",
        "2025-02",
    ]
    assert list(months_between(first, first)) == [first]
    assert list(months_between(last, first)) == []
