"""The tables against the words of their contract, and the migrations."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from assets.beams.registry import schema
from assets.beams.registry.instants import moment_of
from assets.beams.registry.rows import beam_of
from assets.beams.registry.schema import RegistryTooNew, RegistryTooOld
from assets.migrations import Migration
from assets.transactions import transaction
from resources.ledger import Ledger
from tests.assets.beams.registry.registry_worlds import CASE, interpreted, opened, rows

CONTRACT = """
cases:
  case_key TEXT PK, room, case_path NN, status NN, progress REAL, fingerprint, attempt INT,
  retry_count INT, failure_phase, failure_category, failure_code, failure_message, failure_details
  JSON, warnings JSON, created_at, updated_at, completed_at
beams:
  beam_id TEXT PK, case_key NN, treatment_index INT NN, dicom_number INT NN, plan_position INT NN,
  name, folder NN, status NN, progress REAL, attempt INT, retry_count INT, run_id, engine,
  failure_phase, failure_category, failure_code, failure_message, failure_details JSON, created_at,
  updated_at
workflow_steps:
  id INTEGER PK, case_key NN, beam_id, step NN, attempt INT, run_id, status NN, actor, reason,
  started_at NN, completed_at, metadata JSON
gpu_resources:
  uuid TEXT PK, host, gpu_index INT, name, memory_total_mib INT, memory_used_mib INT,
  memory_free_mib INT, temperature_c INT, utilization_percent INT, core_clock_mhz INT, status NN,
  seen_at
leases:
  uuid NN PK, token INT NN PK, owner_run NN, beam_id NN, host, state NN, acquired_at NN,
  heartbeat_at NN, expires_at NN, ended_at
deliveries:
  delivery_id TEXT PK, case_key NN, beam_id NN, delivery_path NN, delivery_timestamp NN,
  fraction_index INT NN, dicom_number INT NN, treatment_index INT NN, is_reference INT NN,
  interrupted INT NN, ptn_status NN DEFAULT 'none', gamma_pass_rate REAL, gamma_mean REAL, gamma_max
  REAL, evaluated_points INT, report_path, failure_code, failure_message, updated_at
