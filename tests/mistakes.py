"""What beginners get wrong in this lab: one mistake each in work that is right otherwise, and what it costs.

`MISTAKES` is a table. `write` makes a student's folder with the mistake in it; `lost` holds the rows that it
costs, by the ids of the grader's checks and of the rubric's questions. All other rows pass. Some entries cost
nothing: they look wrong, or are bad style, and a grader has to bear them.
"""

from __future__ import annotations

import ast
import io
import json
import pickle
import textwrap
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from students import LENET_CODE
from torch import nn

ROOT = Path(__file__).resolve().parent.parent

# All tasks solved, in the way students do, with a network that learns in a tenth of a second.
_TASK_1 = """\
import time

import torch
import torch.nn.functional as F
from torch import nn


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    arguments = (input_size, kernel_size, stride, padding)
    pairs = [(a, a) if isinstance(a, int) else a for a in arguments]
    sizes = []
    for i, k, s, p in zip(*pairs):
        if min(i, k, s) < 1 or p < 0 or k > i + 2 * p:
            raise ValueError("no such convolution")
        sizes.append((i + 2 * p - k) // s + 1)
    if all(isinstance(a, int) for a in arguments):
        return sizes[0]
    return tuple(sizes)


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    weights = out_channels * in_channels * height * width
    return weights + out_channels if bias else weights


"""
_TASK_3 = """

def preprocess(images):
    return (images.float() / 255 - 0.5) / 0.25


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = F.avg_pool2d(x, 4)  # 8x8
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)  # 16 maps of 4x4
        return self.fc(torch.flatten(x, 1))


def classifier():
    return Classifier()


def train_classifier(model, images, labels, *, device, seconds, seed):
    torch.manual_seed(seed)
    start = time.time()
    model.to(device)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for epoch in range(20):
        for rows in torch.randperm(len(images)).split(125):
            x, y = preprocess(images[rows].to(device)), labels[rows].to(device)
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if time.time() - start > 0.8 * seconds:
            break
    return {"train_loss": losses}


if __name__ == "__main__":
    import lab8_tools as tools

    images, labels = tools.load_cifar10("data", train=True)
    model = classifier()
    train_classifier(model, images, labels, device="cpu", seconds=600, seed=0)
    tools.save_weights(model)
"""
LAB8 = _TASK_1 + LENET_CODE + _TASK_3

# The rows, and which cannot pass without which.
FORMULA, FLOOR, PAIRS = "conv_size_formula", "conv_size_floor", "conv_size_pairs"
IMPOSSIBLE, BIAS, NONSQUARE = "conv_size_impossible", "conv_params_bias", "conv_params_nonsquare"
OUTPUT, PARAMETERS, MAPS = "lenet_output_shape", "lenet_parameter_shapes", "lenet_feature_maps"
SAME, GRADIENTS = "lenet_same_function", "lenet_gradients"
PREPROCESS, LOGITS = "classifier_preprocess", "classifier_logits"
TRAINS, WEIGHTS = "classifier_trains", "classifier_weights_load"
REST_ON = {
    FORMULA: (FLOOR, PAIRS, IMPOSSIBLE),
    BIAS: (NONSQUARE,),
    OUTPUT: (MAPS, SAME, GRADIENTS),
    PARAMETERS: (MAPS, SAME, GRADIENTS),
    MAPS: (GRADIENTS,),
}
SIZE, COUNT, LENET = (FORMULA,), (BIAS,), (OUTPUT, PARAMETERS)
NETWORK = (LOGITS, TRAINS, WEIGHTS)  # where there is no network, no weights fit it
CODE = (*SIZE, *COUNT, *LENET, PREPROCESS, *NETWORK)
Q1, Q2, Q3, Q4 = QUESTIONS = ("question_1", "question_2", "question_3", "question_4")
EVERYTHING = (*CODE, *QUESTIONS)

Files = dict[str, bytes]
Edit = Callable[[Files], object]


@dataclass(frozen=True)
class Mistake:
    """One mistake."""

    id: str
    task: str
    edits: tuple[Edit, ...]
    lost: frozenset[str]

    def files(self) -> Files:
        """What the student hands in, by path."""
        files = {
            "lab8.py": LAB8.encode(),
            "classifier.safetensors": _weights(LAB8),
            "answers.md": (ROOT / "solution" / "answers.md").read_bytes(),
        }
        for edit in self.edits:
            edit(files)
        return files

    def write(self, folder: Path) -> None:
        """Write what the student hands in into `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def m(name: str, *parts: Edit | str | tuple[str, ...]) -> Mistake:
    """A mistake's edits and the rows that it costs; the rows that rest on these are added."""
    edits = tuple(part for part in parts if callable(part))
    lost: set[str] = set()
    waiting = [
        row for part in parts if not callable(part) for row in ((part,) if isinstance(part, str) else part)
    ]
    while waiting:
        row = waiting.pop()
        lost.add(row)
        waiting += REST_ON.get(row, ())
    return Mistake(name, "", edits, frozenset(lost))


# --- edits -----------------------------------------------------------------------------------------


def swap(old: str, new: str) -> Edit:
    """Replace a piece of lab8.py, wherever it stands."""

    def edit(files: Files) -> None:
        text = files["lab8.py"].decode()
        assert old in text, old
        files["lab8.py"] = text.replace(old, new).encode()

    return edit


def instead(source: str) -> Edit:
    """Replace lab8.py's function or class of the same name, decorators and all."""
    source = textwrap.dedent(source).strip()

    def edit(files: Files) -> None:
        lines = files["lab8.py"].decode().splitlines()
        (new,) = ast.parse(source).body
        assert isinstance(new, ast.FunctionDef | ast.ClassDef)
        (old,) = (s for s in ast.parse("\n".join(lines)).body if getattr(s, "name", "") == new.name)
        lines[old.lineno - 1 : old.end_lineno] = source.splitlines()
        files["lab8.py"] = ("\n".join(lines) + "\n").encode()

    return edit


def begin(function: str, line: str) -> Edit:
    """Put lines at the beginning of lab8.py's function or method of this name, the first of it."""

    def edit(files: Files) -> None:
        lines = files["lab8.py"].decode().splitlines()
        at = next(n for n, text in enumerate(lines) if text.lstrip().startswith(f"def {function}("))
        indent = " " * (len(lines[at]) - len(lines[at].lstrip()) + 4)
        lines[at + 1 : at + 1] = [indent + part for part in line.splitlines()]
        files["lab8.py"] = ("\n".join(lines) + "\n").encode()

    return edit


def above(text: str) -> Edit:
    """Put lines at the top of lab8.py, below its imports."""
    last = "from torch import nn\n"
    return swap(last, last + textwrap.dedent(text))


def below(text: str) -> Edit:
    """Put lines at the end of lab8.py."""

    def edit(files: Files) -> None:
        files["lab8.py"] += textwrap.dedent(text).encode()

    return edit


def file(name: str, content: str | bytes | Callable[[], bytes]) -> Edit:
    """Hand in this file, too, or instead of the one of this name."""

    def edit(files: Files) -> None:
        found = content() if callable(content) else content
        files[name] = found.encode() if isinstance(found, str) else found

    return edit


def without(*names: str) -> Edit:
    def edit(files: Files) -> None:
        for name in names:
            del files[name]

    return edit


def rename(old: str, new: str) -> Edit:
    def edit(files: Files) -> None:
        files[new] = files.pop(old)

    return edit


def encoded(encoding: str, name: str = "lab8.py") -> Edit:
    """Save a file with a Chinese line in it, in another encoding."""

    def edit(files: Files) -> None:
        files[name] = ("# 第八次实验\n" + files[name].decode()).encode(encoding)

    return edit


def retrained(files: Files) -> None:
    """Save the weights of the network that the code builds now."""
    files["classifier.safetensors"] = _weights(files["lab8.py"].decode())


def weights(content: Callable[[nn.Module], object], name: str = "classifier.pt") -> Edit:
    """Hand in what torch.save makes of this of the network that the code builds."""

    def edit(files: Files) -> None:
        buffer = io.BytesIO()
        torch.save(content(_network(files["lab8.py"].decode())), buffer)
        del files["classifier.safetensors"]
        files[name] = buffer.getvalue()

    return edit


def notebook(
    change: Callable[[list[dict[str, Any]]], object] = lambda cells: None, name: str = "lab8.ipynb"
) -> Edit:
    """Hand in a notebook instead of lab8.py: a cell for each part of it, with `change` made to the cells."""

    def edit(files: Files) -> None:
        cells = [_cell(part) for part in files.pop("lab8.py").decode().split("\n\n\n")]
        change(cells)
        files[name] = _notebook(cells)

    return edit


def _notebook(cells: list[dict[str, Any]]) -> bytes:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()


