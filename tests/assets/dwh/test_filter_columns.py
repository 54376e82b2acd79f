"""Columns in a configuration: what each name means, and what is said of one that means nothing."""

import pytest
from pyspark.sql.types import StructType

from assets.dwh.arguments import UsageError
from assets.dwh.frames.columns import instant_column, resolved_column, resolved_columns
from assets.dwh.frames.schemas import (
    FILTERED_COLUMNS,
    FILTERED_FIELDS,
    TRANSFORMED_FIELDS,
    filtered_schema,
    transformed_schema,
)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("data.mediaid", "data.mediaid"),
        ("mediaid", "data.mediaid"),
        ("updated", "data.updated"),
        ("pk", "pk"),
        ("5min", "5min"),
        ("eventTime", "eventTime"),
    ],
)
def test_a_bare_name_is_a_column_or_else_a_field_of_data(name, field):
    assert resolved_column("dedup_key_columns", name) == field


@pytest.mark.parametrize(
    "name", ["MediaId", "data", "data.", "data.nothing", "data.data.mediaid", "", "`pk`"]
)
def test_a_name_that_means_nothing_is_refused_with_all_columns(name):
    with pytest.raises(UsageError, match=r"^dedup_key_columns names .*eventTime, .*data\.mediaid, .*min$"):
        resolved_column("dedup_key_columns", name)


def test_a_column_named_twice_counts_once():
    assert resolved_columns("keys", ["mediaid", "pk", "data.mediaid"]) == ("data.mediaid", "pk")
    with pytest.raises(UsageError, match="names no column"):
        resolved_columns("keys", [])


def test_a_number_orders_no_rows():
    assert instant_column("dedup_order_column", "inserted") == "data.inserted"
    with pytest.raises(UsageError, match="'product_index', a number, which is never an instant"):
        instant_column("dedup_order_column", "product_index")


def test_the_schema_order_is_that_of_the_contract():
    order = "eventTime event_time pk data.projectguid data.project_type data.project_subtype data.userid"
    order += " data.inserted data.updated data.product_index data.product_type data.productguid"
    order += " data.productimageid data.msp data.mspid data.mediaid data.locationspec"
    order += " 5min year month day hour min"
    assert list(TRANSFORMED_FIELDS) == order.split()
    assert list(FILTERED_FIELDS)[-2:] == ["_source_job_timestamp", "_source_run_id"]
    assert filtered_schema().fieldNames() == list(FILTERED_COLUMNS)
    assert filtered_schema().fields[:-2] == transformed_schema().fields
    data = transformed_schema()["data"].dataType
    assert isinstance(data, StructType)
    assert data.fieldNames() == [
        name.removeprefix("data.") for name in TRANSFORMED_FIELDS if name.startswith("data.")
    ]
