"""Blocks and leaves: in mm as DICOM gives them."""

import json
from dataclasses import asdict

import pytest
from pydicom.dataset import Dataset

from assets.beams.apertures import Aperture, LeafPositions
from assets.beams.failures import BeamFailure
from tests.assets.beams.written_plans import PlannedLayer, beam, control_points, data_set, plan_as_read

OUTLINE = ["-25.5", "-30", "25.5", "-30", "0", "41.25"]


def block(**attributes: object) -> Dataset:
    given = {
        "BlockNumber": 1,
        "BlockType": "APERTURE",
        "MaterialID": "BRASS",
        "BlockThickness": "65.0",
        "IsocenterToBlockTrayDistance": 350.0,
        "BlockNumberOfPoints": 3,
        "BlockData": OUTLINE,
    }
    return data_set(**given | attributes)


def device(**attributes: object) -> Dataset:
    given = {
        "RTBeamLimitingDeviceType": "MLCX",
        "NumberOfLeafJawPairs": 2,
        "LeafPositionBoundaries": ["-5", "0", "5"],
    }
    return data_set(**given | attributes)


def g1_beam(positions: list[str], *, blocks: list[Dataset] | None = None) -> Dataset:
    points = control_points([PlannedLayer(150.0)])
    points[0].BeamLimitingDevicePositionSequence = [
        data_set(RTBeamLimitingDeviceType="MLCX", LeafJawPositions=positions)
    ]
    return beam(
        5,
        "F2",
        points,
        TreatmentMachineName="GTR1",
        IonBlockSequence=[block()] if blocks is None else blocks,
        IonBeamLimitingDeviceSequence=[device()],
    )


def test_block_and_leaves_are_millimetres_without_any_factor() -> None:
    only = plan_as_read(g1_beam(["-10", "-10.5", "10", "10.5"])).treatment_beams[0]
    assert only.apertures == (
        Aperture(1, "APERTURE", "BRASS", 65.0, 350.0, ((-25.5, -30.0), (25.5, -30.0), (0.0, 41.25))),
    )
    assert only.leaf_positions == (LeafPositions(1, "MLCX", (-5.0, 0.0, 5.0), (-10.0, -10.5, 10.0, 10.5)),)
    assert json.loads(json.dumps(asdict(only.apertures[0])))["outline_mm"][2] == [0.0, 41.25]


def test_a_beam_without_block_and_leaves_has_none() -> None:
    only = plan_as_read(beam(5)).treatment_beams[0]
    assert (only.apertures, only.leaf_positions) == ((), ())


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (g1_beam(["-1", "1", "2"]), "device position 1: LeafJawPositions has 3 numbers for 2 pairs"),
        (g1_beam(["0"] * 4, blocks=[block(BlockNumberOfPoints=4)]), "block 1: BlockData has 6 numbers for 4"),
        (
            g1_beam(["0"] * 4, blocks=[block(BlockData=OUTLINE[:-1])]),
            "block 1: BlockData has 5 numbers for 3",
        ),
        (
            g1_beam(["0"] * 4, blocks=[block(BlockData=OUTLINE[:-1], BlockNumberOfPoints=None)]),
            "block 1: BlockData has 5 numbers",
        ),
        (g1_beam(["0"] * 4, blocks=[block(BlockData=b"x\\1 ")]), "block 1: BlockData"),
    ],
)
def test_an_outline_or_leaf_bank_that_is_not_whole_is_refused(item: Dataset, rule: str) -> None:
    with pytest.raises(BeamFailure) as refusal:
        plan_as_read(item)
    assert refusal.value.code == "rtplan_parse_failed"
    assert rule in refusal.value.message
