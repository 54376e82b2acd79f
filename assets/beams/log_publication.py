"""From the logs of a beam's reference delivery to the CSVs in its folder, all of them or none.

The CSVs are written to a staging folder beside `log/` (`Log_csv/.<folder>.staging`), read back, and moved one
by one into the beam's folder. The folder itself never disappears: the engine finds a beam by the place of its
folder among the others. While files are moved, the file `.publishing` lies in the folder, so that whatever a
crash leaves there is no complete set by `folder_problem`, and the next publication repairs it.

Not here: which log belongs to which layer (the join), which delivery is the reference.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from assets.beams.durable_files import disk_full_named, sync_folder, write_new
from assets.beams.failures import BeamFailure, beam_failure, first_of
from assets.beams.keys import shown
from assets.beams.machines import MachineConstants
from assets.beams.ptn import decoded, log_name
from assets.beams.samples import content_problems
from assets.beams.spot_csv import read_spot_csv, spot_csv, spot_frame

_LAYERS_AT_ONCE: Final = 4
"""Texts, digests and the disk need no lock of Python's: on two cores 5 million samples a second, not 2.9."""
_PUBLISHING: Final = ".publishing"


@dataclass(frozen=True, slots=True)
class LayerLog:
    """A log, the layer that the join gave it, and the CSV to make of it."""

    ptn: Path
    layer_number: int
    """From 1."""
    range_code: int
    """DOSE1_RANGE of its row in PlanRange."""
    csv_name: str
    """As `keys.layer_file_name` makes it."""


@dataclass(frozen=True, slots=True)
class SpotCsv:
    """What is known of a CSV that was published."""

    name: str
    samples: int
    beam_on_samples: int
    beam_on_counts: int
    """Monitor counts of the base range over the samples with the beam on."""
    rescans: tuple[int, ...]
    """The rescan numbers under which the beam was on, ascending."""
    ptn_sha256: str
    csv_sha256: str


def publish_spot_csvs(
    layers: Sequence[LayerLog], constants: MachineConstants, beam_folder: Path
) -> tuple[SpotCsv, ...]:
    """Convert the logs of a beam and make their CSVs the only content of its folder in `log/`.

    Every layer is judged before the folder is touched; what was published before stays if one is refused.

    Raises:
        BeamFailure: a log is refused (the codes of `ptn` and `samples`), gone (`ptn_missing`), or its CSV
            does not read back (`csv_mismatch`), with all problems listed; `disk_full`, which can be retried;
            `csv_mismatch` where the folder, which `case_manifest` makes, is not there.
    """
    if beam_folder.is_symlink() or not beam_folder.is_dir():
        raise beam_failure(
            "csv_mismatch",
            f"There is no folder {shown(beam_folder.name)} for the CSVs; run case_manifest, which makes it.",
        )
    staging = beam_folder.parent.with_name(f".{beam_folder.name}.staging")
    with disk_full_named(shown(staging.parents[1].name)):
        try:
            _emptied(staging)
            published = _staged(layers, constants, staging)
            _move_into(beam_folder, staging, [csv.name for csv in published])
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return published


def folder_problem(beam_folder: Path, csv_names: Sequence[str]) -> str | None:
    """Why a beam's folder is not one complete publication of exactly these CSVs; `None` if it is."""
    found = {entry.name for entry in beam_folder.iterdir()} if beam_folder.is_dir() else set()
    if _PUBLISHING in found:
        return "its publication was interrupted"
    missing, strangers = sorted(set(csv_names) - found), sorted(found - set(csv_names))
    if not missing and not strangers:
        return None
    odd = missing or strangers
    return (
        f"it has {len(found)} files for {len(csv_names)} layers, {shown(odd[0])} is"
        f" {'missing' if missing else 'none of them'}"
    )


def _staged(layers: Sequence[LayerLog], constants: MachineConstants, staging: Path) -> tuple[SpotCsv, ...]:
    """Every CSV in the staging folder, read back; else one failure for all refused layers."""

    def outcome(layer: LayerLog) -> SpotCsv | BeamFailure:
        try:
            return _staged_layer(layer, constants, staging)
        except BeamFailure as failure:
            return failure

    with ThreadPoolExecutor(_LAYERS_AT_ONCE, thread_name_prefix="log_csv") as threads:
        outcomes = list(threads.map(outcome, layers))
    failures = [outcome for outcome in outcomes if isinstance(outcome, BeamFailure)]
    if failures:
        raise first_of([problem for failure in failures for problem in failure.problems or (failure,)])
    return tuple(outcome for outcome in outcomes if isinstance(outcome, SpotCsv))


def _staged_layer(layer: LayerLog, constants: MachineConstants, staging: Path) -> SpotCsv:
    content = _read(layer.ptn)
    log = decoded(content, log_name(layer.ptn))
    if problems := content_problems(log, layer.layer_number, constants):
        raise first_of(problems)
    csv = spot_csv(log, layer.range_code, constants)
    path = staging / layer.csv_name
    write_new(path, csv)
    frame = spot_frame(log, layer.range_code, constants)
    if not read_spot_csv(path.read_bytes(), len(log), layer.csv_name).equals(frame):
        raise beam_failure(
            "csv_mismatch",
            f"{shown(layer.csv_name)} reads back with other numbers than {shown(log.name)} gave;"
            " check the disk, then run log_csv again.",
        )
    on = log.beam_on
    return SpotCsv(
        name=layer.csv_name,
        samples=len(log),
        beam_on_samples=int(np.count_nonzero(on)),
        beam_on_counts=int(frame["count"].to_numpy()[on].sum()),
        rescans=tuple(np.unique(log.rescans[on]).tolist()),
        ptn_sha256=sha256(content).hexdigest(),
        csv_sha256=sha256(csv).hexdigest(),
    )


def _read(ptn: Path) -> bytes:
    try:
        return ptn.read_bytes()
    except FileNotFoundError:
        raise beam_failure(
            "ptn_missing",
            f"{shown(log_name(ptn))} is gone since the manifest was made; restore it, then renew the marker.",
        ) from None


def _emptied(staging: Path) -> None:
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir()


def _move_into(beam_folder: Path, staging: Path, names: Sequence[str]) -> None:
    """Replace what is in the folder by the staged files; between the first and the last step it is marked.

    The old files go before the first new one comes: no reader that looks at names alone sees both.
    """
    marker = beam_folder / _PUBLISHING
    marker.touch()
    sync_folder(beam_folder)
    for stranger in sorted(beam_folder.iterdir()):
        if stranger != marker:
            _remove(stranger)
    for name in names:
        (staging / name).rename(beam_folder / name)
    sync_folder(beam_folder)
    marker.unlink()
    sync_folder(beam_folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
