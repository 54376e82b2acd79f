"""A program that stands in for the GPU engine: takes a TPS file, speaks its log lines, writes a small dose.

`set_up_engine` makes the command `tps_env`; `set_behaviour` says, by a file beside it, what the next starts
do, so that a test can change it while the command stays. Every start is noted: `starts` reads them. Like the
engine it finds the log of its beam by place among the sorted folders, and the dose lies where the log says.

Only the standard library is used: the program runs wherever the interpreter that set it up runs.
Not here: a dose that means anything, and the CPU engine, which is real.
"""

import json
import math
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

COMMAND: Final = "tps_env"

BEHAVIOURS: Final[Mapping[str, str | None]] = {
    "success": None,
    "hang": "timeout",
    "deaf": "timeout",
    "split_marker": None,
    "silent_exit": "no_evidence",
    "no_output": "missing_output",
    "two_outputs": "missing_output",
    "kill_itself": "killed_by_signal",
    "nonzero_exit": "nonzero_exit",
    "huge_output": None,
    "failure_line": "engine_failure_line",
    "no_free_gpu": "gpu_unknown",
    "empty_dose": "empty_dose",
    "nan_dose": "non_finite_dose",
    "short_dose": "dose_size",
    "old_output": "stale_output",
}
"""What the engine can do, and the code under which that has to end; None where it is a success.

`deaf` is a hang that ignores SIGTERM; both have a child that hangs too. `silent_exit` ends with 0 and says
nothing, `no_output` says that it is done, `nonzero_exit` too, `two_outputs` leaves it open which file counts.
`no_free_gpu` is the one failure line after which it is worth trying again, so it has a code of its own.
"""

COMPLETION_LINE: Final = "Total execution time: 12.34 seconds"
HUGE_OUTPUT_BYTES: Final = 50 * 1024 * 1024

_LONGEST_HANG_S: Final = 600
_BATCHES: Final = 4
_SPREAD_MM: Final = 10.0
# Long before any start, and before the oldest file system stamp that a clock set wrongly could give.
_OLD_TIME: Final = 946_684_800


def set_up_engine(folder: Path, behaviour: str = "success", **options: Any) -> Path:
    """Make the command in a folder and return its path: what `BEAMS_MOQUI_COMMAND` names.

    Raises:
        ValueError: as `set_behaviour`.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / COMMAND
    program = [sys.executable, "-I", str(Path(__file__).resolve()), str(command.resolve())]
    command.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n', "utf-8")
    command.chmod(0o755)
    set_behaviour(command, behaviour, **options)
    return command


def set_behaviour(
    command: Path,
    behaviour: str | Sequence[str] = "success",
    *,
    beams: Mapping[str, str | Sequence[str]] | None = None,
    batch_seconds: float = 0.0,
) -> None:
    """Say what the next starts of the command do.

    Args:
        command: what `set_up_engine` returned.
        behaviour: one of `BEHAVIOURS`; several are for one start after the other of the same beam, the last
            of them for all that follow.
        beams: other behaviours for some beams, by beam id such as `QA0001_beam_1`.
        batch_seconds: how long each of the four batches takes.

    Raises:
        ValueError: there is no such behaviour.
    """
    by_beam = {"": behaviour} | dict(beams or {})
    listed = {name: [one] if isinstance(one, str) else list(one) for name, one in by_beam.items()}
    for name in (name for names in listed.values() for name in names):
        if name not in BEHAVIOURS:
            raise ValueError(f"'{name}' is no behaviour; known are {', '.join(BEHAVIOURS)}")
    content = json.dumps({"beams": listed, "batch_seconds": batch_seconds})
    draft = command.with_suffix(".behaviour.new")
    draft.write_text(content, "utf-8")
    draft.replace(_behaviour_file(command))


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the command."""

    beam: str
    """The beam id in the name of the TPS file."""
    behaviour: str
    pid: int
    gpu: str
    """GPUID of the TPS file."""
    device_order: str | None
    """`CUDA_DEVICE_ORDER` of its environment."""
    tps_file: str


