"""The two feeds: what is loaded, which rows are rejected and why, and which files are refused."""

import io

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.csv_records import MAX_LINE_BYTES
from assets.aim.feeds import (
    CAR_SALES_SCHEMA,
    TYRE_FEED_SCHEMA,
    Feed,
    clean_header,
    read_car_sales,
    read_tyre_feed,
)
from assets.failures import PermanentFailure
from tests.assets.aim.endless_line import EndlessLine

SALE = "10000001,Ford,Focus,205,55,16,3,4,80.50"
TYRE = "10000001,Premium,205/55 R16,Alpha,Road,A,A,68-A,Summer,,No,Award,80.5,79,78.25"
TYRE_HEADER = ",".join(TYRE_FEED_SCHEMA)


def sales(*rows: str) -> Feed:
    return read_car_sales(io.BytesIO("\n".join(rows).encode()), "sales.csv")


def tyres(*rows: str, header: str = TYRE_HEADER) -> Feed:
    return read_tyre_feed(io.BytesIO("\n".join((header, *rows)).encode()), "tyres.csv")


def test_the_first_data_row_of_each_feed_is_loaded():
    assert sales(SALE).frame.row(0, named=True) == {
        "ProductId": "10000001",
        "CarMake": "Ford",
        "CarModel": "Focus",
        "Width": "205",
        "Profile": "55",
        "Rim": "16",
        "Orders": 3,
        "Units": 4,
        "AvgPrice": 80.5,
        "row_number": 1,
    }
    row = tyres(TYRE).frame.row(0, named=True)
    assert (row["ProductId"], row["Size"], row["Offer"], row["row_number"]) == (10000001, "205/55 R16", "", 1)
    assert (row["Price"], row["PrevPrice7"], row["PrevPrice28"]) == (80.5, 79.0, 78.25)


@pytest.mark.parametrize("first", ["ProductId", "productid", " PRODUCTID ", "\ufeffProductId"])
def test_a_header_of_the_sales_feed_is_skipped_in_any_case(first):
    feed = sales(f"{first},CarMake,CarModel,Width,Profile,Rim,Orders,Units,AvgPrice", SALE)
    assert feed.frame["ProductId"].to_list() == ["10000001"]
    assert feed.frame["row_number"].to_list() == [1]
    assert feed.rejected == 0


def test_a_header_is_only_looked_for_in_the_first_row():
    feed = sales(SALE, "ProductId,CarMake,CarModel,Width,Profile,Rim,Orders,Units,AvgPrice")
    assert [rejection.line for rejection in feed.rejections] == [2]


def test_the_frames_have_the_documented_types():
    assert dict(sales(SALE).frame.schema) == CAR_SALES_SCHEMA
    feed = tyres(f"{TYRE},x", header=f"{TYRE_HEADER},Extra")
    expected = {**TYRE_FEED_SCHEMA, "Extra": pl.String, "row_number": pl.Int64}
    assert list(feed.frame.schema.items()) == list(expected.items())


def test_columns_of_the_tyre_feed_are_found_by_name():
    header = ",".join(reversed(TYRE_HEADER.split(",")))
    row = ",".join(reversed(TYRE.split(",")))
    assert tyres(row, header=header).frame.equals(tyres(TYRE).frame)


def test_blank_numbers_are_null_and_blank_texts_stay():
    row = sales("10000001,,,,,,,  ,").frame.row(0, named=True)
    assert (row["Orders"], row["Units"], row["AvgPrice"], row["CarMake"]) == (None, None, None, "")


