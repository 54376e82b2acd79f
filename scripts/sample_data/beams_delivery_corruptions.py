"""What can be wrong with deliveries and logs of a beams sample, one switch per code of the contract.

Each changes one thing of an otherwise sound draft: as a rule in the first delivery of the first fraction,
that of the plan's second treatment beam, or in that fraction's delivery of the beam with two layers.

Not here: plans (`beams_plan_corruptions`), places and markers (`beams_corruptions`).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from scripts.sample_data.beams_case import BETWEEN_BEAMS, Delivery, Draft, stamp
from scripts.sample_data.beams_fields import SETUP_NUMBER
from scripts.sample_data.beams_logs import (
    BEAM_ON,
    DOSE_1,
    DOSE_2,
    SAMPLE_BYTES,
    STATE,
    Words,
    X,
    Y,
    as_bytes,
    as_words,
    position_word,
)

_CENTISECOND: Final = timedelta(milliseconds=10)
_FOREIGN_PATIENT: Final = "QA9999"
_FAR_MM: Final = 255.0
_SURPLUS_BYTES: Final = 5


def _missing_deliveries(draft: Draft) -> None:
    """Nothing was delivered."""
    draft.deliveries.clear()


def _missing_planinfo(draft: Draft) -> None:
    """A delivery has no PlanInfo."""
    draft.deliveries[0].has_info = False


def _planinfo_invalid(draft: Draft) -> None:
    """A key stands twice in a PlanInfo."""
    draft.deliveries[0].extra_info = "STOP_LAYER_NUMBER,1\n"


def _missing_planrange(draft: Draft) -> None:
    """A delivery has no PlanRange."""
    draft.deliveries[0].has_rows = False


def _planrange_invalid(draft: Draft) -> None:
    """The energy of a row of PlanRange is no number."""
    draft.deliveries[0].rows[0]["LAYER_ENERGY"] = "high"


def _missing_delivery_timestamp(draft: Draft) -> None:
    """A PlanInfo gives the time of its delivery to the minute only."""
    info = draft.deliveries[0].info
    info["TCSC_IRRAD_DATETIME"] = info["TCSC_IRRAD_DATETIME"][:12]


def _timestamp_mismatch(draft: Draft) -> None:
    """A PlanInfo is one centisecond later than the name of its folder."""
    draft.deliveries[0].info["TCSC_IRRAD_DATETIME"] = stamp(_start(draft.deliveries[0]) + _CENTISECOND)


def _patient_id_mismatch(draft: Draft) -> None:
    """A PlanInfo names another patient."""
    draft.deliveries[0].info["DICOM_PATIENT_ID"] = _FOREIGN_PATIENT


def _unresolved_folders(draft: Draft) -> None:
    """A PlanInfo does not name its beam."""
    del draft.deliveries[0].info["DICOM_BEAM_NUMBER"]


def _unknown_beam(draft: Draft) -> None:
    """A PlanInfo names a beam that the plan does not have."""
    draft.deliveries[0].info["DICOM_BEAM_NUMBER"] = "7"


def _setup_beam_delivered(draft: Draft) -> None:
    """A PlanInfo names the setup beam."""
    draft.deliveries[0].info["DICOM_BEAM_NUMBER"] = str(SETUP_NUMBER)


def _field_number_conflict(draft: Draft) -> None:
    """The last delivery of a beam has another field number than the one before."""
    draft.deliveries[-1].info["TCSC_FIELD_NUMBER"] = "99"


def _delivery_overlap(draft: Draft) -> None:
    """A delivery begins a centisecond after the one before, which is not over then."""
    before, after = draft.deliveries[:2]
    start = stamp(_start(before) + _CENTISECOND)
    after.folder = start
    after.info["TCSC_IRRAD_DATETIME"] = start


def _missing_beams(draft: Draft) -> None:
    """A beam is never delivered."""
    never = draft.deliveries[0].beam
    draft.deliveries[:] = [delivery for delivery in draft.deliveries if delivery.beam is not never]


def _fraction_window_open(draft: Draft) -> None:
    """The last fraction lacks its last delivery: its window is open for an hour from its first one."""
    del draft.deliveries[-1]


def _ptn_missing(draft: Draft) -> None:
    """The log of a second layer is not there."""
    del _first(draft, layers=2).logs[_log_names(draft)[1]]


def _ptn_unlisted(draft: Draft) -> None:
    """There is a log that PlanRange does not name."""
    logs = draft.deliveries[0].logs
    name, content = next(iter(logs.items()))
    logs[f"copy-{name}"] = content


def _layer_number(draft: Draft) -> None:
    """PlanRange counts the second layer as the third."""
    _first(draft, layers=2).rows[1]["LAYER_NO"] = "3"


def _layer_count(draft: Draft) -> None:
    """PlanInfo says that one more layer was delivered than there are rows and logs."""
    info = draft.deliveries[0].info
    info["STOP_LAYER_NUMBER"] = str(int(info["STOP_LAYER_NUMBER"]) + 1)


def _layer_energy(draft: Draft) -> None:
    """PlanRange gives a layer 0.2 MeV more than the plan."""
    row = draft.deliveries[0].rows[0]
    row["LAYER_ENERGY"] = f"{float(row['LAYER_ENERGY']) + 0.2:.2f}"


def _range_code(draft: Draft) -> None:
    """PlanRange gives a layer a monitor range that no machine has."""
    draft.deliveries[0].rows[0]["DOSE1_RANGE"] = "6"


def _ptn_length(draft: Draft) -> None:
    """A log ends within a sample."""
    logs = draft.deliveries[0].logs
    name = next(iter(logs))
    logs[name] = logs[name][: _SURPLUS_BYTES - SAMPLE_BYTES]


def _ptn_empty(draft: Draft) -> None:
    """A log has no samples."""
    logs = draft.deliveries[0].logs
    logs[next(iter(logs))] = b""


def _layer_word(draft: Draft) -> None:
    """The logs of two layers of a beam have changed names."""
    logs = _first(draft, layers=2).logs
    one, other = _log_names(draft)[:2]
    logs[one], logs[other] = logs[other], logs[one]


def _dose_saturated(draft: Draft) -> None:
    """The first monitor is at its end for a sample."""

    def saturate(words: Words) -> None:
        words[_beam_on(words)[-1], DOSE_1] = 65535

    _edit_log(draft.deliveries[0], saturate)


def _position_out_of_range(draft: Draft) -> None:
    """The beam is 255 mm off the axis for a sample."""
    constants = draft.constants
    far = position_word(np.array([_FAR_MM]), constants.x_offset, constants.x_gain)[0]

    def displace(words: Words) -> None:
        words[_beam_on(words)[-1], X] = far

    _edit_log(draft.deliveries[0], displace)


def _content_changing(draft: Draft) -> None:
    """A log has grown by a sample; written over the sound case it has that case's marker."""
    logs = draft.deliveries[-1].logs
    name = next(reversed(logs))
    logs[name] += logs[name][-SAMPLE_BYTES:]


