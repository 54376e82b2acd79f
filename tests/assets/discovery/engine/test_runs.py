"""A whole run of a job, from its source to its last stage, in every mode."""

import asyncio
import json
from collections.abc import Callable
from contextlib import closing

import pytest

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.contract import Mark
from assets.discovery.engine.context import RunContext, RunSummary
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.run import run_job
from assets.discovery.keys import idempotency_key
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.engine.drain_worlds import START, Clock, World, raising, returning, script
from tests.assets.discovery.engine.source_runs import dump, one_job, registry, seen

Run = Callable[..., RunSummary]


@pytest.fixture
def source(play):
    """Lays out what the source shows."""

    def lay_out(*keys, error=None):
        def read(ask):
            yield from map(seen, keys)
            if error is not None:
                raise error
            yield Mark({"n": len(keys)}, complete=True)

        play(read)

    return lay_out


def run(world: World, **context) -> RunSummary:
    jobs_file = world.resources.jobs
    return asyncio.run(
        run_job(
            world.job,
            jobs_file.runner_of(world.job),
            Pacer.of(jobs_file),
            world.resources,
            RunContext(**context),
        )
    )


def test_a_run_discovers_and_drains_and_says_both(tmp_path, source):
    source("a", "b")
    world = World(tmp_path, {"one": returning({"n": 1}), "two": returning()})
    summary = run(world)
    assert summary.discovery is not None
    assert (summary.discovery.outcome, summary.discovery.n_new) == ("ok", 2)
    assert (summary.items_done, summary.stages.done, summary.stopped) == (2, 4, "drained")
    assert (summary.job, summary.mode, summary.run_id) == ("papers", "production", "run")
    assert summary.item_ids == {1, 2}
    (started,), (finished,) = world.events("run_started"), world.events("run_finished")
    assert started["mode"] == "production"
    assert (finished["stopped"], finished["done"], finished["failed"]) == ("drained", 2, 0)


def test_a_run_that_only_discovers_claims_nothing(tmp_path, source):
    source("a")
    world = World(tmp_path, {"one": returning()})
    summary = run(world, discover_only=True)
    assert summary.discovery is not None
    assert (summary.discovery.n_new, world.outcomes(), summary.stopped) == (1, [], "drained")


def test_a_single_pass_with_an_item_that_waits_for_a_retry_exits_at_once(tmp_path, source):
    source("a")
    clock = Clock()
    world = World(
        tmp_path, {"one": script(TransientFailure("503"), {})}, job="retry: {base_s: 30}", clock=clock
    )
    assert run(world, single_pass=True).stopped == "drained"
    assert run(world, single_pass=True).stages.done == 0
    assert (world.statuses(), clock.seconds) == ({"a": ["pending"]}, 0)


def test_a_run_of_chosen_items_discovers_nothing(tmp_path, source):
    source("a", "b")
    world = World(tmp_path, {"one": returning()})
    run(world, discover_only=True)
    source("a", "b", "c")
    summary = run(world, active_items={2}, single_pass=True)
    assert (summary.discovery, summary.item_ids) == (None, {2})
    assert world.statuses() == {"a": ["pending"], "b": ["done"]}


def test_a_failed_discovery_is_told_and_what_was_known_is_worked_on(tmp_path, source):
    world = World(tmp_path, {"one": returning()})
    source("a")
    run(world, discover_only=True)
    source(error=PermanentFailure("the feed is empty"))
    summary = run(world)
    assert (summary.stopped, summary.stopped_reason) == (
        "discovery_failed",
        "static_list could not be read: the feed is empty",
    )
    assert world.statuses() == {"a": ["done"]}


@pytest.mark.parametrize(("discovers", "n_new"), [("true", None), ("false", 1)])
def test_a_paused_job_is_not_drained_and_discovers_only_if_it_says_so(tmp_path, source, discovers, n_new):
    source("a")
    world = World(tmp_path, {"one": returning()}, job=f"pause_discovery: {discovers}")
    world.add()
    world.write(
        "UPDATE job_state SET paused = 1, pause_kind = 'manual', paused_at = 1, paused_reason = 'lunch'"
    )
    summary = run(world)
    assert (summary.stopped, world.outcomes()) == ("paused", [])
    assert (summary.discovery and summary.discovery.n_new) == n_new
    assert "lunch" in summary.stopped_reason


