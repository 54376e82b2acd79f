"""The benchmark of the point gamma measures what it says, and fails on a wrong result."""

import numpy as np
import pytest

from scripts.benchmarks import beams_gamma
from scripts.benchmarks.lines import BenchmarkFailed


@pytest.fixture(autouse=True)
def small_layers(monkeypatch):
    monkeypatch.setattr(beams_gamma, "LAYER_SAMPLES", 7000)


def test_every_kind_of_map_is_measured_and_one_compared_with_every_pair():
    part = beams_gamma.measure_gamma()

    assert [(line.name, line.rows) for line in part.lines] == [
        ("400 spots", 7000),
        ("800 segments", 7000),
        ("400 segments", 7000),
        ("400 segments, every pair", 7000),
    ]
    assert [line.ratio is not None for line in part.lines] == [False, False, True, False]


def test_a_layer_that_does_not_pass_is_no_result(monkeypatch):
    log = beams_gamma.layer_log

    def shifted(*arguments):
        words = log(*arguments)
        words[:, 0] += 1000
        return words

    monkeypatch.setattr(beams_gamma, "layer_log", shifted)

    with pytest.raises(BenchmarkFailed, match="400 spots: delivered as planned"):
        beams_gamma.measure_gamma()


def test_a_search_that_misses_the_nearest_element_is_no_result(monkeypatch):
    monkeypatch.setattr(
        beams_gamma, "nearest_elements", lambda _, places: (np.zeros(len(places)), np.zeros(len(places)))
    )

    with pytest.raises(BenchmarkFailed, match="not those of every pair"):
        beams_gamma.measure_gamma()
