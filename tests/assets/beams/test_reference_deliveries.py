"""The reference of each beam: from one fraction if any has all beams, there the earliest whole delivery."""

from datetime import timedelta

import pytest

from assets.beams.failures import BeamFailure
from assets.beams.fractions import fractions_of
from assets.beams.reference import References, references_of
from tests.assets.beams.delivered_cases import LATER, delivery_of, plan_of

TWO_LAYERS = plan_of({2: (150.0, 140.0), 7: (100.0, 90.0)})


def references(*deliveries: tuple[str, int] | tuple[str, int, int]) -> References:
    """The references of deliveries, each a start, a beam number and perhaps its last layer."""
    made = [
        delivery_of(TWO_LAYERS, number, start, stop_layer=stop[0] if stop else None)
        for start, number, *stop in deliveries
    ]
    found = fractions_of(made, (2, 7), timedelta(hours=1), LATER)
    return references_of(found, TWO_LAYERS.treatment_beams)


def chosen(found: References) -> dict[int, tuple[str, int]]:
    """Time of day and fraction of the reference of each treatment index."""
    return {
        index: (f"{reference.delivery.clock:%H:%M}", reference.fraction_index)
        for index, reference in found.by_treatment_index.items()
    }


def test_the_earliest_complete_fraction_is_taken_before_an_earlier_anomaly() -> None:
    found = references(
        ("08:00", 2), ("08:10", 7), ("08:20", 7), ("10:00", 7), ("10:10", 2), ("12:00", 2), ("12:10", 7)
    )
    assert chosen(found) == {1: ("10:10", 2), 2: ("10:00", 2)}
    assert not found.mixed_fractions


def test_an_anomaly_is_taken_before_several_fractions() -> None:
    found = references(("08:00", 2), ("10:00", 2), ("10:10", 7), ("10:20", 7), ("12:00", 7))
    assert chosen(found) == {1: ("10:00", 2), 2: ("10:10", 2)}
    assert not found.mixed_fractions


def test_an_interrupted_delivery_gives_way_to_a_later_whole_one_of_the_same_fraction() -> None:
    found = references(("10:00", 2, 1), ("10:10", 7), ("10:20", 2), ("10:30", 2))
    assert chosen(found) == {1: ("10:20", 1), 2: ("10:10", 1)}


def test_an_interrupted_delivery_of_the_complete_fraction_stays_the_reference() -> None:
    found = references(("10:00", 2, 1), ("10:10", 7), ("12:00", 2))
    assert chosen(found) == {1: ("10:00", 1), 2: ("10:10", 1)}


def test_of_interrupted_deliveries_the_earliest_is_taken() -> None:
    found = references(("10:00", 2, 1), ("10:10", 7), ("10:20", 2, 1))
    assert chosen(found)[1] == ("10:00", 1)


def test_without_a_fraction_of_all_beams_they_come_from_several() -> None:
    found = references(("08:00", 2, 1), ("10:00", 7), ("12:00", 2), ("14:00", 7))
    assert chosen(found) == {1: ("12:00", 3), 2: ("10:00", 2)}
    assert found.mixed_fractions


def test_beams_that_were_never_delivered_are_named() -> None:
    plan = plan_of()
    found = fractions_of([delivery_of(plan, 3, "10:00")], (5, 3, 9), timedelta(hours=1), LATER)
    with pytest.raises(BeamFailure) as raised:
        references_of(found, plan.treatment_beams)
    assert raised.value.code == "missing_beams"
    assert raised.value.message.startswith(
        "No delivery of beam 5 'F2 A/P', 9 'F4': a case is judged when every"
    )
    assert raised.value.message.endswith("; add the missing delivery folders.")
