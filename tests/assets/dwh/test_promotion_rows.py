"""The row of one promotion, column by column, and which of several rows of a promotion counts."""

import random
from datetime import UTC, datetime, time
from decimal import Decimal

import pytest

from assets.dwh.promotion_rows import joined, latest_rows, promotion_row

MORNING = datetime(2025, 1, 15, 8, tzinfo=UTC)
EVENING = datetime(2025, 1, 15, 20, tzinfo=UTC)


def skus(*ids: str | None) -> list[dict[str, str | None]]:
    return [{"skuOrCategoryId": sku} for sku in ids]


FULL = {
    "_id": "p1",
    "name": "SAVE",
    "description": "all",
    "properties_promotionType": "BOGO",
    "schedule_startDate": MORNING,
    "schedule_endDate": EVENING,
    "couponmin": 1,
    "couponmax": 2,
    "skus_promotionSkus": skus("b", "a", "b", None, ""),
    "skus_excludedSkus": skus("x"),
    "bundles_bundleA": {"promotionSkus": skus("a1"), "excludedSkus": skus("ax"), "minimumpurchase": 1},
    "bundles_bundleC": {"promotionSkus": skus("c1", "a1"), "excludedSkus": None, "minimumpurchase": None},
    "bundles_bundleD": {"promotionSkus": None, "excludedSkus": skus("dx")},
    "bundles_discountY": {"promotionSkus": skus("y1", "y2"), "excludedSkus": skus("yx")},
    "discount_discountTiers": {
        "tieredSkus": skus("t1"),
        "excludedTieredSkus": skus("tx"),
        "periscopeId": ["9", None, "8", "9"],
    },
    "nestedShipping_promotionType": "FREE_SHIPPING",
    "tags": ["PrePaid", "summer", None],
    "sourceGroups": ["g"],
    "deliveryMethod": ["post"],
    "deliveryOption": ["fast", "slow"],
    "properties_flags": {"showOnSite": False, "codeUnique": True, "bxgyl": None, "newSignUp": True},
    "properties_fields_key": "k",
    "metaData_MARKETING_INITIATIVE": "m1",
    "metaData_PARTNER": "m2",
    "metaData_PROGRAM": "m3",
    "metaData_CAMPAIGN_TYPE": "m4",
    "metaData_CAMPAIGN_NAME": "m5",
    "metaData_VERTICAL": "m6",
    "metaData_MEDIA_TYPE": "m7",
    "metaData_MARKETING_BRANCH": "m8",
    "skus_purchaseType": "s",
    "discount_purchaseType": "d",
    "properties_redemptionMethod": "r",
    "properties_periscopeId": "q",
    "schedule_dailyStartTime": 0,
    "schedule_dailyEndTime": 86_399,
    "limits_global": 5,
    "limits_order": 6,
    "limits_customer": 7,
    "skus_minimumPurchase": 12,
    "skus_maximumDiscounted": 3,
    "createDate": MORNING,
    "updatedate": EVENING,
}
EXPECTED = {
    "promotionid": "p1",
    "promotioncode": "SAVE",
    "promotiondescription": "all",
    "promotiontype": "BOGO",
    "promotionstartdate": MORNING,
    "promotionenddate": EVENING,
    "couponmin": 1,
    "couponmax": 2,
    "promotionskus": "b,a",
    "excld_promo_sku": "x",
    "promo_elements": "bundleA,bundleC,bundleD,discountY,discountTiers,nestedShipping",
    "tieredskus": "t1",
    "excld_tier_sku": "tx",
    "discountinfo": "9,8",
    "bundleskus": "a1,c1",
    "excld_bundle_sku": "ax,dx",
    "discount_sku": "y1,y2",
    "discount_excld_sku": "yx",
    "tags": "PrePaid,summer",
    "sourcegroups": "g",
    "deliverymethod": "post",
    "deliveryoption": "fast,slow",
    "promo_properties": "codeUnique=true,newSignUp=true,showOnSite=false",
    "key": "k",
    "uniquepromoflag": True,
    "sitewideflag": False,
    "prepaidflag": True,
    "personalizedpromoflag": False,
    "marketinitiative": "m1",
    "partnerid": "m2",
    "program": "m3",
    "campaigntype": "m4",
    "campaignname": "m5",
    "vertical": "m6",
    "mediatype": "m7",
    "marketingbranch": "m8",
    "skuspurchasetype": "s",
    "purchasetype": "d",
    "redemptionmethod": "r",
    "periscopeid": "q",
    "dailystarttime": time(0, 0, 0),
    "dailyendtime": time(23, 59, 59),
    "limitsglobal": 5,
    "limitsorder": 6,
    "limitscustomer": 7,
    "minimumpurchase": Decimal("12.00"),
    "maximumdiscounted": Decimal("3.00"),
    "eventinstime": MORNING,
    "eventupdtime": EVENING,
    "dwcreatedby": "me",
    "etl_created_by": "me",
}


