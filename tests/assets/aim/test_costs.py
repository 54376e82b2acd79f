"""What a run cost: exact to the hundredth of a penny, and told in one shape."""

from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.costs import TokenUsage, cost_report, estimated_cost_gbp
from assets.aim.settings import Settings

PRICES = (Settings().price_input_gbp_per_m, Settings().price_output_gbp_per_m)
COUNTS = st.integers(0, 10**12)


def usage(prompt: int, candidates: int) -> TokenUsage:
    return {
        "prompt_token_count": prompt,
        "candidates_token_count": candidates,
        "total_token_count": prompt + candidates,
    }


@pytest.mark.parametrize(
    ("prompt", "candidates", "prices", "pounds"),
    [
        (1_000_000, 100_000, PRICES, 0.10151),
        (1_000_000, 0, PRICES, 0.07251),  # Half way.
        (1_000_000, 0, (0.100005, 0.0), 0.10001),  # Half way too, but the float is a little less.
        (0, 1_000_000, PRICES, 0.29002),
        (0, 0, PRICES, 0.0),
        (1, 0, (5.0, 0.0), 0.00001),  # Half of the last place.
        (1, 0, (4.999, 0.0), 0.0),
        (1_000_000, 0, (1e-05, 0.0), 0.00001),
        (10**12, 10**12, PRICES, 362_525.0),
        (1_000_000, 2_000_000, (0.1, 0.1), 0.3),
    ],
)
def test_tokens_cost_what_the_price_list_says(prompt, candidates, prices, pounds):
    assert estimated_cost_gbp(usage(prompt, candidates), *prices) == pounds


@given(COUNTS, COUNTS, st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_cost_is_the_exact_sum_rounded_once(prompt, candidates, price_in, price_out):
    exact = (prompt * Decimal(price_in) + candidates * Decimal(price_out)) / 10**6 / 10**6
    expected = float(exact.quantize(Decimal("0.00001"), ROUND_HALF_UP))
    assert estimated_cost_gbp(usage(prompt, candidates), price_in / 10**6, price_out / 10**6) == expected


def test_the_report_names_the_run_and_its_time_in_utc():
    tokens: TokenUsage = {**usage(1_000_000, 100_000), "total_token_count": 1_234_567}
    report = cost_report(
        timestamp=datetime(2025, 6, 10, 6, 5, 7, tzinfo=timezone(timedelta(hours=1))),
        run_id="20250610_050000_a1b2c3",
        mode="GLOBAL",
        units={"cams_attempted": 10, "cams_succeeded": 9},
        usage=tokens,
        price_input_gbp_per_m=PRICES[0],
        price_output_gbp_per_m=PRICES[1],
    )
    assert report == {
        "timestamp": "2025-06-10T05:05:07+00:00",
        "run_id": "20250610_050000_a1b2c3",
        "mode": "GLOBAL",
        "units": {"cams_attempted": 10, "cams_succeeded": 9},
        "usage": {
            "prompt_token_count": 1_000_000,
            "candidates_token_count": 100_000,
            "total_token_count": 1_234_567,
        },
        "estimated_cost_gbp": 0.10151,
    }
    assert list(report) == ["timestamp", "run_id", "mode", "units", "usage", "estimated_cost_gbp"]
