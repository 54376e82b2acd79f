"""GA4 events: the fixed type, missing and unknown keys, lines that are no events, files read in blocks."""

import io
import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.events import EVENT_SCHEMA, Events, all_events, read_events
from tests.assets.aim.endless_line import EndlessLine

ITEM = {
    "item_id": "10000001",
    "item_name": "Road",
    "item_brand": "Alpha",
    "item_variant": "v",
    "item_list_id": "l",
    "item_list_index": "3",
    "item_category5": "FORD FOCUS",
    "item_category6": "205/55 R16",
    "item_category8": "CMM-AIM-1",
    "price": 80.5,
    "quantity": 1,
}
EVENT = {
    "event_date": "20250609",
    "event_timestamp": 1749452400000000,
    "event_name": "view_item_list",
    "user_pseudo_id": "u1",
    "geo": {"country": "United Kingdom"},
    "event_params": [{"key": "page_location", "value": {"string_value": "https://shop/…\u2028"}}],
    "ecommerce": {"transaction_id": None},
    "items": [ITEM],
}
LINE = json.dumps(EVENT, ensure_ascii=False).encode()


def events(*lines: bytes) -> Events:
    return all_events(io.BytesIO(b"\n".join(lines)))[0]


def test_an_event_keeps_every_value_of_the_documented_type():
    frame = events(LINE).frame
    assert frame.schema == EVENT_SCHEMA
    assert frame.row(0, named=True) == EVENT


@pytest.mark.parametrize("key", list(EVENT))
@pytest.mark.parametrize("is_null", [True, False])
def test_any_key_may_be_missing_or_null(key, is_null):
    changed = {**EVENT, key: None} if is_null else {name: EVENT[name] for name in EVENT if name != key}
    read = events(json.dumps(changed).encode())
    assert (read.frame.row(0, named=True), read.bad_lines) == ({**EVENT, key: None}, 0)


@pytest.mark.parametrize("key", list(ITEM))
def test_any_key_of_an_item_may_be_missing(key):
    item = {name: ITEM[name] for name in ITEM if name != key}
    read = events(json.dumps({**EVENT, "items": [item]}).encode())
    assert read.frame["items"].to_list() == [[{**ITEM, key: None}]]


def test_unknown_keys_are_ignored():
    changed = {**EVENT, "new": {"a": [1]}, "geo": {"country": "United Kingdom", "city": "Leeds"}}
    assert events(json.dumps(changed).encode()).frame.row(0, named=True) == EVENT


def test_numbers_stand_for_texts_and_whole_floats_for_integers():
    item = {**ITEM, "item_id": 10000001, "item_list_index": 3, "price": 80, "quantity": 2.0}
    frame = events(json.dumps({**EVENT, "items": [item]}).encode()).frame
    assert frame["items"].to_list() == [[{**ITEM, "price": 80.0, "quantity": 2}]]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        LINE[:-10],
        LINE + LINE,
        LINE + b"," + LINE,
        b"[1]",
        b"null",
        b"3",
        b'"text"',
        b'{"event_name":"\xff"}',
        b'{"event_name":["x"]}',
        b'{"items":"x"}',
        b'{"event_timestamp":"soon"}',
        b'{"event_timestamp":NaN}',
    ],
)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_line_that_is_no_event_is_counted_and_the_others_are_read(line, place):
    lines = [LINE, LINE, LINE]
    lines.insert(place, line)
    read = events(*lines)
    assert (read.frame.rows(named=True), read.bad_lines) == ([EVENT] * 3, 1)


def test_two_halves_of_a_cut_line_are_two_bad_lines():
    half = json.dumps({**EVENT, "items": [ITEM, ITEM]}).encode()
    cut = half.rindex(b', {"item_id"')
    read = events(LINE, half[:cut], half[cut + 2 :], LINE)
    assert (read.frame.height, read.bad_lines) == (2, 2)


def test_blank_lines_and_windows_line_ends_are_no_events():
    read = events(b"\xef\xbb\xbf" + LINE + b"\r", b"", b"  \r", LINE + b"\r", b"")
    assert (read.frame.rows(named=True), read.bad_lines) == ([EVENT] * 2, 0)


def test_left_out_lines_are_told_in_one_sentence():
    _, warnings = all_events(io.BytesIO(LINE + b"\nx\ny\n"))
    assert warnings == ("reference/ga4_events.jsonl: 2 lines were left out because they are no events",)


@pytest.mark.parametrize(
    ("stream", "warnings"),
    [
        (None, ("reference/ga4_events.jsonl does not exist: analytics.events is empty",)),
        (io.BytesIO(b""), ()),
    ],
)
def test_no_file_and_an_empty_one_are_no_events_of_the_same_type(stream, warnings):
    read, told = all_events(stream)
    assert (read.frame.height, read.frame.schema, told) == (0, EVENT_SCHEMA, warnings)


@given(
    st.lists(
        st.sampled_from([LINE, b"", b"x", b"{}", b"null", LINE[:50], b'{"event_name":"e"}']), max_size=12
    ),
    st.integers(len(LINE) + 1, 5 * len(LINE)),
)
def test_the_events_do_not_depend_on_the_size_of_the_blocks(lines, block_bytes):
    content = b"\n".join(lines)
    blocks = list(read_events(io.BytesIO(content), block_bytes))
    whole = events(*lines)
    assert sum(block.bad_lines for block in blocks) == whole.bad_lines
    joined = pl.concat([pl.DataFrame(schema=EVENT_SCHEMA), *(block.frame for block in blocks)])
    assert joined.rows() == whole.frame.rows()
    assert whole.frame.height == sum(line[:1] == b"{" and line[-1:] == b"}" for line in lines)


@pytest.mark.parametrize("blocks_long", [1.2, 2.5, 3.9])
def test_a_line_longer_than_a_block_is_one_bad_line(blocks_long):
    block_bytes = 2 * len(LINE)
    overlong = b"x" * int(blocks_long * block_bytes)
    blocks = list(read_events(io.BytesIO(b"\n".join([LINE, overlong, LINE, overlong])), block_bytes))
    assert [row for block in blocks for row in block.frame.rows(named=True)] == [EVENT, EVENT]
    assert sum(block.bad_lines for block in blocks) == 2


def test_a_line_longer_than_a_block_is_passed_over_in_pieces():
    block_bytes = 2 * len(LINE)
    stream = EndlessLine(before=LINE + b"\n", length=1 << 24, after=b"\n" + LINE + b"\n")
    blocks = list(read_events(stream, block_bytes))
    assert [row for block in blocks for row in block.frame.rows(named=True)] == [EVENT, EVENT]
    assert sum(block.bad_lines for block in blocks) == 1
    assert stream.largest_request == block_bytes
