"""Command lines of discovery for tests: jobs files, commands in this process, commands in their own."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest
from invoke.program import Program

from resources.home import quintet_home
from resources.ledger import Ledger

ROOT = Path(__file__).parents[3]
HANDLER = "tests.scripts.discovery_cli.scripted_handler"
VERBS = (
    *("list", "status", "run", "test", "dry-run", "items", "show", "retry", "skip", "pause", "unpause"),
    *("wake", "stale", "reprocess", "costs", "events", "doctor", "migrate", "export", "report"),
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


def words(*values: object, **job: Any) -> dict[str, Any]:
    """A job over a list: each value is an item, an object is one with what its handlers are to do."""
    listed = [value if isinstance(value, Mapping) else {"value": value} for value in values]
    stages = job.pop("stages", [{"name": "fetch"}, {"name": "score"}])
    return {
        "name": "words",
        "discovery": {
            "strategy": "static_list",
            "params": {"values": listed},
            "key_field": "value",
            **job.pop("discovery", {}),
        },
        "stages": [{"handler": HANDLER, **stage} for stage in stages],
        **job,
    }


def write_jobs(folder: Path, *jobs: Mapping[str, Any], **settings: Any) -> Path:
    """A jobs file with these jobs. JSON is YAML."""
    path = folder / "jobs.yaml"
    path.write_text(json.dumps({"version": 1, "jobs": jobs, **settings}))
    return path


def inv(*words_: str) -> Ended:
    """Carry out a command in this process, as `inv` would."""
    import tasks

    out, err = io.StringIO(), io.StringIO()
    code, writes_bytecode = 0, sys.dont_write_bytecode
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            Program(namespace=tasks.namespace).run(["inv", *words_])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            sys.dont_write_bytecode = writes_bytecode
    return Ended(code, out.getvalue(), err.getvalue())


def start(*words_: str, folder: Path = ROOT) -> "subprocess.Popen[str]":
    """Start a command as a process of its own, in the environment of the test."""
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", *words_],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: "subprocess.Popen[str]") -> Ended:
    """Wait for a process to end by itself."""
    out, err = process.communicate(timeout=120)
    return Ended(process.returncode, out, err)


def ledger_path() -> Path:
    """Where the ledger of the test is, or would be."""
    return quintet_home() / "ledger" / "discovery.sqlite"


@contextmanager
def ledger() -> Iterator[Connection]:
    """The ledger of the test, to read and write."""
    with closing(Ledger(folder=str(ledger_path().parent)).open_db("discovery")) as connection:
        yield connection


def rows(query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a query finds in the ledger."""
    with ledger() as connection:
        return connection.execute(query, values).fetchall()


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a test types its commands: writes the jobs file that they read."""

    folder: Path
    patch: pytest.MonkeyPatch

    def jobs(self, *jobs: Mapping[str, Any], **settings: Any) -> None:
        """Make these the jobs."""
        self.patch.setenv("QUINTET_DISCOVERY_JOBS", str(write_jobs(self.folder, *jobs, **settings)))
