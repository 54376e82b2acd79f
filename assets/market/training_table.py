"""training_table: the published table of 82 columns, and its Parquet form.

The first 61 columns are the ones that models were trained on; the rest say how each label came about.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Final

import numpy as np
import polars as pl

from assets.market.brackets import MODES, OUTCOMES
from assets.market.features import FEATURES, FLAG_FEATURES, Columns
from assets.market.labels import Labels
from assets.market.session_bars import MonthBars

ROW_GROUP_ROWS: Final = 50_000
"""Rows of a Parquet row group at most: about half an hour of a session, so that a reader can skip by time."""

_BAR_COLUMNS: Final = ("timestamp", "open", "high", "low", "close", "volume")
_EXTRA_BAR_COLUMNS: Final = ("session_date", "contract", "is_filled")
_OUTCOME: Final = pl.Enum(OUTCOMES)


def _schema() -> dict[str, pl.DataType]:
    price = pl.Float64()
    schema: dict[str, pl.DataType] = {"timestamp": pl.Datetime("us", "UTC")}
    schema |= dict.fromkeys(("open", "high", "low", "close"), price) | {"volume": pl.Int64()}
    for mode in MODES:
        schema |= {f"label_{mode}": pl.Int8(), f"weight_{mode}": pl.Float32()}
    schema |= {name: pl.Int32() if name in FLAG_FEATURES else pl.Float64() for name in FEATURES}
    schema |= {"session_date": pl.Date(), "contract": pl.String(), "is_filled": pl.Boolean()}
    for mode in MODES:
        schema |= {
            f"outcome_{mode}": _OUTCOME,
            f"mae_ticks_{mode}": pl.Int32(),
            f"seconds_to_exit_{mode}": pl.Int32(),
        }
    return schema


SCHEMA: Final[Mapping[str, pl.DataType]] = _schema()


def assemble(bars: MonthBars, labels: Labels, weights: np.ndarray, features: Columns) -> pl.DataFrame:
    """Join the parts of a month, schema `SCHEMA`, ascending in time."""
    frame = bars.to_frame()
    columns: dict[str, pl.Series | np.ndarray] = {name: frame[name] for name in _BAR_COLUMNS}
    for row, mode in enumerate(MODES):
        columns |= {f"label_{mode}": labels.is_winner[row].astype(np.int8), f"weight_{mode}": weights[row]}
    columns |= {name: _nullable(name, features[name]) for name in FEATURES}
    columns |= {name: frame[name] for name in _EXTRA_BAR_COLUMNS}
    for row, mode in enumerate(MODES):
        columns |= {
            f"outcome_{mode}": pl.Series(labels.outcome[row]).cast(pl.UInt8).cat.to(_OUTCOME),
            f"mae_ticks_{mode}": _where_touched(labels.mae_ticks[row]),
            f"seconds_to_exit_{mode}": _where_touched(labels.exit_seconds[row]),
        }
    return pl.DataFrame(columns)


def to_parquet(frame: pl.DataFrame, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a published table; equal frames and metadata give equal bytes."""
    target = BytesIO()
    frame.rechunk().write_parquet(
        target, compression="zstd", statistics=True, row_group_size=ROW_GROUP_ROWS, metadata=dict(metadata)
    )
    return target.getvalue()


def _nullable(name: str, values: np.ndarray) -> pl.Series:
    return pl.Series(values) if name in FLAG_FEATURES else pl.Series(values).fill_nan(None)


def _where_touched(values: np.ndarray) -> pl.Series:
    series = pl.Series(values)
    return series.set(series < 0, None)
