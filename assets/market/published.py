"""The published objects of a month: reading them back, and telling whether they are current.

A month is done when all three objects carry the fingerprint that would be computed now.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, Literal, Protocol

import polars as pl

from assets.failures import PermanentFailure
from assets.market.claims import TableName
from assets.market.months import BUCKET, Month, raw_key, session_bars_key, statistics_key, training_table_key
from assets.market.recipe import Change, Fingerprint, Provenance, Recipe
from assets.market.session_bars import MonthBars, SelectionSummary
from assets.market.statistics import published_fingerprint

SUMMARY_KEY: Final = "quintet.selection"
DECAY_KEY: Final = "quintet.decay_reference_month"

_COLUMNS_AT_A_TIME: Final = 8

# A month of 621,000 rows in 82 columns has a footer of 0.1 MB.
_USUAL_FOOTER_SIZE: Final = 256 * 1024

OBJECT_KEYS: Final[Mapping[TableName, Callable[[str], str]]] = {
    "session_bars": session_bars_key,
    "training_table": training_table_key,
    "month_statistics": statistics_key,
}

MonthState = Literal["done", "missing input", "not processed"] | Change


class StoredObject(Protocol):
    """What the pipeline needs to know of an object."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def etag(self) -> str:
        """The store's name for the content; another content has another one."""
        ...


