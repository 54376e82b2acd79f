"""Random jobs, drained: whatever handlers do, every item ends where a small model says it must."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.discovery.contract import RateLimited, Skip, Snooze
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.engine.drain_worlds import Clock, World

MOST = 3
NAMES = ("one", "two", "three", "four")
MOVES = ("done", "skip", "snooze", "limited", "transient", "permanent")
SECONDS = 5


@st.composite
def jobs(draw):
    """A graph of stages, and what each item's handlers do at each call, the last move for ever."""
    names = NAMES[: draw(st.integers(1, 4))]
    needs = {
        name: draw(st.lists(st.sampled_from(names[:n]), unique=True, max_size=2)) if n else []
        for n, name in enumerate(names)
    }
    turns = st.lists(st.sampled_from(MOVES), max_size=4).flatmap(
        lambda first: st.sampled_from(("done", "skip", "transient", "permanent")).map(
            lambda end: [*first, end]
        )
    )
    items = draw(st.integers(1, 4))
    plays = {(f"k{n}", name): draw(turns) for n in range(items) for name in names}
    runner = f"concurrency: {draw(st.integers(1, 4))}, claim_batch: {draw(st.integers(1, 6))}"
    return needs, plays, runner


def expected(needs: dict[str, list[str]], plays: dict[tuple[str, str], list[str]], key: str) -> list[str]:
    """Where the stages of an item end, in the order of the job."""
    ends: dict[str, str] = {}
    for name, before in needs.items():
        ends[name] = "pending"
        if any(ends[need] not in ("done", "skipped") for need in before):
            continue
        failures = 0
        turns = iter(plays[key, name])
        move = next(turns)
        while ends[name] == "pending":
            failures += move == "transient"
            if move in ("done", "skip"):
                ends[name] = {"done": "done", "skip": "skipped"}[move]
            elif move == "permanent" or failures == MOST:
                ends[name] = "failed"
            move = next(turns, move)
    return list(ends.values())


def handler(plays: dict[tuple[str, str], list[str]]):
    calls: dict[tuple[str, str], int] = {}

    def handle(work):
        assert set(work.inputs) <= set(NAMES)
        place = (work.key, work.stage)
        n = calls[place] = calls.get(place, -1) + 1
        work.add_cost(1)
        match plays[place][min(n, len(plays[place]) - 1)]:
            case "done":
                return {"from": work.stage}
            case "skip":
                return Skip("told to")
            case "snooze":
                return Snooze(SECONDS)
            case "limited":
                raise RateLimited(SECONDS)
            case "transient":
                raise TransientFailure("503")
            case _:
                raise PermanentFailure("404")

    return handle, calls


@given(jobs())
@settings(max_examples=40)
def test_every_item_ends_where_the_model_says(job):
    needs, plays, runner = job
    handle, calls = handler(plays)
    with tempfile.TemporaryDirectory() as folder:
        world = World(
            Path(folder),
            dict.fromkeys(needs, handle),
            stage={name: f"needs: [{', '.join(before)}]" for name, before in needs.items()},
            job=f"retry: {{max_attempts: {MOST}, base_s: {SECONDS}, jitter: 0}}\n"
            "breaker: {min_calls: 10000, window: 10000}",
            runner=runner,
            clock=Clock(),
        )
        keys = sorted({key for key, _ in plays})
        world.add(*keys)
        summary = world.drain()
        assert summary.stopped == "drained"
        assert world.statuses() == {key: expected(needs, plays, key) for key in keys}
        # Each call was one attempt, and each attempt paid once.
        assert (
            len(world.outcomes()) == sum(calls.values()) + len(calls) == summary.cost_micros == world.spent()
        )
        assert "released" not in world.outcomes()
        assert "lost" not in world.outcomes()
        ended = "SELECT 1 FROM attempts WHERE outcome IN ('done', 'skipped') GROUP BY stage_id"
        assert world.rows(f"{ended} HAVING count(*) > 1") == []
        assert world.value("SELECT count(*) FROM item_stages WHERE status = 'done'") == world.value(
            "SELECT count(*) FROM results WHERE superseded_at IS NULL"
        )
