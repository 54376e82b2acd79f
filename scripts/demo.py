"""`make demo`: every pipeline from one end to the other on sample input, the way a user runs it.

No account and no server: embedded resources under `QUINTET_HOME`. The commands that it runs are printed, so
that they can be repeated by hand. `python -m scripts.demo PIPELINE` runs one of them. Interrupted or killed
anywhere, it can be run again: whatever is there already is made anew, or found in order.
"""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

import dagster as dg

from resources.home import quintet_home
from scripts.dagster_home import prepare_dagster_home
from scripts.demos import aim, beams, discovery, dwh, market
from scripts.demos.steps import DemoFailed, Guide, Result, console
from scripts.dev import LOOPBACK, USUAL_PORT
from scripts.single_copy import AnotherCopy, only_copy
from scripts.web_address import served_at

DEMOS: Mapping[str, ModuleType] = {
    "market": market,
    "aim": aim,
    "dwh": dwh,
    "discovery": discovery,
    "beams": beams,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demos; 0 when all worked, 1 when a step failed or another demo runs, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description="Run pipelines on samples.")
    parser.add_argument("pipelines", nargs="*", metavar="PIPELINE", help=f"{', '.join(DEMOS)} (default: all)")
    wanted = parser.parse_args(arguments).pipelines or list(DEMOS)
    if unknown := [name for name in wanted if name not in DEMOS]:
        parser.error(f"there is no demo of {', '.join(unknown)}; choose from {', '.join(DEMOS)}")
    # A shell starts background jobs with SIGINT ignored; a `kill` ends this as Ctrl-C does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(os.environ))
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    try:
        with only_copy(quintet_home() / "work" / "demo.pid", "A demo"):
            guide = Guide(wanted)
            _show(_results(guide), guide.elapsed)
    except (AnotherCopy, DemoFailed) as failure:
        console.print(failure, style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted. Run it again at any time: nothing has to be cleared away.")
        return 130
    return 0


def _results(guide: Guide) -> list[Result]:
    results: list[Result] = []
    for name in guide.pipelines:
        guide.begin(name, DEMOS[name].TITLE)
        results.append(DEMOS[name].demonstrate(guide))
    return results


def _show(results: Sequence[Result], seconds: float) -> None:
    """One table per pipeline, and where to see more."""
    console.print()
    console.rule("what came out")
    for result in results:
        console.print()
        console.print(result.table)
        for note in result.notes:
            console.print(note, highlight=False, markup=False)
    usual = f"http://{LOOPBACK}:{USUAL_PORT}"
    with dg.DagsterInstance.get() as instance:
        address = served_at(quintet_home(), instance, usual)
    opens = f"open {address}" if address else f"make dev, then open {usual}"
    console.print(f"\nDone in {seconds:.0f} s. The web UI on these results: {opens}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
