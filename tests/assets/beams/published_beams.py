"""A beam published twice, from an old and a new reference delivery, in the folders of a case."""

from dataclasses import replace
from pathlib import Path

from assets.beams.log_publication import LayerLog, SpotCsv, publish_spot_csvs
from tests.assets.beams.ptn_words import G2, Sample, row_wise_csv, write_ptn

ENERGIES = (150.0, 140.0, 130.0)
OLD = ("2026032010000000", 3, 100)
NEW = ("2026032110000000", 3, 200)
NEW_WITH_A_LAYER_LESS = ("2026032110000000", 2, 300)
"""A delivery: its folder, its number of layers, its dose words."""

Delivery = tuple[str, int, int]


def beam_folder(root: Path) -> Path:
    return root / "out" / "Log_csv" / "log" / "002_F2_A_P"


def csv_names(delivery: Delivery) -> list[str]:
    return [f"{number:02d}_{ENERGIES[number - 1]:.2f}MeV.csv" for number in range(1, delivery[1] + 1)]


def layers(root: Path, delivery: Delivery) -> list[LayerLog]:
    """The logs of a delivery, written: each of its layers has its own position."""
    name, count, dose = delivery
    made: list[LayerLog] = []
    for number, csv_name in enumerate(csv_names(delivery), start=1):
        sample = Sample(x=24580 + number, layer=number, dose1=dose)
        ptn = write_ptn(root / "in" / name / f"{number:02d}.ptn", replace(sample, state=0), sample, sample)
        made.append(LayerLog(ptn, number, 2, csv_name))
    assert len(made) == count
    return made


def publish(root: Path, delivery: Delivery) -> tuple[SpotCsv, ...]:
    beam_folder(root).mkdir(parents=True, exist_ok=True)
    return publish_spot_csvs(layers(root, delivery), G2, beam_folder(root))


def expected(root: Path, delivery: Delivery) -> dict[str, bytes]:
    return {layer.csv_name: row_wise_csv(layer.ptn.read_bytes(), 2, G2) for layer in layers(root, delivery)}


def content(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in beam_folder(root).iterdir()}
