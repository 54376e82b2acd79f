"""The content of the small month, column by column, as it was recorded for a code version.

Record it again after raising `CODE_VERSION`, from the root of the repository:

    python -m tests.assets.market.golden_month

It refuses to record other content under the code version that the record already has.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

from assets.market import published
from assets.market.months import session_bars_key, statistics_key, training_table_key
from assets.market.recipe import CODE_VERSION, Recipe
from tests.assets.market.made_month import COMPAT, STRICT, objects_of
from tests.assets.market.small_month import MONTH

RECORD = Path(__file__).parents[2] / "data" / "golden_month.json"
COMMAND = "python -m tests.assets.market.golden_month"


def content() -> dict[str, str]:
    """A digest of every column of both tables and of the statistics, under both rules."""
    return _content_of(STRICT) | _content_of(COMPAT)


def recorded() -> dict[str, Any]:
    """The code version and the digests of the record."""
    return json.loads(RECORD.read_text())


def changes(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """The names of what has changed, come or gone."""
    return [name for name in sorted(found | expected) if found.get(name) != expected.get(name)]


def record() -> str:
    """Write the record; raises ValueError when the content has changed and the code version has not."""
    found = content()
    if RECORD.exists():
        before = recorded()
        changed = changes(found, before["digests"])
        if changed and before["code_version"] == CODE_VERSION:
            raise ValueError(
                f"{len(changed)} columns have other content ({', '.join(changed[:5])} ...) under code "
                f"version {CODE_VERSION}; raise CODE_VERSION in assets/market/recipe.py first"
            )
    text = json.dumps({"code_version": CODE_VERSION, "digests": found}, indent=2, sort_keys=True)
    RECORD.write_text(text + "\n")
    return f"{RECORD}: {len(found)} digests of code version {CODE_VERSION}"


def _content_of(recipe: Recipe) -> dict[str, str]:
    objects = objects_of(recipe)
    digests: dict[str, str] = {}
    for table, key in (("session_bars", session_bars_key), ("training_table", training_table_key)):
        frame = published.decoded(objects[key(MONTH)]).frame
        digests |= {f"{recipe.rules} {table} {column.name}": _digest(column) for column in frame}
    statistics = json.loads(objects[statistics_key(MONTH)])
    # Neither how the vendor file was compressed nor the code version itself is content.
    del statistics["input"], statistics["fingerprint"]
    text = json.dumps(statistics, sort_keys=True)
    return digests | {f"{recipe.rules} month_statistics": _shortened(text.encode())}


def _digest(column: pl.Series) -> str:
    """Depends on type, order, nulls and every bit of the values, and not on how they are stored."""
    if column.dtype == pl.String or isinstance(column.dtype, pl.Enum):
        values = "\n".join(column.cast(pl.String).fill_null("\0")).encode()
    else:
        values = column.to_physical().fill_null(0).to_numpy().tobytes()
    return _shortened(str(column.dtype).encode() + column.is_null().to_numpy().tobytes() + values)


def _shortened(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{record()}\n")
    except ValueError as error:
        sys.exit(str(error))
