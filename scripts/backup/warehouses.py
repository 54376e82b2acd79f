"""A warehouse that stays as it is while its file is copied."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from assets.failures import TransientFailure

_LOOK_AGAIN_S: Final = 0.2


class WriterAtWork(TransientFailure):
    """A database is held by a writer for longer than is waited."""


@contextmanager
def still_warehouse(path: Path, wait_s: float) -> Iterator[None]:
    """Keep a DuckDB file from being written to while the block lasts, readers excepted.

    Raises:
        WriterAtWork: a writer had it for as long as was waited.
    """
    import duckdb

    deadline = time.monotonic() + wait_s
    with closing(duckdb.connect()) as engine:
        name = str(path).replace("'", "''")
        while True:
            try:
                engine.execute(f"ATTACH '{name}' AS held (READ_ONLY)")
                break
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise
                if time.monotonic() >= deadline:
                    raise WriterAtWork(
                        f"{path} was open for writing for all of {wait_s:g} s: a run loads it. Try again "
                        "when that has ended, or wait longer with --wait."
                    ) from None
                time.sleep(_LOOK_AGAIN_S)
        yield
