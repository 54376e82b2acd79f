"""The command line: options, exit codes, and what goes to which stream."""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assets.failures import PermanentFailure
from resources.home import quintet_home
from scripts.dagster_home import dagster_home
from scripts.single_copy import only_copy
from scripts.terminal.answers import DONE, carried_out, say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scripts.retention.sweep import Report

RUNS_DAYS: Final = 30.0
LOGS_DAYS: Final = 14.0
WORK_DAYS: Final = 7.0
_LEAST_DAYS: Final = 1.0
_MEBIBYTE: Final = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one pass and return its exit code. Wrong usage ends in `SystemExit`, with 2."""
    options = _parser().parse_args(arguments)
    return carried_out(lambda: _sweep(options), lambda report: _show(report, as_json=options.json))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.retention",
        description="Remove old runs, logs and work folders that nothing stands on any more. Without --yes "
        "it only tells what would go.",
        allow_abbrev=False,
    )
    for name, default, what in (
        ("runs", RUNS_DAYS, "ended runs of the Dagster instance"),
        ("logs", LOGS_DAYS, "what steps and ticks printed"),
        ("work", WORK_DAYS, "what killed runs left in the work folder"),
        ("dwh", None, "run folders of dwh that no pointer or manifest leads to"),
    ):
        told = f"from this age on, {default:g} unless set" if default is not None else "only if an age is set"
        parser.add_argument(
            f"--{name}-days", type=_days, default=default, metavar="N", help=f"{what}: {told}"
        )
    earnest = parser.add_mutually_exclusive_group()
    earnest.add_argument("--yes", action="store_true", help="remove it")
    earnest.add_argument("--dry-run", action="store_true", help="only tell what would go (the default)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _days(text: str) -> float:
    days = float(text)
    if not days >= _LEAST_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is too young: a pass takes nothing from the last day")
    return days


def _sweep(options: argparse.Namespace) -> "Report":
    home = quintet_home(os.environ)
    folder = _instance_folder(os.environ, home)
    os.environ["DAGSTER_HOME"] = str(folder)
    from dagster import DagsterInstance

    from scripts.retention.sweep import Ages, Sweep

    with ExitStack() as stack:
        if options.yes:
            stack.enter_context(only_copy(folder / ".retention.lock", "Retention"))
        instance = stack.enter_context(DagsterInstance.from_config(str(folder)))
        return Sweep(
            instance=instance,
            home=home,
            ages=Ages(
                runs=options.runs_days, logs=options.logs_days, work=options.work_days, dwh=options.dwh_days
            ),
            now=time.time(),
            in_earnest=options.yes,
            say=say,
        ).carry_out()


def _instance_folder(environ: Mapping[str, str], home: Path) -> Path:
    """The folder of the instance.

    Raises:
        PermanentFailure: there is none; Dagster would make one, and every log would belong to nobody.
    """
    folder = dagster_home(environ, home)
    if not (folder / "dagster.yaml").is_file():
        raise PermanentFailure(
            f"{folder} is no Dagster instance: it has no dagster.yaml. Set DAGSTER_HOME to the folder of the "
            "instance whose runs are meant."
        )
    return folder


def _show(report: "Report", *, as_json: bool) -> int:
    from scripts.terminal.output import print_answer

    print_answer(report.document(), _view(report), as_json=as_json)
    for note in report.notes:
        say(note)
    return DONE


def _view(report: "Report") -> "Iterator[RenderableType]":
    from scripts.terminal import layout

    goes = "would go" if report.is_rehearsal else "gone"
    heaps = {"logs": report.logs, "work folders": report.work, "run folders of dwh": report.dwh}
    rows = [
        (f"runs: {goes}", report.runs_to_go, None),
        *((f"runs: stay, {reason}", count, None) for reason, count in report.kept.items()),
        (f"event files of runs deleted otherwise: {goes}", report.event_files, None),
        *(
            (f"{name}: {goes}", heap.count, f"{heap.size / _MEBIBYTE:,.1f}")
            for name, heap in heaps.items()
            if heap is not None
        ),
    ]
    yield layout.table(("", "#number", "#MiB"), rows)
    if report.is_rehearsal:
        yield layout.sentence("Nothing was changed. The same command with --yes removes it.")


if __name__ == "__main__":
    sys.exit(main())
