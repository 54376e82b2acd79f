"""Calendar months and the object keys of the market bucket.

A month is written `YYYY-MM`, as in the partition keys. Object keys are part of the contract with the
people who read the bucket; nothing else in the pipeline builds one.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

BUCKET = "es-1-second-data"
RAW_PREFIX = "raw-data/databento/"
FIRST_MONTH = "2010-07"

_MONTH_TEXT = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)
_RAW_NAME = re.compile(r"glbx-mdp3-(\d{4})(\d{2})01-\d{8}\.ohlcv-1s\.dbn\.zst", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Month:
    """A calendar month; prints as `YYYY-MM`."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read `YYYY-MM`; raises ValueError for anything else."""
        match = _MONTH_TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"'{text}' is not a month; write it as YYYY-MM, for example 2025-10")
        return cls(int(match[1]), int(match[2]))

    @property
    def ordinal(self) -> int:
        """Months since year 0, so that differences count whole calendar months."""
        return self.year * 12 + self.month - 1

    @property
    def last_day(self) -> int:
        """The number of its last day, 28 to 31."""
        return calendar.monthrange(self.year, self.month)[1]

    def plus(self, months: int) -> "Month":
        """The month that many months later, or earlier when negative."""
        year, index = divmod(self.ordinal + months, 12)
        return Month(year, index + 1)


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Every month from `first` to `last`, both included; none when they are in the wrong order."""
    return (first.plus(step) for step in range(last.ordinal - first.ordinal + 1))


def raw_key(month: str) -> str:
    """Key of the vendor file of a month."""
    m = Month.parse(month)
    days = f"{m.year:04d}{m.month:02d}01-{m.year:04d}{m.month:02d}{m.last_day:02d}"
    return f"{RAW_PREFIX}glbx-mdp3-{days}.ohlcv-1s.dbn.zst"


def month_of_raw_key(key: str) -> str | None:
    """The month that a key of the raw prefix holds, or None when it is not a vendor month."""
    match = _RAW_NAME.fullmatch(key.removeprefix(RAW_PREFIX))
    if match is None or not 1 <= int(match[2]) <= 12:
        return None
    month = f"{match[1]}-{match[2]}"
    return month if raw_key(month) == key else None


def session_bars_key(month: str) -> str:
    """Key of the session_bars of a month."""
    return f"processed-data/session-bars/{_folder(month)}/session_bars_{month}.parquet"


def training_table_key(month: str) -> str:
    """Key of the training table of a month."""
    return f"processed-data/monthly/{_folder(month)}/monthly_{month}.parquet"


def statistics_key(month: str) -> str:
    """Key of the statistics of a month."""
    return f"processed-data/monthly/{_folder(month)}/statistics/monthly_{month}_statistics.json"


def _folder(month: str) -> str:
    m = Month.parse(month)
    return f"{m.year:04d}/{m.month:02d}"
