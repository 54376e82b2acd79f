"""What `nvidia-smi` says of the GPUs of a host: its two queries, and the reading of their answers.

A GPU is idle only where a good answer shows it: a query that failed, hung or does not exist, or a process
that cannot be attributed, makes the whole inventory unknown. Not here: running the queries (the compute
host), who holds a GPU (the registry).
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown

TIMEOUT_SECONDS: Final = 15
_FORMAT: Final = "--format=csv,noheader,nounits"
GPU_QUERY: Final = (
    "--query-gpu=index,uuid,name,memory.total,memory.used,memory.free,temperature.gpu,utilization.gpu,clocks.gr",
    _FORMAT,
)
"""The arguments that ask for the GPUs."""
PROCESS_QUERY: Final = ("--query-compute-apps=pid,gpu_uuid,process_name,used_memory", _FORMAT)
"""The arguments that ask for the processes that compute on them."""

_COLUMNS: Final = 9
_SHORTEST_UUID: Final = 10
_UNKNOWN: Final = frozenset({"", "n/a", "[n/a]", "null", "[not supported]"})
_IN_ERROR: Final = frozenset({"err!", "[err!]", "[unknown error]", "[gpu requires reset]", "[gpu is lost]"})
_INDEX: Final = re.compile(r"[0-9]{1,4}")
_NUMBER: Final = re.compile(r"(-?)([0-9]{1,12})(\.[0-9]*)?")
_HOTTEST: Final = 200
_MOST_OF_TOTAL: Final = 1.1

Observed = Literal["idle", "foreign", "small", "quarantined"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one query: its stdout, or the problem that left it without a good answer."""

    stdout: str = ""
    problem: str | None = None
    """Such as `exit code 9`, `no answer within 15 s`, `nvidia-smi not found`."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of a good answer; a value that the tool does not know is None."""

    index: int
    uuid: str
    name: str | None
    memory_total_mib: int | None
    memory_used_mib: int | None
    memory_free_mib: int | None
    temperature_c: int | None
    utilization_percent: int | None
    core_clock_mhz: int | None
    in_error: bool = False
    """Whether the tool showed an error in place of a value: such a GPU gets no work."""
    compute_processes: int = 0
    """How many processes compute on it."""

    def observed(self, min_free_mib: int) -> Observed:
        """How it stands for who holds no lease on it: any process is foreign, unknown free memory small."""
        if self.in_error:
            return "quarantined"
        if self.compute_processes:
            return "foreign"
        if self.memory_free_mib is None or self.memory_free_mib < min_free_mib:
            return "small"
        return "idle"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A line that describes no GPU, and why."""

    line: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The GPUs of a host at one moment, by index; none of them where the state is `unknown`."""

    state: Literal["known", "unknown"]
    reason: str | None = None
    """Why nothing is known; None in the other state."""
    gpus: tuple[Gpu, ...] = ()
    rejected_rows: tuple[RejectedRow, ...] = ()
    warnings: tuple[str, ...] = ()

    def require_known(self) -> None:
        """Raise `gpu_unknown`, which is retryable, unless the state is `known`."""
        if self.state == "unknown":
            raise unknown_gpus(self.reason)


def unknown_gpus(reason: str | None) -> BeamFailure:
    """The failure of a dispatch that cannot tell which GPUs are idle."""
    return beam_failure(
        "gpu_unknown", f"The GPUs of the host are unknown ({reason}): no beam is given one; run it again."
    )


def read_inventory(gpu_answer: Answer, process_answer: Answer) -> Inventory:
    """The inventory that both answers together tell; either of them missing, it is unknown."""
    for asked, answer in (("GPUs", gpu_answer), ("processes", process_answer)):
        if answer.problem is not None:
            return Inventory("unknown", f"nvidia-smi did not list the {asked}: {answer.problem}")
    processes: Counter[str] = Counter()
    for line in _lines(process_answer.stdout):
        uuid = _uuid_of_process(line)
        if uuid is None:
            return Inventory("unknown", f"nvidia-smi lists a process whose GPU cannot be told: {shown(line)}")
        processes[uuid] += 1
    return _known(_lines(gpu_answer.stdout), processes)