def answers(old: str, new: str) -> Edit:
    """Replace a piece of answers.md."""

    def edit(files: Files) -> None:
        text = files["answers.md"].decode()
        assert old in text, old
        files["answers.md"] = text.replace(old, new).encode()

    return edit


def answer(number: int, text: str) -> Edit:
    """Replace one answer, below its question."""

    def edit(files: Files) -> None:
        parts = files["answers.md"].decode().split("## Question ")
        heading, asked = parts[number].split("\n\n")[:2]
        parts[number] = f"{heading}\n\n{asked}\n\n{text}\n\n"
        files["answers.md"] = "## Question ".join(parts).encode()

    return edit


def _cell(source: str, kind: str = "code") -> dict[str, Any]:
    more: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **more}


def _place(cells: list[dict[str, Any]], start: str) -> int:
    """Where the cell stands that begins so."""
    return next(n for n, cell in enumerate(cells) if cell["source"].startswith(start))


@cache
def _weights(code: str) -> bytes:
    return to_safetensors(_network(code).state_dict())


def _network(code: str = LAB8) -> nn.Module:
    """The network that this code builds: the same each time. It is code of this table, not a student's."""
    module: dict[str, Any] = {"__name__": "lab8"}
    torch.manual_seed(0)
    exec(code, module)
    network: nn.Module = module["classifier"]()
    return network


def _template(name: str) -> bytes:
    return (ROOT / "assignment" / name).read_bytes()


# --- task 1 ----------------------------------------------------------------------------------------

RESULT, REFUSE = "(i + 2 * p - k) // s + 1", 'raise ValueError("no such convolution")'
SIGNATURE = "conv_output_size(input_size, kernel_size, stride=1, padding=0)"
CHECKED = "if min(i, k, s) < 1 or p < 0 or k > i + 2 * p:"
PAIR = "[(a, a) if isinstance(a, int) else a for a in arguments]"
COUNTED = "return weights + out_channels if bias else weights"
NUMPY = above("import numpy as np\n")

result, refuse, pairs = partial(swap, RESULT), partial(swap, REFUSE), partial(swap, PAIR)
counted = partial(swap, COUNTED)


def signature(old: str, new: str) -> Edit:
    return swap(SIGNATURE, SIGNATURE.replace(old, new))


# fmt: off
CONV = [
    m("size-true-division", swap("// s + 1", "/ s + 1"), FLOOR),
    m("size-rounds-instead-of-floor", result("round((i + 2 * p - k) / s) + 1"), FLOOR),
    m("size-rounds-up", result("-(-(i + 2 * p - k) // s) + 1"), FLOOR),
    m("size-int-of-a-division", result("int((i + 2 * p - k) / s) + 1")),
    m("size-math-floor", result("math.floor((i + 2 * p - k) / s + 1)"), above("import math\n")),
    m("size-numpy-floor", result("np.floor((i + 2 * p - k) / s) + 1"), NUMPY, FLOOR),
    m("size-float", result("float((i + 2 * p - k) // s + 1)"), FLOOR),
    m("size-numpy-int", result("np.int64((i + 2 * p - k) // s + 1)"), NUMPY),
    m("size-tensor", result("torch.tensor((i + 2 * p - k) // s + 1)"), SIZE),
    m("size-string", result("str((i + 2 * p - k) // s + 1)"), SIZE),
    m("size-plus-one-missing", swap("// s + 1", "// s"), SIZE),
    m("size-plus-one-inside", result("(i + 2 * p - k + 1) // s"), SIZE),
    m("size-padding-once", result("(i + p - k) // s + 1"), SIZE),
    m("size-padding-forgotten", result("(i - k) // s + 1"), SIZE),
    m("size-padding-subtracted", result("(i - 2 * p - k) // s + 1"), SIZE),
    m("size-padding-times-stride", result("(i + s * p - k) // s + 1"), SIZE),
    m("size-kernel-forgotten", result("(i + 2 * p) // s + 1"), SIZE),
    m("size-stride-forgotten", result("i + 2 * p - k + 1"), SIZE),
    m("size-stride-as-dilation", result("i + 2 * p - s * (k - 1)"), SIZE),
    m("size-precedence", result("i + 2 * p - k // s + 1"), SIZE),
    m("size-transposed-convolution", result("(i - 1) * s - 2 * p + k"), SIZE),
    m("size-stride-and-padding-swapped", signature("stride=1, padding=0", "padding=0, stride=1"), SIZE),
    m("size-kernel-first", signature("input_size, kernel_size", "kernel_size, input_size"), SIZE),
    m("size-no-defaults", signature("stride=1, padding=0", "stride, padding"), SIZE),
    m("size-stride-like-pooling", signature("stride=1", "stride=2"), SIZE),
    m("size-keyword-only", signature("stride=1", "*, stride=1"), SIZE),
    m("size-one-more-argument", signature("padding=0", "padding=0, dilation=1")),
    m("size-arguments-renamed",
      signature("(input_size, kernel_size, stride=1, padding=0)", "(n, kernel, s=1, p=0)"),
      swap("(input_size, kernel_size, stride, padding)", "(n, kernel, s, p)")),
    m("size-takes-a-self", signature("(", "(self, "), SIZE),
    m("size-list-for-a-pair", swap("return tuple(sizes)", "return sizes")),
    m("size-torch-size-for-a-pair", swap("return tuple(sizes)", "return torch.Size(sizes)")),
    m("size-always-a-pair", swap("return sizes[0]", "return tuple(sizes)"), SIZE),
    m("size-never-a-pair", swap("return tuple(sizes)", "return sizes[0]"), PAIRS),
    m("size-width-first", swap("return tuple(sizes)", "return sizes[1], sizes[0]"), PAIRS),
    m("size-pair-only-for-a-pair-of-inputs",
      swap("all(isinstance(a, int) for a in arguments)", "isinstance(input_size, int)"), PAIRS),
    m("size-pairs-of-input-and-kernel-only",
      pairs(f"{PAIR[:-1]}[:2]] + [(stride, stride), (padding, padding)]"), PAIRS),
    m("size-pairs-must-be-lists", pairs("[a if isinstance(a, list) else (a, a) for a in arguments]"), PAIRS),
    m("size-no-pairs", instead("""
        def conv_output_size(input_size, kernel_size, stride=1, padding=0):
            room = input_size + 2 * padding - kernel_size
            if min(input_size, kernel_size, stride) < 1 or padding < 0 or room < 0:
                raise ValueError
            return room // stride + 1
    """), PAIRS),
    m("size-only-pairs", swap("pairs = " + PAIR, "pairs = [(a[0], a[1]) for a in arguments]"), SIZE),
    m("size-prints", swap("return sizes[0]", "print(sizes[0])"), SIZE),
    m("size-returns-too-early", swap("        sizes.append(", "        return sizes\n        sizes.append("),
      SIZE),
    m("size-prints-and-returns", begin("conv_output_size", "print(input_size, kernel_size)")),
    m("size-not-refused", refuse("pass"), IMPOSSIBLE),
    m("size-refused-with-type-error", swap("raise ValueError", "raise TypeError"), IMPOSSIBLE),
    m("size-refused-with-exception", swap("raise ValueError", "raise Exception"), IMPOSSIBLE),
    m("size-refused-with-assert",
      swap(CHECKED, "assert i > 0 and k > 0 and s > 0 and p >= 0 and k <= i + 2 * p\n        if False:"),
      IMPOSSIBLE),
    m("size-refused-with-none", refuse("return None"), IMPOSSIBLE),
    m("size-refused-with-a-print", refuse('print("ValueError")\n            return 0'), IMPOSSIBLE),
    m("size-error-returned", swap("raise ValueError", "return ValueError"), IMPOSSIBLE),
    m("size-error-caught", refuse(f"try:\n                {REFUSE}\n            except ValueError as e:\n"
      "                print(e)\n                return"), IMPOSSIBLE),
    m("size-own-kind-of-value-error", swap("raise ValueError", "raise NoSize"),
      above("class NoSize(ValueError):\n    pass\n")),
    m("size-stride-zero-divides", swap("min(i, k, s) < 1", "min(i, k) < 1"), IMPOSSIBLE),
    m("size-negative-padding-taken", swap(" or p < 0", ""), IMPOSSIBLE),
    m("size-too-large-a-kernel-taken", swap(" or k > i + 2 * p", ""), IMPOSSIBLE),
    m("size-uneven-stride-refused", swap("        sizes.append(",
      "        if (i + 2 * p - k) % s:\n            " + REFUSE + "\n        sizes.append("), FLOOR),
    m("size-kernel-that-just-fits-refused", swap("k > i + 2 * p", "k >= i + 2 * p"), IMPOSSIBLE),
    m("count-bias-for-each-weight", counted("return 2 * weights if bias else weights"), COUNT),
    m("count-one-bias-in-all", counted("return weights + bias"), COUNT),
    m("count-bias-always", counted("return weights + out_channels"), COUNT),
    m("count-bias-never", counted("return weights"), COUNT),
    m("count-bias-for-each-input", counted("return weights + in_channels if bias else weights"), COUNT),
    m("count-bias-for-each-kernel",
      counted("return weights + in_channels * out_channels if bias else weights"), COUNT),
    m("count-bias-off-by-default", swap("bias=True", "bias=False"), COUNT),
    m("count-bias-renamed", swap("bias=True", "use_bias=True"), swap("if bias", "if use_bias")),
    m("count-bias-without-default", swap("kernel_size, bias=True", "kernel_size, bias"), COUNT),
    m("count-bias-compared-with-a-string", swap("if bias else", 'if bias == "True" else'), COUNT),
    m("count-kernel-not-squared", swap("height * width", "height"), COUNT),
    m("count-inputs-forgotten", swap("out_channels * in_channels", "out_channels"), COUNT),
    m("count-channels-added", swap("out_channels * in_channels", "(out_channels + in_channels)"), COUNT),
    m("count-channels-swapped", swap("count(in_channels, out_channels", "count(out_channels, in_channels"),
      COUNT),
    m("count-float", swap("return weights +", "return 1.0 * weights +"), COUNT),
    m("count-prints", counted(COUNTED.replace("return ", "print(") + ")"), COUNT),
    m("count-height-squared", swap("height * width", "height * height"), NONSQUARE),
    m("count-no-pairs", swap("(kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size",
      "kernel_size, kernel_size"), NONSQUARE),
    m("count-numpy-product", swap("height * width", "np.prod([height, width])"), NUMPY),
    m("count-by-building-the-layer", instead("""
        def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
            layer = nn.Conv2d(in_channels, out_channels, kernel_size, bias=bias)
            return sum(p.numel() for p in layer.parameters())
    """)),
    m("count-forgets-that-parameters-is-a-method", instead("""
        def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
            layer = nn.Conv2d(in_channels, out_channels, kernel_size, bias=bias)
            return sum(p.numel() for p in layer.parameters)
    """), COUNT),
]
# fmt: on

