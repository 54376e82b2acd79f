"""What makes a thing the same thing: keys, digests and the names of partitions.

Not here: where a candidate's key comes from (`strategies.base`), and canonical URLs (`urls`).
"""

import json
import re
import unicodedata
from decimal import Decimal
from hashlib import sha256
from math import isfinite
from typing import Any, Final

LONGEST_KEY: Final = 200
_LONGEST_SLUG: Final = 40
_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+")
_NOT_STORED: Final = frozenset({"Cc", "Cs"})
"""Control characters; and halves of surrogate pairs, which UTF-8 cannot hold."""


class UnusableKey(ValueError):
    """A candidate has no identity: its key is empty, or is no text and no number."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and nothing to spare, not escaped to ASCII.

    Half a surrogate pair, which UTF-8 cannot hold, becomes `?`.

    Raises:
        ValueError: the value is no JSON value; NaN and infinities are none.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"the data is no JSON: {error}") from None
    return storable_text(text)


def storable_text(text: str) -> str:
    """A text that UTF-8 can hold: half a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


def digest(value: Any) -> str:
    """The SHA-256 of the canonical JSON of a value, 64 hex digits: the content hash of a candidate's data."""
    return _sha256(canonical_json(value))


def key_text(value: Any) -> str:
    """A key as the source gives it, as text: the number 7 and the text `7` are one key, null is blank.

    Raises:
        UnusableKey: it is a list, an object, or a number that is not finite.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal) and isfinite(value):
        return str(int(value)) if value == int(value) else str(value)
    raise UnusableKey(f"its key is {value!r:.100}, which is no text and no number")


def joined_key(values: list[Any]) -> str:
    """Several values as one key, joined by `|`; blank if all of them are."""
    texts = [key_text(value) for value in values]
    return "|".join(texts) if any(texts) else ""


def storable_key(text: str) -> tuple[str, str | None]:
    """The key to store for one as text, and the raw key if it had to be replaced, for `data.raw_key`.

    Raises:
        UnusableKey: it is blank.
    """
    raw = text.strip()
    if not raw:
        raise UnusableKey("its key is empty")
    if len(raw) <= LONGEST_KEY and not any(
        unicodedata.category(character) in _NOT_STORED for character in raw
    ):
        return raw, None
    return f"raw:{_short(raw)}", raw


def data_key(data: Any) -> str:
    """The key of a thing that has nothing but its data."""
    return f"data:{_short(canonical_json(data))}"


def text_key(*parts: str) -> str:
    """The key of a thing that is known by some of its texts, such as title and date."""
    return "text:" + _short("\n".join(parts))


def revised_key(key: str, revision: int) -> str:
    """The key of a later edition of a thing whose editions are items of their own; revisions begin at 2."""
    return storable_key(f"{key}@r{revision}")[0]


def partition_key(key: str) -> str:
    """The name of an item's partition: a readable part and 16 hex digits of the SHA-256 of the stored key.

    Always 18 to 57 of the characters `a-z 0-9 -`, and never a dash at its ends.
    """
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode().lower()
    slug = _NOT_IN_SLUG.sub("-", plain).strip("-")[:_LONGEST_SLUG].strip("-")
    return f"{slug or 'k'}-{_short(key)}"


def idempotency_key(job_id: str, key: str, stage: str, revision: int) -> str:
    """What a service outside recognises a repeated call by: 64 hex digits."""
    return _sha256(f"{job_id}\n{key}\n{stage}\n{revision}")


def _sha256(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _short(text: str) -> str:
    return _sha256(text)[:16]