"""
INDEXES = (
    "cases(status)",
    "cases(updated_at)",
    "beams(case_key)",
    "beams(status)",
    "workflow_steps(case_key, started_at)",
    "deliveries(case_key)",
    "deliveries(beam_id)",
    "deliveries(delivery_timestamp)",
    "leases(owner_run)",
)

Column = tuple[str, str, bool, bool, str | None]


def contracted() -> dict[str, list[Column]]:
    tables: dict[str, list[Column]] = {}
    for table, columns in re.findall(r"^(\w+):\n((?:  .*\n)+)", CONTRACT, re.MULTILINE):
        tables[table] = [column(words) for words in columns.split(",")]
    return tables


def column(words: str) -> Column:
    name, *more = words.split()
    kind = next((word for word in more if word in ("INT", "INTEGER", "REAL")), "TEXT")
    default = more[more.index("DEFAULT") + 1] if "DEFAULT" in more else None
    is_key = "PK" in more
    return name, kind, "NN" in more or (is_key and kind != "INTEGER"), is_key, default


def names(connection: sqlite3.Connection, kind: str) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    return {name for (name,) in connection.execute(query, (kind,))}


def test_every_column_is_as_the_contract_says(connection):
    tables = contracted()
    assert names(connection, "table") == set(tables)
    for table, columns in tables.items():
        found = rows(connection, f"PRAGMA table_info({table})")
        assert [
            (row["name"], row["type"], bool(row["notnull"]), bool(row["pk"]), row["dflt_value"])
            for row in found
        ] == columns, table


def test_indexes_are_those_of_the_contract_and_the_one_that_lets_one_lease_be_held(connection):
    found: set[str] = set()
    for name in names(connection, "index"):
        (table,) = connection.execute("SELECT tbl_name FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        columns = [row["name"] for row in rows(connection, f"PRAGMA index_info({name})")]
        found.add(f"{table}({', '.join(columns)})")
    assert found == {*INDEXES, "leases(uuid)"}
    (row,) = rows(connection, "SELECT * FROM pragma_index_list('leases') WHERE partial = 1")
    assert row["unique"] == 1


def test_beams_refer_to_their_case_and_have_one_row_for_each_index(connection):
    (key,) = rows(connection, "PRAGMA foreign_key_list(beams)")
    assert (key["table"], key["from"], key["to"]) == ("cases", "case_key", "case_key")
    interpreted(connection, 1)
    with pytest.raises(sqlite3.IntegrityError, match="treatment_index"):
        connection.execute(
            "INSERT INTO beams (beam_id, case_key, treatment_index, dicom_number, plan_position, folder,"
            " status) VALUES ('other', ?, 1, 1, 1, 'f', 'pending')",
            (CASE,),
        )


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("cases", "status", "Ready"),
        ("cases", "failure_details", "{"),
        ("cases", "created_at", "2026-03-20T13:00:00+01:00"),
        ("cases", "created_at", "2026-03-20T13:00:00"),
        ("cases", "created_at", "2026-03-20 13:00:00Z"),
        ("cases", "progress", 101),
        ("beams", "status", "simulating"),
        ("workflow_steps", "status", "done"),
        ("deliveries", "ptn_status", None),
        ("deliveries", "is_reference", 2),
    ],
)
def test_a_value_that_the_contract_does_not_know_is_refused_by_the_table(connection, table, column, value):
    interpreted(connection, 1)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))


@pytest.mark.parametrize("moment", ["2026-03-20T13:00:00Z", "2026-03-20T13:00:00.25Z"])
def test_a_time_in_utc_is_taken_with_any_number_of_decimals(connection, moment):
    interpreted(connection, 1)
    connection.execute("UPDATE beams SET updated_at = ?", (moment,))
    beam = beam_of(connection, f"{CASE}_beam_1")
    assert moment_of(beam.updated_at).replace(microsecond=0) == datetime(2026, 3, 20, 13, tzinfo=UTC)


def test_a_second_held_lease_of_a_gpu_is_refused_by_the_table(connection):
    moment = "2026-03-20T13:00:00.000000Z"
    query = "INSERT INTO leases VALUES ('GPU-1', ?1, 'r', 'b', 'h', ?2, ?3, ?3, ?3, ?4)"
    connection.execute(query, (1, "released", moment, moment))
    connection.execute(query, (2, "held", moment, None))
    with pytest.raises(sqlite3.IntegrityError, match=r"leases\.uuid"):
        connection.execute(query, (3, "held", moment, None))


def test_migrating_twice_applies_nothing_the_second_time(tmp_path):
    with closing(Ledger(folder=str(tmp_path)).open_db("beams")) as connection:
        assert schema.version_of(connection) == 0
        assert schema.migrate(connection) == [1]
        assert schema.migrate(connection) == []
        assert schema.version_of(connection) == schema.NEWEST == 1


def test_a_registry_of_a_newer_version_is_refused_and_stays_as_it_is(connection):
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(RegistryTooNew, match="schema version 99"):
        schema.migrate(connection)
    assert schema.version_of(connection) == 99


def test_a_reader_refuses_a_registry_that_waits_for_a_migration(tmp_path):
    with closing(Ledger(folder=str(tmp_path)).open_db("beams")) as connection, pytest.raises(RegistryTooOld):
        schema.require_known(connection)


class _Second(Migration):
    def statements(self) -> Iterator[str]:
        yield "ALTER TABLE cases ADD COLUMN archived_at TEXT"


class _Broken(_Second):
    def statements(self) -> Iterator[str]:
        yield from super().statements()
        yield "ALTER TABLE absent ADD COLUMN archived_at TEXT"


def test_a_later_migration_keeps_the_rows_of_a_copy_of_older_data(tmp_path):
    with closing(opened(tmp_path / "older")) as older:
        interpreted(older, 1, 2)
        before = {table: rows(older, f"SELECT * FROM {table}") for table in contracted()}
        older.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "older" / "beams.sqlite", tmp_path / "copy" / "beams.sqlite")
    with closing(Ledger(folder=str(tmp_path / "copy")).open_db("beams")) as connection:
        assert schema.migrate(connection, (*schema.MIGRATIONS, _Second(2))) == [2]
        for table, kept in before.items():
            more = {"archived_at": None} if table == "cases" else {}
            assert rows(connection, f"SELECT * FROM {table}") == [{**row, **more} for row in kept]
        assert rows(connection, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        with pytest.raises(RegistryTooNew):
            schema.require_known(connection)


def test_a_migration_that_fails_half_way_leaves_the_version_before(connection):
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, (*schema.MIGRATIONS, _Broken(2)))
    assert schema.version_of(connection) == 1
    assert "archived_at" not in {row["name"] for row in rows(connection, "PRAGMA table_info(cases)")}


def test_what_leaves_a_transaction_undoes_it(connection):
    interpreted(connection, 1)

    def delete_and_leave() -> None:
        with transaction(connection):
            connection.execute("DELETE FROM deliveries")
            raise KeyError

    with pytest.raises(KeyError):
        delete_and_leave()
    assert rows(connection, "SELECT count(*) AS n FROM deliveries") == [{"n": 1}]


def test_every_time_in_the_registry_is_utc_with_a_z(connection):
    interpreted(connection, 1)
    (row,) = rows(connection, "SELECT created_at, updated_at FROM cases")
    assert row == {"created_at": "2026-03-20T13:00:00.000000Z", "updated_at": "2026-03-20T13:00:00.000000Z"}
