"""Random lives of leases against a model of a few lines: acquire, heartbeat, expire, release, late writes."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from assets.beams.failures import BeamFailure
from assets.beams.registry import leases
from assets.beams.registry.leases import Lease
from tests.assets.beams.registry.registry_worlds import GRACE, HOST, at, opened, poll, rows, uuid

GPUS = 3
RUNS = ("r1", "r2", "r3", "r4")


@dataclass
class Held:
    """A lease that the model knows to be held."""

    lease: Lease
    acquired: int
    expires: int


class Lives(RuleBasedStateMachine):
    """GPUs without processes, so that only leases decide. A run has one beam of its own name."""

    given = Bundle("given")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="leases-"))
        self.connection = opened(self.folder)
        self.now = 0
        self.held: dict[str, Held] = {}
        self.tokens = dict.fromkeys(map(uuid, range(GPUS)), 0)
        self.active = set(RUNS)

    def teardown(self) -> None:
        self.connection.close()
        shutil.rmtree(self.folder)

    @rule(seconds=st.integers(1, 50))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(run=st.sampled_from(RUNS))
    def a_run_dies_or_comes_back(self, run: str) -> None:
        self.active ^= {run}

    @rule(target=given, run=st.sampled_from(RUNS), count=st.sampled_from([1, 2, 3, None]))
    def acquire(self, run: str, count: int | None):
        poll(self.connection, GPUS, self.now)
        beam = f"beam-{run}"
        if any(held.lease.beam_id == beam for held in self.held.values()):
            with pytest.raises(BeamFailure):
                leases.acquire(self.connection, beam, run, HOST, count, at(self.now))
            return multiple()
        got = leases.acquire(self.connection, beam, run, HOST, count, at(self.now))
        free = [name for name in self.tokens if name not in self.held]
        expected = free[:count] if len(free) >= (count or 1) else []
        assert [lease.uuid for lease in got] == expected
        for lease in got:
            assert lease.token == self.tokens[lease.uuid] + 1
            self.tokens[lease.uuid] += 1
            self.held[lease.uuid] = Held(lease, self.now, self.now + 30)
        return multiple(*got)

    def is_held(self, lease: Lease) -> bool:
        return lease.uuid in self.held and self.held[lease.uuid].lease == lease

    @rule(lease=given)
    def heartbeat_perhaps_with_an_old_token(self, lease: Lease) -> None:
        if self.is_held(lease):
            leases.heartbeat(self.connection, [lease], at(self.now))
            self.held[lease.uuid].expires = self.now + 30
        else:
            before = rows(self.connection, "SELECT * FROM leases")
            with pytest.raises(BeamFailure) as failure:
                leases.heartbeat(self.connection, [lease], at(self.now))
            assert failure.value.code == "lease_lost"
            assert rows(self.connection, "SELECT * FROM leases") == before

    @rule(lease=given)
    def release_perhaps_with_an_old_token(self, lease: Lease) -> None:
        leases.release(self.connection, [lease], at(self.now))
        if self.is_held(lease):
            del self.held[lease.uuid]

    @rule(target=given, run=st.sampled_from(RUNS), successor=st.sampled_from(RUNS))
    def adopt(self, run: str, successor: str):
        mine = [held for held in self.held.values() if held.lease.beam_id == f"beam-{run}"]
        others = {held.lease.owner_run for held in mine} - {successor}
        if others & self.active:
            with pytest.raises(BeamFailure):
                leases.adopt(self.connection, f"beam-{run}", successor, self.active, at(self.now))
            return multiple()
        got = leases.adopt(self.connection, f"beam-{run}", successor, self.active, at(self.now))
        assert {(lease.uuid, lease.token) for lease in got} == {
            (held.lease.uuid, held.lease.token) for held in mine
        }
        for lease in got:
            self.held[lease.uuid] = Held(lease, self.held[lease.uuid].acquired, self.now + 30)
        return multiple(*got)

    @rule(busy=st.sets(st.integers(0, GPUS - 1)))
    def expire(self, busy: set[int]) -> None:
        answer = poll(self.connection, GPUS, self.now, tuple(busy))
        freed = leases.expire(self.connection, answer, self.active, GRACE, at(self.now))
        expected = {
            name
            for name, held in self.held.items()
            if self.now - held.acquired > GRACE.total_seconds()
            and held.expires <= self.now
            and held.lease.owner_run not in self.active
            and name not in {uuid(index) for index in busy}
        }
        assert {lease.uuid for lease in freed} == expected
        for name in expected:
            del self.held[name]

    @invariant()
    def held_rows_are_those_of_the_model(self) -> None:
        found = rows(self.connection, "SELECT uuid, token, owner_run FROM leases WHERE state = 'held'")
        assert {tuple(row.values()) for row in found} == {
            (held.lease.uuid, held.lease.token, held.lease.owner_run) for held in self.held.values()
        }

    @invariant()
    def no_token_is_given_twice_and_none_falls(self) -> None:
        found = rows(
            self.connection, "SELECT uuid, max(token) AS top, count(*) AS n FROM leases GROUP BY uuid"
        )
        assert {row["uuid"]: row["top"] for row in found} == {
            name: token for name, token in self.tokens.items() if token
        }
        assert all(row["top"] == row["n"] for row in found)

    @invariant()
    def no_held_gpu_counts_as_idle(self) -> None:
        assert not rows(
            self.connection,
            "SELECT uuid FROM gpu_resources WHERE status = 'idle'"
            " AND uuid IN (SELECT uuid FROM leases WHERE state = 'held')",
        )


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLives = Lives.TestCase
