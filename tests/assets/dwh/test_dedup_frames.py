"""Deduplication on every engine gives the rows of the rule in plain Python, however the rows are spread."""

import random
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.dwh.days import day_window, parse_instant
from assets.dwh.frames.batches import Batch, PreviousRows, balanced_union, input_rows
from assets.dwh.frames.dedup import (
    FILE,
    DedupRule,
    count_kept,
    count_rows,
    different_keys,
    file_count,
    write_kept,
    write_output,
    write_rows,
)
from assets.dwh.intervals import Interval
from tests.assets.dwh.filter_days import ARROW_SCHEMA, flat, image, kept_by_the_rule, lines, ordered, sourced

WINDOW = Interval(
    **dict(zip(("start", "end"), day_window(date(2025, 1, 15), "America/Los_Angeles"), strict=True))
)
MEDIAID = ("data.mediaid",)
BOTH = ("data.mediaid", "data.product_index")

# Texts whose bytes, letters and UTF-16 units sort differently, and keys that are nearly equal.
KEYS = ["A", "a", "A ", " A", "é", "e\u0301", "", None]
TEXTS = [None, "", "a", "B", "é", "\ufffd", "\U0001d11e"]
UPDATED = [
    "2025-01-15T10:00:00Z",
    "2025-01-15T10:00:00.9Z",
    "2025-01-15T10:00:00+00:00",
    "2025-01-15 09:59:59.999999",
    "2025-01-15T02:00:00-0800",
    "2025-01-16T09:00:00Z",
    "2025-02-30T10:00:00Z",
    "soon",
    "",
    None,
]
NUMBERS = [None, -1, 0, 3]
RUN_IDS, HOURS = ["r1", "r10", "r2", "R"], [6, 10]
PARTS = (RUN_IDS, HOURS, KEYS, TEXTS, UPDATED, NUMBERS, TEXTS)


def row_of(run_id, at, key, version, updated, number, guid):
    return (run_id, at), image(key, version, updated, product_index=number, productguid=guid)


ROWS = st.lists(st.builds(row_of, *map(st.sampled_from, PARTS)), min_size=1, max_size=40)


def rows_by_chance(seed, count):
    """Many groups at once, for the engine that takes seconds for each try."""
    chance = random.Random(seed)
    rows = [row_of(*(chance.choice(values) for values in PARTS)) for _ in range(count)]
    for number, (_, row) in enumerate(rows):
        if row["data"]["mediaid"] is not None:
            row["data"]["mediaid"] += str(number % 9)
    return rows


def source_of(run):
    run_id, at = run
    return f"{run_id}-{at}", datetime(2025, 1, 15, at, tzinfo=UTC)


class Engine:
    """Deduplicates in folders of its own."""

    def __init__(self, session, folder: Path) -> None:
        self._session = session
        self._folder = folder

    def new(self) -> Path:
        folder = self._folder / uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def batches(self, rows, files=1):
        """Rows given with their run, each run as a batch of some files, all in an order by chance."""
        chance = random.Random(len(rows))
        folder, runs = self.new(), {}
        for run, row in rows:
            runs.setdefault(run, []).append(row)
        found = []
        for run, its_rows in runs.items():
            chance.shuffle(its_rows)
            paths = [folder / f"{'-'.join(map(str, run))}-{number}" for number in range(files)]
            for number, path in enumerate(paths):
                path.write_bytes(lines(its_rows[number::files]))
            found.append(Batch(*source_of(run), "transformed", tuple(map(str, paths))))
        chance.shuffle(found)
        return found

    def previous(self, rows, left_out=()):
        path = self.new() / "rows.parquet"
        pq.write_table(pa.Table.from_pylist(rows, ARROW_SCHEMA), path)
        return PreviousRows((str(path),), frozenset(left_out))

    def dedup(self, batches, previous=None, keys=MEDIAID, most=50):
        """The rows that stay; their counts are held against one another on the way."""
        rule = DedupRule(keys, "data.updated", "data.updated", WINDOW)
        rows, output, *kept_folders = (str(self.new() / name) for name in ("rows", "output", "kept", "kept"))
        write_rows(input_rows(self._session, batches, previous), rule, rows)
        read = count_rows(self._session, rows)
        folder = write_kept(self._session, rows, rule, (kept_folders[0], kept_folders[1]))
        kept = count_kept(self._session, folder)
        count = kept.keyed.total + kept.unkeyed.total
        write_output(self._session, rows, folder, output, keyed=None, count=count, max_records_per_file=most)
        files = [pq.ParquetFile(path).read() for path in Path(output).glob(f"{FILE}=*/*.parquet")]
        found = [row for file in files for row in file.to_pylist()]
        assert len(found) == count <= read.total
        assert len(files) == file_count(count, most)
        assert max(file.num_rows for file in files) <= most
        assert different_keys(self._session, folder, rule) == kept.keyed.total
        of_runs = Counter(row["_source_run_id"] for row in found)
        assert Counter(kept.keyed.by_run_id()) + Counter(kept.unkeyed.by_run_id()) == of_runs
        return found


