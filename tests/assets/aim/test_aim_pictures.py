"""Pictures of a run keep to the cap, and show what they are given."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from assets.aim.pictures import history_picture, slot_picture, tier_picture
from assets.pictures import PICTURE_CAP

TIERS = ["1.BEST TYRE SCORE", "2.BETTER TYRE SCORE", "3.GOOD TYRE SCORE", "4.FAIR TYRE SCORE", "Unclassified"]
RUNS = [(f"2025-{1 + day // 28:02d}-{1 + day % 28:02d}", 0.5 + 0.01 * day, 0.1 * day) for day in range(40)]
DARK, MIDDLE, LIGHT, GREY, RED = (8, 48, 107), (44, 127, 184), (127, 205, 187), (189, 189, 189), (179, 0, 0)


def pixels(markdown):
    """The picture as an array of rows, columns and red, green, blue."""
    (encoded,) = re.findall(r"base64,([A-Za-z0-9+/=]+)\)$", markdown)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")).astype(int)


def area(markdown, colour):
    """The dots of about that colour: a palette moves colours a little."""
    return int((np.abs(pixels(markdown) - colour).max(axis=2) <= 12).sum())


@pytest.mark.parametrize(
    "markdown",
    [
        tier_picture([(tier, grade, 123_456) for tier in TIERS for grade in ("Premium", "MidRange", None)]),
        tier_picture([]),
        slot_picture([1.0] * 24),
        slot_picture([0.0] * 24),
        slot_picture(np.linspace(1, 0, 24).tolist()),
        history_picture(RUNS, minimum=0.8),
        history_picture(RUNS[:1]),
        history_picture([("2025-01-07", 0.0, 0.0)] * 2, minimum=0.8),
        history_picture([]),
    ],
)
def test_every_picture_is_an_image_within_the_cap(markdown):
    assert len(markdown.encode()) <= PICTURE_CAP
    assert pixels(markdown).shape[1] == 880


def test_the_tiers_are_coloured_by_grade_whatever_its_spelling():
    spelt = [("Premium", DARK), (" midrange ", MIDDLE), ("BUDGET", LIGHT), ("House", GREY), (None, GREY)]
    for grade, colour in spelt:
        picture = tier_picture([(TIERS[0], grade, 10), (TIERS[4], grade, 5)])
        present = {name for name in (DARK, MIDDLE, LIGHT, GREY) if area(picture, name) > 5_000}
        assert present == {colour}


def test_each_tier_has_its_bar_and_an_unknown_one_is_unclassified():
    pictures = [tier_picture([(TIERS[0], "Budget", 8), (tier, "Premium", 8)]) for tier in (*TIERS, None)]
    assert len(set(pictures)) == len(TIERS)
    assert pictures[-1] == pictures[-2]


def test_equal_tiers_have_bars_of_equal_area():
    whole = area(tier_picture([(tier, "Premium", 10) for tier in TIERS]), DARK)
    assert area(tier_picture([(TIERS[0], "Premium", 10)]), DARK) == pytest.approx(whole / 5, rel=0.1)


def test_the_grades_of_a_tier_stand_side_by_side():
    picture = tier_picture([(TIERS[0], grade, 10) for grade in ("Premium", "MidRange", "Budget", "House")])
    areas = [area(picture, colour) for colour in (DARK, MIDDLE, LIGHT, GREY)]
    assert min(areas) == pytest.approx(max(areas), rel=0.1)


def test_the_slots_show_hotboxes_apart_and_a_bar_as_high_as_its_share():
    full, half, none = (slot_picture([share] * 24) for share in (1.0, 0.5, 0.0))
    for colour in (DARK, LIGHT):
        legend = area(none, colour)
        assert area(half, colour) - legend == pytest.approx((area(full, colour) - legend) / 2, rel=0.05)
    only_hotboxes = slot_picture([1.0] * 4 + [0.0] * 20)
    assert area(only_hotboxes, DARK) == area(full, DARK)
    assert area(only_hotboxes, LIGHT) == area(none, LIGHT)


@pytest.mark.parametrize("count", [0, 16, 20, 25])
def test_slots_are_24_and_no_other_number(count):
    with pytest.raises(ValueError, match="24 slots"):
        slot_picture([1.0] * count)


def test_the_history_keeps_the_last_twenty_runs():
    assert history_picture(RUNS) == history_picture(RUNS[-20:])
    assert history_picture(RUNS) != history_picture(RUNS[-21:-1])


def test_a_run_below_the_minimum_stands_out_and_one_exactly_at_it_does_not():
    good, edge, bad = (history_picture([("2025-01-07", ratio, 1)], minimum=0.8) for ratio in (0.9, 0.8, 0.7))
    assert area(bad, RED) > 5_000 > area(edge, RED)
    assert area(good, RED) < 5_000
    assert area(history_picture([("2025-01-07", 0.7, 1)]), RED) == 0
