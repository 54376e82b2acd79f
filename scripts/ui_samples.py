"""Small inputs in a QUINTET_HOME for the tests of the UI and for its pictures, some with one thing wrong.

Not here: how inputs are made (`sample_data`), and the UI (`ui_session`).
"""

from pathlib import Path

from assets.market.months import BUCKET, raw_key
from scripts.sample_data.__main__ import main as sample_data


class SampleFailed(Exception):
    """An input could not be written."""


def market_month(home: Path, month: str, *, is_cut: bool = False) -> None:
    """The vendor file of a month; of a cut one the second half is missing."""
    bucket = home / "storage" / BUCKET
    _write("market", "--month", month, "--out", str(bucket))
    if is_cut:
        file = bucket / raw_key(month)
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])


def aim_day(home: Path, day: str) -> None:
    """Feeds, runlist, reference files and events of a run date."""
    _write("aim", "--date", day, "--out", str(home / "storage" / "aim"))


def dwh_day(home: Path, day: str, *, unreadable_lines: int = 0) -> None:
    """The raw records of a day and its extract of promotions, and lines that are no records."""
    bucket = home / "storage" / "dwh-data"
    _write("dwh", "--day", day, "--rows", "200", "--promotions", "20", "--out", str(bucket))
    if unreadable_lines:
        year, month, number = day.split("-")
        # The UTC day begins before noon in the zone of the records, and ends after it.
        hours = bucket / "raw_images" / f"year={year}" / f"month={month}" / f"day={number}" / "hour=20"
        prefix = min(hours.iterdir())
        (prefix / "unreadable.json").write_text("no record\n" * unreadable_lines)


def beam_case(home: Path, number: int) -> None:
    """A sound case that was delivered on one day, `QA0001` for 1."""
    folder = home / "storage" / "beam-logs"
    _write("beams", "--first", str(number), "--fractions", "1", "--out", str(folder))


def _write(*arguments: str) -> None:
    if sample_data(list(arguments)) != 0:
        raise SampleFailed(f"`python -m scripts.sample_data {' '.join(arguments)}` wrote nothing.")
