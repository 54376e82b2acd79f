"""The runlist: repair, rank order, one row per CAM, the cut, and the counts of what was left out."""

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.cams import repair
from assets.aim.csv_records import MAX_LINE_BYTES
from assets.aim.runlist import Runlist, read_runlist
from assets.failures import PermanentFailure
from tests.assets.aim.endless_line import EndlessLine

VEHICLES = st.sampled_from(["FORD FOCUS", "Ford  focus", "VW_GOLF", "nan", "", " ", "LAND ROVER90 205/80R16"])
SIZES = st.sampled_from(["205/55R16", "205/55 ZR16", "unknown", "NULL", "", "GTI 195/65R15", "7.50R16"])
RANKS = st.sampled_from(["1", "2", "2.5", "1e1", "", "x", "nan", "-3"])


def runlist(text: str, limit: int = 1_000) -> Runlist:
    return read_runlist(io.BytesIO(text.encode()), "runlist.csv", limit)


def pairs(text: str, limit: int = 1_000) -> list[tuple[str, ...]]:
    return runlist(text, limit).cams.rows()


@pytest.mark.parametrize(
    "header",
    [
        "Vehicle,Size,PriorityRank",
        " VEHICLE , size ,priorityrank",
        "vehicle,SIZE,Rank",
        "\ufeffVehicle,Size,rank",
    ],
)
def test_header_names_are_found_trimmed_and_in_any_case(header):
    assert pairs(f"{header}\nA,205/55R16,2\nB,205/55R16,1\n") == [("B", "205/55 R16"), ("A", "205/55 R16")]


def test_columns_may_stand_anywhere_and_others_are_ignored():
    assert pairs("note,rank,size,x,vehicle\nn,1,205/55R16,y,FORD FOCUS\n") == [("FORD FOCUS", "205/55 R16")]


def test_the_priority_rank_counts_where_a_plain_rank_stands_beside_it():
    assert [row[0] for row in pairs("rank,Vehicle,Size,PriorityRank\n1,A,s,2\n2,B,s,1\n")] == ["B", "A"]


@pytest.mark.parametrize(
    ("ranks", "order"),
    [
        (["3", "1", "2"], "BCA"),
        (["10", "9", "1e0"], "CBA"),
        (["2", "", "1"], "CAB"),
        (["x", "nan", "1"], "CAB"),
        (["1", "1.0", "+1"], "ABC"),
        (["inf", "-1", "0"], "BCA"),
    ],
)
def test_rows_are_in_order_of_rank_with_missing_ranks_last_and_ties_in_file_order(ranks, order):
    rows = [f"{vehicle},size,{rank}" for vehicle, rank in zip("ABC", ranks, strict=True)]
    assert "".join(row[0] for row in pairs("\n".join(["Vehicle,Size,Rank", *rows]))) == order


def test_equal_ranks_of_a_long_list_stay_in_file_order():
    names = [f"V{number}" for number in range(5_000)]
    rows = [f"{name},size,{number % 2}" for number, name in enumerate(names)]
    vehicles = [row[0] for row in pairs("\n".join(["Vehicle,Size,Rank", *rows]), limit=5_000)]
    assert vehicles == names[::2] + names[1::2]


def test_without_a_rank_column_the_file_order_stays():
    assert [row[0] for row in pairs("Vehicle,Size\nB,s\nA,s\n")] == ["B", "A"]


def test_rows_are_repaired_before_they_are_judged():
    text = "Vehicle,Size\nVW,GOLF205/55R16\nAUDI A4 225/50R17 AVANT,null\n,205/55R16\nVW_UP,nan\n"
    result = runlist(text)
    assert result.cams.rows() == [("VW GOLF", "205/55 R16"), ("AUDI A4 AVANT", "225/50 R17")]
    assert (result.read, result.dropped) == (4, 2)


@pytest.mark.parametrize("absent", ["", "  ", "nan", "NaN", "None", "NULL", " null "])
def test_a_row_without_vehicle_or_size_is_dropped_and_counted(absent):
    result = runlist(f"Vehicle,Size\n{absent},205/55R16\nFORD FOCUS,{absent}\nVW GOLF,205/55R16\n")
    assert result.cams.rows() == [("VW GOLF", "205/55 R16")]
    assert (result.read, result.dropped) == (3, 2)


