"""Every table that a run reads or writes: its name, its columns in order, their GoogleSQL types.

The names are those of an installation that changes none of them; `table_names` gives those of one that does.
SQL files write a table as one name in backquotes, spelt as here. Not here: what is in them (the SQL).
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import polars as pl
from polars.datatypes import DataTypeClass

from assets.aim.events import EVENT_SCHEMA
from assets.aim.events import TABLE as EVENTS
from assets.aim.feeds import CAR_SALES_SCHEMA, ROW_NUMBER, TYRE_FEED_SCHEMA
from assets.aim.reference import REFERENCE_FILES
from assets.aim.settings import Settings
from assets.aim.slots import SLOTS

PolarsType: TypeAlias = pl.DataType | DataTypeClass

CAR_SALES: Final = "nexus_tyrescore.CarMakeModelSales"
TYRE_FEED: Final = "nexus_tyrescore.TyreScore"
SCORES: Final = "nexus_tyrescore.TyreScore_algorithm_output"
LISTS: Final = "AIM.AIMData"
LIST_HISTORY: Final = "AIM.AIMData_history"
CAM_SKU: Final = "CAM_files.CAM_SKU"
VALIDATION_REPORT: Final = "AIM.aim_validation_report"
ANALYSIS: Final = "AIM.aim-analysis-table"
TOKEN_FACT: Final = "AIM.aim_token_fact"  # noqa: S105 (a token is a filled slot)
OVERRIDE_FILE: Final = "AIM.AIM-override-file"
SIZE_FILE: Final = "AIM.AIM-override-file-size"
MERCHANDISING_REPORT: Final = "AIM.aim-merchandising-report"

GA4_EVENTS: Final = "analytics.events_*"
"""The daily event tables of a cloud, as SQL names them; here the events are one table."""

SIZE_KEYS: Final = "AIM.aim_size_keys"
"""Working table: the size texts of a run that hold a size, and their keys; GoogleSQL cannot parse a size."""

EVENT_ITEMS: Final = "AIM.aim_event_items"
"""Working table: one row per item seen in a list or bought in the 21 days before the run date."""

ITEM_VIEWS: Final = "AIM.aim_item_views"
"""Working table: how often each product was seen with each vehicle in the 90 days before the run date."""

STAGED_LISTS: Final = "AIM.aim_staged_lists"
"""Working table: the lists that a run is about to publish."""

STAGED_CAM_SKU: Final = "AIM.aim_staged_cam_sku"
"""Working table: the row of CAM_SKU that each staged list is for, and why it has none."""

RESOLVED_CAMS: Final = "AIM.aim_resolved_cams"
"""Working table: the history rows of one run date that have a mapped vehicle and a parsed size."""

_KEY_COLUMNS: Final = ("Width", "Profile", "Rim")
_CAM_COLUMNS: Final = ("Make", "Model", *_KEY_COLUMNS)
_SKUS_AFTER_FIRST: Final = tuple(f"SKU{position}" for position in range(2, 25))
_CAM_SKUS: Final = tuple(f"SKU{position}" for position in range(1, 25))
_GOOGLE_TYPES: Final = {pl.String: "STRING", pl.Int64: "INT64", pl.Float64: "FLOAT64"}


def _of(google_type: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, google_type)


def google_schema(schema: Mapping[str, PolarsType]) -> dict[str, str]:
    """The GoogleSQL types of a frame's columns: texts, integers, floats, lists and structs of them."""
    return {name: _google_type(dtype) for name, dtype in schema.items()}


def _google_type(dtype: PolarsType) -> str:
    if isinstance(dtype, pl.List):
        return f"ARRAY<{_google_type(dtype.inner)}>"
    if isinstance(dtype, pl.Struct):
        return f"STRUCT<{', '.join(f'{field.name} {_google_type(field.dtype)}' for field in dtype.fields)}>"
    return _GOOGLE_TYPES[dtype.base_type()]


