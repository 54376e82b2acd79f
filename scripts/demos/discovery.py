"""The demo of discovery: two of the shipped jobs, offline, through Dagster and from the command line."""

import sys
import time
from typing import Final

from rich.table import Table

from assets.discovery.readers.job_status import JobStatus
from resources.home import quintet_home
from scripts.demos.steps import DemoFailed, Guide, Result
from scripts.discovery_cli.amounts import money
from scripts.discovery_cli.verbs.jobs import status
from scripts.discovery_cli.workplace import Workplace

TITLE: Final = "found once, taken through stages once"

SHOW: Final = "dumb_money_live"
PACKAGE: Final = "package_releases"
EPISODE: Final = "dumb-money-live-0003"

_LONGEST_S: Final = 120.0


def demonstrate(guide: Guide) -> Result:
    """A show's episodes and a package's releases, found and worked on; the funnel, the costs, one history.

    Raises:
        DemoFailed: a command failed, or items still wait after two minutes.
    """
    dagster = [sys.executable, "-m", "dagster"]
    jobs = [sys.executable, "-m", "invoke"]
    found = [*dagster, "asset", "materialize", "-f", "definitions.py"]
    drain = [*dagster, "job", "execute", "-f", "definitions.py", "-j", f"discovery_{SHOW}_drain"]
    guide.run(f"{SHOW}: what its feed shows", [*found, "--select", f"discovery/{SHOW}/discovered"])
    guide.run(f"{SHOW}: the stages of every episode", drain)
    guide.run(f"{PACKAGE}: both at once", [*jobs, "jobs.run", "-j", PACKAGE], shows=True)
    with guide.step("every item is through"):
        standing = [_settled(SHOW), _settled(PACKAGE)]
    guide.run("the funnel", [*jobs, "jobs.status", "-j", SHOW], shows=True)
    guide.run("the costs", [*jobs, "jobs.costs"], shows=True)
    guide.run("one episode's history", [*jobs, "jobs.show", "-j", SHOW, "-k", EPISODE], shows=True)
    return Result(_jobs(standing), [f"Ledger and results: {quintet_home() / 'ledger'}"])


def _settled(job: str) -> JobStatus:
    """A job of which nothing waits; what a daemon works on at the same time is waited for."""
    place, deadline = Workplace(), time.monotonic() + _LONGEST_S
    while True:
        (found,) = status(place, job).document["jobs"]
        waiting = found["items"]["pending"] + found["items"]["in_progress"]
        if not waiting:
            return found
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"{waiting} items of {job} wait after {_LONGEST_S:.0f} s; see `inv jobs.status -j {job}`"
            )
        time.sleep(1)


def _jobs(standing: list[JobStatus]) -> Table:
    table = Table(
        *("job", "items", "done", "failed", "stages done", "stages skipped", "cost today"),
        title="discovery: what became of all items that were ever found",
        title_justify="left",
    )
    for job in standing:
        items = job["items"]
        stages = [sum(counts[name] for counts in job["stages"].values()) for name in ("done", "skipped")]
        cells = (sum(items.values()), items["done"], items["failed"], *stages)
        table.add_row(job["job"], *(f"{cell:,}" for cell in cells), money(job["cost_today_micros"]))
    return table
