"""The rules of the ranker as they are told, one after the other, over plain dictionaries.

The reference that the fast ranker is compared with: no index, every row is looked at for every CAM.
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from resources.waves import Cam, Parameters

Row = dict[str, Any]


def plain_slots(rows: Sequence[Row], cam: Cam, parameters: Parameters) -> tuple[list[str], str | None]:
    """The 24 slots of a CAM, and the error code."""
    if blank(cam.vehicle) or blank(cam.size):
        return ["-"] * 24, "INVALID_INPUT"
    here = [row for row in rows if has_size(row, cam)]
    if not here:
        return ["-"] * 24, "NO_RESULTS"
    own = [row for row in here if row["vehicle_key"] == cam.vehicle_key != ""]
    facts = min(own, key=lambda row: (row["ProductId"], *best_of_product(row)), default=None)
    budget_share = facts["BudgetShare"] if facts else max(row["BudgetShare"] for row in here)
    runflat_share = facts["RunflatShare"] if facts else max(row["RunflatShare"] for row in here)

    candidates = []
    for group, members in enumerate([own, [r for r in here if r not in own]] if own else [here]):
        taken = {row["ProductId"] for _, _, row in candidates}
        for product in {row["ProductId"] for row in members} - taken:
            row = min((row for row in members if row["ProductId"] == product), key=best_of_product)
            zone = facts["GoldilocksZone"] if facts else row["GoldilocksZone"]
            candidates.append((group, band(row, zone, parameters), row))
    if runflat_share == 0:
        candidates = [c for c in candidates if trim_upper(c[2]["RunflatStatus"]) != "RUNFLAT"]

    by_price = [c[2] for c in sorted(candidates, key=lambda c: (c[0], c[1], *merit(c[2])))]
    by_tier = [c[2] for c in sorted(candidates, key=lambda c: (c[0], *merit(c[2])))]
    boxes = fill_hotboxes(by_price, by_tier, budget_share > 0, parameters)
    listed = fill_list(by_price, by_tier, boxes, parameters)
    slots = [str(row["ProductId"]) if row else "-" for row in [*boxes, *listed]]
    return slots, "NO_RESULTS" if None in boxes else None


def fill_hotboxes(by_price, by_tier, takes_budget, parameters):
    reserved = reserve(by_tier, takes_budget, parameters)
    boxes = fill(reserved, by_price, takes_budget)
    if None in boxes and reserved != [None] * 4:
        boxes = fill([None] * 4, by_price, takes_budget)
    return boxes


def reserve(by_tier, takes_budget, parameters):
    boxes = [None] * 4
    if not no_text(parameters.model_enhancer):
        wanted = [r for r in by_tier if trim_upper(r["Model"]) == trim_upper(parameters.model_enhancer)]
        boxes[2] = first_allowed(wanted, 2, boxes, takes_budget)
    if season := fold(parameters.season):
        wanted = [row for row in by_tier if fold(row["SEASONAL_PERFORMANCE"]) == season]
        if boxes[2] is None or boxes[2] not in wanted:
            boxes[3] = first_allowed(wanted, 3, boxes, takes_budget)
    return boxes


def fill(reserved, by_price, takes_budget):
    boxes = list(reserved)
    for position in range(4):
        if boxes[position] is None:
            boxes[position] = first_allowed(by_price, position, boxes, takes_budget)
    return boxes


def first_allowed(rows, position, boxes, takes_budget):
    for row in rows:
        is_budget = trim_upper(row["GRADE"]) == "BUDGET"
        if row not in boxes and not (is_budget and (position < 2 or not takes_budget)):
            return row
    return None


def fill_list(by_price, by_tier, boxes, parameters):
    listed = []
    if not no_text(parameters.brand_enhancer):
        brand = trim_upper(parameters.brand_enhancer)
        if not any(row and trim_upper(row["BRAND"]) == brand for row in boxes):
            listed = [row for row in by_tier if trim_upper(row["BRAND"]) == brand and row not in boxes][:1]
    listed += [row for row in by_price if row not in boxes and row not in listed]
    return [*listed, *[None] * 20][:20]


def has_size(row, cam):
    if cam.size_key is not None:
        return row["size_key"] == cam.size_key
    return row["size_key"] is None and fold(row["SIZE"]) == fold(cam.size)


def best_of_product(row):
    return -row["Units"], row["Vehicle"] is None, row["Vehicle"] or ""


def merit(row):
    return row["TyreScore"], -row["Units"], row["ProductId"]


def band(row, zone, parameters):
    price, fluctuation = row["PRICE"], row["PRICEFLUCTUATION"]
    pct = parameters.goldilocks_zone_pct / 100
    near = price is not None and (zone is None or abs(price - zone) <= pct * zone + 1e-9)
    lowest, highest = parameters.price_fluctuation_lower, parameters.price_fluctuation_upper
    steady = fluctuation is None or lowest - 1e-9 <= fluctuation <= highest + 1e-9
    return 0 if near and steady else 1


def trim_upper(text):
    return (text or "").strip().upper()


def no_text(text):
    return not (text or "").strip()


def blank(text):
    return text.strip().lower() in ("", "nan")


def fold(text):
    decomposed = unicodedata.normalize("NFKD", text or "")
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return "".join(letter for letter in plain.upper() if letter.isascii() and letter.isalnum())
