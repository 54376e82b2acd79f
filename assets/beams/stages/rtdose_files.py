"""The step `rtdose`: the validated dose of a beam as a DICOM object, written and read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from assets.beams.csv_record import require_current_csvs
from assets.beams.dose_pixels import gray_per_unit
from assets.beams.failures import beam_failure
from assets.beams.keys import shown
from assets.beams.plan_files import read_plan_file
from assets.beams.rtdose import BeamDose, write_rtdose
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
    case, beam = step.case, step.beam
    grid, gray = dose.grid, _gray(step, dose)
    source = BeamDose(
        case=case.key,
        beam=beam,
        grid=grid,
        gray=gray,
        input_digests={"plan": case.manifest["plan"]["sha256"], "output": dose.record.output_sha256},
    )
    path = write_rtdose(dose.output.parent, read_plan_file(case.plan.file), source)
    content = path.read_bytes()
    back = rtdose_scales_back(content, grid, gray)
    if problems := (*back.problems, *rtdose_references_the_plan(content, case.plan, beam.dicom_number)):
        path.unlink()
        raise beam_failure(
            "dose_size", f"{shown(path.name)} does not keep its promises: {problems[0]}; rerun the beam."
        )
    return WrittenDose(
        path,
        sha256(content).hexdigest(),
        str(back.units),
        _numbers(back),
        {"plan": case.plan.sop_instance_uid, "beam": beam.dicom_number},
    )


def _gray(step: BeamStep, dose: PublishedDose) -> float | None:
    """What the engine's unit is in Gy, if that is known."""
    if dose.record.engine != "mcsquare":
        return None
    constants = step.case.reference(step.index).delivery.block.constants
    counts = sum(layer["beam_on_counts"] for layer in require_current_csvs(step.case, step.index))
    return gray_per_unit(constants.protons_per_count, counts)


def _numbers(back: ScaledBack) -> dict[str, float | int | str]:
    numbers = {
        "units": back.units,
        "scaling": back.scaling,
        "largest_pixel": back.largest_pixel,
        "largest_error_counts": back.largest_error_counts,
    }
    return {name: value for name, value in numbers.items() if value is not None}
