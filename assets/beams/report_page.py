"""Pages for people: HTML that needs no script and nothing from elsewhere, so that it can be mailed and kept.

`templates/` is how they look; every value is escaped there, names of beams and messages too. They print well,
with the notice on every sheet.

Not here: what a page says (`delivery_report`, `case_report_page`).
"""

from collections.abc import Callable
from math import floor
from pathlib import Path
from typing import Any, Final, TypeVar

from assets.beams.failures import beam_failure
from assets.beams.keys import require_key_part, shown

NOTICE: Final = "Research use only, not a medical device"

_ROUNDING: Final = 1e-6
"""0.29 times 100 is a little less than 29 in floating point."""

T = TypeVar("T")


def rendered(page: str, make: Callable[[], T]) -> T:
    """What `make` makes of a page or its pictures.

    What went wrong may quote anything, a patient's id too, so its kind is named and its text is only chained.

    Raises:
        BeamFailure: `render_failed`, naming the page, for whatever exception comes out of `make`.
    """
    try:
        return make()
    except Exception as error:
        raise beam_failure(
            "render_failed",
            f"{shown(page)} could not be drawn ({type(error).__name__}); results are not affected;"
            " materialise it again, and look at the log of the run if it stays so.",
        ) from error


def html_page(template: str, key: str, **values: Any) -> str:
    """A template of `templates/` with these values; one that it needs and is not given is an error.

    Args:
        template: the name of its file.
        key: of the case, which stands on every printed sheet.
        values: of the template.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "share": _share, "words": _words}
    return environment.get_template(template).render(
        notice=NOTICE,
        # It is in the style sheet too, where nothing is escaped.
        key=require_key_part(key),
        **values,
    )


def floored(percent: float, digits: int = 2) -> float:
    """A value in percent rounded down, so that what is not quite a limit never reads as if it were."""
    scale = 10**digits
    return floor(percent * scale + _ROUNDING) / scale


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{floored(value):.2f} %"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _words(name: str) -> str:
    return name.replace("_", " ")
