"""Lines of JSON: what a line means, which lines are none, files read in blocks, files that cannot be read."""

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.aim.events import EVENT_SCHEMA
from assets.aim.tables import google_schema
from resources.warehouse import DuckDBWarehouse, JsonLines
from tests.assets.aim.endless_line import EndlessLine

TABLE = "analytics.events"
SCHEMA = google_schema(EVENT_SCHEMA)
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
SMALL = {"text": "STRING", "whole": "INT64", "real": "FLOAT64", "list": "ARRAY<STRUCT<text STRING>>"}


def read(
    content: bytes | io.BytesIO, schema: dict[str, str] = SCHEMA, block_bytes: int = 8 << 20
) -> tuple[list[dict[str, Any]], int]:
    """The rows, and how many lines were left out."""
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    lines = JsonLines(stream, schema, block_bytes)
    rows = [row for frame in lines.frames() for row in frame.rows(named=True)]
    assert len(rows) == lines.rows
    return rows, lines.left_out


def value_of(text: str, name: str) -> Any:
    ((row,), left_out) = read(f'{{"{name}": {text}}}'.encode(), SMALL)
    assert left_out == 0
    return row[name]


def test_a_line_keeps_every_value_of_its_type():
    assert read(LINE) == ([EVENT], 0)


@pytest.mark.parametrize("is_null", [True, False])
def test_any_key_may_be_missing_or_null(is_null: bool):
    lines = [
        {**EVENT, key: None} if is_null else {name: EVENT[name] for name in EVENT if name != key}
        for key in EVENT
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    assert read(content) == ([{**EVENT, key: None} for key in EVENT], 0)


def test_any_key_of_a_nested_object_may_be_missing():
    items = [{name: ITEM[name] for name in ITEM if name != key} for key in ITEM]
    ((row,), _) = read(json.dumps({**EVENT, "items": items}).encode())
    assert row["items"] == [{**ITEM, key: None} for key in ITEM]


def test_unknown_keys_are_ignored_and_the_first_of_two_equal_ones_counts():
    changed = {**EVENT, "new": {"a": [1]}, "geo": {"country": "United Kingdom", "city": "Leeds"}}
    assert read(json.dumps(changed).encode()) == ([EVENT], 0)
    assert read(b'{"text":"a","TEXT":"b","text":"c"}', {"text": "STRING"}) == ([{"text": "a"}], 0)


@pytest.mark.parametrize(
    ("text", "as_text", "as_whole", "as_real"),
    [
        ('"5"', "5", 5, 5.0),
        ('"x"', "x", None, None),
        ('""', "", None, None),
        ("5", "5", 5, 5.0),
        ("2.0", "2.0", 2, 2.0),
        ("2.5", "2.5", 2, 2.5),
        ("-3.5", "-3.5", -4, -3.5),
        ("9223372036854775807", "9223372036854775807", 2**63 - 1, 2.0**63),
        ("9223372036854775808", "9223372036854775808", None, 2.0**63),
        ("1e400", "1e400", None, math.inf),
        ("true", "true", 1, 1.0),
        ("null", None, None, None),
        ('[1, "a"]', '[1,"a"]', None, None),
        ('{"a": 1}', '{"a":1}', None, None),
        ('"\\u00e9\\ud83d\\ude00"', "é😀", None, None),
        ('"a\\u0000b"', "a\0b", None, None),
    ],
)
def test_a_value_of_another_type_is_converted_or_is_null(
    text: str, as_text: str | None, as_whole: int | None, as_real: float | None
):
    found = (value_of(text, "text"), value_of(text, "whole"), value_of(text, "real"))
    assert found == (as_text, as_whole, as_real)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", None),
        ('"x"', None),
        ('{"text":"a"}', None),
        ("[]", []),
        ('[null,{"text":1},3]', [None, {"text": "1"}, {"text": None}]),
    ],
)
def test_what_is_no_list_is_null_and_what_is_no_object_has_no_values(text: str, expected: Any):
    assert value_of(text, "list") == expected


NO_OBJECTS = [
    b"not json",
    LINE[:-10],
    LINE + LINE,
    LINE + b"," + LINE,
    LINE + b"\x00",
    b"[" + LINE + b"]",
    b"null",
    b"3",
    b'"text"',
    b'{"event_name":"\xff"}',
    b'{"event_name":"\x00"}',
    b'{"event_name":"\x01"}',
    b'{"event_name":"\\ud800"}',
    b"{'event_name':1}",
    b"\x0c{}",
    b"{}\x0c",
    b"\xef\xbb\xbf{}",
]


@pytest.mark.parametrize("line", NO_OBJECTS)
def test_a_line_that_is_no_object_is_counted_and_the_others_are_read(line: bytes):
    for place in (0, 1, 3):
        lines = [LINE, LINE, LINE]
        lines.insert(place, line)
        lines = [b" {}", *lines] if line.startswith(b"\xef") else lines  # A mark begins a file only.
        rows, left_out = read(b"\n".join(lines))
        assert ([row for row in rows if row["event_name"]], left_out) == ([EVENT] * 3, 1)


