"""The benchmark of a tick measures what it says, and fails on a wrong result."""

from pathlib import Path

import pytest

from scripts.benchmarks import beams_tick
from scripts.benchmarks.lines import BenchmarkFailed


def test_a_tick_is_measured_beside_the_listing_and_a_walk(tmp_path: Path) -> None:
    part = beams_tick.measure_tick(tmp_path, 3)

    assert [(line.name, line.rows) for line in part.lines] == [("tick", 150), ("listing", 150), ("walk", 150)]
    assert [line.ratio is not None for line in part.lines] == [True, True, False]


def test_a_case_that_is_asked_for_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beams_tick, "_complete", lambda *_: None)

    with pytest.raises(BenchmarkFailed, match="runs asked for"):
        beams_tick.measure_tick(tmp_path, 2)


def test_a_file_that_is_missing_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beams_tick, "FILES_PER_CASE", 51)

    with pytest.raises(BenchmarkFailed, match="100 files lie there instead of 102"):
        beams_tick.measure_tick(tmp_path, 2)
