"""The page and the pictures of one delivery: did it follow its plan, point by point and layer by layer.

A delivery with nothing to be judged says so, and is shown as no failure. Not here: the check itself
(`delivery_check`), and where the page is written.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from assets.beams.delivery_check import (
    CONDITIONAL_PERCENT,
    PASSED_PERCENT,
    DeliveryCheck,
    GammaSummary,
)
from assets.beams.gamma import COUNT_SHARE, DISTANCE_MM, EVALUATED_SHARE
from assets.beams.gamma_samples import SampleTally
from assets.beams.layers import Layer
from assets.beams.monitors import MOST_MONITOR_DIFFERENCE, LayerDose, LayerShare, layer_shares
from assets.beams.pictures import drawn
from assets.beams.pictures_of_deliveries import (
    histogram_picture,
    layer_dose_picture,
    layer_gamma_picture,
    position_picture,
    spot_error_picture,
)
from assets.beams.plan import Plan
from assets.beams.report_page import html_page, rendered
from assets.beams.timestamps import iso_utc

MOST_MAPS_IN_METADATA: Final = 2


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table of layers."""

    layer: Layer
    summary: GammaSummary
    dose: LayerDose
    samples: SampleTally
    planned_share: float | None
    logged_share: float | None
    """None, as `planned_share`, where nothing was logged in any layer."""
    share_matches: bool

    @property
    def monitor_difference(self) -> float | None:
        """Of dose 2 from dose 1, as a share of dose 1."""
        return self.dose.dose2 / self.dose.dose1 - 1.0 if self.dose.dose1 else None

    @property
    def ranges_differ(self) -> bool:
        """Whether the range of monitor 1 is not the planned one, or not that of monitor 2."""
        dose = self.dose
        return not dose.dose1_range == dose.dose2_range == dose.planned_dose1_range


def delivery_page(
    key: str, plan: Plan, check: DeliveryCheck, *, fraction_index: int, is_reference: bool
) -> str:
    """The page of a checked delivery, as HTML text.

    Args:
        key: of the case.
        plan: of the case. The page shows the patient's id as it is: a physicist has to know whose it is.
        check: of the delivery.
        fraction_index: of the fraction it belongs to, from 1.
        is_reference: whether its logs are simulated for its beam.

    Raises:
        BeamFailure: `render_failed`.
    """
    make = partial(_page, key, plan, check, fraction_index=fraction_index, is_reference=is_reference)
    return rendered(f"page of delivery {check.joined.delivery.folder}", make)


def delivery_pictures(check: DeliveryCheck) -> dict[str, str]:
    """The pictures of the page, small, as markdown for the metadata of an asset; at most 40 kB each.

    Raises:
        BeamFailure: `render_failed`.
    """

    def pictures() -> dict[str, str]:
        return {
            "positions": position_picture(check, MOST_MAPS_IN_METADATA).markdown(),
            "gamma": histogram_picture(check).markdown(),
            "layers": layer_gamma_picture(check).markdown(),
        }

    return rendered(f"pictures of delivery {check.joined.delivery.folder}", pictures)


def _page(key: str, plan: Plan, check: DeliveryCheck, **of_the_case: Any) -> str:
    delivery = check.joined.delivery
    return html_page(
        "delivery.html",
        key=key,
        plan=plan,
        check=check,
        delivery=delivery,
        beam=delivery.beam,
        started=iso_utc(delivery.moment),
        summary=check.summary,
        rows=_rows(check),
        drawn=drawn(
            position_picture(check),
            histogram_picture(check),
            layer_gamma_picture(check),
            layer_dose_picture(check),
            spot_error_picture(check),
        ),
        distance_mm=DISTANCE_MM,
        count_share=COUNT_SHARE,
        evaluated_share=EVALUATED_SHARE,
        passed_percent=PASSED_PERCENT,
        conditional_percent=CONDITIONAL_PERCENT,
        most_difference=MOST_MONITOR_DIFFERENCE,
        **of_the_case,
    )


def _rows(check: DeliveryCheck) -> list[_Row]:
    shares: dict[int, LayerShare] = {share.layer_number: share for share in layer_shares(check.doses)}
    rows: list[_Row] = []
    for layer, summary in zip(check.layers, check.layer_summaries, strict=True):
        share = shares.get(layer.layer.number)
        rows.append(
            _Row(
                layer=layer.layer,
                summary=summary,
                dose=layer.dose,
                samples=layer.samples,
                planned_share=share and share.planned,
                logged_share=share and share.logged,
                share_matches=share is None or share.matches,
            )
        )
    return rows
