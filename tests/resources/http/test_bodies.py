"""Unpacking in pieces: any cut of the input, any number of members, never more than a piece at once."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.http.bodies import PIECE, beginning, capped, gunzipped, gunzipped_by_content
from resources.http.errors import TooLarge


def cut(text: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.lists(st.integers(0, 40)), st.integers(0, 9)
)
def test_gzip_is_unpacked_however_it_arrives(members: list[bytes], sizes: list[int], zeros: int):
    packed = b"".join(gzip.compress(member) for member in members) + bytes(zeros)
    assert b"".join(gunzipped(cut(packed, sizes))) == b"".join(members)
    assert b"".join(gunzipped_by_content(cut(packed, sizes))) == b"".join(members)


@given(st.binary(), st.lists(st.integers(0, 40)))
def test_what_is_no_gzip_stays_as_it_is(text: bytes, sizes: list[int]):
    plain = b"<" + text
    assert b"".join(gunzipped_by_content(cut(plain, sizes))) == plain
    assert b"".join(gunzipped_by_content([b"", text[:1]])) == text[:1]


@given(st.binary(min_size=1, max_size=500), st.data())
def test_gzip_that_is_cut_anywhere_is_told(text: bytes, data: st.DataObject):
    packed = gzip.compress(text)
    length = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(EOFError):
        list(gunzipped([packed[:length]]))


@pytest.mark.parametrize("wrong", [b"plain text", gzip.compress(b"x") + b"rubbish"], ids=["plain", "behind"])
def test_what_is_no_gzip_cannot_be_unpacked(wrong: bytes):
    with pytest.raises(zlib.error):
        list(gunzipped([wrong]))


def test_no_piece_is_larger_than_it_may_be():
    sizes = [len(piece) for piece in gunzipped([gzip.compress(bytes(10_000_000))])]
    assert (max(sizes), sum(sizes)) == (PIECE, 10_000_000)


def test_only_as_much_is_asked_for_as_the_cap_lets_through():
    asked = []

    def pieces():
        for number in range(100):
            asked.append(number)
            yield bytes(10)

    with pytest.raises(TooLarge, match="It is larger than 25 bytes"):
        list(capped(pieces(), 25, "It"))
    assert asked == [0, 1, 2]
    asked.clear()
    assert beginning(pieces(), 25) == bytes(25)
    assert asked == [0, 1, 2]
