"""What tells that a file is still the one that was read, or has only grown: the digest of its first bytes.

Not here: what is in the file.
"""

import re
from hashlib import sha256
from typing import Any, BinaryIO, Final

_CHUNK: Final = 1 << 20
_FINGERPRINT: Final = re.compile(r"(\d+)-[0-9a-f]{64}")


class Prefix:
    """The beginning of a file, as far as it has been read."""

    def __init__(self) -> None:
        self._sha = sha256()
        self.size = 0

    def take(self, data: bytes) -> None:
        """The next bytes belong to it."""
        self._sha.update(data)
        self.size += len(data)

    def read_to(self, file: BinaryIO, size: int) -> None:
        """Take what the file, which stands at the end of the prefix, has up to `size` bytes in all."""
        while self.size < size and (data := file.read(min(_CHUNK, size - self.size))):
            self.take(data)

    @property
    def fingerprint(self) -> str:
        """`<bytes>-<SHA-256>`."""
        return f"{self.size}-{self._sha.hexdigest()}"


def fingerprinted_size(fingerprint: Any) -> int | None:
    """How many bytes a fingerprint is of; `None` if it is none."""
    match = _FINGERPRINT.fullmatch(fingerprint) if isinstance(fingerprint, str) else None
    return int(match[1]) if match else None