# --- task 2 ----------------------------------------------------------------------------------------

RELU1, LAST, FLAT = "F.relu(self.conv1(x))", "return self.fc3(x)", "x = torch.flatten(x, 1)"
IN_LENET = "        x = F.max_pool2d(F.relu(self.conv1(x)), 2)\n"
FC3 = "self.fc3 = nn.Linear(84, 10)"


def lenet(old: str, new: str) -> Edit:
    """Replace a piece of LeNet5 alone."""

    def edit(files: Files) -> None:
        head, at, rest = files["lab8.py"].decode().partition("class LeNet5")
        body, end, tail = rest.partition("def lenet5()")
        assert old in body, old
        files["lab8.py"] = (head + at + body.replace(old, new) + end + tail).encode()

    return edit


flat, logits = partial(lenet, FLAT), partial(lenet, LAST)
lenet_built = partial(swap, "return LeNet5()")

# fmt: off
LENET5 = [
    m("lenet-sigmoid", lenet("F.relu", "torch.sigmoid"), SAME),
    m("lenet-tanh", lenet("F.relu", "torch.tanh"), SAME),
    m("lenet-leaky-relu", lenet("F.relu", "F.leaky_relu"), SAME),
    m("lenet-average-pooling", lenet("F.max_pool2d", "F.avg_pool2d"), SAME),
    m("lenet-softmax", logits("return F.softmax(self.fc3(x), dim=1)"), SAME),
    m("lenet-log-softmax", logits("return F.log_softmax(self.fc3(x), dim=1)"), SAME),
    m("lenet-relu-on-the-logits", logits("return F.relu(self.fc3(x))"), SAME),
    m("lenet-relu-missing-after-a-convolution", lenet(RELU1, "self.conv1(x)"), SAME),
    m("lenet-relu-missing-between-linear-layers", lenet("F.relu(self.fc1(x))", "self.fc1(x)"), SAME),
    m("lenet-relu-before-the-convolution", lenet(RELU1, "self.conv1(F.relu(x))"), SAME),
    m("lenet-relu-after-the-pooling",
      lenet("F.max_pool2d(F.relu(self.conv1(x)), 2)", "F.relu(F.max_pool2d(self.conv1(x), 2))")),
    m("lenet-relu-result-dropped", lenet("x = F.relu(self.fc1(x))", "x = self.fc1(x)\n        F.relu(x)"),
      SAME),
    m("lenet-relu-class-for-function", lenet("F.relu(", "nn.ReLU("), OUTPUT),
    m("lenet-pooling-class-for-function", lenet("F.max_pool2d(", "nn.MaxPool2d("), OUTPUT),
    m("lenet-relu-misspelt", lenet("F.relu(", "F.Relu("), OUTPUT),
    m("lenet-dropout-obeys-eval", flat("x = F.dropout(torch.flatten(x, 1), 0.5, self.training)")),
    m("lenet-dropout-always", flat("x = F.dropout(torch.flatten(x, 1), 0.5)"), SAME),
    m("lenet-batch-norm", lenet("self.conv2 = ", "self.norm = nn.BatchNorm2d(6)\n        self.conv2 = "),
      lenet("self.conv1(x)", "self.norm(self.conv1(x))"), PARAMETERS),
    m("lenet-one-layer-more", lenet(FC3, FC3 + "\n        self.fc4 = nn.Linear(10, 10)"),
      logits("return self.fc4(self.fc3(x))"), PARAMETERS),
    m("lenet-one-layer-less", lenet("nn.Linear(400, 120)", "nn.Linear(400, 84)"),
      lenet("        x = F.relu(self.fc2(x))\n", ""), lenet("        self.fc2 = nn.Linear(120, 84)\n", ""),
      PARAMETERS),
    m("lenet-a-layer-is-not-used", lenet("x = F.relu(self.fc2(x))", "x = x[:, :84]"), SAME, MAPS),
    m("lenet-padding-2-as-for-28x28", lenet("(1, 6, 5)", "(1, 6, 5, padding=2)"), OUTPUT),
    m("lenet-padding-2-and-a-larger-layer", lenet("(1, 6, 5)", "(1, 6, 5, padding=2)"),
      lenet("(400,", "(576,"), PARAMETERS),
    m("lenet-for-28x28-images", lenet("(400,", "(256,"), LENET),
    m("lenet-3x3-kernels", lenet("(1, 6, 5)", "(1, 6, 3)"), lenet("(6, 16, 5)", "(6, 16, 3)"),
      lenet("(400,", "(576,"), PARAMETERS),
    m("lenet-for-colour-images", lenet("(1, 6, 5)", "(3, 6, 5)"), LENET),
    m("lenet-without-biases", lenet("(6, 16, 5)", "(6, 16, 5, bias=False)"), PARAMETERS),
    m("lenet-eleven-classes", lenet("(84, 10)", "(84, 11)"), LENET),
    m("lenet-channels-swapped", lenet("(6, 16, 5)", "(16, 6, 5)"), LENET),
    m("lenet-pooling-with-stride-1", lenet("F.relu(self.conv1(x)), 2)", "F.relu(self.conv1(x)), 2, 1)"),
      OUTPUT),
    m("lenet-one-pooling-missing", lenet("F.max_pool2d(F.relu(self.conv2(x)), 2)", "F.relu(self.conv2(x))"),
      OUTPUT),
    m("lenet-flattens-the-batch-too", flat("x = torch.flatten(x)"), OUTPUT),
    m("lenet-flatten-forgotten", lenet("        " + FLAT + "\n", ""), OUTPUT),
    m("lenet-reshape", flat("x = x.reshape(-1, 400)")),
    m("lenet-view-with-the-batch-size", flat("x = x.view(x.size(0), -1)")),
    m("lenet-batch-size-fixed", flat("x = x.view(64, 400)"), OUTPUT),
    m("lenet-batch-size-one", flat("x = x.reshape(1, -1)"), OUTPUT),
    m("lenet-squeezes", logits("return self.fc3(x).squeeze()"), OUTPUT),
    m("lenet-layers-made-in-forward", lenet(RELU1, "F.relu(nn.Conv2d(1, 6, 5)(x))"), SAME, MAPS),
    m("lenet-all-layers-made-in-forward", instead("""
        class LeNet5(nn.Module):
            def forward(self, x):
                x = F.max_pool2d(F.relu(nn.Conv2d(1, 6, 5)(x)), 2)
                x = F.max_pool2d(F.relu(nn.Conv2d(6, 16, 5)(x)), 2)
                x = F.relu(nn.Linear(400, 120)(torch.flatten(x, 1)))
                return nn.Linear(84, 10)(F.relu(nn.Linear(120, 84)(x)))
    """), PARAMETERS),
    m("lenet-layers-in-a-list", lenet("self.conv1 = nn.Conv2d(1, 6, 5)", "self.convs = [nn.Conv2d(1, 6, 5)]"),
      lenet("self.conv1(x)", "self.convs[0](x)"), PARAMETERS),
    m("lenet-sequential", instead("""
        def lenet5():
            relu, pool = nn.ReLU(), nn.MaxPool2d(2)
            return nn.Sequential(
                nn.Conv2d(1, 6, 5), relu, pool, nn.Conv2d(6, 16, 5), relu, pool, nn.Flatten(),
                nn.Linear(400, 120), relu, nn.Linear(120, 84), relu, nn.Linear(84, 10))
    """)),
    m("lenet-sequential-with-a-comma-missing", instead("""
        def lenet5():
            return nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)
                                 (nn.Conv2d(6, 16, 5)), nn.Flatten(), nn.Linear(400, 10))
    """), LENET),
    m("lenet-lazy-layers", lenet("nn.Linear(400, ", "nn.LazyLinear(")),
    m("lenet-class-not-instance", lenet_built("return LeNet5"), LENET),
    m("lenet-return-forgotten", lenet_built("LeNet5()"), LENET),
    m("lenet-is-the-class", instead("def lenet5():\n    pass"),
      swap("def lenet5():\n    pass", "lenet5 = LeNet5")),
    m("lenet-needs-an-argument", swap("def lenet5():", "def lenet5(num_classes):"), LENET),
    m("lenet-has-an-argument", swap("def lenet5():", "def lenet5(num_classes=10):")),
    m("lenet-the-same-one-each-time",
      swap("def lenet5():\n    return LeNet5()", "NET = LeNet5()\n\n\ndef lenet5():\n    return NET")),
    m("lenet-super-init-forgotten", lenet("        super().__init__()\n", ""), LENET),
    m("lenet-self-forgotten", lenet("self.conv2 = ", "conv2 = "), OUTPUT, PARAMETERS),
    m("lenet-forward-misspelt", lenet("def forward", "def foward"), OUTPUT),
    m("lenet-forward-outside-the-class",
      lenet("    def forward(self, x):\n", "\ndef forward(self, x):\n    if True:\n"), OUTPUT),
    m("lenet-init-misspelt", lenet("def __init__", "def _init_"), LENET),
    m("lenet-forward-without-self", lenet("forward(self, x)", "forward(x)"), OUTPUT),
    m("lenet-forward-prints", logits("print(self.fc3(x))"), OUTPUT),
    m("lenet-forward-prints-shapes", begin("forward", "print(x.shape)")),
    m("lenet-two-outputs", logits("return x, self.fc3(x)"), OUTPUT),
    m("lenet-class-not-logits", logits("return self.fc3(x).argmax(dim=1)"), OUTPUT),
    m("lenet-no-grad-in-forward", lenet("    def forward", "    @torch.no_grad()\n    def forward"),
      GRADIENTS),
    m("lenet-detaches", lenet("torch.flatten(x, 1)", "torch.flatten(x, 1).detach()"), GRADIENTS),
    m("lenet-data", lenet("self.fc2(x)", "self.fc2(x.data)"), GRADIENTS),
    m("lenet-numpy-in-forward", flat("x = torch.from_numpy(x.numpy().reshape(-1, 400))"), GRADIENTS),
    m("lenet-frozen", lenet_built("return LeNet5().requires_grad_(False)"), GRADIENTS),
    m("lenet-on-the-gpu", lenet_built("return LeNet5().cuda()"), LENET),
    m("lenet-input-to-the-gpu", begin("forward", 'x = x.to("cuda")'), OUTPUT),
    m("lenet-summary-of-a-missing-package",
      begin("lenet5", "from torchsummary_x import summary\nsummary(LeNet5())"), LENET),
]
# fmt: on

