"""The sensors of discovery over a ledger and an instance: what a tick asks for, registers and says."""

import socket
import sqlite3
import subprocess
import sys

import dagster as dg
import pytest

from assets.discovery.engine.registry import utc_now
from assets.discovery.ledger import claims, pauses
from assets.discovery.ledger.claims import Worker
from resources.ledger import Ledger
from sensors import discovery as sensors
from sensors.discovery import tick
from tests.assets.discovery.dagster_worlds import NAME, World, job, partitions

pytestmark = pytest.mark.materialise

CLOCK = {"every_s": 3600}
HOUR = 3_600_000


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def clocked(**more):
    entry = job(**more)
    return entry | {"discovery": entry["discovery"] | CLOCK}


@pytest.fixture
def world(tmp_path, instance) -> World:
    return World(tmp_path, instance, clocked())


class Daemon:
    """A sensor that ticks; its runs start only when they are told to."""

    def __init__(self, world: World) -> None:
        self.world, self.cursor = world, None

    def tick(self, after_ms: int = 0) -> dg.SensorResult:
        world = self.world
        result = tick(
            world.roster,
            world.roster.jobs[0],
            world.ledger,
            world.instance,
            self.cursor,
            utc_now() + after_ms,
        )
        self.cursor = result.cursor
        for change in result.dynamic_partitions_requests or ():
            if isinstance(change, dg.AddDynamicPartitionsRequest):
                world.instance.add_dynamic_partitions(str(change.partitions_def_name), change.partition_keys)
            else:
                for key in change.partition_keys:
                    world.instance.delete_dynamic_partition(str(change.partitions_def_name), key)
        return result

    def asked(self, **options: int) -> list[str]:
        """The kinds of the runs that a tick asks for."""
        return [str(request.run_key).split(":")[1] for request in self.tick(**options).run_requests or ()]

    def serve(self) -> list[str]:
        """Tick, and run what is asked for."""
        served = []
        for request in self.tick().run_requests or ():
            kind = "discover" if ":discover:" in str(request.run_key) else "drain"
            self.world.run(kind, tags={**request.tags, "dagster/run_key": str(request.run_key)})
            served.append(kind)
        return served


@pytest.fixture
def daemon(world) -> Daemon:
    return Daemon(world)


def reason(result: dg.SensorResult) -> str:
    assert result.skip_reason is not None
    return str(result.skip_reason.skip_message)


def test_a_job_without_a_ledger_is_due_and_the_tick_makes_no_file(world, daemon):
    result = daemon.tick()
    (request,) = list(result.run_requests or ())
    assert request.run_key == "things:discover:0.0"
    assert request.job_name == "discovery_things_discover"
    assert request.tags["quintet/discovery_job"] == NAME
    assert not world.ledger.path("discovery").exists()


def test_the_sensor_takes_a_job_from_its_source_to_done_items_and_then_rests(world, daemon):
    world.show("a", "b", c="fail")
    assert [daemon.serve() for _ in range(3)] == [["discover"], ["drain"], []]
    assert world.statuses() == {"a": "done", "b": "done", "c": "failed"}
    assert reason(daemon.tick()).startswith("nothing claimable, next discovery at ")
    assert daemon.asked(after_ms=HOUR) == ["discover"]


def test_a_tick_registers_the_items_that_somebody_else_found(world, daemon):
    world.show("a", "b")
    world.run("discover")
    for key in world.registered():
        world.instance.delete_dynamic_partition(f"discovery_{NAME}", key)
    result = daemon.tick()
    assert world.registered() == set(partitions("a", "b"))
    assert len(result.dynamic_partitions_requests or ()) == 1
    assert not daemon.tick().dynamic_partitions_requests


def test_a_tick_registers_a_bounded_number_of_keys_and_the_next_goes_on(world, daemon, monkeypatch):
    monkeypatch.setattr(sensors, "KEYS_A_TICK", 2)
    world.show("a", "b", "c", "d", "e")
    world.run("discover")
    for key in world.registered():
        world.instance.delete_dynamic_partition(f"discovery_{NAME}", key)
    sizes = []
    for _ in range(4):
        daemon.tick()
        sizes.append(len(world.registered()))
    assert sizes == [2, 4, 5, 5]


