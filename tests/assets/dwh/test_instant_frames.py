"""A column of texts gives the same instants as the domain's rule gives for each, on every engine."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.dwh.days import parse_instant
from assets.dwh.frames.instants import instant_micros, micros_of

# Texts that are instants, nearly so, or not at all: each part may be wrong on its own.
DATES = st.one_of(
    st.dates().map(lambda date: date.isoformat()),
    st.sampled_from(
        [
            *(
                "2025-02-29",
                "2024-02-29",
                "1900-02-29",
                "2025-13-01",
                "2025-00-10",
                "2025-04-31",
                "0000-01-01",
            ),
            *("0001-01-01", "9999-12-31", "2025-1-15", "20250115", "+2025-01-1", "\uff12025-01-15", ""),
        ]
    ),
)
TIMES = st.one_of(
    st.times().map(lambda time: time.strftime("%H:%M:%S")),
    st.sampled_from(["24:00:00", "23:59:60", "08:60:00", "8:07:33", "08:07", "00:00:00", "23:59:59"]),
)
FRACTIONS = st.one_of(
    st.just(""),
    st.from_regex(r"\.[0-9]{1,9}", fullmatch=True),
    st.sampled_from([".", ",5", ".1234567890", ".-1"]),
)
ZONES = st.one_of(
    st.sampled_from(
        ["", "Z", "z", " Z", "+00:00", "-0000", "+2400", "-23:59", "+0860", "+08", "-8:00", "Z\n", "\n"]
    ),
    st.from_regex(r"[+-][0-2][0-9]:?[0-5][0-9]", fullmatch=True),
)
TEXTS = st.builds(
    lambda *parts: "".join(parts),
    DATES,
    st.sampled_from(["T", "T", " ", "  ", "t", "_"]),
    TIMES,
    FRACTIONS,
    ZONES,
)


def micros_by_rule(text: str | None) -> int | None:
    instant = parse_instant(text)
    return None if instant is None else micros_of(instant)


def micros_by_engine(session, texts: list[str | None]) -> list[int | None]:
    frame = session.createDataFrame(list(enumerate(texts)), "row int, text string")
    rows = frame.select("row", instant_micros(frame["text"]).alias("micros")).collect()
    return [row.micros for row in sorted(rows, key=lambda row: row.row)]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(texts=st.lists(TEXTS | st.text(max_size=30), min_size=50, max_size=400))
def test_every_text_means_the_same_instant_as_by_the_rule(either_spark, texts):
    assert micros_by_engine(either_spark, texts) == [micros_by_rule(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-01-15T08:07:33.123456999", datetime(2025, 1, 15, 8, 7, 33, 123456, UTC)),
        ("2025-01-15 00:07:33-0800", datetime(2025, 1, 15, 8, 7, 33, 0, UTC)),
        ("1969-12-31T23:59:59.5Z", datetime(1969, 12, 31, 23, 59, 59, 500000, UTC)),
        ("9999-12-31T23:59:59.999999999Z", datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
    ],
)
def test_what_days_read_is_read_to_the_microsecond(spark, text, instant):
    assert micros_by_engine(spark, [text]) == [micros_of(instant)] == [micros_by_rule(text)]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "2025-01-15",
        "2025-01-15T24:00:00Z",
        "2025-01-15T08:07:60Z",
        "2025-02-29T08:07:33Z",
        "2025-01-15T08:07:33Z\n",
        "0000-06-01T00:00:00Z",
        "0000-12-31T23:30:00-01:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59.5-00:01",
    ],
)
def test_what_is_no_instant_is_null(spark, text):
    assert micros_by_engine(spark, [text]) == [None] == [micros_by_rule(text)]
