"""The job of market: everything of a month, or of a range of months, in one run."""

import dagster as dg

from assets.market.checks import ASSET_KEYS

build_market_month = dg.define_asset_job(
    "build_market_month",
    selection=dg.AssetSelection.assets(*ASSET_KEYS.values()),
    description="Make session_bars, training_table and month_statistics from a month's vendor file.",
)
