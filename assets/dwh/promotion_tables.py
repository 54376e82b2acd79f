"""The promotions table of the warehouse, and the one beside it that loads are staged in.

Columns are in order, with GoogleSQL types. The names are those of an installation that changes none of them;
SQL files spell them so. Not here: what is in them (`promotion_rows`), and how rows get in
(`stages.promotion_table`).
"""

from collections.abc import Mapping
from typing import Final

PROMOTIONS: Final = "dw_core.d_promotion_3_0"
STAGED: Final = f"{PROMOTIONS}_staged"

PROMOTION_COLUMNS: Final[Mapping[str, str]] = {
    "promotionid": "STRING(255)",
    "promotioncode": "STRING(255)",
    "promotiondescription": "STRING",
    "promotiontype": "STRING(50)",
    "promotionstartdate": "TIMESTAMP",
    "promotionenddate": "TIMESTAMP",
    "couponmin": "INT64",
    "couponmax": "INT64",
    "promotionskus": "STRING",
    "excld_promo_sku": "STRING",
    "promo_elements": "STRING",
    "tieredskus": "STRING",
    "excld_tier_sku": "STRING",
    "discountinfo": "STRING",
    "bundleskus": "STRING",
    "excld_bundle_sku": "STRING",
    "discount_sku": "STRING",
    "discount_excld_sku": "STRING",
    "tags": "STRING",
    "sourcegroups": "STRING",
    "deliverymethod": "STRING",
    "deliveryoption": "STRING",
    "promo_properties": "STRING",
    "key": "STRING(255)",
    "uniquepromoflag": "BOOL",
    "sitewideflag": "BOOL",
    "prepaidflag": "BOOL",
    "personalizedpromoflag": "BOOL",
    "marketinitiative": "STRING",
    "partnerid": "STRING",
    "program": "STRING",
    "campaigntype": "STRING",
    "campaignname": "STRING",
    "vertical": "STRING",
    "mediatype": "STRING",
    "marketingbranch": "STRING",
    "skuspurchasetype": "STRING",
    "purchasetype": "STRING",
    "redemptionmethod": "STRING",
    "periscopeid": "STRING",
    "dailystarttime": "TIME",
    "dailyendtime": "TIME",
    "limitsglobal": "INT64",
    "limitsorder": "INT64",
    "limitscustomer": "INT64",
    "minimumpurchase": "NUMERIC(10, 2)",
    "maximumdiscounted": "NUMERIC(10, 2)",
    "eventinstime": "TIMESTAMP",
    "eventupdtime": "TIMESTAMP",
    "dwcreatedby": "STRING(255)",
    "etl_created_by": "STRING(255)",
}
"""What a promotion's extract says, and who loads it; the merge adds when."""

SCHEMAS: Final[Mapping[str, Mapping[str, str]]] = {
    PROMOTIONS: {**PROMOTION_COLUMNS, "dwcreatedat": "TIMESTAMP", "etl_created_at": "TIMESTAMP"},
    STAGED: {"load_id": "STRING", "staged_at": "TIMESTAMP", **PROMOTION_COLUMNS},
}
"""Both tables. Rows of several loads may be staged at a time; each has the id of its own."""


def table_names(table: str) -> Mapping[str, str]:
    """What the two are called where the promotions table has this name."""
    return {PROMOTIONS: table, STAGED: f"{table}_staged"}
