"""What is asked, and what comes back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self, TypedDict

MEBIBYTE = 1 << 20


class Options(TypedDict, total=False):
    """How something is read; the fields of `Request` with the same names. A job sets them by these names."""

    allow_private: bool
    allow_files: bool
    robots: bool
    headers: Mapping[str, str]
    timeout_s: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to read.

    `validators` are those of an earlier `Response`. `gunzip` unpacks a body that begins like gzip, whatever
    its name or type says. `headers` go to the origin of `url` only, not where it redirects to.
    `allow_private` lets hosts be in private networks and on this machine, `allow_files` lets `url` be a file;
    neither is for addresses that somebody else wrote. `timeout_s` bounds everything, redirects and robots.txt
    included, and `max_bytes` the body as it was sent and as it is unpacked.
    """

    url: str
    method: str = "GET"
    body: bytes | None = None
    validators: Mapping[str, str] = field(default_factory=dict)
    gunzip: bool = False
    allow_private: bool = False
    allow_files: bool = False
    robots: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    max_bytes: int = 50 * MEBIBYTE  # What the sitemap protocol calls 50 MB.

    def __post_init__(self) -> None:
        if not (self.timeout_s > 0 and math.isfinite(self.timeout_s)):
            raise ValueError(f"timeout_s is {self.timeout_s}; give a number of seconds above 0.")
        if self.max_bytes <= 0:
            raise ValueError(f"max_bytes is {self.max_bytes}; give a number of bytes above 0.")


@dataclass(frozen=True, slots=True)
class Response:
    """A good answer, all of it here: 2xx, or 304 to a request with validators.

    `url` is where it came from in the end. `headers` ignores the case of names and joins repeated ones with
    a comma. `file` is the unpacked body from its first byte, on disk if it is large; `close`, or `with`, lets
    go of it. `validators` are what to store for the next request; after a 304, those that still hold.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    file: IO[bytes]
    validators: Mapping[str, str]

    @property
    def not_modified(self) -> bool:
        """Whether there is nothing new: the body is empty, and what was read before still holds."""
        return self.status == 304

    @property
    def body(self) -> bytes:
        """The whole body, at most `max_bytes`."""
        self.file.seek(0)
        return self.file.read()

    def close(self) -> None:
        """Let go of the body."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
