"""A full run over the small sample leaves the manifest, the status and the tables that were recorded.

After an intended change: `python -m pytest tests/assets/aim/test_golden_run.py --record-golden-run`, which
prints the difference, and commit it.
"""

import difflib
import hashlib
import json
import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from scripts.sample_data.aim import write_inputs
from scripts.sample_data.aim_shop import SCALES
from tests.assets.aim.aim_roots import DATE, WAREHOUSE, Root

RECORD = Path(__file__).parents[2] / "data" / "golden_aim_run.json"
COMMAND = f"python -m pytest tests/assets/aim/{Path(__file__).name} --record-golden-run"


def test_a_full_run_leaves_what_was_recorded(tmp_path, request, capsys):
    found = _as_text(_content(tmp_path))
    recorded = RECORD.read_text("utf-8") if RECORD.exists() else ""
    difference = "\n".join(
        difflib.unified_diff(recorded.splitlines(), found.splitlines(), "recorded", "found", lineterm="", n=2)
    )
    if request.config.getoption("--record-golden-run", default=False):
        RECORD.write_text(found, "utf-8")
        with capsys.disabled():
            sys.stdout.write(f"\n{difference or 'The golden run is as it was.'}\n")
    elif difference:
        pytest.fail(f"{difference}\nIf that is what was meant, record it: {COMMAND}", pytrace=False)


def test_what_is_recorded_depends_on_every_value_and_on_no_order(tmp_path):
    digests = [
        _tables_after(tmp_path / f"{number}.duckdb", statement)["AIM.aim-lists"]
        for number, statement in enumerate(
            (
                "VALUES (1, 'a', 0.1::DOUBLE), (2, NULL, NULL)",
                "VALUES (2, NULL, NULL), (1, 'a', 0.1::DOUBLE)",
                "VALUES (1, 'a', 0.1::DOUBLE), (2, '', NULL)",
                "VALUES (1, 'a', 0.10000000000000002::DOUBLE), (2, NULL, NULL)",
                "VALUES ('1', 'a', 0.1::DOUBLE), ('2', NULL, NULL)",
            )
        )
    ]
    assert digests[0] == digests[1]
    assert len({digest["content"] for digest in digests}) == 4


def _content(folder: Path) -> dict[str, Any]:
    """Everything that a run leaves, without its name and its times."""
    root = Root(folder / "root")
    write_inputs(root.path, SCALES["small"], day=date.fromisoformat(DATE), seed=0)
    ended = root.run()
    assert ended.code == 0, ended.err
    status, manifest = root.status, root.manifest
    moments = ("run_id", "started_at", "ended_at", "heartbeat_ts", "timestamp")
    for record in (status, status["report"], manifest, *manifest["stages"]):
        for name in moments:
            record.pop(name, None)
    status["output_file"] = re.sub(r"_\d{8}_\d{6}_[0-9a-f]{6}", "_<run_id>", status["output_file"])
    return {"status": status, "manifest": manifest, "tables": _tables(root.file(WAREHOUSE))}


def _tables_after(path: Path, statement: str) -> dict[str, Any]:
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f'CREATE SCHEMA AIM; CREATE TABLE AIM."aim-lists" AS FROM ({statement}) t(a, b, c)'
        )
    return _tables(path)


def _tables(path: Path) -> dict[str, Any]:
    """The rows of every table, counted, and a digest of its columns, their types and all values."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL")
        return {f"{schema}.{table}": _table(connection, schema, table) for schema, table in names.fetchall()}


def _table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> dict[str, Any]:
    found = connection.execute(f'SELECT * FROM "{schema}"."{table}" ORDER BY ALL')
    columns = [(column[0], str(column[1])) for column in found.description or []]
    rows = found.fetchall()
    text = json.dumps([columns, rows], default=str)
    return {"rows": len(rows), "content": hashlib.sha256(text.encode()).hexdigest()[:16]}


def _as_text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
