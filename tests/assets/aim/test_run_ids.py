"""Names of runs: their form, their order, and that no two are the same."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.run_ids import is_run_id, new_run_id, run_id_of

MOMENTS = st.datetimes(
    min_value=datetime(2025, 1, 1),  # noqa: DTZ001 (hypothesis adds the zone)
    max_value=datetime(2099, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, ZoneInfo("Europe/London"), timezone(timedelta(hours=-9, minutes=30))]),
)
SIX_IN_LONDON = datetime(2025, 6, 10, 6, tzinfo=ZoneInfo("Europe/London"))


def test_a_run_is_named_by_its_start_in_utc_and_the_first_digits_of_its_uuid():
    name = run_id_of(SIX_IN_LONDON, "0F3A9C77-5c1e-4f0e-9d51-1f4f5a7f0b6e")
    assert name == "20250610_050000_0f3a9c"


def test_runs_of_the_same_second_have_different_names():
    names = {new_run_id(SIX_IN_LONDON) for _ in range(20)}
    assert len(names) > 1
    assert {name[:16] for name in names} == {"20250610_050000_"}


@given(MOMENTS, st.uuids())
def test_every_name_is_one_and_the_same_run_has_the_same_name(started, uuid):
    assert run_id_of(started, str(uuid)) == run_id_of(started.astimezone(UTC), uuid.hex)
    assert is_run_id(run_id_of(started, str(uuid)))
    assert is_run_id(new_run_id(started))


@given(MOMENTS, MOMENTS, st.uuids())
def test_names_sort_by_the_start(one, other, uuid):
    earlier, later = sorted((one, other))
    assert run_id_of(earlier, uuid.hex) <= run_id_of(later, uuid.hex)


@pytest.mark.parametrize("unique", ["", "0f3a9", "global", "0f-3a9c77", "\uff10f3a9c"])
def test_a_text_without_six_hex_digits_names_no_run(unique):
    with pytest.raises(ValueError, match="does not begin with 6 hexadecimal digits"):
        run_id_of(SIX_IN_LONDON, unique)


def test_a_start_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        run_id_of(SIX_IN_LONDON.replace(tzinfo=None), "0f3a9c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20250610_050000",
        "20250610_050000_0F3A9C",
        "20250610_050000_0f3a9",
        "20250610_050000_0f3a9cc",
        "20250610_050000_0f3a9c\n",
        "20250230_050000_0f3a9c",
        "20250610_250000_0f3a9c",
        "global_20250610_050000",
        "../20250610_050000_0f3a9c",
    ],
)
def test_other_texts_are_no_names_of_runs(text):
    assert not is_run_id(text)
