"""What dead runs left behind: engines of ended beams are stopped, GPUs that nobody gives back are freed."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from assets.beams.failures import beam_failure
from assets.beams.nvidia_smi import Inventory
from assets.beams.registry import failing, gpus, leases
from assets.beams.registry.beams import BeamWork
from assets.beams.registry.cancelling import cancel_case
from assets.beams.registry.rows import beam_of, case_of
from assets.beams.settings import settings_of
from assets.beams.stages.orphans import clear_up
from assets.beams.states import BeamState
from resources.compute_host import LocalHost
from scripts.sample_data.beams_nvidia_smi import set_answers, set_up_nvidia_smi
from tests.assets.beams.registry.registry_worlds import (
    CASE,
    PHYSICIST,
    at,
    beam,
    brought,
    gpu_line,
    interpreted,
    inventory,
    opened,
    rows,
    uuid,
)
from tests.assets.beams.stages.answering_hosts import UNREACHABLE, host_of


@dataclass
class Place:
    """A host of this machine with one GPU, and a registry with a case of two beams."""

    folder: Path
    connection: sqlite3.Connection
    host: LocalHost
    nvidia_smi: Path

    def clear_up(self, *active: str, seconds: float = 1000) -> tuple[str, ...]:
        settings = settings_of({"BEAMS_NVIDIA_SMI": str(self.nvidia_smi)}, self.folder)
        return clear_up(self.connection, self.host, settings, frozenset(active), lambda: at(seconds))

    def job(self, index: int) -> PurePosixPath:
        return self.host.workdir() / CASE / f"{index + 1:03d}_F{index}" / "1-aaaa"

    def launch(self, index: int) -> None:
        with self.host.connect() as session:
            session.make_folders(self.job(index))
            session.launch(self.job(index), ["sleep", "300"])

    def state(self, index: int) -> str:
        with self.host.connect() as session:
            return session.observe(self.job(index)).state

    def leased(self, index: int, run: str) -> BeamWork:
        """A beam that runs on the GPU."""
        gpus.record(self.connection, self.host.name, self.seen(), 1000, at(1))
        held = leases.acquire(self.connection, beam(index), run, self.host.name, 1, at(1))
        assert held
        work = brought(self.connection, index, BeamState.RUNNING, run)
        return BeamWork(work.beam_id, work.attempt, run, held)

    def seen(self) -> Inventory:
        return inventory(gpu_line(0), gpu_line(1))

    def lease_states(self) -> list[str]:
        return [row["state"] for row in rows(self.connection, "SELECT state FROM leases")]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    connection = opened(tmp_path / "ledger")
    interpreted(connection, 1, 2)
    host = LocalHost(folder=str(tmp_path / "work"))
    here = Place(tmp_path, connection, host, set_up_nvidia_smi(tmp_path / "bin", [gpu_line(0)]))
    yield here
    with host.connect() as session:
        for index in (1, 2):
            session.stop(here.job(index), grace_s=0)
    connection.close()


def test_nothing_is_asked_of_the_host_where_no_run_died(place: Place) -> None:
    place.leased(1, "r1")
    settings = settings_of({}, place.folder)
    host = host_of(UNREACHABLE)
    place.connection.execute("UPDATE leases SET host = ?", (host.name,))
    assert clear_up(place.connection, host, settings, frozenset({"r1"}), lambda: at(9)) == ()
    assert len(clear_up(place.connection, host, settings, frozenset(), lambda: at(9))) == 1


def test_a_beam_whose_case_is_cancelled_and_whose_run_died_is_stopped_and_cancelled(place: Place) -> None:
    brought(place.connection, 1, BeamState.RUNNING, "dead")
    brought(place.connection, 2, BeamState.RUNNING, "alive")
    place.launch(1)
    place.launch(2)
    cancel_case(place.connection, CASE, PHYSICIST, at(2))
    told = place.clear_up("alive")
    assert place.state(1) != "running"
    assert place.state(2) == "running"
    assert beam_of(place.connection, beam(1)).state is BeamState.CANCELLED
    assert beam_of(place.connection, beam(2)).state is BeamState.RUNNING
    assert [sentence.split(" ")[-1] for sentence in told] == ["stopped", "gone"]
    place.clear_up()
    assert case_of(place.connection, CASE).status == "cancelled"
    assert place.state(2) != "running"
    assert place.clear_up() == ()


def test_a_beam_that_goes_on_keeps_its_engine(place: Place) -> None:
    place.leased(1, "dead")
    place.launch(1)
    set_answers(place.nvidia_smi, [gpu_line(0)], [f"4000, {uuid(0)}, tps_env, 700"])
    assert place.clear_up() == ()
    assert (place.state(1), place.lease_states()) == ("running", ["held"])


def test_the_engine_of_a_beam_that_ended_is_stopped_and_its_gpu_freed(place: Place) -> None:
    work = place.leased(1, "dead")
    place.launch(1)
    failing.fail_beam(place.connection, work, beam_failure("layer_word", "x"), at(2))
    told = place.clear_up()
    assert place.state(1) != "running"
    assert place.lease_states() == ["expired"]
    assert told[-1] == f"GPU {uuid(0)} is free: run dead is gone"


@pytest.mark.parametrize(
    ("active", "seconds", "state"),
    [((), 1000, "expired"), (("dead",), 1000, "held"), ((), 45, "held"), ((), 61.5, "expired")],
)
def test_a_lease_is_freed_by_the_rules_of_leases(
    place: Place, active: tuple[str, ...], seconds: float, state: str
) -> None:
    place.leased(1, "dead")
    place.clear_up(*active, seconds=seconds)
    assert place.lease_states() == [state]


def test_the_lease_of_a_run_that_lives_stays_beside_one_that_is_freed(place: Place) -> None:
    set_answers(place.nvidia_smi, [gpu_line(0), gpu_line(1)])
    place.leased(1, "dead")
    place.leased(2, "alive")
    assert place.clear_up("alive") == (f"GPU {uuid(0)} is free: run dead is gone",)
    assert sorted(place.lease_states()) == ["expired", "held"]


def test_a_gpu_with_a_process_or_without_an_answer_stays_leased(place: Place) -> None:
    place.leased(1, "dead")
    set_answers(place.nvidia_smi, [gpu_line(0)], [f"4000, {uuid(0)}, tps_env, 700"])
    assert place.clear_up() == ()
    set_answers(place.nvidia_smi, [gpu_line(0)], failing=["gpus"])
    assert place.clear_up() == ()
    assert place.lease_states() == ["held"]


def test_the_lease_of_a_beam_that_a_newer_plan_lacks_is_freed(place: Place) -> None:
    place.leased(2, "dead")
    place.connection.execute("DELETE FROM beams WHERE treatment_index = 2")
    place.clear_up()
    assert place.lease_states() == ["expired"]


def test_a_host_that_does_not_answer_ends_nothing_and_is_told(place: Place) -> None:
    brought(place.connection, 1, BeamState.RUNNING, "dead")
    cancel_case(place.connection, CASE, PHYSICIST, at(2))
    settings = settings_of({}, place.folder)
    (told,) = clear_up(place.connection, host_of(UNREACHABLE), settings, frozenset(), lambda: at(9))
    assert told.startswith("the host gpu-host does not answer")
    assert beam_of(place.connection, beam(1)).state is BeamState.RUNNING
