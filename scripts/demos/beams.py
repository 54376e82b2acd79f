"""The demo of beams: a case is received, watched for, simulated and judged; one with swapped logs is refused.

Sensor, jobs, registry and engine are the real ones. The settings are the demo's own: whatever `BEAMS_`
variables are set, it writes to Quintet's home alone, and the engine is the one that needs no GPU.
"""

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import dagster as dg
from rich.table import Table

from assets.beams.case_report_page import PAGE_FILE
from assets.beams.folder_shapes import MARKER
from assets.beams.registry.rows import Case, find_case
from assets.beams.report_page import NOTICE, floored
from assets.beams.report_summary import SUMMARY_FILE
from assets.beams.states import CaseState
from jobs.beams import prepare_beam_case
from scripts.beam_runs import BeamRuns, only_settings
from scripts.beams.desk import Desk
from scripts.demos.steps import DemoFailed, Guide, Result, console

TITLE: Final = "an independent dose check of every delivered proton beam"

SOUND, SWAPPED = "QA9001", "QA9002"
UNMARKED: Final = "no_marker"
REFUSAL: Final = "layer_word"

_SIZE: Final = ("--size", "full")
# Without a quiet time, what an earlier demo received may change at once.
_SETTINGS: Final = {"BEAMS_QUIET_SECONDS": "0"}
_ENDED: Final = (CaseState.COMPLETED, CaseState.COMPLETED_WITH_WARNINGS, CaseState.FAILED)
_LONGEST_S: Final = 600.0


def demonstrate(guide: Guide) -> Result:
    """Deliver two cases, do what the sensor asks for, show the verdict on one and why the other is refused.

    Raises:
        DemoFailed: a command failed, or a case came to something else than it should.
    """
    console.print(f"[bold]{NOTICE}.[/bold] Everything is synthetic.", highlight=False)
    with only_settings(_SETTINGS), dg.DagsterInstance.get() as instance:
        desk, runs = Desk(), BeamRuns(instance)
        rooms = desk.settings.scan_root / "G2"
        _receive(guide, rooms, SOUND, *_SIZE, "--corrupt", UNMARKED)
        with guide.step("it has no marker yet, so the sensor asks for nothing"):
            requests, answer = _requests_of_ours(runs)
            if any(_is_manifest_of(SOUND, request) for request in requests):
                raise DemoFailed(f"{SOUND} has no marker, and the sensor asks for its manifest")
            left = "only what an earlier demo has left undone"
            console.print(f"  look: {left if requests else answer}", highlight=False)
        with guide.step("its marker"):
            _mark(rooms / SOUND)
        _receive(guide, rooms, SWAPPED, "--fractions", "1", "--corrupt", REFUSAL)
        with guide.step("the sensor, and the runs that it asks for"):
            cases = _watched(desk, runs)
        _require_ends(cases)
        output = desk.settings.output_root / "G2"
    summary: dict[str, Any] = json.loads((output / SOUND / SUMMARY_FILE).read_bytes())
    console.print(_beams_table(summary))
    refused = cases[SWAPPED]
    return Result(
        _deliveries_table(summary),
        [
            f"{refused.case_key} is {refused.status}: {refused.failure_code}. {refused.failure_message}",
            f"{NOTICE}. Reports:",
            *(f"  {output / case / PAGE_FILE}" for case in (SOUND, SWAPPED)),
        ],
    )


def _receive(guide: Guide, rooms: Path, case: str, *flags: str) -> None:
    """Have a case below the scan root whose files are all new."""
    shutil.rmtree(rooms / case, ignore_errors=True)
    number = case.removeprefix("QA")
    command = [sys.executable, "-m", "scripts.sample_data", "beams", "--first", number, *flags]
    guide.run(f"{case} is received", command)


def _mark(folder: Path) -> None:
    marker = folder / MARKER
    console.print(f"  touch {marker}", highlight=False)
    marker.touch()


