"""Selection: which records of a vendor file are the bars of each session.

Symbols are resolved through the header's mappings, records are cut into Chicago dates, each session gets its
contract, and the chosen bars are validated. The seconds without a trade are the business of `session_bars`.

Under `compat` every Chicago date on which the busiest raw symbol has a bar between 07:30 and 15:00 is a
session of 27,000 seconds, spreads and holidays included, as the predecessor had it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.failures import PermanentFailure
from assets.market.contracts import ContractChoice, choose_contracts, contract_of, is_contract
from assets.market.dbn import UNDEFINED_PRICE, VendorFile
from assets.market.months import Month
from assets.market.recipe import Recipe
from assets.market.session_calendar import CHICAGO, NORMAL_CLOSE, Session, midnights, session_on

NANOSECONDS = 1_000_000_000
TICK = 250_000_000
"""One tick of 0.25 points in the vendor's price unit of 1e-9."""

# Codes of records without a label: spreads and other foreign symbols, and ids that the header does not map.
_FOREIGN = -1
_UNMAPPED = -2
_UTC_DAY = 86_400

# A bar's volume fits 32 bits by far. Up to here a month's sums of it, and of price times volume over the
# 300 seconds of a feature window, stay exact in 64 bits.
_LARGEST_VOLUME = 2**32 - 1

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ChosenBars:
    """The bars of one session's contract over its whole Chicago date, ascending in time.

    `records` are positions in the vendor file, `seconds` the starts of the bars in UTC epoch seconds.
    """

    session: Session
    choice: ContractChoice
    records: Integers
    seconds: Integers
    duplicates_dropped: int


