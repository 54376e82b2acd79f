"""What counts as UTF-8 JSON in raw lines and decrypted fields: RFC 8259, and only what can be written.

Numbers keep their token, so that an identifier of twenty digits stays what it was. Not here: documents of our
own (`documents`), and job configurations, which people write and which refuse keys that appear twice.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

# The parser recurses, up to a limit of 1,000 that it shares with its callers. Without a limit of our own an
# engine with a deeper stack would drop lines that another one keeps.
_DEEPEST: Final = 500
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)

_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number, as it was written."""

    token: str


def read_json(content: bytes) -> Any:
    """The value of a JSON text; of a key that appears twice, the last one.

    Raises:
        ValueError: it is no UTF-8, no JSON (NaN and Infinity are none), nested more than 500 deep, or has
            half of a surrogate pair, which no UTF-8 text can hold.
    """
    text = content.decode()
    if text.count("{") + text.count("[") > _DEEPEST and _depth(text) > _DEEPEST:
        raise ValueError(f"the JSON is nested more than {_DEEPEST} deep")
    try:
        value = _DECODER.decode(text)
        if _SURROGATE_ESCAPE.search(text):
            json.dumps(value, ensure_ascii=False, default=_token).encode()
    except RecursionError:
        raise ValueError("the JSON is broken and nested too deeply") from None
    return value


def _depth(text: str) -> int:
    """How deep a text is nested, if it is JSON."""
    depth = deepest = 0
    for match in _STRUCTURE.finditer(text):
        if match[0] in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in "}]":
            depth -= 1
    return deepest


def _token(number: Number) -> str:
    return number.token


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


_DECODER: Final = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_no_number)