# --- task 3 ----------------------------------------------------------------------------------------

READY = "return (images.float() / 255 - 0.5) / 0.25"
UNUSABLE = (PREPROCESS, LOGITS, TRAINS)
ready = partial(swap, READY)

# fmt: off
PREPARED = [
    m("preprocess-not-divided", ready("return images.float()")),
    m("preprocess-not-float", ready("return images"), UNUSABLE),
    m("preprocess-integer-division", ready("return images // 255"), UNUSABLE),
    m("preprocess-divides-in-place", ready("images.div_(255)\n    return images"), UNUSABLE),
    m("preprocess-halves-its-input", ready("images //= 2\n    " + READY), PREPROCESS),
    m("preprocess-float-in-place", ready("images = images.float()\n    images /= 255\n    return images")),
    m("preprocess-black-pixels-in-place", ready("images[images < 60] = 0\n    " + READY), PREPROCESS),
    m("preprocess-mean-of-the-batch", ready("x = images.float()\n    return (x - x.mean()) / x.std()"),
      PREPROCESS, LOGITS),
    m("preprocess-mean-of-each-image",
      ready("x = images.float()\n    return (x - x.mean(dim=(1, 2, 3), keepdim=True)) / 64")),
    m("preprocess-maximum-of-the-batch", ready("x = images.float()\n    return x / x.amax(0)"), PREPROCESS,
      LOGITS),
    m("preprocess-adds-noise", ready("x = images.float() / 255\n    return x + 0.3 * torch.randn_like(x)"),
      PREPROCESS, LOGITS),
    m("preprocess-numpy", ready('return images.numpy().astype("float32") / 255'), UNUSABLE),
    m("preprocess-channels-last", ready("return images.permute(0, 2, 3, 1).float() / 255"), LOGITS, TRAINS),
    m("preprocess-cuda", ready("return images.cuda().float() / 255"), UNUSABLE),
    m("preprocess-mean-without-view", ready("return images.float() / 255 - torch.tensor([0.49, 0.48, 0.45])"),
      UNUSABLE),
    m("preprocess-to-tensor",
      ready("from torchvision.transforms import ToTensor\n    return ToTensor()(images)"), UNUSABLE),
    m("preprocess-normalize-of-bytes",
      ready("from torchvision.transforms import Normalize\n    return Normalize(0.5, 0.25)(images)"),
      UNUSABLE),
    m("preprocess-normalize", ready(
        "from torchvision import transforms\n"
        "    return transforms.Normalize((0.5,) * 3, (0.25,) * 3)(images / 255)")),
    m("preprocess-double", ready("return images.double() / 255"), LOGITS, TRAINS),
    m("preprocess-half", ready("return images.half() / 255"), LOGITS, TRAINS),
    m("preprocess-tensor-of-a-tensor", ready("return torch.tensor(images, dtype=torch.float32) / 255")),
    m("preprocess-one-image-only", ready("return images[:1].float() / 255"), UNUSABLE),
    m("preprocess-one-dimension-more", ready("return images.float().unsqueeze(0) / 255"), UNUSABLE),
    m("preprocess-prints", ready("print(images.float() / 255)"), UNUSABLE),
    m("preprocess-nan", swap("/ 0.25", "/ 0.0"), UNUSABLE),
    m("preprocess-needs-an-argument", swap("preprocess(images)", "preprocess(images, train)"), UNUSABLE),
    m("preprocess-has-an-argument", swap("def preprocess(images)", "def preprocess(images, train=False)")),
    m("preprocess-list-of-images", ready("return [image.float() / 255 for image in images]"), UNUSABLE),
]
# fmt: on

OUT = "return self.fc(torch.flatten(x, 1))"
FC = "nn.Linear(256, 10)"
out, last, built = partial(swap, OUT), partial(swap, FC), partial(swap, "return Classifier()")


def first(line: str) -> Edit:
    """Put a line at the beginning of the network's forward."""
    start = "        x = F.avg_pool2d"
    return swap(start, f"        {line}\n{start}")


