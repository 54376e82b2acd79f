"""Reading CSV record by record: line numbers, quotes that go astray, foreign bytes, endless lines."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.csv_records import MAX_KEPT_REJECTIONS, MAX_LINE_BYTES, CsvRecords, Rejections
from tests.assets.aim.endless_line import EndlessLine


def read(content: bytes) -> tuple[list[tuple[int, list[str]]], CsvRecords]:
    """All records of two fields with their lines; others are rejected."""
    records = CsvRecords(io.BytesIO(content))
    kept = []
    for fields in records:
        if len(fields) == 2:
            kept.append((records.line, fields))
        else:
            records.reject(f"has {len(fields)} fields")
    return kept, records


def test_quoted_fields_may_hold_commas_quotes_and_line_ends():
    kept, records = read(b'1,"a,b"\r\n2,"a ""b"""\n3,"a\nb"\n4,d\n')
    assert kept == [(1, ["1", "a,b"]), (2, ["2", 'a "b"']), (3, ["3", "a\nb"]), (5, ["4", "d"])]
    assert records.rejections.count == 0


def test_a_byte_order_mark_and_blank_lines_are_no_data():
    kept, records = read(b"\xef\xbb\xbf1,a\n\n  \n\r\n2,b\n\n")
    assert kept == [(1, ["1", "a"]), (5, ["2", "b"])]
    assert records.rejections.count == 0


def test_a_file_without_a_line_end_at_its_end_is_read_to_its_end():
    assert read(b"1,a\n2,b")[0] == [(1, ["1", "a"]), (2, ["2", "b"])]


@pytest.mark.parametrize(
    "content",
    [
        b'1,a\n2,"b\n3,c\n4,d\n',
        b'1,a\n2,"b\n3,c\n4,d',
        b'1,a\n2,"b\n3,c\n4,d\n5,"e"\n',
        b'1,a\n2,"b" x\n3,c\n4,d\n',
        b"1,a\n2,b\rx\n3,c\n4,d\n",
        b"1,a\n2,b,b\n3,c\n4,d\n",
        b"1,a\n2,\xff\n3,c\n4,d\n",
        b'1,a\n2,"\xff\n3,c\n4,d\n',
        b"1,a\n2,\0\n3,c\n4,d\n",
        b"1,a\n2," + b"b" * MAX_LINE_BYTES + b"\n3,c\n4,d\n",
    ],
)
def test_a_bad_record_costs_its_own_line_and_no_other(content):
    kept, records = read(content)
    assert [(line, fields[0]) for line, fields in kept[:3]] == [(1, "1"), (3, "3"), (4, "4")]
    assert [rejection.line for rejection in records.rejections.kept] == [2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'2,"b', "has a stray quote or carriage return"),
        (b"2,b\rx", "has a stray quote or carriage return"),
        (b"\xc3\xa9,\xff", "is not UTF-8 from its byte 4 on"),
        (b"2,\0", "holds a NUL, as text in UTF-16 does"),
        (b"b" * (MAX_LINE_BYTES + 1), "is longer than 1,048,576 bytes"),
    ],
)
def test_a_bad_record_says_what_is_wrong(content, reason):
    _, records = read(content)
    assert [rejection.reason for rejection in records.rejections.kept] == [reason]


def test_a_line_of_the_longest_allowed_length_is_read():
    field = b"x" * 63 + b","
    records = CsvRecords(io.BytesIO(field * (MAX_LINE_BYTES // len(field))))
    assert len(next(records)) == MAX_LINE_BYTES // len(field) + 1


def test_a_line_of_a_gigabyte_is_passed_over_in_pieces():
    stream = EndlessLine(before=b"1,a\n", length=1 << 30, after=b"\n3,c\n")
    records = CsvRecords(stream)
    assert [fields[0] for fields in records] == ["1", "3"]
    assert [rejection.line for rejection in records.rejections.kept] == [2]
    assert stream.largest_request <= 2 * MAX_LINE_BYTES


def test_the_first_line_of_another_encoding_is_remembered():
    assert read(b"1,a\n2,b,b\n3,\xff\n4,\xff\n")[1].first_foreign_line == 3
    assert read(b"1,a\n2,b,b\n")[1].first_foreign_line is None


def test_a_foreign_line_inside_an_open_quote_is_told_apart_from_the_stray_quote():
    kept, records = read(b'1,a\n2,"b\n\xff\n4,d\n')
    assert [line for line, _ in kept] == [1, 4]
    assert [rejection.reason for rejection in records.rejections.kept] == [
        "has a stray quote or carriage return",
        "is not UTF-8 from its byte 1 on",
    ]
    assert records.first_foreign_line == 3


def test_rejections_beyond_the_limit_are_counted_and_not_kept():
    rejections = Rejections()
    for line in range(MAX_KEPT_REJECTIONS + 5):
        rejections.add(line, "is wrong")
    assert (rejections.count, len(rejections.kept)) == (MAX_KEPT_REJECTIONS + 5, MAX_KEPT_REJECTIONS)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=6))
def test_every_well_formed_file_is_read_as_it_was_written(rows):
    def quoted(text: str) -> str:
        doubled = text.replace('"', '""')
        return f'"{doubled}"'

    text = "".join(f"{quoted(first)},{quoted(second)}\n" for first, second in rows)
    if "\0" in text or "\r" in text:
        return
    kept, records = read(text.encode())
    assert [tuple(fields) for _, fields in kept] == rows
    assert records.rejections.count == 0


@given(
    st.lists(st.sampled_from([b"1,a", b'2,"b', b'"3","c"', b'4"",', b'","', b"5,\xff", b"6"]), max_size=12)
)
def test_every_line_is_in_exactly_one_record_or_rejection(lines):
    kept, records = read(b"\n".join(lines))
    within = [(line, "".join(fields).count("\n")) for line, fields in kept]
    rejected = [(rejection.line, 0) for rejection in records.rejections.kept]
    covered = sorted(line + more for line, ends in within + rejected for more in range(ends + 1))
    assert covered == list(range(1, len(lines) + 1))
