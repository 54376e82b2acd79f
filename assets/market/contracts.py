"""ES contracts: which symbols are outrights, their expiry, and the one contract of each session.

A contract is written `ES-YYYY-MM`, so that text order is expiry order. Symbols with one-digit years repeat
each decade, which is why every resolution needs a date.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

_CONTRACT = re.compile(r"ES-\d{4}-\d{2}", re.ASCII)
_OUTRIGHT = re.compile(r"ES([HMUZ])(\d{1,2})", re.ASCII)
_EXPIRY_MONTHS = {"H": 3, "M": 6, "U": 9, "Z": 12}
_NO_INCUMBENT = ""  # sorts before every contract


def contract_of(raw_symbol: str, on: date) -> str | None:
    """The contract `ES-YYYY-MM` that a raw symbol means on a date, or None when it is not an outright.

    The year is the earliest one not before last year whose digits match and whose (year, month) is not before
    the month before the date's: an expired contract can still be listed in the month after its expiry.
    """
    match = _OUTRIGHT.fullmatch(raw_symbol)
    if match is None:
        return None
    month, digits = _EXPIRY_MONTHS[match[1]], match[2]
    earliest = on.year * 12 + (on.month - 1) - 1
    cycle = 10 ** len(digits)
    year = on.year - 1 + (int(digits) - (on.year - 1)) % cycle
    if year * 12 + month - 1 < earliest:
        year += cycle
    return f"ES-{year:04d}-{month:02d}"


def is_contract(name: str) -> bool:
    """Whether a name is a resolved contract; under compat a session may carry a raw symbol instead."""
    return _CONTRACT.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class ContractChoice:
    """The contract of a session, and what it was chosen over."""

    contract: str
    volume: int
    runner_up: str | None
    runner_up_volume: int | None
    by_previous_session_volume: str


def choose_contracts(volumes: Sequence[Mapping[str, int]]) -> list[ContractChoice]:
    """Choose one contract for each session, in order, by the volume of the session's own CT date.

    Args:
        volumes: per session the volume of every outright that traded on its CT date; never empty.

    The causal alternative ranks by the volume of the session before (the first session by its own) and is
    only recorded.
    """
    choices: list[ContractChoice] = []
    incumbent = causal = _NO_INCUMBENT
    for index, own in enumerate(volumes):
        incumbent = _leader(own, incumbent)
        causal = _leader(volumes[max(index - 1, 0)], causal)
        others = sorted(
            (other for other in own if other != incumbent), key=lambda other: (-own[other], other)
        )
        choices.append(
            ContractChoice(
                contract=incumbent,
                volume=own.get(incumbent, 0),
                runner_up=others[0] if others else None,
                runner_up_volume=own[others[0]] if others else None,
                by_previous_session_volume=causal,
            )
        )
    return choices


def _leader(volumes: Mapping[str, int], incumbent: str) -> str:
    """The highest volume not before the incumbent's expiry, else the incumbent.

    A tie goes to the nearest expiry, which is the incumbent when it takes part in the tie.
    """
    candidates = (contract for contract in volumes if contract >= incumbent)
    return min(candidates, key=lambda contract: (-volumes[contract], contract), default=incumbent)