# fmt: off
NETWORKS = [
    m("classifier-softmax", out("return F.softmax(self.fc(torch.flatten(x, 1)), dim=1)")),
    m("classifier-log-softmax", out("return F.log_softmax(self.fc(torch.flatten(x, 1)), dim=1)")),
    m("classifier-nine-classes", last("nn.Linear(256, 9)"), retrained, LOGITS, TRAINS),
    m("classifier-hundred-classes", last("nn.Linear(256, 100)"), retrained, LOGITS, TRAINS),
    m("classifier-wrong-size-after-flatten", last("nn.Linear(1024, 10)"), retrained, LOGITS, TRAINS),
    m("classifier-flatten-forgotten", out("return self.fc(x)"), LOGITS, TRAINS),
    m("classifier-for-grey-images", swap("nn.Conv2d(3, 16", "nn.Conv2d(1, 16"), retrained, LOGITS, TRAINS),
    m("classifier-one-dimension-more", out(OUT + "[:, :, None, None]"), LOGITS, TRAINS),
    m("classifier-squeezes", out(OUT + ".squeeze()"), LOGITS),
    m("classifier-returns-classes", out(OUT + ".argmax(dim=1)"), LOGITS, TRAINS),
    m("classifier-nan", out(OUT + " / 0"), LOGITS, TRAINS),
    m("classifier-forward-returns-nothing", out(OUT.removeprefix("return ")), LOGITS, TRAINS),
    m("classifier-batch-norm-without-averages",
      swap("BatchNorm2d(16)", "BatchNorm2d(16, track_running_stats=False)"), retrained, LOGITS),
    m("classifier-mean-of-the-batch", first("x = x - x.mean(dim=0)"), LOGITS),
    m("classifier-dropout-always", out("return self.fc(F.dropout(torch.flatten(x, 1), 0.5))"), LOGITS),
    m("classifier-random-in-forward", first("x = x + 0.5 * torch.randn_like(x)"), LOGITS),
    m("classifier-the-same-one-each-time", swap("def classifier():\n    return Classifier()",
      "NET = Classifier()\n\n\ndef classifier():\n    return NET")),
    m("classifier-weights-tied",
      last("nn.Linear(256, 10)\n        self.a = nn.Linear(10, 10)\n        self.b = self.a"),
      out(OUT.replace("self.fc(", "self.b(self.a(self.fc(") + "))"), weights(lambda net: net.state_dict())),
    m("classifier-layers-in-a-list", last(f"{FC}\n        self.more = [nn.Linear(10, 10)]"),
      out(OUT.replace("self.fc(", "self.more[0](self.fc(") + ")"), retrained),
    m("classifier-class-not-instance", built("return Classifier"), NETWORK),
    m("classifier-is-an-instance",
      swap("def classifier():\n    return Classifier()", "classifier = Classifier()"), NETWORK),
    m("classifier-lambda",
      swap("def classifier():\n    return Classifier()", "classifier = lambda: Classifier()")),
    m("classifier-data-parallel", built("return nn.DataParallel(Classifier())")),
    m("classifier-return-forgotten", built("Classifier()"), NETWORK),
    m("classifier-needs-an-argument", swap("def classifier():", "def classifier(width):"), NETWORK),
    m("classifier-on-the-gpu", built("return Classifier().cuda()"), NETWORK),
    m("classifier-input-to-the-gpu", first("x = x.cuda()"), LOGITS, TRAINS),
    m("classifier-pretrained", instead("""
        def classifier():
            from torchvision.models import resnet18
            net = resnet18(weights="DEFAULT")
            net.fc = nn.Linear(512, 10)
            return net
    """), NETWORK),
    m("classifier-reads-its-weights", built(
        "from safetensors.torch import load_file\n"
        "    net = Classifier()\n"
        "    net.load_state_dict(load_file('classifier.safetensors'))\n"
        "    return net")),
    m("classifier-result-of-load-state-dict", built(
        "from safetensors.torch import load_file\n"
        "    return Classifier().load_state_dict(load_file('classifier.safetensors'))"), NETWORK),
    m("classifier-a-second-output-while-training",
      out("x = torch.flatten(x, 1)\n        return (self.fc(x), x) if self.training else self.fc(x)"),
      swap("F.cross_entropy(model(x), y)", "F.cross_entropy(model(x)[0], y)")),
]
# fmt: on

STEP = "            optimizer.step()\n"
BACKWARD = "            loss.backward()\n"
ZERO = "            optimizer.zero_grad()\n"
RETURN = 'return {"train_loss": losses}'
TRAINER = "train_classifier(model, images, labels, *, device, seconds, seed)"
returned = partial(swap, RETURN)


def trainer(old: str, new: str) -> Edit:
    return swap(TRAINER, TRAINER.replace(old, new))


# fmt: off
TRAINING = [
    m("train-zero-grad-forgotten-at-a-small-rate", swap(ZERO, ""),
      swap("Adam(model.parameters(), lr=0.01)", "SGD(model.parameters(), lr=0.001)")),
    m("train-backward-forgotten", swap(BACKWARD, ""), TRAINS),
    m("train-step-forgotten", swap(STEP, ""), TRAINS),
    m("train-step-not-called", swap("optimizer.step()", "optimizer.step"), TRAINS),
    m("train-backward-not-called", swap("loss.backward()", "loss.backward"), TRAINS),
    m("train-mode-not-called", swap("model.train()", "model.train")),
    m("train-zero-grad-after-backward", swap(BACKWARD, BACKWARD + ZERO), TRAINS),
    m("train-loss-maximised", swap("loss.backward()", "(-loss).backward()"), TRAINS),
    m("train-loss-detached",
      swap(BACKWARD, "            loss = torch.tensor(loss.item(), requires_grad=True)\n" + BACKWARD),
      TRAINS),
    m("train-a-new-model", begin("train_classifier", "model = classifier()"), TRAINS),
    m("train-a-copy", begin("train_classifier", "import copy\nmodel = copy.deepcopy(model)"), TRAINS),
    m("train-optimizer-of-another-model", swap("Adam(model.parameters()", "Adam(classifier().parameters()"),
      TRAINS),
    m("train-under-no-grad", swap("def train_classifier", "@torch.no_grad()\ndef train_classifier"), TRAINS),
    m("train-in-evaluation-mode", swap("model.train()", "model.eval()")),
    m("train-learning-rate-far-too-large", swap("lr=0.01", "lr=1e30"), TRAINS),
    m("train-learning-rate-zero", swap("lr=0.01", "lr=0.0"), TRAINS),
    m("train-loss-arguments-swapped", swap("F.cross_entropy(model(x), y)", "F.cross_entropy(y, model(x))"),
      TRAINS),
    m("train-loss-class-for-function",
      swap("F.cross_entropy(model(x), y)", "nn.CrossEntropyLoss(model(x), y)"), TRAINS),
    m("train-loss-item-too-early", swap("(model(x), y)", "(model(x), y).item()"), TRAINS),
    m("train-labels-from-one", swap("(model(x), y)", "(model(x), y + 1)"), TRAINS),
    m("train-labels-as-floats", swap("F.cross_entropy(model(x), y)", "F.cross_entropy(model(x), y.float())"),
      TRAINS),
    m("train-without-preprocess", swap("preprocess(images[rows].to(device))", "images[rows].to(device)"),
      TRAINS),
    m("train-device-ignored", swap("    model.to(device)\n", ""),
      swap("images[rows].to(device)", "images[rows]"), swap("labels[rows].to(device)", "labels[rows]")),
    m("train-on-cuda", swap("model.to(device)", "model.cuda()"), TRAINS),
    m("train-for-ever", swap("    for epoch in range(20):", "    epoch = 0\n    while epoch < 20:"),
      swap("        if time.time() - start > 0.8 * seconds:\n            break\n", ""), TRAINS),
    m("train-prints-its-progress", swap("        if time",
      '        print(f"epoch {epoch}: {losses[-1]:.3f}", flush=True)\n        if time')),
    m("train-raises-in-its-last-line", returned("print(accuracy)\n    " + RETURN), TRAINS),
    m("train-yields",
      swap("            losses.append(", "            yield loss\n            losses.append("), TRAINS),
    m("train-history-of-tensors", swap("loss.item()", "loss")),
    m("train-returns-nothing", swap("    " + RETURN + "\n", "")),
    m("train-returns-the-model", returned("return model")),
    m("train-seed-renamed", swap("seconds, seed)", "seconds, random_seed)"),
      swap("manual_seed(seed)", "manual_seed(random_seed)"), TRAINS),
    m("train-without-keyword-only", trainer("*, ", "")),
    m("train-positional-only", trainer("*, device, seconds, seed", "device, seconds, seed, /"), TRAINS),
    m("train-no-seed", swap(", seconds, seed)", ", seconds)"), swap("    torch.manual_seed(seed)\n", ""),
      TRAINS),
    m("train-any-keyword", trainer("*, device, seconds, seed", "**kw"),
      begin("train_classifier", 'device, seconds, seed = kw["device"], kw["seconds"], kw["seed"]')),
    m("train-images-before-model", trainer("model, images, labels", "images, labels, model"), TRAINS),
    m("train-global-images", swap("len(images)", "len(train_images)"), TRAINS),
    m("train-data-loader-with-workers", swap("torch.randperm(len(images)).split(125)",
      "torch.utils.data.DataLoader(range(len(images)), batch_size=125, shuffle=True, num_workers=2)"),
      swap("range(20)", "range(8)")),
    m("train-downloads",
      begin("train_classifier", 'from torchvision.datasets import CIFAR10\nCIFAR10("data", download=True)'),
      TRAINS),
    m("train-reads-a-file-at-home", begin("train_classifier", 'torch.load("/home/me/cifar10/train.pt")'),
      TRAINS),
    m("train-resumes-from-a-checkpoint",
      begin("train_classifier", 'model.load_state_dict(torch.load("best.pt"))'), TRAINS),
    m("train-saves-and-loads-the-best", returned(
        "torch.save(model.state_dict(), 'best.pt')\n"
        f"    model.load_state_dict(torch.load('best.pt'))\n    {RETURN}")),
    m("train-plots", returned(
        "import matplotlib.pyplot as plt\n"
        f"    plt.plot(losses)\n    plt.savefig('loss.png')\n    plt.show()\n    {RETURN}")),
    m("train-asks-at-the-keyboard", begin("train_classifier", 'epochs = int(input("epochs? "))'), TRAINS),
    m("train-ends-the-program", returned("import sys\n    sys.exit(0)"), TRAINS),
    m("train-needs-a-missing-package", begin("train_classifier", "import wandb_x\nwandb_x.init()"), TRAINS),
    m("train-needs-lab8-tools",
      returned("import lab8_tools\n    lab8_tools.save_weights(model)\n    " + RETURN), TRAINS),
]
# fmt: on

