"""CAMs: the pair of Vehicle and Size that a shopper lands on. Its repair, its identity, its key in tables.

Not here: what a size is (`sizes`) and which names are one vehicle (`vehicles`).
"""

from typing import Final, NamedTuple

import polars as pl

from assets.aim.columns import map_distinct
from assets.aim.sizes import find_core, size_keys
from assets.aim.vehicles import fold, folded, vehicle_keys

CAM_SCHEMA: Final = {"Vehicle": pl.String, "Size": pl.String}


class Cam(NamedTuple):
    """A repaired pair; neither is blank."""

    vehicle: str
    size: str


def repair(vehicle: str | None, size: str | None) -> Cam | None:
    """Bring the size core of either text into Size, in canonical form, and all other words into Vehicle.

    Without a core nothing changes but white space, and underscores in Vehicle. None when Vehicle or Size
    stays blank: the row is not repairable. Repairing twice changes nothing more.
    """
    vehicle, size = vehicle or "", _collapsed(size or "")
    if core := find_core(size):
        vehicle, size = f"{vehicle} {size[: core.start]}", core.canonical
    vehicle = _collapsed(vehicle.replace("_", " "))
    if core is None and (core := find_core(vehicle)):
        vehicle, size = _collapsed(f"{vehicle[: core.start]} {vehicle[core.end :]}"), core.canonical
    return Cam(vehicle, size) if vehicle and size else None


def repaired(vehicles: pl.Series, sizes: pl.Series) -> pl.DataFrame:
    """`repair` of two columns of equal length: columns Vehicle and Size, both null where not repairable."""
    return map_distinct(
        pl.DataFrame([vehicles.alias("Vehicle"), sizes.alias("Size")]), _repair_row, CAM_SCHEMA
    )


def first_of_each_cam(cams: pl.DataFrame) -> pl.DataFrame:
    """The first row of each (vehicle key, size key), in the order of the frame.

    A Size without a core is compared by its folded text. All columns are kept.
    """
    identities = cam_identities(cams, size_keys(cams["Size"])["size_key"])
    return cams.filter(identities.select(pl.struct(pl.all()).is_first_distinct()).to_series())


def cam_identities(cams: pl.DataFrame, keys: pl.Series) -> pl.DataFrame:
    """What tells CAMs apart, row by row: vehicle_key, and as size_identity the size key or the folded Size.

    `keys` are the size keys of the column Size. A size key holds slashes, a folded text none: one never
    passes for the other.
    """
    return pl.DataFrame(
        [
            vehicle_keys(cams["Vehicle"]).alias("vehicle_key"),
            keys.fill_null(folded(cams["Size"])).alias("size_identity"),
        ]
    )


def cam_key(make: str, model: str, width: str, profile: str, rim: str) -> str:
    """The CAM key of tables: all five joined and folded, such as `MERCEDESBENZCCLASS2254517`."""
    return fold(f"{make}{model}{width}{profile}{rim}")


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def _repair_row(vehicle: str | None, size: str | None) -> tuple[str | None, str | None]:
    return repair(vehicle, size) or (None, None)