def test_a_disabled_job_is_refused_before_anything_is_done(tmp_path, source):
    source("a")
    world = World(tmp_path, {"one": returning()}, job="enabled: false")
    with pytest.raises(ConfigurationError, match="is disabled in the jobs file"):
        run(world)
    assert world.rows("SELECT * FROM discoveries") == []
    assert world.events("run_started") == []


@pytest.mark.parametrize(
    ("world_more", "words"),
    [
        ({"stage": {"one": 'params: {token: "env:TOKEN"}'}}, "the environment variable TOKEN is not set"),
        ({"job": "replay: recordings"}, "job papers: "),
    ],
)
@pytest.mark.parametrize("mode", ["production", "test"])
def test_what_is_missing_in_the_surroundings_is_refused_before_the_ledger_is_made(
    tmp_path, source, world_more, words, mode
):
    source("a")
    world = World(tmp_path, {"one": returning()}, **world_more)
    with pytest.raises(ConfigurationError, match=words):
        run(world, mode=mode)
    assert not (tmp_path / "ledger" / "discovery.sqlite").exists()


def test_an_error_of_the_engine_is_told_in_the_ledger_and_passes_through(tmp_path, source, monkeypatch):
    source("a")
    world = World(tmp_path, {"one": returning()})
    monkeypatch.setattr(
        "assets.discovery.engine.draining.items.content_of",
        lambda *_: (_ for _ in ()).throw(ZeroDivisionError),
    )
    with pytest.raises(ZeroDivisionError):
        run(world)
    assert world.events("run_finished")[0]["stopped"] == "error"
    assert world.outcomes() == ["released"]
    assert world.stage("a")["attempt"] == 0


def test_a_handler_gets_all_of_its_item_and_nothing_that_others_could_change(tmp_path):
    works = []

    def one(work):
        work.params["list"].append(work.key)
        works.append(work)
        return {"n": len(work.params["list"])}

    world = World(
        tmp_path,
        {"one": one, "two": lambda work: works.append(work) or {}},
        job="params: {a: 1, b: 2}",
        stage={"one": "params: {b: 3, list: []}"},
        runner="concurrency: 1",
    )
    world.add("a", "b", extra=[1])
    world.write("UPDATE work_items SET url = 'https://host/a', title = 'A', published_at = 5 WHERE key = 'a'")
    assert world.drain().stages.done == 4
    first = works[0]
    assert (first.job_id, first.item_id, first.key, first.revision) == ("papers", 1, "a", 1)
    assert (first.stage, first.attempt, first.data) == ("one", 1, {"key": "a", "extra": [1]})
    assert (first.url, first.title, first.published_at) == ("https://host/a", "A", 5)
    assert first.params == {"a": 1, "b": 3, "list": ["a"]}
    assert first.idempotency_key == idempotency_key("papers", "a", "one", 1)
    second = next(work for work in works if work.stage == "two" and work.key == "a")
    assert second.inputs == {"one": {"n": 1}}
    assert (
        world.value("SELECT group_concat(payload_json) FROM results WHERE stage = 'one'") == '{"n":1},{"n":1}'
    )


def test_a_test_works_on_a_scratch_and_leaves_nothing_but_its_costs(tmp_path, source):
    def one(work):
        work.add_cost(40)
        return {"key": work.key}

    clock = Clock()
    world = World(tmp_path, {"one": one, "two": raising(PermanentFailure("no text"))}, clock=clock)
    world.add("a", "b")
    before = dump(tmp_path / "ledger" / "discovery.sqlite")
    summary = run(world, mode="test", test_item="b")
    assert (summary.mode, summary.cost_micros, summary.items_failed) == ("test", 40, 1)
    assert [(each.key, each.stage, each.status, each.payload, each.error) for each in summary.results] == [
        ("b", "one", "done", {"key": "b"}, None),
        ("b", "two", "failed", None, "no text"),
    ]
    new = [line for line in dump(tmp_path / "ledger" / "discovery.sqlite") if line not in before]
    assert [line for line in new if 'INSERT INTO "costs"' not in line and "sqlite_sequence" not in line] == []
    assert world.rows("SELECT mode, micros, state FROM costs") == [
        {"mode": "test", "micros": 40, "state": "settled"}
    ]


