"""One local vendor file to one local training table: the month's own code on a store of two files."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from assets.failures import PermanentFailure
from assets.market.dbn import read_dbn
from assets.market.month import MonthOutcome, MonthRequest, make_month
from assets.market.months import FIRST_MONTH, RAW_PREFIX, month_of_raw_key, raw_key, training_table_key
from assets.market.recipe import Recipe
from assets.market.session_calendar import CHICAGO
from scripts.whole_file import whole_file


@dataclass(frozen=True, slots=True)
class _StoredFile:
    size: int
    etag: str


class _TwoFiles:
    """The store that `make_month` sees: the input under the month's raw key, and a place for the table."""

    def __init__(self, month: str, data: bytes, output: Path) -> None:
        self._month = month
        self._data = data
        self._output = output

    def head(self, bucket: str, key: str) -> _StoredFile | None:
        return self._stored(self._data) if key == raw_key(self._month) else None

    def read_bytes(self, bucket: str, key: str) -> bytes:
        return self._data

    def read_range(self, bucket: str, key: str, start: int, length: int) -> bytes:
        raise NotImplementedError("a month of a single file is made from nothing published")

    def put_bytes(self, bucket: str, key: str, data: bytes) -> _StoredFile:
        if key == training_table_key(self._month):
            with whole_file(self._output) as unfinished:
                unfinished.write_bytes(data)
        return self._stored(data)

    def uri(self, bucket: str, key: str) -> str:
        return key

    @staticmethod
    def _stored(data: bytes) -> _StoredFile:
        return _StoredFile(len(data), hashlib.md5(data, usedforsecurity=False).hexdigest())


def make_single_file(source: Path, output: Path, recipe: Recipe) -> MonthOutcome:
    """Make the training table of a vendor file that lies outside every store.

    The month is the one in the vendor's file name, or for other names the one of its middle bar.

    Raises:
        PermanentFailure: the file is refused; the output stays as it was.
    """
    data = source.read_bytes()
    month = month_of_raw_key(RAW_PREFIX + source.name) or _month_of_middle_bar(data, source.name)
    if month < FIRST_MONTH:
        raise PermanentFailure(
            f"{source}: its bars lie in {month}, and months begin with {FIRST_MONTH}; choose a later file"
        )
    request = MonthRequest(month, recipe, frozenset({"session_bars", "training_table"}))
    outcome = make_month(_TwoFiles(month, data, output), request)
    if outcome.refusal:
        raise PermanentFailure(f"{source}: {outcome.refusal}")
    return outcome


def _month_of_middle_bar(data: bytes, name: str) -> str:
    records = read_dbn(data, name).records
    if not len(records):
        raise PermanentFailure(f"{name}: the file holds no bar at all; download it again")
    middle = int(records["ts_event"][len(records) // 2])
    return datetime.fromtimestamp(middle // 1_000_000_000, CHICAGO).strftime("%Y-%m")