def row(updated: datetime | None, **changes: object) -> dict[str, object]:
    return promotion_row({"_id": "p1", "updatedate": updated, **changes}, "me")


def test_a_promotion_gives_every_column_in_table_order():
    made = promotion_row(FULL, "me")
    assert list(made.items()) == list(EXPECTED.items())
    assert str(made["minimumpurchase"]) == "12.00"


def test_columns_that_are_absent_are_null_and_flags_false():
    made = promotion_row({"_id": "p1", "updatedate": MORNING}, "me")
    assert list(made) == list(EXPECTED)
    given = {name: value for name, value in made.items() if value is not None}
    flags = ("uniquepromoflag", "sitewideflag", "prepaidflag", "personalizedpromoflag")
    assert given == {
        "promotionid": "p1",
        "eventupdtime": MORNING,
        "dwcreatedby": "me",
        "etl_created_by": "me",
        **dict.fromkeys(flags, False),
    }


@pytest.mark.parametrize(
    ("values", "text"),
    [([], None), ([None, ""], None), (["b", "a", "b"], "b,a"), (["", "a", None, " "], "a, ")],
)
def test_a_text_list_has_each_value_once_in_the_order_given(values, text):
    assert joined(values) == text


@pytest.mark.parametrize(
    ("tags", "prepaid", "personalised"),
    [(["PREPAID", "Personalized"], True, True), (["not prepaid"], False, False), (None, False, False)],
)
def test_a_flag_is_a_whole_tag_in_any_case(tags, prepaid, personalised):
    made = row(MORNING, tags=tags)
    assert (made["prepaidflag"], made["personalizedpromoflag"]) == (prepaid, personalised)


def test_a_part_without_content_is_still_an_element():
    made = row(MORNING, bundles_bundleB={"promotionSkus": None}, nestedShipping_promotionType="")
    assert made["promo_elements"] == "bundleB,nestedShipping"


def test_of_two_rows_of_an_id_the_later_update_counts():
    assert latest_rows([row(EVENING, name="a"), row(MORNING, name="z")]) == [row(EVENING, name="a")]


def test_a_row_without_an_update_counts_least():
    assert latest_rows([row(None, name="z"), row(MORNING)]) == [row(MORNING)]


def test_of_equal_updates_the_greatest_row_counts_from_the_left_and_null_is_lowest():
    rows = [
        row(MORNING, name=name, description=text) for name, text in ((None, "z"), ("a", None), ("a", "b"))
    ]
    for seed in range(6):
        shuffled = random.Random(seed).sample(rows, 3)
        assert latest_rows(shuffled) == [row(MORNING, name="a", description="b")]


def test_every_promotion_has_one_row_by_its_id():
    rows = [promotion_row({"_id": name, "updatedate": MORNING}, "me") for name in ("b", "a", "b")]
    assert [one["promotionid"] for one in latest_rows(rows)] == ["a", "b"]
