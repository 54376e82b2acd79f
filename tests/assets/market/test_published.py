"""The published objects of a month: reading them back, and whether they are current."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.failures import PermanentFailure
from assets.market import published
from assets.market.months import BUCKET, raw_key, session_bars_key, statistics_key, training_table_key
from assets.market.published import (
    DECAY_KEY,
    OBJECT_KEYS,
    SUMMARY_KEY,
    Store,
    decoded,
    month_state,
    neighbours,
    object_infos,
    read_session_bars,
    read_statistics,
    read_training_table,
    session_bars_of,
    table_metadata,
)
from assets.market.recipe import CODE_VERSION, Provenance, Recipe
from assets.market.training_table import to_parquet
from tests.assets.market.memory_store import MemoryObject, MemoryStore
from tests.assets.market.vendor_files import bars_at, file_of, filled

MONTH = "2025-10"
BARS = filled(file_of(bars_at("ESZ5", "2025-10-15", "09:00:00")))
DATA_KEYS = {"session_bars": session_bars_key(MONTH), "training_table": training_table_key(MONTH)}


class PublishedMonth:
    """A store with a vendor file and the three objects made from it, as `make_month` would leave them."""

    def __init__(self, recipe: Recipe | None = None, month: str = MONTH) -> None:
        self.store = MemoryStore()
        self.month = month
        self.put(raw_key(month), b"the vendor's bytes")
        self.publish(recipe or Recipe())

    def put(self, key: str, data: bytes) -> None:
        self.store.put_bytes(BUCKET, key, data)

    def get(self, key: str) -> bytes:
        return self.store.read_bytes(BUCKET, key)

    def remove(self, key: str) -> None:
        del self.store.objects[BUCKET, key]

    def publish(self, recipe: Recipe, *, code_version: str = CODE_VERSION) -> None:
        source = self.store.head(BUCKET, raw_key(self.month))
        assert source is not None
        provenance = Provenance(
            raw_key(self.month), source.etag, source.size, recipe.rules, recipe.digest, code_version
        )
        metadata = provenance.metadata(len(BARS))
        frame = BARS.to_frame()
        self.put(
            session_bars_key(self.month), to_parquet(frame, metadata | {SUMMARY_KEY: BARS.summary.to_json()})
        )
        self.put(training_table_key(self.month), to_parquet(frame, metadata | {DECAY_KEY: "2025-10"}))
        statistics = {
            "input": {"etag": source.etag, "size_bytes": source.size},
            "fingerprint": {"config_digest": recipe.digest, "code_version": code_version},
        }
        self.put(statistics_key(self.month), json.dumps(statistics).encode())

    def state(self, recipe: Recipe | None = None) -> str:
        return month_state(self.store, self.month, recipe or Recipe())


def changed_input(month: PublishedMonth) -> None:
    month.put(raw_key(MONTH), b"the vendor's other bytes")


def same_size(month: PublishedMonth) -> None:
    month.put(raw_key(MONTH), month.get(raw_key(MONTH))[::-1])


# ---- done means fingerprint ----


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda month: [month.remove(key) for key in DATA_KEYS.values()], "not processed"),
        (lambda month: month.remove(statistics_key(MONTH)), "not processed"),
        (changed_input, "changed input"),
        (lambda month: None, "done"),
    ],
    ids=["statistics but no data", "data but no statistics", "input etag changed", "all equal"],
)
def test_worked_example_k01_redo_redo_redo_done(change: Callable[[PublishedMonth], Any], state: str):
    month = PublishedMonth()
    change(month)
    assert month.state() == state


@pytest.mark.parametrize("key", [*DATA_KEYS.values(), statistics_key(MONTH)])
def test_a_month_lacking_one_object_is_not_done_whatever_the_others_say(key: str):
    month = PublishedMonth()
    month.remove(key)
    assert month.state() == "not processed"


@pytest.mark.parametrize("key", [*DATA_KEYS.values(), statistics_key(MONTH)])
def test_a_month_with_one_object_of_an_older_input_is_not_done(key: str):
    """What a run that failed between two objects leaves behind."""
    month = PublishedMonth()
    older = month.get(key)
    changed_input(month)
    month.publish(Recipe())
    assert month.state() == "done"
    month.put(key, older)
    assert month.state() == "changed input"


def test_a_missing_vendor_file_is_said_before_anything_else():
    month = PublishedMonth()
    month.remove(raw_key(MONTH))
    assert month.state() == "missing input"
    assert month_state(MemoryStore(), MONTH, Recipe()) == "missing input"


def test_a_vendor_file_without_objects_is_not_processed():
    store = MemoryStore()
    store.put_bytes(BUCKET, raw_key(MONTH), b"the vendor's bytes")
    assert month_state(store, MONTH, Recipe()) == "not processed"


@pytest.mark.parametrize(
    ("made_with", "wanted", "state"),
    [
        (Recipe(), Recipe("compat"), "changed config"),
        (Recipe(), Recipe(duplicates="last"), "changed config"),
        (Recipe(), Recipe(decay_reference_month="2025-09"), "changed config"),
        (Recipe("compat"), Recipe("compat", "last", "2020-01"), "done"),
        (Recipe("compat"), Recipe(), "changed config"),
    ],
)
def test_a_month_is_current_for_the_recipe_that_acts_as_its_own(
    made_with: Recipe, wanted: Recipe, state: str
):
    assert PublishedMonth(made_with).state(wanted) == state


def test_a_month_of_other_code_is_not_done():
    month = PublishedMonth()
    month.publish(Recipe(), code_version="0")
    assert month.state() == "changed code"


def test_a_replaced_file_of_the_same_size_is_a_changed_input():
    month = PublishedMonth()
    same_size(month)
    assert month.state() == "changed input"


def test_a_copied_or_touched_file_is_no_changed_input():
    month = PublishedMonth()
    month.put(raw_key(MONTH), month.get(raw_key(MONTH)))
    assert month.state() == "done"


def test_the_vendor_file_that_the_caller_has_listed_is_believed():
    month = PublishedMonth()
    listed = month.store.head(BUCKET, raw_key(MONTH))
    changed_input(month)
    assert month_state(month.store, MONTH, Recipe(), input_now=listed) == "done"
    assert month_state(month.store, MONTH, Recipe()) == "changed input"


def test_files_of_the_predecessor_are_neither_read_nor_counted():
    store = MemoryStore()
    store.put_bytes(BUCKET, raw_key(MONTH), b"the vendor's bytes")
    folder = "processed-data/monthly/2025/10"
    store.put_bytes(BUCKET, f"{folder}/monthly_2025-10_20251103_120000.parquet", b"PAR1")
    store.put_bytes(BUCKET, f"{folder}/statistics/monthly_2025-10_20251103_120000_statistics.json", b"{}")
    assert month_state(store, MONTH, Recipe()) == "not processed"
    assert object_infos(store, MONTH) == {}


def test_a_store_that_does_not_answer_does_not_mean_that_everything_is_to_be_done():
    class SilentStore(MemoryStore):
        def head(self, bucket: str, key: str) -> MemoryObject | None:
            raise ConnectionError(self.uri(bucket, key))

    with pytest.raises(ConnectionError):
        month_state(SilentStore(), MONTH, Recipe())


def test_telling_whether_a_month_is_done_does_not_read_its_rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(published, "_USUAL_FOOTER_SIZE", 64)  # the footer of this small month is longer
    month = PublishedMonth()
    rows = len(month.get(training_table_key(MONTH)))
    month.store.bytes_read = 0
    assert month.state() == "done"
    assert month.store.bytes_read < rows


FOREIGN_TABLES = {
    "empty": b"",
    "short": b"PAR1",
    "text": b"timestamp,open,high,low,close,volume\n" * 9,
    "a footer longer than the file": b"PAR1" + bytes(20) + b"\xff\xff\xff\x7fPAR1",
    "a table without metadata": to_parquet(BARS.to_frame(), {}),
    "a table of half our metadata": to_parquet(BARS.to_frame(), {"quintet.rules": "strict"}),
    "a table of rules that nobody knows": to_parquet(
        BARS.to_frame(), Provenance("k", "e", 1, "strict", "d", "1").metadata(1) | {"quintet.rules": "loose"}
    ),
}
FOREIGN = pytest.mark.parametrize("data", FOREIGN_TABLES.values(), ids=FOREIGN_TABLES.keys())


@FOREIGN
@pytest.mark.parametrize("key", DATA_KEYS.values(), ids=DATA_KEYS.keys())
def test_a_month_whose_table_is_none_of_ours_is_not_processed(data: bytes, key: str):
    month = PublishedMonth()
    month.put(key, data)
    assert month.state() == "not processed"
    assert table_metadata(month.store, key) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"0"',
        b"{}",
        b'{"input": "0", "fingerprint": {}}',
        b'{"input": {}}',
    ],
)
def test_statistics_that_are_none_of_ours_do_not_mark_a_month_done(data: bytes):
    month = PublishedMonth()
    month.put(statistics_key(MONTH), data)
    assert read_statistics(month.store, MONTH) is None
    assert month.state() == "not processed"


# ---- reading back ----


def test_published_tables_and_statistics_read_back():
    month = PublishedMonth()
    bars = read_session_bars(month.store, MONTH)
    assert_frame_equal(bars.frame, BARS.to_frame())
    assert (bars.provenance.rules, bars.provenance.input_key) == ("strict", raw_key(MONTH))
    assert session_bars_of(bars).summary == BARS.summary
    assert_frame_equal(session_bars_of(bars).to_frame(), BARS.to_frame())
    assert read_training_table(month.store, MONTH).metadata[DECAY_KEY] == "2025-10"
    assert read_statistics(month.store, MONTH) == json.loads(month.get(statistics_key(MONTH)))


def test_a_tables_metadata_is_the_same_with_and_without_its_rows():
    month = PublishedMonth()
    for key in DATA_KEYS.values():
        assert table_metadata(month.store, key) == decoded(month.get(key)).metadata


READERS = pytest.mark.parametrize(
    ("read", "table"), [(read_session_bars, "session_bars"), (read_training_table, "training_table")]
)


@READERS
def test_a_missing_table_is_refused_with_the_asset_to_materialise(
    read: Callable[[Store, str], Any], table: str
):
    with pytest.raises(PermanentFailure) as failure:
        read(MemoryStore(), MONTH)
    assert str(failure.value) == (
        f"memory://{BUCKET}/{DATA_KEYS[table]}: there is no such object; materialise market/{table} of "
        f"{MONTH} first"
    )


@FOREIGN
@READERS
def test_a_table_that_is_none_of_ours_is_refused_by_name(
    read: Callable[[Store, str], Any], table: str, data: bytes
):
    store = MemoryStore()
    store.put_bytes(BUCKET, DATA_KEYS[table], data)
    with pytest.raises(PermanentFailure) as failure:
        read(store, MONTH)
    sentence = str(failure.value)
    assert sentence.startswith(f"memory://{BUCKET}/{DATA_KEYS[table]}: no table of ours, ")
    assert sentence.endswith(f"; materialise market/{table} of {MONTH} again")


@READERS
def test_one_table_under_the_key_of_the_other_is_refused(read: Callable[[Store, str], Any], table: str):
    month = PublishedMonth()
    other = next(key for name, key in DATA_KEYS.items() if name != table)
    month.put(DATA_KEYS[table], month.get(other))
    with pytest.raises(
        PermanentFailure, match=f"no table of ours, .*; materialise market/{table} of {MONTH} again"
    ):
        read(month.store, MONTH)


def test_missing_statistics_are_none():
    assert read_statistics(MemoryStore(), MONTH) is None


def test_the_objects_of_a_month_are_those_that_exist_in_publishing_order():
    month = PublishedMonth()
    assert (
        list(object_infos(month.store, MONTH))
        == list(OBJECT_KEYS)
        == [
            "session_bars",
            "training_table",
            "month_statistics",
        ]
    )
    month.remove(training_table_key(MONTH))
    assert list(object_infos(month.store, MONTH)) == ["session_bars", "month_statistics"]


def test_neighbours_are_the_published_statistics_of_the_months_beside():
    month = PublishedMonth(month="2025-12")
    month.put(raw_key("2026-02"), b"")
    month.month = "2026-02"
    month.publish(Recipe())
    assert list(neighbours(month.store, "2026-01")) == ["2025-12", "2026-02"]
    assert list(neighbours(month.store, "2026-03")) == ["2026-02"]
    assert neighbours(month.store, "2026-02") == {}


def test_decoded_gives_the_rows_and_the_metadata():
    frame = pl.DataFrame({"number": [1, 2]})
    table = decoded(to_parquet(frame, {"quintet.rules": "strict"}))
    assert_frame_equal(table.frame, frame)
    assert table.metadata["quintet.rules"] == "strict"


@pytest.mark.parametrize(
    "changed",
    [
        pl.col("price") + 1,
        pl.when(pl.col("price") > 2).then(None).otherwise(pl.col("price")).alias("price"),
        pl.col("price").cast(pl.Float32),
        pl.lit(0).alias("surplus"),
    ],
    ids=["value", "null", "type", "column"],
)
def test_a_table_that_does_not_read_back_as_it_was_written_is_never_published(changed: pl.Expr):
    frame = pl.DataFrame({"row": range(4), "price": [1.0, 2.0, 3.0, None]})
    metadata = {"made": "by hand"}
    assert published.verified(frame, to_parquet(frame, metadata)).frame is frame
    with pytest.raises(RuntimeError, match="does not read back"):
        published.verified(frame, to_parquet(frame.with_columns(changed), metadata))
