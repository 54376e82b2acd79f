"""The step `tps_input`: the input file of the GPU engine, read back by the engine's own rules."""

from dataclasses import dataclass
from pathlib import Path

from assets.beams.csv_record import require_current_csvs
from assets.beams.manifested_case import ManifestedCase
from assets.beams.stages.beam_step import beam_step
from assets.beams.stages.site import Site
from assets.beams.states import BeamState
from assets.beams.tps_input import TpsBeam, tps_values, write_tps_input

STEP = "tps_input"


@dataclass(frozen=True, slots=True)
class TpsInput:
    """The TPS file of a beam."""

    path: Path
    sha256: str
    seed: int
    text: str


def tps_beam(case: ManifestedCase, treatment_index: int) -> TpsBeam:
    """A beam as its TPS file names it."""
    beam = case.beam(treatment_index)
    return TpsBeam(case.key, treatment_index, beam.plan_position, beam.folder, beam.gantry)


def make_tps_input(site: Site, partition_key: str) -> TpsInput:
    """Write the TPS file of a beam, whose CSVs are those of its reference delivery.

    Raises as `beam_step` does, and `tps_invalid`.
    """
    with beam_step(site, partition_key, STEP, BeamState.PENDING) as step:
        beam, salt = tps_beam(step.case, step.index), site.settings.run_salt
        names = [layer["name"] for layer in require_current_csvs(step.case, step.index)]
        path, digest = write_tps_input(beam, step.case.output, names, salt)
        seed = int(tps_values(beam, step.case.output, salt)["RandomSeed"])
        step.end(to=BeamState.PREPARED, metadata={"sha256": digest})
    return TpsInput(path, digest, seed, path.read_text("utf-8"))
