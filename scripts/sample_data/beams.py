"""Cases of the beams pipeline below a scan root: an ion plan, the machine's logs, and the marker.

`write_case` serves tests, demo and benchmarks, the command writes the same. Bytes depend on the arguments and
on nothing else. No file speaks of a person: patients are called `QA0001` and so on, and research use only.

Not here: what is in the files (`beams_case` and what it names), and programs that stand in for an engine and
for `nvidia-smi` (`beams_engine`, `beams_nvidia_smi`); the command can set those up too.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

from resources.home import quintet_home
from scripts.sample_data.beams_case import FIRST_START, MARKER, CaseTree, Place, SampleCase, case_tree
from scripts.sample_data.beams_corruptions import CORRUPTIONS, bad_name, corrupted, draft_of, hidden_name
from scripts.sample_data.beams_engine import set_up_engine
from scripts.sample_data.beams_fields import Variant
from scripts.sample_data.beams_nvidia_smi import set_up_nvidia_smi

__all__ = ["SAMPLES", "SampleCase", "corrupted", "register", "write_case"]

SUMMARY: Final = "ion plans and machine logs of a proton centre, sound or with one thing wrong"
FOLDER: Final = "beam-logs"
SAMPLES: Final = {"small": 400, "full": 70_000}
"""Samples per layer by size; 70,000 are what a machine logs in 4.2 s."""

_STUDY: Final = "1.2.3"
_ROOMS: Final = (None, "G1", "G2")


def write_case(root: Path, case: SampleCase) -> Path:
    """Write a case below a scan root and return its folder.

    What a call for this number wrote before, wherever below the root, is replaced; a file that stays the
    same is left alone, its time too, and so is the marker. Studies of one patient live beside each other.

    Raises:
        OSError: a file could not be written; the case may be there in part, then without its marker if it is
            a new one.
    """
    draft = draft_of(case)
    tree = case_tree(draft)
    _remove_others(root, case, tree)
    for link, target in tree.links.items():
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        if not (root / link).is_symlink():
            (root / link).symlink_to(target)
    for name, content in tree.files.items():
        _write(root / name, content)
    for folder in tree.closed:
        (root / folder).chmod(0)
    return root / draft.place.folder


def _remove_others(root: Path, case: SampleCase, tree: CaseTree) -> None:
    """Remove what lies where this case may lie and is no part of it."""
    for folder in _every_folder(case):
        path = root / folder
        if path.is_symlink():
            if folder not in tree.links:
                path.unlink()
        elif path.is_dir():
            _open(path)
            if folder in tree.links or not any(name.is_relative_to(folder) for name in tree.files):
                shutil.rmtree(path)
            else:
                _remove_strangers(root, path, tree)
    if (marker := case.place.top / MARKER) not in tree.files:
        (root / marker).unlink(missing_ok=True)
    for room in _ROOMS:
        _remove_abandoned(root / Place(room, case.place.names).top)


def _remove_abandoned(top: Path) -> None:
    """Remove a folder in which nothing but a marker is left, as that of a patient without studies."""
    if top.is_dir() and not top.is_symlink() and {path.name for path in top.iterdir()} <= {MARKER}:
        shutil.rmtree(top)


def _every_folder(case: SampleCase) -> set[PurePosixPath]:
    """Every folder that a case of this number and study could fill, sound or not."""
    places = [Place(room, case.place.names) for room in _ROOMS]
    renamed = [place.renamed(name(place)) for place in places for name in (bad_name, hidden_name)]
    return {place.folder for place in (*places, *renamed)}


def _open(folder: Path) -> None:
    """Give back the permissions that a corruption took from folders."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def _remove_strangers(root: Path, folder: Path, tree: CaseTree) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif PurePosixPath(path.relative_to(root).as_posix()) not in tree.files:
            path.unlink()


def _write(file: Path, content: bytes) -> None:
    if file.is_file() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def register(parser: argparse.ArgumentParser) -> None:
    """Give the sub-command its arguments and its `run`."""
    parser.description = f"Write {SUMMARY}. Everything is synthetic, for research use only."
    parser.epilog = "codes: " + "; ".join(
        f"{code}: {corruption.summary}" for code, corruption in sorted(CORRUPTIONS.items())
    )
    parser.add_argument("--cases", type=_count(1, 9999), default=1, metavar="N", help="how many (default: 1)")
    parser.add_argument(
        "--first", type=_count(1, 9999), default=1, metavar="N", help="number of the first case (default: 1)"
    )
    parser.add_argument(
        "--size", choices=SAMPLES, default="small", help="samples per layer: 400 or 70,000 (default: small)"
    )
    parser.add_argument(
        "--samples", type=_count(200, 10_000_000), metavar="N", help="samples per layer instead"
    )
    parser.add_argument(
        "--fractions", type=_count(1, 60), default=2, metavar="N", help="days of delivery (default: 2)"
    )
    parser.add_argument(
        "--start",
        type=_moment,
        default=FIRST_START,
        metavar="YYYY-MM-DDThh:mm:ss",
        help=f"first delivery, by the machine's clock (default: {FIRST_START.isoformat()})",
    )
    parser.add_argument(
        "--variant",
        type=Variant,
        choices=list(Variant),
        action="append",
        default=[],
        help="another form of the plan; repeatable, they combine",
    )
    parser.add_argument(
        "--corrupt",
        choices=sorted(CORRUPTIONS),
        metavar="CODE",
        help="the one thing that is wrong; see below",
    )
    parser.add_argument("--nested", action="store_true", help=f"patient/{_STUDY} instead of one case folder")
    parser.add_argument("--no-room", action="store_true", help="no room folder above the case")
    parser.add_argument(
        "--stand-ins",
        type=Path,
        metavar="DIR",
        help="also write tps_env and nvidia-smi there, which stand in for the GPU engine and its tool",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help=f"scan root (default: $QUINTET_HOME/storage/{FOLDER})"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    root: Path = arguments.out or quintet_home() / "storage" / FOLDER
    if arguments.first + arguments.cases - 1 > 9999:
        print("the last case would have a number above 9999; ask for fewer with --cases", file=sys.stderr)
        return 2
    try:
        for case in _cases(arguments):
            began = time.perf_counter()
            folder = write_case(root, case)
            print(f"{folder}: {case.corruption or 'sound'}, {time.perf_counter() - began:.2f} s", flush=True)
        if arguments.stand_ins is not None:
            print(set_up_engine(arguments.stand_ins))
            print(set_up_nvidia_smi(arguments.stand_ins))
    except OSError as error:
        print(f"not written: {error}; choose another folder with --out or --stand-ins", file=sys.stderr)
        return 1
    return 0


def _cases(arguments: argparse.Namespace) -> Sequence[SampleCase]:
    cases = []
    for number in range(arguments.first, arguments.first + arguments.cases):
        case = SampleCase(
            number=number,
            samples=arguments.samples or SAMPLES[arguments.size],
            fractions=arguments.fractions,
            variants=frozenset(arguments.variant),
            in_room=not arguments.no_room,
            study=_STUDY if arguments.nested else None,
            start=arguments.start,
        )
        cases.append(corrupted(case, arguments.corrupt) if arguments.corrupt else case)
    return cases


def _count(least: int, most: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number within bounds."""

    def parsed(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"'{text}' is refused; give a whole number from {least} to {most}"
            )
        return int(text)

    return parsed


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time; give it as YYYY-MM-DDThh:mm:ss") from None
    if moment.tzinfo is not None:
        raise argparse.ArgumentTypeError(f"'{text}' has a zone; give the time that the machine's clock shows")
    return moment