# --- imports and the top level ---------------------------------------------------------------------

HELPER = "from torch import nn\n\n\ndef make_head():\n    return nn.Linear(256, 10)\n"

# fmt: off
IMPORTS = [
    m("import-of-a-missing-package-unused", above("import seaborn_x as sns\nfrom tqdm_x import tqdm\n")),
    m("import-of-a-missing-package-used", above("from tqdm_x import tqdm\n"),
      swap("in range(20)", "in tqdm(range(20))"), TRAINS),
    m("import-of-lab8-tools-at-the-top", above("import lab8_tools as tools\n")),
    m("import-of-a-helper-beside", above("from heads import make_head\n"), last("make_head()"),
      file("heads.py", HELPER)),
    m("import-of-a-helper-left-at-home", above("from heads import make_head\n"), last("make_head()"),
      NETWORK),
    m("import-of-a-helper-in-a-folder", above("from models.heads import make_head\n"), last("make_head()"),
      file("models/heads.py", HELPER)),
    m("import-of-functional-forgotten", swap("import torch.nn.functional as F\n", ""), OUTPUT, LOGITS,
      TRAINS),
    m("import-of-nn-under-another-name", swap("from torch import nn\n", "import torch.nn as nn\n")),
    m("import-of-numpy-forgotten", ready(READY + " * np.float32(1)"), UNUSABLE),
    m("import-from-colab", above('from google.colab import drive\ndrive.mount("/content/drive")\n')),
]
# fmt: on

IN_MAIN = 'if __name__ == "__main__":\n    import lab8_tools as tools\n\n'
COUNT_HEAD = "def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):\n"


def _with_one_misspelt() -> bytes:
    """The template with one task solved, under a name that is not quite right."""
    stub = 'raise NotImplementedError("Task 1b: write conv_parameter_count")'
    text = _template("lab8.py").decode()
    assert stub in text
    text = text.replace(stub, "return out_channels * (in_channels * kernel_size**2 + bias)")
    return text.replace("def conv_parameter_count", "def conv_parameters_count").encode()


# fmt: off
TOP_LEVEL = [
    m("top-trains-without-a-main-guard", swap(IN_MAIN, "import lab8_tools as tools\n\nif True:\n")),
    m("top-loads-weights",
      below('\nnet = classifier().load_state_dict(torch.load("classifier.pt"))\nnet.eval()\n')),
    m("top-loads-data",
      above('\nfrom torchvision.datasets import CIFAR10\ntrain_set = CIFAR10("data", download=True)\n')),
    m("top-loads-data-for-the-mean", swap("- 0.5)", "- MEAN)"), above("""
        import lab8_tools as tools
        MEAN = tools.load_cifar10("data", train=True)[0].float().mean()
    """), UNUSABLE),
    m("top-exits", above("\nexit()\n")),
    m("top-asserts-what-is-not-so",
      below("\nassert conv_output_size(32, 5) == 27\nprint(lenet5()(torch.zeros(1, 3, 28, 28)))\n")),
    m("top-changes-folder", above('\nimport os\nos.chdir("/content/drive/MyDrive/lab8")\n')),
    m("top-device", above('\ndevice = torch.device("cuda" if torch.cuda.is_available() else "cpu")\n'),
      lenet_built("return LeNet5().to(device)")),
    m("top-device-is-cuda", above('\nDEVICE = "cuda"\n'), lenet_built("return LeNet5().to(DEVICE)"), LENET),
    m("top-constant-under-main",
      swap("    model = classifier()\n", "    model = classifier()\n    RATE = 0.01\n"),
      swap("lr=0.01", "lr=RATE"), TRAINS),
    m("top-name-misspelt", swap("def lenet5()", "def lenet_5()"), LENET),
    m("top-name-misspelt-in-the-only-work", file("lab8.py", _with_one_misspelt),
      file("lab8.ipynb", lambda: _template("lab8.ipynb")), CODE),
    m("top-name-in-capitals", swap("def conv_output_size", "def Conv_Output_Size"), SIZE),
    m("top-function-in-a-class", swap("def preprocess(images):\n    return",
      "class Prepare:\n    def preprocess(images):\n        return"), swap("x, y = preprocess(",
      "x, y = Prepare.preprocess("), UNUSABLE),
    m("top-function-in-a-function", swap(COUNT_HEAD, "def task_1b():\n  " + COUNT_HEAD), COUNT),
    m("top-function-under-main", swap("def preprocess(images):\n    return",
      'if __name__ == "__main__":\n    def preprocess(images):\n        return'), UNUSABLE),
    m("top-stub-below-the-work",
      below('\n\ndef lenet5():\n    raise NotImplementedError("Task 2: write lenet5")\n'), LENET),
    m("top-stub-left-below-the-return",
      lenet_built('return LeNet5()\n    raise NotImplementedError("Task 2: write lenet5")')),
    m("top-stub-left-above-the-work", begin("lenet5", 'raise NotImplementedError("Task 2: write lenet5")'),
      LENET),
    m("top-stub-commented-out", begin("lenet5", '# raise NotImplementedError("Task 2: write lenet5")')),
    m("top-function-overwritten-by-its-result", below("\nconv_output_size = conv_output_size(32, 5)\n"),
      SIZE),
    m("top-builtin-overwritten", above("\nmin = 3\n"), SIZE),
    m("top-returns-not-indented", swap("    " + READY, READY), UNUSABLE),
    m("top-line-indented-too-far", swap("    weights = ", "      weights = "), COUNT),
    m("top-tab-among-spaces", swap("    weights = ", "\tweights = "), COUNT),
    m("top-tabs-below-a-docstring",
      swap(COUNT_HEAD, f'{COUNT_HEAD}    """Return how many numbers it learns:\n\n    all.\n    """\n'),
      *(swap(f"    {line}", f"\t{line}") for line in ("height, width =", "weights = ", COUNTED)), COUNT),
    m("top-tabs-throughout",
      lambda files: files.update({"lab8.py": files["lab8.py"].replace(b"    ", b"\t")})),
    m("top-bracket-left-open", swap("return (images.float()", "return ((images.float()"), UNUSABLE),
    m("top-colon-forgotten", swap("def preprocess(images):", "def preprocess(images)"), UNUSABLE),
    m("top-single-equals-sign", swap("if bias else", "if bias = True else"), COUNT),
    m("top-chinese-colon", swap("zip(*pairs):", "zip(*pairs)："), SIZE),
    m("top-chinese-brackets", swap("def preprocess(images):", "def preprocess（images）："), UNUSABLE),
    m("top-chinese-comma", swap("_channels, kernel_size, bias", "_channels， kernel_size， bias"), COUNT),
    m("top-chinese-names", swap("weights", "权重"), swap("save_权重", "save_weights")),
    m("top-no-break-space", swap("    weights = ", "\u00a0   weights = "), COUNT),
    m("top-string-left-open", swap('"no such convolution"', '"no such convolution'), IMPOSSIBLE),
    m("top-docstring-left-open", begin("preprocess", '"""Turn images into floats.'), UNUSABLE),
    m("top-annotation-not-imported", swap("def lenet5():", "def lenet5() -> Module:"), LENET),
    m("top-default-device-is-cuda", above('torch.set_default_device("cuda")\n')),
    m("top-smart-quotes", swap('"no such convolution"', "“no such convolution”"), IMPOSSIBLE),
    m("top-python-2-print", below('\n\ndef report():\n    print "accuracy", 0.7\n')),
    m("top-prompts-copied",
      swap("def preprocess(images):\n    return", ">>> def preprocess(images):\n...     return"), UNUSABLE),
    m("top-merge-conflict", swap("    weights = ", "<<<<<<< HEAD\n    weights = "),
      counted("return weights\n=======\n    " + COUNTED + "\n>>>>>>> theirs"), COUNT),
    m("top-windows-line-ends",
      lambda files: files.update({"lab8.py": files["lab8.py"].replace(b"\n", b"\r\n")})),
]
# fmt: on

