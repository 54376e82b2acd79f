"""The reference files: types, first row per key, rows left out, files that are not there."""

import io

import pytest

from assets.aim.reference import (
    INFLUENCE,
    MANUAL_CAMS,
    PRODUCT_CATALOGUE,
    REFERENCE_FILES,
    VEHICLE_MAPPING,
    ReferenceTable,
    read_reference,
)
from assets.failures import PermanentFailure


def read(file, *lines: str) -> ReferenceTable:
    return read_reference(file, io.BytesIO("\n".join(lines).encode()))


@pytest.mark.parametrize("file", REFERENCE_FILES, ids=lambda file: file.path)
def test_a_missing_file_is_an_empty_table_with_a_warning(file):
    table = read_reference(file, None)
    assert table.frame.is_empty()
    assert dict(table.frame.schema) == file.schema
    assert table.warnings == (f"{file.path} does not exist: {file.table} is empty",)


@pytest.mark.parametrize("file", REFERENCE_FILES, ids=lambda file: file.path)
def test_a_file_with_a_header_only_is_an_empty_table_of_the_same_types(file):
    table = read(file, ",".join(file.schema))
    assert dict(table.frame.schema) == file.schema
    assert (table.frame.height, table.warnings) == (0, ())


@pytest.mark.parametrize("file", REFERENCE_FILES, ids=lambda file: file.path)
def test_a_missing_column_is_named_with_the_columns_that_are_needed(file):
    *columns, last = file.schema
    with pytest.raises(PermanentFailure) as refused:
        read(file, ",".join([*columns, "other"]))
    assert str(refused.value).startswith(f"{file.path} lacks the column {last}; its first row has to name ")


def test_the_first_mapping_of_a_vehicle_key_wins():
    table = read(
        VEHICLE_MAPPING,
        "\ufeffVehicle, CARMAKE ,carmodel,Pod,Category,Segment,note",
        "CITROËN C3,Citroën,C3,p1,cat,Small,x",
        "Citroen c3,Other,Other,p2,cat,Large,y",
        "FORD FOCUS,Ford,Focus,,,,",
    )
    assert table.frame.rows() == [
        ("CITROËN C3", "Citroën", "C3", "p1", "cat", "Small"),
        ("FORD FOCUS", "Ford", "Focus", "", "", ""),
    ]
    assert table.warnings == ()


def test_the_first_row_of_a_product_wins_and_its_number_is_an_integer():
    table = read(
        PRODUCT_CATALOGUE,
        "Brand,SKU,Manufacturer,Model_Name,OE,run_flat",
        'Alpha, 10000001 ,"Alpha, Ltd",Road,,Runflat',
        "Beta,10000001,Beta,Tour,,",
        "Gamma,1234567,Gamma,Eco,AO,",
    )
    assert table.frame.rows() == [
        (10000001, "Alpha, Ltd", "Road", "", "Runflat", "Alpha"),
        (1234567, "Gamma", "Eco", "AO", "", "Gamma"),
    ]


def test_the_first_influence_of_a_vehicle_key_wins():
    row = "Small,1,2,3,4,5"
    table = read(
        INFLUENCE, ",".join(INFLUENCE.schema), f"FordFocus,{row}", f"FORD FOCUS,{row}", f"VWGOLF,{row}"
    )
    assert table.frame["Vehicle"].to_list() == ["FordFocus", "VWGOLF"]


def test_manual_cams_are_one_per_folded_entry():
    table = read(MANUAL_CAMS, "CAM", "Ford-Focus 205/55/16", "FORDFOCUS2055516", "", "VWGOLF2055516")
    assert table.frame["CAM"].to_list() == ["Ford-Focus 205/55/16", "VWGOLF2055516"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("123,Alpha,Road,,,Alpha", "has SKU '123'"),
        ("12345678.0,Alpha,Road,,,Alpha", "has SKU '12345678.0'"),
        (",Alpha,Road,,,Alpha", "has SKU ''"),
        ("10000002,Alpha,Road,,Alpha", "has 5 fields instead of 6"),
        ('10000002,"Alpha,Road,,,Alpha', "has a stray quote or carriage return"),
    ],
)
def test_a_row_that_cannot_be_used_is_left_out_with_a_warning(row, reason):
    table = read(PRODUCT_CATALOGUE, ",".join(PRODUCT_CATALOGUE.schema), row, "10000001,Alpha,Road,,,Alpha")
    assert table.frame["SKU"].to_list() == [10000001]
    assert table.warnings == (
        f"reference/product_catalogue.csv: 1 row was left out; the first is line 2, which {reason}",
    )


def test_rows_without_a_key_are_counted_together_with_those_that_are_no_records():
    table = read(
        VEHICLE_MAPPING, ",".join(VEHICLE_MAPPING.schema), "a,b", "—,Ford,Focus,,,", "FORD,Ford,Focus,,,"
    )
    assert table.frame["vehicle"].to_list() == ["FORD"]
    assert "2 rows were left out; the first is line 2, which has 2 fields instead of 6" in table.warnings[0]
