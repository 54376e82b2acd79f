"""Benchmark of the machine logs: samples per second from PTN to CSV, against a row-wise `csv.writer`.

The baseline unpacks, converts and writes one sample after the other with Python's own numbers, as such a
converter is first written; its text is longer, since it is float64, and is not compared.
"""

import csv
import io
import struct
from pathlib import Path

import numpy as np

from assets.beams.log_publication import LayerLog, folder_problem, publish_spot_csvs
from assets.beams.machines import MachineConstants, machine
from assets.beams.ptn import decoded
from assets.beams.samples import range_scales
from assets.beams.spot_csv import spot_csv
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch

LAYER_SAMPLES = 70_000
"""A layer of 4.2 s at 0.06 ms."""

_RANGE_CODE = 3


def measure_logs(root: Path, samples: int) -> Part:
    """Convert layers of 70,000 samples, about `samples` in all: in memory, and as `log_csv` publishes them.

    Raises:
        BenchmarkFailed: a layer has not one line per sample, or the beam's folder is not complete.
    """
    constants = machine(2).blocks[0].constants
    layers = [_layer(number) for number in range(1, max(samples // LAYER_SAMPLES, 1) + 1)]
    ours = _vectorised(layers, constants)
    row_wise = _row_wise(layers[0], constants)
    published = _published(root, layers, constants)
    return Part(
        "PTN to CSV",
        [ours.compared(row_wise, "row-wise"), published.compared(row_wise, "row-wise"), row_wise],
        notes=["Publishing also checks every sample, syncs each CSV to the disk and reads it back."],
    )


def _vectorised(layers: list[bytes], constants: MachineConstants) -> Line:
    watch = Stopwatch()
    texts = [spot_csv(decoded(layer, "layer"), _RANGE_CODE, constants) for layer in layers]
    wall, cpu = watch.lap()
    if {text.count(b"\r\n") for text in texts} != {LAYER_SAMPLES}:
        raise BenchmarkFailed(f"a layer has not {LAYER_SAMPLES} lines")
    total = LAYER_SAMPLES * len(layers)
    return Line("vectorised", wall, cpu, total, "samples")


def _published(root: Path, layers: list[bytes], constants: MachineConstants) -> Line:
    folder = root / "Log_csv" / "log" / "002_F2"
    folder.mkdir(parents=True)
    logs: list[LayerLog] = []
    for number, layer in enumerate(layers, start=1):
        ptn = root / f"{number:02d}.ptn"
        ptn.write_bytes(layer)
        logs.append(LayerLog(ptn, number, _RANGE_CODE, f"{number:02d}_{200 - number:.2f}MeV.csv"))
    watch = Stopwatch()
    publish_spot_csvs(logs, constants, folder)
    wall, cpu = watch.lap()
    if problem := folder_problem(folder, [log.csv_name for log in logs]):
        raise BenchmarkFailed(problem)
    return Line("published", wall, cpu, LAYER_SAMPLES * len(layers), "samples")


def _row_wise(layer: bytes, constants: MachineConstants) -> Line:
    full_scale, base_scale = range_scales(_RANGE_CODE, constants, "layer")
    text = io.StringIO(newline="")
    watch = Stopwatch()
    writer = csv.writer(text)
    for number, (x, y, _, _, dose1, _, _, _) in enumerate(struct.iter_unpack(">8H", layer)):
        writer.writerow(
            [
                number * constants.time_gain,
                (x - constants.x_offset) * constants.x_gain,
                (y - constants.y_offset) * constants.y_gain,
                round(dose1 * full_scale / base_scale / constants.count_divisor),
            ]
        )
    return Line("row-wise csv.writer", *watch.lap(), LAYER_SAMPLES, "samples")


def _layer(number: int) -> bytes:
    """A layer swept in lines: x to and fro, y step by step, with doses as noise has them."""
    noise = np.random.default_rng(number)
    swept = np.linspace(0, 40 * np.pi, LAYER_SAMPLES)
    words = np.empty((LAYER_SAMPLES, 8), dtype=">u2")
    words[:, 0] = 24000 + 6000 * np.sin(swept) + noise.integers(0, 50, LAYER_SAMPLES)
    words[:, 1] = 32000 + 40 * swept + noise.integers(0, 50, LAYER_SAMPLES)
    words[:, 2:4] = 5000
    words[:, 4] = words[:, 5] = noise.integers(0, 2000, LAYER_SAMPLES)
    words[:, 6] = number
    words[:, 7] = 0xC001
    return words.tobytes()
