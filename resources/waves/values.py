"""What goes into and comes out of Waves."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypeAlias

import polars as pl

HOTBOXES = ("HB1", "HB2", "HB3", "HB4")
LIST_SLOTS = 20
EMPTY_SLOT = "-"

MOST_CAMS_IN_A_BATCH = 500
MOST_BATCHES_IN_FLIGHT = 16

Answer: TypeAlias = Any
"""One element of the service's `results`, as it came: usually an object of `Vehicle`, `Size`, `HB1`..`HB4`,
`SKUs`, `success`, `error_code` and `usage`, but any key may be missing or null, and so may the answer."""

ScoreSource: TypeAlias = Callable[[], pl.DataFrame]
"""Gives the score rows; called only by the variant that ranks by itself."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cam:
    """A vehicle and a size as a person wrote them, and the keys by which they are joined.

    `size_key` is None where the size has no readable core.
    """

    vehicle: str
    size: str
    vehicle_key: str
    size_key: str | None


@dataclass(frozen=True, slots=True)
class Parameters:
    """How the lists are made: the zone in percent, the price fluctuation, the operator's nudges."""

    goldilocks_zone_pct: float = 15
    price_fluctuation_upper: float = 1.1
    price_fluctuation_lower: float = 0.9
    brand_enhancer: str | None = None
    model_enhancer: str | None = None
    season: str | None = None
    disable_search: bool = True

    def within_range(self) -> Self:
        """The same, with the default in place of a number out of its range, and a warning about each."""
        outside = {
            name: default
            for name, (lowest, highest, default) in _RANGES.items()
            if not lowest <= getattr(self, name) <= highest
        }
        for name, default in outside.items():
            lowest, highest, _ = _RANGES[name]
            _log.warning(
                "%s is %s, outside %s to %s; %s is used.",
                name, getattr(self, name), lowest, highest, default,
            )  # fmt: skip
        return replace(self, **outside)

    def given(self) -> dict[str, float | str | bool]:
        """By name, without those that are null or blank."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None and str(value).strip()}


_RANGES: Mapping[str, tuple[float, float, float]] = {
    "goldilocks_zone_pct": (5, 50, 15),
    "price_fluctuation_upper": (1.0, 2.0, 1.1),
    "price_fluctuation_lower": (0.5, 1.0, 0.9),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the language model behind the service."""

    prompt_token_count: int = 0
    candidates_token_count: int = 0
    total_token_count: int = 0

    @classmethod
    def of(cls, counters: object) -> "Usage":
        """Read a `usage` object; what is missing, null or no count is 0."""
        if not isinstance(counters, dict):
            return cls()
        return cls(*(_count(counters.get(field.name)) for field in fields(cls)))

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_token_count + other.prompt_token_count,
            self.candidates_token_count + other.candidates_token_count,
            self.total_token_count + other.total_token_count,
        )


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return max(0, int(value))


@dataclass(frozen=True, slots=True)
class Pace:
    """How a runlist is asked: CAMs in a batch, batches in flight, seconds for one request.

    Raises `ValueError` for what the service would refuse.
    """

    batch_size: int = MOST_CAMS_IN_A_BATCH
    in_flight: int = 4
    timeout_s: float = 900

    def __post_init__(self) -> None:
        _require("batch_size", self.batch_size, 1, MOST_CAMS_IN_A_BATCH)
        _require("in_flight", self.in_flight, 1, MOST_BATCHES_IN_FLIGHT)
        _require_seconds(self.timeout_s)


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """How segments are asked page by page. `limit_to` names the only ones wanted; empty means all."""

    limit_to: Sequence[str] = ()
    total_per_segment: int = 500
    page_size: int = 45
    segments_in_flight: int = 7
    pages_in_flight: int = 4
    timeout_s: float = 900

    def __post_init__(self) -> None:
        _require("total_per_segment", self.total_per_segment, 0)
        for name in ("page_size", "segments_in_flight", "pages_in_flight"):
            _require(name, getattr(self, name), 1)
        _require_seconds(self.timeout_s)


def _require(name: str, value: float, lowest: float, highest: float = math.inf) -> None:
    if not lowest <= value <= highest:
        allowed = f"at least {lowest}" if highest == math.inf else f"{lowest} to {highest}"
        raise ValueError(f"{name} is {value}; it must be {allowed}.")


def _require_seconds(timeout_s: float) -> None:
    if not 0 < timeout_s < math.inf:
        raise ValueError(f"timeout_s is {timeout_s}; it must be a number of seconds above 0.")


def failed_answer(vehicle: str | None, size: str | None, error_code: str) -> dict[str, Any]:
    """The answer of a CAM that has no list. A page that failed knows neither vehicle nor size."""
    return answer_of(vehicle, size, [], [], error_code)


def answer_of(
    vehicle: str | None,
    size: str | None,
    hotboxes: Sequence[str],
    listed: Sequence[str],
    error_code: str | None,
) -> dict[str, Any]:
    """An answer in the service's form; slots that are not given are empty, `usage` is 0."""
    slots = [*hotboxes, *[EMPTY_SLOT] * (len(HOTBOXES) - len(hotboxes))]
    return {
        "Vehicle": vehicle,
        "Size": size,
        **dict(zip(HOTBOXES, slots, strict=True)),
        "SKUs": [*listed, *[EMPTY_SLOT] * (LIST_SLOTS - len(listed))],
        "success": error_code is None,
        "error_code": error_code,
        "usage": {"prompt_token_count": 0, "candidates_token_count": 0, "total_token_count": 0},
    }
