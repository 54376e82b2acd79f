"""The join of a delivery's logs with the layers of its beam, by identity and never by position.

The beam is known from PlanInfo. A row of PlanRange gives a layer by its LAYER_NO and a log by its
SCAN_OUT_FL_NM. Anything missing, surplus or contradictory refuses the case: nothing is shifted, skipped or
padded.

Not here: whether the samples in a log say the same, which no text file can reveal (`samples`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from assets.beams.deliveries import DeliveryRecord, PtnFile
from assets.beams.failures import BeamFailure, beam_failure, first_of
from assets.beams.identity import Delivery
from assets.beams.keys import shown
from assets.beams.layers import Layer
from assets.beams.plan_range import PlanRangeRow
from assets.beams.ptn import sample_count

MOST_ENERGY_DIFFERENCE_MEV: Final = 0.05
_ROUNDING_MEV: Final = 1e-9
"""150.05 - 150.0 is a little more than 0.05 in floating point."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerLog:
    """A layer, the row that names its log, and the log."""

    layer: Layer
    row: PlanRangeRow
    path: Path
    """The PTN file."""
    samples: int


@dataclass(frozen=True, slots=True, eq=False)
class JoinedDelivery:
    """A delivery, every log of which has its layer."""

    delivery: Delivery
    logs: tuple[LayerLog, ...]
    """By layer number: `logs[i].layer.number` is i + 1. Fewer than the layers of the beam where it was
    interrupted."""

    @property
    def duration(self) -> timedelta:
        """How long its samples take; the pauses between layers are not logged."""
        samples = sum(log.samples for log in self.logs)
        return timedelta(milliseconds=samples * self.delivery.block.constants.time_gain)

    @property
    def end(self) -> datetime:
        """When its last sample was taken, in UTC, by the same reckoning."""
        return self.delivery.moment + self.duration


def joined(deliveries: Sequence[Delivery]) -> tuple[JoinedDelivery, ...]:
    """All deliveries of a case with their logs, in the order given.

    Raises:
        BeamFailure: with every problem of every delivery, in the order `ptn_missing`, `ptn_unlisted`,
            `layer_number`, `layer_count`, `layer_energy`, `range_code`, `ptn_empty` and `ptn_length`; each
            names folder, beam and what it is about.
    """
    joins = [_Join(delivery, _logs_by_row(delivery.record)) for delivery in deliveries]
    if problems := [problem for check in _CHECKS for join in joins for problem in check(join)]:
        raise first_of(problems)
    return tuple(_joined(join) for join in joins)


def overlap_problems(deliveries: Sequence[JoinedDelivery]) -> Iterator[BeamFailure]:
    """`delivery_overlap` of each delivery that begins before an earlier one has ended."""
    last: JoinedDelivery | None = None
    for later in sorted(deliveries, key=lambda joined: joined.delivery.order):
        if last is not None and later.delivery.moment < last.end:
            yield beam_failure(
                "delivery_overlap",
                f"{shown(later.delivery.folder)} begins before {shown(last.delivery.folder)} ends"
                f" ({last.delivery.clock + last.duration:%H:%M:%S.%f}), and a machine delivers one beam at a"
                " time; remove the folder that is no delivery of this case.",
            )
        if last is None or later.end > last.end:
            last = later


