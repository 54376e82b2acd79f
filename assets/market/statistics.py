"""month_statistics: counts, win rates, sessions and feature ranges of a month, as the published JSON.

Everything is taken from the published table and the selection summary in session_bars, so a month made in one
run and one made in three give the same text. Shares are fractions unless a name ends in `_percentage`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from assets.market.brackets import MODES, OUTCOMES
from assets.market.features import FEATURES
from assets.market.recipe import Fingerprint, Provenance
from assets.market.session_bars import SelectionSummary

_EXPECTED_ROWS_PER_DAY = 27_000


def month_statistics(
    month: str,
    table: pl.DataFrame,
    summary: SelectionSummary,
    provenance: Provenance,
    decay_reference_month: str,
) -> dict[str, Any]:
    """The content of the statistics file of a month."""
    return {
        "month": month,
        "rules": provenance.rules,
        "decay_reference_month": decay_reference_month,
        "statistics_available": True,
        "input": {
            "key": provenance.input_key,
            "etag": provenance.input_etag,
            "size_bytes": provenance.input_size,
            "records": summary.original_rows,
        },
        "fingerprint": {"config_digest": provenance.config_digest, "code_version": provenance.code_version},
        "pipeline_statistics": {
            "contract_filtering": _contract_filtering(summary),
            "rth_filtering": _rth_filtering(summary),
            "gap_filling": _gap_filling(summary),
            "labeling": labelling(table),
        },
        "sessions": [asdict(session) for session in summary.sessions],
        "features": {name: _feature(table[name]) for name in FEATURES},
    }


def to_json(statistics: Mapping[str, Any]) -> bytes:
    """UTF-8, sorted keys, two-space indent; a NaN is a defect and raises ValueError."""
    return (
        json.dumps(statistics, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    ).encode()


def published_fingerprint(statistics: Mapping[str, Any]) -> Fingerprint:
    """The fingerprint that a statistics file carries; raises KeyError when it is not one of ours."""
    return Fingerprint(
        input_etag=statistics["input"]["etag"],
        input_size=statistics["input"]["size_bytes"],
        config_digest=statistics["fingerprint"]["config_digest"],
        code_version=statistics["fingerprint"]["code_version"],
    )


def table_counts(table: pl.DataFrame) -> dict[str, Any]:
    """What the statistics file says of a table, as far as the table alone tells; nested as in the file."""
    sessions = table.group_by("session_date", maintain_order=True).agg(
        pl.col("contract").first(),
        pl.len().alias("rows"),
        pl.col("is_filled").sum().alias("added_rows"),
        pl.col("volume").sum(),
    )
    added = int(table["is_filled"].sum())
    return {
        "pipeline_statistics": {
            "labeling": labelling(table),
            "gap_filling": {
                "original_rows": table.height - added,
                "filled_rows": table.height,
                "added_rows": added,
                "trading_days": sessions.height,
            },
        },
        "sessions": sessions.with_columns(pl.col("session_date").cast(pl.String())).to_dicts(),
        "features": {name: {"nulls": table[name].null_count()} for name in FEATURES},
    }


def labelling(table: pl.DataFrame) -> dict[str, Any]:
    """Rows, columns and the label counts of every mode, counted from a table."""
    return {
        "total_rows": table.height,
        "total_columns": table.width,
        "modes": {mode: _mode(table, mode) for mode in MODES},
    }


def _mode(table: pl.DataFrame, mode: str) -> dict[str, Any]:
    weights = table[f"weight_{mode}"].to_numpy().astype(np.float64)
    is_winner = table[f"label_{mode}"].to_numpy() == 1
    winners = int(is_winner.sum())
    counts = dict(table[f"outcome_{mode}"].value_counts().iter_rows())
    return {
        "win_rate": winners / table.height,
        "winners": winners,
        "losers": table.height - winners,
        "avg_weight": _mean(weights),
        "avg_winner_weight": _mean(weights[is_winner]),
        "avg_loser_weight": _mean(weights[~is_winner]),
        "outcomes": {outcome: counts.get(outcome, 0) for outcome in OUTCOMES},
    }


def _feature(values: pl.Series) -> dict[str, Any]:
    # NumPy over one contiguous array: Polars' mean depends in its last digit on how the series is chunked.
    present = values.drop_nulls().to_numpy()
    return {
        "nulls": values.null_count(),
        "min": float(present.min()) if len(present) else None,
        "max": float(present.max()) if len(present) else None,
        "mean": _mean(present),
    }


def _contract_filtering(summary: SelectionSummary) -> dict[str, Any]:
    removed = summary.original_rows - summary.filtered_rows
    return {
        "original_rows": summary.original_rows,
        "original_dates": summary.original_dates,
        "filtered_rows": summary.filtered_rows,
        "filtered_dates": len(summary.sessions),
        "removed_rows": removed,
        "days_with_multiple_contracts": summary.days_with_multiple_contracts,
        "unmapped_rows": summary.unmapped_rows,
        "removal_percentage": 100 * removed / summary.original_rows,
    }


def _rth_filtering(summary: SelectionSummary) -> dict[str, Any]:
    outside = summary.filtered_rows - summary.rth_rows
    return {
        "original_rows": summary.filtered_rows,
        "rth_rows": summary.rth_rows,
        "eth_rows": outside,
        "removal_percentage": 100 * outside / summary.filtered_rows,
    }


def _gap_filling(summary: SelectionSummary) -> dict[str, Any]:
    rows = sum(session.rows for session in summary.sessions)
    return {
        "original_rows": summary.rth_rows,
        "filled_rows": rows,
        "added_rows": rows - summary.rth_rows,
        "trading_days": len(summary.sessions),
        "expected_rows_per_day": _EXPECTED_ROWS_PER_DAY,
        "expected_rows": summary.expected_rows,
        "avg_rows_per_day": rows / len(summary.sessions),
    }


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
