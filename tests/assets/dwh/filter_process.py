"""A process that transforms and filters a day, and can die at a write. Its arguments are in `run_process`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr

from resources.object_store import LocalObjectStore
from resources.spark import Spark

ROOT = Path(__file__).parents[3]


def _ignore(_key: str) -> None:
    pass


class WatchedStore(LocalObjectStore):
    """A store that tells of each write, before it and after it."""

    _before: Callable[[str], None] = PrivateAttr(default_factory=lambda: _ignore)
    _after: Callable[[str], None] = PrivateAttr(default_factory=lambda: _ignore)

    def watch(
        self, before: Callable[[str], None] | None = None, after: Callable[[str], None] | None = None
    ) -> "WatchedStore":
        self._before, self._after = before or _ignore, after or _ignore
        return self

    def _publish(self, bucket, key, spool, condition) -> Any:
        self._before(key)
        info = super()._publish(bucket, key, spool, condition)
        self._after(key)
        return info


def run_process(root: Path, work: Path, **told: Any) -> subprocess.Popen:
    """Start it.

    Args:
        root: of the store.
        work: the work folder of its engine.
        told: `transform`, the runs to write one after the other with the hour that each reads, each followed
            by a filter run; or `run_id` of one filter run; and `die_at`, a part of the key at whose write it
            kills itself.
    """
    return subprocess.Popen(
        [sys.executable, __file__, str(root), str(work), json.dumps(told)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def main(root: str, work: str, told: dict[str, Any]) -> None:
    from tests.assets.dwh.filter_days import image, open_day

    def die(key: str) -> None:
        if told.get("die_at") and told["die_at"] in key:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_day(Path(root), Spark(engine="sail", work_folder=work)) as opened:
        day = opened.with_store(WatchedStore(root=root).watch(before=die))
        for run_id, hour in told.get("transform", {}).items():
            rows = [image("shared", run_id), image(run_id), image(None, run_id)]
            day.transformed(run_id, rows, hour + 1, start=hour)
            day.filter()
        if "run_id" in told:
            day.filter(told["run_id"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
