"""Defects of the predecessor that must not come back, as far as no test of a rule has a place for them."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from assets.dwh.arguments import entry_arguments
from assets.dwh.frames.schemas import filtered_schema
from assets.dwh.job_settings import JobArguments
from assets.dwh.stages import deduplicating
from resources.object_store import LocalObjectStore
from scripts.dwh_entry import run_entry
from tests.assets.dwh.filter_days import image, open_day, versions
from tests.assets.dwh.raw_line_samples import line
from tests.assets.dwh.transform_runs import MIDNIGHT
from tests.assets.dwh.transform_workplaces import BUCKET, workplace_of


@pytest.mark.parametrize(
    ("words", "is_clean"),
    [
        (["--clean_sink", "false"], False),
        (["--clean_sink=False"], False),
        (["--clean_sink", "0"], False),
        (["--clean_sink", "no"], False),
        (["--clean_sink", "true"], True),
        (["--clean_sink"], True),
        ([], True),
    ],
)
def test_clean_sink_is_what_the_command_line_says(words, is_clean):
    argv = ["entry", "--module_name", "transform_images", "--created_by", "me", *words]
    given = entry_arguments("container", argv, {}, spark_available=True).kwargs
    assert JobArguments.read(given).clean_sink is is_clean


def test_an_entry_shows_nothing_of_its_environment(monkeypatch, capfd):
    monkeypatch.setenv("SOMETHING_OF_THE_PLATFORM", "nobody's business")
    words = ["entry", "--module_name", "load_promos", "--load_promos_job", "{}", "--start_date", "2025-03-09"]
    assert run_entry("container", words, os.environ) == 2
    shown = capfd.readouterr()
    assert "load_promos" in shown.err
    assert "created_by parameter is required" in shown.err
    assert "nobody's business" not in shown.out + shown.err


def noted(batches: Iterator[pa.RecordBatch], notes: Path) -> Iterator[pa.RecordBatch]:
    """The batches as they are; how many rows pass is noted in a file."""
    for batch in batches:
        with notes.open("a") as file:
            file.write(f"{batch.num_rows}\n")
        yield batch


def test_a_filter_run_computes_each_row_of_its_inputs_once(spark, spark_resource, tmp_path, monkeypatch):
    notes, rows_of = tmp_path / "rows", deduplicating.input_rows

    def counted_rows(*given):
        return rows_of(*given).mapInArrow(partial(noted, notes=notes), filtered_schema())

    monkeypatch.setattr(deduplicating, "input_rows", counted_rows)
    with open_day(tmp_path / "store", spark_resource, spark) as day:
        # Two of them only their fields tell apart, and one has no key.
        day.transformed("r1", [image("A", "old"), image("B"), image(None)], 12)
        day.transformed("r2", [image("A", "new"), image("C", "v"), image("C", "w")], 24, start=12)
        day.filter(max_records_per_file=2)
        assert versions(day.rows()) == [(None, "v"), ("A", "new"), ("B", "v"), ("C", "w")]
    assert sum(map(int, notes.read_text().split())) == 6


def test_keys_of_two_columns_are_no_joined_text(spark, spark_resource, tmp_path):
    pairs = [("a", "bc"), ("ab", "c"), ("a_", "b"), ("a", "_b"), ("", "a_b"), ("a_b", "")]
    rows = [
        image(mediaid, updated=f"2025-01-15T20:0{number}:00Z", projectguid=project)
        for number, (mediaid, project) in enumerate(pairs)
    ]
    with open_day(tmp_path / "store", spark_resource, spark) as day:
        day.transformed("r1", [*rows, *rows])
        day.filter(dedup_key_columns=("mediaid", "projectguid"))
        kept = [(row["data"]["mediaid"], row["data"]["projectguid"]) for row in day.rows()]
    assert sorted(kept) == sorted(pairs)


class NotedStore(LocalObjectStore):
    """A store that notes which objects are read whole, in a file that workers of an engine share."""

    notes: str

    def read_bytes(self, bucket: str, key: str) -> bytes:
        with Path(self.notes).open("a") as file:
            file.write(f"{key}\n")
        return super().read_bytes(bucket, key)


def test_a_transform_run_reads_each_raw_object_once(spark, spark_resource, tmp_path):
    store = NotedStore(root=str(tmp_path / "store"), notes=str(tmp_path / "objects"))
    with workplace_of(spark, spark_resource, store, BUCKET) as workplace:
        first, second = (line("m1"), line("m2", "other")), (line("m3"), b"{")
        put = {
            workplace.put(MIDNIGHT, b"\n".join(first), "a.json"),
            workplace.put(MIDNIGHT, b"\n".join(second), "b.json"),
        }
        outcome = workplace.transform(max_records_per_file=1)
        assert (outcome.metrics.records_read, outcome.metrics.records_written) == (4, 3)
    read = Counter(key for key in (tmp_path / "objects").read_text().split() if "raw_images/" in key)
    assert read == dict.fromkeys(put, 1)
