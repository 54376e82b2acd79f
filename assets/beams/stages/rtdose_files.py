"""The step `rtdose`: the validated dose of a beam as a DICOM object, written and read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from assets.beams.csv_record import require_current_csvs
from assets.beams.dose_pixels import gray_per_unit
from assets.beams.durable_files import write_whole
from assets.beams.failures import beam_failure
from assets.beams.keys import shown
from assets.beams.manifest import LOG_FOLDER
from assets.beams.plan_files import read_plan_file
from assets.beams.rtdose import BeamDose, rtdose
from assets.beams.rtdose_check import ScaledBack, rtdose_references_the_plan, rtdose_scales_back
from assets.beams.run_records import PublishedDose, published_dose
from assets.beams.stages.beam_step import BeamStep, beam_step
from assets.beams.stages.site import Site
from assets.beams.states import BeamState

STEP = "rtdose"


@dataclass(frozen=True, slots=True)
class WrittenDose:
    """The RTDOSE of a beam."""

    path: Path
    sha256: str
    units: str
    scaling: Mapping[str, float | int | str]
    """What reading it back gave."""
    references: Mapping[str, str | int]
    """What it refers to."""


def make_rtdose(site: Site, partition_key: str) -> WrittenDose:
    """Write the RTDOSE of a beam, whose dose is validated; the beam is completed then.

    Raises as `beam_step` does, and the codes of phase `result`.
    """
    with beam_step(site, partition_key, STEP, BeamState.VALIDATING) as step:
        made = _written(step, published_dose(step.case.output / step.dose_folder))
        step.end(to=BeamState.COMPLETED, metadata={"sha256": made.sha256})
    return made


def _written(step: BeamStep, dose: PublishedDose) -> WrittenDose:
    """Nothing takes the place of an earlier file before it has been read back."""
    case, beam = step.case, step.beam
    gray = _gray(step, dose)
    source = BeamDose(
        case=case.key,
        beam=beam,
        grid=dose.grid,
        gray=gray,
        input_digests={"plan": case.manifest["plan"]["sha256"], "output": dose.record.output_sha256},
    )
    content = rtdose(read_plan_file(case.plan.file), source)
    back = rtdose_scales_back(content, dose.grid, gray)
    if problems := (*back.problems, *rtdose_references_the_plan(content, case.plan, beam.dicom_number)):
        raise beam_failure(
            "dose_size",
            f"{shown(source.file_name)} does not keep its promises: {problems[0]}; rerun the beam.",
        )
    path = dose.output.with_name(source.file_name)
    write_whole(path, content)
    return WrittenDose(
        path,
        sha256(content).hexdigest(),
        str(back.units),
        _numbers(back),
        {"plan": case.plan.sop_instance_uid, "beam": beam.dicom_number},
    )


def _gray(step: BeamStep, dose: PublishedDose) -> float | None:
    """What the engine's unit is in Gy, if that is known, of a dose that was made of today's CSVs.

    Raises:
        BeamFailure: `stale_output`: it was made of others; `tps_invalid`: there are none.
    """
    layers = require_current_csvs(step.case, step.index)
    for layer in layers:
        path = f"{LOG_FOLDER}/{step.beam.folder}/{layer['name']}"
        if dose.record.input_digests.get(path) != layer["csv_sha256"]:
            raise beam_failure(
                "stale_output",
                f"The dose of {shown(step.beam.folder)} was not made of its {shown(layer['name'])} of today;"
                " materialise dose for the beam.",
            )
    if dose.record.engine != "mcsquare":
        return None
    constants = step.case.reference(step.index).delivery.block.constants
    return gray_per_unit(constants.protons_per_count, sum(layer["beam_on_counts"] for layer in layers))


def _numbers(back: ScaledBack) -> dict[str, float | int | str]:
    numbers = {
        "units": back.units,
        "scaling": back.scaling,
        "largest_pixel": back.largest_pixel,
        "largest_error_counts": back.largest_error_counts,
    }
    return {name: value for name, value in numbers.items() if value is not None}
