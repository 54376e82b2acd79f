"""`make bench-aim`: what a run of aim costs, against plain baselines and the targets.

`sql` times the nine stages on DuckDB over generated inputs, `results` the processing of answers, `ranker` the
embedded ranker, `waves` batches over the loopback server. Each part is a process of its own. Results are
compared with those of the baselines: a wrong one ends the benchmark with 1, a slow one does not.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar, Final

from scripts.benchmarks.kept_inputs import made_once
from scripts.benchmarks.lines import Part
from scripts.benchmarks.processes import output_of
from scripts.benchmarks.suites import Suite
from scripts.sample_data.aim_shop import RUN_DATE, SCALES, Scale

# The shop is a little larger than a run: its runlist holds rows that are dropped and rows that come twice.
_FULL: Final = replace(SCALES["full"], cams=10_000)
_SPARE_CAMS: Final = 1.05
_NEED_SCORES: Final = {"ranker", "waves"}
_SIZES: Final = {"events": "GA4 events", "sales": "rows of sales", "products": "tyres", "cams": "CAMs"}


class AimSuite(Suite):
    """The parts of aim, over one shop."""

    program = "bench-aim"
    module = "scripts.benchmarks.aim"
    about = __doc__ or ""
    pipeline = "aim"
    parts = ("sql", "results", "ranker", "waves")
    full: ClassVar = {**asdict(_FULL), "latency": 0.5}
    quick: ClassVar = {"events": 20_000, "sales": 5_000, "products": 2_000, "cams": 500, "latency": 0.1}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the numbers of a shop, the latency, and `--keep`."""
        for name, what in _SIZES.items():
            flag = "tyres" if name == "products" else name
            help_text = f"{what} (default: {self.full[name]:,})"
            parser.add_argument(f"--{flag}", dest=name, type=int, metavar="N", help=help_text)
        parser.add_argument(
            "--latency", type=float, metavar="SECONDS", help="of the server's answers (default: 0.5)"
        )
        parser.add_argument(
            "--keep",
            type=Path,
            metavar="DIR",
            help="put inputs and tables there, keep them, and use them again",
        )

    def problem(self, options: argparse.Namespace) -> str | None:
        """A shop that cannot be."""
        try:
            _scale_of(options)
        except ValueError as error:
            return str(error)
        return None

    @contextmanager
    def folder(self, options: argparse.Namespace) -> Iterator[Path]:
        """That of `--keep`, else one that is gone at the end."""
        if options.keep is None:
            with super().folder(options) as folder:
                yield folder
            return
        options.keep.mkdir(parents=True, exist_ok=True)
        yield options.keep.absolute()

    @contextmanager
    def part_folder(self, root: Path) -> Iterator[Path]:
        """All parts work on one shop."""
        yield root

    def prepare(self, root: Path, options: argparse.Namespace) -> list[str]:
        """Make the shop; without the stages, what scores the ranker is a part before the others."""
        parts = super().prepare(root, options)
        scale = _scale_of(options)
        if "sql" not in parts:
            scale = replace(scale, events=0)
            parts = [*(["scores"] if _NEED_SCORES & {*parts} else []), *parts]
        if not made_once(root, json.dumps(asdict(scale)), lambda: _generate(root, scale), "--keep"):
            print(f"Using the inputs in {root} again")
        return parts

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """One part, in this process."""
        from scripts.benchmarks import aim_answers, aim_stages, aim_waves

        scale = _scale_of(options)
        match part:
            case "sql":
                return aim_stages.measure_stages(root, scale)
            case "scores":
                return aim_stages.score(root, scale)
            case "results":
                return aim_answers.measure_results(root, scale)
            case "ranker":
                return aim_answers.measure_ranker(root, scale)
            case _:
                return aim_waves.measure_waves(root, scale, options.latency)


def _scale_of(options: argparse.Namespace) -> Scale:
    return replace(_FULL, **{name: getattr(options, name) for name in _SIZES})


def _generate(root: Path, scale: Scale) -> None:
    """Write the inputs."""
    numbers = {**asdict(scale), "cams": round(scale.cams * _SPARE_CAMS)}
    flags = [text for name, number in numbers.items() for text in (f"--{name}", str(number))]
    print(
        f"Generating {scale.events:,} events, {scale.sales:,} rows of sales, {scale.products:,} tyres ...",
        flush=True,
    )
    command = [sys.executable, "-m", "scripts.sample_data", "aim", "--date", str(RUN_DATE)]
    output_of([*command, "--out", str(root), *flags], "sample_data")


if __name__ == "__main__":
    AimSuite().run_as_program()
