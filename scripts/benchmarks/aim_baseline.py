"""The baselines of the aim benchmark: row-wise pandas, as result processing and ranker are first written.

They follow the same rules, cell by cell and CAM by CAM, and come to the same lists, which the benchmark
checks. The ranker's knows no enhancers.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from assets.aim.results import ERROR_CODES
from assets.aim.sizes import size_key
from assets.aim.slots import EMPTY, HOTBOXES, LIST_SLOTS, PRODUCT_ID, SLOTS
from assets.aim.vehicles import fold
from resources.waves import Cam, Parameters

_CAM_COLUMNS = ["Vehicle", "Size"]

# By its own annotations a filtered frame may be a series or an array, and a cell of a row anything.
Frame: TypeAlias = Any
Row: TypeAlias = Any


class Lists(NamedTuple):
    """Processed answers: the staged rows, and the two files of a run."""

    staged: list[dict[str, Any]]
    results_csv: bytes
    cam_sku_csv: bytes


def processed(
    answers: Sequence[Mapping[str, Any]],
    cams: Sequence[tuple[str, str]],
    known: frozenset[str],
    modified: datetime,
) -> Lists:
    """Judge, clean, de-duplicate and stage answers, one row and one cell after the other."""
    rows = [_flat(answer, cam) for answer, cam in zip(answers, cams, strict=True)]
    frame: Frame = pd.DataFrame(rows, dtype=object)
    for slot in SLOTS:
        frame[slot] = frame[slot].apply(lambda cell: _cleaned(cell, known))
    frame = frame.apply(_without_repeats, axis=1)
    frame["error"] = frame.apply(_error, axis=1)
    frame["key"] = frame.apply(_identity, axis=1)
    good = frame[frame["error"].isna()].drop_duplicates("key")
    staged = [_staged(position, row) for position, (_, row) in enumerate(good.iterrows(), start=1)]
    published = good[[*_CAM_COLUMNS, *SLOTS]]
    with_blanks = published.map(lambda cell: "" if cell == EMPTY else cell)
    with_blanks["last_modified"] = modified.isoformat(timespec="seconds")
    files = (rows.to_csv(index=False).encode() for rows in (published, with_blanks))
    return Lists(staged, *files)


def _flat(answer: Mapping[str, Any], cam: tuple[str, str]) -> dict[str, Any]:
    listed = [*answer["SKUs"], *[None] * len(LIST_SLOTS)][: len(LIST_SLOTS)]
    return {
        **dict(zip(_CAM_COLUMNS, cam, strict=True)),
        **{box: answer.get(box) for box in HOTBOXES},
        **dict(zip(LIST_SLOTS, listed, strict=True)),
        "success": answer.get("success"),
        "error_code": answer.get("error_code"),
    }


def _cleaned(cell: object, known: frozenset[str]) -> str:
    text = str(cell).strip().removesuffix(".0")
    return text if re.match(PRODUCT_ID, text) and text in known else EMPTY


def _without_repeats(row: Row) -> Row:
    seen: set[str] = set()
    for slot in SLOTS:
        if row[slot] in seen:
            row[slot] = EMPTY
        elif row[slot] != EMPTY:
            seen.add(row[slot])
    return row


def _error(row: Row) -> str | None:
    if row["success"] is not True:
        return row["error_code"] if row["error_code"] in ERROR_CODES else "INTERNAL_ERROR"
    if not row["Vehicle"] or not row["Size"]:
        return "INVALID_INPUT"
    return "FORMAT_ERROR" if any(row[box] == EMPTY for box in HOTBOXES) else None


def _identity(row: Row) -> str:
    key = size_key(row["Size"])
    return f"{fold(row['Vehicle'])} {key.text if key else fold(row['Size'])}"


def _staged(position: int, row: Row) -> dict[str, Any]:
    key = size_key(row["Size"])
    ids = [row[slot] for slot in SLOTS if row[slot] != EMPTY]
    padded = [*ids, *[None] * len(SLOTS)][: len(SLOTS)]
    return {
        "position": position,
        **{name: row[name] for name in (*_CAM_COLUMNS, *SLOTS)},
        "vehicle_key": fold(row["Vehicle"]),
        "size_identity": key.text if key else fold(row["Size"]),
        **{name: getattr(key, name.lower()) if key else None for name in ("Width", "Profile", "Rim")},
        **{f"cam_sku_{number}": cell for number, cell in enumerate(padded, start=1)},
    }


def ranked(scores: Frame, cam: Cam, parameters: Parameters) -> list[str]:
    """The 24 slots of a CAM, found by filtering the whole score frame."""
    if cam.size_key is None:
        unreadable = scores[scores["size_key"].isna()]
        here = unreadable[
            unreadable["SIZE"].map(lambda text: fold(text or "") == fold(cam.size)).astype(bool)
        ]
    else:
        here = scores[scores["size_key"] == cam.size_key]
    if here.empty:
        return [EMPTY] * len(SLOTS)
    own = here[(here["vehicle_key"] == cam.vehicle_key) & (here["vehicle_key"] != "")]
    facts = None if own.empty else own.sort_values("ProductId").iloc[0]
    if facts is None:
        candidates = _each_product_once(here).assign(group=0)
    else:
        others = here[~here["ProductId"].isin(own["ProductId"])]
        groups = [_each_product_once(own).assign(group=0), _each_product_once(others).assign(group=1)]
        candidates = pd.concat([group for group in groups if not group.empty])
    shares = here.max(numeric_only=True) if facts is None else facts
    if shares["RunflatShare"] == 0:
        candidates = candidates[candidates["RunflatStatus"].str.strip().str.upper() != "RUNFLAT"]
    if candidates.empty:
        return [EMPTY] * len(SLOTS)
    bands = [_band(row, row if facts is None else facts, parameters) for _, row in candidates.iterrows()]
    ordered = candidates.assign(band=bands).sort_values(
        ["group", "band", "TyreScore", "Units", "ProductId"], ascending=[True, True, True, False, True]
    )
    return _filled(ordered, takes_budget=bool(shares["BudgetShare"] > 0))


def _each_product_once(rows: Frame) -> Frame:
    ordered = rows.sort_values(["Units", "Vehicle"], ascending=[False, True], na_position="last")
    return ordered.drop_duplicates("ProductId")


def _band(row: Row, facts: Row, parameters: Parameters) -> int:
    price, zone, fluctuation = row["PRICE"], facts["GoldilocksZone"], row["PRICEFLUCTUATION"]
    half_width = parameters.goldilocks_zone_pct / 100 * zone
    is_near = pd.notna(price) and (pd.isna(zone) or abs(price - zone) <= half_width + 1e-9)
    lowest, highest = parameters.price_fluctuation_lower, parameters.price_fluctuation_upper
    is_steady = pd.isna(fluctuation) or lowest - 1e-9 <= fluctuation <= highest + 1e-9
    return 0 if is_near and is_steady else 1


def _filled(ordered: Frame, *, takes_budget: bool) -> list[str]:
    rows = [(str(row["ProductId"]), (row["GRADE"] or "").strip().upper()) for _, row in ordered.iterrows()]
    slots: list[str] = []
    for box in range(len(HOTBOXES)):
        takes_any = takes_budget and box >= 2
        allowed = [name for name, grade in rows if name not in slots and (takes_any or grade != "BUDGET")]
        slots.append(allowed[0] if allowed else EMPTY)
    slots += [name for name, _ in rows if name not in slots][: len(LIST_SLOTS)]
    return [*slots, *[EMPTY] * len(SLOTS)][: len(SLOTS)]