def test_a_paused_job_rests_and_the_skip_says_why(world, daemon):
    world.show("a")
    daemon.serve()
    with world.writing() as connection:
        pauses.pause(connection, NAME, "the site asked us to", utc_now(), until=utc_now() + HOUR)
    assert reason(daemon.tick(after_ms=HOUR // 2)) == "paused: the site asked us to"


def test_a_pause_that_is_over_is_ended_by_the_run_that_is_asked_for(world, daemon):
    world.show("a")
    daemon.serve()
    world.run("drain")
    with world.writing() as connection:
        pauses.pause(connection, NAME, "for a moment", utc_now(), until=utc_now())
    assert daemon.serve() == ["drain"]
    assert world.query("SELECT paused FROM job_state") == [(0,)]


def test_a_woken_job_looks_at_once(world, daemon):
    world.show("a")
    assert [daemon.serve() for _ in range(3)] == [["discover"], ["drain"], []]
    with world.writing() as connection:
        pauses.wake(connection, NAME, utc_now())
    assert daemon.serve() == ["discover"]
    assert daemon.serve() == []


def test_a_job_over_its_budget_rests_and_the_skip_says_until_when(world, daemon):
    world.show("a")
    daemon.serve()
    with world.writing() as connection:
        connection.execute("UPDATE job_state SET over_budget_until = ?", (4_102_444_800_000,))
    assert reason(daemon.tick()) == "over budget until 2100-01-01T00:00:00+00:00"


def test_an_item_that_waits_for_a_retry_is_the_reason(world, daemon):
    world.show(a="retry")
    daemon.serve()
    daemon.serve()
    assert reason(daemon.tick()).startswith("nothing claimable, next retry at ")
    assert daemon.asked(after_ms=2 * HOUR) == ["discover", "items"]


@pytest.mark.parametrize(
    "status",
    [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
)
def test_no_second_drain_is_asked_for_while_one_waits_or_works(world, daemon, status):
    world.show("a")
    daemon.serve()
    drain = world.defs.resolve_job_def(f"discovery_{NAME}_drain")
    run = world.instance.create_run_for_job(drain, status=status)
    assert reason(daemon.tick()) == "drain in progress"
    world.instance.delete_run(run.run_id)
    assert daemon.asked() == ["items"]


def test_no_drain_is_asked_for_while_another_run_of_dagster_works_on_the_items(world, daemon):
    world.show("a", "b")
    daemon.serve()
    run = lease(world, dg.DagsterRunStatus.STARTED)
    assert reason(daemon.tick()) == "drain in progress"
    world.instance.delete_run(run)
    assert daemon.asked() == ["items"]


@pytest.mark.parametrize("host", ["elsewhere", "here"])
def test_work_that_somebody_left_behind_is_work(tmp_path, instance, host):
    """A run that ended, and a process of this machine that is no more."""
    world = World(tmp_path, instance, clocked())
    daemon = Daemon(world)
    world.show("a")
    daemon.serve()
    if host == "elsewhere":
        lease(world, dg.DagsterRunStatus.FAILURE)
    else:
        lease(world, None, f"{this_host()}:{gone_process()}:1:cli")
    assert daemon.asked() == ["items"]
    assert world.run("drain").success
    assert world.query("SELECT outcome FROM attempts ORDER BY id LIMIT 1") == [("lost",)]


def this_host() -> str:
    return socket.gethostname().replace(":", "-")


def gone_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def lease(world: World, status: dg.DagsterRunStatus | None, owner: str | None = None) -> str:
    """A lease that is good for an hour, of a run of Dagster or of a command line."""
    run_id = "f" * 32
    if status is not None:
        drain = world.defs.resolve_job_def(f"discovery_{NAME}_discover")
        run_id = world.instance.create_run_for_job(drain, status=status).run_id
    plan = world.roster.plan(world.roster.jobs[0])
    with world.writing() as connection:
        worker = Worker(owner or f"elsewhere:1:1:{run_id}", run_id, HOUR)
        assert claims.claim(connection, plan, worker, 1, utc_now()).claims
    return run_id


def test_a_changed_jobs_file_is_work_until_the_ledger_knows_it(world, daemon):
    world.show("a")
    assert [daemon.serve() for _ in range(3)] == [["discover"], ["drain"], []]
    world.write(clocked(stages=("work", "more")))
    assert daemon.serve() == ["drain"]
    assert world.query("SELECT stage, status FROM item_stages ORDER BY ord") == [
        ("work", "done"),
        ("more", "done"),
    ]
    assert daemon.serve() == []


def test_a_sensor_of_an_older_jobs_file_asks_for_no_drain_after_another(world, daemon):
    world.show("a")
    assert [daemon.serve() for _ in range(3)] == [["discover"], ["drain"], []]
    older = world.roster
    world.write(clocked(description="newer"))
    world.run("drain")
    newer, world.roster = world.roster, older
    asked = []
    for _ in range(3):
        requests = list(daemon.tick().run_requests or ())
        asked.append(len(requests))
        world.roster = newer
        for _ in requests:
            world.run("drain")
        world.roster = older
    assert asked == [1, 0, 0]


def test_a_rate_that_lets_nothing_through_today_is_no_work(tmp_path, instance):
    world = World(tmp_path, instance, clocked(pace={"rate": 1, "per_s": 86_400}))
    daemon = Daemon(world)
    world.show("a", "b")
    assert [daemon.serve() for _ in range(3)] == [["discover"], ["drain"], []]
    assert sorted(world.statuses().values()) == ["done", "pending"]
    assert reason(daemon.tick()).startswith("nothing claimable, next retry at ")
    assert daemon.asked(after_ms=25 * HOUR) == ["discover", "items"]


def test_a_disabled_job_is_left_alone(tmp_path, instance):
    world = World(tmp_path, instance, clocked(enabled=False))
    assert reason(Daemon(world).tick()) == "disabled in the jobs file"


def test_a_backfill_that_is_complete_is_no_longer_scheduled(tmp_path, instance):
    world = World(tmp_path, instance, clocked(kind="backfill"))
    daemon = Daemon(world)
    world.show("a")
    assert [daemon.serve() for _ in range(3)] == [["discover"], ["drain"], []]
    assert reason(daemon.tick(after_ms=2 * HOUR)) == "complete: everything is listed, and nothing of it waits"


def test_done_items_that_dagster_was_not_told_of_are_told_also_while_the_job_is_paused(world, daemon):
    world.show("a")
    assert [daemon.serve() for _ in range(2)] == [["discover"], ["drain"]]
    with world.writing() as connection:
        connection.execute("UPDATE job_state SET mirror_seq = 0")
        pauses.pause(connection, NAME, "why", utc_now())
    assert daemon.serve() == ["drain"]
    assert reason(daemon.tick()) == "paused: why"
    assert world.recorded() == partitions("a")


class WatchedLedger(Ledger):
    """A ledger that keeps a list of how it was opened."""

    def open_db(self, name: str) -> sqlite3.Connection:
        OPENED.append("to write")
        return super().open_db(name)

    def open_raw_db(self, name: str) -> sqlite3.Connection:
        OPENED.append("to read")
        return super().open_raw_db(name)


OPENED: list[str] = []


def test_an_idle_tick_opens_the_ledger_once_and_only_to_read(world, daemon):
    world.show("a")
    for _ in range(3):
        daemon.serve()
    world.ledger = WatchedLedger(folder=world.ledger.folder)
    OPENED.clear()
    daemon.tick()
    assert OPENED == ["to read"]


def test_the_sensor_itself_ticks(world):
    world.show("a")
    (sensor,) = list(world.defs.sensors or ())
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    context = dg.build_sensor_context(
        instance=world.instance,
        resources={"ledger": world.ledger},
        sensor_name=sensor.name,
        definitions=world.defs,
    )
    found = sensor.evaluate_tick(context)
    (request,) = list(found.run_requests or [])
    assert request.run_key == "things:discover:0.0"
