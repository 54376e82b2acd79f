"""A month from vendor file to objects: equal bytes on every way, and what a person sees of it."""

import json
import pickle
from datetime import date

import polars as pl
import pytest

from assets.market import published
from assets.market.month import CLAIMS, TABLES, MonthRequest, judge_published, make_month
from assets.market.months import raw_key, statistics_key, training_table_key
from assets.market.recipe import Recipe
from scripts.sample_data.market import vendor_file as sample_file
from tests.assets.market.made_month import (
    COMPAT,
    KEYS,
    STRICT,
    WatchedStore,
    make,
    objects_of,
    store_to_make,
    store_with_month,
    vendor_file,
)
from tests.assets.market.small_month import MONTH, ROWS

RECIPES = pytest.mark.parametrize("recipe", [STRICT, COMPAT], ids=["strict", "compat"])


@RECIPES
def test_the_three_objects_are_published_in_order_and_the_month_is_done(recipe):
    store = store_to_make()
    outcome = make(store, recipe=recipe)
    assert store.written == KEYS
    assert [outcome.objects[table].size for table in TABLES] == [len(objects_of(recipe)[key]) for key in KEYS]
    assert outcome.broken_claims == []
    assert {verdict.claim for verdict in outcome.verdicts} == {claim.name for claim in CLAIMS}
    assert published.month_state(store, MONTH, recipe) == "done"


@pytest.mark.parametrize(
    ("recipe", "runs"),
    [
        (STRICT, [["session_bars"], ["training_table"], ["month_statistics"]]),
        (STRICT, [["session_bars"], ["training_table", "month_statistics"]]),
        (STRICT, [["session_bars", "training_table"], ["month_statistics"]]),
        (COMPAT, [["session_bars"], ["training_table"], ["month_statistics"]]),
        (
            Recipe(decay_reference_month="2020-01"),
            [["session_bars"], ["training_table"], ["month_statistics"]],
        ),
    ],
)
def test_tables_made_together_and_one_after_another_are_equal_bytes(recipe, runs):
    apart = store_to_make()
    for tables in runs:
        make(apart, *tables, recipe=recipe)
    assert apart.published() == objects_of(recipe)
    assert published.month_state(apart, MONTH, recipe) == "done"


def test_no_row_lies_before_the_first_trade_of_a_late_session_or_after_an_early_close():
    """The predecessor filled heads backwards and made 1,623,600 rows after early closes."""
    table = published.read_training_table(store_with_month(), MONTH).frame
    chicago = table["timestamp"].dt.convert_time_zone("America/Chicago").dt.to_string("%d %H:%M:%S")
    sessions = table.with_columns(at=chicago).group_by("session_date", maintain_order=True)
    assert sessions.agg(pl.col("at").first(), pl.col("at").last().alias("last")).rows() == [
        (date(2025, 11, 25), "25 14:00:00", "25 14:59:59"),
        (date(2025, 11, 26), "26 07:30:00", "26 14:59:59"),
        (date(2025, 11, 28), "28 07:30:00", "28 12:14:59"),
    ]
    assert not table["is_filled"][0]


def test_a_second_time_gives_the_same_bytes():
    store = store_with_month()
    make(store)
    assert store.written == KEYS
    assert store.published() == objects_of()


def test_whatever_else_lies_in_the_bucket_changes_nothing():
    """Other months, and files of the predecessor, which are never read, counted or deleted."""
    others = {
        raw_key("2025-10"): b"another month",
        training_table_key("2025-12"): b"another table",
        f"processed-data/monthly/2025/11/monthly_{MONTH}_20251201_101500.parquet": b"the predecessor's",
        f"processed-data/monthly/2025/11/statistics/monthly_{MONTH}_20251201_101500_statistics.json": b"{}",
        statistics_key("2025-10"): b'{"predecessor": true}',
        f"raw/{raw_key(MONTH).rsplit('/', 1)[1]}": b"not the key we look at",
    }
    store = store_to_make()
    for key, data in others.items():
        store.lay(key, data)
    make(store)
    assert store.published() == objects_of()
    assert store.written == KEYS
    assert {key: data for (_, key), data in store.objects.items() if key in others} == others


def test_the_win_rates_of_the_neighbours_are_compared_with_and_change_nothing():
    neighbour = json.loads(objects_of()[statistics_key(MONTH)])
    for mode in neighbour["pipeline_statistics"]["labeling"]["modes"].values():
        mode["win_rate"] = 0.0
    store = store_to_make()
    store.lay(statistics_key("2025-12"), json.dumps(neighbour).encode())
    verdicts = {verdict.claim: verdict for verdict in make(store).verdicts}
    breaches = verdicts["win_rates_follow_the_neighbouring_months"].breaches
    assert {str(breach["found"])[-16:] for breach in breaches} == {"2025-12 has 0.0%"}
    assert store.published() == objects_of()


