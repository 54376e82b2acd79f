"""Random sources: every candidate is counted once, nothing is lost, and a dry run foretells all of it."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.engine import reading
from assets.discovery.ledger.outcomes import Failed, Skipped
from assets.failures import TransientFailure
from tests.assets.discovery.engine.source_runs import Scripted, SourceRun, one_job, returned, seen

KEYS = "abcdefgh"
candidates = st.builds(
    lambda key, content, deleted: seen(key, str(content), deleted=deleted),
    st.sampled_from(KEYS),
    st.integers(0, 2),
    st.sampled_from([False, False, False, True]),
)
marks = st.builds(
    lambda n, page, complete: Mark({"n": n}, page=page, complete=complete),
    st.integers(0, 9),
    st.integers(0, 3),
    st.booleans(),
)
entries = st.lists(st.one_of(candidates, candidates, marks, st.just("reject"), st.just("fail")), max_size=25)
policies = st.sampled_from(["reprocess", "ignore", "new_item"])


def script_of(listed: list[Any]):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for entry in listed:
            if entry == "reject":
                ask.reject("line 1", "too short")
            elif entry == "fail":
                raise TransientFailure("the connection was lost")
            else:
                yield entry

    return script


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 4)


def play(monkeypatch: pytest.MonkeyPatch, listed: list[Any]) -> None:
    monkeypatch.setattr(reading, "strategy_class", lambda name: lambda **more: Scripted(script_of(listed)))


def fate(key_and_stage: int):
    """How an attempt ends, by a number."""
    if key_and_stage % 5 == 0:
        return Failed("permanent", "it is not there")
    return Skipped("nothing to do", "1") if key_and_stage % 5 == 1 else returned({"n": key_and_stage})


@pytest.mark.usefixtures("small_batches")
@example(
    listings=[([seen("a", "0")], None, False), ([seen("a", "1")], None, False)], policy="new_item", seed=0
)
@given(
    listings=st.lists(
        st.tuples(entries, st.none() | st.integers(1, 4), st.booleans()), min_size=1, max_size=4
    ),
    policy=policies,
    seed=st.integers(0, 4),
)
def test_every_candidate_is_counted_once_and_a_dry_run_says_the_same(listings, policy, seed):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        more = f"on_change: {policy}, stop_when_seen: {str(seed == 0).lower()}"
        run = SourceRun(Path(folder), one_job(f"{{strategy: static_list, params: {{values: [x]}}, {more}}}"))
        for listed, limit, works in listings:
            play(patch, listed)
            foretold = run.forecast(limit=limit, single_pass=True)
            summary = run.discover(limit=limit)
            row = run.last
            n_deleted = row["n_read"] - sum(
                row[name] for name in ("n_new", "n_changed", "n_unchanged", "n_duplicate", "n_rejected")
            )
            assert 0 <= n_deleted <= sum(isinstance(each, Candidate) and each.deleted for each in listed)
            counters = ("n_read", "n_new", "n_changed", "n_unchanged", "n_duplicate", "n_rejected")
            assert {name: getattr(summary, name) for name in counters} == {
                name: row[name] for name in counters
            }
            assert foretold.discovery is not None
            assert {name: getattr(foretold.discovery, name) for name in counters} == {
                name: row[name] for name in counters
            }
            assert foretold.discovery.new_keys == summary.new_keys
            assert limit is None or summary.n_new <= limit
            if "fail" not in listed and limit is None and seed:
                assert summary.n_read == len([each for each in listed if not isinstance(each, Mark)])
            if works:
                run.drain(lambda claim: fate(claim.claim_id + seed))


@pytest.mark.usefixtures("small_batches")
@given(
    before=st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 2)), max_size=12),
    now=st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 2), st.integers(90, 110)), max_size=12),
    limit=st.none() | st.integers(1, 5),
    policy=policies,
    seed=st.integers(0, 4),
)
def test_a_dry_run_foretells_what_the_next_run_claims_if_every_stage_succeeds(
    before, now, limit, policy, seed
):
    stages = (
        "stages: [{name: fetch, handler: fetch}, {name: tickers, handler: tickers}, "
        "{name: score, handler: score, needs: [fetch]}]"
    )
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        discovery = f"{{strategy: static_list, params: {{values: [x]}}, on_change: {policy}}}"
        run = SourceRun(Path(folder), one_job(discovery, stages=stages))
        play(patch, [seen(key, str(content)) for key, content in before])
        run.discover()
        run.drain(lambda claim: fate(claim.claim_id + seed), most_items=3)
        play(patch, [seen(key, str(content), priority=priority) for key, content, priority in now])
        foretold = run.forecast(limit=limit, single_pass=True)
        run.discover(limit=limit)
        worked = run.drain(most_items=limit)
        assert Counter(foretold.claims) == Counter(stage for _, stage in worked)


@pytest.mark.usefixtures("small_batches")
@given(
    size=st.integers(0, 30),
    marked=st.sets(st.integers(0, 30)),
    crashes=st.lists(st.integers(0, 30), max_size=5),
    limit=st.none() | st.integers(1, 6),
)
def test_crashes_and_limits_repeat_reading_and_lose_nothing(size, marked, crashes, limit):
    def script(ask: Ask) -> Iterator[Candidate | Mark]:
        for number in range((ask.cursor or {"n": 0})["n"], size):
            if crashes and number == crashes[-1]:
                crashes.pop()
                raise KeyboardInterrupt
            yield seen(str(number))
            if number in marked:
                yield Mark({"n": number + 1}, page=1)
        yield Mark({"n": size}, page=1)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "strategy_class", lambda name: lambda **more: Scripted(script))
        run = SourceRun(Path(folder), one_job("{strategy: static_list, params: {values: [x]}}"))
        while True:
            try:
                summary = run.discover(limit=limit)
            except KeyboardInterrupt:
                continue
            if summary.n_new == 0:
                break
        assert sorted(run.keys, key=int) == [str(number) for number in range(size)]
        assert run.state["cursor_json"] == f'{{"n":{size}}}'
