"""The rule for one raw line: every reason, their order, the record, and the sums. Defects 12, 13."""

import base64
import json
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.decryptor import Base64Json
from assets.dwh.json_text import Number, read_json
from assets.dwh.raw_records import (
    DROP_REASONS,
    Dropped,
    Kept,
    category_of,
    numbered_lines,
    transformed,
)

PACIFIC = "America/Los_Angeles"
MEDIA = base64.b64encode(b'{"mediaid": "m1"}').decode()
DATA = {
    "projectguid": "p1",
    "project_type": "book",
    "project_subtype": "large",
    "userid": "u1",
    "inserted": "2025-01-14T00:00:00Z",
    "updated": "2025-01-15T08:07:33Z",
    "state": "done",
    "product_type": "pt",
    "productguid": "pg",
    "productimageid": "pi",
    "product_index": 3,
    "image_view": "v",
    "image_id": "i",
    "image_data": MEDIA,
}
EVENT_TIME = "2025-01-15T00:00:00Z"


def line(data: object = DATA, **changes: object) -> bytes:
    """A good line; keys that are `...` are left out, of the record and of its data."""
    record = {"eventTime": EVENT_TIME, "event_time": EVENT_TIME, "data": data, **changes}
    return json.dumps(_given(record)).encode()


def data_line(**changes: object) -> bytes:
    return line(_given({**DATA, **changes}))


def _given(record: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in record.items() if value is not ...}


def read(content: bytes, timezone: str = PACIFIC, interval_minutes: int = 5) -> Kept | Dropped:
    return transformed(content, Base64Json(), timezone, interval_minutes)


def kept(content: bytes, timezone: str = PACIFIC, interval_minutes: int = 5) -> Kept:
    result = read(content, timezone, interval_minutes)
    assert isinstance(result, Kept), result
    return result


def test_a_good_line_gives_the_record_in_schema_order():
    result = kept(line(__meta__={"savedproject": {"processor": "Nautilus-v2"}}))
    assert (result.category, result.day) == ("nautilus", date(2025, 1, 15))
    assert result.updated == datetime(2025, 1, 15, 8, 7, 33, tzinfo=UTC)
    expected = {
        "eventTime": "2025-01-15T08:07:33Z",
        "event_time": "2025-01-15T08:07:33Z",
        "pk": "p1_u1",
        "data": {
            "projectguid": "p1",
            "project_type": "book",
            "project_subtype": "large",
            "userid": "u1",
            "inserted": "2025-01-14T00:00:00Z",
            "updated": "2025-01-15T08:07:33Z",
            "product_index": 3,
            "product_type": "pt",
            "productguid": "pg",
            "productimageid": "pi",
            "msp": None,
            "mspid": None,
            "mediaid": "m1",
            "locationspec": None,
        },
        "5min": 5,
        "year": "2025",
        "month": "01",
        "day": "15",
        "hour": "08",
        "min": "05",
    }
    assert json.dumps(result.record) == json.dumps(expected)


