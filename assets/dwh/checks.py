"""The checks of dwh, named as claims: what must hold of a day before others read it.

They are results of the step that makes the day, so that what they block is blocked in the same run. Not
here: how a claim is judged (`stages.reports`).
"""

from typing import Final

import dagster as dg

TRANSFORMED_IMAGES: Final = dg.AssetKey(["dwh", "transformed_images"])
FILTERED_IMAGES: Final = dg.AssetKey(["dwh", "filtered_images"])
PROMOTIONS: Final = dg.AssetKey(["dwh", "promotions"])


def _spec(asset: dg.AssetKey, name: str, description: str, *, blocking: bool = True) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset, description=description, blocking=blocking)


TRANSFORM_CHECKS: Final = (
    _spec(
        TRANSFORMED_IMAGES,
        "drop_rate_is_acceptable",
        "From drop_rate_yellow on a warning; from drop_rate_red on the run waits for approval.",
    ),
    _spec(
        TRANSFORMED_IMAGES,
        "every_record_is_accounted_for",
        "Each record that was read was written, or dropped for one reason.",
    ),
)
FILTER_CHECKS: Final = (
    _spec(FILTERED_IMAGES, "every_key_appears_once", "No two rows have the same key."),
    _spec(
        FILTERED_IMAGES,
        "every_transform_output_is_included",
        "All rows of all transform outputs of the day were read.",
    ),
    _spec(
        FILTERED_IMAGES,
        "day_has_no_gaps",
        "Raw data of every stretch of the day was read; a gap is a warning.",
        blocking=False,
    ),
)
PROMOTION_CHECKS: Final = (
    _spec(PROMOTIONS, "extract_has_rows_and_columns", "The extract has rows, its columns, and no null id."),
    _spec(PROMOTIONS, "every_promotion_id_is_unique", "One row was loaded for each promotion."),
)
