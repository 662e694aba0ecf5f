"""Curves: which points are drawn, and that the drawing is a document that shows them."""

import base64
import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.plots import (
    BOTTOM,
    HEIGHT,
    LEFT,
    POINTS,
    TICKS,
    TOP,
    WIDTH,
    Panel,
    curve,
    markdown_image,
    panels,
    shown,
    svg,
    ticks,
)

SVG = "{http://www.w3.org/2000/svg}"


def test_points_without_a_finite_value_are_left_out() -> None:
    lines = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": None}, {"step": 3}, {"step": 4, "loss": math.inf}]
    assert curve([*lines, {"step": 5, "loss": 1, "other": True}], "loss") == [(1.0, 2.0), (5.0, 1.0)]
    assert curve([{"step": 1, "loss": True}], "loss") == []


@pytest.mark.parametrize("count", [1, POINTS, POINTS + 1, 10 * POINTS])
def test_long_curves_become_means_of_stretches(count: int) -> None:
    points = curve([{"step": i, "y": 2.0 * i} for i in range(count)], "y")
    assert len(points) <= POINTS
    assert all(y == pytest.approx(2 * x) for x, y in points)
    size = math.ceil(count / POINTS)
    assert points[0][0] == pytest.approx((min(size, count) - 1) / 2)


def test_titles_without_any_curve_have_no_panel() -> None:
    lines = [{"step": 1, "loss": 2.0}]
    wanted = {"loss": ("loss", "validation/loss"), "reward": ("score",)}
    assert panels(lines, wanted) == [Panel("loss", {"loss": [(1.0, 2.0)]})]


def test_a_drawing_is_well_formed_names_its_curves_and_stays_within_its_panels() -> None:
    rising = Panel("a < b & c", {"up": [(0.0, -1.0), (10.0, 3.0)], "flat": [(0.0, 1.0)]})
    root = ElementTree.fromstring(svg([rising, Panel("one", {"z": [(5.0, 0.0)]}), rising]))
    assert (root.get("width"), root.get("height")) == (str(2 * WIDTH), str(2 * HEIGHT))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert "a < b & c" in texts
    assert {"up", "flat", "z", "-1", "3"} <= set(texts)
    drawn = [line.get("points").split() for line in root.iter(f"{SVG}polyline")]
    corners = [tuple(map(float, point.split(","))) for line in drawn for point in line]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in corners)
    (first_x, first_y), (last_x, last_y) = corners[:2]
    assert last_x > first_x
    assert last_y < first_y  # larger values stand higher
    assert all(len(line) >= 2 for line in drawn)


@given(st.floats(-1e12, 1e12), st.floats(1e-5, 1e12))
def test_an_axis_has_round_numbers_around_its_values(low: float, wide: float) -> None:
    high = low + max(wide, abs(low) * 1e-5)
    axis = ticks(low, high)
    step = axis[1] - axis[0]
    assert axis[0] <= low + 1e-6 * step
    assert axis[-1] >= high - 1e-6 * step
    assert 2 <= len(axis) <= TICKS + 2
    leading = round(step / 10 ** math.floor(math.log10(step) + 1e-9), 3)
    assert leading in (1, 2, 5)
    assert len(set(shown(axis))) == len(axis)


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ([0.0, 100_000.0, 400_000.0], ["0", "100k", "400k"]),
        ([0.0, 5e6, 1e7], ["0", "5M", "10M"]),
        ([2000.0, 4000.0, 8000.0], ["2000", "4000", "8000"]),
        ([-1.0, -0.5, 0.0, 0.5], ["-1.0", "-0.5", "0", "0.5"]),
        ([0.0, 2e-4, 4e-4], ["0", "2e-04", "4e-04"]),
        ([8e-6, 1e-5], ["8.0e-06", "1.0e-05"]),
        ([0.0, 5e29, 1e30], ["0", "5.0e+29", "1.0e+30"]),
    ],
    ids=[
        "thousands",
        "millions",
        "below ten thousand",
        "through 0",
        "small",
        "small, over a power",
        "diverged",
    ],
)
def test_numbers_of_an_axis_have_the_digits_of_its_step(axis: list[float], words: list[str]) -> None:
    assert shown(axis) == words


@pytest.mark.parametrize(
    ("values", "lowest"),
    [
        ([354_000.0, 362_000.0], "0"),
        ([0.5, 0.7], "0.50"),
        ([3.0, 3.0], "0"),
        ([0.0, 0.0], "0"),
        ([-3.0, -3.0], "-3"),
        ([1e15, 1e15 + 0.25], "0"),
    ],
    ids=["hardly moves", "moves", "constant", "zero", "below zero", "beyond a float's digits"],
)
def test_what_hardly_moves_is_drawn_from_zero(values: list[float], lowest: str) -> None:
    points = [(float(i), value) for i, value in enumerate(values)]
    root = ElementTree.fromstring(svg([Panel("speed", {"speed": points})]))
    numbers = [text for text in root.iter(f"{SVG}text") if float(text.get("x")) < LEFT]
    at = {text.text: float(text.get("y")) for text in numbers if text.text != "step"}
    assert max(at, key=lambda word: at[word]) == lowest


def test_names_of_curves_stand_above_the_diagram_side_by_side() -> None:
    names = ("objective/scores", "objective/rlhf_reward")
    panel = Panel("reward", {name: [(0.0, 0.0), (9.0, 1.0)] for name in names})
    root = ElementTree.fromstring(svg([panel]))
    texts = {text.text: text for text in root.iter(f"{SVG}text")}
    first, second = (texts[name] for name in names)
    assert float(first.get("y")) == float(second.get("y")) < TOP
    assert float(first.get("x")) + 5.5 * len(names[0]) < float(second.get("x"))
    assert float(second.get("x")) + 5.5 * len(names[1]) < WIDTH
    assert float(texts["step"].get("y")) > HEIGHT - BOTTOM


def test_the_image_holds_the_document() -> None:
    image = markdown_image("<svg/>", "curves")
    assert image.startswith("![curves](data:image/svg+xml;base64,")
    assert base64.b64decode(image.split("base64,")[1].rstrip(")")) == b"<svg/>"
