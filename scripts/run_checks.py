"""`python -m scripts.run_checks`: what the checks of a run came to, and 1 when any failed, blocking or not.

Dagster's own commands end with 0 although a check failed, unless it blocks; this one is asked after them. It
reads the instance of `DAGSTER_HOME`, whatever its storage, and loads no code location.

Exit codes: 0 the run succeeded and every check passed; 1 the run or a check failed, or a check that it had
planned was never evaluated; 2 wrong usage, no such run or instance, or a run that has not ended.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

import dagster as dg
from rich.console import RenderableType

from jobs.run_failures import failure_reason
from scripts.dagster_instance import InstanceUnreadable, opened_instance
from scripts.terminal import layout, output
from scripts.terminal.answers import DONE, FAILED, WRONG
from sensors.alerts import run_partitions, run_target

_PLANNED: Final = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
_EVALUATED: Final = dg.DagsterEventType.ASSET_CHECK_EVALUATION
_RANGE_TAGS: Final = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_PAGE: Final = 100
_LOOK_SECONDS: Final = 1.0
_SHOWN_CHARACTERS: Final = 300

Result = Literal["passed", "failed", "not evaluated"]


@dataclass(frozen=True, slots=True)
class Check:
    """What a check of a run came to. Severity and blocking are not known of one that was not evaluated."""

    asset: str
    check: str
    partition: str | None
    result: Result
    severity: str | None = None
    blocking: bool | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """An ended run and its checks, those that passed first."""

    run_id: str
    target: str
    partition: str | None
    status: str
    reason: str | None
    checks: tuple[Check, ...]

    def holds(self, *, warnings_allowed: bool = False) -> bool:
        """Whether the run succeeded and every check passed; failed ones of severity WARN may be allowed."""
        return self.status == dg.DagsterRunStatus.SUCCESS.value and all(
            check.result == "passed"
            or (warnings_allowed and check.result == "failed" and check.severity == "WARN")
            for check in self.checks
        )


class NoReport(Exception):
    """There is no run to judge; the sentence says why, and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the checks came to, and return the exit code. Wrong usage ends in `SystemExit`, with 2."""
    options = _options(arguments)
    try:
        with opened_instance(os.environ) as instance:
            reports = [
                report_of(instance, _ended(instance, run, options.wait)) for run in _runs(instance, options)
            ]
    except (InstanceUnreadable, NoReport) as refusal:
        print(f"run_checks: {refusal}", file=sys.stderr)
        return WRONG
    view = (part for report in reports for part in _view(report))
    output.print_answer([asdict(report) for report in reports], view, as_json=options.json)
    holds = all(report.holds(warnings_allowed=options.warnings_allowed) for report in reports)
    return DONE if holds else FAILED


def report_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunReport:
    """What an ended run and its checks came to. Of several evaluations of one check the last counts."""
    partition = run_partitions(run.tags)
    planned: set[tuple[str, str]] = set()
    evaluated: dict[tuple[str, str, str | None], Check] = {}
    for entry in instance.all_logs(run.run_id, of_type={_PLANNED, _EVALUATED}):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type == _PLANNED:
            key = event.asset_check_planned_data.asset_check_key
            planned.add((key.asset_key.to_user_string(), key.name))
        else:
            check = _evaluated(event.asset_check_evaluation_data, partition)
            evaluated[check.asset, check.check, check.partition] = check
    missing = planned - {(check.asset, check.check) for check in evaluated.values()}
    checks = [
        *evaluated.values(),
        *(Check(asset, name, partition, "not evaluated") for asset, name in missing),
    ]
    return RunReport(
        run_id=run.run_id,
        target=run_target(run),
        partition=partition,
        status=run.status.value,
        reason=failure_reason(instance, run.run_id) if run.is_failure else None,
        checks=tuple(
            sorted(checks, key=lambda it: (it.result != "passed", it.asset, it.check, it.partition or ""))
        ),
    )


def _evaluated(evaluation: dg.AssetCheckEvaluation, partition: str | None) -> Check:
    return Check(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition or partition,
        result="passed" if evaluation.passed else "failed",
        severity=evaluation.severity.value,
        blocking=evaluation.blocking,
        reason=evaluation.description or _numbers(evaluation.metadata),
    )


def _numbers(metadata: Mapping[str, dg.MetadataValue]) -> str | None:
    """The numbers and short texts of a check that says nothing else."""
    told = {name: entry.value for name, entry in metadata.items()}
    return "; ".join(f"{name} {it}" for name, it in told.items() if isinstance(it, int | float | str)) or None


def _runs(instance: dg.DagsterInstance, options: argparse.Namespace) -> list[dg.DagsterRun]:
    """The runs that were asked for by id, else the newest one that fits."""
    if options.run_ids:
        return [_run(instance, run_id) for run_id in options.run_ids]
    tags = _tags(options.partition)
    fits = _makes(instance, options.asset) if options.asset else lambda _: True
    newest = next((run for run in _newest_first(instance, options.job, tags) if fits(run)), None)
    if newest is None:
        wanted = {"job": options.job, "asset": options.asset, "partition": options.partition}
        told = ", ".join(f"{name} {value!r}" for name, value in wanted.items() if value)
        raise NoReport(
            f"the instance in {os.environ['DAGSTER_HOME']} has no run{f' of {told}' if told else ''};"
            " DAGSTER_HOME must be that of the command that made it"
        )
    return [newest]


def _run(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRun:
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise NoReport(
            f"there is no run {run_id!r} in {os.environ['DAGSTER_HOME']}; give the whole id of one"
        )
    return run


def _tags(partition: str | None) -> dict[str, str]:
    """The tags of a run of a partition, or of a range FIRST...LAST."""
    if partition is None:
        return {}
    bounds = partition.split("...")
    return (
        dict(zip(_RANGE_TAGS, bounds, strict=True)) if len(bounds) == 2 else {"dagster/partition": partition}
    )


def _newest_first(
    instance: dg.DagsterInstance, job: str | None, tags: Mapping[str, str]
) -> Iterator[dg.DagsterRun]:
    cursor = None
    while page := instance.get_runs(dg.RunsFilter(job_name=job, tags=tags), cursor=cursor, limit=_PAGE):
        yield from page
        cursor = page[-1].run_id


def _makes(instance: dg.DagsterInstance, asset: str) -> Callable[[dg.DagsterRun], bool]:
    """Tells of a run whether it was to make an asset; one that ended before it began had planned nothing."""
    key = dg.AssetKey.from_user_string(asset)
    planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
    return lambda run: (
        key in (run.asset_selection or ()) or key in instance.get_asset_keys_for_run(run.run_id, planned)
    )


def _ended(instance: dg.DagsterInstance, run: dg.DagsterRun, wait: float) -> dg.DagsterRun:
    """The run as it ended; it is waited for as long as was asked."""
    deadline = time.monotonic() + wait
    while not run.is_finished:
        if time.monotonic() >= deadline:
            raise NoReport(
                f"run {run.run_id} has not ended ({run.status.value}); give it time with --wait SECONDS"
            )
        time.sleep(_LOOK_SECONDS)
        run = _run(instance, run.run_id)
    return run


def _view(report: RunReport) -> Iterator[RenderableType]:
    where = f" of {report.partition}" if report.partition else ""
    yield layout.sentence(f"run {report.run_id}: {report.target}{where}: {report.status}")
    if report.reason:
        yield layout.sentence(report.reason)
    if report.checks:
        columns = ("result", "severity", "blocking", "partition", "asset", "check", "reason")
        yield layout.table(columns, (_row(check) for check in report.checks))
    wrong = sum(check.result != "passed" for check in report.checks)
    yield layout.sentence(f"{len(report.checks)} checks, {wrong} not passed")


def _row(check: Check) -> list[object]:
    reason = check.reason or ""
    shown = reason if len(reason) <= _SHOWN_CHARACTERS else reason[:_SHOWN_CHARACTERS] + "…"
    return [check.result, check.severity, check.blocking, check.partition, check.asset, check.check, shown]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.run_checks",
        description="What the checks of a run came to; exit code 1 when any failed, blocking or not.",
        epilog="Without RUN_ID it judges the newest run of the instance, or the newest that options fit.",
        allow_abbrev=False,
    )
    parser.add_argument("run_ids", nargs="*", metavar="RUN_ID", help="runs to judge")
    parser.add_argument("--asset", metavar="KEY", help="the newest run that was to make this asset")
    parser.add_argument("--job", metavar="NAME", help="the newest run of this job")
    parser.add_argument(
        "--partition", metavar="KEY", help="the newest run of this partition, or of the range FIRST...LAST"
    )
    parser.add_argument(
        "--warnings-allowed", action="store_true", help="failed checks of severity WARN are no reason for 1"
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long to wait for a run that goes on",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of runs with their checks")
    options = parser.parse_args(arguments)
    if options.run_ids and (options.asset or options.job or options.partition):
        parser.error("a RUN_ID says which run; leave out --asset, --job and --partition")
    return options


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 86_400:
        raise ValueError
    return seconds


if __name__ == "__main__":
    sys.exit(main())
