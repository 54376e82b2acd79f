"""The JSON configuration of a job: text or dict in, dict out, and the same without its secrets to be shown.

Not here: which keys a job knows and what they may be (`job_settings`).
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from assets.dwh.arguments import UsageError

HIDDEN: Final = "***"

# Letters only: `jdbc_url`, `jdbcUrl` and `JDBC-URL` are one key.
_SECRET_KEY: Final = re.compile("password|secret|token|credential|keyid|jdbcurl")
_NO_LETTER: Final = re.compile("[^a-z]")
_URL_CREDENTIALS: Final = re.compile(r"//[^/\s]*@")
_LONGEST_SHOWN: Final = 100


def parse_job_config(name: str, value: object) -> dict[str, Any]:
    """Read the configuration that is given to a job as `name`; a dict passes unchanged, text is JSON.

    Raises:
        UsageError: a ValueError. There is no name or no configuration, it is of another type, it is no JSON
            (NaN, Infinity and keys that appear twice are none either), or it is no JSON object.
    """
    if not name:
        raise UsageError("job_name is required")
    if value is None:
        raise UsageError(f"Configuration for '{name}' is required")
    if isinstance(value, dict):
        return value
    if not isinstance(value, str):
        raise UsageError(f"'{name}' must be a dict or JSON string, got {type(value).__name__}")
    try:
        parsed = _strict_json(value)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"Invalid JSON format for '{name}': {error}") from None
    if not isinstance(parsed, dict):
        raise UsageError(f"'{name}' must be a JSON object, got {type(parsed).__name__}")
    return parsed


def masked(value: Any, key: str = "") -> Any:
    """Return a value of JSON types to be shown: `***` wherever the key of a value looks like a secret's.

    Text that is itself a JSON object or list is masked inside, as in the arguments of an entry.
    """
    if _looks_secret(key):
        return HIDDEN
    match value:
        case Mapping():
            return {name: masked(inner, str(name)) for name, inner in value.items()}
        case list() | tuple():
            return [masked(inner) for inner in value]
        case str():
            return _masked_text(value)
        case _:
            return value


def shown(value: object) -> str:
    """A value for messages: one line, not too long, and masked."""
    try:
        text = repr(masked(value))
    except RecursionError:
        return "a value nested too deeply"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _strict_json(text: str) -> Any:
    return json.loads(
        text, object_pairs_hook=_without_repeats, parse_constant=_no_number, parse_float=_finite_number
    )


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise ValueError(f"the key {key!r} appears twice")
        read[key] = value
    return read


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is too large")
    return number


def _looks_secret(text: str) -> bool:
    return _SECRET_KEY.search(_NO_LETTER.sub("", text.lower())) is not None


def _masked_text(text: str) -> str:
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.dumps(masked(json.loads(text)))
        except (ValueError, RecursionError):
            # It cannot be taken apart: a key that looks like a secret's anywhere in it hides it all.
            return HIDDEN if _looks_secret(text) else text
    return _URL_CREDENTIALS.sub(f"//{HIDDEN}@", text)
