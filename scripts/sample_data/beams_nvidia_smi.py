"""A program that stands in for `nvidia-smi`: it answers the two queries of the contract from a file.

`set_up_nvidia_smi` makes the command, `set_answers` says what it answers from then on, failures and hangs
included. Whoever asks anything else gets an error, as of the real command.

Only the standard library is used. Not here: what the answers mean (readers of the inventory).
"""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

COMMAND: Final = "nvidia-smi"

Query = Literal["gpus", "compute_apps"]

GPU_QUERY: Final = (
    "--query-gpu=index,uuid,name,memory.total,memory.used,memory.free,"
    "temperature.gpu,utilization.gpu,clocks.gr"
)
APPS_QUERY: Final = "--query-compute-apps=pid,gpu_uuid,process_name,used_memory"
FORMAT: Final = "--format=csv,noheader,nounits"

TWO_IDLE_GPUS: Final = (
    "0, GPU-11111111-aaaa, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 35, 0, 300",
    "1, GPU-22222222-bbbb, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 36, 0, 300",
)
ODD_GPUS: Final = (
    '0, GPU-11111111-aaaa, "NVIDIA RTX A6000, rev. 2", 49140, [N/A], 48000.9, 35, 0, 300',
    "1, GPU-22222222-bbbb, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 36, 0",
    "2, GPU-33333333-cccc, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 36, 140, 300",
    "3, GPU-44444444-dddd, NVIDIA GeForce RTX 2080, 8192, 10, 8182, [Not Supported], 0, 300",
    "4, GPU-44444444-dddd, NVIDIA GeForce RTX 2080, 8192, 10, 8182, 36, 0, 300",
)
"""A quoted name and an unknown memory, no clock, an impossible utilisation, and one UUID twice."""

_LONGEST_HANG_S: Final = 600
_QUERIES: Final[dict[str, Query]] = {GPU_QUERY: "gpus", APPS_QUERY: "compute_apps"}


def set_up_nvidia_smi(folder: Path, gpus: Sequence[str] = TWO_IDLE_GPUS) -> Path:
    """Make the command in a folder and return its path: what `BEAMS_NVIDIA_SMI` names.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / COMMAND
    program = [sys.executable, "-I", str(Path(__file__).resolve()), str(command.resolve())]
    command.write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n', "utf-8")
    command.chmod(0o755)
    set_answers(command, gpus)
    return command


def set_answers(
    command: Path,
    gpus: Sequence[str] = TWO_IDLE_GPUS,
    compute_apps: Sequence[str] = (),
    *,
    failing: Sequence[Query] = (),
    hanging: Sequence[Query] = (),
) -> None:
    """Say what the command answers from now on.

    Args:
        command: what `set_up_nvidia_smi` returned.
        gpus: lines of the answer about GPUs, as the real command would write them.
        compute_apps: lines of the answer about processes.
        failing: the queries that end with exit code 9 and nothing on stdout.
        hanging: the queries that are never answered, or not within ten minutes.
    """
    content = json.dumps(
        {
            "gpus": list(gpus),
            "compute_apps": list(compute_apps),
            "failing": list(failing),
            "hanging": list(hanging),
        }
    )
    draft = _answers_file(command).with_suffix(".new")
    draft.write_text(content, "utf-8")
    draft.replace(_answers_file(command))


def main(arguments: Sequence[str]) -> int:
    """Run as the command: its own path and the arguments; returns the exit code."""
    command, *given = arguments
    query = next((_QUERIES[argument] for argument in given if argument in _QUERIES), None)
    if query is None or sorted(given) != sorted((GPU_QUERY if query == "gpus" else APPS_QUERY, FORMAT)):
        print(f"Invalid combination of input arguments: {shlex.join(given)}", file=sys.stderr)
        return 2
    answers = json.loads(_answers_file(Path(command)).read_text("utf-8"))
    if query in answers["hanging"]:
        time.sleep(_LONGEST_HANG_S)
    if query in answers["failing"]:
        print(
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", file=sys.stderr
        )
        return 9
    sys.stdout.write("".join(f"{line}\n" for line in answers[query]))
    return 0


def _answers_file(command: Path) -> Path:
    return command.with_name(f"{command.name}.answers.json")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
