"""What a month is made with: the rules, and the fingerprint that says whether a published month is current.

A month is done when its published objects carry the fingerprint that would be computed now: same input, same
config, same code. Nothing here reads or writes; `month` does.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from assets.market.months import Month

Rules = Literal["strict", "compat"]
Duplicates = Literal["error", "last"]
Change = Literal["changed input", "changed config", "changed code"]

# Raise it with every change that alters a published byte: all months are then redone. A test over a small
# recorded month fails when the bytes change and this does not.
CODE_VERSION = "1"

# The weights of 90 years ago are e**-54 of the reference's, still a number in 32 bits.
_FIRST_REFERENCE, _LAST_REFERENCE = Month(2000, 1), Month(2099, 12)

DEFAULT_DECAY_REFERENCE = "2025-10"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The launch config that acts on a month's bytes. Raises ValueError for a value outside the contract."""

    rules: Rules = "strict"
    duplicates: Duplicates = "error"
    decay_reference_month: str = DEFAULT_DECAY_REFERENCE

    def __post_init__(self) -> None:
        _refuse_unknown("rules", self.rules, get_args(Rules))
        _refuse_unknown("duplicates", self.duplicates, get_args(Duplicates))
        try:
            reference = Month.parse(self.decay_reference_month)
        except ValueError as error:
            raise ValueError(f"decay_reference_month: {error}") from error
        if not _FIRST_REFERENCE <= reference <= _LAST_REFERENCE:
            raise ValueError(
                f"decay_reference_month: '{reference}' would make every weight vanish or overflow; choose "
                f"a month from {_FIRST_REFERENCE} to {_LAST_REFERENCE}"
            )

    def decay_reference(self, month: str) -> str:
        """The month whose weights decay by nothing: under compat it is always the month itself."""
        return month if self.rules == "compat" else self.decay_reference_month

    @property
    def digest(self) -> str:
        """Digest of what acts on the bytes; under compat neither duplicates nor the decay reference does."""
        acting = {"rules": self.rules}
        if self.rules == "strict":
            acting |= {"duplicates": self.duplicates, "decay_reference_month": self.decay_reference_month}
        return hashlib.sha256(json.dumps(acting, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identity of a published month: equal fingerprints mean equal bytes."""

    input_etag: str
    input_size: int
    config_digest: str
    code_version: str = CODE_VERSION

    def difference(self, published: "Fingerprint") -> Change | None:
        """Why `published` is out of date, or None when it is current."""
        if (self.input_etag, self.input_size) != (published.input_etag, published.input_size):
            return "changed input"
        if self.code_version != published.code_version:
            return "changed code"
        if self.config_digest != published.config_digest:
            return "changed config"
        return None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a table came from, as it stands in the table's Parquet metadata under `quintet.`."""

    input_key: str
    input_etag: str
    input_size: int
    rules: Rules
    config_digest: str
    code_version: str

    @property
    def fingerprint(self) -> Fingerprint:
        """The identity of the table's month."""
        return Fingerprint(self.input_etag, self.input_size, self.config_digest, self.code_version)

    def metadata(self, row_count: int) -> dict[str, str]:
        """The Parquet metadata of a table made so."""
        return {
            "quintet.input_key": self.input_key,
            "quintet.input_etag": self.input_etag,
            "quintet.input_size": str(self.input_size),
            "quintet.rules": self.rules,
            "quintet.config_digest": self.config_digest,
            "quintet.code_version": self.code_version,
            "quintet.row_count": str(row_count),
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> "Provenance":
        """Read a table's metadata back; raises KeyError or ValueError when the table is not one of ours."""
        rules = metadata["quintet.rules"]
        _refuse_unknown("quintet.rules", rules, get_args(Rules))
        return cls(
            input_key=metadata["quintet.input_key"],
            input_etag=metadata["quintet.input_etag"],
            input_size=int(metadata["quintet.input_size"]),
            rules="compat" if rules == "compat" else "strict",
            config_digest=metadata["quintet.config_digest"],
            code_version=metadata["quintet.code_version"],
        )


def _refuse_unknown(field: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{field}: '{value}' is unknown; choose one of {', '.join(choices)}")
