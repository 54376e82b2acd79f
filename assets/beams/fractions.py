"""Fractions: the deliveries of a case within one window, and whether each has every beam of the plan.

A window begins at the first delivery of its fraction and does not slide. What a fraction lacks is judged by
set: order and number of deliveries say nothing. Everything is computed anew from deliveries and clock.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from assets.beams.identity import Delivery

Status = Literal["complete", "anomaly", "pending", "partial", "incomplete_set"]


@dataclass(frozen=True, slots=True, eq=False)
class Fraction:
    """The deliveries of one window."""

    index: int
    """From 1, the earliest first."""
    deliveries: tuple[Delivery, ...]
    """By time, at least one."""
    closes: datetime
    """The last moment of its window, in UTC."""
    status: Status
    """`complete`: every beam once. `anomaly`: every beam, some twice. Not every beam: `pending` while the
    window is open, then `partial`, or `incomplete_set` where some came twice."""
    missing: tuple[int, ...]
    """The DICOM numbers of the beams that it lacks, in plan order."""
    duplicate: tuple[int, ...]
    """The DICOM numbers of the beams that it has more than once, in plan order."""

    @property
    def covers_all_beams(self) -> bool:
        """Whether no beam is missing."""
        return not self.missing


def fractions_of(
    deliveries: Iterable[Delivery], beam_numbers: Sequence[int], window: timedelta, now: datetime
) -> tuple[Fraction, ...]:
    """The fractions of a case, whatever the order of its deliveries.

    Args:
        deliveries: all that were made of these beams.
        beam_numbers: the DICOM numbers of the treatment beams, in plan order.
        window: how long after its first delivery one still belongs to a fraction, that moment included.
        now: the clock, with a zone.
    """
    groups: list[list[Delivery]] = []
    for delivery in sorted(deliveries, key=lambda delivery: delivery.order):
        if groups and delivery.moment - groups[-1][0].moment <= window:
            groups[-1].append(delivery)
        else:
            groups.append([delivery])
    return tuple(
        _fraction(index, tuple(group), beam_numbers, window, now)
        for index, group in enumerate(groups, start=1)
    )


def _fraction(
    index: int,
    deliveries: tuple[Delivery, ...],
    beam_numbers: Sequence[int],
    window: timedelta,
    now: datetime,
) -> Fraction:
    delivered = Counter(delivery.beam.dicom_number for delivery in deliveries)
    missing = tuple(number for number in beam_numbers if not delivered[number])
    duplicate = tuple(number for number in beam_numbers if delivered[number] > 1)
    closes = deliveries[0].moment + window
    return Fraction(
        index, deliveries, closes, _status(missing, duplicate, is_open=now <= closes), missing, duplicate
    )


def _status(missing: tuple[int, ...], duplicate: tuple[int, ...], *, is_open: bool) -> Status:
    if not missing:
        return "anomaly" if duplicate else "complete"
    if is_open:
        return "pending"
    return "incomplete_set" if duplicate else "partial"
