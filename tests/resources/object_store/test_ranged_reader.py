import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.object_store.ranged_reader import RangedReader

CONTENT = bytes(range(256)) * 4


def fetch(start: int, length: int) -> bytes:
    assert length > 0
    assert start + length <= len(CONTENT)
    return CONTENT[start : start + length]


seeks = st.tuples(
    st.just("seek"),
    st.integers(-1_100, 1_100),
    st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]),
)
reads = st.tuples(st.just("read"), st.integers(-1, 1_100))


@given(st.lists(seeks | reads, max_size=20), st.integers(1, 300))
def test_it_behaves_like_a_file_in_memory(steps: list[tuple], buffer_size: int) -> None:
    ours = io.BufferedReader(RangedReader(len(CONTENT), fetch), buffer_size)
    model = io.BytesIO(CONTENT)
    for action, *arguments in steps:
        if action == "seek":
            offset, whence = arguments
            base = {os.SEEK_SET: 0, os.SEEK_CUR: model.tell(), os.SEEK_END: len(CONTENT)}[whence]
            if base + offset < 0:
                with pytest.raises((ValueError, OSError)):
                    ours.seek(offset, whence)
                ours.seek(model.tell())
            else:
                assert ours.seek(offset, whence) == model.seek(offset, whence)
        else:
            assert ours.read(*arguments) == model.read(*arguments)
        assert ours.tell() == model.tell()


def test_an_empty_object_is_read_without_a_request() -> None:
    def refuse(start: int, length: int) -> bytes:
        raise AssertionError(f"asked for {length} bytes at {start}")

    assert io.BufferedReader(RangedReader(0, refuse)).read() == b""


def test_a_small_buffered_range_is_one_request_of_that_size() -> None:
    asked: list[tuple[int, int]] = []

    def note(start: int, length: int) -> bytes:
        asked.append((start, length))
        return fetch(start, length)

    reader = io.BufferedReader(RangedReader(len(CONTENT), note), 8)
    reader.seek(-8, os.SEEK_END)
    assert reader.read(8) == CONTENT[-8:]
    assert asked == [(len(CONTENT) - 8, 8)]
