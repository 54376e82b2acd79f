"""Takes bars through labels, weights, features, table and statistics, as `month` does with a vendor file."""

from datetime import date, datetime
from functools import cache

import numpy as np
import polars as pl

from assets.market import training_table
from assets.market.claims import JudgedMonth
from assets.market.features import compute_features
from assets.market.labels import label_rows
from assets.market.recipe import CODE_VERSION, Provenance, Recipe, Rules
from assets.market.session_bars import MonthBars
from assets.market.session_calendar import CHICAGO, session_on
from assets.market.statistics import month_statistics
from assets.market.weights import decay, weigh
from tests.assets.market.bars import Stretch, month_bars, stretch, wave

EARLY_CLOSE = "2025-04-18"
"""A session of 2,700 seconds, the shortest there are."""


def provenance_of(bars: MonthBars) -> Provenance:
    """That of an imaginary vendor file."""
    return Provenance(
        "raw-data/a.dbn.zst", "an-etag", 1234, bars.rules, Recipe(bars.rules).digest, CODE_VERSION
    )


def table_of(bars: MonthBars, month_decay: float = 1.0) -> pl.DataFrame:
    """The training table of a month."""
    labels = label_rows(bars)
    return training_table.assemble(bars, labels, weigh(labels, month_decay), compute_features(bars))


def judged(bars: MonthBars, month: str = "2025-04", reference: str = "2025-10") -> JudgedMonth:
    """A month as it is judged before it is published."""
    reference = month if bars.rules == "compat" else reference
    table = table_of(bars, decay(month, reference))
    return JudgedMonth(
        month=month,
        bars=bars,
        session_bars=bars.to_frame(),
        decay_reference_month=reference,
        table=table,
        statistics=month_statistics(month, table, bars.summary, provenance_of(bars), reference),
    )


def until_close(bars: np.ndarray, day: str) -> Stretch:
    """A session that starts late, with its first trade, and ends with the close of its day."""
    session = session_on(date.fromisoformat(day))
    assert session is not None
    start = datetime.fromtimestamp(session.closes_at - len(bars), CHICAGO)
    return stretch(bars, f"{start:%Y-%m-%dT%H:%M:%S}", base=0)


@cache
def judged_wave(rules: Rules = "strict") -> JudgedMonth:
    """Two sessions of 27,000 seconds and one that closes early, which compat does not know."""
    whole = wave(27_000).bars
    days = [stretch(whole, f"2025-04-{day}T07:30:00", base=0) for day in (16, 17)]
    last = until_close(whole[:2700], EARLY_CLOSE)
    if rules == "compat":
        last = stretch(whole, f"{EARLY_CLOSE}T07:30:00", base=0)
    return judged(month_bars(*days, last, rules=rules))
