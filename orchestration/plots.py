"""Curves as a small SVG, drawn by hand: what a run's metrics look like, for the Dagster UI and for a browser."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 38, 28
LETTER = 6.0  # width of a letter of the names, about
TICKS = 4  # steps of an axis, at most one more
STEADY = 0.1  # of the largest value: what varies less is drawn from 0, or its noise would fill the panel
SAME = 1e-6  # of the largest value: a difference that no axis can show
POINTS = 300
COLUMNS = 2
COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#475569")

Point = tuple[float, float]


class Panel(NamedTuple):
    """One diagram: a title and named curves over the same axis, which has a name too."""

    title: str
    curves: dict[str, list[Point]]
    over: str = "step"


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


def ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, the first at or below `low`, the last at or above `high`.

    >>> ticks(0.3, 6.9)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def shown(axis: Sequence[float]) -> list[str]:
    """The numbers of an axis: no digits that its step has not; from ten thousand on as k, from ten million as M.

    Powers of ten where that would be long.

    >>> shown([0.0, 50000.0, 100000.0]), shown([0.2, 0.25]), shown([0.0, 0.0002])
    (['0', '50k', '100k'], ['0.20', '0.25'], ['0', '2e-04'])
    """
    step, largest = axis[1] - axis[0], max(map(abs, axis))
    unit, sign = next(((u, s) for u, s in ((1e6, "M"), (1e3, "k")) if largest >= 10 * u), (1.0, ""))
    place = math.floor(math.log10(step) + 1e-9)  # of the step's digit: 0 for 5, -1 for 0.2
    if step < 0.001 or largest >= 1e10:
        form, unit, sign = f".{max(0, math.floor(math.log10(largest)) - place)}e", 1.0, ""
    else:
        form = f".{max(0, round(math.log10(unit)) - place)}f"
    return [f"{value / unit:{form}}{sign}" if abs(value) > step / 2 else "0" for value in axis]


def _panel(panel: Panel) -> str:
    xs = [x for points in panel.curves.values() for x, _ in points]
    ys = [y for points in panel.curves.values() for _, y in points]
    left, right = _range(xs)
    across = ticks(left, right)
    up = ticks(*_tall(*_range(ys)))
    low, high = up[0], up[-1]
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(point: Point) -> tuple[float, float]:
        x = LEFT + wide * (point[0] - left) / (right - left)
        return x, TOP + tall * (high - point[1]) / (high - low)

    parts = [f'<text x="{LEFT}" y="14" font-weight="bold" fill="#111827">{escape(panel.title)}</text>']
    for value, words in zip(up, shown(up), strict=True):
        _, y = place((left, value))
        parts.append(f'<path d="M{LEFT} {y:.1f}h{wide}" stroke="#e5e7eb"/>')
        parts.append(_text(LEFT - 6, y + 4, words, "end"))
    for value, words in zip(across, shown(across), strict=True):
        x, _ = place((value, low))
        if left <= value <= right:
            parts.append(f'<path d="M{x:.1f} {TOP + tall}v4" stroke="#9ca3af"/>')
            parts.append(_text(x, HEIGHT - 11, words, "middle"))
    parts.append(_text(LEFT - 6, HEIGHT - 11, panel.over, "end"))
    at = float(LEFT)
    for number, (name, points) in enumerate(panel.curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        # A single point would be an invisible line.
        drawn = points if len(points) > 1 else [(left, points[0][1]), (right, points[0][1])]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, drawn))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(_text(at, 29, name, "start", colour))
        at += LETTER * (len(name) + 2)
    return "".join(parts)


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#4b5563") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest; where all are about the same, from 0 to there."""
    low, high = min(values), max(values)
    if high - low > SAME * max(abs(low), abs(high)):
        return low, high
    return (min(0.0, low), max(0.0, low)) if low else (0.0, 1.0)


def _tall(low: float, high: float) -> tuple[float, float]:
    """The range to draw: from 0 where all values are above it and hardly vary."""
    return (0.0, high) if low > 0 and high - low < STEADY * high else (low, high)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
