"""Indexes of EDGAR: their three shapes, the lines that are none, and what is read again."""

import gzip
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.edgar_index import EdgarIndex
from assets.discovery.strategies.edgar_rows import BadLine, Filing, filings
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import assert_a_second_read_changes_nothing
from tests.resources.http.web_server import Answer

DASHES = "-" * 80
ROWS = [
    ("1000001", "ALDER & ASH HOLDINGS INC", "10-K", "2026-02-13", "0000950170-26-000001"),
    ("1000002", "BIRCH 2020 TRUST 7", "8-K", "2026-02-16", "0000950170-26-000002"),
    ("1000003", "BIRCH CAFÉ CORP", "8-K", "2026-02-16", "0000950170-26-000002"),
    ("1000004", "CEDAR PARTNERS LP", "SCHEDULE 13G/A", "2026-02-17", "0001193125-26-000003"),
]


def head(header: str) -> str:
    return (
        f"Description:           Master Index\nLast Data Received:    March 31, 2026\n \n{header}\n{DASHES}\n"
    )


def file_of(cik: str, accession: str) -> str:
    return f"edgar/data/{cik}/{accession}.txt"


def master(rows=ROWS) -> bytes:
    lines = (f"{cik}|{name}|{form}|{day}|{file_of(cik, number)}\n" for cik, name, form, day, number in rows)
    return (head("CIK|Company Name|Form Type|Date Filed|Filename") + "".join(lines)).encode("latin-1")


def form_index(rows=ROWS) -> bytes:
    header = f"{'Form Type':<12}{'Company Name':<62}{'CIK':<12}{'Date Filed':<12}File Name            "
    lines = (
        f"{form:<12}{'  ' if len(form) > 12 else ''}{name:<62}{cik:<12}{day:<12}{file_of(cik, number):<52}\n"
        for cik, name, form, day, number in rows
    )
    return (head(header) + "".join(lines)).encode("latin-1")


def company_index(rows=ROWS) -> bytes:
    header = f"{'Company Name':<62}{'Form Type':<12}{'CIK':<12}{'Date Filed':<12}File Name            "
    lines = (
        f"{name:<62}{form:<12} {cik:<12}{day.replace('-', ''):<12}{file_of(cik, number):<52}\n"
        for cik, name, form, day, number in rows
    )
    return (head(header) + "".join(lines)).encode("latin-1")


def crawler_index(rows=ROWS) -> bytes:
    text = company_index(rows).decode("latin-1").replace("File Name", "URL      ")
    return text.replace("edgar/data", "https://www.sec.gov/Archives/edgar/data").encode("latin-1")


SHAPES = {"master": master, "form": form_index, "company": company_index, "crawler": crawler_index}


def rows_of(content: bytes) -> list[Filing | BadLine]:
    return list(filings(content.splitlines(keepends=True), "the index"))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_index_says_the_same(shape):
    found = rows_of(SHAPES[shape]())
    assert [row[:4] for row in found] == [row[:4] for row in ROWS]
    assert [row.accession for row in found if isinstance(row, Filing)] == [row[4] for row in ROWS]


NAMES = st.text(st.characters(codec="latin-1", categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=15)
FILINGS = st.tuples(
    st.integers(1, 9_999_999_999).map(str),
    st.lists(NAMES, min_size=1, max_size=3).map(" ".join),
    st.sampled_from(["10-K", "8-K/A", "SC 13D", "S-1"]),
    st.dates(date(1993, 1, 1), date(2026, 12, 31)).map(str),
    st.from_regex(r"[0-9]{10}-[0-9]{2}-[0-9]{6}", fullmatch=True),
)


@given(st.lists(FILINGS, max_size=5), st.sampled_from(list(SHAPES)))
def test_what_is_written_in_any_shape_is_read_back(rows, shape):
    found = rows_of(SHAPES[shape](rows))
    assert [(*row[:4], row.accession) for row in found if isinstance(row, Filing)] == [
        tuple(row) for row in rows
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1000001|ALDER|10-K|2026-02-13", "4 columns, not 5"),
        ("1000001|ALDER|10-K|2026-02-13|a|b", "6 columns, not 5"),
        ("1000001|ALDER|10-K|2026-02-13|edgar/data/1000001/index.txt", "has no accession number"),
        ("1000001|ALDER|10-K|2026-02-30|edgar/data/1/0000950170-26-000001.txt", "date '2026-02-30' is none"),
        ("AB1|ALDER|10-K|2026-02-13|edgar/data/1/0000950170-26-000001.txt", "CIK 'AB1' is no number"),
    ],
)
def test_a_bad_line_is_rejected_with_its_number_and_the_others_go_on(site, line, reason):
    content = master(ROWS[:1]) + f"{line}\n\n".encode() + master(ROWS[1:]).split(f"{DASHES}\n".encode())[1]
    read = site.source(EdgarIndex(), site.answer("/master.idx", content)).read()
    assert len(read.keys) == len(ROWS)
    ((position, why),) = read.rejected
    assert position == "line 7"
    assert reason in why