FULL_WIDTH = "\uff11\uff12\uff13\uff14\uff15\uff16\uff17"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("10000001,Ford,Focus,205,55,16,3,4", "has 8 fields instead of 9"),
        (f"{SALE},more", "has 10 fields instead of 9"),
        ("1000001x,Ford,Focus,205,55,16,3,4,80", "has ProductId '1000001x', which is not 7 or 8 digits"),
        ("123456,Ford,Focus,205,55,16,3,4,80", "has ProductId '123456', which is not 7 or 8 digits"),
        ("123456789,Ford,Focus,205,55,16,3,4,80", "has ProductId '123456789', which is not 7 or 8 digits"),
        ("12345678.0,Ford,Focus,205,55,16,3,4,80", "has ProductId '12345678.0', which is not 7 or 8 digits"),
        (
            f"{FULL_WIDTH},Ford,Focus,205,55,16,3,4,80",
            f"has ProductId '{FULL_WIDTH}', which is not 7 or 8 digits",
        ),
        (",Ford,Focus,205,55,16,3,4,80", "has ProductId '', which is not 7 or 8 digits"),
        ("10000001,Ford,Focus,205,55,16,three,4,80", "has Orders 'three', which is not a whole number"),
        ("10000001,Ford,Focus,205,55,16,3.5,4,80", "has Orders '3.5', which is not a whole number"),
        (
            "10000001,Ford,Focus,205,55,16,3,9223372036854775808,80",
            "has Units '9223372036854775808', which is not a whole number",
        ),
        ("10000001,Ford,Focus,205,55,16,3,4,nan", "has AvgPrice 'nan', which is not a number"),
        ("10000001,Ford,Focus,205,55,16,3,4,1e999", "has AvgPrice '1e999', which is not a number"),
        ('10000001,Ford,Focus,205,55,16,3,4,"1,50"', "has AvgPrice '1,50', which is not a number"),
        ('10000001,"Ford,Focus,205,55,16,3,4,80', "has a stray quote or carriage return"),
        ("x,Ford,Focus,205,55,16,x,4,80", "has ProductId 'x', which is not 7 or 8 digits"),
    ],
)
def test_a_row_that_does_not_parse_is_rejected_with_its_line(row, reason):
    feed = sales(SALE, row, SALE)
    assert feed.frame["row_number"].to_list() == [1, 3]
    assert feed.rejected == 1
    assert feed.rejections == ((2, reason),)


@pytest.mark.parametrize(
    ("value", "bad", "reason"),
    [
        ("78.25", "old", "has PrevPrice28 'old', which is not a number"),
        ("10000001", "1", "has ProductId '1', which is not 7 or 8 digits"),
        (",Award,", ",Award,,", "has 16 fields instead of 15"),
    ],
)
def test_a_bad_row_of_the_tyre_feed_is_rejected_like_one_of_the_sales_feed(value, bad, reason):
    feed = tyres(TYRE, TYRE.replace(value, bad))
    assert (feed.frame.height, feed.rejections) == (1, ((3, reason),))


def test_numbers_may_stand_between_spaces_and_carry_a_sign_or_an_exponent():
    row = sales(" 1234567 ,Ford,Focus,205,55,16, +3 ,-4, 8.05e1 ").frame.row(0, named=True)
    assert (row["ProductId"], row["Orders"], row["Units"], row["AvgPrice"]) == ("1234567", 3, -4, 80.5)


@pytest.mark.parametrize(("good", "bad"), [(99, 1), (1, 1), (198, 2), (990, 10)])
def test_up_to_one_percent_or_one_row_may_be_rejected(good, bad):
    feed = sales(*[SALE] * good, *["x"] * bad)
    assert (feed.frame.height, feed.rejected) == (good, bad)


@pytest.mark.parametrize(("good", "bad"), [(197, 2), (1, 2), (0, 1), (0, 5)])
def test_more_rejected_rows_fail_the_feed_and_the_first_is_named(good, bad):
    with pytest.raises(PermanentFailure) as refused:
        sales(*[SALE] * good, *["x"] * bad)
    sentence = str(refused.value)
    assert f"sales.csv: {bad} of {good + bad} rows were rejected" in sentence
    assert f"line {good + 1}, which has 1 fields instead of 9" in sentence


def test_rejections_of_every_kind_count_together_and_come_by_line():
    rows = [SALE] * 400
    rows[7], rows[100], rows[300] = "x" * 12, "1,Ford,Focus,205,55,16,3,4,80", '1,"'
    assert [rejection.line for rejection in sales(*rows).rejections] == [8, 101, 301]


