"""The pictures of a run for people: tiers by grade, filled slots, success and cost of the last runs.

Each is markdown text of at most 40 kB. Not here: where the numbers come from.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from assets.aim.slots import HOTBOXES, SLOTS
from assets.pictures import markdown_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_HISTORY: Final = 20
"""Runs in the picture of the history: the last ones."""

_TIERS: Final = ("Best", "Better", "Good", "Fair", "Unclassified")
_GRADES: Final = {"PREMIUM": "Premium", "MIDRANGE": "MidRange", "BUDGET": "Budget"}
_OTHER: Final = "other"
# Apart from each other also in grey and for the colour-blind.
_COLOURS: Final = {"Premium": "#08306b", "MidRange": "#2c7fb8", "Budget": "#7fcdbb", _OTHER: "#bdbdbd"}
_SECOND_COLOUR: Final = "#7fcdbb"
_FIRST_COLOUR: Final = "#08306b"
_LIMIT_COLOUR: Final = "#b30000"


def tier_picture(counts: Iterable[tuple[str | None, str | None, int]]) -> str:
    """How many products are in each tier, by grade.

    Args:
        counts: (tier, grade, products) as the scores have them, such as `("1.BEST TYRE SCORE", "Premium",
            120)`. A grade may be spelt in any case; what is none of the three is `other`.
    """
    products: Counter[tuple[str, str]] = Counter()
    for tier, grade, count in counts:
        products[_tier(tier), _GRADES.get((grade or "").strip().upper(), _OTHER)] += count
    return markdown_picture(
        partial(_draw_tiers, products), alt="Scored products by tier and grade", size=(8.0, 3.0)
    )


def slot_picture(filled: Sequence[float]) -> str:
    """Which share of the published lists has a product in each slot.

    Args:
        filled: shares of 0..1 of the 24 slots, by slot position.

    Raises:
        ValueError: not 24 shares.
    """
    if len(filled) != len(SLOTS):
        raise ValueError(f"There are {len(SLOTS)} slots, not {len(filled)}")
    return markdown_picture(partial(_draw_slots, filled), alt="Filled slots by position", size=(8.0, 3.0))


def history_picture(runs: Sequence[tuple[str, float, float]], minimum: float | None = None) -> str:
    """The success ratio and the cost of each run, at most the last 20.

    Args:
        runs: (label, success ratio of 0..1, cost in GBP), oldest first. A label names the run, such as its
            date; labels may repeat.
        minimum: the success ratio below which a run publishes nothing, drawn as a line.
    """
    shown = runs[-LONGEST_HISTORY:]
    return markdown_picture(
        partial(_draw_history, shown, minimum),
        alt=f"Success and cost of the last {len(shown)} runs",
        size=(8.0, 4.0),
    )


def _tier(text: str | None) -> str:
    """The tier of a text such as `1.BEST TYRE SCORE`."""
    word = (text or "").rpartition(".")[2].split(" ")[0].capitalize()
    return word if word in _TIERS else _TIERS[-1]


def _draw_tiers(products: Counter[tuple[str, str]], figure: "Figure") -> None:
    from matplotlib.ticker import MaxNLocator

    axes = _bare(figure.subplots())
    ends = dict.fromkeys(_TIERS, 0)
    present = {grade for (_, grade), count in products.items() if count}
    for grade in (grade for grade in _COLOURS if grade in present):
        widths = [products[tier, grade] for tier in _TIERS]
        axes.barh(_TIERS, widths, left=list(ends.values()), color=_COLOURS[grade], label=grade)
        ends = {tier: end + width for (tier, end), width in zip(ends.items(), widths, strict=True)}
    largest = max(ends.values()) or 1
    for row, total in enumerate(ends.values()):
        axes.text(total + 0.01 * largest, row, f"{total:,}", va="center", fontsize=9)
    axes.set(xlabel="products", ylim=(len(_TIERS) - 0.5, -0.5), xlim=(0, 1.1 * largest))
    axes.set_yticks(range(len(_TIERS)), _TIERS)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if present:
        axes.legend(ncols=len(_COLOURS), loc="lower left", bbox_to_anchor=(0, 1), frameon=False)


def _draw_slots(filled: Sequence[float], figure: "Figure") -> None:
    axes = _bare(figure.subplots())
    percentages = [100 * share for share in filled]
    for label, colour, first, last in (
        ("hotboxes", _FIRST_COLOUR, 0, len(HOTBOXES)),
        ("list slots", _SECOND_COLOUR, len(HOTBOXES), len(SLOTS)),
    ):
        axes.bar(range(first, last), percentages[first:last], color=colour, label=label)
    axes.set(ylabel="lists with a product, %", ylim=(0, 100), xlim=(-0.6, len(SLOTS) - 0.4))
    axes.set_xticks(range(len(SLOTS)), SLOTS, rotation=90, fontsize=8)
    axes.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)


def _draw_history(runs: Sequence[tuple[str, float, float]], minimum: float | None, figure: "Figure") -> None:
    success, cost = (_bare(axes) for axes in figure.subplots(2, 1, sharex=True))
    labels, ratios, costs = zip(*runs, strict=True) if runs else ((), (), ())
    places = range(len(runs))
    enough = [minimum is None or ratio >= minimum for ratio in ratios]
    success.bar(
        places,
        [100 * ratio for ratio in ratios],
        color=[_SECOND_COLOUR if is_enough else _LIMIT_COLOUR for is_enough in enough],
    )
    success.set(ylabel="success, %", ylim=(0, 100))
    if minimum is not None:
        limit = success.axhline(100 * minimum, color=_LIMIT_COLOUR, linewidth=1)
        limit.set_label(f"below {100 * minimum:g} % a run publishes nothing")
        success.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    cost.bar(places, costs, color=_FIRST_COLOUR)
    # A free run has an axis too, and five runs or fewer have no broader bars than five.
    cost.set(
        ylabel="cost, £", ylim=(0, 1.1 * max(costs, default=0) or 1), xlim=(-0.6, max(len(runs), 5) - 0.4)
    )
    cost.set_xticks(places, labels, rotation=90, fontsize=8)
    figure.align_ylabels()


def _bare(axes: "Axes") -> "Axes":
    """The axes without a frame."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes
