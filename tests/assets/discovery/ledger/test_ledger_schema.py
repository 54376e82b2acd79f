"""The tables, the migrations, and the one view that says how an item stands."""

import sqlite3

import pytest

from assets.discovery.ledger import schema
from assets.discovery.ledger.schema import LedgerTooNew, LedgerTooOld
from assets.migrations import Migration
from assets.transactions import transaction
from resources.ledger import Ledger
from tests.assets.discovery.ledger.ledger_worlds import START, World, plan, seen

TABLES = {
    *("schema_version", "job_state", "discoveries", "work_items", "item_stages"),
    *("attempts", "results", "events", "costs", "limiters"),
}
INDEXES = {
    *(f"idx_item_stages_{name}" for name in ("status", "claim", "lease", "seq", "failed")),
    *("idx_attempts_stage", "idx_events_job", "idx_costs_day", "idx_results_version", "idx_discoveries_job"),
}


def names(connection: sqlite3.Connection, type_: str) -> set[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'", (type_,)
    )
    return {name for (name,) in rows}


def test_the_ledger_has_exactly_the_names_of_its_contract(connection):
    assert names(connection, "table") == TABLES
    assert names(connection, "index") == INDEXES
    assert names(connection, "view") == {"item_derived_status"}
    strict = connection.execute("SELECT name FROM pragma_table_list WHERE strict = 1").fetchall()
    assert {name for (name,) in strict} == TABLES


def test_migrating_twice_applies_nothing_the_second_time(tmp_path):
    connection = Ledger(folder=str(tmp_path)).open_db("discovery")
    assert schema.version_of(connection) == 0
    assert schema.migrate(connection, START) == [1]
    assert schema.migrate(connection, START + 1) == []
    assert connection.execute("SELECT version, applied_at FROM schema_version").fetchall() == [(1, START)]


def test_a_ledger_of_a_newer_version_is_refused(connection):
    connection.execute("INSERT INTO schema_version VALUES (99, 0, '')")
    with pytest.raises(LedgerTooNew, match="schema version 99"):
        schema.migrate(connection, START)
    with pytest.raises(LedgerTooNew):
        schema.require_known(connection)


def test_a_reader_refuses_a_ledger_that_waits_for_a_migration(tmp_path):
    connection = Ledger(folder=str(tmp_path)).open_db("discovery")
    with pytest.raises(LedgerTooOld, match=r"inv jobs\.migrate"):
        schema.require_known(connection)


class _Step(Migration):
    """A second version for the tests."""

    def statements(self):
        yield "ALTER TABLE work_items ADD COLUMN note TEXT"
        if self.note == "broken":
            yield "ALTER TABLE absent ADD COLUMN note TEXT"


def test_a_later_migration_keeps_the_rows_of_the_version_before(connection):
    world = World(connection, plan("fetch"))
    world.add("x")
    assert schema.migrate(connection, START, (*schema.MIGRATIONS, _Step(2, "more"))) == [2]
    assert world.item("x")["note"] is None


def test_a_migration_that_fails_half_way_leaves_the_version_before(connection):
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, START, (*schema.MIGRATIONS, _Step(2, "broken")))
    assert schema.version_of(connection) == 1
    assert "note" not in {row[1] for row in connection.execute("PRAGMA table_info(work_items)")}


def test_the_view_reads_the_stages_of_an_item_through_their_index(connection):
    world = World(connection, plan("fetch", "score"))
    world.show(*(seen(f"k{n}") for n in range(10_000)))
    query = "SELECT derived_status, count(*) FROM item_derived_status GROUP BY derived_status"
    steps = [step[3] for step in connection.execute("EXPLAIN QUERY PLAN " + query)]
    reading = [step for step in steps if " s USING" in step or step.startswith("SCAN s")]
    assert reading
    assert all("(item_id=?" in step for step in reading)
    assert any("idx_item_stages_status" in step for step in reading)
    assert not [step for step in steps if step.startswith("SCAN s")]
    assert connection.execute(query).fetchall() == [("pending", 10_000)]


@pytest.mark.parametrize(
    ("statuses", "derived"),
    [
        ([], "pending"),
        (["pending"], "pending"),
        (["in_progress"], "in_progress"),
        (["done"], "done"),
        (["failed"], "failed"),
        (["skipped"], "done"),
        (["done", "pending"], "pending"),
        (["done", "in_progress"], "in_progress"),
        (["done", "failed"], "failed"),
        (["done", "skipped"], "done"),
        (["skipped", "pending"], "pending"),
        (["done", "done", "done"], "done"),
        (["failed", "in_progress"], "failed"),
        (["done", "cancelled"], "cancelled"),
        (["cancelled", "pending"], "pending"),
    ],
)
def test_the_status_of_an_item_follows_from_its_stages(connection, statuses, derived):
    world = World(connection, plan(*[f"s{n}" for n in range(len(statuses))]) if statuses else plan())
    world.add("x")
    for n, status in enumerate(statuses):
        force(connection, f"s{n}", status)
    row = world.derived("x")
    assert row["derived_status"] == derived
    assert row["n_stages"] == len(statuses)
    assert row["n_running"] == statuses.count("in_progress")


def force(connection: sqlite3.Connection, stage: str, status: str) -> None:
    """Write a status as no function of ours would."""
    running, over = status == "in_progress", status not in ("pending", "in_progress")
    connection.execute(
        "UPDATE item_stages SET status = ?, owner = ?, lease_until = ?, claim_id = ?, finished_at = ? "
        "WHERE stage = ?",
        (
            status,
            "o" if running else None,
            1 if running else None,
            1 if running else None,
            1 if over else None,
            stage,
        ),
    )


def test_a_stage_that_waits_for_its_retry_shows_as_retrying(connection):
    world = World(connection, plan("fetch", "extract"))
    world.add("x")
    force(connection, "fetch", "done")
    assert world.derived("x")["next_attempt_at"] is None
    connection.execute("UPDATE item_stages SET attempt = 2, not_before = ? WHERE stage = 'extract'", (START,))
    row = world.derived("x")
    assert (row["derived_status"], row["next_attempt_at"]) == ("pending", START)


@pytest.mark.parametrize("status", [None, "Done", "running", ""])
def test_a_status_that_is_none_of_ours_is_refused_by_the_table(connection, status):
    world = World(connection, plan("fetch"))
    world.add("x")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE item_stages SET status = ?", (status,))


def test_items_have_no_status_of_their_own(connection):
    assert "status" not in {row[1] for row in connection.execute("PRAGMA table_info(work_items)")}


def test_what_leaves_a_transaction_undoes_it(connection):
    def insert_and_leave() -> None:
        with transaction(connection):
            connection.execute("INSERT INTO job_state (job_id) VALUES ('x')")
            raise KeyError

    with pytest.raises(KeyError):
        insert_and_leave()
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM job_state").fetchone() == (0,)


def test_transactions_do_not_nest_and_the_outer_one_goes_on(connection):
    with transaction(connection):
        connection.execute("INSERT INTO job_state (job_id) VALUES ('x')")
        with pytest.raises(sqlite3.OperationalError, match="within a transaction"), transaction(connection):
            pass
    assert connection.execute("SELECT count(*) FROM job_state").fetchone() == (1,)
