"""One raw line in plain Python: the transformed record that comes of it, or the one reason why none does.

This is the rule itself. The frames of a whole run must give the same rows and reasons for the same lines.
Not here: objects and prefixes (`days`, `paths`), where rows are filed (`paths`), decryption (`decryptor`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from assets.dwh.days import INTERVAL_MINUTES, interval_start, local_day, parse_instant
from assets.dwh.decryptor import Decrypted, Decryptor
from assets.dwh.json_text import Number, read_json
from assets.dwh.paths import Category

DropReason = Literal[
    "extract_corrupt_json",
    "extract_null_eventtime",
    "extract_null_data",
    "extract_unknown",
    "transform_missing_required",
    "transform_invalid_updated",
    "transform_decryption_failure",
]
DropPhase = Literal["extract", "transform"]

DROP_REASONS: Final[tuple[DropReason, ...]] = get_args(DropReason)
"""The reasons in the order in which they are tried; `extract_unknown` is reserved and never given."""

_REQUIRED: Final = ("projectguid", "userid", "project_type", "inserted")
_TEXTS: Final = (
    *_REQUIRED,
    "updated",
    "project_subtype",
    "product_type",
    "productguid",
    "productimageid",
    "image_view",
    "image_id",
    "image_data",
)
_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_INT: Final = range(-(2**31), 2**31)
_INTERVALS: Final = 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A line that gives a row."""

    category: Category
    day: date
    """The row day."""
    updated: datetime
    record: dict[str, Any]
    """The transformed record, in schema order."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A line that gives a row if its picture is found."""

    kept: Kept
    """The row without its decrypted fields."""
    image_view: str | None
    image_id: str | None
    image_data: str | None

    def decrypted(self, places: Decrypted) -> "Kept | Dropped":
        """The row with its decrypted fields, or the reason to drop it if there is none of them."""
        record = with_places(self.kept.record, places)
        if isinstance(record, Dropped):
            return record
        return Kept(self.kept.category, self.kept.day, self.kept.updated, record)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A line that gives none."""

    reason: DropReason

    @property
    def phase(self) -> DropPhase:
        """Where the line was given up."""
        return "extract" if self.reason.startswith("extract_") else "transform"

    def record(self, line: bytes, source_object: str, number: int) -> dict[str, Any]:
        r"""The dropped record; `number` counts from 1.

        The line stays as it is. Only bytes that are no UTF-8 are written as `\xff`, as JSON has no place for
        them; the object and the number lead to the original.
        """
        return {
            "drop_reason": self.reason,
            "drop_phase": self.phase,
            "raw": line.decode(errors="backslashreplace"),
            "source_object": source_object,
            "line": number,
        }


def numbered_lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    r"""The records of an object with their line numbers from 1; blank lines are counted, but are no records.

    Lines end with `\n` or `\r\n`, which is no part of them.
    """
    for number, line in enumerate(content.split(b"\n"), start=1):
        if line.strip():
            yield number, line.removesuffix(b"\r")


def transformed(
    line: bytes, decryptor: Decryptor, timezone: str, interval_minutes: int = INTERVAL_MINUTES
) -> Kept | Dropped:
    """What comes of a line that is not blank; no line raises.

    A number or a boolean in a field of text is the text that stands there; an object or a list is null.

    Args:
        line: the bytes of the line, without its end.
        decryptor: finds where the picture lies.
        timezone: the IANA name of the zone of row days.
        interval_minutes: the interval of the column `5min`, a divisor of 60.

    Raises:
        ValueError: there is no such zone, or the interval does not divide an hour.
    """
    read = located(line, timezone, interval_minutes)
    if isinstance(read, Dropped):
        return read
    return read.decrypted(decryptor.decrypt(read.image_view, read.image_id, read.image_data))


def located(line: bytes, timezone: str, interval_minutes: int = INTERVAL_MINUTES) -> Encrypted | Dropped:
    """What a line is before decryption, which may happen elsewhere; `transformed` says the rest."""
    try:
        parsed = read_json(line)
    except ValueError:
        return Dropped("extract_corrupt_json")
    if (reason := _extract_reason(parsed)) is not None:
        return Dropped(reason)
    return _located(parsed, timezone, interval_minutes)


def with_places(record: dict[str, Any], places: Decrypted) -> dict[str, Any] | Dropped:
    """The record of an `Encrypted` with its decrypted fields, or why it is dropped: there is none of them."""
    if places.failed:
        return Dropped("transform_decryption_failure")
    data = {
        **record["data"],
        "msp": places.msp,
        "mspid": places.mspid,
        "mediaid": places.mediaid,
        "locationspec": places.locationspec,
    }
    return {**record, "data": data}


def category_of(processor: str | None) -> Category:
    """The category of a record, by the processor that its `__meta__.savedproject` names."""
    return "nautilus" if "nautilus" in (processor or "").lower() else "savedproject"


def _extract_reason(parsed: Any) -> DropReason | None:
    """The first reason to give up a line for its form; `parsed` is any JSON value."""
    if not isinstance(parsed, dict):
        return "extract_corrupt_json"
    data = parsed.get("data")
    if not (data is None or (isinstance(data, dict) and _is_int_or_null(data.get("product_index")))):
        return "extract_corrupt_json"
    if parsed.get("eventTime") is None:
        return "extract_null_eventtime"
    return "extract_null_data" if data is None else None


def _located(parsed: dict[str, Any], timezone: str, interval_minutes: int) -> Encrypted | Dropped:
    """What a line of the right form is before its picture is looked for."""
    data = parsed["data"]
    texts = {name: _text(data.get(name)) for name in _TEXTS}
    if not all(map(texts.get, _REQUIRED)):
        return Dropped("transform_missing_required")
    updated = parse_instant(texts["updated"])
    day = _row_day(updated, timezone)
    if updated is None or day is None:
        return Dropped("transform_invalid_updated")
    index = data.get("product_index")
    record = {
        "eventTime": texts["updated"],
        "event_time": texts["updated"],
        "pk": f"{texts['projectguid']}_{texts['userid']}",
        "data": {
            "projectguid": texts["projectguid"],
            "project_type": texts["project_type"],
            "project_subtype": texts["project_subtype"],
            "userid": texts["userid"],
            "inserted": texts["inserted"],
            "updated": texts["updated"],
            "product_index": None if index is None else int(index.token),
            "product_type": texts["product_type"],
            "productguid": texts["productguid"],
            "productimageid": texts["productimageid"],
        },
        **_partition(interval_start(updated, interval_minutes)),
    }
    kept = Kept(category_of(_processor(parsed)), day, updated, record)
    return Encrypted(kept, texts["image_view"], texts["image_id"], texts["image_data"])


def _row_day(updated: datetime | None, timezone: str) -> date | None:
    """The local day of an instant. The first and the last hours of the calendar have none in some zones."""
    try:
        return None if updated is None else local_day(updated, timezone)
    except OverflowError:
        return None


@lru_cache(_INTERVALS)
def _partition(begin: datetime) -> Mapping[str, Any]:
    """The columns of an interval; most lines of an object are of the same ones."""
    return {
        "5min": begin.minute,
        "year": f"{begin.year:04}",
        "month": f"{begin.month:02}",
        "day": f"{begin.day:02}",
        "hour": f"{begin.hour:02}",
        "min": f"{begin.minute:02}",
    }


def _processor(parsed: dict[str, Any]) -> str | None:
    value: Any = parsed
    for name in ("__meta__", "savedproject", "processor"):
        value = value.get(name) if isinstance(value, dict) else None
    return _text(value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Number):
        return value.token
    if isinstance(value, bool):
        return "true" if value else "false"
    return None


def _is_int_or_null(value: Any) -> bool:
    """Whether it is null or an integer that the column can hold, which has 32 bits."""
    if value is None:
        return True
    return isinstance(value, Number) and bool(_INTEGER.fullmatch(value.token)) and int(value.token) in _INT