DROPPED = [
    ("extract_corrupt_json", b"{"),
    ("extract_corrupt_json", b"\xff"),
    ("extract_corrupt_json", line().replace(b"p1", b"\xff")),
    ("extract_corrupt_json", b"\xef\xbb\xbf" + line()),
    ("extract_corrupt_json", line().decode().encode("utf-16")),
    ("extract_corrupt_json", line() + b" x"),
    ("extract_corrupt_json", line() + line()),
    ("extract_corrupt_json", line(unknown=float("nan"))),
    ("extract_corrupt_json", line(unknown=float("inf"))),
    ("extract_corrupt_json", line(unknown="\ud800")),
    ("extract_corrupt_json", data_line(userid="a\udc00")),
    ("extract_corrupt_json", line().replace(b"p1", b"p\t1")),
    ("extract_corrupt_json", b"[1]"),
    ("extract_corrupt_json", b"[" * 100_000),
    ("extract_corrupt_json", b"1"),
    ("extract_corrupt_json", b"null"),
    ("extract_corrupt_json", b'"text"'),
    ("extract_corrupt_json", line("text")),
    ("extract_corrupt_json", line([DATA])),
    ("extract_corrupt_json", line(0)),
    ("extract_corrupt_json", line(data=False)),
    *(
        ("extract_corrupt_json", data_line(product_index=index))
        for index in ("3", 3.0, 1.5, 1e2, True, False, [], {}, 2**31, -(2**31) - 1, 10**40)
    ),
    ("extract_null_eventtime", line(eventTime=...)),
    ("extract_null_eventtime", line(eventTime=None)),
    ("extract_null_eventtime", b"{}"),
    ("extract_null_data", line(...)),
    ("extract_null_data", line(None)),
    *(
        ("transform_missing_required", data_line(**{name: value}))
        for name in ("projectguid", "userid", "project_type", "inserted")
        for value in (..., None, "", [], {"a": 1})
    ),
    ("transform_missing_required", line({})),
    *(
        ("transform_invalid_updated", data_line(updated=updated))
        for updated in (
            ...,
            None,
            "",
            "2025-01-15",
            "2025-02-30T00:00:00Z",
            "2025-01-15T08:00:60Z",
            20250115,
            [],
        )
    ),
    # It is an instant, but no day of the calendar in that zone.
    ("transform_invalid_updated", data_line(updated="0001-01-01T00:00:00Z")),
    ("transform_decryption_failure", data_line(image_data=...)),
    ("transform_decryption_failure", data_line(image_data="x")),
    ("transform_decryption_failure", data_line(image_data=base64.b64encode(b'{"mediaid": ""}').decode())),
]


@pytest.mark.parametrize(("reason", "content"), DROPPED, ids=[f"{n}-{d[0]}" for n, d in enumerate(DROPPED)])
def test_a_line_is_dropped_for_its_reason(reason, content):
    assert read(content) == Dropped(reason)


def test_every_reason_but_the_reserved_one_is_tried():
    assert {reason for reason, _ in DROPPED} == {*DROP_REASONS} - {"extract_unknown"}


def test_the_first_reason_wins():
    faults: list[tuple[str, dict[str, object], dict[str, object]]] = [
        ("extract_corrupt_json", {}, {"product_index": "x"}),
        ("extract_null_eventtime", {"eventTime": None}, {}),
        ("transform_missing_required", {}, {"userid": ""}),
        ("transform_invalid_updated", {}, {"updated": "x"}),
        ("transform_decryption_failure", {}, {"image_data": "x"}),
    ]
    for first in range(len(faults)):
        record: dict[str, object] = {}
        data: dict[str, object] = dict(DATA)
        for _, record_fault, data_fault in faults[first:]:
            record.update(record_fault)
            data.update(data_fault)
        assert read(line(data, **record)) == Dropped(faults[first][0])  # type: ignore[arg-type]
    assert read(line(None, eventTime=None)) == Dropped("extract_null_eventtime")


def test_a_dropped_record_keeps_the_text_and_its_place():
    """Defect 13: the text of a corrupt line was lost."""
    assert Dropped("extract_corrupt_json").record(b' {"a": 1 \xc3\xa9', "raw/x", 7) == {
        "drop_reason": "extract_corrupt_json",
        "drop_phase": "extract",
        "raw": ' {"a": 1 é',
        "source_object": "raw/x",
        "line": 7,
    }
    assert Dropped("extract_corrupt_json").record(b"a\xffb", "raw/x", 1)["raw"] == "a\\xffb"


@pytest.mark.parametrize("reason", DROP_REASONS)
def test_the_phase_is_in_the_name_of_the_reason(reason):
    assert Dropped(reason).phase == reason.partition("_")[0]


@pytest.mark.parametrize(
    ("processor", "category"),
    [
        ("Nautilus-v2", "nautilus"),
        ("the NAUTILUS", "nautilus"),
        ("savedproject", "savedproject"),
        ("nautil", "savedproject"),
        ("", "savedproject"),
        (None, "savedproject"),
    ],
)
def test_the_processor_decides_the_category(processor, category):
    assert category_of(processor) == category
    assert kept(line(__meta__={"savedproject": {"processor": processor}})).category == category