_OVERRIDE_RIBBONS: Final = {
    name: "STRING"
    for position in range(5, 25)
    for name in (f"SKU{position}", f"RibbonName{position}")
}  # fmt: skip

SCHEMAS: Final[Mapping[str, Mapping[str, str]]] = {
    CAR_SALES: google_schema(CAR_SALES_SCHEMA),
    # The feed's other columns stand between the needed ones and the row number.
    TYRE_FEED: google_schema({**TYRE_FEED_SCHEMA, ROW_NUMBER: pl.Int64}),
    **{file.table: google_schema(file.schema) for file in REFERENCE_FILES},
    EVENTS: google_schema(EVENT_SCHEMA),
    SCORES: {
        **_of("STRING", "TyreScore"),
        **_of("INT64", "ProductId"),
        **_of("STRING", "GRADE", "BRAND", "Model", "WET_GRIP", "FUEL", "NOISE_REDUCTION"),
        **_of("STRING", "SEASONAL_PERFORMANCE", "OE", "AWARD_SCORE", "RunflatStatus", "Segment"),
        **_of("STRING", "PRICE_pct", "GRADE_pct", "FUEL_pct", "WET_GRIP_pct", "AWARD_SCORE_pct"),
        **_of("STRING", "Vehicle", "SIZE"),
        **_of("FLOAT64", "PRICE"),
        **_of("STRING", "OFFER"),
        **_of("FLOAT64", "PRICEFLUCTUATION"),
        **_of("INT64", "Orders", "Units"),
        **_of("FLOAT64", "GoldilocksZone", "PremiumShare", "MidRangeShare", "BudgetShare", "RunflatShare"),
        **_of("STRING", "SalesStatus"),
        **_of("INT64", "PRODUCTLISTVIEWS"),
        **_of("FLOAT64", "CLICKSTREAMRATE"),
    },
    LISTS: _of("STRING", "Vehicle", "Size", *SLOTS),
    LIST_HISTORY: {
        "run_date": "DATE",
        "position": "INT64",
        **_of("STRING", "Vehicle", "Size", *SLOTS),
    },
    CAM_SKU: {**_of("STRING", *_CAM_COLUMNS, *_CAM_SKUS), "last_modified": "TIMESTAMP"},
    VALIDATION_REPORT: {
        "run_date": "DATE",
        **_of("STRING", "claim", "severity", "status"),
        **_of("INT64", "failing_rows", "total_rows"),
        "sample": "STRING",
    },
    ANALYSIS: {
        "Today": "DATE",
        **_of("STRING", *_CAM_COLUMNS, "SKU", *_SKUS_AFTER_FIRST, "Segment", "Category", "CAM"),
        "distinct_sku_count": "INT64",
        "CAMSource": "STRING",
    },
    TOKEN_FACT: {
        "snapshot_date": "DATE",
        **_of("STRING", "Manufacturer", "Make", "Model", "Vehicle", "Size", "Segment", "Category"),
        **_of("STRING", "Model_Name", "OE"),
        "has_oe": "BOOL",
        **_of("INT64", "sku", "token_position"),
        "token_bucket": "STRING",
        "is_hotbox": "BOOL",
        "hotbox_n": "INT64",
        **_of("STRING", "CAM", "CAMSource"),
        "distinct_sku_count": "INT64",
    },
    OVERRIDE_FILE: {
        "Today": "DATE",
        **_of("STRING", *_CAM_COLUMNS, "SKU", "TakeoverName", "RibbonName"),
        **_of("STRING", "SKU2", "RibbonName2", "SKU3", "RibbonName3", "SKU4", "RibbonName4"),
        **_of("STRING", "Country", "Year"),
        "CAMUSlot": "INT64",
        **_OVERRIDE_RIBBONS,
        **_of("STRING", "Manufacturer", "ModelName", "OE", "Segment", "Category", "Size", "Vehicle", "CAM"),
        "distinct_sku_count": "INT64",
        "CAMSource": "STRING",
    },
    SIZE_FILE: {
        "product_id": "INT64",
        "slot_number": "NUMERIC",
        **_of("STRING", "Rationale", "Initiative", "Notes"),
        **_of("DATE", "Start_date", "Review_date"),
        **_of("STRING", "Brand", "Size"),
    },
    MERCHANDISING_REPORT: {
        "Date": "DATE",
        **_of("STRING", "journey_category", "Vehicle", "Size"),
        "SlotPosition": "INT64",
        **_of("STRING", "MerchandisingPosition", "Manufacturer", "ModelName", "Variant", "SKU"),
        "TotalUsers": "INT64",
        **_of("STRING", "Segment", "Pod", "Category"),
        **_of("INT64", "Orders", "Purchasers", "PurchasedUnits"),
        "PurchasedRevenue": "FLOAT64",
        "UsersUniqueDayJourney": "INT64",
    },
    SIZE_KEYS: _of("STRING", "Size", *_KEY_COLUMNS, "size_key"),
    EVENT_ITEMS: {
        "event_name": "STRING",
        "london_date": "DATE",
        "event_timestamp": "INT64",
        **_of("STRING", "user_pseudo_id", "country", "page_location", "transaction_id"),
        **_of("STRING", "item_id", "item_name", "item_brand", "item_variant", "item_list_index"),
        **_of("STRING", "item_category5", "item_category6", "item_category8"),
        "price": "FLOAT64",
        "quantity": "INT64",
    },
    ITEM_VIEWS: {**_of("STRING", "item_id", "item_category5"), "views": "INT64"},
    STAGED_LISTS: {
        "position": "INT64",
        **_of("STRING", "Vehicle", "Size", *SLOTS),
        **_of("STRING", "vehicle_key", "size_identity", *_KEY_COLUMNS),
        **_of("STRING", *(f"cam_sku_{position}" for position in range(1, 25))),
    },
    STAGED_CAM_SKU: {
        "position": "INT64",
        **_of("STRING", *_CAM_COLUMNS, *_CAM_SKUS, "left_out"),
    },
    RESOLVED_CAMS: {
        "position": "INT64",
        **_of("STRING", "Vehicle", "Size", *SLOTS, *_CAM_COLUMNS, "Segment", "Category"),
        **_of("STRING", "CAM", "CAMSource"),
        "distinct_sku_count": "INT64",
    },
}
"""By the usual name of the table."""

