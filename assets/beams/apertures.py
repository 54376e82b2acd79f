"""Blocks and leaves of a beam, in mm as the plan gives them: no factor, whatever the unit looks like.

They are written into the manifest and do not enter the water phantom. All is plain values, for JSON.
"""

from dataclasses import dataclass

from assets.beams.attributes import Item


@dataclass(frozen=True, slots=True)
class Aperture:
    """One item of IonBlockSequence."""

    number: int | None
    kind: str
    """BlockType: `APERTURE` or `SHIELDING`."""
    material: str
    thickness_mm: float | None
    tray_distance_mm: float | None
    """From the isocentre to the block tray."""
    outline_mm: tuple[tuple[float, float], ...]
    """The corners, x and y."""


@dataclass(frozen=True, slots=True)
class LeafPositions:
    """Where a limiting device stands from a control point on."""

    control_point: int
    """Its place in the sequence, from 1."""
    device: str
    """RTBeamLimitingDeviceType, such as `MLCX`."""
    boundaries_mm: tuple[float, ...]
    """Between the pairs of leaves; empty for a device without."""
    positions_mm: tuple[float, ...]
    """Of the first bank, then of the second."""


def read_apertures(beam: Item) -> tuple[Aperture, ...]:
    """The blocks of a beam.

    Raises:
        BeamFailure: `rtplan_parse_failed`, where an outline is not made of its number of points.
    """
    return tuple(_aperture(block) for block in beam.items("IonBlockSequence", "block"))


def read_leaf_positions(beam: Item) -> tuple[LeafPositions, ...]:
    """The stated positions of all limiting devices of a beam, in the order of its control points.

    Raises:
        BeamFailure: `rtplan_parse_failed`, where there are not two positions for each pair of leaves.
    """
    devices = {
        device.text("RTBeamLimitingDeviceType"): device
        for device in beam.items("IonBeamLimitingDeviceSequence", "limiting device")
    }
    return tuple(
        _leaf_positions(place, position, devices.get(position.text("RTBeamLimitingDeviceType")))
        for place, point in enumerate(beam.items("IonControlPointSequence", "control point"), start=1)
        for position in point.items("BeamLimitingDevicePositionSequence", "device position")
    )


def _aperture(block: Item) -> Aperture:
    flat = block.numbers("BlockData") or ()
    points = block.whole_number("BlockNumberOfPoints")
    if len(flat) % 2 or (points is not None and len(flat) != 2 * points):
        raise block.refused(f"BlockData has {len(flat)} numbers for {points} points")
    return Aperture(
        number=block.whole_number("BlockNumber"),
        kind=block.text("BlockType"),
        material=block.text("MaterialID"),
        thickness_mm=block.number("BlockThickness"),
        tray_distance_mm=block.number("IsocenterToBlockTrayDistance"),
        outline_mm=tuple(zip(flat[::2], flat[1::2], strict=True)),
    )


def _leaf_positions(place: int, position: Item, device: Item | None) -> LeafPositions:
    positions = position.numbers("LeafJawPositions") or ()
    pairs = None if device is None else device.whole_number("NumberOfLeafJawPairs")
    if pairs is not None and len(positions) != 2 * pairs:
        raise position.refused(f"LeafJawPositions has {len(positions)} numbers for {pairs} pairs")
    return LeafPositions(
        control_point=place,
        device=position.text("RTBeamLimitingDeviceType"),
        boundaries_mm=(() if device is None else device.numbers("LeafPositionBoundaries")) or (),
        positions_mm=positions,
    )
