"""One promotion in plain Python: the warehouse's row that comes of an extracted one, and which one counts.

This is the rule itself. The frames of a whole load must give the same rows. Not here: reading extracts, their
quality, and the merge, which sets `dwcreatedat` and `etl_created_at`.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

Row = Mapping[str, Any]

_BUNDLES: Final = ("bundleA", "bundleB", "bundleC", "bundleD")
_MARKETING: Final = {
    "marketinitiative": "MARKETING_INITIATIVE",
    "partnerid": "PARTNER",
    "program": "PROGRAM",
    "campaigntype": "CAMPAIGN_TYPE",
    "campaignname": "CAMPAIGN_NAME",
    "vertical": "VERTICAL",
    "mediatype": "MEDIA_TYPE",
    "marketingbranch": "MARKETING_BRANCH",
}


def promotion_row(source: Row, created_by: str) -> dict[str, Any]:
    """The columns of a promotion in table order, without the two times of the load.

    Args:
        source: an extracted row as Arrow gives it to Python; any column may be absent, which is null.
        created_by: who loads it.
    """
    return {
        "promotionid": source.get("_id"),
        "promotioncode": source.get("name"),
        "promotiondescription": source.get("description"),
        "promotiontype": source.get("properties_promotionType"),
        "promotionstartdate": source.get("schedule_startDate"),
        "promotionenddate": source.get("schedule_endDate"),
        "couponmin": source.get("couponmin"),
        "couponmax": source.get("couponmax"),
        **_texts(source),
        **_flags(source),
        **{column: source.get(f"metaData_{field}") for column, field in _MARKETING.items()},
        "skuspurchasetype": source.get("skus_purchaseType"),
        "purchasetype": source.get("discount_purchaseType"),
        "redemptionmethod": source.get("properties_redemptionMethod"),
        "periscopeid": source.get("properties_periscopeId"),
        "dailystarttime": _time_of_day(source.get("schedule_dailyStartTime")),
        "dailyendtime": _time_of_day(source.get("schedule_dailyEndTime")),
        "limitsglobal": source.get("limits_global"),
        "limitsorder": source.get("limits_order"),
        "limitscustomer": source.get("limits_customer"),
        "minimumpurchase": _decimal(source.get("skus_minimumPurchase")),
        "maximumdiscounted": _decimal(source.get("skus_maximumDiscounted")),
        "eventinstime": source.get("createDate"),
        "eventupdtime": source.get("updatedate"),
        "dwcreatedby": created_by,
        "etl_created_by": created_by,
    }


def latest_rows(rows: Iterable[Row]) -> list[Row]:
    """One row for each promotion, by its id, which is not null: the last update, then the greatest row."""
    latest: dict[str, Row] = {}
    for row in rows:
        kept = latest.get(row["promotionid"])
        if kept is None or _rank(row) > _rank(kept):
            latest[row["promotionid"]] = row
    return [row for _, row in sorted(latest.items())]


def joined(values: Iterable[str | None]) -> str | None:
    """A text list: in the order given, without null, empty text and repeats; None if nothing is left."""
    return ",".join(dict.fromkeys(value for value in values if value)) or None


def _texts(source: Row) -> dict[str, str | None]:
    tiers, other = _part(source, "discount_discountTiers"), _part(source, "bundles_discountY")
    bundles = [_part(source, f"bundles_{name}") for name in _BUNDLES]
    return {
        "promotionskus": joined(_skus(source, "skus_promotionSkus")),
        "excld_promo_sku": joined(_skus(source, "skus_excludedSkus")),
        "promo_elements": joined(_elements(source)),
        "tieredskus": joined(_skus(tiers, "tieredSkus")),
        "excld_tier_sku": joined(_skus(tiers, "excludedTieredSkus")),
        "discountinfo": joined(tiers.get("periscopeId") or ()),
        "bundleskus": joined(sku for bundle in bundles for sku in _skus(bundle, "promotionSkus")),
        "excld_bundle_sku": joined(sku for bundle in bundles for sku in _skus(bundle, "excludedSkus")),
        "discount_sku": joined(_skus(other, "promotionSkus")),
        "discount_excld_sku": joined(_skus(other, "excludedSkus")),
        "tags": joined(source.get("tags") or ()),
        "sourcegroups": joined(source.get("sourceGroups") or ()),
        "deliverymethod": joined(source.get("deliveryMethod") or ()),
        "deliveryoption": joined(source.get("deliveryOption") or ()),
    }


def _flags(source: Row) -> dict[str, Any]:
    flags = _part(source, "properties_flags")
    given = sorted((name, flag) for name, flag in flags.items() if flag is not None)
    tags = {tag.lower() for tag in source.get("tags") or () if tag}
    return {
        "promo_properties": joined(f"{name}={'true' if flag else 'false'}" for name, flag in given),
        "key": source.get("properties_fields_key"),
        "uniquepromoflag": bool(flags.get("codeUnique")),
        "sitewideflag": bool(flags.get("showOnSite")),
        "prepaidflag": "prepaid" in tags,
        "personalizedpromoflag": "personalized" in tags,
    }


def _elements(source: Row) -> list[str]:
    """The names of the parts that are not null."""
    columns = {
        **{name: f"bundles_{name}" for name in (*_BUNDLES, "discountY")},
        "discountTiers": "discount_discountTiers",
        "nestedShipping": "nestedShipping_promotionType",
    }
    return [name for name, column in columns.items() if source.get(column) is not None]


def _part(source: Row, column: str) -> Row:
    return source.get(column) or {}


def _skus(part: Row, field: str) -> list[str | None]:
    return [sku.get("skuOrCategoryId") for sku in part.get(field) or () if sku is not None]


def _time_of_day(seconds: int | None) -> time | None:
    """The time so many seconds after midnight, 0 to 86399."""
    return None if seconds is None else (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).time()


def _decimal(number: int | None) -> Decimal | None:
    return None if number is None else Decimal(number).quantize(Decimal("0.01"))


def _rank(row: Row) -> tuple[tuple[bool, Any], ...]:
    """What rows of one promotion are compared by; text by code points, which is by UTF-8 bytes."""
    return tuple((value is not None, value) for value in (row["eventupdtime"], *row.values()))
