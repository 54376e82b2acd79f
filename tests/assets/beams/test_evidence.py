"""Success is evidence; of everything else the first reason in the list counts."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from assets.beams.dose_grid import DoseGrid
from assets.beams.engine_log import NO_FREE_GPU, EngineLog, EngineName
from assets.beams.evidence import EngineRun, OutputFile, RunEnd, require_dose, require_run
from assets.beams.failures import BeamFailure, FailureDetails, PermanentBeamFailure, RetryableBeamFailure
from tests.assets.beams.engine_outputs import MCSQUARE_LOG, MOQUI_LOG

START = 1_774_000_000.0
RAW = ("*.raw",)
DOSE = (OutputFile("dose.raw", START + 5),)


def run_of(text: str = MOQUI_LOG, *, engine: EngineName = "moqui", **end: Any) -> EngineRun:
    log = EngineLog(engine)
    log.feed(text.encode())
    log.close()
    return EngineRun("QA0001_beam_1", RunEnd(**{"exit_code": 0, "started_at": START} | end), log)


def code_of(run: EngineRun, found=DOSE, expected=RAW) -> str:
    with pytest.raises(BeamFailure, match="'QA0001_beam_1'") as failure:
        require_run(run, found, expected)
    return failure.value.code


def grid(value: float = 1.0) -> DoseGrid:
    return DoseGrid(np.full((1, 2, 2), value), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "Gy")


def test_a_run_with_all_of_its_evidence_gives_the_names_of_its_output() -> None:
    assert require_run(run_of(), DOSE, RAW) == ("dose.raw",)
    _, figures = require_dose(run_of(), grid)
    assert (figures.maximum, figures.mean) == (1.0, 1.0)


def test_the_names_of_the_output_come_in_the_order_in_which_they_are_expected() -> None:
    run = run_of(MCSQUARE_LOG, engine="mcsquare")
    found = [OutputFile(name, START) for name in ("Simulation_progress.txt", "Dose.raw", "Dose.mhd")]
    assert require_run(run, found, ("Dose.mhd", "Dose.raw")) == ("Dose.mhd", "Dose.raw")


@pytest.mark.parametrize(
    ("text", "end", "found", "code"),
    [
        (MOQUI_LOG, {"exit_code": None, "signal": 9}, DOSE, "killed_by_signal"),
        (MOQUI_LOG, {"exit_code": None, "signal": 11}, DOSE, "killed_by_signal"),
        (MOQUI_LOG, {"exit_code": None}, DOSE, "killed_by_signal"),
        ("", {"exit_code": None, "signal": 15, "timed_out": True}, (), "timeout"),
        (MOQUI_LOG, {"exit_code": 0, "timed_out": True}, DOSE, "timeout"),
        (f"{MOQUI_LOG}FATAL ERROR: x\n", {}, DOSE, "engine_failure_line"),
        (f"ERROR: x\n{MOQUI_LOG}", {}, DOSE, "engine_failure_line"),
        ("ERROR: x\n", {"exit_code": 1}, DOSE, "engine_failure_line"),
        (f"ERROR: {NO_FREE_GPU}\n", {"exit_code": 1}, (), "gpu_unknown"),
        (MOQUI_LOG, {"exit_code": 1}, DOSE, "nonzero_exit"),
        ("", {"exit_code": 127}, (), "nonzero_exit"),
        ("", {"exit_code": 0}, DOSE, "no_evidence"),
        (MCSQUARE_LOG, {"exit_code": 0}, DOSE, "no_evidence"),
        (MOQUI_LOG, {}, (), "missing_output"),
        (MOQUI_LOG, {}, (OutputFile("dose.dat", START),), "missing_output"),
        (MOQUI_LOG, {}, (*DOSE, OutputFile("dose_2.raw", START + 5)), "missing_output"),
        (MOQUI_LOG, {}, (OutputFile("dose.raw", START - 0.001),), "stale_output"),
        (MOQUI_LOG, {}, (OutputFile("a.raw", 0), OutputFile("b.raw", 1)), "stale_output"),
    ],
)
def test_what_is_no_success_has_its_code(text: str, end: dict[str, Any], found, code: str) -> None:
    assert code_of(run_of(text, **end), found) == code


def test_an_old_file_beside_the_new_one_does_not_make_it_doubtful() -> None:
    assert require_run(run_of(), (OutputFile("a.raw", START - 100), *DOSE), RAW) == ("dose.raw",)


def test_a_file_of_the_second_of_the_start_is_new() -> None:
    assert require_run(run_of(), (OutputFile("dose.raw", START),), RAW) == ("dose.raw",)


@pytest.mark.parametrize("absent", ["Dose.mhd", "Dose.raw"])
def test_every_expected_file_is_due_and_the_missing_one_is_named(absent: str) -> None:
    found = [OutputFile(name, START) for name in ("Dose.mhd", "Dose.raw") if name != absent]
    with pytest.raises(BeamFailure, match=f"'{absent}'") as failure:
        require_run(run_of(MCSQUARE_LOG, engine="mcsquare"), found, ("Dose.mhd", "Dose.raw"))
    assert failure.value.code == "missing_output"


def test_a_missing_file_counts_before_a_stale_one() -> None:
    run = run_of(MCSQUARE_LOG, engine="mcsquare")
    assert code_of(run, [OutputFile("Dose.mhd", 0)], ("Dose.mhd", "Dose.raw")) == "missing_output"


# In their order; each adds its fault to a run that would be a success.
FAULTS: dict[str, dict[str, Any]] = {
    "timeout": {"timed_out": True},
    "killed_by_signal": {"exit_code": None, "signal": 9},
    "engine_failure_line": {"text": f"{MOQUI_LOG}ERROR: x\n"},
    "nonzero_exit": {"exit_code": 3},
    "no_evidence": {"text": "nothing\n"},
    "missing_output": {"found": ()},
    "stale_output": {"found": (OutputFile("dose.raw", START - 10),)},
}


@pytest.mark.parametrize(("first", "second"), list(combinations(FAULTS, 2)))
def test_of_two_faults_the_first_in_the_list_is_the_code(first: str, second: str) -> None:
    faults = FAULTS[second] | FAULTS[first]
    found = faults.pop("found", DOSE)
    assert code_of(run_of(faults.pop("text", MOQUI_LOG), **faults), found) == first


@pytest.mark.parametrize(
    ("text", "end", "kind"),
    [
        (MOQUI_LOG, {"exit_code": None, "signal": 9}, RetryableBeamFailure),
        (MOQUI_LOG, {"timed_out": True}, RetryableBeamFailure),
        (f"ERROR: {NO_FREE_GPU}\n", {"exit_code": 1}, RetryableBeamFailure),
        ("ERROR: x\n", {"exit_code": 1}, PermanentBeamFailure),
        (MOQUI_LOG, {"exit_code": 1}, PermanentBeamFailure),
        ("", {}, PermanentBeamFailure),
    ],
)
def test_only_a_kill_a_timeout_and_a_lack_of_gpus_can_be_retried(text: str, end, kind: type) -> None:
    with pytest.raises(kind):
        require_run(run_of(text, **end), DOSE, RAW)


def test_a_signal_is_named_and_kept_in_the_details() -> None:
    with pytest.raises(BeamFailure, match="by signal 9;") as failure:
        require_run(run_of(exit_code=None, signal=9), DOSE, RAW)
    assert failure.value.details.signal == 9


def test_a_job_that_vanished_is_said_to_have_no_exit_code() -> None:
    with pytest.raises(BeamFailure, match="gone without an exit code"):
        require_run(run_of(exit_code=None), DOSE, RAW)


def test_a_failure_line_is_quoted() -> None:
    with pytest.raises(BeamFailure, match="'FATAL ERROR: cannot allocate device memory'"):
        require_run(run_of("FATAL ERROR: cannot allocate device memory\n"), DOSE, RAW)


def test_a_failure_line_cannot_break_the_line_of_its_message() -> None:
    with pytest.raises(BeamFailure) as failure:
        require_run(run_of("ERROR: \x1b[31m\x00" + "x" * 5000), DOSE, RAW)
    assert failure.value.message.isprintable()
    assert len(failure.value.message) < 400


def test_the_details_have_the_end_of_the_program_and_of_its_log_and_what_was_known_before() -> None:
    run = run_of(f"{'begin ' * 2000}\nERROR: x\n", exit_code=1)
    known = FailureDetails(attempt=2, host="local", command_digest="ab")
    with pytest.raises(BeamFailure) as failure:
        require_run(EngineRun(run.name, run.end, run.log, known), DOSE, RAW)
    details = failure.value.details.as_dict()
    tail = details.pop("stderr_tail")
    excerpt = details.pop("log_excerpt")
    assert details == {"exit_code": 1, "attempt": 2, "host": "local", "command_digest": "ab"}
    assert isinstance(tail, str)
    assert tail.endswith("ERROR: x\n")
    assert len(tail) == 4096
    assert isinstance(excerpt, str)
    assert excerpt.endswith("\nERROR: x")


@pytest.mark.parametrize(
    ("value", "code"),
    [(0.0, "empty_dose"), (np.nan, "non_finite_dose"), (np.inf, "non_finite_dose")],
)
def test_what_is_no_dose_is_refused_with_the_details_of_its_run(value: float, code: str) -> None:
    with pytest.raises(BeamFailure, match="'QA0001_beam_1'") as failure:
        require_dose(run_of(), lambda: grid(value))
    assert failure.value.code == code
    assert failure.value.details.exit_code == 0
    assert failure.value.details.stderr_tail == MOQUI_LOG


def lost(protons: int) -> EngineRun:
    text = f"Nbr primaries simulated: 20000 ({protons} generated outside the geometry) \n{MCSQUARE_LOG}"
    return run_of(text, engine="mcsquare")


def test_a_dose_that_lacks_more_than_a_twentieth_of_its_protons_does_not_fit_the_phantom() -> None:
    with pytest.raises(BeamFailure, match="10% of its protons") as failure:
        require_dose(lost(2000), grid)
    assert failure.value.code == "dose_size"
    assert require_dose(lost(1000), grid)[1].maximum == 1.0


def test_a_dose_of_no_protons_at_all_is_empty_before_anything_else() -> None:
    with pytest.raises(BeamFailure) as failure:
        require_dose(lost(20000), lambda: grid(0.0))
    assert failure.value.code == "empty_dose"
