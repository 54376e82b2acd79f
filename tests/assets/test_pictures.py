"""Pictures are drawn, decoded again and measured."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assets.pictures import FINENESS, PICTURE_CAP, markdown_picture

FINEST = (FINENESS[0][0] * 8, FINENESS[0][0] * 4)


def sparse(figure):
    figure.subplots().plot([0, 1, 2], [0, 1, 0])


def busy(figure):
    """Six panels of 3,000 coloured dots each: too much for the cap at the finest."""
    randomness = np.random.default_rng(0)
    for axes in figure.subplots(2, 3).flat:
        across, up = randomness.normal(size=(2, 3000))
        axes.scatter(across, up, c=randomness.random(3000), s=4)


def noise(figure):
    figure.subplots().imshow(np.random.default_rng(0).random((800, 800)))


def png_in(markdown):
    (encoded,) = re.findall(r"\]\(data:image/png;base64,([A-Za-z0-9+/=]+)\)$", markdown)
    return base64.b64decode(encoded)


@pytest.mark.parametrize("draw", [sparse, busy, noise])
def test_the_markdown_of_a_picture_keeps_to_the_cap(draw):
    assert len(markdown_picture(draw, alt="bars").encode()) <= PICTURE_CAP == 40_000


@pytest.mark.parametrize("draw", [sparse, busy])
def test_a_picture_decodes_to_what_was_drawn(draw):
    image = Image.open(io.BytesIO(png_in(markdown_picture(draw, alt="bars"))))
    image.load()
    assert image.width == 2 * image.height
    assert len(np.unique(np.asarray(image))) > 2


def test_a_picture_that_fits_keeps_its_full_size():
    assert Image.open(io.BytesIO(png_in(markdown_picture(sparse, alt="bars")))).size == FINEST


def test_a_busy_picture_becomes_coarser():
    image = Image.open(io.BytesIO(png_in(markdown_picture(busy, alt="bars"))))
    assert image.width < FINEST[0]


def test_a_picture_that_fits_at_no_fineness_is_refused_by_its_name_and_size():
    with pytest.raises(ValueError, match=r"The picture 'volume' takes [\d,]+ bytes .* the cap is 40,000"):
        markdown_picture(noise, alt="volume", size=(16, 16))


@pytest.mark.parametrize("draw", [sparse, busy])
def test_the_same_drawing_gives_the_same_text(draw):
    assert markdown_picture(draw, alt="bars") == markdown_picture(draw, alt="bars")


def test_a_picture_carries_no_date_and_no_program_name():
    png = png_in(markdown_picture(sparse, alt="bars"))
    chunks, position = set(), 8
    while position < len(png):
        chunks.add(png[position + 4 : position + 8])
        position += 12 + int.from_bytes(png[position : position + 4], "big")
    assert chunks == {b"IHDR", b"PLTE", b"IDAT", b"IEND"}


@pytest.mark.parametrize(
    ("alt", "text"),
    [
        ("Bars of 2025-10", "Bars of 2025-10"),
        ("two\n  lines", "two lines"),
        ("ends ](early) [here]", r"ends \](early) \[here\]"),
        (r"C:\bars", r"C:\\bars"),
        ("`code` *bold* low_vol <b> & !", r"\`code\` \*bold\* low\_vol \<b> \& \!"),
    ],
)
def test_the_text_of_a_picture_cannot_break_out_of_the_markdown(alt, text):
    assert markdown_picture(sparse, alt=alt).startswith(f"![{text}](data:image/png;base64,")


def test_pyplot_and_its_global_state_stay_out_and_matplotlib_waits_for_the_first_picture():
    program = """
import sys
from assets.pictures import markdown_picture
assert "matplotlib" not in sys.modules
markdown_picture(lambda figure: figure.subplots().plot([0, 1]), alt="bars")
assert "matplotlib.pyplot" not in sys.modules
"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=120)