SNAPSHOT_DATES: Final[Mapping[str, str]] = {
    LIST_HISTORY: "run_date",
    VALIDATION_REPORT: "run_date",
    ANALYSIS: "Today",
    TOKEN_FACT: "snapshot_date",
    OVERRIDE_FILE: "Today",
    SIZE_FILE: "Start_date",
}
"""The tables that keep the rows of every run date, and the column that says which."""


def table_names(settings: Settings, *, has_projects: bool) -> dict[str, str]:
    """Where an installation has each table of `SCHEMAS`, by its usual name: `dataset.table`.

    CAM_SKU and the GA4 events may have a project before it, where the warehouse has projects; elsewhere it is
    left out. Without a GA4 dataset the events keep their usual name.
    """
    names = {usual: _in_dataset(usual, settings.dataset) for usual in SCHEMAS}
    names[LISTS] = f"{settings.dataset}.{settings.table}"
    names[LIST_HISTORY] = f"{names[LISTS]}_history"
    names[CAM_SKU] = settings.cam_table
    if settings.ga4_dataset and has_projects:
        names[GA4_EVENTS] = f"{settings.ga4_dataset}.events_*"
    if not has_projects:
        names[CAM_SKU] = ".".join(settings.cam_table.split(".")[-2:])
    return names


def _in_dataset(usual: str, dataset: str) -> str:
    return f"{dataset}.{usual.removeprefix('AIM.')}" if usual.startswith("AIM.") else usual
