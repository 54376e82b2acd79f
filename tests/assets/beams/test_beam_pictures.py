"""Pictures of deliveries and doses: drawn, and looked at by what their axes hold."""

import base64
import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from assets.beams import pictures
from assets.beams.delivery_check import DeliveryCheck
from assets.beams.depth_dose import DosePlane
from assets.beams.gamma import MOST_GAMMA
from assets.beams.pictures import Picture, drawn
from assets.beams.pictures_of_deliveries import (
    MOST_MAPS,
    histogram_picture,
    layer_dose_picture,
    layer_gamma_picture,
    position_picture,
    spot_error_picture,
)
from assets.beams.pictures_of_doses import depth_dose_picture, plane_picture
from assets.beams.report_page import NOTICE
from assets.pictures import PICTURE_CAP
from tests.assets.beams.checked_deliveries import SPOTS, as_planned, check_of, large_check, without_beam
from tests.assets.beams.dose_pictures import ACROSS, curve, plane
from tests.assets.beams.planned_maps import spot_map

LINE = spot_map([(0, 0, 0.0), (20, 0, 1.0), (20, 20, 1.0)], line=True)
OF_DELIVERIES: Sequence[Callable[[DeliveryCheck], Picture]] = (
    position_picture,
    histogram_picture,
    layer_gamma_picture,
    layer_dose_picture,
    spot_error_picture,
)


@cache
def one_check() -> DeliveryCheck:
    return check_of(as_planned(off_mm=[1.5]), as_planned(off_mm=[3.0, 3.0]), as_planned())[1]


def nothing_logged() -> DeliveryCheck:
    return check_of(without_beam(as_planned()), without_beam(as_planned()))[1]


@cache
def many_points() -> DeliveryCheck:
    return large_check(40, 12)


def every_picture() -> list[Picture]:
    check = one_check()
    return [*(make(check) for make in OF_DELIVERIES), depth_dose_picture(curve()), plane_picture(plane())]


def figure_of(picture: Picture) -> Any:
    """The drawn figure; its library leaves the types of what it holds open."""
    figure = Figure(figsize=picture.size, layout="constrained")
    picture.draw(figure)
    figure.canvas.draw()
    return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def heights(axes: Any) -> list[float]:
    return [bar.get_height() for bar in axes.patches]


every_number = pytest.mark.parametrize("number", range(len(OF_DELIVERIES) + 2))


@every_number
def test_a_picture_is_a_png_without_a_date_or_a_version(number):
    png = every_picture()[number].png()
    image = Image.open(io.BytesIO(png))
    image.load()
    assert (image.format, image.info.keys() - {"dpi"}) == ("PNG", set())
    assert len(np.unique(np.asarray(image.convert("L")))) > 10


@every_number
def test_the_same_picture_has_the_same_bytes(number):
    assert every_picture()[number].png() == every_picture()[number].png()


def test_pictures_drawn_in_threads_are_those_drawn_one_after_the_other():
    alone = [picture.png() for picture in every_picture()]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(Picture.png, every_picture() * 2))
    assert together == alone * 2


@every_number
def test_a_picture_names_its_axes_and_carries_the_notice_on_a_page(number, monkeypatch):
    seen: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: seen.append(figure))
    every_picture()[number].png()
    (figure,) = seen
    assert NOTICE in texts(figure)
    assert any(axes.get_xlabel() for axes in figure.axes)
    assert any(axes.get_ylabel() for axes in figure.axes)


def test_a_picture_carries_the_notice_in_metadata_too(monkeypatch):
    figure = Figure()
    monkeypatch.setattr(pictures, "markdown_picture", lambda draw, **_: draw(figure))
    depth_dose_picture(curve()).markdown()
    assert NOTICE in texts(figure)


@pytest.mark.parametrize("make", OF_DELIVERIES)
@pytest.mark.parametrize("checked", [one_check, nothing_logged, many_points])
def test_a_picture_fits_into_metadata(make, checked):
    assert len(make(checked()).markdown().encode()) <= PICTURE_CAP


@pytest.mark.parametrize("make", OF_DELIVERIES)
@pytest.mark.parametrize("planned", [LINE, spot_map([(3, 4, 1.0)])], ids=["line", "one spot"])
def test_lines_and_single_spots_can_be_drawn(make, planned):
    _, check = check_of(as_planned(planned, dose=100), planned=planned)
    assert Image.open(io.BytesIO(make(check).png())).width > 400


@pytest.mark.parametrize("make", OF_DELIVERIES)
def test_where_nothing_was_logged_a_picture_says_no_data_and_shows_no_failure(make):
    figure = figure_of(make(nothing_logged()))
    shown = texts(figure)
    assert any("no data" in text for text in shown)
    assert not [text for text in shown if "fails" in text or "not logged" in text or "of" in text.split()]


