"""What the charts' templates draw: numbers turned into places in a drawing. All places are SVG's units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from grader.rubric import Curve
from grader.types import Accuracy

WIDTH, HEIGHT = 420.0, 250.0  # so small that the text is legible on a phone
LEFT, RIGHT, TOP, BOTTOM = 42.0, 12.0, 28.0, 42.0
RIGHT_OF_AXIS = 38.0  # where an axis stands on the right as well
MOST_POINTS = 200  # of a line; more are no wider than a pixel
MOST_LINES = 6
MOST_TICKS = 7  # above 0, of the points
NAME_CHARACTERS = 40


class Tick(NamedTuple):
    at: float
    label: str


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    values: int  # that lie in it
    label: str  # of what it counts


class Frame(NamedTuple):
    """A drawing's axes."""

    x_ticks: list[Tick]
    y_ticks: list[Tick]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    top: float = TOP
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


class Here(NamedTuple):
    """Where somebody stands on the curve."""

    x: float
    y: float
    low: float
    high: float
    at_end: bool  # whether the label has to stand before the point


class CurveChart(NamedTuple):
    frame: Frame
    line: str  # of the curve: an SVG polyline's points
    here: Here | None


class Histogram(NamedTuple):
    frame: Frame
    bars: list[Bar]
    line: str  # of the curve that turns these numbers into points, or empty
    right_ticks: list[Tick]


class LineChart(NamedTuple):
    name: str
    frame: Frame
    line: str
    first: float
    last: float


def curve_chart(curve: Curve, accuracy: Accuracy | None, earned: Decimal) -> CurveChart:
    """The curve from accuracy to points, and the place on it of an accuracy that earned so many."""
    most = float(curve.points) or 1.0
    frame = Frame(_percent_ticks(), _points_ticks(curve))
    here = None
    if accuracy and accuracy.accuracy is not None:
        x = _x(100 * accuracy.accuracy, 100)
        low, high = accuracy.low, accuracy.high
        ends = [x if end is None else _x(100 * end, 100) for end in (low, high)]
        y = _y(float(earned), most)
        here = Here(x, y, ends[0], ends[1], at_end=accuracy.accuracy > 0.55)
    return CurveChart(frame, _curve_line(curve), here)


def histogram(values: Sequence[float], top: float, step: float, curve: Curve | None = None) -> Histogram:
    """How many values lie in each interval of `step` from 0 to `top`, which belongs to the last."""
    bins = max(math.ceil(top / step - 1e-9), 1)
    counts = [0] * bins
    for value in values:
        counts[min(max(int(value // step), 0), bins - 1)] += 1
    most = max(max(counts), 1)
    every = max(math.ceil(most / 4), 1)
    y_ticks = [Tick(_y(n, most), str(n)) for n in range(0, most + 1, every)]
    edge = bins * step
    margin = RIGHT_OF_AXIS if curve else RIGHT
    bars = []
    for number, count in enumerate(counts):
        x, end = _x(number * step, edge, margin), _x((number + 1) * step, edge, margin)
        y = _y(count, most)
        until = min((number + 1) * step, top)
        bars.append(Bar(x + 1, y, end - x - 2, HEIGHT - BOTTOM - y, count, f"{number * step:g}–{until:g}"))
    ticks = (
        _percent_ticks(margin) if curve else [Tick(_x(v, edge), f"{v:g}") for v in _round_steps(edge, step)]
    )
    frame = Frame(ticks, y_ticks, right=WIDTH - margin)
    if curve is None:
        return Histogram(frame, bars, "", [])
    return Histogram(frame, bars, _curve_line(curve, margin), _points_ticks(curve))


def training_charts(history: Mapping[str, Sequence[float]]) -> list[LineChart]:
    """A chart for each series that has at least two numbers."""
    charts: list[LineChart] = []
    for name, values in history.items():
        series = [
            (at, value) for at, value in enumerate(values) if math.isfinite(value) and abs(value) < 1e12
        ]
        if len(series) < 2 or len(charts) == MOST_LINES:
            continue
        first, last = series[0][1], series[-1][1]
        stride = -(-len(series) // MOST_POINTS)
        shown = series[:-1:stride] + series[-1:]
        low, high = min(v for _, v in series), max(v for _, v in series)
        span, end = (high - low) or 1.0, len(values) - 1
        line = _joined((_x(at, end), _y(value - low, span)) for at, value in shown)
        steps = [0, end] if end < 4 else [0, end // 2, end]
        frame = Frame(
            [Tick(_x(at, end), str(at + 1)) for at in steps],
            [Tick(_y(value - low, span), f"{value:.3g}") for value in dict.fromkeys([low, high])],
        )
        charts.append(LineChart(name[:NAME_CHARACTERS], frame, line, first, last))
    return charts


def _x(value: float, most: float, margin: float = RIGHT) -> float:
    return LEFT + (WIDTH - LEFT - margin) * value / most


def _y(value: float, most: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / most


def _points_ticks(curve: Curve) -> list[Tick]:
    """Round numbers of points, up to those that there are."""
    most = float(curve.points) or 1.0
    step = 10.0 ** math.floor(math.log10(most / MOST_TICKS))
    step *= next(factor for factor in (1, 2, 5, 10) if most / (step * factor) <= MOST_TICKS + 1e-9)
    return [
        Tick(_y(number * step, most), f"{number * step:g}") for number in range(int(most / step + 1e-9) + 1)
    ]


def _percent_ticks(margin: float = RIGHT) -> list[Tick]:
    return [Tick(_x(percent, 100, margin), f"{percent}") for percent in range(0, 101, 20)]


def _round_steps(edge: float, step: float) -> list[float]:
    every = step * max(round(edge / step / 5), 1)
    return [number * every for number in range(int(edge / every + 1e-9) + 1)]


def _curve_line(curve: Curve, margin: float = RIGHT) -> str:
    most = float(curve.points) or 1.0
    knots = [(float(percent), float(points)) for percent, points in curve.knots]
    ends = [(0.0, knots[0][1]), *knots, (100.0, knots[-1][1])]
    return _joined((_x(percent, 100, margin), _y(points, most)) for percent, points in ends)


def _joined(places: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
