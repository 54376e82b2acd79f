"""The benchmark of the machine logs measures what it says, and fails on a wrong result."""

import pytest

from scripts.benchmarks import beams_logs
from scripts.benchmarks.lines import BenchmarkFailed


def test_every_way_of_converting_is_measured_and_compared_with_the_row_wise_one(tmp_path):
    part = beams_logs.measure_logs(tmp_path, 2 * beams_logs.LAYER_SAMPLES)

    assert [(line.name, line.rows) for line in part.lines] == [
        ("vectorised", 140_000),
        ("published", 140_000),
        ("row-wise csv.writer", 70_000),
    ]
    assert [line.ratio is not None for line in part.lines] == [True, True, False]


def test_a_layer_with_lines_missing_is_no_result(tmp_path, monkeypatch):
    monkeypatch.setattr(beams_logs, "spot_csv", lambda *_: b"0.0,0.0,0.0,1\r\n")

    with pytest.raises(BenchmarkFailed, match="not 70000 lines"):
        beams_logs.measure_logs(tmp_path, 1)


def test_an_incomplete_folder_is_no_result(tmp_path, monkeypatch):
    monkeypatch.setattr(beams_logs, "publish_spot_csvs", lambda *_: ())

    with pytest.raises(BenchmarkFailed, match="0 files for 1 layers"):
        beams_logs.measure_logs(tmp_path, 1)
