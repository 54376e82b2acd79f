"""Text fields of a file as numbers: what counts as one, the same in every input.

Spaces around a number are ignored. What is no number is null, and so is a blank field; who must tell the two
apart looks at the text again.
"""

from typing import Final

import polars as pl

from assets.aim.slots import PRODUCT_ID

_WHOLE: Final = r"^[+-]?[0-9]+$"
_NUMBER: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"


def trimmed(name: str) -> pl.Expr:
    """The text of a column without surrounding white space."""
    return pl.col(name).str.strip_chars()


def whole_number(name: str) -> pl.Expr:
    """INT64 of a column of texts: digits with an optional sign, within 64 bits."""
    return _matching(name, _WHOLE).cast(pl.Int64, strict=False)


def number(name: str) -> pl.Expr:
    """FLOAT64 of a column of texts: a finite decimal number, maybe with an exponent; `nan` is none."""
    value = _matching(name, _NUMBER).cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def product_id(name: str) -> pl.Expr:
    """A column of texts where it is a product number, 7 or 8 digits; else null."""
    return _matching(name, PRODUCT_ID)


def _matching(name: str, pattern: str) -> pl.Expr:
    return pl.when(trimmed(name).str.contains(pattern)).then(trimmed(name)).alias(name)