@pytest.mark.parametrize("meta", [..., None, 3, "nautilus", [], {}, {"savedproject": "nautilus"}])
def test_without_a_processor_a_record_is_of_the_older_editor(meta):
    assert kept(line(__meta__=meta)).category == "savedproject"


def test_fields_that_may_be_absent_are_null():
    absent = ("project_subtype", "product_type", "productguid", "productimageid", "product_index", "state")
    record = kept(data_line(**dict.fromkeys(absent, ...))).record
    assert [record["data"][name] for name in absent if name != "state"] == [None] * 5
    assert kept(data_line(product_index=None)).record["data"]["product_index"] is None


@pytest.mark.parametrize("index", [0, -1, 2**31 - 1, -(2**31)])
def test_an_index_has_32_bits(index):
    assert kept(data_line(product_index=index)).record["data"]["product_index"] == index


def test_numbers_and_booleans_are_the_text_that_stands_there():
    raw = data_line(userid=...).replace(
        b'"projectguid": "p1"', b'"projectguid": 1.50, "userid": 12345678901234567890'
    )
    result = kept(raw)
    assert result.record["pk"] == "1.50_12345678901234567890"
    assert kept(data_line(project_subtype=True)).record["data"]["project_subtype"] == "true"
    assert kept(data_line(project_subtype=False)).record["data"]["project_subtype"] == "false"
    assert kept(data_line(project_subtype={"a": 1})).record["data"]["project_subtype"] is None


@pytest.mark.parametrize("event_time", ["", 0, False, {}, "never"])
def test_the_time_of_the_event_only_has_to_be_there(event_time):
    assert kept(line(eventTime=event_time)).record["eventTime"] == DATA["updated"]


def test_unknown_fields_are_ignored_however_long_their_numbers():
    plain = kept(line()).record
    assert kept(data_line(other=[1, {"x": None}])).record == plain
    assert (
        kept(line().replace(b'"eventTime"', b'"n": ' + b"9" * 5_000 + b', "f": 1e999, "eventTime"')).record
        == plain
    )


def test_of_a_key_that_appears_twice_the_last_counts():
    assert kept(line().replace(b'"userid"', b'"userid": "other", "userid"')).record["pk"] == "p1_u1"


@pytest.mark.parametrize(
    ("depth", "is_corrupt"), [(500, False), (501, True), (990, True), (5_000, True), (200_000, True)]
)
def test_a_line_is_nested_500_deep_at_most(depth, is_corrupt):
    """The engines have stacks of their own, so that the parser's limit would differ among them."""
    nested = line().replace(
        b'"eventTime"', b'"n": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b', "eventTime"'
    )
    assert (read(nested) == Dropped("extract_corrupt_json")) == is_corrupt


@pytest.mark.parametrize("text", ["[" * 2_000, '\\"[' * 600, "{[" * 600 + '"', "[\\\\" * 600])
def test_brackets_in_a_text_nest_nothing(text):
    assert kept(data_line(state=text)).record == kept(line()).record
    assert kept(line(list=[{}] * 600)).record == kept(line()).record


def test_whole_surrogate_pairs_are_text():
    assert kept(line().replace(b'"u1"', b'"\\ud83d\\ude00"')).record["pk"] == "p1_😀"


@pytest.mark.parametrize(
    ("updated", "interval", "day", "columns"),
    [
        ("2025-01-15T08:07:33.000Z", 5, date(2025, 1, 15), (5, "2025", "01", "15", "08", "05")),
        ("2025-01-15 07:59:59.999999999", 5, date(2025, 1, 14), (55, "2025", "01", "15", "07", "55")),
        ("2025-01-15T00:07:33-0800", 5, date(2025, 1, 15), (5, "2025", "01", "15", "08", "05")),
        ("2025-01-15T01:14:00+05:30", 15, date(2025, 1, 14), (30, "2025", "01", "14", "19", "30")),
        ("2025-01-15T08:07:33Z", 60, date(2025, 1, 15), (0, "2025", "01", "15", "08", "00")),
        ("0900-01-15T08:07:33Z", 5, date(900, 1, 15), (5, "0900", "01", "15", "08", "05")),
    ],
)
def test_the_columns_are_utc_and_the_day_is_local(updated, interval, day, columns):
    """Defect 12: fractional seconds became null partitions, `Z` was read in the session zone."""
    result = kept(data_line(updated=updated), interval_minutes=interval)
    assert result.day == day
    assert tuple(result.record[name] for name in ("5min", "year", "month", "day", "hour", "min")) == columns
    assert (
        result.record["eventTime"]
        == result.record["event_time"]
        == result.record["data"]["updated"]
        == updated
    )