def starts(command: Path) -> list[Start]:
    """Every start of the command so far, in their order."""
    noted = _starts_file(command)
    lines = noted.read_text("utf-8").splitlines() if noted.is_file() else []
    return [Start(**json.loads(line)) for line in lines]


def main(arguments: Sequence[str]) -> int:
    """Run as the engine: the command's own path and a TPS file; returns the exit code."""
    if len(arguments) != 2:
        print("usage: tps_env <tps file>", file=sys.stderr)
        return 2
    command, tps_file = Path(arguments[0]), Path(arguments[1])
    if not tps_file.is_file():
        print(f"FATAL ERROR: cannot open {tps_file}", flush=True)
        return 1
    settings = read_tps(tps_file.read_text("utf-8"))
    state = json.loads(_behaviour_file(command).read_text("utf-8"))
    beam = re.sub(r"^moqui_tps_|\.in$", "", tps_file.name)
    behaviour = _next_behaviour(command, state["beams"], beam)
    _note_start(command, beam, behaviour, settings, tps_file)
    return _Run(settings, behaviour, state["batch_seconds"]).run()


def read_tps(text: str) -> dict[str, str]:
    """The values of a TPS file by lower-case key, by the engine's rules: the first of equal keys wins."""
    settings: dict[str, str] = {}
    for line in text.split("\n"):
        key, _, value = line.partition("#")[0].partition(" ")
        if key:
            settings.setdefault(key.lower(), value)
    return settings