def test_one_row_per_cam_is_kept_the_best_ranked():
    text = (
        "Vehicle,Size,Rank\nFORD FOCUS,205/55R16,3\nFord-Focus,205/55 ZR16,1\nFORD FOCUS,205/55R16C,2\n"
        "FORD FOCUS,all sizes,4\nford focus,ALL-SIZES,5\n"
    )
    result = runlist(text)
    expected = [("Ford-Focus", "205/55 ZR16"), ("FORD FOCUS", "205/55 R16C"), ("FORD FOCUS", "all sizes")]
    assert result.cams.rows() == expected
    assert result.duplicate == 2


def test_the_cut_comes_after_the_duplicates():
    text = "Vehicle,Size,Rank\nA,s,1\nA,s,2\nB,s,3\nC,s,4\nD,s,5\n"
    result = runlist(text, limit=2)
    assert [row[0] for row in result.cams.rows()] == ["A", "B"]
    assert (result.read, result.dropped, result.duplicate, result.cut) == (5, 0, 1, 2)


def test_a_short_row_lacks_its_last_fields_and_a_long_one_is_dropped_with_its_line():
    result = runlist("Vehicle,Size,Rank\nA,205/55R16\nFORD, FOCUS,205/55R16,1\nB,205/55R16,1, ,\nC\n")
    assert [row[0] for row in result.cams.rows()] == ["B", "A"]
    assert (result.read, result.dropped) == (4, 2)
    assert result.rejections == ((3, "has 4 fields under a header of 3"),)


def test_a_line_that_is_no_record_is_dropped_with_its_line_and_costs_no_other():
    before = b'Vehicle,Size\nA,205/55R16\nB,"205/55R16\nC,205/55R16\n'
    stream = EndlessLine(before=before, length=1 << 22, after=b"\nD,205/55R16\n")
    result = read_runlist(stream, "runlist.csv", 10)
    assert [row[0] for row in result.cams.rows()] == ["A", "C", "D"]
    assert (result.read, result.dropped) == (5, 2)
    assert result.rejections == (
        (3, "has a stray quote or carriage return"),
        (5, "is longer than 1,048,576 bytes"),
    )
    assert stream.largest_request <= 2 * MAX_LINE_BYTES


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "Size,Rank\n205/55R16,1\n",
            "runlist.csv lacks the column Vehicle; its header is 'Size, Rank'; send",
        ),
        ("Vehicle,Rank\nA,1\n", "runlist.csv lacks the column Size; its header is 'Vehicle, Rank'; send"),
        ("", "runlist.csv lacks the column Vehicle; its header is ''; send"),
        ("Vehicle,Size\n", "runlist.csv: none of its 0 rows has both a Vehicle and a Size; send"),
        ("Vehicle,Size\nnan,nan\n,\n", "runlist.csv: none of its 2 rows has both a Vehicle and a Size; send"),
    ],
)
def test_a_runlist_without_its_columns_or_any_row_is_refused(text, sentence):
    with pytest.raises(PermanentFailure) as refused:
        runlist(text)
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("line", [1, 3])
def test_a_runlist_in_another_encoding_is_refused_with_the_line(line):
    lines = ["Vehicle,Size", "FORD FOCUS,205/55R16", "VW GOLF,205/55R16"]
    lines[line - 1] += ",Citroën"
    with pytest.raises(
        PermanentFailure, match=f"^runlist.csv: line {line} is not UTF-8; save the file as UTF-8"
    ):
        read_runlist(io.BytesIO("\n".join(lines).encode("latin-1")), "runlist.csv", 10)


@given(st.lists(st.tuples(VEHICLES, SIZES, RANKS), max_size=12), st.integers(1, 6))
def test_every_row_is_published_dropped_a_duplicate_or_cut(rows, limit):
    text = "\n".join(["Vehicle,Size,Rank", *(",".join(row) for row in rows), "SPARE,205/55R16,"])
    result = runlist(text, limit)
    assert result.read == len(rows) + 1
    assert result.read == result.cams.height + result.dropped + result.duplicate + result.cut
    assert result.cams.height <= limit
    assert all(repair(*cam) == cam for cam in result.cams.iter_rows())


@given(st.lists(st.tuples(VEHICLES, SIZES, RANKS), max_size=8))
def test_reading_what_was_read_changes_nothing(rows):
    text = "\n".join(["Vehicle,Size,Rank", *(",".join(row) for row in rows), "SPARE,205/55R16,"])
    once = runlist(text).cams
    again = runlist(once.write_csv()).cams
    assert again.equals(once)
    assert once.schema == pl.Schema({"Vehicle": pl.String, "Size": pl.String})
