"""The memory of a scan: it reads what it wrote, reads anything without harm, and stays small."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.beams.keys import LONGEST_KEY
from assets.beams.scan_memory import Entry, Memory

DIGESTS = st.integers(0, 16**12 - 1).map("{:012x}".format)
KEYS = st.text("Aa0._-", min_size=1, max_size=LONGEST_KEY)
ENTRIES = st.builds(Entry, DIGESTS, DIGESTS, st.none() | st.integers(0, 2**33))


@given(entries=st.dictionaries(KEYS, ENTRIES, max_size=5), after=st.none() | st.text(max_size=70))
def test_a_memory_reads_what_it_wrote(entries: dict[str, Entry], after: str | None) -> None:
    assert Memory.read(Memory(entries, after).write()) == Memory(entries, after)


def test_a_memory_is_below_200_bytes_per_case() -> None:
    longest = {f"{number:0{LONGEST_KEY}d}": Entry("f" * 16, "f" * 12, 2**33) for number in range(1000)}
    assert len(Memory(longest, "G1/" + "x" * 64).write()) < 150 * 1000


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            "x",
            "[]",
            "1",
            "null",
            '"text"',
            "{}",
            '{"format":1}',
            '{"format":2,"after":"G1","cases":{}}',
        ),
        *('{"format":1,"after":null,"cases":[]}', '{"format":1,"after":null,"cases":{"C1":["f","m"]}}'),
        *(
            '{"format":1,"after":null,"cases":{"C1":5}}',
            '{"format":1,"after":null,"cases":{"C1":["f","m","x"]}}',
        ),
        '{"format":1,"after":null,"cases":{"C1":["f","m",{}]}}',
    ],
)
def test_what_is_no_memory_is_an_empty_one(text: str | None) -> None:
    assert Memory.read(text) == Memory()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    )
)
@settings(max_examples=50)
def test_anything_can_be_read(content: object) -> None:
    assert isinstance(Memory.read(json.dumps(content)), Memory)
    assert isinstance(Memory.read(json.dumps({"format": 1, "after": content, "cases": content})), Memory)
    assert isinstance(Memory.read(json.dumps({"format": 1, "after": None, "cases": {"C1": content}})), Memory)
