"""Pictures of a day keep to the cap, and show what they are given on the clock of the zone."""

import base64
import io
import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch
from PIL import Image

from assets.dwh import pictures
from assets.dwh.coverage import Gap, GapReason
from assets.dwh.days import day_window, prefix_starts
from assets.dwh.pictures import drops_picture, duplicates_picture, rows_picture
from assets.pictures import PICTURE_CAP

ZONE = "America/Los_Angeles"
WINTER, SPRING, AUTUMN = date(2025, 1, 15), date(2025, 3, 9), date(2025, 11, 2)
REASONS = (
    "extract_corrupt_json",
    "extract_null_eventtime",
    "extract_null_data",
    "extract_unknown",
    "transform_missing_required",
    "transform_invalid_updated",
    "transform_decryption_failure",
    "something_new",
)


def starts(day, timezone=ZONE):
    return list(prefix_starts(*day_window(day, timezone)))


def noise(day, most):
    """Rows that no compression likes."""
    chance = random.Random(most)
    return {start: chance.randrange(most) for start in starts(day)}


def gap(day, first, last, reason: GapReason = "missing_prefix"):
    """From the beginning of one prefix of the day to that of another."""
    return Gap(start=starts(day)[first], end=starts(day)[last], reason=reason)


def every_gap(day):
    return [
        *(gap(day, place, place + 2, "missing_prefix") for place in range(0, 240, 9)),
        gap(day, 60, 90, "pending_approval"),
        gap(day, 250, 270, "not_transformed"),
    ]


def size(markdown):
    (encoded,) = re.findall(r"base64,([A-Za-z0-9+/=]+)\)$", markdown)
    return Image.open(io.BytesIO(base64.b64decode(encoded))).size


@pytest.mark.parametrize("day", [WINTER, SPRING, AUTUMN])
@pytest.mark.parametrize("most", [2, 1_000_000])
def test_the_worst_of_days_is_a_picture_within_the_cap(day, most):
    dropped = {reason: noise(day, most) for reason in REASONS}
    for picture in (
        rows_picture(day, ZONE, noise(day, most), dropped, every_gap(day)),
        drops_picture(day, ZONE, dropped),
        duplicates_picture(day, ZONE, noise(day, 2 * most), noise(day, most), every_gap(day)),
    ):
        assert len(picture.encode()) <= PICTURE_CAP
        assert size(picture)[0] == 880


@pytest.mark.parametrize("day", [WINTER, SPRING, AUTUMN])
def test_a_day_without_rows_is_a_picture_too(day):
    for picture in (
        rows_picture(day, ZONE, {}, {}),
        drops_picture(day, ZONE, {"extract_null_data": {}}),
        duplicates_picture(day, ZONE, {}, {}, [gap(day, 0, 275, "not_transformed")]),
    ):
        assert size(picture)[0] == 880


@pytest.fixture
def drawn(monkeypatch):
    """Calls a function of pictures, and gives the axes that it draws on instead of the picture."""

    def axes_of(picture: Callable[..., str], *arguments: object) -> Any:
        figures = []

        def markdown_picture(draw, *, alt, size):
            figures.append(Figure(figsize=size))
            draw(figures[0])

        monkeypatch.setattr(pictures, "markdown_picture", markdown_picture)
        picture(*arguments)
        (axes,) = figures[0].axes
        return axes

    return axes_of


def marks(axes):
    """The hours under the axis, by their places."""
    return dict(zip(axes.get_xticks(), (label.get_text() for label in axes.get_xticklabels()), strict=True))


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()] if axes.get_legend() else []


def steps(axes, label):
    """The (place, bottom, height) of the steps of a label that have a height."""
    (found,) = (patch for patch in axes.patches if patch.get_label().startswith(label))
    data = found.get_data()
    bottoms = np.broadcast_to(data.baseline, data.values.shape)
    heights = data.values - bottoms
    return [
        (pytest.approx(place), bottom, height)
        for place, bottom, height in zip(data.edges[:-1], bottoms, heights, strict=True)
        if height
    ]


def shaded(axes):
    """The (from, to) of the shaded stretches in hours."""
    return [
        (pytest.approx(patch.get_x()), pytest.approx(patch.get_x() + patch.get_width()))
        for patch in axes.patches
        if isinstance(patch, Rectangle) and patch.get_zorder() == 0
    ]


