"""A dry run: it says what the next run would do, and writes nothing."""

from contextlib import closing
from threading import Event

import pytest

from assets.discovery.contract import AuthFailure, Mark
from assets.discovery.ledger import claims, pauses
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.outcomes import Failed, Snoozed
from tests.assets.discovery.engine.source_runs import STAGES, SourceRun, dump, one_job, seen
from tests.assets.discovery.engine.test_discovering import CountedWeb, fetching, listing

PRICED = "stages: [{name: fetch, handler: fetch}, {name: score, handler: score, cost_estimate_usd: '0.02'}]"


def scripted(tmp_path, more="", job="", stages=STAGES, **resources) -> SourceRun:
    discovery = f"{{strategy: static_list, params: {{values: [x]}}{more}}}"
    return SourceRun(tmp_path, one_job(discovery, job, stages), resources)


def test_an_absent_ledger_counts_as_empty_and_is_not_made(tmp_path):
    run = SourceRun(tmp_path, one_job("{strategy: static_list, params: {values: [a, b, a]}}", stages=PRICED))
    told = run.forecast()
    assert told.discovery is not None
    assert (told.mode, told.discovery.n_new, told.discovery.n_duplicate) == ("dry_run", 2, 1)
    assert told.discovery.new_keys == ("a", "b")
    assert told.claims == {"fetch": 2, "score": 2}
    assert told.cost_estimate_micros == 40_000
    assert not (tmp_path / "ledger").exists()


