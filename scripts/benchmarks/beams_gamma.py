"""Benchmark of the point gamma: samples per second from the bytes of a log to the judged layer.

The baseline is the search for the nearest element alone, over every pair of sample and element.
"""

import numpy as np

from assets.beams.delivery_check import LayerCheck, checked_layer, summarised
from assets.beams.layers import Layer
from assets.beams.machines import machine
from assets.beams.nearest_elements import nearest_elements
from assets.beams.plan_range import PlanRangeRow
from assets.beams.planned_elements import PlannedElements, planned_elements
from assets.beams.ptn import decoded
from assets.beams.spot_maps import MapForm, SpotMap
from scripts.benchmarks.beams_logs import LAYER_SAMPLES
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch
from scripts.sample_data.beams_fields import PlannedLayer, Reals
from scripts.sample_data.beams_logs import as_bytes, layer_log

_CONSTANTS = machine(2).blocks[0].constants
_COUNTS_PER_SAMPLE = 250
_AT_ONCE = 500
"""Samples of which every pair is measured together; more do not fit a cache."""


def measure_gamma() -> Part:
    """Judge layers of 70,000 samples, delivered as planned: 400 spots, and lines of 400 and 800 segments.

    Raises:
        BenchmarkFailed: a layer does not pass, or the two searches differ.
    """
    lines = [_judged("400 spots", _raster(20, 20, MapForm.SPOTS))]
    lines.append(_judged("800 segments", _raster(40, 20, MapForm.LINE)))
    layer = _raster(20, 20, MapForm.LINE)
    every_pair = _every_pair(planned_elements(layer.spots))
    lines.append(_judged("400 segments", layer).compared(every_pair, "every pair"))
    return Part(
        "Point gamma",
        [*lines, every_pair],
        notes=["Every pair is the search alone, without decoding, counts and gamma."],
    )


def _judged(name: str, layer: Layer) -> Line:
    content = _delivered(layer)
    watch = Stopwatch()
    check = checked_layer(decoded(content, "layer"), layer, _ROW, _CONSTANTS)
    line = Line(name, *watch.lap(), LAYER_SAMPLES, "samples")
    _require_passed(name, check)
    return line


def _require_passed(name: str, check: LayerCheck) -> None:
    pass_rate = summarised([check.gamma]).pass_rate
    if pass_rate != 100.0:
        raise BenchmarkFailed(f"{name}: delivered as planned, {pass_rate} % pass")


def _every_pair(elements: PlannedElements) -> Line:
    places = np.random.default_rng(7).uniform(-60.0, 60.0, (LAYER_SAMPLES, 2))
    watch = Stopwatch()
    found = [
        _distances(places[begin : begin + _AT_ONCE], elements).min(axis=1)
        for begin in range(0, LAYER_SAMPLES, _AT_ONCE)
    ]
    line = Line("400 segments, every pair", *watch.lap(), LAYER_SAMPLES, "samples")
    if not np.allclose(np.concatenate(found), nearest_elements(elements, places)[1], rtol=0, atol=1e-9):
        raise BenchmarkFailed("the nearest elements are not those of every pair")
    return line


def _distances(places: Reals, elements: PlannedElements) -> Reals:
    """(places, elements), in mm."""
    way = elements.end_mm - elements.start_mm
    apart = places[:, None] - elements.start_mm
    square = np.maximum((way**2).sum(axis=1), 1e-300)
    share = np.clip((apart * way).sum(axis=2) / square, 0.0, 1.0)
    return np.sqrt(((apart - share[..., None] * way) ** 2).sum(axis=2))


def _raster(columns: int, rows: int, form: MapForm) -> Layer:
    """Points 5 mm apart, row by row, every other row backwards."""
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    column[1::2] = column[1::2, ::-1]
    points = 5.0 * (np.stack([column.ravel(), row.ravel()], axis=1) - [columns / 2, rows / 2])
    weights = np.ones(len(points))
    if form is MapForm.LINE:
        weights[0] = 0.0
    return Layer(1, 150.0, float(weights.sum()), SpotMap(form, points, weights))


def _delivered(layer: Layer) -> bytes:
    planned = PlannedLayer(
        layer.energy_mev, layer.spots.positions_mm, layer.spots.weights, layer.spots.form is MapForm.LINE
    )
    counts = _COUNTS_PER_SAMPLE * LAYER_SAMPLES
    generator = np.random.default_rng(1)
    return as_bytes(layer_log(planned, 1, counts, _ROW.dose1_range, LAYER_SAMPLES, _CONSTANTS, generator))


_ROW = PlanRangeRow(
    line=2,
    result_id="R1",
    layer_number=1,
    energy_mev=150.0,
    patient_id="QA0001",
    field_number=1,
    dose1_range=2,
    dose2_range=2,
    planned_dose1_range=2,
    planned_dose2_range=2,
    log_name="layer.ptn",
    planned_log_name="layer.txt",
)
