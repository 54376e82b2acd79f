"""Tables in files: every format, files that grow or change, rows that break the rules, a million lines."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.table_file import TableFile
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing

ROWS = [{"id": str(n), "name": f"name {n}"} for n in range(5)]
CSV = "id,name\n" + "".join(f"{row['id']},{row['name']}\n" for row in ROWS)
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)


def table(path: Path, **params: object) -> Source:
    return Source(TableFile(), {"path": str(path), "key_columns": ["id"]} | params)


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(rows: list[dict], row_group_size: int | None = None) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=row_group_size)
    return buffer.getvalue()


def arrow(rows: list[dict], *, stream: bool = False) -> bytes:
    buffer = io.BytesIO()
    content = pa.Table.from_pylist(rows)
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(buffer, content.schema) as writer:
        writer.write_table(content, max_chunksize=2)
    return buffer.getvalue()


FILES = {
    "a.csv": CSV.encode(),
    "bom.csv": b"\xef\xbb\xbf" + CSV.encode(),
    "windows.csv": CSV.replace("\n", "\r\n").encode(),
    "a.tsv": CSV.replace(",", "\t").encode(),
    "a.jsonl": JSONL.encode(),
    "a.ndjson": JSONL.replace("\n", "\r\n\n").encode(),
    "a.json": json.dumps(ROWS, indent=1).encode(),
    "a.csv.gz": gzip.compress(CSV.encode(), mtime=0),
    "a.jsonl.zst": zstandard.compress(JSONL.encode()),
    "A.CSV.GZ": gzip.compress(CSV.encode(), mtime=0),
    "a.parquet": parquet(ROWS, row_group_size=2),
    "a.parquet.gz": gzip.compress(parquet(ROWS), mtime=0),
    "a.arrow": arrow(ROWS),
    "stream.arrow": arrow(ROWS, stream=True),
    "a.feather": arrow(ROWS),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_things(tmp_path, name):
    source = table(written(tmp_path / name, FILES[name]))
    read = source.read()
    assert read.keys == ["0", "1", "2", "3", "4"]
    assert read.data == ROWS
    assert read.rejected == []
    assert read.is_complete
    assert_a_second_read_changes_nothing(source)


def test_csv_values_stay_text_and_quotes_hold_delimiters_quotes_and_line_feeds(tmp_path):
    path = written(tmp_path / "a.csv", 'id,note\n007,"a ""b"", c\nand d"\nNO,1e3\n')
    read = table(path).read()
    assert read.data == [{"id": "007", "note": 'a "b", c\nand d'}, {"id": "NO", "note": "1e3"}]


def test_without_key_columns_a_row_is_known_by_its_key_field_link_or_data(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"id": 7, "title": "x"}\n{"url": "https://example.com/"}\n"abc"\n')
    source = Source(TableFile(), {"path": str(path)})
    assert source.read().keys == ["data:08b7180481311dfa", "url:0f115db062b7c0dd", "abc"]


def test_key_columns_are_joined(tmp_path):
    path = written(tmp_path / "a.csv", "a,b,c\n1,2,3\n")
    assert table(path, key_columns=["c", "a"]).read().keys == ["3|1"]


def test_columnar_values_become_json(tmp_path):
    instant = datetime(2026, 3, 7, 5, tzinfo=UTC)
    row = {
        "id": 1,
        "at": instant,
        "price": Decimal("1.50"),
        "nan": float("nan"),
        "raw": b"ab",
        "list": [1, None],
    }
    read = table(written(tmp_path / "a.parquet", parquet([row]))).read()
    (data,) = read.data
    expected = {"id": 1, "price": "1.50", "nan": None, "raw": "YWI=", "list": [1, None]}
    assert data == expected | {"at": "2026-03-07T05:00:00+00:00"}
    assert read.keys == ["1"]


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ('id,name\n1,a\n2\n3,"c\nd"\n4,d\n', "line 3", ["1 fields", "header 2"]),
        ("id,name\n1,a\n3,c\n2,b,too many\n4,d\n", "line 4", ["3 fields"]),
        ('id,name\n1,a\n\n3,"c\nd"\n2,"b" b\n4,d\n', "line 6", ["quot"]),
        ("id,name\n1,a\n3,c\n,x\n4,d\n", "line 4", []),
    ],
    ids=["short", "long", "bad quoting", "no key"],
)
def test_a_row_that_breaks_the_rules_is_rejected_with_its_line_and_the_others_go_on(
    tmp_path, text, position, words
):
    read = table(written(tmp_path / "a.csv", text)).read()
    assert read.keys == ["1", "3", "4"]
    ((found, reason),) = read.rejected
    assert found == position
    assert all(word in reason for word in words)
    assert read.is_complete


def test_undecodable_bytes_reject_their_row_only(tmp_path):
    path = written(tmp_path / "a.csv", b"id,name\n1,a\n2,caf\xe9\n3,c\n")
    read = table(path).read()
    assert read.keys == ["1", "3"]
    assert read.rejected[0][0] == "line 3"
    assert "encoding" in read.rejected[0][1]
    assert table(path, encoding="latin-1").read().data[1] == {"id": "2", "name": "café"}


def test_utf_16_is_read_when_it_is_named(tmp_path):
    assert table(written(tmp_path / "a.csv", CSV.encode("utf-16")), encoding="utf-16").read().data == ROWS


def test_lines_that_are_no_json_are_rejected(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"id": 1}\n{"id": \n{"id": NaN}\n[1]\n{"x": 1}\nnull\n{"id": 2}\n')
    read = table(path).read()
    assert read.keys == ["1", "2"]
    assert [position for position, _ in read.rejected] == ["line 2", "line 3", "line 4", "line 5", "line 6"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"id,id\n1,2\n", ["a.csv", "'id' twice"]),
        ("a.csv", b"x,name\n1,2\n", ["a.csv", "'id'", "'x', 'name'"]),
        ("a.parquet", parquet([{"x": 1}]), ["a.parquet", "'id'"]),
        ("a.parquet", b"no parquet", ["a.parquet", "no parquet"]),
        ("a.arrow", b"no arrow at all", ["a.arrow", "no arrow"]),
        ("a.json", b'{"id": 1}', ["a.json", "no JSON array"]),
        ("a.json", b'[{"id": 1}, {"id": 2', ["after 1 elements"]),
        ("a.json", b'[{"id": 1}] x', ["after the end"]),
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)[:-9], ["a.csv.gz", "cut|runcated"]),
        ("a.csv.zst", zstandard.compress(CSV.encode() * 9)[:-9], ["a.csv.zst", "cut|runcated"]),
        ("a.csv.gz", b"plain text", ["a.csv.gz", "header"]),
        ("a.txt", b"x", ["a.txt", "format:"]),
    ],
)
def test_a_file_that_cannot_be_used_fails_with_its_name_and_the_rule(tmp_path, name, content, words):
    path = written(tmp_path / name, content)
    with pytest.raises(PermanentFailure) as failure:
        table(path).read()
    text = str(failure.value)
    assert all(any(part in text for part in word.split("|")) for word in words), text


def test_a_missing_file_and_a_folder_fail_by_name(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(PermanentFailure, match=path.name):
            table(path, format="csv").read()


def test_empty_lines_are_no_rows_and_may_stand_before_the_header(tmp_path):
    read = table(written(tmp_path / "a.csv", "\n\nid,name\n\n1,a\n2\n\n")).read()
    assert read.keys == ["1"]
    assert [position for position, _ in read.rejected] == ["line 6"]


def test_an_empty_file_is_an_empty_complete_listing(tmp_path):
    for name in ("a.csv", "a.jsonl"):
        read = table(written(tmp_path / name, b"")).read()
        assert (read.keys, read.is_complete) == ([], True)


def test_a_file_that_only_grew_is_read_from_the_stored_row(tmp_path):
    path = written(tmp_path / "a.csv", 'id,name\n1,a\n2,"b\nb"\n')
    source = table(path)
    source.read()
    with path.open("a") as file:
        file.write("3,c\nbad\n4,d\n")
    read = source.read()
    assert read.keys == ["3", "4"]
    assert read.rejected[0][0] == "line 6"
    assert not read.is_complete
    assert_a_second_read_changes_nothing(source)


def test_a_gzip_that_grew_by_a_member_is_read_from_the_stored_row(tmp_path):
    path = written(tmp_path / "a.csv.gz", gzip.compress(CSV.encode(), mtime=0))
    source = table(path)
    source.read()
    with path.open("ab") as file:
        file.write(gzip.compress(b"9,nine\n"))
    assert source.read().keys == ["9"]


@pytest.mark.parametrize(
    ("name", "half", "rest"),
    [
        ("a.csv", "id,name\n1,a\n2,be", "rlin\n3,c\n"),
        ("a.csv", 'id,name\n1,a\n2,"be\n', 'rlin"\n3,c\n'),
        ("a.jsonl", '{"id": 1}\n{"id": 2, "name"', ': "x"}\n{"id": 3}\n'),
    ],
)
def test_a_last_row_that_was_half_written_is_read_again_when_the_file_grows(tmp_path, name, half, rest):
    path = written(tmp_path / name, half)
    source = table(path)
    source.read()
    assert_a_second_read_changes_nothing(source)
    path.write_text(half + rest)
    assert source.read().keys == ["2", "3"]
    assert set(source.known) == {"1", "2", "3"}


@pytest.mark.parametrize(
    "content", ["id,name\n1,A\n2,b\n3,c\n", "id,name\n1,a\n", "id,name\n0,z\n1,a\n2,b\n3,c\n"]
)
def test_a_file_that_changed_otherwise_is_read_from_the_top(tmp_path, content):
    path = written(tmp_path / "a.csv", "id,name\n1,a\n2,b\n")
    source = table(path)
    source.read()
    path.write_text(content)
    read = source.read()
    assert len(read.keys) == content.count("\n") - 1
    assert read.is_complete


def test_a_file_at_rest_is_not_opened_again_for_its_content(tmp_path):
    path = written(tmp_path / "a.csv", CSV)
    os.utime(path, (1, 1))
    source = table(path)
    source.read()
    # The same size and time stamp: only reading it would tell that it is another content.
    path.write_text(CSV.replace("name 4", "name 5"))
    os.utime(path, (1, 1))
    read = source.read()
    assert read.keys == []
    assert read.marks[-1].page == 0


def test_a_touched_file_is_unchanged(tmp_path):
    path = written(tmp_path / "a.csv", CSV)
    source = table(path)
    source.read()
    os.utime(path, (1, 1))
    assert source.read().keys == []


def test_a_file_that_comes_back_is_read_to_its_end_although_a_crash_came_between(tmp_path):
    path = tmp_path / "a.csv"
    source = table(written(path, CSV))
    source.read()
    written(path, CSV.replace("name ", "other "))
    source.read(crash_after=4, limit=100)
    written(path, CSV)
    source.read(crash_after=2, limit=100)
    source.read()
    whole = table(path)
    whole.read()
    assert source.known == whole.known


def test_a_limit_leaves_rows_for_the_next_time_and_none_is_read_twice(tmp_path):
    source = table(written(tmp_path / "a.csv", CSV))
    read = [source.read(limit=2).keys for _ in range(4)]
    assert read == [["0", "1"], ["2", "3"], ["4"], []]


@given(
    crashes=st.lists(st.integers(0, 12), max_size=6), every=st.booleans(), name=st.sampled_from(list(FILES))
)
def test_a_crash_anywhere_repeats_and_never_skips(tmp_path_factory, crashes, every, name):
    source = table(written(tmp_path_factory.mktemp("crash") / name, FILES[name]))
    for crash_after in crashes:
        source.read(crash_after=crash_after, limit=100 if every else None)
    source.read()
    assert set(source.known) == {"0", "1", "2", "3", "4"}


@given(
    rows=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=20),
    cut=st.integers(0, 400),
    name=st.sampled_from(["a.csv", "a.tsv", "a.jsonl"]),
)
def test_a_file_read_while_it_grows_gives_every_row_in_the_end(tmp_path_factory, rows, cut, name):
    text = io.StringIO()
    if name.endswith("jsonl"):
        text.writelines(json.dumps({"id": n, "a": a, "b": b}) + "\n" for n, (a, b) in enumerate(rows))
    else:
        storable = [
            (a.encode("utf-8", "replace").decode(), b.encode("utf-8", "replace").decode()) for a, b in rows
        ]
        writer = csv.writer(text, delimiter="\t" if name.endswith("tsv") else ",")
        writer.writerow(["id", "a", "b"])
        writer.writerows((n, a, b) for n, (a, b) in enumerate(storable))
    content = text.getvalue().encode()
    path = written(tmp_path_factory.mktemp("grow") / name, content[: max(cut, 10)])
    source = table(path)
    source.read()
    path.write_bytes(content)
    source.read()
    whole = table(path)
    whole.read()
    expected = dict(whole.known)
    assert {key: source.known[key] for key in expected} == expected
    assert set(expected) == {str(n) for n in range(len(rows))}


# The high-water mark of this process alone: getrusage would count the one that started it as well.
PROBE = textwrap.dedent("""
    import re, sys
    from pathlib import Path
    from assets.discovery.contract import Ask, Mark
    from assets.discovery.strategies.table_file import TableFile
    found = TableFile().discover(Ask(params={"path": sys.argv[1], "key_columns": ["id"]}))
    print(sum(not isinstance(item, Mark) for item in found))
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
""")


@pytest.mark.long
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz", "a.json", "a.parquet"])
def test_a_million_rows_are_read_in_bounded_memory(tmp_path, name):
    count, path = 1_000_000, tmp_path / name
    if name == "a.parquet":
        ids = pa.array([str(n) for n in range(count)])
        pq.write_table(pa.table({"id": ids, "title": ids}), path)
    elif name == "a.csv":
        with path.open("w") as file:
            file.write("id,title,text\n")
            file.writelines(f"{n},title {n},some words about it\n" for n in range(count))
    elif name == "a.json":
        with path.open("w") as file:
            file.write("[")
            file.writelines(f'{"," if n else ""}{{"id": {n}, "title": "title {n}"}}\n' for n in range(count))
            file.write("]")
    else:
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.writelines(f'{{"id": {n}, "title": "title {n}"}}\n' for n in range(count))
    ran = subprocess.run([sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, check=True)
    found, peak_mb = map(int, ran.stdout.split())
    assert found == count
    assert peak_mb < 300


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak_mb(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as file:
            file.write("id,text\n")
            file.writelines(f"{n},{'x' * 200}\n" for n in range(rows))
        ran = subprocess.run(
            [sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, check=True
        )
        return int(ran.stdout.split()[1])

    # 100,000 rows are 20 MB on disk and some 60 MB as objects.
    assert peak_mb(100_000) - peak_mb(1_000) < 10
