"""The figures of chapters 7 to 10: each function draws one and shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnn.draw import BLACK, BLUE, GRAY, LINES, RED, arrow, bars, box, canvas, chain, frame, grid, note, show

# Accuracy in percent -> points, as the rubric has them; the tests hold both to each other.
KNOTS = ((10, 0), (36, 14), (55, 35), (70, 49), (85, 63), (90, 70))


def two_memories() -> None:
    """Where tensors live on a computer with a GPU."""
    figure, axes = canvas(height=2.4, bare=True)
    box(axes, 2.0, 2.6, "processor (CPU)\na few fast cores", "data", 3.0, 0.9)
    box(axes, 2.0, 0.8, "main memory\nimages, labels", "conv", 3.0, 0.9)
    box(axes, 8.6, 2.6, "graphics processor (GPU)\nthousands of simple units", "data", 3.6, 0.9)
    box(axes, 8.6, 0.8, "GPU memory\nbatch, model, gradients", "linear", 3.6, 0.9)
    for x in (2.0, 8.6):
        arrow(axes, (x - 0.15, 1.3), (x - 0.15, 2.1))
        arrow(axes, (x + 0.15, 2.1), (x + 0.15, 1.3))
    arrow(axes, (3.6, 0.95), (6.7, 0.95), 'tensor.to("cuda")')
    arrow(axes, (6.7, 0.55), (3.6, 0.55))
    axes.text(5.15, 0.2, "tensor.cpu(), .item()", ha="center", va="center", fontsize=9)
    arrow(axes, (3.6, 2.6), (6.7, 2.6), "commands, queued")
    frame(axes, 10.6, 3.2)
    show(
        figure,
        alt="Two processors, each above its own memory. The CPU works on main memory, the GPU on GPU memory. "
        'Data cross between the two memories only where tensor.to("cuda") copies them over and '
        "tensor.cpu() or .item() copies them back; commands go from the CPU to the GPU and wait in a queue.",
    )


def memory_bars(gib: Mapping[str, float], limit_gib: float, net: str, batch: int) -> None:
    """What one training step keeps in memory, part by part, in GiB."""
    figure, axes = canvas(height=2.6)
    bars(axes, dict(gib), "GiB", ".2f")
    axes.axvline(limit_gib, color=RED, linestyle="--", linewidth=1.8)
    axes.text(limit_gib, 0, f"  a card of\n  {limit_gib:g} GiB", va="center", fontsize=9)
    parts = ", ".join(f"{name} {value:.2f} GiB" for name, value in gib.items())
    show(
        figure,
        alt=f"Bars of what {net} needs in memory to train on {batch} images at a time: {parts}. "
        f"A dashed line marks a card of {limit_gib:g} GiB.",
    )


def speed_ladder(images_per_second: Mapping[str, float], title: str) -> None:
    """Measured speeds, from the first loop to the last."""
    figure, axes = canvas(height=0.7 + 0.5 * len(images_per_second))
    bars(axes, dict(images_per_second), "images/s")
    axes.set_title(title, loc="left")
    first = next(iter(images_per_second.values()))
    told = ", ".join(
        f"{name.replace(chr(10), ' ')} {speed:,.0f} ({speed / first:.1f} times the first)"
        for name, speed in images_per_second.items()
    )
    show(figure, alt=f"Bars of measured speeds in images a second: {told}.")


def time_shares(seconds: Mapping[str, float], title: str) -> None:
    """Where the time of a loop goes, as one bar cut into pieces."""
    figure, axes = canvas(height=1.9)
    total, left = sum(seconds.values()), 0.0
    hatches = ("", "///", "...", "xx")
    pale = ("#cfe6f5", "#fbe3b3", "#bfe6d9", "#f6c9ab")
    for place, (name, part) in enumerate(seconds.items()):
        share = 100 * part / total
        label = f"{name}: {share:.0f} %"
        axes.barh(0, share, left=left, color=pale[place], hatch=hatches[place], edgecolor=BLACK, label=label)
        left += share
    axes.set(xlim=(0, 100), xlabel="share of the time, percent", yticks=[])
    axes.set_title(title, loc="left")
    figure.legend(ncols=2, loc="outside lower center", frameon=False)
    axes.grid(visible=False)
    shares = ", ".join(f"{name} {100 * part / total:.0f} percent" for name, part in seconds.items())
    show(figure, alt=f"One bar that shows where the time of the loop goes: {shares}.")


def alexnet() -> None:
    """AlexNet as boxes."""
    figure, axes = canvas(height=2.9, bare=True)
    parts = [
        *(("image\n3×227×227", "data"), ("conv 11×11\n/4, ReLU, LRN", "conv"), ("max-pool\n3×3 /2", "pool")),
        *(("conv 5×5\nReLU, LRN", "conv"), ("max-pool\n3×3 /2", "pool"), ("conv 3×3\nReLU", "conv")),
        *(("conv 3×3\nReLU", "conv"), ("conv 3×3\nReLU", "conv"), ("max-pool\n3×3 /2", "pool")),
        *(("4096\nReLU, dropout", "linear"), ("4096\nReLU, dropout", "linear"), ("1000\nlogits", "linear")),
    ]
    chain(axes, parts, columns=4)
    show(
        figure,
        alt="AlexNet as a chain of twelve boxes: the image; an 11×11 convolution with stride 4 and a "
        "max-pool; a 5×5 convolution and a max-pool; three 3×3 convolutions and a max-pool; then three "
        "fully connected layers with 4096, 4096 and 1000 outputs. /4 and /2 are strides.",
    )


def vgg16() -> None:
    """VGG16 as boxes."""
    figure, axes = canvas(height=2.9, bare=True)
    parts = [("image\n3×224×224", "data")]
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        parts += [(f"{depth} × conv 3×3\n{width} channels", "conv"), ("max-pool\n2×2 /2", "pool")]
    parts += [("2 × 4096,\n1000", "linear")]
    chain(axes, parts, columns=4)
    show(
        figure,
        alt="VGG16 as a chain of boxes: five groups of two, two, three, three and three 3×3 convolutions "
        "with 64, 128, 256, 512 and 512 channels, a 2×2 max-pool after each group, and three fully "
        "connected layers at the end.",
    )


def small_kernels() -> None:
    """Two 3×3 convolutions see what one 5×5 sees."""
    figure, axes = canvas(height=2.2, bare=True)
    blank = [[""] * 5 for _ in range(5)]
    grid(axes, blank, "input 5×5", (0, 0), windows=[(0, 0, 3, 3), (2, 2, 3, 3)])
    note(axes, 6.4, 2.5, "conv 3×3\n→")
    grid(axes, [row[:3] for row in blank[:3]], "first maps 3×3", (8, 1), windows=[(0, 0, 3, 3)])
    note(axes, 12.4, 2.5, "conv 3×3\n→")
    grid(axes, [[""]], "one number", (14.5, 2), windows=[(0, 0, 1, 1)])
    note(axes, 18.2, 2.5, "9 + 9 = 18 weights\ninstead of 25")
    show(
        figure,
        alt="A 5×5 input, from which a 3×3 kernel makes a 3×3 map, from which a second 3×3 kernel makes a "
        "single number. Each number of the middle map sees nine pixels (two such windows are "
        "outlined), the last number sees all twenty-five.",
    )


def inception_module(inputs: int = 192) -> None:
    """The first inception module of GoogLeNet: four branches side by side."""
    figure, axes = canvas(height=3.6, bare=True)
    box(axes, 5.0, 0.4, f"input: {inputs}×28×28", "data", 2.6)
    xs = (1.2, 3.75, 6.25, 8.8)
    below = ("", "conv 1×1, 96", "conv 1×1, 16", "max-pool 3×3")
    above = ("conv 1×1, 64", "conv 3×3, 128", "conv 5×5, 32", "conv 1×1, 32")
    for x, first, second in zip(xs, below, above, strict=True):
        if first:
            kind = "pool" if "pool" in first else "conv"
            box(axes, x, 1.75, first, kind, 2.1)
            arrow(axes, (5.0, 0.65), (x, 1.5))
            arrow(axes, (x, 2.0), (x, 2.75))
        else:  # around the boxes of the other branches
            axes.plot([3.7, x], [0.4, 0.4], color=BLACK, linewidth=1.2)
            arrow(axes, (x, 0.4), (x, 2.75))
        box(axes, x, 3.0, second, "conv", 2.1)
        arrow(axes, (x, 3.25), (5.0, 4.1))
    box(axes, 5.0, 4.35, "concatenate: 64 + 128 + 32 + 32 = 256 channels, 256×28×28", "join", 7.4)
    frame(axes, 10.0, 4.7)
    show(
        figure,
        alt="An inception module, read from below. The input with 192 channels goes into four branches: a "
        "1×1 convolution to 64 channels; a 1×1 convolution to 96 and a 3×3 to 128; a 1×1 to 16 and a 5×5 "
        "to 32; a 3×3 max-pool and a 1×1 to 32. The four results are concatenated "
        "to 256 channels of the same height and width.",
    )


def googlenet() -> None:
    """GoogLeNet as boxes."""
    figure, axes = canvas(height=2.9, bare=True)
    parts = [
        *(("image\n3×224×224", "data"), ("conv 7×7 /2\n64", "conv"), ("max-pool\n3×3 /2", "pool")),
        *(("conv 1×1, 64\nconv 3×3, 192", "conv"), ("max-pool\n3×3 /2", "pool")),
        *(("2 × inception\n256, 480", "join"), ("max-pool\n3×3 /2", "pool")),
        *(("5 × inception\n512 … 832", "join"), ("max-pool\n/2", "pool")),
        *(("2 × inception\n832, 1024", "join"), ("average\nof each map", "pool"), ("1000\nlogits", "linear")),
    ]
    chain(axes, parts, columns=4)
    show(
        figure,
        alt="GoogLeNet as a chain of boxes: a 7×7 convolution and a max-pool, a 1×1 and a 3×3 convolution "
        "and a max-pool, then two, five and two inception modules with max-pools between them, "
        "the average of each of the 1024 maps, and one fully connected layer.",
    )


def residual_blocks() -> None:
    """The residual block, as it is, with a projection, and as a bottleneck."""
    figure, axes = canvas(height=4.3, bare=True)
    blocks = (
        ("64 → 64 channels", ("conv 3×3, 64", "conv 3×3, 64"), ""),
        ("64 → 128, half the size", ("conv 3×3 /2, 128", "conv 3×3, 128"), "conv\n1×1 /2"),
        ("bottleneck, 256 → 256", ("conv 1×1, 64", "conv 3×3, 64", "conv 1×1, 256"), ""),
    )
    for number, (title, convs, projection) in enumerate(blocks):
        x = 1.55 + 3.6 * number
        axes.text(x + 0.35, 7.2, title, ha="center", fontsize=9)
        arrow(axes, (x, 6.95), (x, 6.15))
        tops = [5.9 - step * (3.0 / (len(convs) - 1)) for step in range(len(convs))]
        for step, (y, conv) in enumerate(zip(tops, convs, strict=True)):
            box(axes, x, y, f"{conv}", "conv", 2.1, 0.5)
            end = tops[step + 1] + 0.25 if step + 1 < len(convs) else 1.98
            arrow(axes, (x, y - 0.25), (x, end), "norm, ReLU" if step + 1 < len(convs) else "norm")
        box(axes, x, 1.75, "+", "join", 0.5, 0.45)
        box_x = x + 1.65
        axes.plot([x, box_x, box_x], [6.55, 6.55, 1.75], color=BLACK, linewidth=1.2, zorder=0)
        arrow(axes, (box_x, 1.75), (x + 0.25, 1.75))
        if projection:
            box(axes, box_x, 2.9, projection, "conv", 0.9, 0.8)
        else:
            axes.text(box_x + 0.12, 4.4, "as it is", rotation=90, ha="left", va="center", fontsize=9)
        arrow(axes, (x, 1.52), (x, 0.55), "ReLU")
    frame(axes, 10.9, 7.5)
    show(
        figure,
        alt="Three residual blocks, read from above. In each, the input takes two paths: through the "
        "convolutions, and past them; both are added, and a ReLU follows. In the first block two 3×3 "
        "convolutions keep 64 channels and the skip connection passes the input as it is. In the second the "
        "stride is 2 and the channels double, so the skip connection has a 1×1 convolution with stride 2. "
        "The third is a bottleneck: 1×1 down to 64 channels, 3×3, and 1×1 up to 256.",
    )


def resnet18() -> None:
    """ResNet-18 as boxes."""
    figure, axes = canvas(height=1.75, bare=True)
    parts = [
        *(("image\n3×224×224", "data"), ("conv 7×7 /2\n64", "conv"), ("max-pool\n3×3 /2", "pool")),
        *(("2 × residual\n64", "join"), ("2 × residual\n128, /2", "join"), ("2 × residual\n256, /2", "join")),
        *(("2 × residual\n512, /2", "join"), ("average\nof each map", "pool"), ("1000\nlogits", "linear")),
    ]
    chain(axes, parts, columns=5)
    show(
        figure,
        alt="ResNet-18 as a chain of boxes: a 7×7 convolution with stride 2 and a max-pool, then four pairs "
        "of residual blocks with 64, 128, 256 and 512 channels, of which the last three pairs halve the "
        "size, the average of each map, and one fully connected layer.",
    )


def gradients_by_depth(depths: Sequence[int], lines: Mapping[str, Sequence[float]]) -> None:
    """How much gradient reaches the first layer, by depth; measured."""
    figure, axes = canvas(height=2.8)
    marks, dashes = ("o", "s", "^"), ("-", "--", ":")
    for place, (name, norms) in enumerate(lines.items()):
        axes.plot(depths, norms, color=LINES[place], marker=marks[place], linestyle=dashes[place], label=name)
    axes.set(xlabel="convolutions between input and output", ylabel="gradient at the first", yscale="log")
    axes.set_xticks(list(depths))
    axes.legend()
    told = "; ".join(
        f"{name}: from {norms[0]:.2g} with {depths[0]} convolutions to {norms[-1]:.2g} with {depths[-1]}"
        for name, norms in lines.items()
    )
    show(figure, alt=f"The size of the gradient at the first convolution, by depth. {told}.")


def size_and_work(nets: Mapping[str, tuple[float, float, float]]) -> None:
    """Each network at its MACs and parameters, with its top-5 accuracy: (parameters, MACs, percent)."""
    figure, axes = canvas(height=3.8)
    marks = ("o", "s", "^", "D", "v")
    for place, (name, (parameters, macs, top5)) in enumerate(nets.items()):
        axes.plot(macs / 1e9, parameters / 1e6, marker=marks[place], markersize=10, color=LINES[place])
        text = f"{name}, {top5:.2f} %\n{parameters / 1e6:.1f} M, {macs / 1e9:.1f} G"
        below = name.startswith("ResNet-152")  # beside it stands another
        axes.annotate(
            text, (macs / 1e9, parameters / 1e6), (0, -9) if below else (10, 2), textcoords="offset points",
            ha="center" if below else "left", va="top" if below else "center", fontsize=9,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(0.5, 60), ylim=(3, 400))
    axes.set(xlabel="multiply-adds for one image, in billions (G)", ylabel="parameters, in millions (M)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    told = "; ".join(
        f"{name}: {macs / 1e9:.1f} billion multiply-adds, {parameters / 1e6:.1f} million parameters, "
        f"{top5:.2f} percent top-5"
        for name, (parameters, macs, top5) in nets.items()
    )
    show(figure, alt=f"Work across and size upward, both logarithmic. {told}.")


def points_curve() -> None:
    """From accuracy to points."""
    figure, axes = canvas(height=3.0)
    axes.plot([0, *(x for x, _ in KNOTS), 100], [0, *(y for _, y in KNOTS), KNOTS[-1][1]], color=BLUE)
    axes.plot([x for x, _ in KNOTS], [y for _, y in KNOTS], "o", color=BLUE)
    labels = (
        "chance",
        "linear model",
        "a small network",
        "wider,\nmore patience",
        "batch norm,\naugmentation",
    )
    for (x, y), label in zip(KNOTS, (*labels, "full points"), strict=True):
        above = y in (0, KNOTS[-1][1])
        axes.annotate(
            f"{x} %: {y}\n{label}", (x, y), (0, 6) if above else (8, -2), textcoords="offset points",
            ha="center" if above else "left", va="bottom" if above else "top", fontsize=9,
        )  # fmt: skip
    axes.set(xlabel="test accuracy, percent", ylabel="points", xlim=(0, 108), ylim=(-4, 90))
    axes.set_xticks(range(0, 101, 10))
    axes.axhline(KNOTS[-1][1], color=GRAY, linewidth=0.8, linestyle=":")
    told = ", ".join(f"{x} percent earn {y}" for x, y in KNOTS)
    show(
        figure,
        alt=f"Points by test accuracy, a line with bends: {told}; between two bends the line is straight, "
        "and above the last one it is flat.",
    )
