"""A month that cannot be made or does not hold: one sentence, and what readers saw stays as it was."""

import itertools
from io import BytesIO
from types import SimpleNamespace

import pytest

from assets.failures import PermanentFailure, TransientFailure
from assets.market import month as month_module
from assets.market import published
from assets.market.claims import Claim, JudgedMonth
from assets.market.month import CLAIMS, TABLES, MonthRequest, judge_published, make_month
from assets.market.months import BUCKET, raw_key
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
from tests.assets.market.small_month import MONTH

REFUSED = {
    "cut": vendor_file()[:-100],
    "empty": b"",
    "not DBN": b"a page that says 403",
    "no session of the month": vendor_file(),
}


def store_with_changed_input() -> WatchedStore:
    """A month that is published, and another vendor file for it."""
    store = store_with_month()
    store.lay(raw_key(MONTH), vendor_file(shift=4))
    return store


@pytest.mark.parametrize("name", REFUSED)
def test_refused_input_leaves_all_three_objects_byte_for_byte(name):
    month = "2025-12" if name == "no session of the month" else MONTH
    store = store_with_month()
    store.lay(raw_key(month), REFUSED[name])
    with pytest.raises(PermanentFailure, match=rf"{raw_key(month)}: .*\w$"):
        make_month(store, MonthRequest(month, STRICT))
    assert store.written == []
    assert store.published() == objects_of()


def test_a_month_without_a_vendor_file_is_refused_with_its_full_key():
    with pytest.raises(PermanentFailure, match="no vendor file of 2025-11") as failure:
        make(WatchedStore())
    assert f"the key {raw_key(MONTH)} of the bucket {BUCKET}" in str(failure.value)


def test_a_vendor_file_that_is_replaced_while_it_is_read_is_read_again_later():
    class Replaced(WatchedStore):
        def read_bytes(self, bucket: str, key: str) -> bytes:
            data = super().read_bytes(bucket, key)
            self.lay(key, vendor_file(shift=4))
            return data

    store = Replaced({raw_key(MONTH): vendor_file(), **objects_of()})
    with pytest.raises(TransientFailure, match="was replaced while it was read"):
        make(store)
    assert store.published() == objects_of()


def never(month: JudgedMonth) -> list:
    """No month is good enough."""
    return [{"month": month.month, "found": "a reason"}]


@pytest.mark.parametrize("table", TABLES)
def test_a_month_that_breaks_a_blocking_claim_publishes_nothing(table, monkeypatch):
    store = store_with_changed_input()
    monkeypatch.setattr(month_module, "CLAIMS", (*CLAIMS, Claim(table, True, never)))
    outcome = make(store)
    assert [verdict.claim for verdict in outcome.broken_claims] == ["never"]
    assert outcome.objects == {}
    assert store.written == []
    assert store.published() == objects_of()


def test_a_month_that_breaks_an_informing_claim_is_published(monkeypatch):
    store = store_to_make()
    monkeypatch.setattr(month_module, "CLAIMS", (*CLAIMS, Claim("session_bars", False, never)))
    assert make(store).broken_claims == []
    assert store.published() == objects_of()


def test_a_slow_month_is_published_and_not_thrown_away(monkeypatch):
    """A speed gate of the predecessor discarded finished months."""
    hours = itertools.count(step=3600.0)
    monkeypatch.setattr(month_module, "time", SimpleNamespace(perf_counter=lambda: next(hours)))
    store = store_to_make()
    outcome = make(store)
    assert sum(outcome.seconds.values()) > 9 * 3600
    assert store.published() == objects_of()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_object_that_cannot_be_written_stays_with_those_after_it_and_the_month_is_not_done(number):
    store = store_with_changed_input()
    store.failing = {KEYS[number]}
    with pytest.raises(OSError, match="disk is full"):
        make(store)
    kept = [store.published()[key] == objects_of()[key] for key in KEYS]
    assert kept == [False] * number + [True] * (3 - number)
    assert published.month_state(store, MONTH, STRICT) == "changed input"


def test_a_training_table_is_not_made_from_session_bars_of_other_rules():
    store = store_with_month()
    with pytest.raises(
        PermanentFailure, match=r"rules 'strict'.* materialise market/session_bars of 2025-11 again"
    ):
        make(store, "training_table", recipe=COMPAT)
    assert store.published() == objects_of()


@pytest.mark.parametrize("table", ["training_table", "month_statistics"])
def test_no_table_is_made_from_session_bars_of_older_code(monkeypatch, table):
    store = store_with_month()
    monkeypatch.setattr(month_module, "CODE_VERSION", "next")
    with pytest.raises(
        PermanentFailure, match="wanted are 'strict' and next; materialise market/session_bars"
    ):
        make(store, table)


@pytest.mark.parametrize(
    ("missing", "table", "wanted"),
    [
        (0, "training_table", "market/session_bars"),
        (0, "month_statistics", "market/session_bars"),
        (1, "month_statistics", "market/training_table"),
    ],
)
def test_a_table_is_not_made_without_the_one_it_reads(missing, table, wanted):
    store = store_with_month()
    del store.objects[BUCKET, KEYS[missing]]
    with pytest.raises(PermanentFailure, match=f"no such object; materialise {wanted} of 2025-11 first"):
        make(store, table)


def test_statistics_are_not_made_of_a_training_table_from_other_session_bars():
    store = store_with_changed_input()
    make(store, "session_bars")
    with pytest.raises(
        PermanentFailure, match=r"made from other session_bars.*materialise market/training_table"
    ):
        make(store, "month_statistics")


def test_a_file_of_the_predecessor_under_our_key_is_not_taken_for_ours():
    store = store_with_month()
    without_metadata = BytesIO()
    published.decoded(objects_of()[KEYS[0]]).frame.write_parquet(without_metadata)
    store.lay(KEYS[0], without_metadata.getvalue())
    with pytest.raises(PermanentFailure, match="does not say how it was made"):
        make(store, "training_table")


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_month_that_lacks_an_object_cannot_be_judged(number):
    store = store_with_month()
    del store.objects[BUCKET, KEYS[number]]
    with pytest.raises(PermanentFailure, match=rf"{KEYS[number]}: there is no such object; materialise"):
        judge_published(store, MONTH, frozenset(TABLES))


def test_tables_of_two_generations_break_the_claim_that_their_rows_are_equal():
    store = store_with_changed_input()
    make(store, "session_bars")
    verdicts = judge_published(store, MONTH, frozenset(TABLES))
    broken = {verdict.claim for verdict in verdicts if verdict.is_blocking and not verdict.holds}
    assert broken == {"columns_and_types_are_as_documented"}
