"""Which buckets and keys every variant accepts: those that mean the same on a disk, on S3 and on GCS.

The rules are the strictest of the three, so an object of one variant can be synchronised to another, and no
key can name a file outside its bucket.
"""

import re
import unicodedata
from collections.abc import Callable

from resources.object_store.errors import InvalidKey

MAX_KEY_BYTES = 1024  # S3 and GCS
MAX_COMPONENT_BYTES = 255  # ext4, XFS, APFS

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")


def check_bucket(bucket: str) -> None:
    """Refuse, with `InvalidKey`, a bucket that S3 or GCS would refuse or that is no plain folder name."""
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise InvalidKey(
            f"Bucket {bucket!r} is refused: use 3 to 63 lower-case letters, digits, '-', '_' or single '.', "
            "beginning and ending with a letter or digit."
        )


def check_key(key: str) -> None:
    """Refuse, with `InvalidKey`, a key that is not a relative path of plain components."""
    if fault := _fault(key):
        raise InvalidKey(
            f"Key {key!r} is refused: {fault}. Use a relative path such as 'raw/2025-10.dbn.zst'."
        )


def is_key(key: str) -> bool:
    """Whether `check_key` accepts the key. Listings leave out the others, folder markers for example."""
    return _fault(key) is None


def check_prefix(prefix: str) -> None:
    """Refuse, with `InvalidKey`, a prefix that no accepted key begins with. Empty means the whole bucket."""
    fault = _fault(prefix.removesuffix("/")) if prefix else None
    if fault:
        raise InvalidKey(f"Prefix {prefix!r} is refused: {fault}. Use the beginning of a key such as 'raw/'.")


def _fault(key: str) -> str | None:
    return next((fault for is_broken, fault in _RULES if is_broken(key)), None)


def _has_odd_component(key: str) -> bool:
    return any(component in ("", ".", "..") for component in key.split("/"))


def _has_odd_character(key: str) -> bool:
    # Cc: control characters, NUL among them. Cs: halves of characters, which have no UTF-8 form.
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in key)


def _has_long_component(key: str) -> bool:
    return any(len(component.encode()) > MAX_COMPONENT_BYTES for component in key.split("/"))


# The first broken rule is the one that is named; the last two need a key that has a UTF-8 form.
_RULES: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda key: not key, "it is empty"),
    (lambda key: key.startswith("/"), "it is absolute"),
    (lambda key: key.endswith("/"), "it ends with a slash"),
    (_has_odd_component, "it has an empty, '.' or '..' component"),
    (lambda key: "\\" in key, "it has a backslash"),
    (_has_odd_character, "it has a control character or broken Unicode"),
    (lambda key: len(key.encode()) > MAX_KEY_BYTES, f"it is longer than {MAX_KEY_BYTES} bytes"),
    (_has_long_component, f"it has a component longer than {MAX_COMPONENT_BYTES} bytes"),
)