@pytest.fixture
def engine(either_spark, tmp_path):
    return Engine(either_spark, tmp_path / "frames")


def with_sources(rows):
    return [sourced(row, *source_of(run)) for run, row in rows]


ANY_FIXTURE = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def check_rule(engine, rows, files, keys):
    found = engine.dedup(engine.batches(rows, files), keys=keys)
    inputs = with_sources(rows)
    assert ordered(found) == ordered(kept_by_the_rule(inputs, keys))
    assert {flat(row) for row in found} <= {flat(row) for row in inputs}


def check_pieces(engine, before, new):
    new = [((f"n{run_id}", at), row) for (run_id, at), row in new]
    everything = engine.dedup(engine.batches([*before, *new]))
    first = engine.dedup(engine.batches(before))
    incremental = engine.dedup(engine.batches(new), engine.previous(first))
    assert ordered(incremental) == ordered(everything)
    read_again = {source_of(run)[0] for run, _ in new}
    again = engine.dedup(engine.batches(new), engine.previous(incremental, read_again))
    assert ordered(again) == ordered(incremental)


@ANY_FIXTURE
@given(rows=ROWS, files=st.integers(1, 3), keys=st.sampled_from([MEDIAID, BOTH]))
def test_rows_are_those_of_the_rule_however_they_are_spread(spark, tmp_path, rows, files, keys):
    check_rule(Engine(spark, tmp_path), rows, files, keys)


@ANY_FIXTURE
@given(before=ROWS, new=ROWS)
def test_doing_it_again_changes_nothing_and_piece_by_piece_is_all_at_once(spark, tmp_path, before, new):
    check_pieces(Engine(spark, tmp_path), before, new)


def test_every_engine_keeps_the_rows_of_the_rule(engine):
    check_rule(engine, rows_by_chance(1, 600), 2, BOTH)


def test_piece_by_piece_is_all_at_once_on_every_engine(engine):
    check_pieces(engine, rows_by_chance(2, 300), rows_by_chance(3, 300))


def test_ties_are_decided_by_the_row_from_the_left_and_null_is_lowest(engine):
    run = ("r1", 6)
    better = image("A", "b", productguid="a", product_index=0)
    worse = [
        image("A", "a", productguid="z", product_index=9),
        image("A", "b", productguid="z"),
        image("A", "b", productguid="Z", product_index=0),
    ]
    rows = [(run, row) for row in (*worse, better, better)]
    assert ordered(engine.dedup(engine.batches(rows, 2))) == ordered(with_sources([(run, better)]))


def test_text_compares_by_its_bytes(engine):
    run = ("r1", 6)
    rows = [(run, image("A", "same", productguid=text)) for text in ("\ufffd", "\U0001d11e", "z")]
    assert [row["data"]["productguid"] for row in engine.dedup(engine.batches(rows))] == ["\U0001d11e"]