# --- files -----------------------------------------------------------------------------------------


def _archive(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _zipped(files: Files) -> None:
    content = _archive(files)
    files.clear()
    files["lab8.zip"] = content


def _as_7z(files: Files) -> None:
    files.clear()
    files["lab8.7z"] = b"7z\xbc\xaf\x27\x1c" + bytes(99)


def _in_a_folder(files: Files) -> None:
    for name in list(files):
        files[f"my lab/final/{name}"] = files.pop(name)


def _in_two_halves(files: Files) -> None:
    """Task 1 in lab8.py, the rest in the notebook, where task 1 is open."""
    head, at, rest = files["lab8.py"].decode().partition("class LeNet5")
    imports, task_1 = head.split("\n\n\n", 1)
    stubs = (
        "def conv_output_size(input_size, kernel_size, stride=1, padding=0):\n    raise NotImplementedError"
    )
    files["lab8.py"] = f"{imports}\n\n\n{task_1}".encode()
    files["lab8.ipynb"] = _notebook([_cell(part) for part in (imports, stubs, *(at + rest).split("\n\n\n"))])


# fmt: off
FILES = [
    m("file-nothing-wrong"),
    m("file-bom", encoded("utf-8-sig")),
    m("file-gbk", encoded("gbk")),
    m("file-utf-16", encoded("utf-16")),
    m("file-capitals", rename("lab8.py", "Lab8.PY")),
    m("file-downloaded-twice", rename("lab8.py", "lab8 (2).py")),
    m("file-chinese-name", rename("lab8.py", "实验八_张三.py")),
    m("file-main", rename("lab8.py", "main.py")),
    m("file-txt", rename("lab8.py", "lab8.txt")),
    m("file-py-txt", rename("lab8.py", "lab8.py.txt")),
    m("file-without-extension", rename("lab8.py", "lab8")),
    m("file-docx", rename("lab8.py", "lab8.docx"), CODE),
    m("file-only-an-html-page", file("lab8.html", "<html><body><pre>def lenet5(): ...</pre></body></html>"),
      without("lab8.py"), CODE),
    m("file-compiled", file("__pycache__/lab8.cpython-311.pyc", b"\xa7\r\r\n" + bytes(99)),
      without("lab8.py"), CODE),
    m("file-empty", file("lab8.py", ""), CODE),
    m("file-untouched-template", file("lab8.py", lambda: _template("lab8.py")), CODE),
    m("file-only-the-tools", file("lab8_tools.py", lambda: _template("lab8_tools.py")), without("lab8.py"),
      CODE),
    m("file-with-tools-and-selftest", file("lab8_tools.py", lambda: _template("lab8_tools.py")),
      file("selftest.py", lambda: _template("selftest.py"))),
    m("file-in-folders", _in_a_folder),
    m("file-zip", _zipped),
    m("file-7z", _as_7z, EVERYTHING),
    m("file-older-copy-beside", file("lab8_old.py", "def conv_output_size(i, k):\n    return i - k\n")),
    m("file-macos-leftovers", file("__MACOSX/._lab8.py", b"\0\5\x16\7" + bytes(99)),
      file(".DS_Store", bytes(99))),
    m("file-data-beside", file("data/cifar-10-batches-py/data_batch_1", bytes(999)),
      file("data/cifar-10-batches-py/readme.html", "<html>")),
    m("file-notebook-called-py", notebook(name="lab8.py")),
    m("file-module-called-ipynb", rename("lab8.py", "lab8.ipynb")),
    m("file-no-answers", without("answers.md"), QUESTIONS),
    m("file-no-weights", without("classifier.safetensors"), WEIGHTS),
]
# fmt: on

# fmt: off
NOTEBOOKS = [
    m("notebook", notebook()),
    m("notebook-function-in-a-markdown-cell",
      notebook(lambda cells: cells[_place(cells, "def preprocess")].update(cell_type="markdown")), UNUSABLE),
    m("notebook-function-in-a-raw-cell",
      notebook(lambda cells: cells[_place(cells, "def conv_parameter")].update(cell_type="raw")), COUNT),
    m("notebook-magics", notebook(lambda cells: cells.insert(0,
      _cell("%matplotlib inline\n!pip install torchinfo\n%load_ext autoreload\ntorch.nn?")))),
    m("notebook-timed-cell", notebook(lambda cells: cells[_place(cells,
      "def preprocess")].update(source="%%time\ndef preprocess(images):\n    " + READY))),
    m("notebook-cells-out-of-order",
      notebook(lambda cells: cells.insert(0, cells.pop(_place(cells, "def train_classifier"))))),
    m("notebook-imports-in-the-last-cell", notebook(lambda cells: cells.append(cells.pop(0))), LENET,
      NETWORK),
    m("notebook-an-exception-in-a-cell",
      notebook(lambda cells: cells.insert(3, _cell("1 / 0\nlenet5()(torch.zeros(1, 3, 32, 32))")))),
    m("notebook-a-cell-that-is-no-python",
      notebook(lambda cells: cells.insert(3, _cell("accuracy was 71 % with lr 0.01")))),
    m("notebook-a-needed-cell-deleted", notebook(lambda cells: cells.pop(_place(cells, "class Classifier"))),
      NETWORK),
    m("notebook-function-of-the-kernel-only",
      notebook(lambda cells: cells.pop(_place(cells, "def preprocess"))), UNUSABLE),
    m("notebook-beside-the-untouched-module", notebook(), file("lab8.py", lambda: _template("lab8.py"))),
    m("notebook-untouched-beside-the-module", file("lab8.ipynb", lambda: _template("lab8.ipynb"))),
    m("notebook-half-of-the-work", _in_two_halves, SIZE, COUNT),
    m("notebook-as-json", notebook(name="lab8.ipynb.json")),
    m("notebook-cut-off", notebook(), lambda files: files.update({"lab8.ipynb": files["lab8.ipynb"][:900]}),
      CODE),
    m("notebook-checkpoint-beside", notebook(),
      file(".ipynb_checkpoints/lab8-checkpoint.ipynb", lambda: _template("lab8.ipynb"))),
    m("notebook-trains-in-a-cell", notebook(lambda cells: cells.append(_cell(
        "model = classifier()\n"
        "for epoch in range(10**9):\n"
        "    train_classifier(model, images, labels, device='cuda', seconds=1, seed=0)")))),
    m("notebook-writes-the-module",
      notebook(lambda cells: cells.__setitem__(slice(None), [_cell("%%writefile lab8.py\n" + LAB8)]))),
    m("notebook-answers-in-its-cells",
      notebook(lambda cells: cells.append(_cell((ROOT / "solution" / "answers.md").read_text("utf-8"),
      "markdown"))), without("answers.md")),
    m("notebook-answers-in-code-cells",
      notebook(lambda cells: cells.append(_cell((ROOT / "solution" / "answers.md").read_text("utf-8")))),
      without("answers.md"), QUESTIONS),
]
# fmt: on

# --- weights ---------------------------------------------------------------------------------------


def _legacy_pickle() -> bytes:
    return pickle.dumps({name: value.numpy() for name, value in _network().state_dict().items()})


def _arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value.numpy() for name, value in _network().state_dict().items()})
    return buffer.getvalue()


def _before(prefix: str) -> Callable[[nn.Module], object]:
    return lambda net: {prefix + name: value for name, value in net.state_dict().items()}


WEIGHT_FILE = "classifier.safetensors"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + 64 * "0" + "\nsize 12345\n"