def test_the_maps_say_how_many_points_pass_and_mark_what_fails():
    figure = figure_of(position_picture(one_check()))
    titles = [axes.get_title() for axes in figure.axes if axes.get_visible()]
    assert titles == [
        "1: 150.00 MeV, 3 of 3 pass",
        "2: 149.00 MeV, 1 of 3 pass",
        "3: 148.00 MeV, 3 of 3 pass",
    ]
    failing = next(c for c in figure.axes[1].collections if c.get_label() == "fails")
    assert np.allclose(failing.get_offsets(), [(0, 3), (20, 3)], atol=0.01)
    assert {"planned", "passes", "fails"} <= set(texts(figure))


def test_points_without_any_sample_are_marked_as_not_logged():
    _, check = check_of(as_planned()[:2])
    (axes, *_) = figure_of(position_picture(check)).axes
    missing = next(c for c in axes.collections if c.get_label() == "not logged")
    assert missing.get_offsets().tolist() == [[40.0, 0.0]]


def test_light_points_are_drawn_but_neither_as_passing_nor_as_failing():
    planned = spot_map([(0, 0, 1.0), (20, 0, 0.05)])
    _, check = check_of(as_planned(planned), planned=planned)
    (axes, *_) = figure_of(position_picture(check)).axes
    logged = {c.get_label(): c.get_offsets() for c in axes.collections if c.get_label() != "planned"}
    assert set(logged) == {"passes", "too light to judge"}
    assert np.allclose(logged["too light to judge"], [(20, 0)], atol=0.01)


def test_a_map_has_one_scale_in_both_directions_and_holds_all_points():
    planned = spot_map([(0, 0, 1.0), (20, 10, 1.0)])
    _, check = check_of(as_planned(planned, off_mm=[0, 60.0]), planned=planned)
    axes = figure_of(position_picture(check)).axes[0]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    assert right - left == pytest.approx(high - low)
    assert axes.get_box_aspect() == 1
    assert left < 0
    assert right > 20
    assert low < 0
    assert high > 70


def test_of_many_layers_those_with_the_lowest_pass_rate_have_a_map_in_their_order():
    logs = [as_planned(off_mm=[3.0] if number in (4, 17) else []) for number in range(20)]
    picture = position_picture(check_of(*logs)[1])
    titles = [axes.get_title() for axes in figure_of(picture).axes if axes.get_visible()]
    numbers = [int(title.partition(":")[0]) for title in titles]
    assert len(numbers) == MOST_MAPS
    assert numbers == sorted(numbers)
    assert {5, 18} <= set(numbers)
    assert "12 of 20, those with the lowest pass rate" in picture.caption


def test_the_bars_of_the_histogram_are_all_evaluated_points():
    check = large_check(3, 8)
    (axes,) = figure_of(histogram_picture(check)).axes
    summary = check.summary
    assert sum(heights(axes)) == summary.evaluated_points
    left_of_one = sum(bar.get_height() for bar in axes.patches if bar.get_x() < 0.99)
    assert left_of_one == summary.passed_points
    assert f"passes: {summary.passed_points}" in texts(axes.figure)


def test_a_gamma_that_passes_by_a_rounding_is_drawn_as_passing():
    _, check = check_of(as_planned())
    check.layers[0].gamma.gamma.setflags(write=True)
    check.layers[0].gamma.gamma[0] = MOST_GAMMA
    (axes,) = figure_of(histogram_picture(check)).axes
    assert sum(bar.get_height() for bar in axes.patches if bar.get_x() > 0.99) == 0


def test_the_charts_of_layers_have_what_the_check_found():
    check = one_check()
    rates, gammas = figure_of(layer_gamma_picture(check)).axes
    assert heights(rates) == [summary.pass_rate for summary in check.layer_summaries]
    largest, mean, _ = (line.get_ydata() for line in gammas.lines)
    assert list(largest) == [summary.gamma_max for summary in check.layer_summaries]
    assert list(mean) == [summary.gamma_mean for summary in check.layer_summaries]
    assert [label.get_text() for label in gammas.get_xticklabels()] == ["1\n150.0", "2\n149.0", "3\n148.0"]


