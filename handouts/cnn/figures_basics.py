"""The drawings of chapters 1 to 6. Each function draws one figure, with its alternative text, and shows it.

The numbers in the drawings, and in the texts, are computed here or handed in by the notebook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnn.draw import BLACK, BLUE, GRAY, GREEN, LINES, ON_IMAGE, bars, canvas, grid, images, note, sheets, show


def rgb_channels(image: Tensor, name: str) -> None:
    """A color picture, uint8 (3, H, W), beside its three channels in gray."""
    stack = torch.stack([image, *(channel.expand_as(image) for channel in image)])
    means = [f"{channel.float().mean():.0f}" for channel in image]
    titles = [
        "the picture",
        *(f"{word}\nmean {mean}" for word, mean in zip(("red", "green", "blue"), means, strict=True)),
    ]
    titles[0] += "\n "
    height, width = image.shape[1:]
    show(
        images(stack, titles, columns=4, inches=1.6),
        alt=f"A {name} of {height} by {width} pixels, and its red, green and blue channels as three gray "
        f"pictures of the same size; their mean values are {means[0]}, {means[1]} and {means[2]} of 255.",
    )


def pixel_values(image: Tensor, rows: slice, columns: slice, name: str) -> None:
    """A gray picture (H, W), uint8, and the numbers of a part of it."""
    figure, (left, right) = canvas(height=3.1, columns=2, bare=True, ratios=(1, 1.7))
    left.imshow(image, cmap="gray", interpolation="none")
    height, width = rows.stop - rows.start, columns.stop - columns.start
    corner = (columns.start - 0.5, rows.start - 0.5)
    left.add_patch(_outline(corner, width, height))
    left.set_title(f"{image.shape[0]}×{image.shape[1]} pixels")
    part = image[rows, columns]
    right.imshow(part, cmap="gray", interpolation="none", vmin=0, vmax=255)
    for row in range(height):
        for column in range(width):
            value = int(part[row, column])
            right.text(
                column, row, str(value), ha="center", va="center", fontsize=9,
                color="white" if value < 128 else "black", gid=ON_IMAGE,
            )  # fmt: skip
    right.set_title(f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}")
    show(
        figure,
        alt=f"Left, a handwritten {name} of {image.shape[0]} by {image.shape[1]} pixels with a part of it "
        f"framed. Right, the numbers of that part, from {int(part.min())} (black) to {int(part.max())} "
        "(nearly white).",
    )


def connections(inputs: int = 8, kernel: int = 3) -> None:
    """The connections of a fully connected layer and of a convolution, in one dimension."""
    outputs = inputs - kernel + 1
    figure, panels = canvas(height=2.7, columns=2, bare=True)
    styles = ("-", "--", ":")
    for axes, convolution in zip(panels, (False, True), strict=True):
        for output in range(outputs):
            reach = range(output, output + kernel) if convolution else range(inputs)
            for place, source in enumerate(reach):
                axes.plot(
                    [source, output + (kernel - 1) / 2], [0, 2],
                    color=LINES[place] if convolution else GRAY, linewidth=1.7 if convolution else 0.7,
                    linestyle=styles[place] if convolution else "-",
                )  # fmt: skip
        axes.scatter(range(inputs), [0] * inputs, s=110, c="white", edgecolors=BLACK, zorder=3)
        middles = [output + (kernel - 1) / 2 for output in range(outputs)]
        axes.scatter(middles, [2] * outputs, s=110, c="#cfe6f5", edgecolors=BLACK, zorder=3)
        name = "convolution" if convolution else "fully connected"
        lines = outputs * kernel if convolution else outputs * inputs
        weights = kernel if convolution else lines
        axes.set_title(f"{name}: {lines} connections,\n{weights} different weights")
        axes.text(-0.6, 2, "out", ha="right", va="center")
        axes.text(-0.6, 0, "in", ha="right", va="center")
        axes.set(xlim=(-1.8, inputs - 0.5), ylim=(-0.3, 2.3))
    show(
        figure,
        alt=f"Two networks with {inputs} inputs below and {outputs} outputs above. Fully connected: every "
        "output "
        f"is joined to every input, {inputs * outputs} lines with a weight each. Convolution: every output "
        "is "
        f"joined to {kernel} neighboring inputs, {outputs * kernel} lines, and the same {kernel} weights, "
        "drawn in three line styles, are used at every place.",
    )


def sliding(image: Any, kernel: Any, places: Sequence[tuple[int, int]]) -> None:
    """A kernel over an image at several places: the image with the window, and the number it gives."""
    image, kernel = np.asarray(image), np.asarray(kernel)
    size, height, width = len(kernel), *image.shape
    result = _convolve(image, kernel)
    figure, axes = canvas(height=1.7 * len(places) + 0.1, bare=True)
    said = []
    for step, (row, column) in enumerate(places):
        top = step * (height + 1.2)
        middle = top + height / 2
        filled = [["" for _ in line] for line in result]
        for place in range(row * len(result[0]) + column + 1):  # what has been computed so far
            r, c = divmod(place, len(result[0]))
            filled[r][c] = str(int(result[r, c]))
        grid(axes, image, "image" if step == 0 else "", at=(0, top), windows=[(row, column, size, size)])
        note(axes, width + 0.8, middle, "∗")
        grid(axes, kernel, "kernel" if step == 0 else "", at=(width + 1.6, middle - size / 2))
        window = image[row : row + size, column : column + size]
        pairs = [f"{a}·{b}" for a, b in zip(window.flat, kernel.flat, strict=True)]
        lines = ["+".join(pairs[start : start + size]) for start in range(0, len(pairs), size)]
        text = "\n+ ".join(lines) + f"\n= {int(result[row, column])}"
        note(axes, width + size + 4.6, middle, text)
        at = (width + size + 7.6, middle - len(result) / 2)
        grid(axes, filled, "result" if step == 0 else "", at=at, windows=[(row, column, 1, 1)])
        said.append(f"at row {row}, column {column} it gives {int(result[row, column])}")
    show(
        figure,
        alt=f"A {size} by {size} kernel lies on a {height} by {width} image of zeros and ones at "
        f"{len(places)} places; each of its numbers is multiplied by the pixel below it and the products are "
        f"added: {'; '.join(said)}. The results fill a grid of {len(result)} by {len(result[0])} numbers.",
    )


def filtered(image: Tensor, kernels: Mapping[str, Any], name: str) -> None:
    """A gray image (H, W) from 0 to 1, and what each kernel makes of it; zero is the middle gray there."""
    outputs = [
        F.conv2d(image[None, None], torch.tensor(kernel)[None, None].float())[0, 0]
        for kernel in kernels.values()
    ]
    figure, axes = canvas(height=1.95, columns=len(outputs) + 1, bare=True)
    axes[0].imshow(image, cmap="gray", interpolation="none")
    axes[0].set_title("image")
    for one, title, output in zip(axes[1:], kernels, outputs, strict=True):
        largest = float(output.abs().max())
        one.imshow(output, cmap="gray", interpolation="none", vmin=-largest, vmax=largest)
        one.set_title(title)
    words = ", ".join(
        f"{title} (from {output.min():.1f} to {output.max():.1f})"
        for title, output in zip(kernels, outputs, strict=True)
    )
    show(
        figure,
        alt=f"{name} and {len(outputs)} results of convolving it, zero as middle gray: {words}. The "
        "blurred one "
        "has soft outlines; the edge kernels answer only where the brightness changes in their direction, "
        "with opposite signs on the two sides of a stroke, and are gray elsewhere.",
    )


def worked_example(
    x: Tensor, weight: Tensor, bias: Tensor, filter: int, row: int, column: int, stride: int
) -> None:
    """One number of a convolution over several channels: the windows, the kernel's slices, the sum.

    `x` is (channels, H, W) with its padding of 1 in place, `weight` (out, channels, k, k), `bias` (out,).
    """
    channels, size, _ = x.shape
    k = weight.shape[-1]
    output = F.conv2d(x[None], weight, bias, stride)[0]
    top, left = row * stride, column * stride
    sums = [int((x[c, top : top + k, left : left + k] * weight[filter, c]).sum()) for c in range(channels)]
    figure, axes = canvas(height=5.3, bare=True)
    for c in range(channels):
        at = c * (size + 2)
        grid(axes, x[c].int(), f"x[{c}]", at=(at, 0), padding=1, windows=[(top, left, k, k)])
        middle = at + size / 2
        grid(axes, weight[filter, c].int(), f"W{filter}[{c}]", at=(middle - k / 2, size + 2))
        note(axes, middle - k / 2 - 1, size + 2 + k / 2, "∗")
        note(axes, middle, size + k + 2.8, f"sum of products: {_signed(sums[c])}")
    bottom = size + k + 5.2
    terms = " + ".join(f"({value})" if value < 0 else str(value) for value in (*sums, int(bias[filter])))
    value = int(output[filter, row, column])
    note(axes, size, bottom + 1.5, f"{terms} = {value}".replace("-", "−"))
    note(axes, size, bottom + 2.6, f"(the last term is the bias b{filter})")
    at = (2 * (size + 2) + (size - output.shape[2]) / 2, bottom)
    grid(axes, output[filter].int(), f"output o{filter}", at=at, windows=[(row, column, 1, 1)])
    show(
        figure,
        alt=f"The three padded {size} by {size} channels of the input, each with the window at output row "
        f"{row}, "
        f"column {column} framed, above the three {k} by {k} slices of filter W{filter}. The sums of "
        "products are "
        f"{', '.join(map(str, sums))}; with the bias {int(bias[filter])} they make {value}, which is "
        "framed in "
        f"the output {output[filter].int().tolist()}.",
    )


def padded(image: Any, kernel: Any) -> None:
    """A 3x3 kernel at the corner of an image with a border of zeros, and the complete result."""
    image, kernel = np.asarray(image), np.asarray(kernel)
    around = np.pad(image, 1)
    result = _convolve(around, kernel)
    figure, axes = canvas(height=2.9, bare=True)
    size = len(around)
    grid(axes, around, "image, padding 1", padding=1, windows=[(0, 0, 3, 3)])
    note(axes, size + 0.75, size / 2, "∗")
    grid(axes, kernel, "kernel", at=(size + 1.5, size / 2 - 1.5))
    note(axes, size + 5.25, size / 2, "=")
    grid(axes, result, "result", at=(size + 6, size / 2 - len(result) / 2), windows=[(0, 0, 1, 1)])
    show(
        figure,
        alt=f"A {len(image)} by {len(image)} image with a hatched ring of zeros around it, so that it is "
        f"{size} by "
        f"{size}. The sharpening kernel {kernel.tolist()} lies on the upper left corner, where it gives "
        f"{result[0, 0]}; the complete result is again {len(result)} by {len(result)}.",
    )


def visits(size: int = 7, kernel: int = 3) -> None:
    """How many windows each pixel is in, without padding and with enough of it to keep the size."""
    figure, axes = canvas(height=2.9, bare=True)
    counts = []
    for place, padding in enumerate((0, kernel // 2)):
        steps = size + 2 * padding - kernel + 1
        all_ones = torch.ones(1, 1, steps, steps)
        count = F.conv_transpose2d(all_ones, torch.ones(1, 1, kernel, kernel), padding=padding)[0, 0].int()
        grid(axes, count, f"padding {padding}", at=(place * (size + 2), 0), shade=True)
        counts.append(count)
    show(
        figure,
        alt=f"Two tables of {size} by {size} pixels: in how many windows of a {kernel} by {kernel} kernel "
        "each pixel "
        f"lies. Without padding the corners are in {counts[0][0, 0]}, the middle in {counts[0][3, 3]}; "
        "with padding "
        f"{kernel // 2} the corners are in {counts[1][0, 0]} and the middle still in {counts[1][3, 3]}.",
    )


def strides(size: int = 7, kernel: int = 3) -> None:
    """The first two windows of a row, and the results, for stride 1 and stride 2."""
    numbers = np.arange(1, size * size + 1).reshape(size, size)
    figure, axes = canvas(height=4.4, bare=True)
    for place, stride in enumerate((1, 2)):
        left = place * (size + 3)
        windows = [(0, 0, kernel, kernel), (0, stride, kernel, kernel)]
        grid(axes, numbers, f"stride {stride}", at=(left, 0), windows=windows)
        steps = (size - kernel) // stride + 1
        result = [["" for _ in range(steps)] for _ in range(steps)]
        at = (left + (size - steps) / 2, size + 1.8)
        grid(axes, result, f"result {steps}×{steps}", at=at, windows=[(0, 0, 1, 1), (0, 1, 1, 1)])
    show(
        figure,
        alt=f"A {size} by {size} image twice, with the first window of a {kernel} by {kernel} kernel in "
        "blue and the "
        "second in dashed red. With stride 1 the second starts one pixel further and the result is "
        f"{size - kernel + 1} by {size - kernel + 1}; with stride 2 it starts two pixels further and the "
        "result is "
        f"{(size - kernel) // 2 + 1} by {(size - kernel) // 2 + 1}.",
    )


def places_of_kernel(cases: Sequence[tuple[int, int, int, int]]) -> None:
    """One row of pixels for each (size, kernel, stride, padding), and every place of the kernel below it."""
    longest = max(size + 2 * padding for size, _, _, padding in cases)
    figure, axes = canvas(height=0.42 * sum(2.6 + _places(*case) * 0.55 for case in cases), bare=True)
    top, said = 0.0, []
    for size, kernel, stride, padding in cases:
        count, total = _places(size, kernel, stride, padding), size + 2 * padding
        name = f"size {size}, kernel {kernel}, stride {stride}, padding {padding}: {count} places"
        grid(axes, [[("0" if not padding <= i < size + padding else "") for i in range(total)]], at=(0, top))
        axes.text(0, top - 0.4, name, ha="left")
        unused = total - ((count - 1) * stride + kernel)
        for place in range(count):
            y = top + 1.35 + place * 0.55
            axes.plot([place * stride + 0.1, place * stride + kernel - 0.1], [y, y], color=BLUE, linewidth=4)
        if unused:
            axes.text(total + 0.3, top + 0.5, "← the last is never looked at", va="center", fontsize=9)
        said.append(name + (f", {unused} pixel at the right never looked at" if unused else ""))
        top += 2.6 + count * 0.55
    axes.set(xlim=(-0.3, max(longest + 4, 15)), ylim=(top - 0.9, -1.1))
    show(
        figure,
        alt="A row of pixels, with a bar below it for every place of the kernel. " + "; ".join(said) + ".",
    )


def receptive_field(layers: int = 2, kernel: int = 3) -> None:
    """Which inputs one output of a stack of convolutions depends on, in one dimension."""
    size = layers * (kernel - 1) + 1
    figure, axes = canvas(width=5.0, height=0.6 + 0.75 * layers, bare=True)
    extra = 1  # pixels beside the field, to show what is not in it
    seen = []
    for level in range(layers + 1):  # level 0 is the input
        count = size - level * (kernel - 1)
        offset = level * (kernel - 1) / 2
        seen.append(count)
        xs = np.arange(-extra, count + extra) + offset
        inside = [0 <= x - offset < count for x in xs]
        axes.scatter(
            xs, [level] * len(xs), s=130, c=["#cfe6f5" if i else "white" for i in inside],
            edgecolors=[BLACK if i else GRAY for i in inside], zorder=3,
        )  # fmt: skip
        if level:
            for x in np.arange(count) + offset:
                for step in range(kernel):
                    axes.plot([x, x + step - (kernel - 1) / 2], [level, level - 1], color=BLUE, linewidth=1.2)
        name = "input" if level == 0 else f"after conv {level}"
        axes.text(-extra - 0.7, level, name, ha="right", va="center")
        axes.text(size + extra - 0.3, level, f"{count} wide", ha="left", va="center")
    axes.set(xlim=(-extra - 3.2, size + extra + 1.5), ylim=(-0.4, layers + 0.4))
    words = " and through them on ".join(f"{count} numbers below" for count in seen[-2::-1])
    show(
        figure,
        alt=f"One output of {layers} convolutions with kernel {kernel}, one above the other, in one "
        "dimension: it "
        f"depends on {words}. So its receptive field is {size} inputs wide.",
    )


def activations() -> None:
    """ReLU, sigmoid and tanh, and their slopes."""
    x = torch.linspace(-5, 5, 201, requires_grad=True)
    functions = {"ReLU": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
    figure, (left, right) = canvas(height=2.8, columns=2)
    slopes = {}
    for (name, function), style, color in zip(functions.items(), ("-", "--", ":"), LINES, strict=False):
        y = function(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        slopes[name] = float(slope[-21])  # at x = 4
        left.plot(x.detach(), y.detach(), style, color=color, label=name)
        right.plot(x.detach(), slope, style, color=color, label=name)
    left.set(title="the function", xlabel="input", ylim=(-1.2, 3))
    right.set(title="its slope", xlabel="input", ylim=(-0.1, 1.15))
    left.legend()
    right.legend(loc="center left")
    show(
        figure,
        alt="Left: ReLU is 0 for negative inputs and the input itself for positive ones; sigmoid goes from "
        "0 to 1, "
        "tanh from −1 to 1, both flat at the ends. Right, their slopes: ReLU's is 0, then 1. At input 4 "
        "the slope of "
        f"ReLU is {slopes['ReLU']:.0f}, of sigmoid {slopes['sigmoid']:.3f}, of tanh {slopes['tanh']:.4f}.",
    )


def before_and_after(image: Tensor, edges: Tensor, after: Tensor) -> None:
    """A gray image (H, W), a feature map of it, and the same map behind a ReLU; zero is the middle gray."""
    figure, axes = canvas(width=5.4, height=2.0, columns=3, bare=True)
    largest = float(edges.abs().max())
    axes[0].imshow(image, cmap="gray", interpolation="none")
    for one, picture in zip(axes[1:], (edges, after), strict=True):
        one.imshow(picture, cmap="gray", interpolation="none", vmin=-largest, vmax=largest)
    for one, title in zip(axes, ("image", "horizontal edges", "after ReLU"), strict=True):
        one.set_title(title)
    show(
        figure,
        alt="A handwritten digit; its map of horizontal edges, bright on one side of the strokes and dark "
        "on the "
        f"other, from {float(edges.min()):.1f} to {float(edges.max()):.1f}; and the same map after ReLU, "
        "in which "
        f"only the bright side is left, from {float(after.min()):.1f} to {float(after.max()):.1f}.",
    )


def pooling(numbers: Any) -> None:
    """Max and average pooling with 2x2 windows and stride 2."""
    x = torch.tensor(numbers).float()
    size = len(x)
    results = {
        "max pooling": F.max_pool2d(x[None, None], 2)[0, 0],
        "average pooling": F.avg_pool2d(x[None, None], 2)[0, 0],
    }
    figure, axes = canvas(height=2.2, bare=True)
    corners = [(row, column) for row in range(0, size, 2) for column in range(0, size, 2)]
    grid(axes, x, "input", windows=[(row, column, 2, 2) for row, column in corners])
    for place, (name, result) in enumerate(results.items()):
        at = (size + 2.5 + place * 4.5, size / 2 - 1)
        grid(axes, result, name, at=at, windows=[(row // 2, column // 2, 1, 1) for row, column in corners])
    note(axes, size + 1.2, size / 2, "→")
    words = "; ".join(f"{name} gives {result.tolist()}" for name, result in results.items())
    show(
        figure,
        alt=f"A {size} by {size} table, {x.int().tolist()}, cut into four 2 by 2 windows, each with its "
        "own color "
        f"and line style. {words}.",
    )


def lenet5() -> None:
    """LeNet-5 as a row of stacks of maps."""
    figure, axes = canvas(height=2.1, bare=True)
    stages = [("image", 1, 32, 32), ("maps", 6, 28, 28), ("maps", 6, 14, 14), ("maps", 16, 10, 10)]
    stages += [("maps", 16, 5, 5), ("fc1", 120, 1, 1), ("fc2", 84, 1, 1), ("fc3", 10, 1, 1)]
    sheets(
        axes,
        stages,
        ["conv\n5×5", "pool\n2×2", "conv\n5×5", "pool\n2×2", "flatten,\nlinear", "linear", "linear"],
    )
    show(
        figure,
        alt="LeNet-5 from left to right: an image of 1×32×32; after a 5 by 5 convolution 6 maps of 28×28; "
        "after "
        "pooling 6 of 14×14; after a second 5 by 5 convolution 16 of 10×10; after pooling 16 of 5×5; these "
        "are "
        "flattened to 400 numbers, from which three fully connected layers make 120, 84 and 10.",
    )


def where_it_sits(shares: Any) -> None:
    """Bars of each layer's parameters and of its work; `shares` has a row a layer, and both as columns."""
    figure, panels = canvas(height=2.3, columns=2)
    parts = []
    for axes, column, title in zip(
        panels, ("parameters", "MACs"), ("parameters", "MACs for an image"), strict=True
    ):
        values = shares[column].to_dict()
        bars(axes, values)
        axes.set_title(title)
        axes.margins(x=0.35)
        axes.locator_params(axis="x", nbins=4)
        first = sum(value for name, value in values.items() if name.startswith("conv")) / sum(values.values())
        listed = ", ".join(f"{name} {value:,}" for name, value in values.items())
        parts.append(f"{title}: {listed}; the two convolutions together {first:.1%}")
    show(figure, alt="Two bar charts over the five layers of LeNet-5. " + ". ".join(parts) + ".")


