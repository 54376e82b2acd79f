"""What is secret: how it is referred to, resolved at use, and hidden from everything that people see.

A secret is written as `env:NAME`, the name of an environment variable. What is shown, logged or stored never
holds its value: `shown` hides what stands in a URL, wherever in a text that URL is.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote_plus

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
_SHORTEST_SECRET: Final = 4
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


def secrets_of(value: Any, environment: Mapping[str, str]) -> frozenset[str]:
    """The values that references in a JSON value stand for, as far as they are set; short ones left out.

    Hiding a secret of three characters would hide half of every text and tell what it is.
    """
    if isinstance(value, str):
        found = (environment.get(match[1], "").strip() for match in _REFERENCE.finditer(value))
        return frozenset(secret for secret in found if len(secret) >= _SHORTEST_SECRET)
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return frozenset().union(*(secrets_of(inner, environment) for inner in value))
    return frozenset()


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text without these secrets, plain or as URLs and quoted texts write them, and as `shown` shows it."""
    for written in sorted(
        {form for secret in secrets for form in written_forms(secret)}, key=len, reverse=True
    ):
        text = text.replace(written, HIDDEN)
    return shown(text)


def written_forms(secret: str) -> set[str]:
    """A secret as texts may have it: plain, in a quoted text, in a URL."""
    quoted = {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    in_urls = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return {secret} | quoted | in_urls


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