@RECIPES
def test_skip_unchanged_writes_nothing_and_says_so(recipe):
    store = store_with_month(recipe)
    outcome = make(store, recipe=recipe, skip_unchanged=True)
    assert outcome.is_unchanged
    assert store.written == []
    assert {table: info.size for table, info in outcome.objects.items()} == {
        table: len(objects_of(recipe)[key]) for table, key in zip(TABLES, KEYS, strict=True)
    }
    assert (outcome.verdicts, outcome.report) == ((), None)


@pytest.mark.parametrize(
    ("key", "data", "state"),
    [
        (KEYS[0], None, "not processed"),
        (KEYS[1], None, "not processed"),
        (KEYS[2], None, "not processed"),
        (raw_key(MONTH), vendor_file(shift=4), "changed input"),
    ],
    ids=["no session_bars", "no training_table", "no statistics", "another vendor file"],
)
def test_skip_unchanged_makes_a_month_again_that_is_not_done(key, data, state):
    store = store_with_month()
    if data is None:
        store.objects = {place: held for place, held in store.objects.items() if place[1] != key}
    else:
        store.lay(key, data)
    assert published.month_state(store, MONTH, STRICT) == state
    assert not make(store, skip_unchanged=True).is_unchanged
    assert store.written == KEYS
    assert published.month_state(store, MONTH, STRICT) == "done"


def test_the_published_month_is_judged_as_it_lies_there():
    store = store_with_month()
    verdicts = judge_published(store, MONTH, frozenset(TABLES))
    assert [verdict.claim for verdict in verdicts] == [claim.name for claim in CLAIMS]
    assert [verdict.claim for verdict in verdicts if verdict.is_blocking and not verdict.holds] == []
    only = judge_published(store, MONTH, frozenset({"month_statistics"}))
    assert {verdict.on for verdict in only} == {"month_statistics"}


def test_a_report_shows_the_month_within_the_size_that_an_event_may_have():
    outcome = make(store_to_make())
    report = outcome.report
    assert report is not None
    assert report.rows == ROWS
    assert [session.contract for session in report.sessions] == ["ES-2025-12", "ES-2025-12", "ES-2026-03"]
    assert report.label_picture is not None
    for picture in (report.session_picture, report.label_picture):
        assert picture.startswith("![")
        assert len(picture.encode()) <= 40_000
    assert 0 < report.filled_share < 1
    assert all(0 < rate < 1 for rate in report.win_rates.values())
    assert len(report.win_rates) == 6
    assert len(pickle.dumps(outcome)) < 120_000


def test_session_bars_alone_have_a_picture_and_no_labels():
    store = store_to_make()
    outcome = make(store, "session_bars")
    assert outcome.report is not None
    assert (outcome.report.label_picture, outcome.report.win_rates) == (None, {})
    assert {verdict.on for verdict in outcome.verdicts} == {"session_bars"}
    assert store.written == KEYS[:1]


def test_compat_makes_whole_days_and_weights_without_decay():
    table = published.read_training_table(store_with_month(COMPAT), MONTH)
    assert table.frame.height == 81_000
    assert table.metadata["quintet.rules"] == "compat"
    losers = table.frame.filter(table.frame["label_low_vol_long"] == 0)
    assert losers["weight_low_vol_long"].unique().to_list() == [1.0]


def test_the_decay_reference_is_that_of_the_config_in_table_and_statistics():
    store = store_with_month(Recipe(decay_reference_month="2026-04"))
    table, statistics = published.read_training_table(store, MONTH), published.read_statistics(store, MONTH)
    assert statistics is not None
    assert (table.metadata[published.DECAY_KEY], statistics["decay_reference_month"]) == (
        "2026-04",
        "2026-04",
    )
    losers = table.frame.filter(table.frame["label_low_vol_long"] == 0)
    assert losers["weight_low_vol_long"].unique().to_list() == pytest.approx([0.778801], rel=1e-5)


@pytest.mark.parametrize(("month", "rules"), [("2010-11", "strict"), ("2025-03", "compat")])
def test_every_blocking_claim_holds_of_a_month_as_the_market_makes_them(month, rules):
    """With a roll, early closes and clock changes, and a fifth of the seconds or fewer traded."""
    store = WatchedStore({raw_key(month): sample_file(month, size="small")})
    outcome = make_month(store, MonthRequest(month, Recipe(rules)))
    assert outcome.broken_claims == []
    assert len(outcome.objects) == 3
