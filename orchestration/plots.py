"""Curves as a small SVG, drawn by hand: what a run's metrics look like, for the Dagster UI and for a browser."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 30, 26
POINTS = 300
COLUMNS = 2
COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#475569")

Point = tuple[float, float]


class Panel(NamedTuple):
    """One diagram: a title and named curves over the same axis."""

    title: str
    curves: dict[str, list[Point]]


def curve(lines: Sequence[Mapping[str, Any]], key: str, over: str = "step") -> list[Point]:
    """(over, key) of the lines that have both as finite numbers, thinned to means of at most 300 stretches."""
    points = [
        (float(line[over]), float(line[key]))
        for line in lines
        if _finite(line.get(key)) and _finite(line.get(over))
    ]
    size = max(1, math.ceil(len(points) / POINTS))
    stretches = [points[at : at + size] for at in range(0, len(points), size)]
    return [
        (math.fsum(x for x, _ in part) / len(part), math.fsum(y for _, y in part) / len(part))
        for part in stretches
    ]


def panels(lines: Sequence[Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]) -> list[Panel]:
    """A panel for each title in `wanted` whose keys occur in the lines."""
    made = []
    for title, keys in wanted.items():
        curves = {key: points for key in keys if (points := curve(lines, key))}
        if curves:
            made.append(Panel(title, curves))
    return made


def svg(diagrams: Sequence[Panel]) -> str:
    """The panels, two in a row, as one SVG document."""
    rows = math.ceil(len(diagrams) / COLUMNS)
    width, height = WIDTH * min(COLUMNS, max(1, len(diagrams))), HEIGHT * rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(diagrams):
        x, y = WIDTH * (number % COLUMNS), HEIGHT * (number // COLUMNS)
        parts.append(f'<g transform="translate({x} {y})">{_panel(panel)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def markdown_image(document: str, title: str) -> str:
    """The SVG as a markdown image that needs no file beside it."""
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(document.encode()).decode()})"


def _panel(panel: Panel) -> str:
    xs = [x for points in panel.curves.values() for x, _ in points]
    ys = [y for points in panel.curves.values() for _, y in points]
    (left, right), (low, high) = _range(xs), _range(ys)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(point: Point) -> str:
        x = LEFT + wide * (point[0] - left) / (right - left)
        y = TOP + tall * (high - point[1]) / (high - low)
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<text x="{LEFT}" y="14" font-weight="bold" fill="#111827">{escape(panel.title)}</text>',
        f'<rect x="{LEFT}" y="{TOP}" width="{wide}" height="{tall}" fill="none" stroke="#d1d5db"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = TOP + tall * (1 - share)
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#4b5563">'
            f"{low + share * (high - low):.4g}</text>"
        )
    for x, value, anchor in ((LEFT, left, "start"), (WIDTH - RIGHT, right, "end")):
        parts.append(
            f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="{anchor}" fill="#4b5563">{value:,.4g}</text>'
        )
    for number, (name, points) in enumerate(panel.curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        # A single point would be an invisible line.
        drawn = points if len(points) > 1 else [(left, points[0][1]), (right, points[0][1])]
        line = " ".join(place(point) for point in drawn)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(
            f'<text x="{WIDTH - RIGHT - 4}" y="{TOP + 14 + 13 * number}" text-anchor="end" fill="{colour}">'
            f"{escape(name)}</text>"
        )
    return "".join(parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest, never the same."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - max(abs(low), 1.0) / 2, low + max(abs(low), 1.0) / 2)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