def _monitor_disagreement(draft: Draft) -> None:
    """The second monitor of a layer counted a tenth more."""

    def raise_second(words: Words) -> None:
        words[:, DOSE_2] = np.rint(words[:, DOSE_2] * 1.1)

    _edit_log(draft.deliveries[0], raise_second)


def _meterset_share(draft: Draft) -> None:
    """A layer of two got a third more than its share."""

    def raise_both(words: Words) -> None:
        words[:, DOSE_1 : DOSE_2 + 1] = np.rint(words[:, DOSE_1 : DOSE_2 + 1] * 4 / 3)

    _edit_log(_first(draft, layers=2), raise_both)


def _range_differs_from_plan(draft: Draft) -> None:
    """A layer was planned for another monitor range."""
    draft.deliveries[0].rows[0]["PLAN_DOSE1_RANGE"] = "4"


def _interrupted_reference(draft: Draft) -> None:
    """The first delivery of a beam ended before its last layer."""
    delivery = _first(draft, layers=2)
    del delivery.rows[-1]
    del delivery.logs[next(reversed(delivery.logs))]
    delivery.info["STOP_LAYER_NUMBER"] = str(len(delivery.logs))


def _mixed_fraction_reference(draft: Draft) -> None:
    """No fraction has all beams, but all fractions together have."""
    never_first, never_later = draft.deliveries[0].beam, draft.deliveries[1].beam
    draft.deliveries[:] = [
        delivery
        for delivery in draft.deliveries
        if delivery.beam is not (never_first if delivery.fraction == 1 else never_later)
    ]


