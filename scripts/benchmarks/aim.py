"""`make bench-aim`: what a run of aim costs, against plain baselines and the targets.

`sql` times the nine stages on DuckDB over generated inputs, `results` the processing of answers, `ranker` the
embedded ranker, `waves` batches over the loopback server. Each part is a process of its own. Results are
compared with those of the baselines: a wrong one ends the benchmark with 1, a slow one does not.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from rich.console import Console

from scripts.benchmarks.lines import BenchmarkFailed, Part, table_of
from scripts.benchmarks.processes import output_of
from scripts.sample_data.aim_shop import RUN_DATE, SCALES, Scale

PARTS: Final = ("sql", "results", "ranker", "waves")

# The shop is a little larger than a run: its runlist holds rows that are dropped and rows that come twice.
_FULL: Final = replace(SCALES["full"], cams=10_000)
_SPARE_CAMS: Final = 1.05
_NEED_SCORES: Final = {"ranker", "waves"}

console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 when everything ran and every result was right."""
    parser = _parser()
    options = parser.parse_args(arguments)
    given = {name: getattr(options, name) for name in ("events", "sales", "products", "cams")}
    try:
        scale = replace(_FULL, **given)
    except ValueError as error:
        parser.error(str(error))
    try:
        if options.measure:
            print(_measured(options.measure, options.root, scale, options.latency).to_json())
        else:
            with _folder(options.keep) as root:
                _show_all(root, scale, options.only or PARTS, options.latency)
    except (BenchmarkFailed, OSError) as failure:
        print(f"bench-aim: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench-aim", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, repeatable (default: all)")
    sizes = {"events": "GA4 events", "sales": "rows of sales", "products": "tyres", "cams": "CAMs"}
    for name, what in sizes.items():
        flag, default = ("tyres" if name == "products" else name), getattr(_FULL, name)
        parser.add_argument(
            f"--{flag}",
            dest=name,
            type=int,
            default=default,
            metavar="N",
            help=f"{what} (default: {default:,})",
        )
    parser.add_argument(
        "--latency", type=float, default=0.5, metavar="SECONDS", help="of the server's answers (default: 0.5)"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="put inputs and tables there, keep them, and use them again"
    )
    parser.add_argument("--measure", choices=("scores", *PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    return parser


def _measured(part: str, root: Path, scale: Scale, latency: float) -> Part:
    """One part, in this process."""
    from scripts.benchmarks import aim_answers, aim_stages, aim_waves

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
            return aim_waves.measure_waves(root, scale, latency)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
        yield Path(folder)


def _show_all(root: Path, scale: Scale, wanted: Sequence[str], latency: float) -> None:
    parts, is_full_size = [part for part in PARTS if part in wanted], scale == _FULL
    if "sql" not in parts:
        scale = replace(scale, events=0)
        parts = [*(["scores"] if _NEED_SCORES & set(parts) else []), *parts]
    _generate(root, scale)
    for part in parts:
        before = os.getloadavg()[0]
        measured = _in_own_process(part, root, scale, latency)
        load = (before, os.getloadavg()[0])
        console.print(table_of(measured, load, is_full_size=is_full_size))
        for note in measured.notes:
            console.print(note, highlight=False)
        console.print()


def _generate(root: Path, scale: Scale) -> None:
    """Write the inputs, unless a kept folder has those of this scale."""
    mark, wanted = root / "scale.json", json.dumps(asdict(scale))
    if mark.exists() and mark.read_text() == wanted:
        console.print(f"Using the inputs in {root} again")
        return
    if not mark.exists() and any(root.iterdir()):
        raise BenchmarkFailed(
            f"{root} holds files that this benchmark did not write; give --keep another folder"
        )
    mark.write_text("")
    numbers = {**asdict(scale), "cams": round(scale.cams * _SPARE_CAMS)}
    flags = [text for name, number in numbers.items() for text in (f"--{name}", str(number))]
    command = [
        sys.executable,
        "-m",
        "scripts.sample_data",
        "aim",
        "--date",
        str(RUN_DATE),
        "--out",
        str(root),
    ]
    counts = f"{scale.events:,} events, {scale.sales:,} rows of sales, {scale.products:,} tyres"
    console.print(f"Generating {counts} ...", highlight=False)
    output_of([*command, *flags])
    mark.write_text(wanted)


def _in_own_process(part: str, root: Path, scale: Scale, latency: float) -> Part:
    command = [sys.executable, "-m", "scripts.benchmarks.aim", "--measure", part, "--root", str(root)]
    command += ["--latency", str(latency), "--events", str(scale.events), "--sales", str(scale.sales)]
    command += ["--tyres", str(scale.products), "--cams", str(scale.cams)]
    return Part.from_json(output_of(command))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
