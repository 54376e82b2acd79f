"""Sample weights: winners by how clean and how quick they were, every row by the age of its month.

quality = clip(2 - 1.5 * MAE / stop, 0.5, 2), velocity = clip(2 - 1.5 * (seconds - 300) / 600, 0.5, 2),
decay = exp(-0.05 * months before the reference month). A winner weighs quality * velocity * decay, any other
row decay.
"""

import math

import numpy as np
import numpy.typing as npt

from assets.market.brackets import BRACKETS
from assets.market.labels import Labels
from assets.market.months import Month

_DECAY_PER_MONTH = 0.05


def quality(mae_ticks: npt.ArrayLike, stop_ticks: int) -> npt.NDArray[np.float64]:
    """2 for a trade that never went against the entry, down to 0.5 for one that nearly stopped out."""
    return np.clip(2 - 1.5 * np.asarray(mae_ticks) / stop_ticks, 0.5, 2)


def velocity(exit_seconds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """2 for every exit within 300 s, down to 0.5 for 900 s."""
    return np.clip(2 - 1.5 * (np.asarray(exit_seconds) - 300) / 600, 0.5, 2)


def decay(month: str, reference_month: str) -> float:
    """Weight of a month relative to the reference month; above 1 for a later month.

    Not clamped, so the ratio of two months is the same for every reference.
    """
    months_ago = Month.parse(reference_month).ordinal - Month.parse(month).ordinal
    return math.exp(-_DECAY_PER_MONTH * months_ago)


def weigh(labels: Labels, month_decay: float) -> npt.NDArray[np.float32]:
    """Weights of shape (brackets, rows), computed in float64."""
    weights = np.full(labels.outcome.shape, month_decay)
    for row, bracket in enumerate(BRACKETS):
        won = labels.is_winner[row]
        mae, seconds = labels.mae_ticks[row, won], labels.exit_seconds[row, won]
        weights[row, won] = quality(mae, bracket.stop_ticks) * velocity(seconds) * month_decay
    return weights.astype(np.float32)
