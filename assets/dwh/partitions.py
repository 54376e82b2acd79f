"""The partition of dwh: the local day, in the zone of the variable `DWH_TIMEZONE`."""

import os
from collections.abc import Mapping
from typing import Final

import dagster as dg

from assets.dwh.days import zone_of

FIRST_DAY: Final = "2025-01-01"
ZONE_VARIABLE: Final = "DWH_TIMEZONE"
DEFAULT_ZONE: Final = "America/Los_Angeles"


def configured_timezone(environ: Mapping[str, str]) -> str:
    """The IANA name in `DWH_TIMEZONE`; blank counts as unset, which is Los Angeles.

    Raises:
        ValueError: the text is no IANA name.
    """
    timezone = environ.get(ZONE_VARIABLE, "").strip() or DEFAULT_ZONE
    try:
        zone_of(timezone)
    except ValueError as error:
        raise ValueError(f"{ZONE_VARIABLE}: {error}") from None
    return timezone


def day_partitions(timezone: str) -> dg.DailyPartitionsDefinition:
    """The local days of a zone, the running one included: its first rows come minutes after midnight.

    Raises:
        ValueError: `timezone` is no IANA name.
    """
    zone_of(timezone)
    return dg.DailyPartitionsDefinition(start_date=FIRST_DAY, timezone=timezone, end_offset=1)


TIMEZONE: Final = configured_timezone(os.environ)
"""The zone of this process, read when it loads: all days, folders and sensors of a deployment share one."""

local_days = day_partitions(TIMEZONE)
