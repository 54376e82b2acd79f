"""The lines of a run between the raw objects and the store: exact files, and nothing lost unnoticed."""

import dataclasses
import json
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from assets.dwh.frames.raw_lines import finished_lines
from assets.dwh.intervals import Interval
from assets.dwh.stages import transformed_lines
from assets.dwh.stages.transformed_lines import LinesUnaccounted
from resources.object_store import LocalObjectStore
from scripts.sample_data.dwh import SIZES, expected, write_inputs
from tests.assets.dwh.raw_line_samples import CONTENTS, good_lines, line
from tests.assets.dwh.transform_runs import MIDNIGHT
from tests.assets.dwh.transform_workplaces import BUCKET, days_of, window_of, workplace_of

FIVE = timedelta(minutes=5)


@pytest.fixture
def store(tmp_path):
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def workplace(spark, spark_resource, store):
    with workplace_of(spark, spark_resource, store) as workplace:
        yield workplace


@pytest.mark.parametrize("lost", ["category <> '_read'", "reason is null", "nth > 0 or category = '_read'"])
def test_lines_that_an_engine_loses_fail_the_run(workplace, monkeypatch, lost):
    def losing(*arguments):
        return finished_lines(*arguments).where(lost)

    monkeypatch.setattr(transformed_lines, "finished_lines", losing)
    workplace.put(MIDNIGHT, good_lines(3) + b"\nx")
    with pytest.raises(LinesUnaccounted, match="run it again"):
        workplace.transform()
    assert workplace.contents() == {}


class FewerFiles:
    """The files of a run but for the last one that an engine wrote."""

    def __init__(self, files):
        self.files = files

    def scratch(self, name):
        return self.files.scratch(name)

    def written(self, folder):
        return self.files.written(folder)[:-1]


def test_files_that_an_engine_loses_fail_the_run(workplace):
    workplace.put(MIDNIGHT, good_lines(3))
    workplace.site = dataclasses.replace(workplace.site, files=FewerFiles(workplace.site.files))
    with pytest.raises(LinesUnaccounted, match=r"to be [0-9]+ bytes in 2 files"):
        workplace.transform(max_records_per_file=2)
    assert workplace.contents() == {}


@pytest.mark.parametrize(("records", "files"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_an_output_has_as_many_files_as_its_records_need(workplace, records, files):
    """Defect 16: file counts were floored."""
    for place in range(records):
        workplace.put(MIDNIGHT + place % 5 * FIVE, line(f"m{place}"), f"{place}.json")
    outcome = workplace.transform(max_records_per_file=3)
    (output,) = outcome.manifest.outputs
    assert (output.records, output.files) == (records, files)
    parts = {key: content for key, content in workplace.contents().items() if "/part-" in key}
    assert [key.rpartition("/")[2] for key in parts] == [f"part-{number:05}.json" for number in range(files)]
    assert all(0 < len(content.splitlines()) <= 3 for content in parts.values())
    media = [json.loads(row)["data"]["mediaid"] for content in parts.values() for row in content.splitlines()]
    assert sorted(media) == sorted(f"m{place}" for place in range(records))


def test_both_engines_write_the_same_rows_and_files(either_spark, either_resource, store, tmp_path):
    day = date(2025, 3, 9)
    write_inputs(tmp_path / "storage" / BUCKET, SIZES["small"], day=day)
    known = expected(day, SIZES["small"].rows)
    with workplace_of(either_spark, either_resource, store) as workplace:
        outcome = workplace.transform(window=window_of(day), day=day, max_records_per_file=100)
        assert days_of(outcome) == known.rows
        assert outcome.dropped == known.dropped
        for output in outcome.manifest.outputs:
            assert output.files == -(-output.records // 100)
            assert len(workplace.lines(output.path)) == output.records


def test_every_record_is_written_or_dropped_whatever_the_lines_are(workplace):
    begins = iter(MIDNIGHT + number * FIVE for number in range(10_000))

    @settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
    @given(contents=CONTENTS)
    def holds(contents):
        begin = next(begins)
        workplace.put(begin, contents)
        outcome = workplace.transform(window=Interval(start=begin, end=begin + FIVE), max_records_per_file=2)
        manifest = outcome.manifest
        records = sum(1 for text in contents.split(b"\n") if text.strip())
        assert records == manifest.records_read == manifest.records_written + sum(outcome.dropped.values())
        assert (
            sum(len(workplace.lines(output.path)) for output in manifest.outputs) == manifest.records_written
        )
        assert manifest.dropped is not None
        assert len(workplace.lines(manifest.dropped.path)) == manifest.dropped.records

    holds()