def test_two_halves_of_a_cut_line_are_two_bad_lines():
    half = json.dumps({**EVENT, "items": [ITEM, ITEM]}).encode()
    cut = half.rindex(b', {"item_id"')
    rows, left_out = read(b"\n".join([LINE, half[:cut], half[cut + 2 :], LINE]))
    assert (rows, left_out) == ([EVENT, EVENT], 2)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_marks_blank_lines_and_windows_line_ends_are_passed_over(mark: bytes, end: bytes):
    content = mark + end.join([LINE, LINE, b"", b" \t ", b"  " + LINE, b"", b""])
    assert read(content) == ([EVENT] * 3, 0)
    assert read(mark + LINE + end + LINE + end) == ([EVENT] * 2, 0)


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b"\xef\xbb\xbf", b" \r\n"])
def test_a_file_without_lines_has_no_rows(content: bytes):
    assert read(content) == ([], 0)


def plainly_read(lines: list[bytes]) -> tuple[list[Any], int]:
    """Names and left-out lines by Python's own reader."""
    found, left_out = [], 0
    for line in lines:
        if not line.strip(b" \t\r"):
            continue
        try:
            event = json.loads(line.decode())
            found.append(event.get("event_name"))
        except (ValueError, AttributeError):
            left_out += 1
    return found, left_out


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=2)
)
events = st.fixed_dictionaries(
    {}, optional={"event_name": st.none() | texts, "items": values, "more": values}
)


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """Events whole, cut, indented or doubled, other values, and bytes of any kind."""
    line = json.dumps(draw(events), ensure_ascii=draw(st.booleans())).encode()
    match draw(st.integers(0, 6)):
        case 0:
            return line[: draw(st.integers(0, len(line)))]
        case 1:
            return draw(st.sampled_from([b" ", b"\t", b"\r"])) + line + b"\r"
        case 2:
            return line + line
        case 3:
            return json.dumps(draw(values)).encode()
        case 4:
            return draw(st.binary(max_size=4)).replace(b"\n", b"").replace(b"\xef\xbb\xbf", b"")
        case _:
            return line


@settings(deadline=None)  # The first example waits for what is imported late.
@given(st.lists(odd_lines(), max_size=12), st.integers(200, 2_000))
def test_odd_lines_are_read_as_python_reads_them_whatever_the_blocks(lines: list[bytes], block_bytes: int):
    rows, left_out = read(b"\n".join(lines), block_bytes=block_bytes)
    assert ([row["event_name"] for row in rows], left_out) == plainly_read(lines)


@pytest.mark.parametrize("blocks_long", [1.2, 2.5, 3.9])
def test_a_line_longer_than_a_block_is_one_bad_line(blocks_long: float):
    block_bytes = 2 * len(LINE)
    overlong = b"x" * int(blocks_long * block_bytes)
    content = b"\n".join([LINE, overlong, LINE, overlong])
    assert read(content, block_bytes=block_bytes) == ([EVENT, EVENT], 2)


@pytest.mark.parametrize("before", range(0, 2 * len(LINE), 37))
def test_where_a_line_lies_does_not_decide_whether_it_is_too_long(before: int):
    block_bytes = 2 * len(LINE)
    padding = b" " * before
    longest = json.dumps({"event_name": "x" * (block_bytes - 19)}).encode()
    too_long = json.dumps({"event_name": "x" * (block_bytes - 17)}).encode()
    assert (len(longest), len(too_long)) == (block_bytes - 1, block_bytes + 1)
    rows, left_out = read(b"\n".join([padding, longest, too_long, LINE]), block_bytes=block_bytes)
    assert ([len(row["event_name"]) for row in rows], left_out) == ([block_bytes - 19, 14], 1)


def test_a_line_longer_than_a_block_is_passed_over_in_pieces():
    block_bytes = 2 * len(LINE)
    stream = EndlessLine(before=LINE + b"\n", length=1 << 24, after=b"\n" + LINE + b"\n")
    assert read(stream, block_bytes=block_bytes) == ([EVENT, EVENT], 1)
    assert stream.largest_request == block_bytes


# ---- in a warehouse ----


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBWarehouse]:
    made = DuckDBWarehouse(path=str(tmp_path / "warehouse.duckdb"))
    with made.session():
        yield made


def test_a_table_gets_the_rows_of_the_frames(warehouse: DuckDBWarehouse):
    content = b"\n".join([LINE, *NO_OBJECTS, b"", b"{}", b" " + LINE])
    rows, left_out = read(content)
    assert warehouse.load_json_lines(TABLE, io.BytesIO(content), SCHEMA) == left_out == len(NO_OBJECTS)
    found = warehouse.rows(TABLE)
    assert (found.rows(named=True), found.schema) == (rows, EVENT_SCHEMA)


class _Breaking(io.BytesIO):
    """A file whose second block cannot be read."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise TimeoutError("the server of the file is gone")
        return super().read(size)


def test_a_file_that_cannot_be_read_on_raises_its_own_error_and_changes_nothing(warehouse: DuckDBWarehouse):
    warehouse.load_json_lines(TABLE, io.BytesIO(LINE), SCHEMA)
    content = b"\n".join([LINE] * 20_000)
    with pytest.raises(TimeoutError, match="of the file is gone"):
        warehouse.load_json_lines(TABLE, _Breaking(content), SCHEMA)
    with pytest.raises(TimeoutError, match="of the file is gone"):
        read(_Breaking(content))
    assert warehouse.rows(TABLE).equals(pl.DataFrame([EVENT], schema=EVENT_SCHEMA))
