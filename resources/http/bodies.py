"""Bodies in pieces: counted, unpacked and put down without more than a piece of them in memory.

zlib is asked for one piece of output at a time, so a small body that unpacks to gigabytes is found out at the
cap, not in memory.
"""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO

from resources.http.errors import TooLarge

PIECE = 1 << 16
SLICE = 1 << 12
IN_MEMORY = 1 << 20  # A body above this goes to a temporary file.
GZIP = b"\x1f\x8b"
_GZIP_BITS = 16 + zlib.MAX_WBITS


def gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack gzip of one or more members, zeros after them ignored.

    Raises `EOFError` where it ends in the middle, `zlib.error` where it is no gzip or damaged.
    """
    member = None
    is_first = True
    for piece in _sliced(pieces):
        rest = piece
        while rest:
            if member is None:
                rest = rest if is_first else rest.lstrip(b"\0")
                if not rest:
                    break
                member, is_first = zlib.decompressobj(_GZIP_BITS), False
            yield member.decompress(rest, PIECE)
            rest = member.unconsumed_tail or member.unused_data
            if member.eof:
                member = None
    while member is not None and (unpacked := member.decompress(b"", PIECE)):
        yield unpacked
    if member is not None and not member.eof:
        raise EOFError("The gzip data end in the middle.")


def _sliced(pieces: Iterable[bytes]) -> Iterator[bytes]:
    # zlib copies what follows a member: a body of tiny members, 20 bytes each, would be copied 3,000 times.
    for piece in pieces:
        for first in range(0, len(piece), SLICE):
            yield piece[first : first + SLICE]


def gunzipped_by_content(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack what begins like gzip; leave anything else as it is."""
    coming = iter(pieces)
    head = b""
    for piece in coming:
        head += piece
        if len(head) >= len(GZIP):
            break
    whole = chain((head,), coming)
    return gunzipped(whole) if head.startswith(GZIP) else whole


def capped(pieces: Iterable[bytes], most: int, what: str) -> Iterator[bytes]:
    """Pass on at most `most` bytes; then raise `TooLarge`, whose sentence begins with `what`."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > most:
            raise TooLarge(too_large(what, most))
        yield piece


def too_large(what: str, most: int) -> str:
    """The sentence about a body above the cap."""
    return f"{what} is larger than {most:,} bytes; raise max_bytes if that is right."


def beginning(pieces: Iterable[bytes], most: int) -> bytes:
    """The first `most` bytes; what follows is not asked for."""
    text = bytearray()
    for piece in pieces:
        text += piece
        if len(text) >= most:
            break
    return bytes(text[:most])


def put_down(pieces: Iterable[bytes]) -> IO[bytes]:
    """A file of the pieces, which vanishes when it is closed."""
    file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the caller closes it
    try:
        for piece in pieces:
            file.write(piece)
    except BaseException:
        file.close()
        raise
    return file


def pieces_of(file: BinaryIO) -> Iterator[bytes]:
    """The rest of a file."""
    return iter(lambda: file.read(PIECE), b"")