@dataclass(frozen=True, slots=True)
class FileCounts:
    """What a vendor file held beyond the chosen bars."""

    original_rows: int
    original_dates: int
    days_with_multiple_contracts: int
    unmapped_rows: int
    bars_on_closed_days: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen bars of every session of a month, in order, and what else the file held."""

    sessions: tuple[ChosenBars, ...]
    counts: FileCounts


def select_bars(file: VendorFile, month: Month, recipe: Recipe) -> Selection:
    """Choose and validate the bars of every session of a month.

    Raises:
        PermanentFailure: the file holds no session of the month, or a bar breaks a rule of the format.
    """
    compat = recipe.rules == "compat"
    bars = _label(file, compat=compat)
    bars.refuse_impossible_volumes()
    if not compat:
        bars = bars.without_duplicates(keep_last=recipe.duplicates == "last")
    dates = [date(month.year, month.month, number) for number in range(1, month.last_day + 1)]
    days = [_Day(bars, day, Session(day, NORMAL_CLOSE) if compat else session_on(day)) for day in dates]
    sessions = _compat_sessions(days) if compat else _strict_sessions(bars, days)
    if not sessions:
        raise PermanentFailure(_nothing_chosen(bars, month))
    for session in sessions:
        _refuse_impossible_prices(file, session)
    traded = {session.session.date for session in sessions}
    counts = FileCounts(
        original_rows=len(file.records),
        original_dates=_count_chicago_dates(bars.seconds),
        days_with_multiple_contracts=sum(len(day.outrights) > 1 for day in days if day.date in traded),
        unmapped_rows=int((bars.codes == _UNMAPPED).sum()),
        bars_on_closed_days={
            str(day.date): count
            for day in days
            if session_on(day.date) is None and (count := day.bars_in_core_hours())
        },
    )
    return Selection(sessions, counts)


@dataclass(frozen=True, slots=True)
class _LabelledBars:
    """Records in time order: their seconds, positions in the file, and codes into `labels`.

    A label is what competes for a session: the contract, or under compat the raw symbol.
    """

    file: VendorFile
    seconds: Integers
    records: Integers
    volumes: Integers
    codes: npt.NDArray[np.int32]
    labels: tuple[str, ...]
    dropped: Integers  # seconds of the records dropped as duplicates, ascending

    def refuse_impossible_volumes(self) -> None:
        """Judge the volume of every bar that competes for a session, for it decides which one wins."""
        impossible = (self.codes >= 0) & ((self.volumes < 0) | (self.volumes > _LARGEST_VOLUME))
        if not impossible.any():
            return
        row = int(impossible.argmax())
        record = int(self.records[row])
        raise PermanentFailure(
            f"{self.file.name}: record {record + 1:,} ({self.labels[self.codes[row]]} at "
            f"{_utc_text(int(self.seconds[row]))}) has the volume {self.file.records['volume'][record]:,}, "
            f"{_LARGEST_VOLUME:,} is the largest possible; download it again"
        )

    def without_duplicates(self, *, keep_last: bool) -> "_LabelledBars":
        """Refuse, or drop all but the last in file order, of the records of one contract and second."""
        repeated = np.zeros(len(self.seconds), dtype=np.bool_)
        for code in range(len(self.labels)):
            rows = np.flatnonzero(self.codes == code)
            again = np.flatnonzero(np.diff(self.seconds[rows]) == 0)
            repeated[rows[again]] = True
        if not repeated.any():
            return self
        if not keep_last:
            raise PermanentFailure(self._duplicates_found(repeated))
        kept = ~repeated
        return replace(
            self,
            seconds=self.seconds[kept],
            records=self.records[kept],
            volumes=self.volumes[kept],
            codes=self.codes[kept],
            dropped=self.seconds[repeated],
        )

    def _duplicates_found(self, repeated: npt.NDArray[np.bool_]) -> str:
        first = int(repeated.argmax())
        second, code = self.seconds[first], self.codes[first]
        copies = int(((self.seconds == second) & (self.codes == code)).sum())
        return (
            f"{self.file.name}: {self.labels[code]} has {copies} records for the second {_utc_text(second)}, "
            f"one is the rule ({int(repeated.sum()):,} surplus records in the file); download it again, or "
            "set duplicates to 'last' to keep the later ones"
        )


def _label(file: VendorFile, *, compat: bool) -> _LabelledBars:
    timestamps = np.ascontiguousarray(file.records["ts_event"]).view(np.int64)
    if len(timestamps) and timestamps.min() < 0:
        raise PermanentFailure(
            f"{file.name}: record {timestamps.argmin() + 1:,} has an undefined ts_event; download it again"
        )
    seconds = timestamps // NANOSECONDS
    records = np.arange(len(seconds))
    if (seconds[1:] < seconds[:-1]).any():
        records = seconds.argsort(kind="stable")
        seconds = seconds[records]
    volumes = file.records["volume"][records].view(np.int64)
    codes, labels = _label_codes(file, seconds, records, compat=compat)
    return _LabelledBars(file, seconds, records, volumes, codes, labels, dropped=np.empty(0, dtype=np.int64))


def _label_codes(
    file: VendorFile, seconds: Integers, records: Integers, *, compat: bool
) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Resolve (instrument id, UTC date) through the mappings, with one small table per date."""
    instruments = np.ascontiguousarray(file.records["instrument_id"])[records]
    known = np.sort(pl.Series(instruments).unique().to_numpy())
    index = known.searchsorted(instruments)
    ids = dict.fromkeys(known.tolist())
    codes = np.empty(len(seconds), dtype=np.int32)
    labels: dict[str, int] = {}
    start = 0
    while start < len(seconds):
        midnight = int(seconds[start]) // _UTC_DAY * _UTC_DAY
        stop = int(seconds.searchsorted(midnight + _UTC_DAY))
        on = datetime.fromtimestamp(midnight, UTC).date()
        symbols = _symbols_on(file, on, ids)
        table = [_code(symbols.get(instrument), on, labels, compat=compat) for instrument in ids]
        codes[start:stop] = np.array(table, dtype=np.int32)[index[start:stop]]
        start = stop
    return codes, tuple(labels)