def test_a_row_in_another_encoding_is_rejected_and_the_others_are_loaded():
    lines = [SALE.encode()] * 150
    lines[4] = "10000001,Citroën,C3,205,55,16,3,4,80".encode("latin-1")
    feed = read_car_sales(io.BytesIO(b"\n".join(lines)), "sales.csv")
    assert feed.frame.height == 149
    assert feed.rejections == ((5, "is not UTF-8 from its byte 15 on"),)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_feed_in_utf_16_is_refused(encoding):
    content = "\n".join([TYRE_HEADER, TYRE, TYRE]).encode(encoding)
    with pytest.raises(PermanentFailure, match=r"tyres\.csv has no readable header: line 1 .*UTF-8 CSV"):
        read_tyre_feed(io.BytesIO(content), "tyres.csv")


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n", b"ProductId,CarMake\n"])
def test_an_empty_sales_feed_is_refused(content):
    with pytest.raises(
        PermanentFailure, match=r"^sales\.csv is empty: it has no row; send the whole file again$"
    ):
        read_car_sales(io.BytesIO(content), "sales.csv")


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", TYRE_HEADER.encode()])
def test_an_empty_tyre_feed_is_refused(content):
    with pytest.raises(PermanentFailure, match=r"^tyres\.csv is empty: .*; send the whole file again$"):
        read_tyre_feed(io.BytesIO(content), "tyres.csv")


def test_a_file_that_lost_its_line_ends_is_refused_in_one_sentence():
    stream = EndlessLine(before=b"", length=1 << 30, after=b"")
    with pytest.raises(PermanentFailure, match="line 1, which is longer than 1,048,576 bytes"):
        read_car_sales(stream, "sales.csv")
    assert stream.largest_request <= 2 * MAX_LINE_BYTES


def test_one_endless_line_costs_no_other_row():
    stream = EndlessLine(before=SALE.encode() + b"\n", length=1 << 22, after=f"\n{SALE}\n".encode())
    feed = read_car_sales(stream, "sales.csv")
    assert feed.frame["row_number"].to_list() == [1, 3]


@pytest.mark.parametrize("missing", list(TYRE_FEED_SCHEMA))
def test_a_missing_column_is_named(missing):
    header = (
        TYRE_HEADER.replace(missing, "Other", 1)
        if missing != "Price"
        else TYRE_HEADER.replace(",Price,", ",P,")
    )
    with pytest.raises(PermanentFailure, match=rf"^tyres\.csv lacks the column {missing}; its header names "):
        tyres(TYRE, header=header)


@pytest.mark.parametrize(
    ("names", "clean"),
    [
        ([" Grade ", "Wet Grip", "a.b-c d"], ["Grade", "Wet_Grip", "a_b_c_d"]),
        (["Note", "Note", "Note"], ["Note", "Note_2", "Note_3"]),
        (["Wet Grip", "Wet-Grip", "Wet.Grip"], ["Wet_Grip", "Wet_Grip_2", "Wet_Grip_3"]),
        (["A", "A_2", "A"], ["A", "A_2", "A_3"]),
        (["A", "A", "A_2"], ["A", "A_2", "A_2_2"]),
        (["Price", "PRICE"], ["Price", "PRICE_2"]),
        (["row_number", "Row.Number"], ["row_number_2", "Row_Number_3"]),
        (["", " ", "x"], ["column_1", "column_2", "x"]),
    ],
)
def test_column_names_are_cleaned_and_repeated_ones_numbered(names, clean):
    assert clean_header(names) == clean


@given(st.lists(st.text(alphabet="aA_2 .-", max_size=4), max_size=8))
def test_cleaned_names_never_repeat_and_cleaning_them_again_changes_nothing(names):
    clean = clean_header(names)
    assert len({name.casefold() for name in clean}) == len(names)
    assert clean_header(clean) == clean


def test_a_repeated_column_keeps_its_values_and_the_first_is_the_one_that_counts():
    feed = tyres(f"{TYRE},99,note", header=f"{TYRE_HEADER},Price,Note")
    assert feed.frame.select("Price", "Price_2", "Note").row(0) == (80.5, "99", "note")


@given(
    st.lists(
        st.tuples(st.sampled_from(["10000001", "x", "1234567"]), st.sampled_from(["", "3", "y"])), min_size=1
    )
)
def test_every_row_is_loaded_or_rejected(cells):
    rows = [f"{product},Ford,Focus,205,55,16,{orders},4,80" for product, orders in cells] + [SALE] * 2_000
    good = [product != "x" and orders != "y" for product, orders in cells]
    if sum(not is_good for is_good in good) > 20:
        return
    feed = sales(*rows)
    loaded = set(feed.frame["row_number"].to_list())
    assert loaded | {rejection.line for rejection in feed.rejections} == set(range(1, len(rows) + 1))
    assert feed.rejected == good.count(False)