def read_gpu(line: str) -> Gpu:
    """One line of the GPU query. Raises `ValueError` with the reason for which a row is refused."""
    cells = _cells(line)
    if len(cells) not in (_COLUMNS - 1, _COLUMNS):
        raise ValueError(
            f"{len(cells)} columns in place of {_COLUMNS} (or {_COLUMNS - 1}, without the clock)"
        )
    index, uuid, name, *values = cells
    if not _INDEX.fullmatch(index):
        raise ValueError(f"index {shown(index)} is not an integer from 0")
    if len(uuid) < _SHORTEST_UUID or not _known_cell(uuid):
        raise ValueError(f"uuid {shown(uuid)} is unknown or shorter than {_SHORTEST_UUID} characters")
    total, used, free = (_at_least_0("memory", value) for value in values[:3])
    temperature = _number("temperature", values[3])
    if temperature is not None and temperature > _HOTTEST:
        raise ValueError(f"temperature {temperature} is above {_HOTTEST}")
    utilisation = _at_least_0("utilisation", values[4])
    if utilisation is not None and utilisation > 100:
        raise ValueError(f"utilisation {utilisation} is above 100")
    return Gpu(
        index=int(index),
        uuid=uuid,
        name=name.removeprefix("NVIDIA ") if _known_cell(name) else None,
        memory_total_mib=total,
        memory_used_mib=used,
        memory_free_mib=free,
        temperature_c=temperature,
        utilization_percent=utilisation,
        core_clock_mhz=_at_least_0("clock", values[5]) if len(values) > 5 else None,
        in_error=any(value.casefold() in _IN_ERROR for value in (name, *values)),
    )


def _known(lines: Iterator[str], processes: Counter[str]) -> Inventory:
    found: list[tuple[str, Gpu]] = []
    rejected: list[RejectedRow] = []
    for line in lines:
        try:
            found.append((line, read_gpu(line)))
        except ValueError as error:
            rejected.append(RejectedRow(line, str(error)))
    times_seen = Counter(gpu.uuid for _, gpu in found)
    rejected += [
        RejectedRow(line, f"uuid {shown(gpu.uuid)} is listed {times_seen[gpu.uuid]} times")
        for line, gpu in found
        if times_seen[gpu.uuid] > 1
    ]
    gpus = sorted(
        (
            replace(gpu, compute_processes=processes[gpu.uuid])
            for _, gpu in found
            if times_seen[gpu.uuid] == 1
        ),
        key=lambda gpu: (gpu.index, gpu.uuid),
    )
    return Inventory("known", None, tuple(gpus), tuple(rejected), tuple(_memory_warnings(gpus)))


def _memory_warnings(gpus: list[Gpu]) -> Iterator[str]:
    for gpu in gpus:
        total, used, free = gpu.memory_total_mib, gpu.memory_used_mib, gpu.memory_free_mib
        if total is None or used is None or free is None:
            continue
        if used + free > _MOST_OF_TOTAL * total:
            yield f"GPU {gpu.index} reports {used} MiB used and {free} MiB free of {total} MiB."


def _lines(stdout: str) -> Iterator[str]:
    return (line.strip() for line in stdout.split("\n") if line.strip())


def _cells(line: str) -> list[str]:
    """The cells of one line, each line on its own: an open quote must not swallow the next one."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], skipinitialspace=True))]
    except csv.Error as error:
        raise ValueError(f"not a line of CSV: {error}") from error


def _uuid_of_process(line: str) -> str | None:
    """The GPU of a process; of the cells behind it nothing is needed, and names may hold bare commas."""
    try:
        cells = _cells(line)
    except ValueError:
        return None
    if len(cells) < 2 or len(cells[1]) < _SHORTEST_UUID or not _known_cell(cells[1]):
        return None
    return cells[1]


def _known_cell(cell: str) -> bool:
    return cell.casefold() not in _UNKNOWN | _IN_ERROR


def _at_least_0(what: str, cell: str) -> int | None:
    number = _number(what, cell)
    if number is not None and cell.startswith("-"):  # -0.5 would be 0 once it is truncated.
        raise ValueError(f"{what} {shown(cell)} is negative")
    return number


def _number(what: str, cell: str) -> int | None:
    if not _known_cell(cell):
        return None
    match = _NUMBER.fullmatch(cell)
    if match is None:
        raise ValueError(f"{what} {shown(cell)} is not a number")
    return int(match[1] + match[2])
