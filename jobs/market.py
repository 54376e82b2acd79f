"""The job of market: everything of a month, or of a range of months, in one run."""

import dagster as dg

from assets.market.checks import ASSET_KEYS
from assets.market.partitions import months

build_market_month = dg.define_asset_job(
    "build_market_month",
    selection=dg.AssetSelection.assets(*ASSET_KEYS.values()),
    partitions_def=months,
    description="Make session_bars, training_table and month_statistics from a month's vendor file.",
)