class Store(Protocol):
    """What the pipeline needs of an object store; `resources.object_store` provides it."""

    def head(self, bucket: str, key: str) -> StoredObject | None:
        """What is known of an object, or None where there is none."""
        ...

    def read_bytes(self, bucket: str, key: str) -> bytes:
        """The whole content."""
        ...

    def read_range(self, bucket: str, key: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`, where a negative `start` counts from the end."""
        ...

    def put_bytes(self, bucket: str, key: str, data: bytes) -> StoredObject:
        """Replace the object as a whole, and say what was written."""
        ...

    def uri(self, bucket: str, key: str) -> str:
        """The object's place as people write it."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table as it lies in the store, with what its metadata says."""

    frame: pl.DataFrame
    metadata: Mapping[str, str]

    @property
    def provenance(self) -> Provenance:
        """Where the table came from; raises KeyError or ValueError when it is not one of ours."""
        return Provenance.from_metadata(self.metadata)


def month_state(
    store: Store, month: str, recipe: Recipe, *, input_now: StoredObject | None = None
) -> MonthState:
    """Whether a month has to be made again for this recipe, and why.

    A caller that has just listed the vendor file saves a look by giving it as `input_now`.
    """
    found = input_now or store.head(BUCKET, raw_key(month))
    if found is None:
        return "missing input"
    wanted = Fingerprint(found.etag, found.size, recipe.digest)
    for published in _published_fingerprints(store, month):
        if published is None:
            return "not processed"
        difference = wanted.difference(published)
        if difference:
            return difference
    return "done"


def read_session_bars(store: Store, month: str) -> PublishedTable:
    """The published session_bars of a month. Raises PermanentFailure when there are none of ours."""
    return _read_table(
        store, session_bars_key(month), SUMMARY_KEY, f"materialise market/session_bars of {month}"
    )


def session_bars_of(table: PublishedTable) -> MonthBars:
    """The bars of a session_bars table."""
    summary = SelectionSummary.from_json(table.metadata[SUMMARY_KEY])
    return MonthBars.from_frame(table.frame, table.provenance.rules, summary)


def read_training_table(store: Store, month: str) -> PublishedTable:
    """The published training table of a month. Raises PermanentFailure when there is none of ours."""
    return _read_table(
        store, training_table_key(month), DECAY_KEY, f"materialise market/training_table of {month}"
    )


def read_statistics(store: Store, month: str) -> Mapping[str, Any] | None:
    """The published statistics of a month, None where there are none (or none of ours)."""
    try:
        statistics = json.loads(store.read_bytes(BUCKET, statistics_key(month)))
        published_fingerprint(statistics)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return statistics


def decoded(data: bytes) -> PublishedTable:
    """A table from its Parquet bytes."""
    return PublishedTable(pl.read_parquet(BytesIO(data)), pl.read_parquet_metadata(BytesIO(data)))


def verified(frame: pl.DataFrame, data: bytes) -> PublishedTable:
    """The table in `data`, after every column was read back from it and found equal to the frame's.

    Raises RuntimeError when one is not. A few columns at a time: all at once take 0.2 GB more at the peak.
    """
    names = frame.columns
    parts = [names[start : start + _COLUMNS_AT_A_TIME] for start in range(0, len(names), _COLUMNS_AT_A_TIME)]
    is_equal = list(pl.read_parquet_schema(BytesIO(data))) == names and all(
        _is_same(pl.read_parquet(BytesIO(data), columns=part), frame.select(part)) for part in parts
    )
    if not is_equal:
        raise RuntimeError("a table does not read back from its Parquet bytes as it was written")
    return PublishedTable(frame, pl.read_parquet_metadata(BytesIO(data)))


def _is_same(written: pl.DataFrame, meant: pl.DataFrame) -> bool:
    return written.schema == meant.schema and written.equals(meant)


def table_metadata(store: Store, key: str) -> Mapping[str, str] | None:
    """The metadata in a table's Parquet footer, read without its rows; None where it is no table of ours."""
    try:
        metadata = pl.read_parquet_metadata(BytesIO(_footer(store, key)))
        Provenance.from_metadata(metadata)
    except (FileNotFoundError, pl.exceptions.PolarsError, KeyError, ValueError):
        return None
    return metadata


def _footer(store: Store, key: str) -> bytes:
    """The end of a Parquet file from its footer on; the footer's length stands before the last four bytes."""
    tail = store.read_range(BUCKET, key, -_USUAL_FOOTER_SIZE, _USUAL_FOOTER_SIZE)
    size = int.from_bytes(tail[-8:-4], "little") + 8
    return tail if size <= len(tail) else store.read_range(BUCKET, key, -size, size)


def object_infos(store: Store, month: str) -> dict[TableName, StoredObject]:
    """The published objects of a month that exist."""
    found: dict[TableName, StoredObject] = {}
    for table, key in OBJECT_KEYS.items():
        info = store.head(BUCKET, key(month))
        if info is not None:
            found[table] = info
    return found


def neighbours(store: Store, month: str) -> dict[str, Mapping[str, Any]]:
    """The published statistics of the months before and after, as far as there are any."""
    months = (str(Month.parse(month).plus(step)) for step in (-1, 1))
    return {
        neighbour: found for neighbour in months if (found := read_statistics(store, neighbour)) is not None
    }


def _read_table(store: Store, key: str, own_key: str, remedy: str) -> PublishedTable:
    """Read a table whose metadata holds its provenance and the entry `own_key`."""
    if store.head(BUCKET, key) is None:
        raise PermanentFailure(f"{store.uri(BUCKET, key)}: there is no such object; {remedy} first")
    data = store.read_bytes(BUCKET, key)
    try:
        table = decoded(data)
        Provenance.from_metadata(table.metadata)
        if own_key not in table.metadata:
            raise KeyError(own_key)
    except (pl.exceptions.PolarsError, KeyError, ValueError) as error:
        raise PermanentFailure(
            f"{store.uri(BUCKET, key)}: no table of ours, for it does not say how it was made ({error}); "
            f"{remedy} again"
        ) from error
    return table


def _published_fingerprints(store: Store, month: str) -> list[Fingerprint | None]:
    statistics = read_statistics(store, month)
    if statistics is None:
        return [None]
    tables = (_table_fingerprint(store, key) for key in (training_table_key(month), session_bars_key(month)))
    return [published_fingerprint(statistics), *tables]


def _table_fingerprint(store: Store, key: str) -> Fingerprint | None:
    """The fingerprint that a table carries; None where there is no table of ours."""
    metadata = table_metadata(store, key)
    return None if metadata is None else Provenance.from_metadata(metadata).fingerprint