def test_a_bad_line_of_fixed_columns_is_rejected_too():
    bad = rows_of(form_index(ROWS[:1]) + b"10-K        NO NUMBERS AT ALL\n")[1]
    assert bad == BadLine(7, "it does not end in a CIK, a date and a file")


@pytest.mark.parametrize("shape", SHAPES)
def test_an_endless_line_is_rejected_at_once(shape):
    bad = rows_of(SHAPES[shape]([]) + b"1 " * 500_000)[0]
    assert bad == BadLine(6, "it has 1,000,000 characters, more than 1,000")


def test_who_filed_together_is_one_filing_or_with_the_cik_several(site):
    url = site.answer("/master.idx", master())
    read = site.source(EdgarIndex(), url).read()
    assert read.keys == [row[4] for row in ROWS]
    assert len(read.new) == 3
    assert read.candidates[1].content_hash == read.candidates[2].content_hash
    each = site.source(EdgarIndex(), url, {"key": "cik_accession"}).read()
    assert each.keys[1:3] == ["1000002|0000950170-26-000002", "1000003|0000950170-26-000002"]
    assert len(each.new) == 4


def test_a_filing_says_what_it_is_and_where(site):
    url = site.answer("/Archives/edgar/full-index/2026/QTR1/master.idx", master())
    read = site.source(EdgarIndex(), url, timezone="America/New_York").read()
    first = read.candidates[0]
    assert first.data == {
        "accession": "0000950170-26-000001",
        "cik": "1000001",
        "company": "ALDER & ASH HOLDINGS INC",
        "form": "10-K",
        "date": "2026-02-13",
        "url": f"{site.url}/Archives/edgar/data/1000001/0000950170-26-000001.txt",
    }
    assert (first.title, first.published_at) == (
        "ALDER & ASH HOLDINGS INC 10-K 2026-02-13",
        1_770_958_800_000,
    )
    assert read.data[2]["company"] == "BIRCH CAFÉ CORP"
    assert not read.is_complete


def test_a_file_without_archives_around_it_leads_to_those_of_the_sec(tmp_path, site):
    path = tmp_path / "master.idx"
    path.write_bytes(master())
    read = site.source(EdgarIndex(), str(path)).read()
    assert read.data[0]["url"] == "https://www.sec.gov/Archives/edgar/data/1000001/0000950170-26-000001.txt"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"forms": ["8-k"]}, [1, 2]),
        ({"ciks": ["0001000001", "1000003"]}, [0, 2]),
        ({"forms": ["8-K"], "ciks": ["1000003"]}, [2]),
        ({"forms": ["10-K/A"]}, []),
    ],
)
def test_only_the_forms_and_companies_that_are_asked_for_are_listed(site, params, expected):
    read = site.source(EdgarIndex(), site.answer("/master.idx", master()), params).read()
    assert read.keys == [ROWS[number][4] for number in expected]