@dataclass(frozen=True, slots=True, eq=False)
class _Join:
    """A delivery whose logs are being joined."""

    delivery: Delivery
    logs: tuple[tuple[PlanRangeRow, PtnFile | None], ...]
    """Every row with its log; None where there is none."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.delivery.beam.layers

    def refused(self, code: str, problem: str, remedy: str) -> BeamFailure:
        where = f"{shown(self.delivery.folder)}: beam {self.delivery.beam.dicom_number}"
        return beam_failure(code, f"{where}, {problem}; {remedy}.")


_COPY_AGAIN: Final = "copy the folder from the machine again"


def _logs_by_row(record: DeliveryRecord) -> tuple[tuple[PlanRangeRow, PtnFile | None], ...]:
    exact = {file.name: file for file in record.files}
    folded: dict[str, list[PtnFile]] = {}
    for file in record.files:
        folded.setdefault(file.name.casefold(), []).append(file)

    def log_of(row: PlanRangeRow) -> PtnFile | None:
        if row.log_name in exact:
            return exact[row.log_name]
        alike = folded.get(row.log_name.casefold(), [])
        return alike[0] if len(alike) == 1 else None

    return tuple((row, log_of(row)) for row in record.rows)


def _missing(join: _Join) -> Iterator[BeamFailure]:
    for row, file in join.logs:
        if file is None:
            problem = (
                f"layer {row.layer_number}: there is no log {shown(row.log_name)}, which PlanRange names"
            )
            yield join.refused("ptn_missing", problem, _COPY_AGAIN)


def _unlisted(join: _Join) -> Iterator[BeamFailure]:
    listed = {file.name for _, file in join.logs if file is not None}
    for file in join.delivery.record.files:
        if file.name not in listed:
            problem = f"log {shown(file.name)}: no row of PlanRange names it"
            yield join.refused("ptn_unlisted", problem, "move the file to the delivery it belongs to")


def _layer_numbers(join: _Join) -> Iterator[BeamFailure]:
    rows = len(join.logs)
    if lacking := set(range(1, rows + 1)) - {row.layer_number for row, _ in join.logs}:
        problem = f"PlanRange: LAYER_NO {min(lacking)} is lacking, of 1 to {rows} for {rows} rows"
        yield join.refused("layer_number", problem, _COPY_AGAIN)


def _layer_count(join: _Join) -> Iterator[BeamFailure]:
    rows, files = len(join.logs), len(join.delivery.record.files)
    stop, planned = join.delivery.record.info.stop_layer, len(join.layers)
    if not rows == files == stop <= planned:
        problem = (
            f"layers: rows of PlanRange {rows}, logs {files}, STOP_LAYER_NUMBER {stop}, planned {planned},"
            " where the first three must be equal and at most the last"
        )
        yield join.refused("layer_count", problem, _COPY_AGAIN)


def _energies(join: _Join) -> Iterator[BeamFailure]:
    planned = {layer.number: layer.energy_mev for layer in join.layers}
    for row, _ in join.logs:
        energy = planned.get(row.layer_number, row.energy_mev)
        if not abs(row.energy_mev - energy) <= MOST_ENERGY_DIFFERENCE_MEV + _ROUNDING_MEV:
            problem = (
                f"layer {row.layer_number}: LAYER_ENERGY {row.energy_mev:g} MeV of {shown(row.log_name)} is"
                f" more than {MOST_ENERGY_DIFFERENCE_MEV} MeV from {energy:g} MeV of the plan"
            )
            yield join.refused("layer_energy", problem, "move the delivery to the case of its own plan")


def _range_codes(join: _Join) -> Iterator[BeamFailure]:
    known = join.delivery.block.constants.range_full_scale_na
    for row, _ in join.logs:
        for column, code in (("DOSE1_RANGE", row.dose1_range), ("DOSE2_RANGE", row.dose2_range)):
            if code not in known:
                codes = ", ".join(map(str, sorted(known)))
                problem = (
                    f"layer {row.layer_number}: {column} {code} of {shown(row.log_name)} is none of {codes}"
                )
                yield join.refused("range_code", problem, "correct the monitor range on the machine's export")


def _lengths(join: _Join) -> Iterator[BeamFailure]:
    for _, file in join.logs:
        if file is not None:
            try:
                sample_count(file.size, f"{join.delivery.folder}/{file.name}")
            except BeamFailure as problem:
                yield problem


_CHECKS: Final[tuple[Callable[[_Join], Iterator[BeamFailure]], ...]] = (
    _missing,
    _unlisted,
    _layer_numbers,
    _layer_count,
    _energies,
    _range_codes,
    _lengths,
)
"""In the order of judgement: the first problem of the first check gives a case its code."""


def _joined(join: _Join) -> JoinedDelivery:
    layers = {layer.number: layer for layer in join.layers}
    logs = [
        LayerLog(
            layer=layers[row.layer_number],
            row=row,
            path=join.delivery.path / file.name,
            samples=sample_count(file.size, file.name),
        )
        for row, file in join.logs
        if file is not None
    ]
    return JoinedDelivery(join.delivery, tuple(sorted(logs, key=lambda log: log.layer.number)))
