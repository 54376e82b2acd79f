"""Vehicles: the fold that makes two spellings of a name one, and the key of every join on a vehicle."""

import re
import unicodedata
from typing import Final

import polars as pl

from assets.aim.columns import map_distinct

_NOT_KEPT: Final = re.compile(r"[^A-Z0-9]+")


def fold(text: str) -> str:
    """Unicode NFKD, no combining marks, upper case, only A-Z and 0-9: `CITROËN C3` is `CITROENC3`.

    Marks need no step of their own: like everything outside A-Z and 0-9 they are dropped at the end.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return _NOT_KEPT.sub("", plain.upper())


def folded(texts: pl.Series) -> pl.Series:
    """`fold` of every text of a column; nulls stay null."""
    return map_distinct(texts.to_frame(), _fold_row, {texts.name: pl.String}).to_series()


vehicle_key = fold
"""The key of a vehicle: its folded name."""

vehicle_keys = folded
"""The keys of a column of vehicles; nulls stay null."""


def _fold_row(text: str | None) -> tuple[str | None]:
    return (None if text is None else fold(text),)
