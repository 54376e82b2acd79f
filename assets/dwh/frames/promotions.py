"""Promotions as PySpark frames: extracts become rows of the warehouse's table, one for each promotion.

The rule is `promotion_rows`; the frames give the same rows. A time of day is its second, as Spark has no type
for it. Not here: reading extracts, and their way into the warehouse.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final

from assets.dwh.promotion_tables import PROMOTION_COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

ROWS_OF_PROMOTION: Final = "rows_of_promotion"
"""A column of `latest_rows`: how many rows of the promotion there were."""

_SPARK_TYPES: Final[Mapping[str, str]] = {
    "STRING": "string",
    "INT64": "bigint",
    "BOOL": "boolean",
    "TIMESTAMP": "timestamp",
    "TIME": "bigint",
    # Wider than the table's type, into which the load fits it by name: Spark's error would name no column.
    "NUMERIC": "decimal(21,2)",
}
_FLAGS: Final = tuple(name for name, kind in PROMOTION_COLUMNS.items() if kind == "BOOL")
_SECONDS_OF_DAY: Final = 86_400
_BUNDLES: Final = ("bundleA", "bundleB", "bundleC", "bundleD")
_PLAIN: Final[Mapping[str, str]] = {
    "promotionid": "_id",
    "promotioncode": "name",
    "promotiondescription": "description",
    "promotiontype": "properties_promotionType",
    "promotionstartdate": "schedule_startDate",
    "promotionenddate": "schedule_endDate",
    "couponmin": "couponmin",
    "couponmax": "couponmax",
    "key": "properties_fields_key",
    "marketinitiative": "metaData_MARKETING_INITIATIVE",
    "partnerid": "metaData_PARTNER",
    "program": "metaData_PROGRAM",
    "campaigntype": "metaData_CAMPAIGN_TYPE",
    "campaignname": "metaData_CAMPAIGN_NAME",
    "vertical": "metaData_VERTICAL",
    "mediatype": "metaData_MEDIA_TYPE",
    "marketingbranch": "metaData_MARKETING_BRANCH",
    "skuspurchasetype": "skus_purchaseType",
    "purchasetype": "discount_purchaseType",
    "redemptionmethod": "properties_redemptionMethod",
    "periscopeid": "properties_periscopeId",
    "limitsglobal": "limits_global",
    "limitsorder": "limits_order",
    "limitscustomer": "limits_customer",
    "minimumpurchase": "skus_minimumPurchase",
    "maximumdiscounted": "skus_maximumDiscounted",
    "eventinstime": "createDate",
    "eventupdtime": "updatedate",
}
"""Columns whose value is that of a source column."""


def warehouse_rows(extracts: "Sequence[DataFrame]", created_by: str) -> "DataFrame":
    """A row of `PROMOTION_COLUMNS` for each row of the extracts, whose columns may differ.

    A column or field that an extract lacks is null. Of no extract there are no rows to make: give one.
    """
    from pyspark.sql import functions as sf

    rows = reduce(lambda above, below: above.unionByName(below), map(_extracted_rows, extracts))
    by = sf.lit(created_by)
    # Only now: Sail 0.7.2 refuses a union with columns that are never null.
    never_null = {name: sf.coalesce(sf.col(name), sf.lit(False)) for name in _FLAGS}
    filled = never_null | {"dwcreatedby": by, "etl_created_by": by}
    return rows.select(*(filled.get(name, sf.col(name)).alias(name) for name in PROMOTION_COLUMNS))


def _extracted_rows(extract: "DataFrame") -> "DataFrame":
    """The columns that come of one extract, where a flag may still be null."""
    source = _Source(extract)
    columns = {
        **{column: source.value(name) for column, name in _PLAIN.items()},
        **_text_lists(source),
        **_flags(source),
        "dailystarttime": _second_of_day(source.value("schedule_dailyStartTime")),
        "dailyendtime": _second_of_day(source.value("schedule_dailyEndTime")),
    }
    return extract.select(
        *(
            columns[name].cast(_SPARK_TYPES[google_type.partition("(")[0]]).alias(name)
            for name, google_type in PROMOTION_COLUMNS.items()
            if name in columns
        )
    )


def latest_rows(rows: "DataFrame") -> "DataFrame":
    """One row for each promotion: the last update, then the greatest row from the left, null lowest.

    Rows without an id become one, too, which is for the reader to refuse. `ROWS_OF_PROMOTION` is last.
    """
    from pyspark.sql import functions as sf

    # What is given is said before each value: on Sail 0.7.2 a null inside a struct is lowest in some groups
    # and not in others, for `max` and for `max_by` (1,701 of 3,000 groups were wrong).
    ranked = sf.struct(
        *_given_and_value("eventupdtime", "last_update"),
        *(part for name in PROMOTION_COLUMNS for part in _given_and_value(name, name)),
    )
    latest = rows.groupBy("promotionid").agg(
        sf.max(ranked).alias("latest"), sf.count(sf.lit(1)).alias(ROWS_OF_PROMOTION)
    )
    return latest.select(
        *(sf.col("latest")[name].alias(name) for name in PROMOTION_COLUMNS), ROWS_OF_PROMOTION
    )


def _given_and_value(column: str, name: str) -> "tuple[Column, Column]":
    from pyspark.sql import functions as sf

    return sf.col(column).isNotNull().alias(f"{name}_is_given"), sf.col(column).alias(name)


class _Source:
    """The columns of an extract, whichever it has. A column that is null throughout may have no type."""

    def __init__(self, extract: "DataFrame") -> None:
        self._types = {field.name: field.dataType for field in extract.schema.fields}

    def value(self, column: str, field: str | None = None) -> "Column":
        """A column, or a field of it; null where there is none."""
        from pyspark.sql import functions as sf

        if _is_empty(self._type(column, field)):
            return sf.lit(None)
        return sf.col(column) if field is None else sf.col(column)[field]

    def texts(self, column: str, field: str | None = None) -> "Column":
        """A list of texts."""
        return self.value(column, field).cast("array<string>")

    def skus(self, column: str, field: str | None = None) -> "Column":
        """The ids of a list of SKUs, as a list of texts."""
        from pyspark.sql import functions as sf
        from pyspark.sql.types import ArrayType

        kind = self._type(column, field)
        if isinstance(kind, ArrayType) and not _is_empty(kind.elementType):
            ids = sf.transform(self.value(column, field), lambda sku: sku["skuOrCategoryId"])
            return ids.cast("array<string>")
        return self.texts(column, field)

    def fields(self, column: str) -> list[str]:
        """The names of the fields of a column, sorted."""
        from pyspark.sql.types import StructType

        kind = self._type(column)
        return sorted(kind.fieldNames()) if isinstance(kind, StructType) else []

    def _type(self, column: str, field: str | None = None) -> "DataType | None":
        from pyspark.sql.types import StructType

        kind = self._types.get(column)
        if field is None:
            return kind
        fields = kind.fields if isinstance(kind, StructType) else []
        return next((inner.dataType for inner in fields if inner.name == field), None)


def _is_empty(kind: "DataType | None") -> bool:
    from pyspark.sql.types import NullType

    return kind is None or isinstance(kind, NullType)


def _text_lists(source: _Source) -> "dict[str, Column]":
    tiers, other = "discount_discountTiers", "bundles_discountY"
    bundles = [f"bundles_{name}" for name in _BUNDLES]
    return {
        "promotionskus": _joined(source.skus("skus_promotionSkus")),
        "excld_promo_sku": _joined(source.skus("skus_excludedSkus")),
        "promo_elements": _elements(source),
        "tieredskus": _joined(source.skus(tiers, "tieredSkus")),
        "excld_tier_sku": _joined(source.skus(tiers, "excludedTieredSkus")),
        "discountinfo": _joined(source.texts(tiers, "periscopeId")),
        "bundleskus": _joined(*(source.skus(bundle, "promotionSkus") for bundle in bundles)),
        "excld_bundle_sku": _joined(*(source.skus(bundle, "excludedSkus") for bundle in bundles)),
        "discount_sku": _joined(source.skus(other, "promotionSkus")),
        "discount_excld_sku": _joined(source.skus(other, "excludedSkus")),
        "tags": _joined(source.texts("tags")),
        "sourcegroups": _joined(source.texts("sourceGroups")),
        "deliverymethod": _joined(source.texts("deliveryMethod")),
        "deliveryoption": _joined(source.texts("deliveryOption")),
    }


def _flags(source: _Source) -> "dict[str, Column]":
    from pyspark.sql import functions as sf

    def flag(name: str) -> "Column":
        return source.value("properties_flags", name).cast("boolean")

    def is_tagged(tag: str) -> "Column":
        return sf.exists(source.texts("tags"), lambda text: sf.lower(text) == sf.lit(tag))

    written = [
        sf.when(flag(name), sf.lit(f"{name}=true")).when(~flag(name), sf.lit(f"{name}=false"))
        for name in source.fields("properties_flags")
    ]
    return {
        "promo_properties": _enumerated(*written),
        "uniquepromoflag": flag("codeUnique"),
        "sitewideflag": flag("showOnSite"),
        "prepaidflag": is_tagged("prepaid"),
        "personalizedpromoflag": is_tagged("personalized"),
    }


def _elements(source: _Source) -> "Column":
    """The names of the parts that are not null."""
    from pyspark.sql import functions as sf

    columns = {
        **{name: f"bundles_{name}" for name in (*_BUNDLES, "discountY")},
        "discountTiers": "discount_discountTiers",
        "nestedShipping": "nestedShipping_promotionType",
    }
    return _enumerated(
        *(sf.when(source.value(column).isNotNull(), sf.lit(name)) for name, column in columns.items())
    )


def _enumerated(*texts: "Column") -> "Column":
    """The texts that are not null; null if none is."""
    from pyspark.sql import functions as sf

    return _filled(sf.concat_ws(",", *texts) if texts else sf.lit(None))


def _joined(*lists: "Column") -> "Column":
    """Text lists one after the other: without null, empty text and repeats; null if nothing is left."""
    from pyspark.sql import functions as sf

    nothing = sf.array().cast("array<string>")
    # Sail 0.7.2 concatenates lists as texts, so they are flattened.
    values = sf.flatten(sf.array(*(sf.coalesce(values, nothing) for values in lists)))
    given = sf.filter(values, lambda text: text != sf.lit(""))
    return _filled(sf.array_join(sf.array_distinct(given), ","))


def _filled(text: "Column") -> "Column":
    from pyspark.sql import functions as sf

    return sf.nullif(text, sf.lit(""))


def _second_of_day(seconds: "Column") -> "Column":
    from pyspark.sql import functions as sf

    return sf.pmod(seconds.cast("bigint"), sf.lit(_SECONDS_OF_DAY))
