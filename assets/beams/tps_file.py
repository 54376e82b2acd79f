"""The TPS file: the text that tells the GPU engine what to simulate. Its keys, its grammar, its refusals.

38 keys in 9 groups with an empty line between groups, `Key value`, UTF-8, LF. The engine reads it trustingly:
the first blank of a line ends the key, `#` begins a comment, the first of two equal keys wins whatever their
case, and a line of blanks crashes it. So whatever could be read otherwise than meant is refused before a file
is written (`tps_invalid`), and what was written is read back with the engine's rules.

Not here: which value a beam has (`tps_input`).
"""

import re
import unicodedata
from collections.abc import Mapping
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Final

from assets.beams.durable_files import sync_folder, write_new
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown

GROUPS: Final = (
    ("GPUID", "RandomSeed", "UseAbsolutePath", "TotalThreads", "MaxHistoriesPerBatch", "Verbosity"),
    ("ParentDir", "DicomPath", "DicomDir", "logFilePath"),
    ("GantryNum", "BeamNumbers"),
    ("UsingPhantomGeo", "TwoCentimeterMode"),
    (
        *("PhantomDimX", "PhantomDimY", "PhantomDimZ"),
        *("PhantomUnitX", "PhantomUnitY", "PhantomUnitZ"),
        *("PhantomPositionX", "PhantomPositionY", "PhantomPositionZ"),
    ),
    ("Scorer", "SupressStd", "ReadStructure", "BodyContourName"),
    ("SourceType", "SimulationType", "NormalizeTotalHistories"),
    ("ScoreToCTGrid", "OutputDir", "OutputFormat", "OverwriteResults"),
    (
        "EnableBeamLayerMultiGpu",
        "BeamLayerMultiGpuAllowedGpuIds",
        "BeamLayerMultiGpuMaxWorkers",
        "BeamLayerMultiGpuTempRoot",
    ),
)
"""Every key, as the engine spells it, in the order of the file."""

KEYS: Final = tuple(chain.from_iterable(GROUPS))
MAY_BE_EMPTY: Final = "BeamLayerMultiGpuAllowedGpuIds"

_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
_UNSAFE: Final = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, of bytes that were no UTF-8, and of line and paragraph ends."""


def tps_text(values: Mapping[str, str], name: str) -> str:
    """The text of the file for the values of all keys; `name` is what messages call the file.

    Raises:
        BeamFailure: `tps_invalid`: a key is missing or unknown, the gantry is not 1 or 2, or a value would
            reach the engine otherwise than it stands here. Names the key.
    """
    for key in KEYS:
        if key not in values:
            raise tps_invalid(name, f"the key {key} is missing")
        if problem := _value_problem(key, values[key]):
            raise tps_invalid(name, f"the value of {key}, {shown(values[key])}, {problem}")
    if unknown := sorted(values.keys() - set(KEYS)):
        raise tps_invalid(name, f"{shown(unknown[0])} is no key of the engine")
    groups = ("".join(f"{key} {values[key]}\n" for key in group) for group in GROUPS)
    return "\n".join(groups)


def parsed_tps(text: str, name: str) -> dict[str, str]:
    """The values that the engine would see in a text, by key in lower case.

    Raises:
        BeamFailure: `tps_invalid`: a line of blanks, or a key without a blank behind it.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        entry, comment, _ = line.partition("#")
        if not entry and (comment or not line):
            continue
        key, blank, value = entry.partition(" ")
        if not key or not blank:
            raise tps_invalid(name, f"line {number} is not a key, a blank and a value")
        values.setdefault(key.lower(), value)
    return values


def write_tps(path: Path, values: Mapping[str, str]) -> str:
    """Put the file in place, whole or not at all and only if it reads back; return its SHA-256 in hex.

    Raises:
        BeamFailure: `tps_invalid`; a file that was there stays as it is.
    """
    content = tps_text(values, path.name).encode()
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        write_new(part, content)
        digest = require_reads_back(part, values)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)
    return digest


def require_reads_back(path: Path, values: Mapping[str, str]) -> str:
    """The SHA-256, in hex, of a file in which the engine would see exactly these values.

    Raises:
        BeamFailure: `tps_invalid`, naming the first key that differs.
    """
    content = path.read_bytes()
    try:
        seen = parsed_tps(content.decode(), path.name)
    except UnicodeDecodeError:
        raise tps_invalid(path.name, "it is no UTF-8") from None
    meant = {key.lower(): value for key, value in values.items()}
    for key in sorted(meant.keys() | seen.keys()):
        if meant.get(key) != seen.get(key):
            raise tps_invalid(path.name, f"read back, its {shown(key)} is not what was meant")
    return sha256(content).hexdigest()


def tps_invalid(name: str, problem: str) -> BeamFailure:
    """The refusal of the TPS file of this name, by the rule that is broken."""
    return beam_failure(
        "tps_invalid",
        f"The TPS file {shown(name)} is refused: {problem}; correct that, then run tps_input again.",
    )


def _value_problem(key: str, value: str) -> str | None:
    problems = {
        "is empty": not value and key != MAY_BE_EMPTY,
        "begins with a blank, which the engine drops": value[:1].isspace(),
        "has a '#', from which on the engine sees a comment": "#" in value,
        "has a control character": any(unicodedata.category(mark) in _UNSAFE for mark in value),
        "has a placeholder that nothing was put into": _PLACEHOLDER.search(value) is not None,
        "is neither 1 nor 2": key == "GantryNum" and value not in ("1", "2"),
    }
    return next((problem for problem, holds in problems.items() if holds), None)
