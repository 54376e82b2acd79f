"""Which files of the feed folder are feeds, and which one a run reads."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.feed_files import FEED_KINDS, choose_feed, feed_files
from assets.failures import NotReady

FOLDER = "tyrescore-AWS3-daily-files"
RUN_DATE = date(2025, 6, 10)


def names(*base_names: str) -> list[str]:
    return [f"{FOLDER}/{name}" for name in base_names]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("TyreScore.csv", None),
        ("20250609_TyreScore.csv", date(2025, 6, 9)),
        ("2025-06-09-TyreScore.csv", date(2025, 6, 9)),
        ("2025-06-09.TyreScore.csv", date(2025, 6, 9)),
        ("export 2025-06-09 TyreScore.csv", date(2025, 6, 9)),
        ("v2_20250609T0600_TyreScore.csv", date(2025, 6, 9)),
        ("20250609_to_20250610_TyreScore.csv", date(2025, 6, 10)),
        ("20251399_20250609_TyreScore.csv", date(2025, 6, 9)),
    ],
)
def test_a_feed_has_no_prefix_or_one_with_a_date(name, day):
    (file,) = feed_files(names(name), FOLDER)
    assert (file.kind, file.date) == ("TyreScore", day)


@pytest.mark.parametrize(
    "name",
    [
        "OldTyreScore.csv",
        "Old_TyreScore.csv",
        "20250609TyreScore.csv",
        "20250609OldTyreScore.csv",
        "20251399_TyreScore.csv",
        "2025-0609_TyreScore.csv",
        "120250609_TyreScore.csv",
        "202506091_TyreScore.csv",
        "20250609_tyrescore.csv",
        "20250609_TyreScore.CSV",
        "20250609_TyreScore.csv.gz",
        "20250609_TyreScores.csv",
        "archive/20250609_TyreScore.csv",
        "_TyreScore.csv",
    ],
)
def test_a_wrongly_named_file_is_no_feed(name):
    assert feed_files(names(name), FOLDER) == []


def test_a_file_outside_the_folder_is_no_feed():
    paths = ["TyreScore.csv", f"old-{FOLDER}/TyreScore.csv", f"{FOLDER}-old/TyreScore.csv"]
    assert feed_files(paths, FOLDER) == []


def test_the_folder_may_be_given_with_its_slash_and_the_extension_is_a_setting():
    assert [file.path for file in feed_files(["in/TyreScore.txt"], "in/", ".txt")] == ["in/TyreScore.txt"]
    assert feed_files(["in/TyreScore.csv"], "in/", ".txt") == []


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (["20250608_TyreScore.csv", "20250609_TyreScore.csv", "TyreScore.csv"], "20250609_TyreScore.csv"),
        (["20250610_TyreScore.csv", "20250611_TyreScore.csv"], "20250610_TyreScore.csv"),
        (["20250611_TyreScore.csv", "TyreScore.csv"], "TyreScore.csv"),
        (["2025-06-09_TyreScore.csv", "20250601_TyreScore.csv"], "2025-06-09_TyreScore.csv"),
        (["20250609_TyreScore.csv", "20250609_CarMakeModelSales.csv"], "20250609_TyreScore.csv"),
        (["20250609-TyreScore.csv", "20250609_TyreScore.csv"], "20250609_TyreScore.csv"),
        (["20250609_TyreScore.csv", "OldTyreScore.csv"], "20250609_TyreScore.csv"),
    ],
)
def test_the_latest_dated_file_that_is_not_of_the_future_is_chosen(listed, chosen):
    for order in (listed, listed[::-1]):
        assert choose_feed(names(*order), "TyreScore", RUN_DATE, FOLDER) == f"{FOLDER}/{chosen}"


@pytest.mark.parametrize("kind", FEED_KINDS)
def test_without_a_feed_it_is_said_what_is_waited_for(kind):
    with pytest.raises(NotReady) as waiting:
        choose_feed(names("20250611_TyreScore.csv", "20250611_CarMakeModelSales.csv"), kind, RUN_DATE, FOLDER)
    assert all(text in str(waiting.value) for text in (FOLDER, f"20250610_{kind}.csv", f"'{kind}.csv'"))


@given(st.lists(st.dates(date(2025, 5, 1), date(2025, 7, 30)), unique=True), st.booleans())
def test_no_file_of_the_future_is_read_and_none_between(days, has_undated):
    listed = [f"{day:%Y%m%d}_TyreScore.csv" for day in days] + ["TyreScore.csv"] * has_undated
    past = [day for day in days if day <= RUN_DATE]
    if not past and not has_undated:
        with pytest.raises(NotReady):
            choose_feed(names(*listed), "TyreScore", RUN_DATE, FOLDER)
        return
    expected = f"{max(past):%Y%m%d}_TyreScore.csv" if past else "TyreScore.csv"
    assert choose_feed(names(*listed), "TyreScore", RUN_DATE, FOLDER) == f"{FOLDER}/{expected}"
