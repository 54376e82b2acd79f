"""The demo of discovery: two of the shipped jobs, offline, through Dagster and from the command line."""

import sys
from typing import Final

from scripts.demos.steps import Step, console, run_step

SHOW: Final = "dumb_money_live"
PACKAGE: Final = "package_releases"
EPISODE: Final = "dumb-money-live-0003"


def demonstrate() -> list[Step]:
    """A show's episodes and a package's releases, found and worked on; the funnel, the costs, one history."""
    console.rule("discovery: found once, taken through stages once")
    dagster = [sys.executable, "-m", "dagster"]
    jobs = [sys.executable, "-m", "invoke"]
    return [
        run_step(
            f"{SHOW}: what its feed shows",
            [
                *dagster,
                "asset",
                "materialize",
                "-f",
                "definitions.py",
                "--select",
                f"discovery/{SHOW}/discovered",
            ],
        ),
        run_step(
            f"{SHOW}: the stages of every episode",
            [*dagster, "job", "execute", "-f", "definitions.py", "-j", f"discovery_{SHOW}_drain"],
        ),
        run_step(f"{PACKAGE}: both at once", [*jobs, "jobs.run", "-j", PACKAGE], shows=True),
        run_step("the funnel", [*jobs, "jobs.status", "-j", SHOW], shows=True),
        run_step("the costs", [*jobs, "jobs.costs"], shows=True),
        run_step("one episode's history", [*jobs, "jobs.show", "-j", SHOW, "-k", EPISODE], shows=True),
    ]
