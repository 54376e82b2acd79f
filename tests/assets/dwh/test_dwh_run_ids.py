"""Run ids: their form, their order, what is accepted from outside, and the time that one may hold."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.run_ids import check_run_id, instant_in_run_id, is_run_id, new_run_id

MOMENTS = st.datetimes(
    min_value=datetime(2025, 1, 1),  # noqa: DTZ001 (hypothesis adds the zone)
    max_value=datetime(2099, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
KINDS = st.sampled_from(["transform", "filter", "promos"])


def test_a_run_is_named_by_its_kind_its_start_in_utc_and_six_digits():
    midnight = datetime(2025, 1, 15, tzinfo=ZoneInfo("America/Los_Angeles"))
    name, _, unique = new_run_id("filter", midnight).rpartition("-")
    assert name == "filter-20250115T080000Z"
    assert len(unique) == 6
    assert set(unique) <= set("0123456789abcdef")


def test_runs_of_the_same_second_have_different_names():
    assert len({new_run_id("filter", datetime(2025, 1, 15, tzinfo=UTC)) for _ in range(20)}) > 1


def test_a_start_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="has no time zone"):
        new_run_id("filter", datetime(2025, 1, 15))  # noqa: DTZ001


@given(KINDS, MOMENTS)
def test_every_name_is_accepted_and_holds_its_time(kind, started):
    run_id = new_run_id(kind, started)
    assert check_run_id(run_id) == run_id
    assert instant_in_run_id(run_id) == started.replace(microsecond=0)


@given(KINDS, MOMENTS, MOMENTS)
def test_names_of_a_kind_sort_by_the_second_of_the_start(kind, one, other):
    earlier, later = sorted((one, other))
    if earlier.replace(microsecond=0) < later.replace(microsecond=0):
        assert new_run_id(kind, earlier) < new_run_id(kind, later)


@pytest.mark.parametrize("text", ["a", "0", "filter-1", "A.b_c-d", "unknown", "x" * 128, "a..b"])
def test_ids_from_outside_are_accepted(text):
    assert is_run_id(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "-a", "_a", "a/b", "a b", "a\n", "a\\b", "x" * 129, "\u00e9", "a\u0661", "a\0", "a:b"],
)
def test_ids_that_are_no_safe_name_are_refused_and_named(text):
    assert not is_run_id(text)
    with pytest.raises(ValueError, match="is refused: use 1 to 128") as refused:
        check_run_id(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("transform-20250115T180000Z-a1b2c3", datetime(2025, 1, 15, 18, tzinfo=UTC)),
        ("20250115T180000Z", datetime(2025, 1, 15, 18, tzinfo=UTC)),
        ("job20250115T180000Zlate", datetime(2025, 1, 15, 18, tzinfo=UTC)),
        ("a-20251315T180000Z-20250115T180001Z", datetime(2025, 1, 15, 18, 0, 1, tzinfo=UTC)),
        ("a-20250115T180000Z-20250115T180001Z", datetime(2025, 1, 15, 18, tzinfo=UTC)),
        ("120250115T180000Z", None),
        ("20250230T180000Z", None),
        ("20250115T180060Z", None),
        ("20250115T180000", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_the_time_inside_an_id(text, instant):
    assert instant_in_run_id(text) == instant