def _duplicate_delivery(draft: Draft) -> None:
    """A beam is delivered twice in the first fraction."""
    first = draft.deliveries[0]
    last = max(place for place, delivery in enumerate(draft.deliveries) if delivery.fraction == 1)
    start = stamp(_start(draft.deliveries[last]) + BETWEEN_BEAMS)
    again = replace(first, folder=start, info=first.info | {"TCSC_IRRAD_DATETIME": start})
    draft.deliveries.insert(last + 1, again)


def _gamma_conditional(draft: Draft) -> None:
    """The last eighth of a layer was delivered 4 mm off its place."""
    _shift(draft, share=1 / 8, by_mm=4.0)


def _gamma_failed(draft: Draft) -> None:
    """A whole layer was delivered 2.4 mm off its place: nearer to it than to the next row of points."""
    _shift(draft, share=1.0, by_mm=2.4)


def _shift(draft: Draft, share: float, by_mm: float) -> None:
    """Move the last beam-on samples of the last delivery's first log in y."""
    constants = draft.constants

    def shift(words: Words) -> None:
        moved = _beam_on(words)
        moved = moved[round(len(moved) * (1 - share)) :]
        y = (words[moved, Y].astype(np.float64) - constants.y_offset) * constants.y_gain
        words[moved, Y] = position_word(y + by_mm, constants.y_offset, constants.y_gain)

    _edit_log(draft.deliveries[-1], shift)


def _start(delivery: Delivery) -> datetime:
    return datetime.strptime(delivery.folder + "0000", "%Y%m%d%H%M%S%f")  # noqa: DTZ007 (no zone)


def _first(draft: Draft, *, layers: int) -> Delivery:
    """The first delivery of a beam with so many layers."""
    return next(delivery for delivery in draft.deliveries if len(delivery.beam.layers) >= layers)


def _log_names(draft: Draft) -> list[str]:
    return list(_first(draft, layers=2).logs)


def _beam_on(words: Words) -> np.ndarray:
    return np.flatnonzero(words[:, STATE] == BEAM_ON)


def _edit_log(delivery: Delivery, edit: Callable[[Words], None]) -> None:
    """Change the words of a delivery's first log in place."""
    name = next(iter(delivery.logs))
    words = as_words(delivery.logs[name])
    edit(words)
    delivery.logs[name] = as_bytes(words)


DELIVERY_EDITS: Final[Mapping[str, Callable[[Draft], None]]] = {
    edit.__name__.removeprefix("_"): edit
    for edit in (
        _missing_deliveries,
        _missing_planinfo,
        _planinfo_invalid,
        _missing_planrange,
        _planrange_invalid,
        _missing_delivery_timestamp,
        _timestamp_mismatch,
        _patient_id_mismatch,
        _unresolved_folders,
        _unknown_beam,
        _setup_beam_delivered,
        _field_number_conflict,
        _delivery_overlap,
        _missing_beams,
        _fraction_window_open,
        _ptn_missing,
        _ptn_unlisted,
        _layer_number,
        _layer_count,
        _layer_energy,
        _range_code,
        _ptn_length,
        _ptn_empty,
        _layer_word,
        _dose_saturated,
        _position_out_of_range,
        _content_changing,
        _monitor_disagreement,
        _meterset_share,
        _range_differs_from_plan,
        _interrupted_reference,
        _mixed_fraction_reference,
        _duplicate_delivery,
        _gamma_conditional,
        _gamma_failed,
    )
}
"""By code."""
