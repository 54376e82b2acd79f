"""What names a case, a beam, a layer: keys of partitions, identities, names of folders and files.

Names come from outside (folders, DICOM attributes) and end up in partitions, paths, commands and the TPS
file, so every one passes here first. Not here: which folder is a case, and identities of deliveries.
"""

import re
from hashlib import sha256
from typing import Final, NamedTuple

from assets.beams.failures import BeamFailure, beam_failure, one_line

LONGEST_KEY: Final = 64
KEY_RULE: Final = "1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit, without '..'"
MOST_PLAN_ITEMS: Final = 999
"""The engine finds a log by place among the sorted folder names: beyond three digits that order breaks."""

_KEY_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TREATMENT_INDEX: Final = re.compile(r"[1-9][0-9]{0,2}")
_NOT_IN_FOLDER: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_FOLDER_NAME: Final = 48
_LONGEST_SHOWN: Final = 80


class FieldKey(NamedTuple):
    """The partition key of a treatment beam, in its parts."""

    case: str
    treatment_index: int

    def __str__(self) -> str:
        return f"{self.case}|{self.treatment_index}"


def is_key_part(text: str) -> bool:
    """Whether a text may be a part of a key and of a path: `KEY_RULE`."""
    return _KEY_PART.fullmatch(text) is not None and ".." not in text


def case_key(*folders: str) -> str:
    """The key of a case: its folder, or its patient and study folders joined by a point; no room folder.

    A key of more than 64 characters becomes its first 47, a dash, and 16 hex digits of the SHA-256 of all.

    Raises:
        BeamFailure: `bad_case_id`, where a folder or the joined key breaks the rule.
    """
    for folder in folders:
        require_key_part(folder)
    whole = ".".join(folders)
    if ".." in whole:
        raise _bad_case_id(whole)
    return whole if len(whole) <= LONGEST_KEY else f"{whole[:47]}-{sha256(whole.encode()).hexdigest()[:16]}"


def require_key_part(text: str) -> str:
    """The text itself, if it may be a part of a key.

    Raises:
        BeamFailure: `bad_case_id`; the text is shown escaped.
    """
    if not is_key_part(text):
        raise _bad_case_id(text)
    return text


def field_key(case: str, treatment_index: int) -> str:
    """The partition key `<case>|<treatment_index>` of a treatment beam; the index counts from 1.

    Raises:
        BeamFailure: `bad_case_id`.
    """
    return str(parsed_field_key(f"{case}|{treatment_index}"))


def parsed_field_key(text: str) -> FieldKey:
    """A partition key of a treatment beam in its parts; one index has one spelling.

    Raises:
        BeamFailure: `bad_case_id`.
    """
    case, bar, index = text.rpartition("|")
    if not (bar and is_key_part(case) and _TREATMENT_INDEX.fullmatch(index)):
        raise beam_failure(
            "bad_case_id",
            f"The beam key {shown(text)} is refused: it is <case>|<index>, the case {KEY_RULE}, the index"
            " 1 to 999; use a key as `scan` lists it.",
        )
    return FieldKey(case, int(index))


def beam_id(case: str, treatment_index: int) -> str:
    """`<case>_beam_<treatment_index>`: the name of a treatment beam in files and in the registry."""
    return f"{case}_beam_{treatment_index}"


def beam_folder(plan_position: int, beam_name: str) -> str:
    """The folder of an item of the plan, setup beams too: `002_F2_A_P` for item 2, `F2 A/P`.

    Raises:
        ValueError: the position is not 1 to 999.
    """
    if not 1 <= plan_position <= MOST_PLAN_ITEMS:
        raise ValueError(f"plan position {plan_position} is not 1 to {MOST_PLAN_ITEMS}")
    return f"{plan_position:03d}_{safe_name(beam_name)}"


def safe_name(beam_name: str) -> str:
    """A beam name as folders carry it: `B 2/a` is `B_2_a`, at most 48 characters."""
    return _NOT_IN_FOLDER.sub("_", beam_name)[:_LONGEST_FOLDER_NAME]


def layer_file_name(layer_number: int, energy_mev: float, layer_count: int) -> str:
    """The CSV of a layer (from 1), `01_150.00MeV.csv`; names of one beam sort by layer."""
    width = max(2, len(str(layer_count)))
    return f"{layer_number:0{width}d}_{energy_mev:.2f}MeV.csv"


def masked(patient_id: str) -> str:
    """A patient's id for messages: asterisks and its last three characters; of a shorter one nothing."""
    return one_line(f"***{patient_id[-3:]}" if len(patient_id) > 3 else "***")


def is_ignored_name(name: str) -> bool:
    """Whether a file or folder is passed over wherever it lies: hidden, half extracted, or a backup."""
    folded = name.casefold()
    return (
        folded.startswith(".")
        or folded.endswith((".extracting", ".zip.tmp"))
        or ".backup." in folded
        or (folded.startswith("extract_") and folded.endswith(".tmp"))
    )


def shown(name: str) -> str:
    """A name for messages: in quotes, escaped, and cut if it is long."""
    cut = name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"
    return f"'{one_line(cut)}'"


def _bad_case_id(name: str) -> BeamFailure:
    return beam_failure(
        "bad_case_id", f"The name {shown(name)} is refused as a key: a key has {KEY_RULE}; rename the folder."
    )
