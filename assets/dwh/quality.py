"""Whether the rows of a run are good enough to be read, and violation rules over any other number.

Not here: what follows from a judgement (the status of a manifest, checks, approval), and who is told.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypedDict

from assets.failures import PermanentFailure

Status = Literal["GREEN", "YELLOW", "RED"]

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class ThresholdViolated(PermanentFailure, ValueError):
    """A number met a violation rule that ends the run."""


class Threshold(NamedTuple):
    """A violation rule: it is met when `number operator value` holds."""

    operator: str
    value: float
    should_throw: bool = False


class QualityDocument(TypedDict):
    """A judgement in the metrics document; the drop rate is rounded to 4 decimal places."""

    status: Status
    drop_rate: float
    reasons: list[str]


@dataclass(frozen=True, slots=True)
class Quality:
    """A judgement: the worst status, the share of records dropped (unrounded), a sentence per bad sign."""

    status: Status
    drop_rate: float
    reasons: tuple[str, ...] = ()

    @property
    def shown_drop_rate(self) -> float:
        """The drop rate for people: 4 decimal places. Nothing is decided by it."""
        return round(self.drop_rate, 4)

    def document(self) -> QualityDocument:
        """This judgement in the metrics document."""
        return {"status": self.status, "drop_rate": self.shown_drop_rate, "reasons": list(self.reasons)}


@dataclass(frozen=True, slots=True)
class QualityRules:
    """From which drop rates a run is YELLOW or RED, and how many records it must write; 0 is no minimum."""

    drop_rate_yellow: float = 0.05
    drop_rate_red: float = 0.10
    min_records: int = 0

    def judge(self, *, records_read: int, records_dropped: int, records_written: int) -> Quality:
        """Judge the counts of one run. The worst sign decides; rates are compared unrounded."""
        drop_rate = records_dropped / records_read if records_read else 0.0
        status: Status = "GREEN"
        reasons: list[str] = []
        levels: tuple[tuple[Status, float], ...] = (
            ("RED", self.drop_rate_red),
            ("YELLOW", self.drop_rate_yellow),
        )
        for level, threshold in levels:
            if drop_rate >= threshold:
                status = level
                reasons.append(
                    f"{records_dropped} of {records_read} records were dropped, a rate of {drop_rate:.4f};"
                    f" from {threshold:g} on a run is {level}"
                )
                break
        if records_written < self.min_records:
            status = "RED"
            reasons.append(f"{records_written} records were written; at least {self.min_records} must be")
        return Quality(status, drop_rate, tuple(reasons))


def evaluate(
    check: str, value: float, thresholds: Iterable[Threshold | tuple[Any, ...] | Mapping[str, Any]]
) -> list[str]:
    """Try violation rules on a number, in their order; return a sentence for each one met.

    Nothing met, nothing to tell: the list is empty. A rule is a `Threshold`, or its fields as a tuple or by
    name.

    Raises:
        ThresholdViolated: a ValueError; a rule with `should_throw` is met. Rules met before it are its notes.
        ValueError: a rule has an operator other than `==`, `>`, `>=`, `<` and `<=`.
    """
    met: list[str] = []
    for given in thresholds:
        rule = _rule(given)
        if rule.operator not in _OPERATORS:
            raise ValueError(
                f"Unknown threshold operator {rule.operator!r} of {check}; use {', '.join(_OPERATORS)}"
            )
        if not _OPERATORS[rule.operator](value, rule.value):
            continue
        sentence = f"{check}: {value} {rule.operator} {rule.value}"
        if rule.should_throw:
            raise _violated(f"{check} failed: {sentence}", met)
        met.append(sentence)
    return met


def _rule(given: tuple[Any, ...] | Mapping[str, Any]) -> Threshold:
    return Threshold(**given) if isinstance(given, Mapping) else Threshold(*given)


def _violated(message: str, met_before: Iterable[str]) -> ThresholdViolated:
    error = ThresholdViolated(message)
    for sentence in met_before:
        error.add_note(sentence)
    return error
