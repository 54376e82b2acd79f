"""Whether an engine's run may be believed: success is evidence, everything else fails with the first reason.

The order is how the program ended, what its log says, which files it left, what is in them. A failure line
counts more than a completion line. The failures carry what is known of the end, and the end of the log.

Not here: how the log is read (`engine_log`), what a run leaves behind (`run_records`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from assets.beams.dose_grid import DoseFigures, DoseGrid, dose_figures
from assets.beams.engine_log import NO_FREE_GPU, EngineLog
from assets.beams.failures import NO_DETAILS, BeamFailure, FailureDetails, beam_failure
from assets.beams.keys import shown

MOST_LOST: Final = 0.05
"""The share of protons that may begin outside of the phantom: the halo of a field near its edge."""

_LONGEST_QUOTE: Final = 200
_RERUN: Final = "rerun the beam"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How the program of one attempt ended."""

    exit_code: int | None
    """None where a signal ended it, or where nobody knows how it ended."""
    signal: int | None = None
    timed_out: bool = False
    """We ended it, since it took too long: the signal is ours then."""
    started_at: float
    """Whole Unix seconds, rounded down, by the clock of its host, which stamps its files too."""


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file in the output folder of the attempt."""

    name: str
    modified: float
    """Unix seconds by the clock of its host."""


@dataclass(frozen=True, slots=True)
class EngineRun:
    """An attempt of an engine that has ended."""

    name: str
    """The beam, as messages call it."""
    end: RunEnd
    log: EngineLog
    """The log of this attempt, closed."""
    details: FailureDetails = NO_DETAILS
    """What is known besides: attempt, host, digest of the command."""

    def failure(self, code: str, claim: str) -> BeamFailure:
        """The failure of this run, with all that is known of its end."""
        known = replace(
            self.details,
            exit_code=self.end.exit_code,
            signal=self.end.signal,
            stderr_tail=self.log.tail,
            log_excerpt=self.log.excerpt,
        )
        return beam_failure(code, f"The engine's run of {shown(self.name)} {claim}.", details=known)


def require_run(run: EngineRun, found: Sequence[OutputFile], expected: Sequence[str]) -> tuple[str, ...]:
    """The names of a successful run's output, one for each that is expected.

    Args:
        run: the attempt.
        found: the files in its output folder.
        expected: the names that are due there; with `*`, exactly one new file of any such name is.

    Raises:
        BeamFailure: the first that applies of `timeout` (the signal, if any, is ours), `killed_by_signal`,
            `engine_failure_line`, `nonzero_exit`, `no_evidence`, `missing_output`, `stale_output`. Where the
            engine found no free GPU it is `gpu_unknown`, not `engine_failure_line`: what was known of the
            GPUs did not hold, and trying again can help.
    """
    _require_good_end(run)
    _require_good_log(run)
    return _new_outputs(run, found, expected)


def require_dose(run: EngineRun, read: Callable[[], DoseGrid]) -> tuple[DoseGrid, DoseFigures]:
    """The dose of a run that `require_run` accepts, and its figures.

    Args:
        run: the attempt.
        read: reads the output, as `dose_grid.mcsquare_dose` and `dose_grid.moqui_dose` do.

    Raises:
        BeamFailure: `missing_output` (it is gone again), `dose_size`, `non_finite_dose`, `empty_dose`;
            `dose_size` too where the dose of more than 5 % of the protons is missing, since they began
            outside of the phantom.
    """
    try:
        grid = read()
        figures = dose_figures(grid, run.name)
    except BeamFailure as failure:
        raise run.failure(failure.code, f"left no dose: {failure.message.removesuffix('.')}") from None
    if run.log.lost_share > MOST_LOST:
        raise run.failure(
            "dose_size",
            f"began {run.log.lost_share:.0%} of its protons outside of the phantom, at most {MOST_LOST:.0%}"
            " may: positions beyond 200 mm, or an energy that its beam data do not reach; correct the case",
        )
    return grid, figures


def _require_good_end(run: EngineRun) -> None:
    end = run.end
    if end.timed_out:
        raise run.failure("timeout", f"was ended: it took longer than BEAMS_ENGINE_TIMEOUT_SECONDS; {_RERUN}")
    if end.signal is not None:
        raise run.failure("killed_by_signal", f"was ended by signal {end.signal}; {_RERUN}")
    if end.exit_code is None:
        raise run.failure(
            "killed_by_signal", f"is gone without an exit code: its host stopped, or killed it; {_RERUN}"
        )


def _require_good_log(run: EngineRun) -> None:
    log = run.log
    if log.failure_line is not None:
        code = "gpu_unknown" if NO_FREE_GPU in log.failure_line else "engine_failure_line"
        raise run.failure(code, f"says '{log.failure_line[:_LONGEST_QUOTE]}'; mend that, then {_RERUN}")
    if run.end.exit_code != 0:
        raise run.failure("nonzero_exit", f"ended with exit code {run.end.exit_code}; see its log")
    if log.completion_line is None:
        raise run.failure(
            "no_evidence", "ended with exit code 0, but its log has no completion line; see its log"
        )


def _new_outputs(run: EngineRun, found: Sequence[OutputFile], expected: Sequence[str]) -> tuple[str, ...]:
    due = {name: [file for file in found if fnmatchcase(file.name, name)] for name in expected}
    new = {name: [file.name for file in files if _is_new(file, run.end)] for name, files in due.items()}
    for name, files in due.items():
        if not files or len(new[name]) > 1:
            raise run.failure(
                "missing_output", f"left {len(files)} files {shown(name)} where one is due; see its log"
            )
    for name, files in due.items():
        if not new[name]:
            raise run.failure(
                "stale_output", f"left {shown(files[0].name)} as it was before its start; see its log"
            )
    return tuple(name for (name,) in new.values())


def _is_new(file: OutputFile, end: RunEnd) -> bool:
    return file.modified >= end.started_at
