"""A run over many months is killed in the middle: what is finished is whole, and the rest can be made."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from assets.market.month import judge_published
from assets.market.months import BUCKET, Month, months_between, raw_key
from resources.object_store import LocalObjectStore
from tests.market_samples import TABLES, Market, materialisations, opened_market

pytestmark = pytest.mark.materialise

ROOT = Path(__file__).parents[3]
MONTHS = tuple(str(month) for month in months_between(Month(2025, 1), Month(2025, 10)))
FIRST, LAST = MONTHS[0], MONTHS[-1]
MADE_BEFORE = MONTHS[-2:]
COMMAND = [
    *(sys.executable, "scripts/process_monthly_batches.py", "--workers", "2"),
    *("--start-year", "2025", "--start-month", "1", "--end-year", "2025", "--end-month", "10"),
]


def processes() -> dict[int, int]:
    """Every process that runs, with its parent; zombies, which a container may never reap, do not run."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state not in "ZX":
                found[int(folder.name)] = int(parent)
    return found


def children_of(parent: int) -> set[int]:
    running = processes()
    generation, found = {parent}, set[int]()
    while generation:
        generation = {process for process, its_parent in running.items() if its_parent in generation}
        found |= generation
    return found


def kill_after_first_month(command: list[str]) -> set[int]:
    """Start a command, kill it as soon as it reports a month, and return the processes it had started."""
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    with process, process.stderr:
        for line in process.stderr:
            if re.match(r"1/\d+ ", line):
                children = children_of(process.pid)
                os.kill(process.pid, signal.SIGKILL)
                break
        else:
            pytest.fail("the command ended before it had reported a month")
    assert process.returncode == -signal.SIGKILL
    return children


def wait_until_gone(children: set[int]) -> set[int]:
    """Give processes half a minute to end; return those that did not."""
    ends_at = time.monotonic() + 30
    while (left := children & processes().keys()) and time.monotonic() < ends_at:
        time.sleep(0.05)
    return left


def inodes(market: Market, months: list[str]) -> dict[str, int]:
    return {key: Path(market.store.uri(BUCKET, key)).stat().st_ino for key in market.objects(*months)}


@pytest.fixture
def expected(tmp_path) -> dict[str, bytes]:
    """The objects of a run that nobody disturbs."""
    with opened_market(LocalObjectStore(root=str(tmp_path / "undisturbed"))) as market:
        market.put_tiny(*MONTHS)
        assert market.run(FIRST, LAST, workers=1).success
        return market.objects(*MONTHS)


def test_a_killed_run_leaves_whole_months_and_its_rerun_makes_only_the_others(expected):
    with opened_market() as market:
        market.put_tiny(*MADE_BEFORE, seed=1)
        assert market.run(MADE_BEFORE[0], MADE_BEFORE[-1], workers=1).success
        before = market.objects(*MADE_BEFORE)
        market.put_tiny(*MONTHS)

    children = kill_after_first_month(COMMAND)
    assert len(children) >= 2
    assert wait_until_gone(children) == set()

    with dg.DagsterInstance.get() as instance, opened_market(instance=instance) as market:
        recorded = [month for month in MONTHS if month in market.recorded("month_statistics")]
        assert 1 <= len(recorded) < len(MONTHS)
        for month in recorded:
            assert all(verdict.holds or not verdict.is_blocking for verdict in judged(market, month))
        assert market.objects(*recorded).items() <= expected.items()
        assert len(market.objects(*recorded)) == 3 * len(recorded)
        for key, data in market.objects(*MONTHS).items():
            assert data in (expected[key], before.get(key))
        visible = {info.key for info in market.store.list(BUCKET)}
        assert visible <= expected.keys() | {raw_key(month) for month in MONTHS}
        assert all_files(market) == visible

        finished = inodes(market, recorded)
        rerun = market.run(FIRST, LAST, workers=1, skip_unchanged=True)
        assert rerun.success
        assert inodes(market, recorded) == finished
        made = {month for table, month in materialisations(rerun) if table == "month_statistics"}
        assert made == set(MONTHS) - set(recorded)
        assert market.objects(*MONTHS) == expected
        assert all(market.recorded(table) == list(MONTHS) for table in TABLES)


def judged(market: Market, month: str):
    return judge_published(market.store, month, frozenset(TABLES))


def all_files(market: Market) -> set[str]:
    """Every file that lies under the bucket, hidden ones too."""
    bucket = Path(market.store.uri(BUCKET, "any")).parent
    return {str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file()}
