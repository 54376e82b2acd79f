#!/usr/bin/env python3
"""Make monthly training tables: the predecessor's command line over the market assets.

Exit 0 when done (also when every month was skipped), 1 when at least one month failed, 2 for wrong usage.
"""

import argparse
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import dagster as dg
from dagster_shared.error import SerializableErrorInfo
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from assets.failures import PermanentFailure
from assets.market.months import BUCKET, Month, months_between
from assets.market.partitions import months as partitions
from assets.market.published import MonthState, month_state
from assets.market.recipe import Recipe
from definitions import build_defs
from jobs.loggers import PROGRESS_LOGGER
from resources.deployments import resources_for
from resources.object_store import ObjectStore
from scripts.dagster_home import prepare_dagster_home
from scripts.single_file import make_single_file
from sensors.planning import stretches

_STATE_REASONS: dict[MonthState, str] = {
    "done": "published from this input with this config and code",
    "missing input": "there is no vendor file",
    "changed input": "the vendor file was replaced",
    "changed config": "published with another config",
    "changed code": "published by another version of the code",
    "not processed": "not, or not completely, published",
}


class WrongUsage(Exception):
    """The command line cannot be carried out as written; exit 2."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.input or options.output:
            return _single_file(options, arguments if arguments is not None else sys.argv[1:])
        return _months(options)
    except WrongUsage as error:
        print(f"process_monthly_batches: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="process_monthly_batches.py", description="Make monthly training tables.", allow_abbrev=False
    )
    parser.add_argument("--start-year", type=int, default=2010)
    parser.add_argument("--start-month", type=int, default=7)
    parser.add_argument("--end-year", type=int, default=2025)
    parser.add_argument("--end-month", type=int, default=10)
    parser.add_argument(
        "--month", action="append", metavar="YYYY-MM", help="one month (repeatable); replaces the range"
    )
    parser.add_argument("--bucket", default=BUCKET, help="the bucket of the assets; no other is accepted")
    redo = parser.add_mutually_exclusive_group()
    redo.add_argument("--skip-existing", action="store_true", help="leave months alone that are done")
    redo.add_argument(
        "--force", action="store_true", help="redo every month, done or not (the default, said aloud)"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="months at a time (default: the cores this process may use)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="list the months with their state and do nothing"
    )
    parser.add_argument("--rules", choices=("strict", "compat"), default="strict")
    parser.add_argument(
        "--input", type=Path, metavar="FILE", help="one local vendor file, without store and Dagster"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where its training table goes")
    return parser


def _single_file(options: argparse.Namespace, given: Sequence[str]) -> int:
    flags = {argument.split("=", 1)[0] for argument in given if argument.startswith("--")}
    if surplus := flags - {"--input", "--output", "--rules"}:
        raise WrongUsage(f"--input and --output go with --rules only, not with {', '.join(sorted(surplus))}")
    if not (options.input and options.output):
        raise WrongUsage("--input and --output belong together; give both")
    if not options.input.is_file():
        raise WrongUsage(f"--input {options.input}: there is no such file")
    if options.output.is_dir():
        raise WrongUsage(f"--output {options.output}: it is a folder; name a file in it")
    if options.output.exists() and options.output.samefile(options.input):
        raise WrongUsage(
            f"--output {options.output}: the table would replace the vendor file; name another file"
        )
    try:
        outcome = make_single_file(options.input, options.output, Recipe(options.rules))
    except (PermanentFailure, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(f"{outcome.month}: {outcome.objects['training_table'].size:,} bytes in {options.output}")
    return 0


def _months(options: argparse.Namespace) -> int:
    wanted = _wanted_months(options)
    if options.bucket != BUCKET:
        raise WrongUsage(f"--bucket {options.bucket}: the assets live in {BUCKET}; leave the flag out")
    if options.workers is not None and options.workers < 1:
        raise WrongUsage(f"--workers {options.workers}: at least one process has to do the work")
    store, recipe = cast("ObjectStore", resources_for()["object_store"]), Recipe(options.rules)
    if options.dry_run:
        for month in wanted:
            state = month_state(store, month, recipe)
            print(f"{month}  {state:<15}  {_STATE_REASONS[state]}")
        return 0
    if options.skip_existing:
        wanted = [month for month in wanted if not _is_done(store, month, recipe)]
    return _run(wanted, options)


def _wanted_months(options: argparse.Namespace) -> list[str]:
    try:
        if options.month:
            wanted = sorted({str(Month.parse(text)) for text in options.month})
        else:
            first = Month.parse(f"{options.start_year:04d}-{options.start_month:02d}")
            last = Month.parse(f"{options.end_year:04d}-{options.end_month:02d}")
            wanted = [str(month) for month in months_between(first, last)]
            if not wanted:
                raise WrongUsage(f"the range is empty: it starts with {first} and ends with {last}")
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    known = partitions.get_partition_keys()
    if outside := [month for month in wanted if month not in known]:
        raise WrongUsage(f"{', '.join(outside)}: outside the partitions {known[0]} .. {known[-1]}")
    return wanted


def _is_done(store: ObjectStore, month: str, recipe: Recipe) -> bool:
    if month_state(store, month, recipe) != "done":
        return False
    print(f"{month}: done, skipped")
    return True


def _run(wanted: Sequence[str], options: argparse.Namespace) -> int:
    """Run each unbroken stretch of months as one Dagster run, and list what failed."""
    if not wanted:
        print("Nothing to do: every month is done.")
        return 0
    runs = stretches(wanted, partitions.get_partition_keys())
    counts = f"{_counted(len(wanted), 'month')} in {_counted(len(runs), 'run')}"
    print(f"{counts}, one per unbroken stretch", flush=True)
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(os.environ))
    job = build_defs().resolve_job_def("build_market_month")
    failures: list[str] = []
    with dg.DagsterInstance.get() as instance, _progress_shown(len(wanted)):
        for stretch in runs:
            failures += _failures(_execute(job, stretch, instance, _run_config(options)), stretch)
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _run_config(options: argparse.Namespace) -> dict[str, Any]:
    config = {"rules": options.rules} | ({"workers": options.workers} if options.workers else {})
    return {"ops": {"market_month": {"config": config}}, "loggers": {"plain": {}}}


def _execute(
    job: dg.JobDefinition, stretch: Sequence[str], instance: dg.DagsterInstance, run_config: Mapping[str, Any]
) -> dg.ExecuteInProcessResult:
    if len(stretch) == 1:
        return job.execute_in_process(
            run_config=run_config, partition_key=stretch[0], instance=instance, raise_on_error=False
        )
    tags = {
        "dagster/asset_partition_range_start": stretch[0],
        "dagster/asset_partition_range_end": stretch[-1],
    }
    return job.execute_in_process(run_config=run_config, tags=tags, instance=instance, raise_on_error=False)


def _failures(result: dg.ExecuteInProcessResult, stretch: Sequence[str]) -> list[str]:
    texts: list[str] = []
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        failure = event.step_failure_data
        described = failure.user_failure_data and failure.user_failure_data.description
        text = described or _defect(failure.error)
        texts.append(text if len(stretch) > 1 else f"{stretch[0]}: {text}")
    if not texts and not result.success:
        texts.append(f"{stretch[0]} .. {stretch[-1]}: run {result.run_id} failed before it began to work")
    return texts


def _defect(error: SerializableErrorInfo | None) -> str:
    """The message of an error that no one foresaw, without Dagster's words around it."""
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "failed without a message"


@contextmanager
def _progress_shown(total: int) -> Iterator[None]:
    """Show the lines of the runs, and on a terminal a bar over all months with the time left."""
    columns = TextColumn("months"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    console = Console(stderr=True, soft_wrap=True)
    logger = logging.getLogger(PROGRESS_LOGGER)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        handler = _ProgressHandler(progress, progress.add_task("months", total=total))
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)


class _ProgressHandler(logging.Handler):
    """Prints a run's lines above the bar; each line that counts a month moves the bar."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        super().__init__()
        self._progress = progress
        self._task = task

    def emit(self, record: logging.LogRecord) -> None:
        text = getattr(record, "dagster_meta", {}).get("orig_message") or record.getMessage()
        self._progress.console.print(text, markup=False, highlight=False)
        if re.match(r"\d+/\d+ ", text):
            self._progress.advance(self._task)


if __name__ == "__main__":
    sys.exit(main())