def test_a_grown_index_is_listed_from_a_week_before_its_newest_day(site):
    source = site.source(EdgarIndex(), site.answer("/master.idx", master()))
    source.read()
    assert source.cursor == {"url": f"{site.url}/master.idx", "newest_date": "2026-02-17"}
    assert_a_second_read_changes_nothing(source)
    late = ("7", "LATE CO", "10-K", "2026-02-10", "0000950170-26-000009")
    later = ("8", "LATER CO", "10-K", "2026-02-09", "0000950170-26-000010")
    site.answer("/master.idx", master([*ROWS, late, later]))
    read = source.read()
    assert read.new == [late[4]]
    site.answer("/next.idx", master([later]))
    source.params = {**source.params, "url": f"{site.url}/next.idx"}
    assert source.read().keys == [later[4]]


def test_a_change_of_the_forms_lists_everything_again(site):
    old = ("7", "OLD CO", "10-K", "2026-01-05", "0000950170-26-000009")
    url = site.answer("/master.idx", master([*ROWS, old]), ETag='"1"')
    source = site.source(EdgarIndex(), url, {"forms": ["4"]})
    assert source.read().keys == []
    source.params = {**source.params, "forms": ["10-K"]}
    assert source.read().keys == [ROWS[0][4], old[4]]


def test_a_cursor_is_that_of_its_index_alone(site):
    old = ("0000000007", "OLD CO", "10-K", "2026-01-05", "0000950170-26-000009")
    source = site.source(EdgarIndex(), site.answer("/master.idx", master([*ROWS, old])))
    source.cursor = {"url": f"{site.url}/master.idx", "newest_date": "2026-02-17"}
    assert old[4] not in source.read().keys
    source.validators = None
    source.cursor = {"url": f"{site.url}/form.idx", "newest_date": "2026-02-17"}
    read = source.read()
    assert (read.keys[-1], read.data[-1]["cik"]) == (old[4], "7")


def test_a_date_in_the_future_does_not_hide_what_comes_before_it(site):
    wrong = ("9", "TYPO CO", "10-K", "2206-02-14", "0000950170-26-000011")
    source = site.source(EdgarIndex(), site.answer("/master.idx", master([wrong])))
    source.read()
    today = (date(2026, 3, 1) - timedelta(days=7)).isoformat()
    new = ("9", "NEW CO", "10-K", today, "0000950170-26-000012")
    site.answer("/master.idx", master([wrong, new]))
    assert source.read().new == [new[4]]


def test_a_limit_leaves_the_rest_for_the_next_time(site):
    source = site.source(EdgarIndex(), site.answer("/master.idx", master()))
    found = [source.read(limit=1).new for _ in range(3)]
    assert found == [[ROWS[0][4]], [ROWS[1][4]], [ROWS[3][4]]]


def test_an_index_is_unpacked_by_what_it_is_and_not_by_its_name(site):
    packed = gzip.compress(master(), mtime=0)
    for path, content in (("/master.idx", packed), ("/master.gz", master())):
        assert len(site.source(EdgarIndex(), site.answer(path, content)).read().keys) == len(ROWS)


def test_an_index_that_has_not_changed_is_not_read(site):
    etag = (("ETag", '"1"'),)
    url = site.answers("/master.idx", Answer(200, master(), etag), Answer(304, headers=etag))
    source = site.source(EdgarIndex(), url)
    source.read()
    cursor = source.cursor
    read = source.read()
    assert (read.keys, source.cursor) == ([], cursor)
    assert read.marks[-1].page == 0
    assert site.server.asked[-1].headers["If-None-Match"] == '"1"'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html><body>Undeclared tool</body></html>", "is no index of EDGAR: it has no header"),
        (b"\n" * 200 + DASHES.encode(), "has no header"),
        (head("CIK|Company Name|Filename").encode(), "is no index of filings: its header is 'CIK|Company"),
        (
            head("CIK         Form Type   Company Name  Date Filed  File Name").encode(),
            "is no index of filings",
        ),
    ],
)
def test_what_is_no_index_fails_by_its_name(site, content, sentence):
    source = site.source(EdgarIndex(), site.answer("/master.idx", content))
    with pytest.raises(PermanentFailure, match=r"master\.idx") as caught:
        source.read()
    assert sentence in str(caught.value)
    assert source.cursor is None
