"""The partitions of market: calendar months, `YYYY-MM`."""

import dagster as dg

from assets.market.months import FIRST_MONTH

# The running month is included: its file grows by a download a day and can be made again each time.
months = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, fmt="%Y-%m", end_offset=1)