def test_a_test_on_a_fresh_checkout_discovers_into_the_scratch(tmp_path, source):
    source(*"abcdef")
    world = World(tmp_path, {"one": returning({"n": 1})}, clock=Clock())
    summary = run(world, mode="test")
    assert summary.discovery is not None
    assert (summary.discovery.n_new, summary.items_done, len(summary.results)) == (3, 3, 3)
    assert not (tmp_path / "ledger" / "discovery.sqlite").exists()


def test_a_test_of_one_stage_runs_that_stage_alone_and_wants_those_before_it_done(tmp_path, source):
    world = World(tmp_path, {"one": returning({"n": 1}), "two": returning({"n": 2}), "three": returning()})
    world.add("a")
    with pytest.raises(ConfigurationError, match="one"):
        run(world, mode="test", test_stage="two")
    world.write("UPDATE item_stages SET not_before = 9999999999999 WHERE stage = 'two'")
    world.drain(single_pass=True)
    summary = run(world, mode="test", test_stage="two")
    assert [(each.stage, each.status) for each in summary.results] == [
        ("one", "done"),
        ("two", "done"),
        ("three", "pending"),
    ]
    assert world.statuses() == {"a": ["done", "pending", "pending"]}


def test_a_dry_run_calls_no_handler_and_writes_nothing(tmp_path, source):
    source("a", "b")
    world = World(tmp_path, {"one": raising(AssertionError("called"))}, clock=Clock())
    summary = run(world, mode="dry_run")
    assert summary.claims == {"one": 2}
    assert not (tmp_path / "ledger").exists() or list((tmp_path / "ledger").iterdir()) == []


def test_what_cannot_be_meant_is_refused_before_the_ledger_is_made(tmp_path):
    world = World(tmp_path, {"one": returning()})
    with pytest.raises(ConfigurationError, match="limit 0"):
        run(world, limit=0)
    assert not (tmp_path / "ledger").exists()


def test_the_lease_of_an_ended_run_is_freed_at_the_start_of_the_next_one(tmp_path):
    world = World(tmp_path, {"one": returning()}, ended_runs=lambda runs: runs & {"gone"}, clock=Clock())
    world.add("a")
    world.write(
        "INSERT INTO attempts (id, stage_id, item_id, job_id, stage, revision, attempt, owner, run_id, "
        "started_at) VALUES (50, 1, 1, 'papers', 'one', 1, 1, 'elsewhere:1:1:gone', 'gone', 1)"
    )
    world.write(
        "UPDATE item_stages SET status = 'in_progress', attempt = 1, claim_id = 50, "
        "owner = 'elsewhere:1:1:gone', run_id = 'gone', started_at = 1, lease_until = ?",
        START + 10**9,
    )
    assert world.drain().stages.done == 1
    assert world.outcomes() == ["lost", "done"]
    assert json.loads(world.events("reaped")[0]["payload_json"])["attempt"] == 1


def test_a_job_with_one_handler_runs_like_any_other_and_its_stage_has_the_name_of_the_handler(
    tmp_path, source
):
    source("a", "b")
    types = {}
    for name, stages in {"one": "handler: fetch", "many": "stages: [{name: fetch, handler: fetch}]"}.items():
        text = one_job("{strategy: static_list, params: {values: [x]}}", stages=stages)
        resources = registry(tmp_path / name, text)
        job = resources.jobs.jobs[0]
        pacer, runner = Pacer.of(resources.jobs), resources.jobs.runner_of(job)
        summary = asyncio.run(run_job(job, runner, pacer, resources, RunContext()))
        assert (summary.stages.done, summary.items_done) == (2, 2)
        with closing(resources.ledgers.open_raw_db("discovery")) as connection:
            rows = connection.execute("SELECT stage, type FROM events ORDER BY seq").fetchall()
            assert connection.execute("SELECT DISTINCT stage FROM item_stages").fetchall() == [("fetch",)]
        types[name] = rows
    assert types["one"] == types["many"]