def test_nothing_of_the_ledger_changes_and_the_file_keeps_its_bytes(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a"), seen("b")))
    run.discover()
    run.drain(most_items=1)
    path = run.resources.ledgers.path("discovery")
    before, content = dump(path), path.read_bytes()
    play(listing(seen("a", "other"), seen("c"), seen("b", deleted=True), Mark({"n": 1}, page=1)))
    assert run.forecast().claims == {"fetch": 3, "score": 3}
    assert dump(path) == before
    assert path.read_bytes() == content


def test_behind_a_failed_stage_nothing_is_counted_and_a_cut_of_claims_is_by_item(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a"), seen("b"), seen("c")))
    run.discover()
    run.drain(lambda claim: Failed("permanent", "gone"), most_items=1)
    assert run.forecast().claims == {"fetch": 2, "score": 2}
    assert run.forecast(limit=1).claims == {"fetch": 1, "score": 1}
    assert run.forecast(active_items={1}).claims == {}
    only = run.forecast(active_items={3})
    assert (only.claims, only.discovery) == ({"fetch": 1, "score": 1}, None)
    assert run.forecast(discover_only=True).claims == {}


@pytest.mark.parametrize(("single_pass", "claims"), [(True, {}), (False, {"fetch": 1, "score": 1})])
def test_what_falls_due_within_a_run_counts_unless_it_is_a_single_pass(tmp_path, play, single_pass, claims):
    run = scripted(tmp_path)
    play(listing(seen("a")))
    run.discover()
    run.drain(lambda claim: Snoozed(30_000))
    assert run.forecast(single_pass=single_pass).claims == claims


def test_what_is_put_off_for_longer_than_a_run_takes_does_not_count(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a")))
    run.discover()
    run.drain(lambda claim: Snoozed(601_000))
    assert run.forecast().claims == {}


def test_an_expired_lease_counts_as_waiting_and_a_live_one_does_not(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a")))
    run.discover()
    with closing(run.open()) as connection:
        claims.claim(connection, run.plan, Worker("host:1:1:a", "a", 60_000), 1, run.now)
    assert run.forecast().claims == {}
    run.now += 60_000
    assert run.forecast().claims == {"fetch": 1, "score": 1}


@pytest.mark.parametrize("state", ["disabled", "paused", "over_budget"])
def test_a_job_that_may_not_run_claims_nothing(tmp_path, play, state):
    run = scripted(tmp_path, job="enabled: false" if state == "disabled" else "")
    play(listing(seen("a")))
    run.discover()
    with closing(run.open()) as connection:
        if state == "paused":
            pauses.pause(connection, "papers", "lunch", run.now, until=run.now + 10)
        elif state == "over_budget":
            connection.execute("UPDATE job_state SET over_budget_until = ?", (run.now + 10,))
    assert run.forecast().claims == {}
    run.now += 10
    assert run.forecast().claims == ({} if state == "disabled" else {"fetch": 1, "score": 1})


def test_a_stage_that_is_new_in_the_jobs_file_counts_for_every_live_item(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a"), seen("b")))
    run.discover()
    run.drain()
    run.write("UPDATE work_items SET gone_at = 1 WHERE key = 'b'")
    more = STAGES.replace("]", ", {name: report, handler: report}]")
    run.configure(one_job("{strategy: static_list, params: {values: [x]}}", stages=more))
    play(listing())
    assert run.forecast().claims == {"report": 1}


def test_a_stage_whose_breaker_stays_open_ends_the_chain(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a")))
    run.discover()
    run.write(
        "INSERT INTO limiters (name, kind, state, updated_at, cooldown_until) "
        "VALUES ('breaker:papers/score', 'breaker', 'open', 0, ?)",
        run.now + 700_000,
    )
    assert run.forecast().claims == {"fetch": 1}
    run.now += 200_000
    assert run.forecast().claims == {"fetch": 1, "score": 1}


def test_the_price_of_a_stage_is_the_median_of_what_it_cost_last(tmp_path, play):
    run = scripted(tmp_path, stages=PRICED)
    play(listing(*(seen(str(n)) for n in range(3))))
    run.discover()
    prices = iter([10, 30, 20])
    run.drain(costs=lambda claim: [Cost(next(prices))] if claim.stage == "score" else [])
    play(listing(seen("new"), seen("newer")))
    assert run.forecast().cost_estimate_micros == 40


def test_the_cursor_is_that_of_the_next_run(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a"), Mark({"n": 1}, {"etag": "e"}, page=1)))
    run.discover()
    asked: list[object] = []

    def script(ask):
        asked.append((ask.cursor, ask.validators))
        yield Mark(ask.cursor, page=0)

    play(script)
    assert run.forecast().discovery.outcome == "not_modified"  # pyright: ignore[reportOptionalMemberAccess]
    run.configure(one_job("{strategy: static_list, params: {values: [y]}}"))
    run.forecast()
    assert asked == [({"n": 1}, {"etag": "e"}), (None, None)]


def test_a_source_that_fails_is_told_and_nothing_is_paused(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a")))
    run.discover()
    play(listing(seen("b"), AuthFailure("401")))
    told = run.forecast()
    assert told.discovery is not None
    assert (told.discovery.outcome, told.stopped) == ("failed", "discovery_failed")
    assert told.discovery.error == told.stopped_reason == "static_list could not be read: 401"
    assert told.discovery.n_new == 1
    assert run.state["paused"] == 0


def test_an_empty_source_fails_a_dry_run_where_it_would_fail_the_run(tmp_path, play):
    run = scripted(tmp_path, ", empty_is_error: true")
    play(listing(Mark(page=1)))
    assert run.forecast().stopped == "discovery_failed"


def test_a_limiter_that_rests_is_left_alone_and_no_turn_is_taken(tmp_path, play):
    text = one_job("{strategy: static_list, params: {values: [x]}}", "pace: {limiter: arxiv}").replace(
        "jobs:", "limiters: {arxiv: [{rate: 1000, per_s: 1}]}\njobs:"
    )
    web = CountedWeb()
    run = SourceRun(tmp_path, text, {"webs": web})
    play(fetching(2))
    assert run.forecast().stopped == "drained"
    run.discover()
    assert run.rows("SELECT * FROM limiters") == []
    run.write(
        "INSERT INTO limiters (name, kind, updated_at, cooldown_until) VALUES ('arxiv', 'rate', 0, ?)",
        run.now + 3_600_000,
    )
    asked = len(web.urls)
    told = run.forecast()
    assert "the limiter arxiv lets no request go for 3600 s" in told.stopped_reason
    assert len(web.urls) == asked


def test_an_event_of_a_strategy_is_only_a_warning(tmp_path, play):
    def script(ask):
        ask.warn("history was rewritten", event="source_rewritten")
        yield seen("a")

    run = scripted(tmp_path)
    play(script)
    told = run.forecast()
    assert told.discovery is not None
    assert told.discovery.warnings == ("history was rewritten",)


def test_results_of_a_job_that_never_ran_are_none(tmp_path):
    follower = "{strategy: upstream_results, params: {job: papers, stage: score}}"
    upstream = one_job("{strategy: static_list, params: {values: [x]}}")
    run = SourceRun(tmp_path, f"{upstream}\n  - {{name: follower, discovery: {follower}, handler: report}}")
    told = run.forecast()
    assert told.discovery is not None
    assert (told.job, told.discovery.outcome, told.claims) == ("follower", "not_modified", {})
    assert not (tmp_path / "ledger").exists()


def test_content_that_waits_while_a_stage_runs_counts_once_nothing_runs(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a", "1")))
    run.discover()
    with closing(run.open()) as connection:
        worker = Worker("host:1:1:a", "a", 60_000)
        claims.claim(connection, run.plan, worker, 1, run.now)
    run.write("UPDATE item_stages SET status = 'done', owner = NULL, lease_until = NULL, claim_id = NULL, "
              "finished_at = 1 WHERE stage = 'fetch'")  # fmt: skip
    with closing(run.open()) as connection:
        claims.claim(connection, run.plan, worker, 1, run.now)
    play(listing(seen("a", "2")))
    assert run.discover().n_changed == 1
    waiting = run.forecast()
    assert waiting.discovery is not None
    assert (waiting.discovery.n_unchanged, waiting.claims) == (1, {})
    play(listing(seen("a", "1")))
    returning = run.forecast()
    assert returning.discovery is not None
    assert (returning.discovery.n_changed, returning.claims) == (1, {})
    run.now += 60_000
    play(listing())
    assert run.forecast().claims == {"fetch": 1, "score": 1}


def test_an_item_that_a_person_cancelled_does_not_count(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a")))
    run.discover()
    run.write("UPDATE work_items SET cancelled_at = 1")
    assert run.forecast().claims == {}


def test_a_limit_takes_items_in_the_order_of_claims(tmp_path, play):
    run = scripted(tmp_path)
    play(listing(seen("a", priority=200)))
    run.discover()
    run.write("UPDATE item_stages SET status = 'done', finished_at = 1 WHERE stage = 'fetch'")
    assert run.forecast(limit=1).claims == {"score": 1}
    play(listing(seen("b", priority=1)))
    assert run.forecast(limit=1).claims == {"fetch": 1, "score": 1}


class Waits(Event):
    """Waits for nothing, and notes for how long it was to."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0)
        return False


def test_requests_of_a_dry_run_keep_the_distance_of_the_pace(tmp_path, play):
    waits = Waits()
    pace = "pace: {rate: 2, per_s: 60, burst: 5}"
    run = scripted(tmp_path, job=pace, webs=CountedWeb(), stop=waits)
    play(fetching(2))
    run.forecast()
    assert waits.seconds[0] == 0
    assert 0 < waits.seconds[1] <= 30


def test_an_expired_lease_of_a_last_attempt_has_failed(tmp_path, play):
    run = scripted(tmp_path, job="retry: {max_attempts: 1}")
    play(listing(seen("a")))
    run.discover()
    with closing(run.open()) as connection:
        claims.claim(connection, run.plan, Worker("host:1:1:a", "a", 60_000), 1, run.now)
    run.now += 60_000
    assert run.forecast().claims == {}
