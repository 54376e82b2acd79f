"""Result processing: the answers of the recommendation service as publishable rows.

An answer may be anything that JSON can say. `judge` gives every answer one row and one verdict, which is what
a second pass goes by; `publishable` keeps what may be shown. Not here: asking the service, the publish guard,
and the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import polars as pl

from assets.aim.cams import first_of_each_cam, repaired
from assets.aim.slots import EMPTY, HOTBOXES, LIST_SLOTS, PRODUCT_ID, SLOTS

ErrorCode = Literal[
    "INVALID_INPUT",
    "NO_RESULTS",
    "UPSTREAM_ERROR",
    "TIMEOUT",
    "INTERNAL_ERROR",
    "FORMAT_ERROR",
    "MISSING_RESULT",
    "BATCH_FAILED",
]
ERROR_CODES: Final[frozenset[str]] = frozenset(get_args(ErrorCode))

ROW_SCHEMA: Final = {"Vehicle": pl.String, "Size": pl.String, **dict.fromkeys(SLOTS, pl.String)}
"""A published row: 26 texts, an empty slot is `-`."""


@dataclass(frozen=True, slots=True)
class Publishable:
    """The rows to publish, of `ROW_SCHEMA` and in the order of the answers, and the failures by error code.

    `failures` is sorted by code; `duplicates` counts the good rows that came after another of the same CAM.
    """

    rows: pl.DataFrame
    failures: Mapping[str, int]
    duplicates: int


def judge(answers: Sequence[object], known_ids: pl.Series, cams: pl.DataFrame | None = None) -> pl.DataFrame:
    """One row per answer: its cells cleaned, and why it cannot be published.

    A cell that is no product number, or none of the known ones, is `-`; so is the second occurrence of a
    product in a row. Positions never shift.

    Args:
        answers: parsed JSON, one value per CAM.
        known_ids: the scored products, INT64; empty when nothing is scored, and then every product number
            counts.
        cams: Vehicle and Size of the CAMs asked for, row by row; without it the answer's own, repaired.

    Returns:
        The columns of `ROW_SCHEMA` and `error_code`, null for a row that may be published. A failed row may
        lack Vehicle and Size.
    """
    objects = [answer if isinstance(answer, Mapping) else {} for answer in answers]
    own = cams if cams is not None else repaired(_texts(objects, "Vehicle"), _texts(objects, "Size"))
    has_cam = pl.all_horizontal(pl.col("Vehicle", "Size").fill_null("") != "")
    has_hotboxes = pl.all_horizontal(pl.col(HOTBOXES) != EMPTY)
    return (
        own.select("Vehicle", "Size")
        .hstack(_slots(objects, known_ids))
        .with_columns(claimed=pl.Series([_claimed_error(answer) for answer in answers], dtype=pl.String))
        .with_columns(
            error_code=pl.when(pl.col("claimed").is_not_null())
            .then("claimed")
            .when(~has_cam)
            .then(pl.lit("INVALID_INPUT"))
            .when(~has_hotboxes)
            .then(pl.lit("FORMAT_ERROR"))
        )
        .drop("claimed")
    )


def publishable(judged: pl.DataFrame) -> Publishable:
    """The rows without an error code, the first of each (vehicle key, size key)."""
    good = judged.filter(pl.col("error_code").is_null()).drop("error_code")
    failures = judged["error_code"].drop_nulls().value_counts().sort("error_code")
    rows = first_of_each_cam(good)
    return Publishable(rows, dict(failures.iter_rows()), good.height - rows.height)


def _claimed_error(answer: object) -> str | None:
    """Why the service says it failed; None only where `success` is the JSON value true."""
    if not isinstance(answer, Mapping):
        return "INTERNAL_ERROR"
    if answer.get("success") is True:
        return None
    code = answer.get("error_code")
    return code if isinstance(code, str) and code in ERROR_CODES else "INTERNAL_ERROR"


def _slots(objects: Sequence[Mapping[str, Any]], known_ids: pl.Series) -> pl.DataFrame:
    """The 24 slots of every answer, all texts."""
    cells = pl.DataFrame(
        {
            "row": pl.int_range(len(objects), dtype=pl.Int32, eager=True).repeat_by(len(SLOTS)).explode(),
            "id": pl.Series(
                [_cell_text(cell) for answer in objects for cell in _cells(answer)], dtype=pl.String
            ),
        }
    )
    name = pl.col("id").str.strip_suffix(".0")
    is_id = name.str.contains(PRODUCT_ID)
    if len(known_ids):
        is_id &= name.is_in(known_ids.cast(pl.String).implode())
    kept = cells.with_columns(id=pl.when(is_id).then(name))
    is_first = pl.struct("row", "id").is_first_distinct()
    ids = kept.select(pl.when(is_first).then("id").fill_null(EMPTY)).to_series()
    return pl.DataFrame(
        [ids.gather_every(len(SLOTS), offset).alias(slot) for offset, slot in enumerate(SLOTS)]
    )


def _cells(answer: Mapping[str, Any]) -> list[Any]:
    """The 24 cells by position; what is missing is None, what is more than 20 SKUs is cut."""
    skus = answer.get("SKUs")
    listed = skus[: len(LIST_SLOTS)] if isinstance(skus, list) else []
    return [*(answer.get(slot) for slot in HOTBOXES), *listed, *[None] * (len(LIST_SLOTS) - len(listed))]


def _cell_text(cell: object) -> str | None:
    """The text of a cell that may be a product number, which is ASCII and has at most eight digits."""
    if isinstance(cell, str):
        text = cell.strip()
        return text if text.isascii() else None
    return str(cell) if isinstance(cell, int | float) and 0 <= cell < 10**8 else None


def _texts(objects: Sequence[Mapping[str, Any]], key: str) -> pl.Series:
    """The texts under a key; JSON may hold halves of characters, which no table takes."""
    values = (answer.get(key) for answer in objects)
    return pl.Series(
        key,
        [value.encode(errors="ignore").decode() if isinstance(value, str) else None for value in values],
        dtype=pl.String,
    )
