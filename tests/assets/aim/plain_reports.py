"""What the reports of stages 5 to 8 must hold, worked out row by row in plain Python."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from assets.aim.cams import cam_key
from assets.aim.sizes import SizeKey, size_key
from assets.aim.slots import EMPTY, PRODUCT_ID, SLOTS
from assets.aim.vehicles import fold
from tests.assets.aim.published_lists import Inputs, Row

CAM = ("Make", "Model", "Width", "Profile", "Rim")
ABOUT = ("Segment", "Category", "CAM", "distinct_sku_count", "CAMSource")


def text(value: str | None) -> str | None:
    return (value or "").strip(" ") or None


def nulls_first(row: Row, *columns: str) -> list[tuple[bool, str]]:
    return [(row[name] is not None, row[name] or "") for name in columns]


def firsts(table: Iterable[Row], key: str) -> dict[object, Row]:
    found: dict[object, Row] = {}
    for row in table:
        found.setdefault(row[key], row)
    return found


def of_day(inputs: Inputs, day: date) -> list[Row]:
    return sorted((row for row in inputs.lists if row["run_date"] == day), key=lambda row: row["position"])


def ids_of(row: Row) -> list[str | None]:
    """The product number of each slot, or None."""
    cells = [row[slot] for slot in SLOTS]
    return [cell if cell is not None and re.search(PRODUCT_ID, cell) else None for cell in cells]


def vehicles(inputs: Inputs) -> dict[object, Row]:
    """Make, Model, Segment and Category by vehicle key, for vehicles that have the first two."""
    table = [
        {**row, "key": fold(row["vehicle"]), "Make": text(row["CarMake"]), "Model": text(row["CarModel"])}
        for row in inputs.mapping
    ]
    table.sort(key=lambda row: nulls_first(row, "vehicle", "Make", "Model", "Segment", "Category"))
    return {key: row for key, row in firsts(table, "key").items() if key and row["Make"] and row["Model"]}


def products(inputs: Inputs) -> dict[object, Row]:
    """The catalogue by product number, its texts trimmed, blank ones None."""
    names = ("Manufacturer", "Model_Name", "OE", "run_flat", "Brand")
    table = sorted(inputs.catalogue, key=lambda row: nulls_first(row, *names))
    return firsts([{"SKU": row["SKU"], **{name: text(row[name]) for name in names}} for row in table], "SKU")


def vehicle_of(row: Row, known: dict[object, Row]) -> Row | None:
    return known.get(fold(row["Vehicle"])) if row["Vehicle"] else None


def key_of(row: Row) -> SizeKey | None:
    return size_key(row["Size"]) if row["Size"] else None


def validation_report(inputs: Inputs, day: date) -> list[Row]:
    known = vehicles(inputs)
    grades = {
        str(row["ProductId"]): [
            (other["GRADE"] or "").strip().upper()
            for other in inputs.scores
            if other["ProductId"] == row["ProductId"]
        ]
        for row in inputs.scores
    }

    def broken(row: Row) -> dict[tuple[str, str], bool]:
        slots = ids_of(row)
        ids = [sku for sku in slots if sku]
        return {
            ("every_row_has_four_hotboxes", "error"): not all(slots[:4]),
            ("no_sku_appears_twice_in_a_row", "error"): max(Counter(ids).values(), default=0) > 1,
            ("every_cell_is_an_id_or_a_dash", "error"): any(
                sku is None and row[slot] != EMPTY for slot, sku in zip(SLOTS, slots, strict=True)
            ),
            ("every_sku_is_a_scored_product", "error"): bool(grades) and not grades.keys() >= set(ids),
            ("hb1_is_never_budget", "warn"): "BUDGET" in grades.get(slots[0] or "", []),
            ("every_vehicle_is_mapped", "warn"): vehicle_of(row, known) is None,
            ("every_size_is_parsable", "warn"): key_of(row) is None,
        }

    lists = of_day(inputs, day)
    report = []
    for claim, severity in broken(dict.fromkeys(("Vehicle", "Size", *SLOTS))):
        failing = [row for row in lists if broken(row)[claim, severity]]
        sample = [f"{row['Vehicle'] or ''}|{row['Size'] or ''}" for row in failing[:3]]
        report.append(
            {
                "run_date": day,
                "claim": claim,
                "severity": severity,
                "status": "fail" if failing else "pass",
                "failing_rows": len(failing),
                "total_rows": len(lists),
                "sample": "; ".join(sample) if sample else None,
            }
        )
    return report


def resolved_cams(inputs: Inputs, day: date) -> list[Row]:
    known = vehicles(inputs)
    manual = {fold(row["CAM"]) for row in inputs.manual_cams if row["CAM"]}
    table = []
    for row in of_day(inputs, day):
        vehicle, key, ids = vehicle_of(row, known), key_of(row), ids_of(row)
        if vehicle is None or key is None:
            continue
        cam = cam_key(vehicle["Make"], vehicle["Model"], *key)
        table.append(
            {
                **{name: row[name] for name in ("position", "Vehicle", "Size")},
                **dict(zip(SLOTS, ids, strict=True)),
                **dict(zip(CAM, (vehicle["Make"], vehicle["Model"], *key), strict=True)),
                **{name: vehicle[name] for name in ("Segment", "Category")},
                "CAM": cam,
                "CAMSource": "manual" if cam in manual else "AIM",
                "distinct_sku_count": len({sku for sku in ids if sku}),
            }
        )
    return table


def cam_rows(inputs: Inputs, day: date) -> list[Row]:
    """The resolved rows, of several vehicles that are one CAM the first."""
    found: dict[object, Row] = {}
    for row in resolved_cams(inputs, day):
        found.setdefault(tuple(row[name] for name in CAM), row)
    return list(found.values())


def analysis(inputs: Inputs, day: date) -> list[Row]:
    known = products(inputs)

    def described(sku: str | None) -> str | None:
        found = known.get(int(sku or 0), {})
        return sku and f"{found.get('Manufacturer') or ''}-{found.get('Model_Name') or ''}-{sku}"

    names = ["SKU", *(f"SKU{position}" for position in range(2, 25))]
    return [
        {
            "Today": day,
            **{name: row[name] for name in CAM},
            **{name: described(row[slot]) for name, slot in zip(names, SLOTS, strict=True)},
            **{name: row[name] for name in ABOUT},
        }
        for row in cam_rows(inputs, day)
    ]


def token_fact(inputs: Inputs, day: date) -> list[Row]:
    known = products(inputs)
    table = []
    for row in resolved_cams(inputs, day):
        for position, slot in enumerate(SLOTS, 1):
            if row[slot] is None:
                continue
            found = known.get(int(row[slot]), {})
            hotbox = position if slot.startswith("HB") else None
            table.append(
                {
                    "snapshot_date": day,
                    "Manufacturer": found.get("Manufacturer"),
                    **{
                        name: row[name]
                        for name in ("Make", "Model", "Vehicle", "Size", "Segment", "Category")
                    },
                    "Model_Name": found.get("Model_Name"),
                    "OE": found.get("OE"),
                    "has_oe": bool(found.get("OE")),
                    "sku": int(row[slot]),
                    "token_position": position,
                    "token_bucket": f"Hotbox {hotbox}" if hotbox else "Waves",
                    "is_hotbox": hotbox is not None,
                    "hotbox_n": hotbox,
                    **{name: row[name] for name in ("CAM", "CAMSource", "distinct_sku_count")},
                }
            )
    return table


def override_file(inputs: Inputs, day: date) -> list[Row]:
    known = products(inputs)
    table = []
    for row in cam_rows(inputs, day):
        first = known.get(int(row["HB1"] or 0), {})
        make, model = ("".join(row[name].split()) for name in ("Make", "Model"))
        takeover = f"aim-{make}-{model}-{row['Width']}-{row['Profile']}-{row['Rim']}".lower()
        table.append(
            {
                "Today": day,
                **{name: row[name] for name in CAM},
                "SKU": row["HB1"],
                "TakeoverName": takeover,
                "RibbonName": "",
                **_with_ribbons(row, range(2, 5)),
                "Country": "UK",
                "Year": "",
                "CAMUSlot": 4,
                **_with_ribbons(row, range(5, 25)),
                "Manufacturer": first.get("Manufacturer"),
                "ModelName": first.get("Model_Name"),
                "OE": first.get("OE"),
                **{name: row[name] for name in ("Segment", "Category", "Size", "Vehicle", "CAM")},
                **{name: row[name] for name in ("distinct_sku_count", "CAMSource")},
            }
        )
    return table


def _with_ribbons(row: Row, positions: Sequence[int]) -> Row:
    found: Row = {}
    for position in positions:
        found |= {f"SKU{position}": row[SLOTS[position - 1]], f"RibbonName{position}": ""}
    return found


# The rank that each of the 60 slots shows, as the document lists them.
LAYOUT = [
    *range(1, 9), 1, *range(9, 12), 2, *range(12, 15), 3, *range(15, 18), 4, *range(18, 57),
]  # fmt: skip


def size_file(inputs: Inputs, day: date) -> list[Row]:
    known = products(inputs)
    shown: dict[tuple[str, ...], Counter[int]] = {}
    for row in cam_rows(inputs, day):
        skus = {int(row[slot]) for slot in SLOTS if row[slot]}
        branded = [sku for sku in skus if known.get(sku, {}).get("Brand")]
        shown.setdefault((row["Width"], row["Profile"], row["Rim"]), Counter()).update(branded)
    table = []
    for (width, profile, rim), counts in shown.items():
        ranks = sorted(counts, key=lambda sku: (-counts[sku], sku))
        for slot, rank in enumerate(LAYOUT, 1):
            if rank <= len(ranks):
                table.append(
                    {
                        "product_id": ranks[rank - 1],
                        "slot_number": Decimal(f"{slot}.001000000"),
                        **dict.fromkeys(("Rationale", "Initiative", "Notes"), "AIM_Size"),
                        "Start_date": day,
                        "Review_date": day + timedelta(days=30),
                        "Brand": known[ranks[rank - 1]]["Brand"],
                        "Size": f"{width}/{profile} R{rim}" if profile else f"{width} R{rim}",
                    }
                )
    return table
