"""Defects of an earlier system that must not come back: what no other test would notice.

Each of the seventeen has a test that fails when it is put back:

1. items without stage rows, and unknown statuses: `test_ledger_schema`, the derived status;
2. the view without its index: `test_ledger_schema`, the stages of an item through their index;
3. a cached status of items: `test_ledger_schema`, items have no status of their own; the columns below;
4. a guard in process memory: `test_ledger_processes`, eight processes; `test_ledger_claims`;
5. no lease, heartbeat, fencing: `test_ledger_claims`; reconciliation only at the start: below;
6. two worker paths: `test_runs`, a job with one handler runs like any other;
7. many parameters and flags: `test_run_context`, the eight fields; the five parameters below;
8. copies of URL hashing: `test_canonical_urls`, the documented hashes; the one module below;
9. versions from a hash of the source: `test_handler_modules`, modules that are no handlers;
10. keys accepted silently: `test_jobs_file`, one mistake; keys that nothing reads: below;
11. costs summed twice, floats, no zone, no reservation: `test_ledger_budgets`; the columns below;
12. unpausing by itself: `test_ledger_jobs`, a pause without an end; its dead columns: below;
13. discovery as whole lists: `test_base_discovery`, reading is lazy; every strategy below;
14. a page that reads anything but the tables: `test_reader_report`, `test_reader_job_status`, the recount;
15. SQLite within the event loop: below; deferred transactions: `test_ledger_claims`, another writer;
16. one huge module, or a transaction that was split with it: below;
17. expectations that nobody wrote down: `test_discovery_examples`.
"""

import ast
import asyncio
import inspect
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel

import assets.discovery
from assets.discovery.engine.context import RunContext
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.run import run_job
from assets.discovery.job_model import JobsFile
from assets.discovery.ledger import claims
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.plans import Budget, JobPlan, StagePlan
from assets.discovery.strategies.registry import STRATEGIES, strategy_class
from tests.assets.discovery.engine import drain_worlds
from tests.assets.discovery.ledger.ledger_worlds import START, World, opened

PACKAGE: Final = Path(assets.discovery.__file__).parent
ROOT: Final = PACKAGE.parent.parent
READERS: Final = ("assets/discovery", "jobs", "sensors", "scripts/discovery_cli")
COLUMNS: Final = {
    "schema_version": "version applied_at note",
    "job_state": (
        "job_id enabled config_json config_hash orphaned_at paused pause_kind paused_reason paused_by "
        "paused_at resume_at over_budget_until wake_at cursor_json validators_json last_discovery_at "
        "last_discovery_id mirror_seq"
    ),
    "discoveries": (
        "id job_id run_id started_at finished_at outcome complete n_read n_new n_changed n_unchanged "
        "n_duplicate n_rejected n_missing n_gone pages http_status cursor_before_json cursor_after_json "
        "error_text"
    ),
    "work_items": (
        "id job_id key partition_key revision data_json content_hash pending_revision_json url title "
        "published_at priority seq discovery_id discovered_at last_seen_at missing_since missing_count "
        "gone_at cancelled_at"
    ),
    "item_stages": (
        "id item_id job_id stage ord status revision priority attempt max_attempts not_before claim_id owner "
        "run_id lease_until started_at finished_at duration_ms error_class error_code error_text skip_reason "
        "stale_reason input_hash output_hash handler_version seq"
    ),
    "attempts": (
        "id stage_id item_id job_id stage revision attempt owner run_id started_at finished_at outcome "
        "error_class error_code error_text"
    ),
    "results": (
        "id item_id job_id stage revision handler_version input_hash output_hash logic_hash payload_json "
        "blob_path size created_at superseded_at"
    ),
    "events": "seq at job_id item_id stage type level run_id payload_json",
    "costs": (
        "id at day_local job_id item_id stage attempt_id mode state provider model units_json micros "
        "price_list expires_at"
    ),
    "limiters": ("name kind state tokens_json window_json updated_at cooldown_until opened_at open_for_s"),
    "item_derived_status": (
        "item_id job_id derived_status n_stages n_pending n_running n_done n_failed n_skipped next_attempt_at"
    ),
}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = opened(tmp_path / "ledger")
    yield connection
    connection.close()


@pytest.mark.parametrize("table", COLUMNS)
def test_a_table_has_the_columns_of_its_contract_and_none_that_nothing_needs(connection, table):
    """3, 11 and 12: no status of items, one table of costs, no counters of unpausing."""
    found = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    assert found == COLUMNS[table].split()


def test_money_and_instants_are_whole_numbers_in_every_table(connection):
    """11."""
    for table in COLUMNS:
        for name, kind in connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)):
            assert kind in {"INTEGER", "TEXT", ""}, f"{table}.{name}"


