"""The values of named parameters and their GoogleSQL types.

Not here: how a client takes them, which is each variant's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Typed:
    """A value with its GoogleSQL type, where the value alone does not tell: None and empty lists.

    `type` is one of STRING, INT64, FLOAT64, BOOL, DATE, TIME, TIMESTAMP, NUMERIC, or `ARRAY<…>` of one of
    them.
    """

    value: object
    type: str


Scalar: TypeAlias = str | int | float | bool | date | time | datetime | Decimal
Parameters: TypeAlias = Mapping[str, Scalar | Sequence[Scalar] | Typed]

# In this order: a bool is an int and a datetime is a date.
_TYPES: Sequence[tuple[type, str]] = (
    (bool, "BOOL"),
    (int, "INT64"),
    (float, "FLOAT64"),
    (Decimal, "NUMERIC"),
    (str, "STRING"),
    (datetime, "TIMESTAMP"),
    (date, "DATE"),
    (time, "TIME"),
)


def typed_parameters(parameters: Parameters) -> dict[str, Typed]:
    """Each value with its GoogleSQL type; raises `ValueError`, naming the parameter, where there is none."""
    return {name: _typed(name, value) for name, value in parameters.items()}


def _typed(name: str, value: object) -> Typed:
    if isinstance(value, Typed):
        return value
    if isinstance(value, list | tuple):
        return Typed(list(value), f"ARRAY<{_element_type(name, value)}>")
    return Typed(value, _scalar_type(name, value))


def _element_type(name: str, values: Sequence[object]) -> str:
    types = {_scalar_type(name, value) for value in values}
    if len(types) != 1:
        found = ", ".join(sorted(types)) or "none"
        raise ValueError(
            f"Parameter @{name}: the values of a list have one type, here {found}; give Typed(values, type)."
        )
    return types.pop()


def _scalar_type(name: str, value: object) -> str:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"Parameter @{name}: {value} has no time zone; give it one.")
    for kind, google_type in _TYPES:
        if isinstance(value, kind):
            return google_type
    raise ValueError(
        f"Parameter @{name}: {type(value).__name__} has no GoogleSQL type of its own; "
        "give Typed(value, type)."
    )
