"""What the recommendations of a run cost.

Not here: counting the tokens, which the recommendation service reports (`resources`).
"""

import math
from datetime import UTC, datetime
from fractions import Fraction
from typing import TypedDict

from assets.aim.settings import RunMode


class Units(TypedDict):
    """What a run was asked for, and how much of it can be published."""

    cams_attempted: int
    cams_succeeded: int


class TokenUsage(TypedDict):
    """Tokens of the language model behind the recommendation service, as it counts them."""

    prompt_token_count: int
    candidates_token_count: int
    total_token_count: int


class CostReport(TypedDict):
    """`output/cost_report.json`, and the key `report` of `output/job_status.json`."""

    timestamp: str
    run_id: str
    mode: RunMode
    units: Units
    usage: TokenUsage
    estimated_cost_gbp: float


def estimated_cost_gbp(
    usage: TokenUsage, price_input_gbp_per_m: float, price_output_gbp_per_m: float
) -> float:
    """What the tokens cost in pounds, to 5 decimal places, half away from zero.

    Prices are pounds per million tokens and count as they are written: 0.072505 is no binary fraction.
    """
    cost = (
        usage["prompt_token_count"] * _as_written(price_input_gbp_per_m)
        + usage["candidates_token_count"] * _as_written(price_output_gbp_per_m)
    ) / 10**6
    return math.floor(cost * 10**5 + Fraction(1, 2)) / 10**5


def cost_report(
    *,
    timestamp: datetime,
    run_id: str,
    mode: RunMode,
    units: Units,
    usage: TokenUsage,
    price_input_gbp_per_m: float,
    price_output_gbp_per_m: float,
) -> CostReport:
    """The report on one run; `timestamp` has a zone and is written in UTC."""
    return {
        "timestamp": timestamp.astimezone(UTC).isoformat(),
        "run_id": run_id,
        "mode": mode,
        "units": units,
        "usage": usage,
        "estimated_cost_gbp": estimated_cost_gbp(usage, price_input_gbp_per_m, price_output_gbp_per_m),
    }


def _as_written(price: float) -> Fraction:
    return Fraction(str(price))