def test_a_pass_rate_just_below_the_limit_is_marked_and_never_rounded_up_to_it():
    points = spot_map([(5.0 * (place % 50), 5.0 * (place // 50), 1.0) for place in range(2000)])
    _, check = check_of(as_planned(points, off_mm=[2.4] * 101), planned=points)
    assert check.summary.pass_rate == pytest.approx(94.95)
    rates, _ = figure_of(layer_gamma_picture(check)).axes
    assert "94.9" in texts(rates.figure)
    assert rates.patches[0].get_hatch()


def test_logged_shares_are_drawn_against_those_planned_and_marked_beyond_the_limit():
    _, check = check_of(as_planned(dose=100), as_planned(dose=100), as_planned(dose=130))
    amounts, errors = figure_of(layer_dose_picture(check)).axes
    assert heights(amounts) == pytest.approx([100 / 3] * 3)
    assert amounts.get_ylabel() == "share, %"
    logged = next(line for line in amounts.lines if line.get_label() == "logged")
    assert list(logged.get_ydata()) == pytest.approx([100 * 100 / 330, 100 * 100 / 330, 100 * 130 / 330])
    outside = next(line for line in errors.lines if line.get_marker() == "X")
    assert list(outside.get_xdata()) == [0, 1, 2]
    low, high = errors.get_ylim()
    assert low < -9.1 < 18.2 < high


def test_the_amounts_are_in_mu_where_the_plan_has_them():
    _, check = check_of(as_planned(dose=120), as_planned(dose=80), mu=[60.0, 40.0])
    amounts, _ = figure_of(layer_dose_picture(check)).axes
    assert amounts.get_ylabel() == "MU"
    assert heights(amounts) == pytest.approx([60.0, 40.0])


def test_errors_of_position_have_their_place_their_size_and_their_mean():
    _, check = check_of(as_planned(off_mm=[1.5, 1.5, 1.5]))
    places, target, bar = figure_of(spot_error_picture(check)).axes
    (dots,) = places.collections
    assert np.allclose(dots.get_offsets(), SPOTS.positions_mm)
    assert np.allclose(dots.get_array(), 1.5, atol=0.01)
    assert dots.get_clim() == (0, 2)
    assert target.get_title() == "mean (+): +0.00, +1.50 mm"
    assert bar.get_ylabel() == "distance, mm"


def test_the_depth_dose_is_in_percent_and_says_where_its_maximum_lies():
    picture = depth_dose_picture(curve())
    (axes,) = figure_of(picture).axes
    assert max(axes.lines[0].get_ydata()) == 100.0
    assert "its maximum is 76.5 mm deep" in picture.caption
    assert "76.5 mm" in texts(axes.figure)
    assert axes.lines[1].get_xdata()[0] == 76.5
    assert axes.get_xlabel() == "depth in water, mm"
    assert axes.get_title() == "x = 0.0 mm, z = 0.0 mm"


def test_no_picture_of_a_dose_calls_its_numbers_gray():
    shown = [
        text
        for picture in (depth_dose_picture(curve()), plane_picture(plane()))
        for text in texts(figure_of(picture))
    ]
    assert not [text for text in shown if "Gy" in text]


def test_a_plane_along_the_beam_lies_with_the_beam_from_left_to_right():
    axes = figure_of(plane_picture(plane())).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("depth, mm", "x, mm")
    image = axes.images[0]
    assert image.get_array().shape == (len(plane().horizontal_mm), len(plane().vertical_mm))
    assert image.get_extent() == pytest.approx([0.0, 402.0, -58.5, 58.5])
    left, right = axes.get_xlim()
    assert left < 75.0 < right < 200.0


def test_a_plane_across_the_beam_is_shown_as_it_is():
    axes = figure_of(plane_picture(plane(ACROSS))).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x, mm", "y, mm")
    assert axes.get_title() == "20 mm deep"


def test_a_plane_of_one_row_and_a_dose_without_a_maximum_can_be_drawn():
    row = DosePlane(np.ones((1, 3)), np.arange(3.0), np.zeros(1), "x", "y", "20 mm deep")
    empty = DosePlane(np.zeros((3, 3)), np.arange(3.0), np.arange(3.0), "x", "depth", "z = 0.0 mm")
    for made in (row, empty):
        assert figure_of(plane_picture(made)).axes


def test_pictures_for_a_page_carry_their_bytes_and_their_words():
    (on_page,) = drawn(depth_dose_picture(curve()))
    encoded = on_page.address.removeprefix("data:image/png;base64,")
    assert base64.b64decode(encoded) == depth_dose_picture(curve()).png()
    assert on_page.caption.startswith("Dose along the beam")
    assert not on_page.is_wide
    (wide,) = drawn(spot_error_picture(one_check()))
    assert wide.is_wide


def test_matplotlib_waits_for_the_first_picture_and_pyplot_stays_out():
    program = """
import sys
import assets.beams.case_report_page, assets.beams.delivery_report
assert "matplotlib" not in sys.modules
assert "jinja2" not in sys.modules
from tests.assets.beams.checked_deliveries import as_planned, check_of
assets.beams.delivery_report.delivery_pictures(check_of(as_planned())[1])
assert "matplotlib.pyplot" not in sys.modules
"""
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=120)
