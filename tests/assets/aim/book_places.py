"""Where the books of the tests lie, the clock they go by, and a run that waits to be killed.

`python -m tests.assets.aim.book_places FOLDER RUN_ID` works in FOLDER until it is killed.
"""

import json
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from assets.aim.job_book import JobBook
from assets.aim.job_files import JOB_STATUS, RUN_MANIFEST

RUN = "20250610_050000_0f3a9c"
OTHER_RUN = "20250610_045900_aaaaaa"
LOAD = (1, "Stage 1: Load Data")
SCORE = (3, "Stage 3: TyreScore")
RECOMMEND = (4, "Stage 4: Batch Recommender")
SHA = "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd"
REPORT = {"timestamp": "2025-06-10T05:00:00+00:00", "run_id": RUN, "estimated_cost_gbp": 0.10151}
STATUS_KEYS = [
    "state",
    "run_id",
    "started_at",
    "ended_at",
    "heartbeat_ts",
    "last_log_line",
    "output_file",
    "error_summary",
    "progress",
]
"""Of a status without a report, in order."""
MANIFEST_KEYS = ["mode", "dry_run", "run_id", "stages", "sql_files", "http_requests"]
STAGE_KEYS = ["stage", "name", "started_at", "ended_at", "outcome", "rows"]

START = datetime(2025, 6, 10, 6, tzinfo=ZoneInfo("Europe/London"))


class Clock:
    """A second passes at each look."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self.time += timedelta(seconds=1)
            return self.time


class Place:
    """Files in memory and every content they had; `refused` are the numbers of the writes that fail."""

    def __init__(self, refused: tuple[int, ...] = ()) -> None:
        self.files: dict[str, bytes] = {}
        self.written: list[tuple[str, bytes]] = []
        self.refused = set(refused)
        self.tried = 0
        self._changed = threading.Condition()

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, path: str, content: bytes) -> None:
        with self._changed:
            self.tried += 1
            self._changed.notify_all()
            if self.tried in self.refused:
                raise OSError("the disk is full")
            self.files[path] = content
            self.written.append((path, content))

    def wait_for_tries(self, count: int) -> None:
        """Return once there were so many writes; fail if they do not come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.tried >= count, timeout=30)

    @property
    def status(self) -> dict[str, Any]:
        return json.loads(self.files[JOB_STATUS])

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads(self.files[RUN_MANIFEST])


class FolderPlace:
    """Files of a real folder, replaced by renaming."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        file = self.root / path
        return file.read_bytes() if file.exists() else None

    def write(self, path: str, content: bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_bytes(content)
        new.replace(file)


def book_in(
    place: Place | FolderPlace,
    run_id: str,
    clock: Clock | None = None,
    *,
    dry_run: bool = False,
    continues: bool = False,
    is_alone: bool = False,
) -> JobBook:
    return JobBook.open(
        run_id,
        mode="local",
        dry_run=dry_run,
        files=place,
        now=clock or Clock(),
        continues=continues,
        is_alone=is_alone,
    )


def started(place: Place, run_id: str = RUN, *, dry_run: bool = False) -> JobBook:
    book = book_in(place, run_id, dry_run=dry_run)
    book.start()
    return book


def work_until_killed(folder: Path, run_id: str) -> None:
    """Finish Stage 1, enter Stage 3, say so on standard output, and stay there."""
    book = book_in(FolderPlace(folder), run_id)
    book.start()
    with book.stage(*LOAD) as stage:
        stage.rows = 7
    with book.stage(*SCORE):
        sys.stdout.write("in stage 3\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    work_until_killed(Path(sys.argv[1]), sys.argv[2])
