"""The doctor for tests: in this process, on the environment of the test."""

import contextlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.doctor.__main__ import main

PATIENT = ("--timeout", "120")
"""On a busy machine nothing may be late."""


@dataclass(frozen=True, slots=True)
class Examination:
    """How an examination ended, and what it found."""

    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[dict[str, str]]:
        return json.loads(self.out)

    def of(self, matter: str, state: str | None = None) -> list[str]:
        """What was found, with the remedy, of matters that begin so."""
        return [
            " | ".join(filter(None, (finding["found"], finding["remedy"])))
            for finding in self.findings
            if finding["matter"].startswith(matter) and state in (None, finding["state"])
        ]

    @property
    def problems(self) -> list[str]:
        """Matter, finding and remedy of every problem."""
        return [
            " | ".join(filter(None, (finding["matter"], finding["found"], finding["remedy"])))
            for finding in self.findings
            if finding["state"] == "problem"
        ]


def examined(*words: str, as_json: bool = True) -> Examination:
    """Carry out `python -m scripts.doctor` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main((*PATIENT, *words, *(("--json",) if as_json else ())))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Examination(code, out.getvalue(), err.getvalue())


def tree(folder: Path) -> Mapping[str, int]:
    """Every file and folder below, with the size of files."""
    return {
        str(path.relative_to(folder)): path.stat().st_size if path.is_file() else -1
        for path in folder.rglob("*")
    }