def test_a_lease_that_ends_during_a_run_is_taken_back_by_that_run(tmp_path):
    """5: another machine's worker died after this run had begun, and this run is the only one."""
    was_redone = Event()

    def one(work):
        if work.key == "lost":
            was_redone.set()
        assert was_redone.wait(10)
        return {}

    world = drain_worlds.World(
        tmp_path, {"one": one}, runner="reconcile_every_s: 0.2", job="retry: {base_s: 0, max_attempts: 2}"
    )
    lost, _ = world.add("lost", "other")
    now = world.resources.clock()
    worker = Worker("elsewhere:1:1:gone", "gone", 1000)
    world.with_ledger(lambda ledger: claims.claim(ledger, world.plan, worker, 1, now, active_items=[lost]))
    world.drain()
    assert world.statuses() == {"lost": ["done"], "other": ["done"]}
    assert sorted(world.outcomes()) == ["done", "done", "lost"]


def test_a_run_has_five_parameters_and_no_flags_of_tests():
    """7."""
    names = list(inspect.signature(run_job).parameters)
    assert names == ["job", "runner_cfg", "pacer", "resources", "ctx"]


def test_links_are_hashed_in_one_module_only():
    """8."""
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert [path.name for path, text in sources.items() if "canonicalize_url" in text] == ["urls.py"]
    assert [path.name for path, text in sources.items() if "md5" in text] == []


def test_every_key_of_the_jobs_file_is_read_by_something():
    """10: a key that a model knows and nobody reads is accepted as silently as an unknown one."""
    read = {
        node.attr
        for folder in READERS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    models = set(models_within(JobsFile)).union(*(models_within(each.params) for each in STRATEGIES.values()))
    unread = {(model.__name__, name) for model in models for name in model.model_fields if name not in read}
    assert len(models) > len(STRATEGIES)
    assert unread == set()


def models_within(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation names, and those of their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_within(field.annotation)
    for part in get_args(annotation):
        yield from models_within(part)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_yields_what_it_finds_one_by_one(strategy):
    """13."""
    assert inspect.isgeneratorfunction(strategy_class(strategy).fetch_items)


def test_a_run_leaves_the_loop_of_its_caller_free(tmp_path):
    """15: the handler is done once the loop has got to the next line of its caller."""
    go = Event()

    def one(work):
        assert go.wait(10)
        return {}

    world = drain_worlds.World(tmp_path, {"one": one}, job="retry: {max_attempts: 1}")

    async def caller():
        job, jobs_file = world.job, world.resources.jobs
        runner, pacer = jobs_file.runner_of(job), Pacer.of(jobs_file)
        task = asyncio.create_task(run_job(job, runner, pacer, world.resources, RunContext()))
        await asyncio.sleep(0)
        go.set()
        return await task

    assert asyncio.run(caller()).items_done == 1


PRICED: Final = JobPlan(
    "papers", (StagePlan("fetch", estimate_micros=100_000),), budget=Budget(daily_micros=1_000_000)
)


@pytest.mark.parametrize("table", ["attempts", "costs"])
def test_a_claim_whose_part_cannot_be_written_leaves_nothing_of_it(connection, table):
    """16: the row, its attempt and its reservation are one transaction."""
    world = World(connection, PRICED)
    world.add("x")
    before = without_sequences(connection)
    connection.execute(
        f"CREATE TEMP TRIGGER full AFTER INSERT ON {table} BEGIN SELECT raise(ABORT, 'full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        world.claim()
    assert not connection.in_transaction
    assert without_sequences(connection) == before


@pytest.mark.parametrize("table", ["events", "results", "costs"])
def test_an_end_whose_part_cannot_be_written_leaves_the_row_with_its_worker(connection, table):
    """16: the row, its attempt, its result, its costs and its event are one transaction."""
    world = World(connection, PRICED)
    world.add("x")
    (claim,) = world.claim()
    before = without_sequences(connection)
    connection.execute(
        f"CREATE TEMP TRIGGER full AFTER INSERT ON {table} BEGIN SELECT raise(ABORT, 'full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        world.finish(claim, costs=[Cost(50_000)])
    assert without_sequences(connection) == before
    connection.execute("DROP TRIGGER full")
    assert world.at(1).finish(claim).status == "done"
    assert world.now == START + 1000


def without_sequences(connection: sqlite3.Connection) -> list[str]:
    """All rows of the ledger; ids that were given out and taken back do not count."""
    return [line for line in connection.iterdump() if "sqlite_sequence" not in line]


Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_every_module_is_short_and_every_function_of_the_ledger_fits_a_screen():
    """16: under 400 lines; at most 50 lines of logic."""
    long: list[str] = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if len(text.splitlines()) >= 400:
            long.append(path.name)
        functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]
        long += [f"{path.name}: {each.name}" for each in functions if lines_of_logic(each) > 50]
    assert long == []


def lines_of_logic(function: Function) -> int:
    """The lines of the body, without those of the docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
