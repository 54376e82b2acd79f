"""The demo jobs in a folder of the test's own, with what of their sources is no plain file."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

from resources.object_store.local import LocalObjectStore

JOBS_ALL: Final = Path(__file__).with_name("jobs_all.yaml")
_BOOKS: Final = (
    (1, "On doors", "How doors are hung.", "2026-02-01T10:00:00"),
    (2, "On windows", "How windows are glazed.", "2026-02-02T10:00:00"),
    (3, "On hinges", "Which hinges carry how much.", "2026-02-02T10:00:00"),
)
_COMMITS: Final = (
    ("plan.txt", "a", "Begin"),
    ("plan.txt", "b", "Fix the plan"),
    ("keys.txt", "c", "Security"),
)
_AUTHOR: Final = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Demo"), ("EMAIL", "demo@example.com"))
} | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def demo_jobs(folder: Path) -> Path:
    """Lay out the demo jobs in an empty or absent folder; returns their jobs file."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(JOBS_ALL.with_suffix(""), folder / "jobs_all")
    with closing(sqlite3.connect(folder / "jobs_all/library.sqlite")) as library, library:
        library.execute(
            "CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, abstract TEXT, changed TEXT)"
        )
        library.executemany("INSERT INTO books VALUES (?, ?, ?, ?)", _BOOKS)
    _commit(folder / "jobs_all/project")
    return Path(shutil.copy(JOBS_ALL, folder))


def demo_store(root: Path) -> LocalObjectStore:
    """A store on this machine with the bucket of the demo jobs."""
    store = LocalObjectStore(root=str(root))
    for key in ("reports/april.txt", "reports/march.txt", "reports/march.csv", "other/may.txt"):
        path = root / "demo" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"This is {key}.\n")
    return store


def _commit(repository: Path) -> None:
    repository.mkdir()
    _git(repository, 0, "init", "-q", "-b", "main")
    for minute, (name, content, message) in enumerate(_COMMITS):
        (repository / name).write_text(content)
        _git(repository, minute, "add", "-A")
        _git(repository, minute, "commit", "-q", "-m", message)


def _git(repository: Path, minute: int, *command: str) -> None:
    date = f"2026-03-01T09:{minute:02}:00+00:00"
    environment = os.environ | _AUTHOR | {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    subprocess.run(["git", "-C", str(repository), *command], env=environment, check=True)
