"""What databases and columnar files hold, as JSON values: nothing is lost but what JSON cannot say.

Not here: values of text files, which are text or JSON already.
"""

import base64
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any, Final
from uuid import UUID

_CONVERSIONS: Final[tuple[tuple[Any, Callable[[Any], Any]], ...]] = (
    (str | bool | int | NoneType, lambda value: value),
    (float, lambda value: value if math.isfinite(value) else None),
    (datetime | date | time, lambda value: value.isoformat()),
    (timedelta, lambda value: value.total_seconds()),
    (bytes | bytearray | memoryview, lambda value: base64.b64encode(value).decode("ascii")),
    (Mapping, lambda value: {str(name): json_value(inner) for name, inner in value.items()}),
    (list | tuple | set | frozenset, lambda value: [json_value(inner) for inner in value]),
    (Decimal | UUID, str),
)


def json_value(value: Any) -> Any:
    """A value as JSON: instants in ISO 8601 as they are written there, bytes in base64, durations in seconds.

    A decimal keeps its digits as text; NaN and infinities, which JSON does not know, are null.

    Raises:
        ValueError: it is of a type that has no such form.
    """
    for types, convert in _CONVERSIONS:
        if isinstance(value, types):
            return convert(value)
    raise ValueError(f"a value of type {type(value).__name__} is no JSON; select it as text")
