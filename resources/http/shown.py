"""URLs as they may be shown to people: in messages, logs and reports."""

import re
from urllib.parse import unquote_plus

CREDENTIALS = frozenset(
    ("access_token", "api_key", "apikey", "key", "password", "secret", "sig", "signature", "token")
)
LONGEST = 500
MASK = "***"
_USER = re.compile(r"^((?:[a-z][a-z0-9+.-]*:)?[/\\]{2})[^/\\]*@", re.IGNORECASE)


def shown(url: str) -> str:
    """The URL without what is secret in it, in one line of at most 500 characters; never fails.

    User information and the values of parameters named like a credential become `***`, and so do those whose
    last word is such a name (`X-Amz-Signature`, `client_secret`). The fragment is left out.
    """
    place, mark, query = url.strip().partition("#")[0].partition("?")
    pairs = "&".join(_masked(pair) for pair in query.split("&"))
    text = _USER.sub(rf"\1{MASK}@", place) + mark + pairs
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _masked(pair: str) -> str:
    name, _, value = pair.partition("=")
    return f"{name}={MASK}" if value and _is_credential(unquote_plus(name)) else pair


def _is_credential(name: str) -> bool:
    lowered = name.strip().lower()
    return lowered in CREDENTIALS or re.split(r"[-_.]", lowered)[-1] in CREDENTIALS
