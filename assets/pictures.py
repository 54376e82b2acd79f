"""A drawing as markdown for an asset's metadata: a PNG inside the text, within a size cap.

Dagster keeps every metadata value in its event log: a picture of 1 MB on 10,000 partitions is 10 GB. So a
picture gets fewer colours, and then fewer dots, until its markdown fits.

Not here: what is drawn (each pipeline draws its own).
"""

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

PICTURE_CAP = 40_000
"""Bytes of markdown, of which base64 takes four for three of the PNG."""

FINENESS = ((110, 256), (110, 64), (90, 32), (75, 16), (60, 16), (50, 8))
"""Dots per inch and colours, tried in this order. Few charts need more than 64 colours."""

_MARKDOWN_PUNCTUATION = re.compile(r"([\\\[\]`*_<&!])")


def markdown_picture(
    draw: Callable[["Figure"], object], *, alt: str, size: tuple[float, float] = (8.0, 4.0)
) -> str:
    """Return a drawing as a markdown image of at most `PICTURE_CAP` bytes.

    The same drawing gives the same text. pyplot, which keeps every figure until told otherwise, is not used.

    Args:
        draw: draws on the empty figure that it is given.
        alt: what the picture shows, for those who do not see it; plain text, one line.
        size: width and height in inches.

    Raises:
        ValueError: the drawing does not fit even at the coarsest.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure)
    text = _MARKDOWN_PUNCTUATION.sub(r"\\\1", " ".join(alt.split()))
    markdown = ""
    for dots_per_inch, colours in FINENESS:
        encoded = base64.b64encode(_png(_raster(figure, dots_per_inch), colours)).decode()
        markdown = f"![{text}](data:image/png;base64,{encoded})"
        if len(markdown.encode()) <= PICTURE_CAP:
            return markdown
    raise ValueError(
        f"The picture {alt!r} takes {len(markdown.encode()):,} bytes at its coarsest, the cap is"
        f" {PICTURE_CAP:,}: draw less detail or a smaller size."
    )


def _raster(figure: "Figure", dots_per_inch: int) -> "Image.Image":
    """Return the figure as an image of red, green and blue."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(dots_per_inch)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")


def _png(image: "Image.Image", colours: int) -> bytes:
    """Return the image as a PNG with a palette, and with nothing in it but the picture."""
    from PIL import Image

    # An eighth of the time of the median cut, for fewer bytes.
    palette = image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    file = io.BytesIO()
    palette.save(file, format="PNG")
    return file.getvalue()