def _symbols_on(file: VendorFile, on: date, ids: Collection[int]) -> dict[int, str]:
    symbols: dict[int, str] = {}
    for mapping in file.mappings:
        if mapping.instrument_id not in ids or not mapping.first <= on < mapping.end:
            continue
        symbol = symbols.setdefault(mapping.instrument_id, mapping.raw_symbol)
        if symbol != mapping.raw_symbol:
            raise PermanentFailure(
                f"{file.name}: the header maps instrument {mapping.instrument_id} on {on} to both {symbol} "
                f"and {mapping.raw_symbol}; download it again"
            )
    return symbols


def _code(raw_symbol: str | None, on: date, labels: dict[str, int], *, compat: bool) -> int:
    if raw_symbol is None:
        return _UNMAPPED
    label = raw_symbol if compat else contract_of(raw_symbol, on)
    return _FOREIGN if label is None else labels.setdefault(label, len(labels))


class _Day:
    """The records of one Chicago date, positions in the time order of all records."""

    def __init__(self, bars: _LabelledBars, day: date, session: Session | None) -> None:
        self.date = day
        self.session = session
        self._bars = bars
        self._start, self._stop = (int(row) for row in bars.seconds.searchsorted(midnights(day)))
        self._codes = bars.codes[self._start : self._stop]
        self._seconds = bars.seconds[self._start : self._stop]
        volumes = bars.volumes[self._start : self._stop]
        self.volumes: dict[str, int] = {}
        for code in np.unique(self._codes[self._codes >= 0]):
            self.volumes[bars.labels[code]] = int(volumes[self._codes == code].sum())

    @property
    def outrights(self) -> set[str]:
        """The contracts among the labels that traded on the date."""
        return {
            contract
            for label in self.volumes
            if (contract := label if is_contract(label) else contract_of(label, self.date))
        }

    def labels_in_session(self) -> set[str]:
        """Labels with a bar inside the session's seconds; refuses unmapped records there."""
        if self.session is None:
            return set()
        codes = self._codes[self._inside(self.session)]
        unmapped = int((codes == _UNMAPPED).sum())
        if unmapped:
            raise PermanentFailure(self._unmapped_found(self.session, unmapped))
        return {self._bars.labels[code] for code in np.unique(codes[codes >= 0])}

    def bars_in_core_hours(self) -> int:
        """Bars of any label between 07:30 and 15:00 CT, the hours of an unshortened session."""
        return int((self._codes[self._inside(Session(self.date, NORMAL_CLOSE))] >= 0).sum())

    def chosen(self, label: str, choice: ContractChoice, session: Session) -> ChosenBars:
        rows = np.flatnonzero(self._codes == self._bars.labels.index(label))
        first, end = self._bars.dropped.searchsorted(midnights(self.date))
        return ChosenBars(
            session=session,
            choice=choice,
            records=self._bars.records[self._start + rows],
            seconds=self._seconds[rows],
            duplicates_dropped=int(end - first),
        )

    def _inside(self, session: Session) -> slice:
        return slice(*(int(row) for row in self._seconds.searchsorted([session.opens_at, session.closes_at])))

    def _unmapped_found(self, session: Session, count: int) -> str:
        inside = self._inside(session)
        row = self._start + inside.start + int((self._codes[inside] == _UNMAPPED).argmax())
        record = int(self._bars.records[row])
        instrument = self._bars.file.records["instrument_id"][record]
        return (
            f"{self._bars.file.name}: instrument {instrument} (record {record + 1:,}) has no symbol in the "
            f"header, bars without one in the session of {self.date}: {count:,}; download it again with its "
            "symbol mappings"
        )


