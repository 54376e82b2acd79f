"""Rows of the ledger as people may see them: secrets hidden, JSON read, times in a zone if asked for."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from assets.discovery.credentials import shown, shown_config
from assets.discovery.readers.instants import in_zone

_JSON: Final = "_json"
_OTHER_TIMES: Final = frozenset({"at", "not_before", "lease_until", "missing_since"})


def shown_rows(
    connection: sqlite3.Connection, query: str, values: Sequence[object], zone: str | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a query one by one, by the names of its columns.

    A column `NAME_json` becomes `NAME` with the value in it. With a `zone`, times are texts in that time zone
    (an instant of 0 is no time: `None`), without one they stay milliseconds UTC.
    """
    with closing(connection.execute(query, values)) as cursor:
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield _shown(dict(zip(names, row, strict=True)), zone)


def _shown(row: Mapping[str, Any], zone: str | None) -> dict[str, Any]:
    return {name.removesuffix(_JSON): _shown_value(name, value, zone) for name, value in row.items()}


def _shown_value(name: str, value: Any, zone: str | None) -> Any:
    if name.endswith(_JSON):
        return None if value is None else shown_config(_read(name, value))
    if isinstance(value, str):
        return shown(value)
    if zone is not None and value is not None and (name.endswith("_at") or name in _OTHER_TIMES):
        return in_zone(value, zone) if value else None
    return value


def _read(name: str, text: str) -> Any:
    value = json.loads(text)
    if name == "pending_revision_json":  # Content that waits: its data is JSON within JSON.
        return {**value, "data_json": json.loads(value["data_json"])}
    return value