def test_a_previous_output_may_lack_columns_and_spell_instants_otherwise(engine):
    path = engine.new() / "rows.parquet"
    row = sourced(image("A"), "x", datetime(2025, 1, 15, tzinfo=UTC))
    spelt = [
        {**row, "_source_job_timestamp": text, "data": {**row["data"], "mediaid": text}}
        for text in ("2025-01-15 00:00:00.5-08:00", "2025-01-15T08:00:00+0000", "yesterday", None)
    ]
    table = pa.Table.from_pylist(spelt, ARROW_SCHEMA).drop_columns(["_source_run_id", "event_time"])
    pq.write_table(table.append_column("unknown", pa.array([1] * len(spelt))), path)
    found = engine.dedup([], PreviousRows((str(path),), frozenset()))
    by_key = {row["data"]["mediaid"]: row for row in found}
    assert {key: row["_source_job_timestamp"] for key, row in by_key.items()} == {
        "2025-01-15 00:00:00.5-08:00": "2025-01-15T08:00:00.500000Z",
        "2025-01-15T08:00:00+0000": "2025-01-15T08:00:00Z",
        "yesterday": "1970-01-01T00:00:00Z",
        None: "1970-01-01T00:00:00Z",
    }
    assert {(row["_source_run_id"], row["event_time"]) for row in found} == {("", None)}
    assert "unknown" not in found[0]


def test_adopted_rows_get_their_time_from_the_update_and_folders_say_nothing(engine):
    folder = engine.new() / "year=1999" / "month=07" / "deep"
    folder.mkdir(parents=True)
    wrong = {"5min": 1, "year": "1999", "month": "07", "day": "04", "hour": "3", "min": "1"}
    rows = [
        {**image("A", updated="2025-01-15T00:07:59.9-08:00"), **wrong},
        {**image("B", updated="never"), **wrong},
    ]
    (folder / "part-0.json").write_bytes(lines(rows))
    (folder / "part-1.json").write_bytes(b"")
    paths = tuple(str(path) for path in sorted(folder.iterdir()))
    found = engine.dedup([Batch("a", datetime(2025, 1, 16, tzinfo=UTC), "adopted", paths)])
    time = {row["data"]["mediaid"]: tuple(row[name] for name in wrong) for row in found}
    assert time == {"A": (5, "2025", "01", "15", "08", "05"), "B": (None,) * 6}


def test_rows_are_counted_by_five_minutes_of_the_day(spark, tmp_path):
    engine = Engine(spark, tmp_path)
    times = ["2025-01-15T07:59:59Z", "2025-01-15T08:00:00Z", "2025-01-15T08:04:59.9Z", "2025-01-15T08:05:00Z"]
    times += ["2025-01-16T07:59:59.999999Z", "2025-01-16T08:00:00Z", "never"]
    rows = [(("r1", 6), image(time, updated=time)) for time in times]
    rule = DedupRule(MEDIAID, "data.inserted", "data.updated", WINDOW)
    write_rows(input_rows(spark, engine.batches(rows), None), rule, str(tmp_path / "rows"))
    assert count_rows(spark, str(tmp_path / "rows")).by_slot() == {None: 3, 0: 2, 1: 1, 287: 1}
    assert rule.slot_start(287) == parse_instant("2025-01-16T07:55:00Z")


@pytest.mark.parametrize("text", [b'{"pk": ', b'{"data": {"product_index": "three"}}\n', b"[1]\n"])
def test_a_line_that_is_no_row_fails_the_reading(engine, either_spark, text):
    path = engine.new() / "part"
    path.write_bytes(lines([image("A")]) + text)
    batch = Batch("r1", datetime(2025, 1, 15, tzinfo=UTC), "transformed", (str(path),))
    with pytest.raises(Exception, match=r"Json error|FAILED_READ_FILE|MALFORMED"):
        engine.dedup([batch])


def test_the_inputs_of_a_day_of_five_minute_windows_are_joined(spark, tmp_path):
    engine = Engine(spark, tmp_path)
    rows = [((f"r{number:03}", number % 24), image(f"m{number % 50}")) for number in range(288)]
    assert len(engine.dedup(engine.batches(rows), most=7)) == 50


def test_a_balanced_union_keeps_every_frame(spark):
    for count in (1, 2, 3, 7):
        frames = [spark.range(number, number + 1) for number in range(count)]
        assert sorted(row.id for row in balanced_union(frames).collect()) == list(range(count))
