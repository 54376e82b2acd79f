"""What counts as UTF-8 JSON in raw lines and decrypted fields: RFC 8259, and only what can be written.

Numbers keep their token, so that an identifier of twenty digits stays what it was. Not here: documents of our
own (`documents`), and job configurations, which people write and which refuse keys that appear twice.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number, as it was written."""

    token: str


def read_json(content: bytes) -> Any:
    """The value of a JSON text; of a key that appears twice, the last one.

    Raises:
        ValueError: it is no UTF-8, no JSON (NaN and Infinity are none), nested more deeply than the stack
            allows, or has half of a surrogate pair, which no UTF-8 text can hold.
    """
    text = content.decode()
    try:
        value = _DECODER.decode(text)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False, default=_token).encode()
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    return value


def _token(number: Number) -> str:
    return number.token


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


_DECODER: Final = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_no_number)
