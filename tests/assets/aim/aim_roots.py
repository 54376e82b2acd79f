"""Local roots of aim with small inputs, the command line on them, and what it leaves there."""

import io
import json
import shutil
from collections.abc import Iterable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from assets.aim.tables import LIST_HISTORY
from scripts.aim_job import main
from scripts.sample_data.aim import write_inputs
from scripts.sample_data.aim_shop import Scale

DATE: Final = "2025-06-10"
SCALE: Final = Scale(products=120, vehicles=20, sales=300, events=300, cams=40)

SALES: Final = "tyrescore-AWS3-daily-files/20250610_CarMakeModelSales.csv"
TYRES: Final = "tyrescore-AWS3-daily-files/20250610_TyreScore.csv"
RUNLIST: Final = "runlist/priority_runlist_current.csv"
CONFIG: Final = "config/aim-config.json"
STATUS: Final = "output/job_status.json"
MANIFEST: Final = "output/run_manifest.json"
COST_REPORT: Final = "output/cost_report.json"
WAREHOUSE: Final = "warehouse.duckdb"

SQL: Final = "assets/aim/sql"


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """What it says went wrong: its last line on standard error."""
        return self.err.strip().splitlines()[-1]


def command(*arguments: str, **environment: str) -> Finished:
    """Carry out a command line in this process, with nothing in its environment but what is given."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            code = main(arguments, environment)
        except SystemExit as end:  # How argparse ends for wrong usage.
            code = end.code
    assert isinstance(code, int)
    return Finished(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True, slots=True)
class Root:
    """A local root."""

    path: Path

    def run(self, *arguments: str, day: str = DATE, **environment: str) -> Finished:
        """Run the job beside the root, which is named relative to that place."""
        given = {"AIM_MODE": "local", "AIM_LOCAL_ROOT": self.path.name, "AIM_RUN_MODE": "GLOBAL"}
        with chdir(self.path.parent):
            return command("--run-date", day, *arguments, **{**given, **environment})

    def stage(self, number: int, **options: str) -> Finished:
        """Run one stage."""
        return self.run("--stage", str(number), **options)

    def file(self, name: str) -> Path:
        return self.path / name

    def give(self, name: str, content: str | bytes) -> None:
        """Make this the content of a file."""
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def give_runlist(self, cams: Iterable[tuple[str, str]]) -> None:
        rows = [f'{rank},"{vehicle}","{size}"' for rank, (vehicle, size) in enumerate(cams, start=1)]
        self.give(RUNLIST, "\n".join(["Rank,Vehicle,Size", *rows, ""]))

    def give_config(self, **settings: object) -> None:
        self.give(CONFIG, json.dumps(settings))

    def json(self, name: str) -> dict[str, Any]:
        return json.loads(self.file(name).read_bytes())

    @property
    def status(self) -> dict[str, Any]:
        return self.json(STATUS)

    @property
    def manifest(self) -> dict[str, Any]:
        return self.json(MANIFEST)

    @property
    def stages(self) -> list[tuple[int, str, int]]:
        """Number, outcome and rows of the stages that the last run started."""
        return [(stage["stage"], stage["outcome"], stage["rows"]) for stage in self.manifest["stages"]]

    @property
    def outputs(self) -> set[str]:
        """The kinds of files that runs have left, without their run ids."""
        return {path.name.split("_2")[0] for path in self.file("output").iterdir()}

    def tree(self, *besides: str) -> dict[str, tuple[bytes, int]]:
        """Content and time of every file, but for some."""
        return {
            name: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and (name := path.relative_to(self.path).as_posix()) not in besides
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a question in DuckDB's own words."""
        with duckdb.connect(str(self.file(WAREHOUSE)), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of every table, in an order that their values alone decide."""
        names = self.query("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL")
        return {
            f"{schema}.{table}": self.query(f'SELECT * FROM "{schema}"."{table}" ORDER BY ALL')
            for schema, table in names
        }

    def table(self, name: str) -> list[tuple[Any, ...]]:
        schema, table = name.split(".")
        return self.query(f'SELECT * FROM "{schema}"."{table}" ORDER BY ALL')

    def published_cams(self) -> list[tuple[str, str]]:
        """Vehicle and Size of the lists of all run dates: CAMs that can be published."""
        schema, table = LIST_HISTORY.split(".")
        found = self.query(f'SELECT Vehicle, Size FROM "{schema}"."{table}" ORDER BY run_date, position')
        return [(vehicle, size) for vehicle, size in found]


def inputs_in(folder: Path) -> Root:
    """A root with inputs and nothing else."""
    return _copy(_inputs(), folder)


def run_in(folder: Path) -> Root:
    """A root on which one full run has been made."""
    return _copy(_run(), folder)


def _copy(template: "TemporaryDirectory[str]", folder: Path) -> Root:
    return Root(Path(shutil.copytree(Path(template.name) / "root", folder / "root")))


@cache
def _inputs() -> "TemporaryDirectory[str]":
    folder = TemporaryDirectory(prefix="quintet-aim-")
    write_inputs(Path(folder.name) / "root", SCALE, day=date.fromisoformat(DATE))
    return folder


@cache
def _run() -> "TemporaryDirectory[str]":
    folder = TemporaryDirectory(prefix="quintet-aim-")
    ended = _copy(_inputs(), Path(folder.name)).run()
    assert ended.code == 0, ended.err
    return folder