def test_another_zone_has_another_day():
    assert kept(line(), timezone="Asia/Tokyo").day == date(2025, 1, 15)
    assert kept(data_line(updated="2025-01-15T15:00:00Z"), timezone="Asia/Tokyo").day == date(2025, 1, 16)


def test_a_zone_that_does_not_exist_is_an_error_and_no_reason():
    with pytest.raises(ValueError, match="PST"):
        read(line(), timezone="PST")


def test_blank_lines_are_counted_but_are_no_records():
    content = b'\n{"a": 1}\r\n \t\r\n\n[1] \n{"b"'
    assert list(numbered_lines(content)) == [(2, b'{"a": 1}'), (5, b"[1] "), (6, b'{"b"')]
    assert not list(numbered_lines(b""))


def test_the_worked_example_reads_four_writes_one_and_drops_one_for_each_reason():
    content = b"\n".join([line(), b"{corrupt", line(eventTime=None), line(None)])
    results = [read(row) for _, row in numbered_lines(content)]
    assert len(results) == 4
    assert sum(isinstance(result, Kept) for result in results) == 1
    assert Counter(result.reason for result in results if isinstance(result, Dropped)) == {
        "extract_corrupt_json": 1,
        "extract_null_eventtime": 1,
        "extract_null_data": 1,
    }


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*DATA.values()])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "eventTime": VALUES,
        "data": VALUES | st.fixed_dictionaries({}, optional=dict.fromkeys(DATA, VALUES)),
        "__meta__": VALUES,
    },
)
NEARLY_GOOD = st.dictionaries(st.sampled_from([*DATA]), VALUES, max_size=2).map(
    lambda changes: data_line(**changes)
)
LINES = (
    st.binary()
    | RECORDS.map(json.dumps).map(str.encode)
    | NEARLY_GOOD
    | st.tuples(NEARLY_GOOD, st.integers(0, 400)).map(lambda cut: cut[0][: cut[1]])
)


@given(LINES, st.sampled_from([PACIFIC, "Asia/Tokyo", "UTC"]))
def test_any_line_gives_a_record_or_one_reason_and_both_can_be_written(content, timezone):
    result = read(content, timezone)
    if isinstance(result, Dropped):
        assert result.reason in DROP_REASONS
        assert result.reason != "extract_unknown"
        written = result.record(content, "x", 1)
    else:
        written = result.record
        assert written["pk"].startswith(written["data"]["projectguid"])
        assert written["min"] == f"{written['5min']:02}"
        assert any(written["data"][name] for name in ("msp", "mspid", "mediaid", "locationspec"))
    assert json.loads(json.dumps(written, ensure_ascii=False).encode()) == written


@given(st.lists(LINES, max_size=8).map(b"\n".join))
def test_records_read_are_those_written_and_those_dropped(content):
    read_lines = [row for row in content.split(b"\n") if row.strip()]
    results = [read(row) for _, row in numbered_lines(content)]
    reasons = Counter(result.reason for result in results if isinstance(result, Dropped))
    written = sum(isinstance(result, Kept) for result in results)
    assert len(read_lines) == written + sum(reasons.values())


def test_a_number_keeps_its_token():
    assert read_json(b"[-0, 1.50, 1E2, 12345678901234567890]") == [
        Number("-0"),
        Number("1.50"),
        Number("1E2"),
        Number("12345678901234567890"),
    ]
