"""What the TPS file of a beam says, and whether the folders it points to are what the engine will find.

The file is written once per beam, before a GPU is known; a launch runs a copy of it that differs in the GPUs
and in where the output goes (`launch_values`).

Not here: grammar and refusal of values (`tps_file`), the choice of GPUs (leases).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from assets.beams.keys import beam_id, field_key, shown
from assets.beams.log_publication import folder_problem
from assets.beams.seeds import random_seed
from assets.beams.tps_file import MAY_BE_EMPTY, tps_invalid, write_tps

_FOLDER: Final = re.compile(r"([0-9]{3})_[A-Za-z0-9_-]{0,48}")

_SAME_FOR_ALL: Final = {
    "GPUID": "0",
    "UseAbsolutePath": "true",
    "TotalThreads": "-1",
    "MaxHistoriesPerBatch": "10000000",
    "Verbosity": "0",
    "DicomDir": "plan",
    "UsingPhantomGeo": "true",
    # One plane at 20 mm depth.
    "TwoCentimeterMode": "true",
    # A cube of water, 400 x 400 x 400 voxels of 1 mm; the beam enters 20 mm above the isocentre.
    "PhantomDimX": "400",
    "PhantomDimY": "400",
    "PhantomDimZ": "400",
    "PhantomUnitX": "1",
    "PhantomUnitY": "1",
    "PhantomUnitZ": "1",
    "PhantomPositionX": "-200.0",
    "PhantomPositionY": "-200.0",
    "PhantomPositionZ": "-380.0",
    "Scorer": "Dose",
    "SupressStd": "true",
    "ReadStructure": "true",
    "BodyContourName": "External",
    "SourceType": "FluenceMap",
    "SimulationType": "perBeam",
    "NormalizeTotalHistories": "500000000",
    "ScoreToCTGrid": "true",
    # The engine's own DICOM writer can store a dose scaling of zero.
    "OutputFormat": "raw",
    "OverwriteResults": "true",
    "EnableBeamLayerMultiGpu": "false",
    MAY_BE_EMPTY: "",
    "BeamLayerMultiGpuMaxWorkers": "0",
}


@dataclass(frozen=True, slots=True)
class TpsBeam:
    """A treatment beam as its TPS file names it."""

    case: str
    treatment_index: int
    plan_position: int
    folder: str
    """As `keys.beam_folder` makes it."""
    gantry: int
    """1 or 2."""

    @property
    def file_name(self) -> str:
        """The name of its file in `Log_csv`."""
        return tps_file_name(self.case, self.treatment_index)


def tps_file_name(case: str, treatment_index: int) -> str:
    """The name of a beam's TPS file."""
    return f"moqui_tps_{beam_id(case, treatment_index)}.in"


def tps_values(beam: TpsBeam, case_output: PurePath, salt: str) -> dict[str, str]:
    """The value of every key, with no GPU assigned, for a case's folder under the output root.

    Raises:
        BeamFailure: `bad_case_id`: the case or the index cannot stand in a path or a command; `tps_invalid`:
            the beam's folder is not that of its place in the plan, or the output folder has no absolute path.
    """
    field_key(beam.case, beam.treatment_index)
    named = _FOLDER.fullmatch(beam.folder)
    if named is None or int(named[1]) != beam.plan_position:
        raise tps_invalid(
            beam.file_name, f"{shown(beam.folder)} is no folder of plan item {beam.plan_position}"
        )
    if not case_output.is_absolute():
        raise tps_invalid(beam.file_name, f"its output folder {shown(str(case_output))} has no absolute path")
    return {
        **_SAME_FOR_ALL,
        **_input_paths(case_output),
        "RandomSeed": str(random_seed(beam.case, beam.treatment_index, salt)),
        "GantryNum": str(beam.gantry),
        # To the engine both the place in the plan and the place among the log folders: they are equal.
        "BeamNumbers": str(beam.plan_position),
        "OutputDir": str(case_output / "Dose" / beam.folder),
        "BeamLayerMultiGpuTempRoot": str(case_output / "Dose" / ".tmp" / beam.folder),
    }


