"""Benchmark of a whole case: three beams from the folder with their logs to the report, with the CPU engine.

The sensor looks and its runs are done one after the other in this process, so that each has both cores; the
engine is a process of its own, with one thread.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Final

import dagster as dg

from assets.beams.report_summary import SUMMARY_FILE
from assets.beams.run_records import RECORD
from scripts.beam_runs import BeamRuns, only_settings
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch
from scripts.sample_data.beams import SampleCase, write_case

_RUNS: Final = 5


def measure_case(root: Path, protons: int) -> Part:
    """Take the sample case through its manifest, its three beams and its report.

    Raises:
        BenchmarkFailed: a run failed, or the case did not come to a complete report.
    """
    case = SampleCase()
    settings = {"QUINTET_HOME": str(root), "BEAMS_PRIMARIES": str(protons)}
    with only_settings(settings), dg.DagsterInstance.local_temp(str(root)) as instance:
        write_case(root / "storage" / "beam-logs", case)
        runs = BeamRuns(instance)
        lines = _measured(runs)
    output = root / "storage" / "beam-output" / case.place.folder
    _require_complete(output, len(lines))
    engine = [_engine_seconds(record) for record in output.glob(f"Dose/*/{RECORD}")]
    wall, cpu = sum(line.value for line in lines), sum(line.cpu or 0 for line in lines)
    return Part(
        f"a case of three beams, {protons:,} protons each",
        [Line("manifest to report", wall, cpu + sum(engine), len(engine) * protons, "protons"), *lines],
        [f"In the engine: {sum(engine):.1f} s, CPU seconds of the whole only. Looks of the sensor included."],
    )


def _measured(runs: BeamRuns) -> list[Line]:
    """A line for each run, with the look that asked for it in the first one."""
    lines: list[Line] = []
    watch = Stopwatch()
    while requests := runs.look()[0]:
        for request in requests:
            if not runs.run(request):
                raise BenchmarkFailed(f"the run {request.run_key} failed")
            lines.append(Line(f"{request.job_name} {request.partition_key}", *watch.lap()))
    return lines


def _require_complete(output: Path, runs: int) -> None:
    summary = json.loads((output / SUMMARY_FILE).read_bytes())
    verdicts = [delivery["status"] for beam in summary["beams"] for delivery in beam["deliveries"]]
    if runs != _RUNS or summary["state"] != "completed" or set(verdicts) != {"passed"}:
        raise BenchmarkFailed(f"after {runs} runs the case is {summary['state']}, its deliveries {verdicts}")


def _engine_seconds(record: Path) -> float:
    values = json.loads(record.read_bytes())
    began, ended = (datetime.fromisoformat(values[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()
