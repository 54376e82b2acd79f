"""Inputs that a folder keeps from one call of a benchmark to the next, marked once they are whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from scripts.benchmarks.lines import BenchmarkFailed

_MARK: Final = "inputs.json"


def made_once(folder: Path, wanted: str, make: Callable[[], None], option: str) -> bool:
    """Make inputs in a folder unless it has those that are wanted; return whether they were made.

    Args:
        wanted: what tells these inputs from others.
        option: the one that named the folder.

    Raises:
        BenchmarkFailed: the folder holds files of something else.
    """
    mark = folder / _MARK
    folder.mkdir(parents=True, exist_ok=True)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return False
    if not mark.exists() and any(folder.iterdir()):
        raise BenchmarkFailed(
            f"{folder} holds files that this benchmark did not write; give {option} another folder"
        )
    mark.write_text("")
    make()
    mark.write_text(wanted, encoding="utf-8")
    return True
