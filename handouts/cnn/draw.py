"""The figures of the handouts, in one house style.

Colors are Okabe and Ito's, which the color-blind can tell apart, and color never
stands alone: hatching, markers, line styles and labels say the same. Text has at least
9 points at the figure's own size, and figures are at most WIDTH inches wide, so that
they fit a printed page unshrunk.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

WIDTH = 6.8  # inches between a printed page's margins
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, RED, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
LINES = (BLUE, RED, GREEN, PURPLE, ORANGE, BLACK)  # in the order of use
GRAY = "#666666"

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure everywhere
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.8,
    "hatch.linewidth": 0.7,
    "hatch.color": GRAY,
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "svg.hashsalt": "handouts",  # the same figure gives the same file
}

# In a page that follows a reader's dark system, a figure turns dark as well: lightness is inverted, but not
# of the pictures in it and of what is written on them (gid ON_IMAGE).
ON_IMAGE = "on-image"
_DARK = (
    "<style>@media screen and (prefers-color-scheme:dark){svg{filter:invert(.91) hue-rotate(180deg)}"
    f"image,g[id^={ON_IMAGE}]{{filter:invert(1) hue-rotate(180deg)}}}}</style>"
).encode()

# What a box of a diagram stands for: its color (pale, so that text on it can be read) and its hatch.
KINDS: dict[str, tuple[str, str]] = {
    "data": ("#ffffff", ""),
    "conv": ("#cfe6f5", ""),
    "pool": ("#fbe3b3", "///"),
    "linear": ("#bfe6d9", "..."),
    "norm": ("#f0d9e6", "\\\\\\"),
    "act": ("#f8f4b8", ""),
    "join": ("#f6c9ab", "xx"),
}


def canvas(
    width: float = WIDTH,
    height: float = 2.6,
    rows: int = 1,
    columns: int = 1,
    bare: bool = False,
    ratios: Sequence[float] | None = None,
) -> tuple[Figure, Any]:
    """Return a figure in the house style and its axes: one Axes, or an array of them.

    `width` and `height` are inches; `bare` axes have no frame, for drawings; `ratios`: columns' widths.
    """
    rcParams.update(STYLE)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), layout="constrained", width_ratios=ratios
    )
    if bare:
        for one in np.atleast_1d(axes).flat:
            one.axis("off")
    return figure, axes


class Picture:
    """A finished figure for a notebook, with its alternative text."""

    def __init__(self, figure: Figure, alt: str) -> None:
        if not alt.strip():
            raise ValueError("alt: say in words what the figure shows, for those who cannot see it")
        self.alt = " ".join(alt.split())
        buffer = io.BytesIO()
        with rc_context(STYLE):
            figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None})
        self.svg = buffer.getvalue().replace(b"<defs>", _DARK + b"<defs>", 1)
        self.width_px = round(figure.get_figwidth() * 96)

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        # On a narrow screen a wide figure keeps a size at which it can be read, and is scrolled in its box.
        least = min(self.width_px, 540)
        size = f"width:100%;max-width:{self.width_px}px;min-width:{least}px"
        wide = " wide" if least > 340 else ""
        source = base64.b64encode(self.svg).decode("ascii")
        image = (
            f'<div class="figure{wide}" style="overflow-x:auto"><img alt="{html.escape(self.alt)}" '
            f'style="{size}" src="data:image/svg+xml;base64,{source}"></div>'
        )
        return {"text/html": image, "text/plain": self.alt}


def show(figure: Figure, alt: str) -> None:
    """Display the figure with its alternative text, and close it. Without a notebook, print the text.

    Raises ValueError where `alt` is blank.
    """
    picture = Picture(figure, alt)
    plt.close(figure)
    try:
        from IPython.display import display  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        print(picture.alt)
    else:
        display(picture)


def grid(
    axes: Axes,
    numbers: Any,
    title: str = "",
    at: tuple[float, float] = (0, 0),
    padding: int = 0,
    windows: Sequence[tuple[int, int, int, int]] = (),
    shade: bool = False,
) -> None:
    """Draw a table of numbers (or strings; "" leaves a cell empty), one square of side 1 a cell.

    Several grids stand on the same axes, so that their cells have the same size: `at` is (x, y) of the
    upper left corner, y counted downward. The outer `padding` rings are hatched as added zeros. Each window
    (row, column, height, width), counted from 0 with the padding, is outlined: the first in blue, the second
    red and dashed, and so on. `shade` colors the cells by value, blue below zero and orange above.
    """
    cells = [list(row) for row in np.asarray(numbers, dtype=object)]
    (left, top), height, width = at, len(cells), len(cells[0])
    values = [[0.0 if isinstance(value, str) else float(value) for value in row] for row in cells]
    largest = max(1e-9, *(abs(value) for row in values for value in row))
    for row in range(height):
        for column in range(width):
            inside = padding <= row < height - padding and padding <= column < width - padding
            value = values[row][column] if shade else 0.0
            face = _mix(BLUE if value < 0 else ORANGE, abs(value) / largest * 0.7) if inside else "#eeeeee"
            hatch = "" if inside else "////"
            x, y = left + column, top + row
            axes.add_patch(
                Rectangle((x, y), 1, 1, facecolor=face, edgecolor="#999999", linewidth=0.8, hatch=hatch)
            )
            patch = None if inside else {"facecolor": "#eeeeee", "edgecolor": "none", "pad": 1}
            text = _number(cells[row][column])
            axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=9, bbox=patch)
    for index, (row, column, rows, columns) in enumerate(windows):
        line = ("-", "--", ":", "-.")[index % 4]
        axes.add_patch(
            Rectangle(
                (left + column, top + row), columns, rows,
                fill=False, edgecolor=LINES[index % len(LINES)], linewidth=3, linestyle=line, zorder=5,
            )
        )  # fmt: skip
    if title:
        note(axes, left + width / 2, top - 0.5, title)
    axes.set_aspect("equal")
    axes.margins(0.02)
    axes.autoscale_view()
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.axis("off")


def note(axes: Axes, x: float, y: float, text: str) -> None:
    """Write on a drawing, with the middle of the text at (x, y), for instance "∗" and "=" between grids."""
    axes.text(x, y, text, ha="center", va="center", fontsize=12 if len(text) == 1 else 10)
    axes.update_datalim([(x, y - 0.4), (x, y + 0.4)])
    axes.autoscale_view()


def sheets(
    axes: Axes, stages: Sequence[tuple[str, int, int, int]], steps: Sequence[str] = (), log: bool = False
) -> None:
    """Draw feature maps as stacks of sheets from left to right, with what happens between them.

    A stage is (label, channels, height, width); a vector is (label, count, 1, 1) and drawn as a bar.
    `steps` stand on the arrows between, one fewer than the stages: break long
    ones with "\\n" ("conv\\n5×5"). Sizes are drawn
    to the power 1/2, or `log`arithmically for nets whose maps shrink from hundreds of pixels to a few.
    """

    def size(pixels: float) -> float:
        return math.log2(pixels + 1) if log else math.sqrt(pixels)

    tallest = max(size(height) for _, _, height, _ in stages)
    unit, gap, x = 2.0 / tallest, 1.15, 0.0  # the tallest sheet is 2 high, an arrow 1.15 long
    for index, (label, channels, height, width) in enumerate(stages):
        if height == width == 1:
            tall, wide, count = min(2.0, 0.3 + math.log2(channels) * 0.16), 0.22, 1
        else:
            tall, wide = size(height) * unit, size(width) * unit * 0.55
            count = max(1, min(8, round(math.log2(channels)) + 1))
        skew, step = 0.18, 0.07
        for sheet in reversed(range(count)):
            left, bottom = x + sheet * step, -tall / 2 + sheet * step
            corners = [
                (left, bottom),
                (left + wide, bottom + skew * wide),
                (left + wide, bottom + skew * wide + tall),
            ]
            axes.add_patch(
                Polygon(
                    [*corners, (left, bottom + tall)], closed=True, facecolor=KINDS["conv"][0], edgecolor=BLUE
                )
            )
        total = wide + (count - 1) * step
        axes.text(x + total / 2, -tall / 2 - 0.15, label, ha="center", va="top", fontsize=9)
        shape = f"{channels}" if height == width == 1 else f"{channels}×{height}×{width}"
        axes.text(
            x + total / 2, tall / 2 + 0.2 + (count - 1) * step + skew * wide, shape, ha="center", fontsize=9
        )
        x += total
        if index < len(stages) - 1:
            axes.annotate(
                "", (x + gap - 0.12, 0), (x + 0.12, 0), arrowprops={"arrowstyle": "-|>", "color": BLACK}
            )
            if index < len(steps):
                axes.text(x + gap / 2, 0.1, steps[index], ha="center", va="bottom", fontsize=9)
            x += gap
    axes.set(xlim=(-0.3, x + 0.3), ylim=(-1.9, 2.1), aspect="equal")
    axes.axis("off")


def box(
    axes: Axes, x: float, y: float, text: str, kind: str = "conv", width: float = 1.6, height: float = 0.5
) -> None:
    """Draw a labeled box of a diagram with its middle at (x, y); `kind` is one of KINDS."""
    color, hatch = KINDS[kind]
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height,
            boxstyle="round,pad=0,rounding_size=0.08", facecolor=color, edgecolor=BLACK, hatch=hatch,
        )
    )  # fmt: skip
    background = {"facecolor": color, "edgecolor": "none", "pad": 1} if hatch else None
    axes.text(x, y, text, ha="center", va="center", fontsize=9, bbox=background)


def arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "", bend: float = 0.0
) -> None:
    """Draw an arrow between two points, curved where `bend` is not 0, with a label beside its middle."""
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=11, shrinkA=0, shrinkB=0, color=BLACK, linewidth=1.2,
            connectionstyle=f"arc3,rad={bend}",
        )
    )  # fmt: skip
    if text:
        (x0, y0), (x1, y1) = start, end
        # arc3 puts its control point this far beside the middle; the curve reaches half of it
        x, y = (x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2
        if abs(x1 - x0) > abs(y1 - y0):
            axes.text(x, y + 0.06, text, ha="center", va="bottom", fontsize=9)
        else:
            axes.text(x + 0.1, y, text, ha="left", va="center", fontsize=9)


def frame(axes: Axes, width: float, height: float) -> None:
    """Give a drawing of boxes and arrows its extent: x from 0 to `width`, y from 0 (below) to `height`."""
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")


def chain(axes: Axes, parts: Sequence[tuple[str, str]], columns: int = 6) -> None:
    """Draw a whole net as boxes (text, kind) in reading order, `columns` a row, with arrows between."""
    wide, high, gap_x, gap_y = 1.7, 0.75, 0.4, 0.45
    rows = math.ceil(len(parts) / columns)
    total_height = rows * (high + gap_y)

    def middle(index: int) -> tuple[float, float]:
        row, column = divmod(index, columns)
        return gap_x + wide / 2 + column * (wide + gap_x), total_height - gap_y / 2 - high / 2 - row * (
            high + gap_y
        )

    for index, (text, kind) in enumerate(parts):
        (x, y), last = middle(index), index == len(parts) - 1
        box(axes, x, y, text, kind, wide, high)
        if last:
            continue
        next_x, next_y = middle(index + 1)
        if next_y == y:
            arrow(axes, (x + wide / 2, y), (next_x - wide / 2, y))
        else:  # down, back to the left, and into the next row
            between = (y + next_y) / 2
            axes.plot([x, x, next_x], [y - high / 2, between, between], color=BLACK, linewidth=1.2)
            arrow(axes, (next_x, between), (next_x, next_y + high / 2))
    frame(axes, columns * (wide + gap_x) + gap_x, total_height)


def images(pictures: Any, titles: Sequence[str] = (), columns: int = 8, inches: float = 0.8) -> Figure:
    """Return a figure of pictures side by side, `inches` wide each, each below its title.

    `pictures`: (N, H, W) or (N, 1, H, W) in gray from the smallest value (black) to the largest,
    or (N, 3, H, W) in color, uint8 or 0 to 1.
    """
    stack = np.asarray(pictures)
    rows = math.ceil(len(stack) / columns)
    room = 0.28 * max((title.count("\n") + 1 for title in titles), default=0)
    figure, axes = canvas(
        min(WIDTH, columns * inches), rows * (min(inches, WIDTH / columns) + room), rows, columns, True
    )
    for index, (one, picture) in enumerate(zip(np.atleast_1d(axes).flat, stack, strict=False)):
        colors = picture.transpose(1, 2, 0) if picture.ndim == 3 and len(picture) == 3 else None
        gray = picture.reshape(picture.shape[-2:]) if colors is None else None
        one.imshow(gray if colors is None else colors, cmap="gray", interpolation="none")
        if index < len(titles):
            one.set_title(titles[index], fontsize=9, pad=2)
    return figure


def bars(axes: Axes, values: Mapping[str, float], unit: str = "", form: str = ",.0f") -> None:
    """Draw horizontal bars from the top down, each with its number and unit at its end."""
    hatches = ("", "///", "...", "\\\\\\", "xx", "--")
    for place, value in enumerate(values.values()):
        axes.barh(place, value, color=_mix(LINES[place % 6], 0.55), edgecolor=BLACK, hatch=hatches[place % 6])
        axes.annotate(
            f"{value:{form}} {unit}".strip(), (value, place), (4, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(range(len(values)), list(values))
    axes.set(ylim=(len(values) - 0.4, -0.6), xlabel=unit)
    axes.margins(x=0.2)
    axes.grid(visible=False, axis="y")


def _mix(color: str, strength: float) -> str:
    """The color thinned with white: 0 is white, 1 the color."""
    parts = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * strength):02x}" for part in parts)


def _number(value: Any) -> str:
    """Whole numbers without a point, others with two digits, minus signs that can be seen."""
    if isinstance(value, str):
        return value
    text = f"{value:.0f}" if float(value).is_integer() else f"{value:.2f}"
    return text.replace("-", "−")
