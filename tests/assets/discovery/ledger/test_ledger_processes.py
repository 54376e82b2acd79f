"""Real processes on one ledger: eight that claim at once, and one that is killed again and again."""

import dataclasses
import random
import time
from collections import Counter

from assets.discovery.ledger import owners, reaping
from assets.discovery.ledger.plans import BreakerPolicy, JobPlan
from tests.assets.discovery.ledger.drain_loops import (
    ONE_STAGE,
    PRICE,
    THREE_STAGES,
    claim_all,
    drain,
    now,
    processes,
)
from tests.assets.discovery.ledger.ledger_worlds import EXACT, World, seen

ROWS = 6_000
KILLS = 20


def test_eight_processes_claim_each_row_exactly_once_and_none_meets_a_locked_ledger(connection, tmp_path):
    world = World(connection, ONE_STAGE)
    world.show(*(seen(f"k{n}") for n in range(ROWS)))
    context = processes()
    start = context.Barrier(8)
    pipes = [context.Pipe(duplex=False) for _ in range(8)]
    workers = [
        context.Process(target=claim_all, args=(str(tmp_path / "ledger"), f"run-{n}", start, to))
        for n, (_, to) in enumerate(pipes)
    ]
    for worker in workers:
        worker.start()
    answers = [source.recv() for source, _ in pipes]
    for worker in workers:
        worker.join(60)
    assert [answer for answer in answers if isinstance(answer, str)] == []
    taken = Counter(stage_id for answer in answers for stage_id in answer)
    assert len(taken) == ROWS
    assert set(taken.values()) == {1}
    assert world.rows("SELECT count(*) AS n FROM attempts") == [{"n": ROWS}]


def test_a_drain_killed_at_any_instant_loses_nothing_and_does_nothing_twice(connection, tmp_path):
    folder, context, dice = str(tmp_path / "ledger"), processes(), random.Random(5)
    job = with_fast_retries(THREE_STAGES)
    world = World(connection, job)
    world.show(*(seen(f"k{n}") for n in range(400)))
    killed_at_work = 0
    for n in range(KILLS):
        source, to = context.Pipe(duplex=False)
        worker = context.Process(target=drain, args=(folder, f"run-{n}", job, to))
        worker.start()
        assert source.poll(60)
        time.sleep(dice.uniform(0, 0.06))  # The instant of the kill is what is tested.
        worker.kill()
        worker.join(60)
        holding, _ = reaping.holders(connection)
        killed_at_work += bool(holding)
        assert all(owners.is_dead(owner) for owner in holding)
        reaping.reap(connection, {job.job_id: job}, now(), dead_owners=holding)
        assert world.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert killed_at_work > 0
    time.sleep(0.01)  # Longer than the wait of a reaped row.
    drain(folder, "last", job)

    assert world.rows("SELECT DISTINCT status FROM item_stages") == [{"status": "done"}]
    assert world.rows("SELECT count(*) AS n FROM item_stages") == [{"n": 1200}]
    doubled = "SELECT stage_id FROM attempts WHERE outcome = 'done' GROUP BY stage_id HAVING count(*) > 1"
    assert world.rows(doubled) == []
    assert world.rows("SELECT count(*) AS n FROM results WHERE superseded_at IS NULL") == [{"n": 1200}]
    assert world.rows("SELECT DISTINCT outcome FROM attempts ORDER BY outcome") == [
        {"outcome": "done"},
        {"outcome": "lost"},
    ]
    assert world.rows("SELECT sum(micros) AS n FROM costs WHERE state = 'settled'") == [{"n": 1200 * PRICE}]
    assert world.rows("SELECT count(*) AS n FROM costs WHERE state = 'reserved'") == [{"n": 0}]
    finished = world.rows("SELECT count(*) AS n, count(DISTINCT seq) AS seqs FROM item_stages")
    assert finished == [{"n": 1200, "seqs": 1200}]


def with_fast_retries(job: JobPlan) -> JobPlan:
    """A killed row can be claimed again at once, as often as the test kills, whatever a breaker says."""
    retry = dataclasses.replace(EXACT, base_ms=1, cap_ms=1, max_attempts=KILLS + 1)
    more = {"retry": retry, "breaker": BreakerPolicy(min_calls=10_000), "estimate_micros": PRICE}
    stages = tuple(dataclasses.replace(stage, **more) for stage in job.stages)
    return dataclasses.replace(job, stages=stages)