def _watched(desk: Desk, runs: BeamRuns) -> Mapping[str, Case]:
    """Let the sensor look and do what it asks for, until both cases have ended.

    A daemon that watches the same folder may be faster; then its runs are waited for.
    """
    deadline, told = time.monotonic() + _LONGEST_S, ""
    while time.monotonic() < deadline:
        requests, answer = _requests_of_ours(runs)
        if answer != told:
            console.print(f"  look: {answer}", highlight=False)
        told = answer
        if requests:
            for request in requests:
                _do(runs, request)
            continue
        with desk.reading() as connection:
            found = {key: find_case(connection, key) for key in (SOUND, SWAPPED)}
        cases = {key: case for key, case in found.items() if case is not None and case.state in _ENDED}
        if cases.keys() == found.keys():
            return cases
        time.sleep(1)
    raise DemoFailed(
        f"{SOUND} and {SWAPPED} have not ended in {_LONGEST_S:.0f} s; see `python -m scripts.beams status`"
    )


def _requests_of_ours(runs: BeamRuns) -> tuple[list[dg.RunRequest], str]:
    """What a look asks for, and that in words; cases of other people are left to the daemon."""
    requests, reason = runs.look()
    ours = [request for request in requests if _case_of(request) in (SOUND, SWAPPED)]
    return ours, f"{len(ours)} runs" if ours else reason or "none of ours"


def _is_manifest_of(case: str, request: dg.RunRequest) -> bool:
    return (request.job_name, request.partition_key) == (prepare_beam_case.name, case)


def _case_of(request: dg.RunRequest) -> str:
    return (request.partition_key or "").partition("|")[0]


def _do(runs: BeamRuns, request: dg.RunRequest) -> None:
    began = time.monotonic()
    outcome = "done" if runs.run(request) else "failed"
    console.print(
        f"    {request.run_key}  {request.job_name} {request.partition_key}: {outcome},"
        f" {time.monotonic() - began:.1f} s",
        highlight=False,
    )


def _require_ends(cases: Mapping[str, Case]) -> None:
    sound, swapped = cases[SOUND], cases[SWAPPED]
    if sound.state not in (CaseState.COMPLETED, CaseState.COMPLETED_WITH_WARNINGS):
        raise DemoFailed(f"{SOUND} is {sound.status}: {sound.failure_message}")
    if swapped.failure_code != REFUSAL:
        raise DemoFailed(f"{SWAPPED} is {swapped.status} ({swapped.failure_code}), not refused as {REFUSAL}")


def _beams_table(summary: Mapping[str, Any]) -> Table:
    table = Table(
        *("beam", "name", "DICOM number", "dose", "deliveries", "engine", "protons", "RTDOSE"),
        title=f"{summary['case']}, room {summary['room']}: {summary['state']}. Beams in the plan's order",
        title_justify="left",
    )
    for beam in summary["beams"]:
        dose = beam["dose"]
        table.add_row(
            str(beam["treatment_index"]),
            beam["name"],
            str(beam["dicom_number"]),
            beam["status"],
            _counted(delivery["status"] for delivery in beam["deliveries"]),
            dose["engine"],
            f"{dose['primaries']:,}",
            f"{dose['rtdose']} ({dose['rtdose_dose_units'].lower()})",
        )
    return table


def _counted(verdicts: Iterable[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts).items())


def _deliveries_table(summary: Mapping[str, Any]) -> Table:
    table = Table(
        *("delivery", "beam", "fraction", "simulated", "verdict", "pass rate", "largest gamma", "points"),
        title=f"beams: {summary['case']} is {summary['state']}; its deliveries, each against the plan",
        title_justify="left",
    )
    delivered = [(delivery, beam) for beam in summary["beams"] for delivery in beam["deliveries"]]
    for delivery, beam in sorted(delivered, key=lambda pair: pair[0]["timestamp"]):
        table.add_row(
            delivery["folder"],
            f"{beam['treatment_index']}  {beam['name']}",
            str(delivery["fraction_index"]),
            "yes" if delivery["is_reference"] else "",
            delivery["status"],
            f"{floored(delivery['pass_rate']):.2f} %",
            f"{delivery['gamma_max']:.3f}",
            f"{delivery['evaluated_points']:,}",
        )
    return table
