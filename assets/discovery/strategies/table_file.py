"""`table_file`: every row of a table in a file is a thing.

Not here: how rows are read from each format (`table_rows`).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import UnusableKey, joined_key, key_text
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.file_prefix import Prefix, fingerprinted_size
from assets.discovery.strategies.marking import marks_every
from assets.discovery.strategies.params import TableFileParams
from assets.discovery.strategies.table_rows import GROWING, Row, Table, table_format, table_rows
from assets.failures import PermanentFailure

# A file that was written less than 2 s ago may be written again within the same tick of its time stamp.
_AT_REST_MS: Final = 2_000


class TableFile(BaseDiscovery):
    """The rows of a CSV, TSV, JSON lines, JSON, Parquet or Arrow file, also compressed by gzip or zstd.

    The cursor is `{fingerprint, row}`: the digest of the file, and how many of its rows are behind it. A file
    that has only grown is read on from that row, any other change from the top. A last row without an end of
    line is yielded, but not counted as read: it may still be growing.
    """

    name: ClassVar[str] = "table_file"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the rows in the order of the file; a row that breaks its format is rejected with its line.

        Raises:
            PermanentFailure: the file cannot be read, or its header does not name the key columns.
        """
        params = TableFileParams.model_validate(ask.params)
        path = Path(params.path)
        table = Table(path, table_format(path, params.format), params.encoding, params.delimiter)
        try:
            with path.open("rb") as file:
                yield from _listing(ask, table, file, params.key_columns)
        except OSError as error:
            reason = error.strerror or " ".join(str(error).split())
            raise PermanentFailure(
                f"The table {path} cannot be read ({reason}); it must exist, be readable and be complete."
            ) from None
        except UnicodeError as error:
            raise PermanentFailure(
                f"The table {path} is no {params.encoding} text ({error}); name its encoding in the job."
            ) from None


def _listing(
    ask: Ask, table: Table, file: BinaryIO, key_columns: tuple[str, ...]
) -> Iterator[Candidate | Mark]:
    status = os.fstat(file.fileno())
    old = _old(ask)
    if _is_untouched(ask, old, status):
        yield Mark(ask.cursor, ask.validators)
        return
    whole, begins_with_old = _fingerprint(file, status.st_size, old.get("fingerprint"))
    if whole == old.get("fingerprint") and _was_read_to_its_end(ask, old):
        yield Mark(ask.cursor, _validators(ask, old, status))
        return
    continues = begins_with_old and (whole == old["fingerprint"] or table.format in GROWING)
    first = int(old["row"]) if continues else 0
    behind = read = first
    file.seek(0)
    with closing(table_rows(table, file, status.st_size, key_columns)) as rows:
        for row in islice(rows, first, None):
            read += 1
            yield from _candidates(ask, row, key_columns)
            behind = read if row.is_ended else behind
            if read % marks_every(ask) == 0:
                yield Mark({"fingerprint": whole, "row": behind}, page=1)
    end = {"fingerprint": whole, "row": behind}
    yield Mark(end, _validators(ask, end, status), page=1, complete=first == 0)


def _old(ask: Ask) -> Mapping[str, Any]:
    """Where the last reading ended; empty if that is not known."""
    cursor = ask.cursor or {}
    return cursor if {"fingerprint", "row"} <= cursor.keys() else {}


def _is_untouched(ask: Ask, old: Mapping[str, Any], status: os.stat_result) -> bool:
    """Whether size and time stamp say that this is the file that was read to its end."""
    return (
        _was_read_to_its_end(ask, old)
        and fingerprinted_size(old["fingerprint"]) == status.st_size
        and (ask.validators or {}).get("mtime_ns") == status.st_mtime_ns
    )


def _was_read_to_its_end(ask: Ask, old: Mapping[str, Any]) -> bool:
    """Only the mark at the end of a file has validators, which so name the place that is the end."""
    end = ask.validators or {}
    return bool(old) and all(end.get(name) == old[name] for name in ("fingerprint", "row"))


def _fingerprint(file: BinaryIO, size: int, old: Any) -> tuple[str, bool]:
    """The fingerprint of the file, and whether it begins with what an old one is of."""
    prefix = Prefix()
    begins_with_old = False
    if (old_size := fingerprinted_size(old)) is not None and old_size <= size:
        prefix.read_to(file, old_size)
        begins_with_old = prefix.fingerprint == old
    prefix.read_to(file, size)
    return prefix.fingerprint, begins_with_old


def _validators(ask: Ask, end: Mapping[str, Any], status: os.stat_result) -> dict[str, Any]:
    """What is stored with the end of a file: that place, and the time stamp of a file at rest."""
    validators = dict(end)
    if ask.clock() - status.st_mtime_ns // 1_000_000 >= _AT_REST_MS:
        validators["mtime_ns"] = status.st_mtime_ns
    return validators


def _candidates(ask: Ask, row: Row, key_columns: tuple[str, ...]) -> Iterator[Candidate]:
    """The row as a candidate, or none if it is rejected."""
    if row.is_blank:
        return
    if row.problem:
        ask.reject(row.position, row.problem)
        return
    try:
        candidate = _candidate(row.value, key_columns)
    except UnusableKey as error:
        ask.reject(row.position, str(error))
    else:
        yield candidate


def _candidate(value: Any, key_columns: tuple[str, ...]) -> Candidate:
    if not isinstance(value, Mapping):
        key = key_text(value)
        if not key:
            raise UnusableKey("it is empty; a row is an object or a scalar")
        return Candidate(key, {"value": value})
    if not key_columns:
        return Candidate(None, value)
    if missing := [column for column in key_columns if column not in value]:
        raise UnusableKey(f"it has no {missing[0]}, which is a key column")
    key = joined_key([value[column] for column in key_columns])
    if not key:
        raise UnusableKey(f"its key is empty: nothing is in {', '.join(key_columns)}")
    return Candidate(key, value)
