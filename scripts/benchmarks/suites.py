"""The command line that every benchmark has: its parts one after the other, each a process of its own.

Not here: what the parts measure, and how an outcome looks (`outcomes`).
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.console import Console

from scripts.benchmarks.lines import BenchmarkFailed, Part
from scripts.benchmarks.outcomes import Outcome, table_of, write_json
from scripts.benchmarks.processes import output_of


class Suite(ABC):
    """A benchmark of some parts. A subclass says what they measure, and at which size."""

    program: ClassVar[str]
    """As people call it: `make …`."""
    module: ClassVar[str]
    """What Python runs."""
    about: ClassVar[str]
    pipeline: ClassVar[str]
    parts: ClassVar[Sequence[str]]
    prints_details: ClassVar[bool] = False
    """Whether standard output is the details of the part as one line of JSON, and nothing else."""
    parts_are_processes: ClassVar[bool] = True
    """False where a part measures processes that it starts itself."""

    full: ClassVar[Mapping[str, object]]
    """The options that say how much is measured, with the values that targets are for: the defaults."""
    quick: ClassVar[Mapping[str, object]]
    """What they are instead with `--quick`, which takes seconds; an option that is given stays."""

    @abstractmethod
    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `full`, whose defaults come by themselves, and any other."""

    @abstractmethod
    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """Measure one part. `root` is a folder for what it needs.

        Raises:
            BenchmarkFailed: a result is wrong.
        """

    def is_full_size(self, options: argparse.Namespace, part: str) -> bool:
        """Whether a part of these options is of the size that targets are for."""
        return all(getattr(options, name) == value for name, value in self.full.items())

    def problem(self, options: argparse.Namespace) -> str | None:
        """What is wrong with the options, if anything."""
        return None

    @contextmanager
    def folder(self, options: argparse.Namespace) -> Iterator[Path]:
        """The folder of all parts, until the block ends."""
        with tempfile.TemporaryDirectory(prefix="quintet-bench-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    @contextmanager
    def part_folder(self, root: Path) -> Iterator[Path]:
        """The folder of one part, gone when it is measured."""
        with tempfile.TemporaryDirectory(dir=root, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def prepare(self, root: Path, options: argparse.Namespace) -> list[str]:
        """Make what several parts need; return the parts to measure, in their order.

        Raises:
            BenchmarkFailed: it cannot be made.
        """
        return [part for part in self.parts if part in (options.only or self.parts)]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Measure and show; 0 when everything ran and every result was right, 1 else, 2 for wrong usage."""
        given = sys.argv[1:] if arguments is None else [*arguments]
        options = self._options(given)
        try:
            if options.measure:
                print(self.measure(options.measure, options.root, options).to_json())
                return 0
            return self._measure_all(given, options)
        except (BenchmarkFailed, OSError) as failure:
            print(f"{self.program}: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130

    def run_as_program(self) -> None:
        """Be the process: whoever ends it with SIGTERM ends what it started as well."""
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        sys.exit(self.main())

    def _options(self, given: Sequence[str]) -> argparse.Namespace:
        parser = argparse.ArgumentParser(
            prog=self.program,
            description=self.about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            # `--quic` would set the flag and leave the sizes: they are chosen before the options are read.
            allow_abbrev=False,
        )
        parser.add_argument(
            "--only", choices=self.parts, action="append", help="a part, repeatable (default: all)"
        )
        parser.add_argument("--quick", action="store_true", help="a size that takes seconds")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there, too")
        parser.add_argument("--measure", help=argparse.SUPPRESS)
        parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
        self.add_options(parser)
        parser.set_defaults(**self.full)
        if "--quick" in given:
            parser.set_defaults(**self.quick)
        options = parser.parse_args(given)
        if problem := self.problem(options):
            parser.error(problem)
        return options

    def _measure_all(self, given: Sequence[str], options: argparse.Namespace) -> int:
        outcomes: list[Outcome] = []
        with self.folder(options) as root:
            for part in self.prepare(root, options):
                with self.part_folder(root) as place:
                    outcome = self._outcome(part, place, given, options)
                outcomes.append(outcome)
                self._show(outcome)
                if options.json:
                    write_json(options.json, outcomes)
        return 1 if any(outcome.failure for outcome in outcomes) else 0

    def _outcome(self, part: str, root: Path, given: Sequence[str], options: argparse.Namespace) -> Outcome:
        """Measure a part; one that fails keeps no other from being measured."""
        before, measured, failure = os.getloadavg()[0], None, ""
        try:
            if self.parts_are_processes:
                measured = self.in_own_process(part, root, given)
            else:
                measured = replace(self.measure(part, root, options), peak_bytes=0)
        except (BenchmarkFailed, OSError) as failed:
            failure = str(failed)
        load = (before, os.getloadavg()[0])
        return Outcome(
            self.pipeline, part, measured, failure, load, is_full_size=self.is_full_size(options, part)
        )

    def in_own_process(self, part: str, root: Path, given: Sequence[str]) -> Part:
        """Measure a part in a process that does nothing else."""
        command = [sys.executable, "-m", self.module, *given, "--measure", part, "--root", str(root)]
        return Part.from_json(output_of(command, part))

    def _show(self, outcome: Outcome) -> None:
        if outcome.measured is None:
            print(f"{self.program}: {outcome.part}: {outcome.failure}", file=sys.stderr)
            return
        stream = sys.stderr if self.prints_details else sys.stdout
        console = Console(soft_wrap=True, width=None if stream.isatty() else 160, file=stream)
        console.print(table_of(outcome, outcome.measured))
        for note in outcome.measured.notes:
            console.print(note, highlight=False)
        console.print()
        if self.prints_details:
            print(json.dumps(outcome.measured.details))


def add_share(parser: argparse.ArgumentParser, what: str) -> None:
    """The option of a suite whose parts all shrink alike."""
    parser.add_argument("--share", type=float, metavar="X", help=f"{what} (default: 1)")


def share_problem(options: argparse.Namespace) -> str | None:
    """What is wrong with that option, if anything."""
    return None if 0 < options.share <= 1 else "--share is above 0 and at most 1"
