"""`make demo`: every pipeline from one end to the other on sample input, the way a user runs it.

No account and no server: embedded resources under `QUINTET_HOME`. The commands that it runs are printed, so
that they can be repeated by hand. `python -m scripts.demo PIPELINE` runs one of them.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from rich.table import Table

from scripts.dagster_home import prepare_dagster_home
from scripts.demos import aim, beams, discovery, dwh, market
from scripts.demos.steps import DemoFailed, Step, console

DEMOS = {
    "market": market.demonstrate,
    "aim": aim.demonstrate,
    "dwh": dwh.demonstrate,
    "discovery": discovery.demonstrate,
    "beams": beams.demonstrate,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demos; 0 when everything worked, 1 when a step failed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description="Run pipelines on samples.")
    parser.add_argument("pipelines", nargs="*", metavar="PIPELINE", help=f"{', '.join(DEMOS)} (default: all)")
    wanted = parser.parse_args(arguments).pipelines or list(DEMOS)
    if unknown := [name for name in wanted if name not in DEMOS]:
        parser.error(f"there is no demo of {', '.join(unknown)}; choose from {', '.join(DEMOS)}")
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(os.environ))
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    started = time.monotonic()
    steps: list[Step] = []
    try:
        for name in wanted:
            steps += DEMOS[name]()
    except DemoFailed as failure:
        console.print(f"[red]{failure}[/red]")
        return 1
    _show_steps(steps)
    console.print(f"\nDone in {time.monotonic() - started:.0f} s. The web UI on these results:  make dev")
    return 0


def _show_steps(steps: Sequence[Step]) -> None:
    table = Table(
        "step", "wall s", "peak MiB", title="commands (wall time includes starting Python and Dagster)"
    )
    for step in steps:
        table.add_row(step.name, f"{step.seconds:.1f}", f"{step.peak_mebibytes:.0f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
