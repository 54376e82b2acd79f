"""The items of a plan's IonBeamSequence: setup beams, which deliver nothing, and treatment beams.

Not here: layers and maps (`layers`, `spot_maps`), and which plan is read (`plan`).
"""

from dataclasses import dataclass, replace
from typing import Final

from assets.beams.apertures import Aperture, LeafPositions, read_apertures, read_leaf_positions
from assets.beams.attributes import Item
from assets.beams.gantry import gantries_named
from assets.beams.keys import beam_folder, shown
from assets.beams.layers import Layer, read_layers

_NAME_IT: Final = "name gantry 1 or 2 in TreatmentMachineName and export the plan again"


@dataclass(frozen=True, slots=True, eq=False)
class PlanBeam:
    """Any item of the plan; one that is no `TreatmentBeam` is a setup beam."""

    dicom_number: int
    """BeamNumber: the only number that deliveries and doses refer to."""
    plan_position: int
    """Its place in the plan, from 1, setup beams counted."""
    name: str

    @property
    def folder(self) -> str:
        """The name of its folder, which begins with the plan position."""
        return beam_folder(self.plan_position, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class TreatmentBeam(PlanBeam):
    """An item that delivers dose."""

    treatment_index: int
    """Its place among the treatment beams, from 1, in plan order."""
    gantry: int
    """1 or 2."""
    meterset_mu: float | None
    """BeamMeterset; None where the plan gives none."""
    layers: tuple[Layer, ...]
    apertures: tuple[Aperture, ...]
    leaf_positions: tuple[LeafPositions, ...]


def numbered_items(plan: Item) -> list[tuple[int, Item]]:
    """The items in plan order, each with its BeamNumber, and saying where they stand.

    Raises:
        BeamFailure: `rtplan_parse_failed`: a number is missing, or stands twice.
    """
    numbered: dict[int, Item] = {}
    for item in plan.items("IonBeamSequence", "item"):
        number = item.whole_number("BeamNumber")
        if number is None:
            raise item.refused("it has no BeamNumber")
        if number in numbered:
            raise item.refused(f"BeamNumber {number} belongs to another item too")
        numbered[number] = replace(item, where=f"{item.where} (BeamNumber {number})")
    return list(numbered.items())


def is_setup_beam(item: Item) -> bool:
    """Whether an item positions the patient and delivers no dose."""
    return (
        item.text("TreatmentDeliveryType") == "SETUP"
        or item.text("BeamName").casefold() == "setup"
        or item.text("BeamDescription").casefold() == "site setup"
    )


def gantry_of(item: Item) -> int:
    """The gantry, 1 or 2, that a treatment beam was planned for.

    Raises:
        BeamFailure: `gantry_unknown` or `gantry_ambiguous`.
    """
    name = item.text("TreatmentMachineName")
    named = gantries_named(name)
    if len(named) == 1:
        return named[0]
    code, problem = ("gantry_ambiguous", "two gantries") if named else ("gantry_unknown", "no gantry")
    raise item.refused(f"TreatmentMachineName {shown(name)} names {problem}", code=code, remedy=_NAME_IT)


def setup_beam(dicom_number: int, plan_position: int, item: Item) -> PlanBeam:
    """A setup beam; nothing else of it is read."""
    return PlanBeam(dicom_number, plan_position, item.text("BeamName"))


def treatment_beam(
    dicom_number: int, plan_position: int, treatment_index: int, item: Item, meterset_mu: float | None
) -> TreatmentBeam:
    """A treatment beam with all that is read of it.

    Raises:
        BeamFailure: a rule of its gantry, layers, maps or apertures is broken.
    """
    return TreatmentBeam(
        dicom_number=dicom_number,
        plan_position=plan_position,
        name=item.text("BeamName"),
        treatment_index=treatment_index,
        gantry=gantry_of(item),
        meterset_mu=meterset_mu,
        layers=read_layers(item, meterset_mu),
        apertures=read_apertures(item),
        leaf_positions=read_leaf_positions(item),
    )
