"""The names of columns in a configuration, resolved without an engine.

A dotted name is a field of a struct. A bare name that is no column but a field of `data` means that field, so
that the predecessor's `mediaid` and `updated` work.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from assets.dwh.arguments import UsageError
from assets.dwh.frames.schemas import DATA, TRANSFORMED_COLUMNS, TRANSFORMED_FIELDS

if TYPE_CHECKING:
    from pyspark.sql import Column


def resolved_column(key: str, name: str) -> str:
    """The field of a transformed row, as in `TRANSFORMED_FIELDS`, that `name` under the key `key` means.

    Raises:
        UsageError: a ValueError; no field is called so. The sentence lists all of them.
    """
    if name in TRANSFORMED_FIELDS:
        return name
    if name not in TRANSFORMED_COLUMNS and f"{DATA}.{name}" in TRANSFORMED_FIELDS:
        return f"{DATA}.{name}"
    raise UsageError(
        f"{key} names {name!r}, which is no column of the transformed rows; they are "
        f"{', '.join(TRANSFORMED_FIELDS)}"
    )


def resolved_columns(key: str, names: Iterable[str]) -> tuple[str, ...]:
    """The fields that several names mean, each once, in their order.

    Raises:
        UsageError: there are none, or a name resolves to nothing.
    """
    fields = tuple(dict.fromkeys(resolved_column(key, name) for name in names))
    if not fields:
        raise UsageError(f"{key} names no column; give at least one, for example data.mediaid")
    return fields


def instant_column(key: str, name: str) -> str:
    """The field that `name` means, which must hold text: no other type is ever an instant.

    Raises:
        UsageError: it resolves to nothing, or to a number.
    """
    field = resolved_column(key, name)
    if TRANSFORMED_FIELDS[field] != "string":
        texts = ", ".join(name for name, kind in TRANSFORMED_FIELDS.items() if kind == "string")
        raise UsageError(f"{key} names {name!r}, a number, which is never an instant; choose among {texts}")
    return field


def value_of(field: str) -> "Column":
    """The value of a field of `FILTERED_FIELDS` in a frame."""
    from pyspark.sql import functions as sf

    column, _, inner = field.partition(".")
    return sf.col(f"`{column}`.`{inner}`") if inner else sf.col(f"`{column}`")