def _strict_sessions(bars: _LabelledBars, days: list[_Day]) -> tuple[ChosenBars, ...]:
    present = [
        (day, day.session, labels) for day in days if day.session and (labels := day.labels_in_session())
    ]
    choices = choose_contracts([day.volumes for day, _, _ in present])
    for (day, _, labels), choice in zip(present, choices, strict=True):
        if choice.contract not in labels:
            raise PermanentFailure(
                f"{bars.file.name}: the contract of {day.date} is {choice.contract}, which has no bar in the "
                f"session, while {', '.join(sorted(labels))} has; check the file's symbol mappings"
            )
    return tuple(
        day.chosen(choice.contract, choice, session)
        for (day, session, _), choice in zip(present, choices, strict=True)
    )


def _compat_sessions(days: list[_Day]) -> tuple[ChosenBars, ...]:
    sessions: list[ChosenBars] = []
    previous: str | None = None
    for day in days:
        labels = day.labels_in_session()
        ranking = sorted(day.volumes, key=lambda symbol: (-day.volumes[symbol], symbol))
        if day.session is None or not ranking or ranking[0] not in labels:
            continue
        names = [contract_of(symbol, day.date) or symbol for symbol in ranking]
        choice = ContractChoice(
            contract=names[0],
            volume=day.volumes[ranking[0]],
            runner_up=names[1] if len(names) > 1 else None,
            runner_up_volume=day.volumes[ranking[1]] if len(names) > 1 else None,
            by_previous_session_volume=previous or names[0],
        )
        sessions.append(day.chosen(ranking[0], choice, day.session))
        previous = names[0]
    return tuple(sessions)


def _refuse_impossible_prices(file: VendorFile, chosen: ChosenBars) -> None:
    """Judge every bar of a session's contract on its date.

    A spread, which only compat takes, may be negative or off the grid.
    """
    bars = file.records[chosen.records]
    opens, highs, lows, closes = (bars[name] for name in ("open", "high", "low", "close"))
    prices = np.stack([opens, highs, lows, closes])
    rules = {
        "an undefined price": (prices == UNDEFINED_PRICE).any(axis=0),
        "open, high, low and close out of order": (highs < np.maximum(opens, closes))
        | (lows > np.minimum(opens, closes)),
        "a start that is no whole second": bars["ts_event"] % NANOSECONDS != 0,
    }
    if is_contract(chosen.choice.contract):
        rules["a zero or negative price"] = (prices <= 0).any(axis=0)
        rules["a price off the 0.25 grid"] = (prices % TICK != 0).any(axis=0)
    for rule, broken in rules.items():
        if broken.any():
            row = int(broken.argmax())
            record, second = int(chosen.records[row]), _utc_text(int(chosen.seconds[row]))
            raise PermanentFailure(
                f"{file.name}: record {record + 1:,} ({chosen.choice.contract} at {second}) has {rule}: open "
                f"{opens[row]}, high {highs[row]}, low {lows[row]}, close {closes[row]} in units of 1e-9; "
                "download it again"
            )


def _nothing_chosen(bars: _LabelledBars, month: Month) -> str:
    if not len(bars.seconds):
        return f"{bars.file.name}: the file holds no bar at all; download {month} again"
    span = f"{_utc_text(int(bars.seconds[0]))} to {_utc_text(int(bars.seconds[-1]))}"
    if not bars.labels:
        return (
            f"{bars.file.name}: none of its {len(bars.seconds):,} bars ({span}) belongs to an ES outright, "
            "all are spreads, other or unknown symbols; request the parent symbol ES.FUT"
        )
    return (
        f"{bars.file.name}: no bar of {', '.join(sorted(bars.labels)[:4])} lies in a session of {month}, its "
        f"bars run from {span}; put the file of that month in its place"
    )


def _count_chicago_dates(seconds: Integers) -> int:
    # Chicago's offset is a whole number of hours, so one look-up an hour is enough.
    hours = pl.Series(seconds // 3600).unique()
    return len({datetime.fromtimestamp(hour * 3600, CHICAGO).date() for hour in hours})


def _utc_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