def launch_values(
    values: Mapping[str, str],
    gpu_indices: Sequence[int],
    *,
    output_dir: PurePath,
    temp_root: PurePath,
    case_output: PurePath | None = None,
) -> dict[str, str]:
    """The values of a launch's copy of the file.

    Args:
        values: what `tps_values` gave.
        gpu_indices: the GPUs of the launch, as `CUDA_DEVICE_ORDER=PCI_BUS_ID` numbers them from 0.
        output_dir: where the output of this attempt goes, in its run folder.
        temp_root: the folder for what several GPUs write before it is merged, in the same run folder.
        case_output: the case's folder on a remote host, which has the same tree below it.

    Raises:
        ValueError: no GPU, one that is named twice, or a negative index.
    """
    gpus = sorted(gpu_indices)
    if not gpus or gpus[0] < 0 or len(set(gpus)) != len(gpus):
        raise ValueError(f"GPU indices {list(gpu_indices)} are not one or more different numbers from 0")
    several = len(gpus) > 1
    return {
        **values,
        **({} if case_output is None else _input_paths(case_output)),
        "GPUID": str(gpus[0]),
        "EnableBeamLayerMultiGpu": "true" if several else "false",
        MAY_BE_EMPTY: ",".join(map(str, gpus)) if several else "",
        "OutputDir": str(output_dir),
        "BeamLayerMultiGpuTempRoot": str(temp_root),
    }


def require_log_tree(beam: TpsBeam, case_output: Path, csv_names: Sequence[str]) -> None:
    """Refuse folders in which the engine would find another plan or another beam's logs than meant.

    Args:
        beam: whose file points there.
        case_output: the case's folder under the output root.
        csv_names: the CSVs of the beam's reference delivery, one per layer.

    Raises:
        BeamFailure: `tps_invalid`: the plan folder has not exactly one file, the beam's folder is not at its
            place among the sorted log folders, or does not hold exactly these CSVs.
    """
    plan, log = case_output / "Log_csv" / "plan", case_output / "Log_csv" / "log"
    plans = sorted(plan.iterdir()) if plan.is_dir() else []
    if len(plans) != 1 or not plans[0].is_file():
        raise tps_invalid(
            beam.file_name, f"Log_csv/plan has {len(plans)} entries instead of one file, the plan"
        )
    folders = sorted(entry.name for entry in log.iterdir() if entry.is_dir()) if log.is_dir() else []
    place = beam.plan_position
    found = folders[place - 1] if 1 <= place <= len(folders) else None
    if found != beam.folder:
        raise tps_invalid(
            beam.file_name,
            f"in Log_csv/log, place {place} of the sorted folders has {shown(found) if found else 'none'}"
            f" instead of {shown(beam.folder)}",
        )
    if problem := folder_problem(log / beam.folder, csv_names):
        raise tps_invalid(
            beam.file_name, f"the folder {shown(beam.folder)} is not its reference delivery's: {problem}"
        )


def write_tps_input(
    beam: TpsBeam, case_output: Path, csv_names: Sequence[str], salt: str
) -> tuple[Path, str]:
    """Write the TPS file of a beam into `Log_csv`; return it with its SHA-256 in hex.

    Raises:
        BeamFailure: `bad_case_id` or `tps_invalid`; nothing was written then.
    """
    values = tps_values(beam, case_output, salt)
    require_log_tree(beam, case_output, csv_names)
    path = case_output / "Log_csv" / beam.file_name
    return path, write_tps(path, values)


def _input_paths(case_output: PurePath) -> dict[str, str]:
    log_csv = case_output / "Log_csv"
    return {
        "ParentDir": str(log_csv),
        "DicomPath": str(log_csv / "plan"),
        "logFilePath": str(log_csv / "log"),
    }
