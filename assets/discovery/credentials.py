"""What is secret: how it is referred to, resolved at use, and hidden from everything that people see.

A secret is written as `env:NAME`, the name of an environment variable. What is shown, logged or stored never
holds its value: `shown` hides what stands in a URL, wherever in a text that URL is.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

from assets.failures import PermanentFailure

HIDDEN: Final = "***"
CREDENTIAL_NAMES: Final = frozenset(
    {
        "token",
        "key",
        "api_key",
        "apikey",
        "access_token",
        "signature",
        "sig",
        "password",
        "secret",
    }
)
"""Query parameters that are credentials, in lower case."""
# Header and setting names whose text is a secret. `key` is none of them: it says what identifies an item.
_SECRET_NAMES: Final = (CREDENTIAL_NAMES - {"key"}) | {
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "x-auth-token",
}
_PAIR: Final = re.compile(r"(?<=[?&;#])([^=&;#?\s]+)=([^&;#\s\"'<>]*)")
_USER_INFO: Final = re.compile(r"(?<=://)[^/?#\s\"'<>]+@")
# A whole scalar, the end of a header (`Bearer env:TOKEN`) or the value of a query parameter.
_REFERENCE: Final = re.compile(r"(?:(?<=[ =])|^)env:([A-Za-z_][A-Za-z0-9_]*)(?=&|$)")


def is_credential(parameter: str) -> bool:
    """Whether a query parameter of that name is a credential."""
    return parameter.lower() in CREDENTIAL_NAMES


def shown(text: str) -> str:
    """A text as people may see it: of every URL in it, user info and the values of credentials are `***`."""
    return _PAIR.sub(_shown_pair, _USER_INFO.sub(f"{HIDDEN}@", text))


def shown_config(value: Any) -> Any:
    """A JSON value as it may be shown and stored: every text as `shown`, named secrets hidden."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {name: _shown_entry(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [shown_config(inner) for inner in value]
    return value


def resolved(value: Any, environment: Mapping[str, str]) -> Any:
    """A JSON value with every reference replaced by the value of its variable.

    Raises:
        PermanentFailure: a variable is not set, or blank.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda reference: _value_of(reference[1], environment), value)
    if isinstance(value, Mapping):
        return {name: resolved(inner, environment) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(inner, environment) for inner in value]
    return value


def _shown_pair(pair: re.Match[str]) -> str:
    return f"{pair[1]}={HIDDEN}" if is_credential(unquote_plus(pair[1])) else pair[0]


def _shown_entry(name: Any, value: Any) -> Any:
    if isinstance(value, str) and str(name).lower() in _SECRET_NAMES and not _REFERENCE.search(value):
        return HIDDEN
    return shown_config(value)


def _value_of(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise PermanentFailure(
            f"the environment variable {name} is not set; the jobs file refers to it as env:{name}, so set it"
        )
    return value
