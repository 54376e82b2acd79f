"""`python -m scripts.failed_partitions`: the partitions that are left failed, and 1 when there are any.

For people, cron and CI. It reads the instance of `DAGSTER_HOME` and starts nothing. The same is a check
in the web UI, `no_partition_is_left_failed` of `operations/partitions`.

Exit codes: 0 none is left failed; 1 some are; 2 wrong usage, or an instance that cannot be read.
"""

import argparse
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from jobs.failed_partitions import FailedAttempt, failed_partitions, partitioned, with_reasons
from scripts.dagster_instance import InstanceUnreadable, opened_instance
from scripts.terminal import layout, output
from scripts.terminal.answers import DONE, FAILED, WRONG


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the failed partitions, and return the exit code. Wrong usage ends in `SystemExit`, with 2."""
    from definitions import defs

    specs = partitioned(defs.resolve_all_asset_specs()).values()
    options = _options(arguments, {spec.group_name or "" for spec in specs})
    try:
        with opened_instance(os.environ) as instance:
            wanted = [spec for spec in specs if options.group in (None, spec.group_name)]
            attempts = list(with_reasons(instance, failed_partitions(instance, wanted)))
    except InstanceUnreadable as refusal:
        print(f"failed_partitions: {refusal}", file=sys.stderr)
        return WRONG
    output.print_answer([_document(attempt) for attempt in attempts], _view(attempts), as_json=options.json)
    return FAILED if attempts else DONE


def _document(attempt: FailedAttempt) -> dict[str, Any]:
    return asdict(attempt) | {"since": attempt.since.isoformat(timespec="seconds")}


def _view(attempts: Sequence[FailedAttempt]) -> Iterator[RenderableType]:
    if not attempts:
        yield layout.sentence("No partition is left failed.")
        return
    rows = (
        (
            attempt.partition,
            ", ".join(attempt.assets),
            f"{attempt.since:%Y-%m-%d %H:%M} UTC",
            attempt.run_id,
            attempt.reason,
        )
        for attempt in attempts
    )
    yield layout.table(("partition", "assets", "since", "run", "reason"), rows)


def _options(arguments: Sequence[str] | None, groups: Collection[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.failed_partitions",
        description="The partitions that are left failed, since when and why; exit code 1 if there are any.",
        allow_abbrev=False,
    )
    parser.add_argument("--group", choices=sorted(groups), help="the partitions of this asset group only")
    parser.add_argument("--json", action="store_true", help="print a JSON list")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
