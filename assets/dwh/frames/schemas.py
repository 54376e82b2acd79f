"""The columns of image rows, once: of transform outputs, and of filtered outputs.

Their order is the schema order, by which rows are compared. A field of the struct `data` is written
`data.<name>`. Not here: how users may write a column (`columns`), and how rows are compared (`dedup`).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

FieldType = Literal["string", "int"]

DATA: Final = "data"
"""The only column that is a struct."""

DATA_FIELDS: Final[Mapping[str, FieldType]] = {
    "projectguid": "string",
    "project_type": "string",
    "project_subtype": "string",
    "userid": "string",
    "inserted": "string",
    "updated": "string",
    "product_index": "int",
    "product_type": "string",
    "productguid": "string",
    "productimageid": "string",
    "msp": "string",
    "mspid": "string",
    "mediaid": "string",
    "locationspec": "string",
}
"""The fields of `data`."""

TRANSFORMED_FIELDS: Final[Mapping[str, FieldType]] = {
    "eventTime": "string",
    "event_time": "string",
    "pk": "string",
    **{f"{DATA}.{name}": kind for name, kind in DATA_FIELDS.items()},
    "5min": "int",
    "year": "string",
    "month": "string",
    "day": "string",
    "hour": "string",
    "min": "string",
}
"""The fields of a transformed row, in schema order."""

SOURCE_TIMESTAMP: Final = "_source_job_timestamp"
SOURCE_RUN_ID: Final = "_source_run_id"

FILTERED_FIELDS: Final[Mapping[str, FieldType]] = {
    **TRANSFORMED_FIELDS,
    SOURCE_TIMESTAMP: "string",
    SOURCE_RUN_ID: "string",
}
"""The fields of a filtered row, in schema order."""

TRANSFORMED_COLUMNS: Final = tuple(dict.fromkeys(name.partition(".")[0] for name in TRANSFORMED_FIELDS))
FILTERED_COLUMNS: Final = (*TRANSFORMED_COLUMNS, SOURCE_TIMESTAMP, SOURCE_RUN_ID)


def transformed_schema() -> "StructType":
    """The schema of transform outputs, every column nullable."""
    return _schema(TRANSFORMED_COLUMNS)


def filtered_schema() -> "StructType":
    """The schema of filtered outputs, every column nullable."""
    return _schema(FILTERED_COLUMNS)


def _schema(columns: tuple[str, ...]) -> "StructType":
    from pyspark.sql.types import IntegerType, StringType, StructField, StructType

    types = {"string": StringType(), "int": IntegerType()}
    data = StructType([StructField(name, types[kind]) for name, kind in DATA_FIELDS.items()])
    return StructType(
        [StructField(name, data if name == DATA else types[FILTERED_FIELDS[name]]) for name in columns]
    )
