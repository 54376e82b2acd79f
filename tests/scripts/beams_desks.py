"""Commands of beams for tests: in this process, on the home of the test."""

import contextlib
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.home import quintet_home
from scripts.beams.__main__ import main
from tests.assets.beams.registry.registry_worlds import opened


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


def beams(*words: str) -> Ended:
    """Carry out `python -m scripts.beams` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Ended(code, out.getvalue(), err.getvalue())


@contextmanager
def registry() -> Iterator[sqlite3.Connection]:
    """The registry of the test, made if there is none."""
    with closing(opened(quintet_home() / "ledger")) as connection:
        yield connection


def files_below(folder: Path) -> list[str]:
    """Every file in a folder, with its size and time: what a command may leave as it was."""
    return sorted(
        f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}"
        for path in folder.rglob("*")
        if path.is_file()
    )
