"""The six brackets (modes) on which every row is labelled, and the words for how a bracket can end."""

from dataclasses import dataclass
from typing import Final

HORIZON_ROWS: Final = 900
"""A bracket is watched for 900 rows, the entry row included: seconds 0..899 after the entry."""

OUTCOMES: Final = ("target", "stop", "both", "timeout", "session_end", "no_entry")
TARGET, STOP, BOTH, TIMEOUT, SESSION_END, NO_ENTRY = range(len(OUTCOMES))


@dataclass(frozen=True, slots=True)
class Bracket:
    """A stop and a target around the entry, in ticks; sizes are only names, volatility is not measured."""

    size: str
    side: str
    stop_ticks: int
    target_ticks: int

    @property
    def mode(self) -> str:
        """The bracket's name in columns and on the command line, such as `low_vol_long`."""
        return f"{self.size}_{self.side}"

    @property
    def direction(self) -> int:
        """+1 long, -1 short."""
        return 1 if self.side == "long" else -1


_SIZES: Final = {"low_vol": 6, "normal_vol": 8, "high_vol": 10}

BRACKETS: Final = tuple(
    Bracket(size, side, stop_ticks=stop, target_ticks=2 * stop)
    for side in ("long", "short")
    for size, stop in _SIZES.items()
)
MODES: Final = tuple(bracket.mode for bracket in BRACKETS)


def bracket_of(mode: str) -> Bracket:
    """The bracket of a mode; raises ValueError listing the modes."""
    if mode not in MODES:
        raise ValueError(f"'{mode}' is no mode; choose one of {', '.join(MODES)}")
    return BRACKETS[MODES.index(mode)]