class _Run:
    """One run of the engine."""

    def __init__(self, settings: Mapping[str, str], behaviour: str, batch_seconds: float) -> None:
        self._settings = settings
        self._behaviour = behaviour
        self._batch_seconds = batch_seconds

    def run(self) -> int:
        if self._behaviour == "silent_exit":
            return 0
        if self._behaviour == "no_free_gpu":
            _say("ERROR: No free GPU remains after BeamLayerMultiGpu filtering")
            return 1
        try:
            centre = self._centre_of_the_log()
        except OSError as error:
            _say(f"FATAL ERROR: {error}")
            return 1
        self._batches()
        self._write_dose(centre)
        return self._end()

    def _batches(self) -> None:
        """The lines of a run under way, and what goes wrong on the way."""
        _say(
            f"[beam 1] Particle count --> {self._settings['normalizetotalhistories']} with {_BATCHES} batches"
        )
        for batch in range(1, _BATCHES + 1):
            _say(f"Generating particles for ({batch} of {_BATCHES} batches) in CPU ..")
            time.sleep(self._batch_seconds)
            if batch == 1:
                self._first_batch()
        _say("Relative MC ERROR: 1.2 %")

    def _first_batch(self) -> None:
        if self._behaviour in ("hang", "deaf"):
            _hang(deaf=self._behaviour == "deaf")
        if self._behaviour == "kill_itself":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._behaviour == "huge_output":
            line = "x" * 1023
            for _ in range(HUGE_OUTPUT_BYTES // 1024):
                _say(line, flush=False)

    def _end(self) -> int:
        if self._behaviour == "failure_line":
            _say("FATAL ERROR: cannot allocate device memory")
        if self._behaviour == "split_marker":
            for part in (COMPLETION_LINE[:9], f"{COMPLETION_LINE[9:]}\n"):
                sys.stdout.write(part)
                sys.stdout.flush()
                time.sleep(0.3)
        else:
            _say(COMPLETION_LINE)
        return 1 if self._behaviour == "nonzero_exit" else 0

    def _centre_of_the_log(self) -> tuple[float, float, int]:
        """Count-weighted mean x and y, in mm, and all counts, of the beam's folder by its place."""
        root, place = Path(self._settings["logfilepath"]), int(self._settings["beamnumbers"])
        folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
        if not 1 <= place <= len(folders):
            raise FileNotFoundError(f"no log folder {place} of {len(folders)} in {root}")
        files = sorted(folders[place - 1].glob("*.csv"))
        if not files:
            raise FileNotFoundError(f"no log in {folders[place - 1]}")
        total, x_sum, y_sum = 0, 0.0, 0.0
        for file in files:
            for line in file.read_text("ascii").splitlines():
                _, x, y, count = line.split(",")
                total, x_sum, y_sum = (
                    total + int(count),
                    x_sum + int(count) * float(x),
                    y_sum + int(count) * float(y),
                )
        return x_sum / max(total, 1), y_sum / max(total, 1), total

    def _write_dose(self, centre: tuple[float, float, int]) -> None:
        """The output: float64 planes, the field a round hill where the log was delivered."""
        folder = Path(self._settings["outputdir"])
        folder.mkdir(parents=True, exist_ok=True)
        if self._behaviour == "no_output":
            return
        dose = self._dose(*centre)
        if self._behaviour == "empty_dose":
            dose = array("d", bytes(8 * len(dose)))
        if self._behaviour == "nan_dose":
            dose[len(dose) // 3] = math.nan
        if self._behaviour == "short_dose":
            dose = dose[:-1]
        names = ("dose.raw", "dose_2.raw") if self._behaviour == "two_outputs" else ("dose.raw",)
        for name in names:
            with (folder / name).open("wb") as file:
                dose.tofile(file)
            if self._behaviour == "old_output":
                os.utime(folder / name, (_OLD_TIME, _OLD_TIME))

    def _dose(self, x_mm: float, y_mm: float, counts: int) -> "array[float]":
        columns = _hill(
            self._voxels("x"), self._number("phantompositionx"), self._number("phantomunitx"), x_mm
        )
        rows = _hill(self._voxels("y"), self._number("phantompositiony"), self._number("phantomunity"), y_mm)
        plane = array("d")
        for row in rows:
            plane.extend([counts * 1e-9 * row * column for column in columns])
        one_plane = self._settings["twocentimetermode"] == "true"
        return plane if one_plane else plane * self._voxels("z")

    def _voxels(self, axis: str) -> int:
        return int(self._settings[f"phantomdim{axis}"])

    def _number(self, key: str) -> float:
        return float(self._settings[key])


def _hill(voxels: int, first_mm: float, voxel_mm: float, centre_mm: float) -> list[float]:
    return [
        math.exp(-0.5 * ((first_mm + (voxel + 0.5) * voxel_mm - centre_mm) / _SPREAD_MM) ** 2)
        for voxel in range(voxels)
    ]


def _hang(*, deaf: bool) -> None:
    """Do nothing, with a child that does nothing either, until someone ends it; ten minutes are a failure."""
    if deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-I", "-c", f"import time; time.sleep({_LONGEST_HANG_S})"])
    _say(f"waiting for child {child.pid}")
    child.wait()
    raise SystemExit(3)


def _say(line: str, *, flush: bool = True) -> None:
    sys.stdout.write(f"{line}\n")
    if flush:
        sys.stdout.flush()


def _next_behaviour(command: Path, beams: Mapping[str, Sequence[str]], beam: str) -> str:
    listed = beams.get(beam, beams[""])
    before = sum(start.beam == beam for start in starts(command))
    return listed[min(before, len(listed) - 1)]


def _note_start(
    command: Path, beam: str, behaviour: str, settings: Mapping[str, str], tps_file: Path
) -> None:
    line = json.dumps(
        {
            "beam": beam,
            "behaviour": behaviour,
            "pid": os.getpid(),
            "gpu": settings.get("gpuid", ""),
            "device_order": os.environ.get("CUDA_DEVICE_ORDER"),
            "tps_file": str(tps_file),
        }
    )
    with _starts_file(command).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _behaviour_file(command: Path) -> Path:
    return command.with_name(f"{command.name}.behaviour.json")


def _starts_file(command: Path) -> Path:
    return command.with_name(f"{command.name}.starts.jsonl")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