# fmt: off
SAVED = [
    m("weights-pt", weights(lambda net: net.state_dict())),
    m("weights-pth", weights(lambda net: net.state_dict(), "classifier.pth")),
    m("weights-of-another-name", weights(lambda net: net.state_dict(), "best_model.pt")),
    m("weights-whole-model", weights(lambda net: nn.Sequential(nn.Linear(2, 2))), WEIGHTS),
    m("weights-method-not-called", weights(lambda net: nn.Linear(2, 2).state_dict), WEIGHTS),
    m("weights-list-of-parameters", weights(lambda net: list(net.parameters())), WEIGHTS),
    m("weights-optimizer-only", weights(lambda net: torch.optim.Adam(net.parameters()).state_dict()),
      WEIGHTS),
    m("weights-checkpoint-with-optimizer", weights(lambda net: {"epoch": 9, "model": net.state_dict(),
      "optimizer": torch.optim.Adam(net.parameters()).state_dict(),})),
    m("weights-data-parallel", weights(_before("module."))),
    m("weights-compiled", weights(_before("_orig_mod."))),
    m("weights-half-precision", weights(lambda net: net.half().state_dict())),
    m("weights-half-of-the-tensors", weights(lambda net: dict(list(net.state_dict().items())[:4])), WEIGHTS),
    m("weights-batch-norm-averages-missing", weights(lambda net: dict(net.named_parameters())), WEIGHTS),
    m("weights-of-lenet",
      weights(lambda net: nn.Sequential(nn.Conv2d(1, 6, 5), nn.Linear(400, 120)).state_dict()), WEIGHTS),
    m("weights-older-than-the-network", swap("nn.Conv2d(3, 16,", "nn.Conv2d(3, 32,"),
      swap("BatchNorm2d(16)", "BatchNorm2d(32)"), last("nn.Linear(512, 10)"), WEIGHTS),
    m("weights-layer-renamed-since", swap("self.fc(", "self.head("), swap("self.fc =", "self.head ="),
      WEIGHTS),
    m("weights-layer-added-since", swap("self.fc = ", "self.fc2 = nn.Linear(10, 10)\n        self.fc = "),
      out(OUT.replace("self.fc(", "self.fc2(self.fc(") + ")"), WEIGHTS),
    m("weights-two-files", file("classifier_epoch3.pt", lambda: b"")),
    m("weights-two-networks",
      file("classifier_old.safetensors", lambda: to_safetensors({"w": torch.ones(3)}))),
    m("weights-empty-file", file(WEIGHT_FILE, b""), WEIGHTS),
    m("weights-cut-off", lambda files: files.update({WEIGHT_FILE: files[WEIGHT_FILE][:3000]}), WEIGHTS),
    m("weights-zipped",
      lambda files: files.update({"classifier.zip": _archive({WEIGHT_FILE: files.pop(WEIGHT_FILE)})})),
    m("weights-lfs-pointer", file(WEIGHT_FILE, POINTER), WEIGHTS),
    m("weights-text-renamed", file(WEIGHT_FILE, "the weights are on my drive: https://example.com/weights\n"),
      WEIGHTS),
    m("weights-torch-file-called-safetensors", weights(lambda net: net.state_dict(), WEIGHT_FILE)),
    m("weights-pickle", file("classifier.pkl", _legacy_pickle), without(WEIGHT_FILE), WEIGHTS),
    m("weights-numpy", file("classifier.npz", _arrays), without(WEIGHT_FILE), WEIGHTS),
    m("weights-in-a-folder", rename(WEIGHT_FILE, "checkpoints/best/" + WEIGHT_FILE)),
]
# fmt: on

# --- questions -------------------------------------------------------------------------------------

CHINESE = [
    "可以。自编码器不需要标签，只要让网络重建自己的输入，中间较窄的一层就成为数据的低维表示，再对它做聚类即可。",
    "神经网络能同时学到特征与分类器，在数据充足、训练与测试分布一致、输入有空间结构或时间顺序时效果最好。",
    "数据太少时容易过拟合，难以解释，计算量大；遇到与训练数据不同的输入会毫无征兆地出错，概率也往往过于自信。",
    "可以把先验知识写进网络结构：平移不变用卷积，顺序用循环或注意力，损失函数对应目标的分布，因此所需样本更少。",
]
SHEET = "# Exercise 2\n\n" + "".join(f"## Question {n}\n\n{text}\n\n" for n, text in enumerate(CHINESE, 1))
SHEET_ZH = SHEET.replace("Question ", "问题 ")
TEXT = "They learn features from many examples by gradient descent, and fail without warning on other inputs"


def _bare(*numbers: str) -> str:
    """Answers without the questions' texts, under these headings."""
    texts = [
        part.split("\n\n", 2)[2]
        for part in (ROOT / "solution" / "answers.md").read_text("utf-8").split("## Question ")[1:]
    ]
    return "".join(f"{number}\n\n{text}\n\n" for number, text in zip(numbers, texts, strict=True))


def _answers_into_the_code(files: Files) -> None:
    files["lab8.py"] += b'\n"""\n' + files.pop("answers.md") + b'\n"""\n'


# fmt: off
WRITTEN = [
    m("answers-placeholder-left", answer(3, "Write your answer here."), Q3),
    m("answers-placeholder-above-the-answer", answer(3, "Write your answer here.\n\n" + TEXT)),
    m("answers-nothing-written", answer(2, ""), Q2),
    m("answers-todo", answer(4, "TODO"), Q4),
    m("answers-too-short", answer(1, "Yes, autoencoders can do that."), Q1),
    m("answers-question-pasted",
      answer(2, "What are neural networks good at, and under which conditions do they work well?"), Q2),
    m("answers-question-pasted-beside-the-other-sheet",
      answer(2, "What are neural networks good at, and under which conditions do they work well?"),
      file("answers.zh.md", lambda: _template("answers.zh.md")), Q2),
    m("answers-same-four-times", *(answer(n, TEXT + ".") for n in (1, 2, 3, 4)), (Q2, Q3, Q4)),
    m("answers-same-words-over-and-over", answer(1, "yes it is possible " * 12), Q1),
    m("answers-heading-removed", answers("## Question 2\n\n", "")),
    m("answers-heading-and-question-removed",
      file("answers.md", lambda: _bare("## Question 1", "", "## Question 3", "## Question 4").encode()), Q2),
    m("answers-second-heading-says-1", file("answers.md",
      lambda: _bare("## Question 1", "## Question 1", "## Question 3", "## Question 4").encode(),), Q2),
    m("answers-headings-from-0", file("answers.md",
      lambda: _bare("## Question 0", "## Question 1", "## Question 2", "## Question 3").encode(),), Q4),
    m("answers-short-headings", file("answers.md", lambda: _bare("Q1", "Q2", "Q3", "Q4").encode())),
    m("answers-numbered", file("answers.md", lambda: _bare("1.", "2.", "3.", "4.").encode())),
    m("answers-bold-headings",
      file("answers.md", lambda: _bare(*(f"**Question {n}**" for n in "1234")).encode())),
    m("answers-in-another-order",
      file("answers.md", lambda: _bare(*(f"## Question {n}" for n in "4312")).encode())),
    m("answers-on-the-heading-line",
      file("answers.md", "".join(f"Q{n}: {t}\n" for n, t in enumerate(CHINESE, 1)))),
    m("answers-headings-in-words", file("answers.md",
      lambda: _bare("Question one", "Question two", "Question three", "Question four").encode(),)),
    m("answers-no-headings", file("answers.md", lambda: _bare("", "", "", "").encode()), QUESTIONS),
    m("answers-all-below-the-first", file("answers.md", lambda: (_bare("## Question 1", "", "",
      "").encode() + b"## Question 2\n\n## Question 3\n\n## Question 4\n")), (Q2, Q3, Q4)),
    m("answers-in-comments", answer(2, f"<!-- {TEXT} -->"), Q2),
    m("answers-photo", answer(2, "![my answer](IMG_2041.jpg)"), Q2),
    m("answers-txt", rename("answers.md", "answers.txt")),
    m("answers-docx", file("answers.docx", b"PK\3\4" + bytes(99)), without("answers.md"), QUESTIONS),
    m("answers-pdf", file("answers.pdf", b"%PDF-1.7\n" + bytes(99)), without("answers.md"), QUESTIONS),
    m("answers-other-name", rename("answers.md", "exercise2.md")),
    m("answers-chinese", file("answers.md", SHEET)),
    m("answers-chinese-sheet", file("answers.zh.md", SHEET_ZH),
      without("answers.md")),
    m("answers-chinese-sheet-beside-the-empty-one", file("answers.zh.md", SHEET_ZH),
      file("answers.md", lambda: _template("answers.md"))),
    m("answers-chinese-gbk", file("answers.zh.md", SHEET_ZH.encode("gbk")),
      without("answers.md")),
    m("answers-half-in-each-sheet", answer(3, "Write your answer here."), answer(4, ""), file("answers.zh.md",
      SHEET_ZH.replace(CHINESE[0], "").replace(CHINESE[1], ""))),
    m("answers-in-the-code", _answers_into_the_code, QUESTIONS),
]
# fmt: on

TASKS = {
    **{"conv": CONV, "lenet": LENET5, "preprocess": PREPARED, "classifier": NETWORKS, "train": TRAINING},
    **{"imports": IMPORTS, "top-level": TOP_LEVEL, "file": FILES, "notebook": NOTEBOOKS, "weights": SAVED},
    "answers": WRITTEN,
}
MISTAKES = tuple(
    Mistake(one.id, task, one.edits, one.lost) for task, entries in TASKS.items() for one in entries
)
