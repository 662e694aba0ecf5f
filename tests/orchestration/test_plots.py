"""Curves: which points are drawn, and that the drawing is a document that shows them."""

import base64
import math
from xml.etree import ElementTree

import pytest

from orchestration.plots import HEIGHT, POINTS, WIDTH, Panel, curve, markdown_image, panels, svg

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


def test_the_image_holds_the_document() -> None:
    image = markdown_image("<svg/>", "curves")
    assert image.startswith("![curves](data:image/svg+xml;base64,")
    assert base64.b64decode(image.split("base64,")[1].rstrip(")")) == b"<svg/>"
