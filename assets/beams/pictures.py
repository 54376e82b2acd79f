"""A drawing as pages and metadata take it, and what all drawings of beams have in common.

Colours are told apart by the colour-blind, and never by colour alone: what failed has another mark too. Every
picture carries the notice, since pictures are copied out of their pages. pyplot, which keeps figures for the
whole process, is not used, so pictures can be drawn in any thread.

Not here: what is drawn of deliveries (`pictures_of_deliveries`) and of doses (`pictures_of_doses`).
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from assets.beams.report_page import NOTICE
from assets.pictures import markdown_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

GOOD: Final = "#0072b2"
"""Blue: what passes, and the first of two."""
BAD: Final = "#d55e00"
"""Vermilion: what fails, and limits."""
SECOND: Final = "#e69f00"
"""Orange: the second of two."""
PLANNED: Final = "#8a8f98"
FAINT: Final = "#b9c0ca"
SMALL: Final = 8
"""Points: the size of texts in a picture."""

_DOTS_PER_INCH: Final = 150
_PAGE_DOTS_PER_INCH: Final = 96
_HALF_A_PAGE: Final = 560
_LONGEST_TICKS: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A drawing, its size and its words."""

    caption: str
    """Says what is seen, in plain text; also for those who do not see it."""
    size: tuple[float, float]
    """Width and height in inches."""
    draw: Callable[["FigureBase"], object]
    """Draws on an empty figure, or on a part of one."""

    def png(self) -> bytes:
        """The picture as a PNG for a page; the same drawing gives the same bytes."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=self.size, layout="constrained")
        self._draw_with_notice(figure)
        file = io.BytesIO()
        # Without this the version of the library stands in the file.
        figure.savefig(file, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
        return file.getvalue()

    def markdown(self) -> str:
        """The picture for the metadata of an asset, at most 40 kB.

        Raises:
            ValueError: it does not fit.
        """
        return markdown_picture(self._draw_with_notice, alt=self.caption, size=self.size)

    def _draw_with_notice(self, figure: "FigureBase") -> None:
        self.draw(figure)
        figure.supxlabel(NOTICE, x=0.995, ha="right", fontsize=SMALL - 1.5, color=PLANNED)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture as a page has it."""

    caption: str
    address: str
    """Holds the whole PNG: the page needs nothing from elsewhere."""
    width: int
    """In pixels of the page; the PNG is finer."""

    @property
    def is_wide(self) -> bool:
        """Whether two of it do not fit beside each other."""
        return self.width > _HALF_A_PAGE


def drawn(*pictures: Picture) -> list[Drawn]:
    """Pictures for a page, in this order."""
    return [
        Drawn(
            picture.caption,
            f"data:image/png;base64,{base64.b64encode(picture.png()).decode()}",
            round(picture.size[0] * _PAGE_DOTS_PER_INCH),
        )
        for picture in pictures
    ]


def bare(axes: "Axes") -> "Axes":
    """The axes without a frame, with small texts."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    return axes


def name_axes(axes: "Axes", x: str, y: str) -> None:
    """Say what the axes are, with their units."""
    axes.set_xlabel(x, fontsize=SMALL + 0.5)
    axes.set_ylabel(y, fontsize=SMALL + 0.5)


def say(axes: "Axes", words: str) -> None:
    """Say in words why there is nothing to see, on axes without ticks."""
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", fontsize=11, color=PLANNED)


def layer_ticks(axes: "Axes", numbers: Sequence[int], energies_mev: Sequence[float]) -> None:
    """Label an x axis of layers, which stand at 0, 1, 2, by number and energy; of many layers not each."""
    step = -(-len(numbers) // _LONGEST_TICKS)
    places = range(0, len(numbers), step)
    axes.set_xticks(places, [f"{numbers[place]}\n{energies_mev[place]:.1f}" for place in places])
    axes.set_xlim(-0.7, max(len(numbers), 4) - 0.3)
    axes.set_xlabel("layer, and its energy in MeV", fontsize=SMALL + 0.5)