@pytest.mark.parametrize(
    ("picture", "counts"), [(rows_picture, ({}, {})), (drops_picture, ({},)), (duplicates_picture, ({}, {}))]
)
@pytest.mark.parametrize(
    ("day", "hours", "names"),
    [
        (WINTER, 24, [f"{hour:02}" for hour in range(24)]),
        (SPRING, 23, [f"{hour:02}" for hour in range(24) if hour != 2]),
        (AUTUMN, 25, ["00", "01\nPDT", "01\nPST", *(f"{hour:02}" for hour in range(2, 24))]),
    ],
)
def test_the_axis_has_the_hours_of_the_clock_of_which_one_is_skipped_or_comes_twice(
    drawn, picture, counts, day, hours, names
):
    axes = drawn(picture, day, ZONE, *counts)
    assert axes.get_xlim() == (0, hours)
    assert marks(axes) == {float(place): name for place, name in enumerate(names)}
    assert axes.get_xlabel() == f"{day}, {ZONE}"


def test_where_the_clock_goes_back_half_an_hour_only_whole_hours_are_named(drawn):
    axes = drawn(rows_picture, date(2025, 4, 6), "Australia/Lord_Howe", {}, {})
    assert axes.get_xlim() == (0, 24.5)
    assert [marks(axes)[place] for place in (0.0, 1.0, 2.5, 3.5)] == ["00", "01", "02", "03"]


def test_rows_stand_at_their_time_on_top_of_each_other_by_reason(drawn):
    first, later = starts(AUTUMN)[0], datetime(2025, 11, 2, 9, 7, 30, tzinfo=UTC)
    axes = drawn(
        rows_picture,
        AUTUMN,
        ZONE,
        {first: 5, later: 3, later + timedelta(seconds=1): 4},
        {"transform_invalid_updated": {later: 2}, "extract_null_data": {later: 1}, "new": {first: 6}},
    )
    assert steps(axes, "written") == [(0.0, 0, 5), (2 + 5 / 60, 0, 7)]
    assert steps(axes, "extract null data") == [(2 + 5 / 60, 7, 1)]
    assert steps(axes, "transform invalid updated") == [(2 + 5 / 60, 8, 2)]
    assert steps(axes, "other") == [(0.0, 5, 6)]
    assert legend(axes) == [
        "written (12)",
        "extract null data (1)",
        "transform invalid updated (2)",
        "other (6)",
    ]


def test_several_reasons_that_are_not_known_are_one_with_all_their_rows(drawn):
    first = starts(WINTER)[0]
    axes = drawn(drops_picture, WINTER, ZONE, {"one": {first: 1}, "two": {first: 2}})
    assert legend(axes) == ["other (3)"]


def test_drops_are_counted_by_the_hour(drawn):
    axes = drawn(drops_picture, SPRING, ZONE, {"extract_null_data": dict.fromkeys(starts(SPRING)[12:30], 2)})
    assert [height for _, _, height in steps(axes, "extract null data")] == [24, 12]
    assert marks(axes)[2.0] == "03", "the second hour begins at three"


def test_rows_outside_the_day_are_left_out_and_any_zone_is_understood(drawn):
    start, end = day_window(WINTER, ZONE)
    outside = {start - timedelta(seconds=1): 9, end: 9}
    axes = drawn(duplicates_picture, WINTER, ZONE, {**outside, start.astimezone(): 3}, {start: 2})
    assert legend(axes) == ["read (3)", "kept (2)"]


def test_read_and_kept_are_drawn_over_each_other_and_differ_by_the_duplicates(drawn):
    read, kept = noise(AUTUMN, 50), noise(AUTUMN, 20)
    axes = drawn(duplicates_picture, AUTUMN, ZONE, read, kept)
    first, second = (patch for patch in axes.patches if isinstance(patch, StepPatch))
    assert list(first.get_data()[0]) == list(read.values())
    assert list(second.get_data()[0]) == list(kept.values())
    assert len(second.get_data()[1]) == 301


@pytest.mark.parametrize("picture", [rows_picture, duplicates_picture])
def test_gaps_are_shaded_by_reason_and_cut_to_the_day(drawn, picture):
    start, end = day_window(WINTER, ZONE)
    gaps = [
        Gap(start=start - timedelta(hours=5), end=start + timedelta(hours=1), reason="missing_prefix"),
        gap(WINTER, 36, 48, "missing_prefix"),
        gap(WINTER, 60, 66, "pending_approval"),
        Gap(start=end - timedelta(hours=2), end=end + timedelta(hours=2), reason="not_transformed"),
        Gap(start=end, end=end + timedelta(hours=2), reason="missing_prefix"),
    ]
    axes = drawn(picture, WINTER, ZONE, {}, {}, gaps)
    assert shaded(axes) == [(0, 1), (3, 4), (22, 24), (5, 5.5)]
    named = [text for text in legend(axes) if "(" not in text]
    assert named == ["nothing arrived", "not transformed", "waits for approval"]