def feature_maps(image: Tensor, stages: Mapping[str, Tensor], digit: int) -> None:
    """An input (1, H, W), and under it the maps (channels, H, W) of each stage, one stage a block of rows."""
    columns = 8
    rows = 1 + sum(-(-len(maps) // columns) for maps in stages.values())
    figure, axes = canvas(height=0.82 * rows + 0.35 * len(stages), rows=rows, columns=columns, bare=True)
    axes[0, 0].imshow(image[0], cmap="gray", interpolation="none")
    _headline(axes[0, 0], f"input {image.shape[1]}×{image.shape[2]}")
    row, said = 1, []
    for name, maps in stages.items():
        for index, one in enumerate(maps):
            place = axes[row + index // columns, index % columns]
            place.imshow(one, cmap="gray", interpolation="none", vmin=0, vmax=max(1e-6, float(one.max())))
        size = f"{len(maps)} maps of {maps.shape[1]}×{maps.shape[2]}"
        _headline(axes[row, 0], f"{name}: {size}")
        dark = (maps == 0).float().mean()
        said.append(f"{name}, {size}, {dark:.0%} of their values exactly 0")
        row += -(-len(maps) // columns)
    show(
        figure,
        alt=f"A handwritten {digit} and, below it, what LeNet-5 makes of it, bright where the value is "
        "large: "
        + "; ".join(said)
        + ". The first maps still look like the digit, with other strokes bright in each; the later ones "
        "are coarse.",
    )


def kernels(weight: Tensor) -> None:
    """The kernels (out, 1, k, k) of a first layer, negative weights dark, positive ones bright."""
    figure, axes = canvas(height=1.5, columns=len(weight), bare=True)
    largest = float(weight.abs().max())
    positive = (weight > 0).sum(dim=(1, 2, 3)).tolist()
    for index, (one, kernel) in enumerate(zip(axes, weight[:, 0], strict=True)):
        picture = one.imshow(kernel, cmap="gray", interpolation="none", vmin=-largest, vmax=largest)
        one.set_title(f"kernel {index}")
    figure.colorbar(picture, ax=list(axes), shrink=0.8).solids.set_gid(ON_IMAGE)
    show(
        figure,
        alt=f"The {len(weight)} kernels of {weight.shape[2]} by {weight.shape[3]} weights that the first "
        "layer has "
        f"learned, from {float(weight.min()):.2f} (dark) to {float(weight.max()):.2f} (bright). Each mixes "
        "negative "
        f"and positive weights; of 25, {', '.join(map(str, positive))} are positive. They lie in patches, "
        "not in "
        "the clean lines of a textbook kernel.",
    )


def pad_or_resize(padded: Tensor, resized: Tensor) -> None:
    """One digit brought to the same larger size in two ways."""
    size = padded.shape[-1]
    tall = [int((picture > 0.2).any(dim=-1).sum()) for picture in (padded, resized)]
    show(
        images(torch.stack([padded, resized]), ["Pad(2)", "Resize(32)"], columns=2, inches=1.6),
        alt=f"The same digit on {size} by {size} pixels, twice. Padded, it is {tall[0]} pixels tall as "
        "before, within "
        f"a wider black border; resized, it is {tall[1]} pixels tall and its edges are softer.",
    )


def confusion(matrix: Tensor) -> None:
    """A table of counts, true digit by row and predicted digit by column; mistakes are shaded."""
    figure, axes = canvas(width=4.6, height=4.6, bare=True)
    size = len(matrix)
    grid(axes, [[str(int(value)) if value else "" for value in row] for row in matrix])
    mistakes = matrix.clone().fill_diagonal_(0)
    for row in range(size):
        for column in range(size):
            share = float(mistakes[row, column]) / max(1, int(mistakes.max()))
            axes.add_patch(_outline((column, row), 1, 1, fill=(0.9, 0.4, 0.0, 0.55 * share), line=0))
        axes.add_patch(_outline((row, row), 1, 1, line=1.8))
        note(axes, -0.6, row + 0.5, str(row))
        note(axes, row + 0.5, -0.5, str(row))
    note(axes, size / 2, -1.4, "predicted")
    axes.text(-1.5, size / 2, "true", rotation=90, ha="center", va="center")
    axes.set_xlim(-2.0, size + 0.2)
    worst = int(mistakes.argmax())
    row, column = divmod(worst, size)
    right, total = int(matrix.diagonal().sum()), int(matrix.sum())
    show(
        figure,
        alt=f"A table of ten true digits by ten predicted digits. {right:,} of {total:,} images lie on the "
        "framed "
        f"diagonal, predicted rightly; the most frequent mistake, {int(mistakes.max())} times, is a {row} "
        "taken for "
        f"a {column}.",
    )


def _headline(axes: Any, text: str) -> None:
    """A title that may be wider than its column, without making the column wider."""
    axes.set_title(" ", fontsize=9)  # keeps the height free
    place = axes.text(0, 1.06, text, transform=axes.transAxes, fontsize=9, va="bottom")
    place.set_in_layout(False)


def _convolve(image: Any, kernel: Any) -> Any:
    """What F.conv2d gives for whole numbers, without padding."""
    inputs = (torch.tensor(np.asarray(array)).float()[None, None] for array in (image, kernel))
    return F.conv2d(*inputs)[0, 0].int().numpy()


def _places(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many places a kernel has, as PyTorch counts them."""
    return nn.MaxPool1d(kernel, stride)(torch.zeros(1, 1, size + 2 * padding)).shape[-1]


def _signed(value: int) -> str:
    return str(value).replace("-", "−")


def _outline(
    corner: tuple[float, float], width: float, height: float, fill: Any = "none", line: float = 2.5
) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor=fill, edgecolor=GREEN, linewidth=line, zorder=4)
