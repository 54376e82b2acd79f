"""The page and the pictures of a case: what each beam came to, and what is missing of those that failed.

A case with failed beams has a page too. Not here: the values (`case_results`), the page of each delivery
(`delivery_report`), and where the page is written.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from assets.beams.case_results import BeamResult, CaseResult, DeliveryResult
from assets.beams.delivery_check import DeliveryCheck
from assets.beams.depth_dose import DepthDose, DosePlane
from assets.beams.pictures import Picture, drawn
from assets.beams.pictures_of_deliveries import layer_dose_picture, layer_gamma_picture, spot_error_picture
from assets.beams.pictures_of_doses import depth_dose_picture, plane_picture
from assets.beams.report_page import html_page, rendered
from assets.beams.report_summary import digests

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

PAGE_FILE: Final = "Report/case_report.html"


@dataclass(frozen=True, slots=True, eq=False)
class BeamEvidence:
    """What there is to draw of a beam; None for what is missing."""

    check: DeliveryCheck | None = None
    """Of its reference delivery."""
    depth_dose: DepthDose | None = None
    """Missing too where the dose is a single plane."""
    plane: DosePlane | None = None


NO_EVIDENCE: Final = BeamEvidence()


def case_page(result: CaseResult, evidence: Mapping[int, BeamEvidence]) -> str:
    """The page of a case, as HTML text; `evidence` by treatment index, a beam without any may be left out.

    It shows the patient's id as the plan has it: a physicist has to know whose it is.

    Raises:
        BeamFailure: `render_failed`.
    """
    return rendered(f"page of case {result.key}", partial(_page, result, evidence))


def beam_pictures(result: CaseResult, evidence: Mapping[int, BeamEvidence]) -> dict[str, str]:
    """The pictures of the page, small, as markdown for the metadata of an asset: `dose_1`, `deliveries_1`.

    A sheet for the dose of each beam and one for its reference delivery, by treatment index, at most 40 kB
    each; what there is nothing to draw of has none.

    Raises:
        BeamFailure: `render_failed`.
    """

    def sheets() -> dict[str, str]:
        return {
            f"{name}_{beam.beam.treatment_index}": _sheet(f"{name} of {_called(beam)}", rows).markdown()
            for beam in result.beams
            for name, rows in _sheets(_evidence(beam, evidence))
        }

    return rendered(f"pictures of case {result.key}", sheets)


def _page(result: CaseResult, evidence: Mapping[int, BeamEvidence]) -> str:
    return html_page(
        "case.html",
        key=result.key,
        result=result,
        plan=result.plan,
        digests=digests,
        verdicts={beam.beam.treatment_index: _verdicts(beam.deliveries) for beam in result.beams},
        drawn={
            beam.beam.treatment_index: drawn(*_pictures(_evidence(beam, evidence))) for beam in result.beams
        },
    )


def _evidence(beam: BeamResult, evidence: Mapping[int, BeamEvidence]) -> BeamEvidence:
    return evidence.get(beam.beam.treatment_index, NO_EVIDENCE)


def _pictures(evidence: BeamEvidence) -> Iterator[Picture]:
    for _, rows in _sheets(evidence):
        for row in rows:
            yield from row


def _sheets(evidence: BeamEvidence) -> Iterator[tuple[str, list[list[Picture]]]]:
    """What there is to draw, as rows of a sheet for the dose and of one for the delivery."""
    doses: list[Picture] = []
    if evidence.depth_dose is not None:
        doses.append(depth_dose_picture(evidence.depth_dose))
    if evidence.plane is not None:
        doses.append(plane_picture(evidence.plane))
    if doses:
        yield "dose", [doses]
    if evidence.check is not None:
        layers = [layer_gamma_picture(evidence.check), layer_dose_picture(evidence.check)]
        yield "deliveries", [layers, [spot_error_picture(evidence.check)]]


def _sheet(caption: str, rows: list[list[Picture]]) -> Picture:
    """Several pictures as one."""
    widths = [sum(picture.size[0] for picture in row) for row in rows]
    heights = [max(picture.size[1] for picture in row) for row in rows]

    def draw(figure: "FigureBase") -> None:
        bands = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)
        for band, row in zip(bands.flat, rows, strict=True):
            parts = band.subfigures(1, len(row), squeeze=False)
            for part, picture in zip(parts.flat, row, strict=True):
                picture.draw(part)

    return Picture(caption, (max(widths), sum(heights)), draw)


def _called(beam: BeamResult) -> str:
    return f"beam {beam.beam.treatment_index}, number {beam.beam.dicom_number}, {beam.beam.name}"


def _verdicts(deliveries: Iterable[DeliveryResult]) -> list[tuple[str, int]]:
    """How many deliveries came to which verdict."""
    return list(Counter(delivery.verdict for delivery in deliveries).items())
