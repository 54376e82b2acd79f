"""Claims: what must hold of a month before anybody reads it, and what a person should be told about it.

A claim looks at the month as readers will see it and returns what breaks it. The blocking ones
(`blocking_claims`) fail only by corrupt input or by a defect of ours, and keep the month from being
published; the informing ones (`informing_claims`) are warnings. `checks` shows them as asset checks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from assets.market.session_bars import MonthBars

TableName = Literal["session_bars", "training_table", "month_statistics"]

Breach = Mapping[str, str | int | float]
"""What breaks a claim, for a person: where it is and what was found there."""


@dataclass(frozen=True, slots=True)
class JudgedMonth:
    """A month as readers will see it, as far as it has been made.

    `session_bars` and `table` (the training table) are as read back from their Parquet bytes, `bars` is the
    former in integers.
    """

    month: str
    bars: MonthBars
    session_bars: pl.DataFrame
    decay_reference_month: str
    table: pl.DataFrame | None = None
    statistics: Mapping[str, Any] | None = None
    neighbours: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Published statistics of the months before and after, as far as there are any."""

    @property
    def is_strict(self) -> bool:
        """Whether our own rules made the month, not the predecessor's."""
        return self.bars.rules == "strict"

    @property
    def training_table(self) -> pl.DataFrame:
        """The training table; raises ValueError when the month has been judged before it was made."""
        if self.table is None:
            raise ValueError(f"the training table of {self.month} has not been made")
        return self.table

    @property
    def month_statistics(self) -> Mapping[str, Any]:
        """The statistics; raises ValueError when the month has been judged before they were made."""
        if self.statistics is None:
            raise ValueError(f"the statistics of {self.month} have not been made")
        return self.statistics


@dataclass(frozen=True, slots=True)
class Claim:
    """A named claim about one table of a month; `breaches` returns what breaks it, nothing when it holds."""

    on: TableName
    is_blocking: bool
    breaches: Callable[[JudgedMonth], Sequence[Breach]]

    @property
    def name(self) -> str:
        """The name of the asset check."""
        return self.breaches.__name__

    @property
    def description(self) -> str:
        """The claim as a sentence."""
        return (self.breaches.__doc__ or "").strip().splitlines()[0]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of judging one claim; `breaches` is a sample, `breach_count` is exact."""

    claim: str
    on: TableName
    is_blocking: bool
    breach_count: int
    breaches: tuple[Breach, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing breaks the claim."""
        return self.breach_count == 0


_SAMPLE_SIZE = 20


def judge(claims: Sequence[Claim], month: JudgedMonth) -> list[Verdict]:
    """Judge a month by each claim, in order."""
    verdicts: list[Verdict] = []
    for claim in claims:
        breaches = _breaches(claim, month)
        verdicts.append(
            Verdict(claim.name, claim.on, claim.is_blocking, len(breaches), tuple(breaches[:_SAMPLE_SIZE]))
        )
    return verdicts


def _breaches(claim: Claim, month: JudgedMonth) -> Sequence[Breach]:
    """What breaks a claim; one that cannot be judged, say for a missing column, does not hold."""
    try:
        return claim.breaches(month)
    except (pl.exceptions.PolarsError, LookupError, TypeError, ValueError) as error:
        return [{"found": f"a month that cannot be judged ({type(error).__name__}: {error})"}]
