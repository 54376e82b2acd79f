"""Drains in processes of their own: killed again and again, beside each other, and with stuck handlers."""

import random
import time
from pathlib import Path

from assets.discovery.ledger import owners, reaping
from tests.assets.discovery.engine.drain_processes import (
    PRICE,
    drain,
    drain_with_handlers_that_never_return,
    processes,
    shop,
)
from tests.assets.discovery.engine.drain_worlds import World

ITEMS = 250
KILLS = 20


def test_a_drain_killed_at_any_instant_comes_to_the_same_end_as_one_that_was_not(tmp_path):
    undisturbed = filled(tmp_path / "undisturbed")
    undisturbed.drain()
    folder, context, dice = tmp_path / "killed", processes(), random.Random(7)
    world = filled(folder)
    killed_at_work = 0
    for n in range(KILLS):
        source, to = context.Pipe(duplex=False)
        worker = context.Process(target=drain, args=(str(folder), f"run-{n}", to))
        worker.start()
        assert source.poll(60)
        time.sleep(dice.uniform(0.02, 0.2))  # The instant of the kill is what is tested.
        worker.kill()
        worker.join(60)
        connection = world.open()
        holding, _ = reaping.holders(connection)
        connection.close()
        killed_at_work += bool(holding)
        assert all(owners.is_dead(owner) for owner in holding)
        assert world.value("PRAGMA integrity_check") == "ok"
    assert killed_at_work > 0
    # Nothing waits for the leases, which last for longer than this test: their owners are gone.
    while any("pending" in of or "in_progress" in of for of in unblocked(world)):
        last = context.Process(target=drain, args=(str(folder), "last"))
        last.start()
        last.join(60)
        assert last.exitcode == 0

    assert world.statuses() == undisturbed.statuses()
    assert results_of(world) == results_of(undisturbed)
    assert effects_of(world) == effects_of(undisturbed)
    require_consistent(world)
    assert "lost" in world.outcomes()


def test_two_drains_of_one_job_run_no_stage_twice(tmp_path):
    world, context = filled(tmp_path), processes()
    start = context.Barrier(2)
    workers = [context.Process(target=drain, args=(str(tmp_path), f"run-{n}", None, start)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    world.drain()
    assert set(world.outcomes()) <= {"done", "skipped", "failed"}
    assert world.value("SELECT count(*) - count(DISTINCT stage_id) FROM attempts") == 0
    assert world.value("SELECT count(DISTINCT run_id) FROM attempts") == 2
    require_consistent(world)


def test_handlers_that_never_return_do_not_keep_the_process_alive(tmp_path):
    worker = processes().Process(target=drain_with_handlers_that_never_return, args=(str(tmp_path),))
    worker.start()
    worker.join(30)
    assert worker.exitcode == 0


def filled(folder: Path) -> World:
    world = shop(folder, "test")
    world.add(*(f"k{n:03}" for n in range(ITEMS)))
    return world


def unblocked(world: World) -> list[list[str]]:
    """The statuses of the items that nothing but time keeps from their end."""
    return [statuses for statuses in world.statuses().values() if "failed" not in statuses]


def results_of(world: World) -> list[dict]:
    return world.rows(
        "SELECT w.key, r.stage, r.revision, r.handler_version, r.input_hash, r.output_hash, r.payload_json, "
        "r.blob_path, r.size, r.superseded_at FROM results r JOIN work_items w ON w.id = r.item_id "
        "ORDER BY w.key, r.stage, r.revision, r.handler_version"
    )


def effects_of(world: World) -> dict[str, str]:
    return {path.name: path.read_text() for path in (world.folder / "effects").iterdir()}


def require_consistent(world: World) -> None:
    """No result twice, every done stage with one, what ended paid for once, nothing reserved or held."""
    assert world.value("PRAGMA integrity_check") == "ok"
    done = "SELECT stage_id FROM attempts WHERE outcome IN ('done', 'skipped') GROUP BY stage_id"
    assert world.rows(f"{done} HAVING count(*) > 1") == []
    doubled = "SELECT 1 FROM results GROUP BY item_id, stage, revision HAVING count(*) > 1"
    assert world.rows(doubled) == []
    assert world.value("SELECT count(*) FROM results") == world.value(
        "SELECT count(*) FROM item_stages WHERE status = 'done'"
    )
    ended = world.value("SELECT count(*) FROM attempts WHERE outcome IN ('done', 'skipped', 'failed')")
    assert world.spent() == PRICE * ended
    assert world.value("SELECT count(DISTINCT attempt_id) FROM costs WHERE state = 'settled'") == ended
    assert world.value("SELECT count(*) FROM costs WHERE state = 'reserved'") == 0
    assert world.value("SELECT count(*) FROM attempts WHERE outcome IS NULL") == 0
    assert world.value("SELECT count(*) - count(DISTINCT key) FROM work_items") == 0
    assert len(effects_of(world)) == world.value("SELECT count(DISTINCT stage_id) FROM attempts")
