"""The merchandising report row by row, in plain Python, to compare the SQL with.

It follows the rules as people read them: all events of the window and 90 days before it, one purchase after
the other, exact decimals. Nothing is shared with the SQL or with `assets`.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]

LONDON = ZoneInfo("Europe/London")
FORBIDDEN_IN_PAGES = (
    "fitfast", "truck", "manufacturer", "seasonal", "runflat", "reinforced", "loadratings",
    "carmanufacturer", "speedratings", "staging", "inforgen",
)  # fmt: skip
STARTS = (
    ("SUCMM", "CAM WAVES U"), ("XSUCMM", "CAM WAVES U"),
    ("PSUCMM", "CAM WAVES U - SWITCH"), ("PXSUCMM", "CAM WAVES U - SWITCH"),
    ("UCMM", "CAM U"), ("XUCMM", "CAM U"),
    ("PUCMM", "CAM U - SWITCH"), ("PXUCMM", "CAM U - SWITCH"),
    ("SCMM", "CAM WAVES"), ("PSCMM", "CAM WAVES - SWITCH"), ("CMM", "CAM"), ("PCMM", "CAM - SWITCH"),
)  # fmt: skip
METRICS = (
    "TotalUsers", "Orders", "Purchasers", "PurchasedUnits", "PurchasedRevenue", "UsersUniqueDayJourney",
)  # fmt: skip


def report(
    items: Iterable[Row],
    mapping: Iterable[Row],
    run_date: date,
    masked: Sequence[tuple[date, date]] = (),
) -> list[Row]:
    """The rows of the report for the items of `AIM.aim_event_items` and the rows of the vehicle mapping."""
    first, last = run_date - timedelta(days=21), run_date - timedelta(days=1)
    read = [item for item in items if is_read(item, first - timedelta(days=90), last)]
    views = views_of(read)
    in_window = [view for view in views if first <= view["date"] <= last]
    flag_firsts(in_window)
    attribute(read, views)
    vehicles = mapped_vehicles(mapping)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for view in in_window:
        groups[group_of(view, vehicles)].append(view)
    return [row_of(group, members, masked) for group, members in groups.items()]


def is_read(item: Row, first: date, last: date) -> bool:
    day = london_date(item["event_timestamp"])
    return (
        day is not None
        and first <= day <= last
        and item["country"] == "United Kingdom"
        and bool((item["user_pseudo_id"] or "").strip())
        and re.fullmatch("[0-9]+", item["item_id"] or "") is not None
    )


def london_date(microseconds: int | None) -> date | None:
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).astimezone(LONDON).date()


def views_of(items: Iterable[Row]) -> list[Row]:
    by_key: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
    for item in items:
        page = (item["page_location"] or "").lower()
        if item["event_name"] == "view_item_list" and not any(word in page for word in FORBIDDEN_IN_PAGES):
            view = {
                **item,
                "date": london_date(item["event_timestamp"]),
                "position": position(item["item_list_index"]),
                "journey": journey(item["item_category8"], item["item_category5"]),
                "purchases": [],
            }
            by_key[item["user_pseudo_id"], item["item_id"], item["event_timestamp"]].append(view)
    return [min(same, key=precedence) for same in by_key.values()]


def precedence(view: Row) -> list[Any]:
    texts = ("item_category8", "item_category5", "item_category6", "item_brand", "item_name", "item_variant")
    return [nulls_last(view[name]) for name in ("position", *texts)]


def nulls_last(value: Any) -> tuple[bool, Any]:
    return (True, 0) if value is None else (False, value)


def position(index: str | None) -> int | None:
    try:
        number = Decimal((index or "").strip())
    except ArithmeticError:
        return None
    if not number.is_finite() or number != number.to_integral_value():
        return None
    return 4 if number == 200 else int(number)


def journey(code: str | None, vehicle: str | None) -> str:
    text = (code or "").strip().upper()
    if text.startswith(("PSUCMM-AIM", "PXSUCMM-AIM")):
        return "AIM U - SWITCH"
    if text.startswith(("SUCMM-AIM", "XSUCMM-AIM")):
        return "AIM U"
    if "-AIM" in text:
        return "AIM - SWITCH" if text.startswith("P") else "AIM"
    for start, name in STARTS:
        if text.startswith(start):
            return name
    return "SIZE" if (vehicle or "").strip().upper() == "NO VRM SEARCH" else "NON MERCH VRM"


def flag_firsts(views: list[Row]) -> None:
    seen: set[tuple[Any, ...]] = set()
    for view in sorted(views, key=moment):
        day, visit = (
            (view["user_pseudo_id"], view["date"]),
            (view["user_pseudo_id"], view["date"], view["journey"]),
        )
        view["is_first"], view["is_first_of_journey"] = day not in seen, visit not in seen
        seen |= {day, visit}


def moment(view: Row) -> tuple[Any, ...]:
    return view["event_timestamp"], nulls_last(view["position"]), view["item_id"]


def attribute(items: Iterable[Row], views: list[Row]) -> None:
    for item in items:
        if item["event_name"] == "purchase" and (item["transaction_id"] or "").strip():
            before = [
                view
                for view in views
                if (view["user_pseudo_id"], view["item_id"]) == (item["user_pseudo_id"], item["item_id"])
                and view["event_timestamp"] <= item["event_timestamp"]
            ]
            if before:
                max(before, key=lambda view: view["event_timestamp"])["purchases"].append(item)


def fold(text: str) -> str:
    return re.sub("[^A-Z0-9]", "", unicodedata.normalize("NFKD", text).upper())


def mapped_vehicles(mapping: Iterable[Row]) -> dict[str, Row]:
    columns = ("vehicle", "CarMake", "CarModel", "Pod", "Category", "Segment")
    found: dict[str, Row] = {}
    for row in sorted(mapping, key=lambda row: [nulls_last(row[name]) for name in columns]):
        if row["vehicle"] is not None and fold(row["vehicle"]):
            found.setdefault(fold(row["vehicle"]), row)
    return found


def group_of(view: Row, vehicles: Mapping[str, Row]) -> tuple[Any, ...]:
    vehicle = (view["item_category5"] or "").strip().upper() or None
    mapped = vehicles.get(fold(view["item_category5"] or ""), {})
    return (
        view["date"],
        view["journey"],
        vehicle,
        (view["item_category6"] or "").strip() or None,
        view["position"],
        view["item_brand"],
        view["item_name"],
        view["item_variant"],
        view["item_id"],
        mapped.get("Segment"),
        mapped.get("Pod"),
        mapped.get("Category"),
    )


def row_of(group: tuple[Any, ...], views: list[Row], masked: Sequence[tuple[date, date]]) -> Row:
    day, journey_category, vehicle, size, slot, brand, name, variant, sku, segment, pod, category = group
    bought = [item for view in views for item in view["purchases"]]
    revenue = sum(
        (
            Decimal(repr(item["price"] or 0.0)) * (1 if item["quantity"] is None else item["quantity"])
            for item in bought
        ),
        Decimal(0),
    )
    metrics: Row = {
        "TotalUsers": sum(view["is_first"] for view in views),
        "Orders": len({item["transaction_id"] for item in bought}),
        "Purchasers": len({item["user_pseudo_id"] for item in bought}),
        "PurchasedUnits": sum(1 if item["quantity"] is None else item["quantity"] for item in bought),
        "PurchasedRevenue": float(revenue.quantize(Decimal("0.01"), ROUND_HALF_UP)),
        "UsersUniqueDayJourney": sum(view["is_first_of_journey"] for view in views),
    }
    if any(start <= day <= end for start, end in masked):
        metrics.update(dict.fromkeys(METRICS))
    return {
        "Date": day,
        "journey_category": journey_category,
        "Vehicle": vehicle,
        "Size": size,
        "SlotPosition": slot,
        "MerchandisingPosition": merchandising_position(slot),
        "Manufacturer": brand,
        "ModelName": name,
        "Variant": variant,
        "SKU": sku,
        "Segment": segment,
        "Pod": pod,
        "Category": category,
        **metrics,
    }


def merchandising_position(slot: int | None) -> str:
    if slot in {1, 2, 3, 4}:
        return f"Hotbox {slot}"
    return "BrandSelector" if slot == 99 else "Waves"
