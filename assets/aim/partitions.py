"""The partition of aim: the run date, a calendar date in London."""

import dagster as dg

FIRST_RUN_DATE = "2025-01-01"
ZONE = "Europe/London"

# Today is a partition from midnight on: the runs of a day are for that day.
run_dates = dg.DailyPartitionsDefinition(start_date=FIRST_RUN_DATE, timezone=ZONE, end_offset=1)
