"""From an engine that has ended to a dose that may be believed: judged, brought here, validated, published.

Not here: the rules of evidence (`assets.beams.evidence`), what is published (`assets.beams.run_records`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assets.beams.case_warnings import CaseWarning
from assets.beams.dose_grid import DoseFigures, DoseGrid, boundary_warnings, mcsquare_dose, moqui_dose
from assets.beams.evidence import EngineRun, OutputFile, require_dose, require_run
from assets.beams.failures import BeamFailure, FailureDetails
from assets.beams.progress import Milestone
from assets.beams.registry import beams
from assets.beams.run_records import RunRecord, digest_of, publish_run, stamped
from assets.beams.stages.attempt import Attempt
from assets.beams.stages.engine_inputs import Inputs
from assets.beams.stages.engine_jobs import Job
from assets.beams.stages.engine_watch import EndedJob
from assets.beams.states import BeamState
from assets.transactions import transaction
from resources.dose_engine import LOG

_COLLECTED: Final = "collected"
_EXIT_CODE: Final = "exit_code"
"""The compute host makes it when a job ends, so its stamp is the time of the end."""


@dataclass(frozen=True, slots=True)
class DoseResult:
    """A validated dose, in the folder of its beam."""

    folder: Path
    """`Dose/<beam folder>`, with the output, `engine.log` and `run.json`."""
    output: Path
    """The file with the values."""
    record: RunRecord
    figures: DoseFigures
    warnings: tuple[CaseWarning, ...]


def validated_dose(attempt: Attempt, inputs: Inputs, job: Job, ended: EndedJob) -> DoseResult:
    """Bring the output of a job here and publish it, if all of the evidence is there.

    Raises:
        BeamFailure: the codes of `require_run`, `require_dose` and `boundary_warnings`; `lease_lost`.
        StaleWorker: the attempt is no longer this run's.
        HostError: the output could not be brought here.
    """
    run = _engine_run(attempt, job, ended)
    beams.move(attempt.connection, attempt.work, BeamState.COLLECTING, attempt.now())
    found = attempt.engine.outputs(attempt.session, job.folder)
    files = [OutputFile(file.name, file.modified) for file in found]
    names = require_run(run, files, attempt.engine.output_names)
    target = attempt.scratch / _COLLECTED
    output = _collected(attempt, run, job, names, target)
    beams.move(attempt.connection, attempt.work, BeamState.VALIDATING, attempt.now())
    grid, figures = require_dose(run, lambda: _read(attempt, output))
    warnings = _require_inside(attempt, run, grid)
    record = _record(attempt, inputs, job, ended, output, figures)
    _publish(attempt, [*names, LOG], target, record)
    folder = attempt.order.dose_folder
    return DoseResult(folder, folder / output.name, record, figures, warnings)


def _engine_run(attempt: Attempt, job: Job, ended: EndedJob) -> EngineRun:
    details = FailureDetails(
        command_digest=job.record.command_digest, attempt=attempt.work.attempt, host=attempt.host.name
    )
    return EngineRun(attempt.work.beam_id, ended.end, ended.log, details)


def _collected(attempt: Attempt, run: EngineRun, job: Job, names: Sequence[str], target: Path) -> Path:
    try:
        return attempt.engine.collect(attempt.session, job.folder, names, target)
    except FileNotFoundError as error:
        raise run.failure("missing_output", f"lost a file before it was brought here: {error}") from error


def _read(attempt: Attempt, output: Path) -> DoseGrid:
    if attempt.engine.name == "mcsquare":
        return mcsquare_dose(output.parent, attempt.settings.voxel_mm)
    return moqui_dose(output)


def _require_inside(attempt: Attempt, run: EngineRun, grid: DoseGrid) -> tuple[CaseWarning, ...]:
    try:
        return boundary_warnings(grid, attempt.order.highest_mev, run.name)
    except BeamFailure as failure:
        raise run.failure(failure.code, f"is refused: {failure.message.removesuffix('.')}") from None


def _record(
    attempt: Attempt, inputs: Inputs, job: Job, ended: EndedJob, output: Path, figures: DoseFigures
) -> RunRecord:
    completion_line, exit_code = ended.log.completion_line, ended.end.exit_code
    if completion_line is None or exit_code is None:
        raise AssertionError("a run is accepted only with both")
    return RunRecord(
        engine=attempt.engine.name,
        engine_digest=inputs.engine_digest,
        command_digest=job.record.command_digest,
        seed=inputs.seed,
        primaries=inputs.primaries,
        salt=attempt.settings.run_salt,
        host=attempt.host.name,
        lease_tokens=job.record.lease_tokens,
        started_at=stamped(ended.end.started_at),
        ended_at=stamped(_ended_at(attempt, job)),
        exit_code=exit_code,
        completion_line=completion_line,
        output_sha256=digest_of(output),
        max=figures.maximum,
        mean=figures.mean,
        input_digests=job.record.input_digests,
    )


def _ended_at(attempt: Attempt, job: Job) -> float:
    """By the clock of the host, as the start is."""
    files = attempt.session.list_files(job.folder)
    return next(file.modified for file in files if file.name == _EXIT_CODE)


def _publish(attempt: Attempt, names: list[str], source: Path, record: RunRecord) -> None:
    """Move the result to its place while no other run can take the beam."""
    files = {name: source / name for name in names}
    with transaction(attempt.connection):
        beams.require_current(attempt.connection, attempt.work)
        publish_run(attempt.order.dose_folder, files, record)
    beams.advance(attempt.connection, attempt.work, Milestone.VALIDATED, attempt.now())
