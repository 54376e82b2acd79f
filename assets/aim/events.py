"""GA4 events: where their file and their table are, and the one type that an event has here.

Not here: how the file is read (`JsonLines` of the warehouse), and what events mean (the SQL of the scores and
of the merchandising report).
"""

from typing import Final

import polars as pl

PATH: Final = "reference/ga4_events.jsonl"
TABLE: Final = "analytics.events"

_TEXTS_OF_AN_ITEM: Final = (
    "item_id",
    "item_name",
    "item_brand",
    "item_variant",
    "item_list_id",
    "item_list_index",
    "item_category5",
    "item_category6",
    "item_category8",
)

EVENT_SCHEMA: Final = pl.Schema(
    {
        "event_date": pl.String,
        "event_timestamp": pl.Int64,
        "event_name": pl.String,
        "user_pseudo_id": pl.String,
        "geo": pl.Struct({"country": pl.String}),
        "event_params": pl.List(
            pl.Struct({"key": pl.String, "value": pl.Struct({"string_value": pl.String})})
        ),
        "ecommerce": pl.Struct({"transaction_id": pl.String}),
        "items": pl.List(
            pl.Struct(
                {
                    **dict.fromkeys(_TEXTS_OF_AN_ITEM, pl.String),
                    "price": pl.Float64,
                    "quantity": pl.Int64,
                }
            )
        ),
    }
)
"""Timestamps are microseconds UTC."""
