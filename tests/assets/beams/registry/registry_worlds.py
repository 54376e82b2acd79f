"""A registry on a clock of its own, and short words for what scans, workers and hosts do to it."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assets.beams.nvidia_smi import Answer, Inventory, read_inventory
from assets.beams.registry import beams, cases, gpus, schema
from assets.beams.registry.beams import BeamWork
from assets.beams.registry.cases import MadeDelivery, PlannedBeam
from assets.beams.registry.reopening import Occasion, Reopening
from assets.beams.registry.steps import Request
from assets.beams.states import BeamState
from resources.ledger import Ledger

START = datetime(2026, 3, 20, 13, 0, tzinfo=UTC)
GRACE = timedelta(seconds=60)
HOST = "gpu-host"
MIN_FREE_MIB = 1000
CASE = "QA0001"
PHYSICIST = Request("physicist", "looked at it")


def opened(folder: Path) -> sqlite3.Connection:
    connection = Ledger(folder=str(folder)).open_db("beams")
    schema.migrate(connection)
    return connection


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def uuid(index: int) -> str:
    return f"GPU-{index:08d}-aaaa"


def gpu_line(index: int, *, used: object = 10, free: object = 8182) -> str:
    return f"{index}, {uuid(index)}, NVIDIA GeForce RTX 2080, 8192, {used}, {free}, 35, 0, 300"


def inventory(*lines: str, busy: tuple[int, ...] = ()) -> Inventory:
    processes = "\n".join(f"{4000 + n}, {uuid(index)}, tps_env, 700" for n, index in enumerate(busy))
    return read_inventory(Answer("\n".join(lines)), Answer(processes))


def poll(connection: sqlite3.Connection, count: int, seconds: float, busy: tuple[int, ...] = ()) -> Inventory:
    """What a host with `count` GPUs answers, kept."""
    answer = inventory(*map(gpu_line, range(count)), busy=busy)
    gpus.record(connection, HOST, answer, MIN_FREE_MIB, at(seconds))
    return answer


def rows(connection: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    with closing(connection.cursor()) as cursor:
        cursor.row_factory = sqlite3.Row
        return [dict(row) for row in cursor.execute(query, values)]


def gpu_states(connection: sqlite3.Connection) -> dict[str, str]:
    return {row.uuid: row.status for row in gpus.listed(connection, HOST)}


def planned(*indexes: int) -> list[PlannedBeam]:
    return [
        PlannedBeam(index, 10 - index, index + 1, f"F{index}", f"{index + 1:03d}_F{index}")
        for index in indexes
    ]


def made(index: int, number: int = 1) -> MadeDelivery:
    return MadeDelivery(
        f"{CASE}_delivery_{index}{number}", f"2026032010{index:02d}0000", START, 1, index, True, False
    )


def interpreted(connection: sqlite3.Connection, *indexes: int, run: str = "m1", seconds: float = 0) -> None:
    """A case whose manifest is done."""
    if not rows(connection, "SELECT 1 FROM cases"):
        cases.see(connection, CASE, "G2", "G2/QA0001", at(seconds))
        cases.make_ready(connection, CASE, "f1", at(seconds))
    work = cases.begin_manifest(connection, CASE, run, at(seconds))
    cases.publish_manifest(
        connection, work, planned(*indexes), [made(index) for index in indexes], [], at(seconds)
    )


WAY = (
    *(BeamState.PREPARED, BeamState.QUEUED, BeamState.RUNNING),
    *(BeamState.COLLECTING, BeamState.VALIDATING, BeamState.COMPLETED),
)


def beam(index: int) -> str:
    return f"{CASE}_beam_{index}"


def brought(
    connection: sqlite3.Connection, index: int, to: BeamState, run: str = "", seconds: float = 1
) -> BeamWork:
    """A beam that a run has taken and brought to a status."""
    work = beams.take(connection, beam(index), run or f"r{index}", at(seconds))
    for state in WAY[: WAY.index(to) + 1]:
        beams.move(connection, work, state, at(seconds))
    return work


def asked(occasion: Occasion, *active_runs: str, most_retries: int = 3) -> Reopening:
    return Reopening(occasion, PHYSICIST, frozenset(active_runs), most_retries)
