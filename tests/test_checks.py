"""The hidden checks, run on real submissions in a real sandbox: what passes, what fails, and why."""

from __future__ import annotations

import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from students import LENET_CODE, calls_of, first_process
from torch import Tensor

from grader.checks import _session as session_module
from grader.checks import check_catalogue, not_run, run_checks
from grader.evidence import seed_of
from grader.expect import CheckFailed, show
from grader.lab import load_lab
from grader.labs.lab8.lenet import SHAPES
from grader.sandbox import Activation, Limits, LoadReport, Model, Sandbox, Student, StudentFailure
from grader.types import CheckOutcome, Code, Outcome, Submission, Weights

LAB = load_lab()
REFERENCE = (
    """
import time
import torch
from torch import nn
import torch.nn.functional as F

def pair(value):
    return value if isinstance(value, tuple) else (value, value)

def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    arguments = (input_size, kernel_size, stride, padding)
    sizes = []
    for i, k, s, p in zip(*map(pair, arguments)):
        if min(i, k, s) < 1 or p < 0 or k > i + 2 * p:
            raise ValueError("cannot be")
        sizes.append((i + 2 * p - k) // s + 1)
    return tuple(sizes) if any(isinstance(a, tuple) for a in arguments) else sizes[0]

def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    height, width = pair(kernel_size)
    return out_channels * in_channels * height * width + (out_channels if bias else 0)

"""
    + LENET_CODE
    + """
def preprocess(images):
    return images.float() / 255 - 0.5

def classifier():
    return nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.1),
        nn.Flatten(), nn.Linear(576, 10))

def train_classifier(model, images, labels, *, device, seconds, seed):
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    ready = preprocess(images)
    for _ in range(8):
        optimizer.zero_grad()
        F.cross_entropy(model(ready), labels).backward()
        optimizer.step()
    return {"loss": []}
"""
)
IDS = [
    *("conv_size_formula", "conv_size_floor", "conv_size_pairs", "conv_size_impossible"),
    *("conv_params_bias", "conv_params_nonsquare"),
    *("lenet_output_shape", "lenet_parameter_shapes", "lenet_feature_maps", "lenet_same_function"),
    "lenet_gradients",
    *("classifier_preprocess", "classifier_logits", "classifier_trains", "classifier_weights_load"),
]

Grade = Callable[..., dict[str, CheckOutcome]]


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    torch.set_num_threads(1)
    return isolated_sandbox(limits=Limits(call_seconds=3.0))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    module: dict[str, Any] = {}
    exec(REFERENCE, module)
    path = tmp_path_factory.mktemp("weights") / "classifier.pt"
    torch.save(module["classifier"]().state_dict(), path)
    return Weights(filename="classifier.pt", path=path, format="torch")


@pytest.fixture
def grade(sandbox: Sandbox, weights: Weights) -> Grade:
    """Grade the reference with some of its text replaced; the outcomes by id."""

    def grade(
        *changes: tuple[str, str], seed: int = 1, weights: Weights | None = weights, only: str = ""
    ) -> dict[str, CheckOutcome]:
        source = REFERENCE
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        for function in ("conv_output_size", "conv_parameter_count", "lenet5", "preprocess", "classifier"):
            if only and not function.startswith(only) and only != "classifier":
                source = source.replace(f"def {function}(", f"def no_{function}(")  # fails fast
        code = Code(filename="lab8.py", cells=(source,))
        with sandbox.student(Submission(student_id="ada", code=code, weights=weights)) as student:
            return {o.id: o for o in run_checks(LAB, student, seed) if o.id.startswith(only)}

    return grade


def not_passed(outcomes: dict[str, CheckOutcome]) -> dict[str, str]:
    return {id: o.outcome.value for id, o in outcomes.items() if o.outcome is not Outcome.PASSED}


def failed(*ids: str) -> dict[str, str]:
    return dict.fromkeys(ids, "failed")


def unrun(*ids: str) -> dict[str, str]:
    return dict.fromkeys(ids, "not_run")


def body(function: str, code: str) -> tuple[str, str]:
    """A change that makes the function do `code` at once."""
    start = REFERENCE.index(f"def {function}(")
    line = REFERENCE[start : REFERENCE.index("\n", start)]
    return line, f"{line}\n    {code}"


# The whole


@pytest.mark.parametrize("seed", range(3))
def test_right_work_passes_every_check(grade: Grade, seed: int) -> None:
    outcomes = grade(seed=seed)
    assert list(outcomes) == IDS
    assert not_passed(outcomes) == {}
    assert all(o.title and not o.reason and not o.expected for o in outcomes.values())


def test_the_catalogue_names_every_check_without_a_student() -> None:
    catalogue = check_catalogue(LAB)
    assert [info.id for info in catalogue] == IDS
    assert all(info.title.endswith(".") and len(info.title) < 110 for info in catalogue)
    assert {need for info in catalogue for need in info.needs} < set(IDS)
    assert [o.id for o in not_run(LAB, "no code")] == IDS
    assert {(o.outcome, o.reason) for o in not_run(LAB, "no code")} == {(Outcome.NOT_RUN, "no code")}


def test_the_same_seed_gives_the_same_outcomes_and_another_seed_other_cases(grade: Grade) -> None:
    wrong = body("conv_output_size", "return 0")
    assert grade(wrong, seed=5) == grade(wrong, seed=5)
    assert grade(wrong, seed=5) != grade(wrong, seed=6)


def test_an_untouched_template_fails_with_the_reason_of_each_stub(grade: Grade) -> None:
    functions = (
        "conv_output_size",
        "conv_parameter_count",
        "lenet5",
        "preprocess",
        "classifier",
        "train_classifier",
    )
    outcomes = grade(*(body(name, f"raise NotImplementedError('write {name}')") for name in functions))
    assert {o.outcome for o in outcomes.values()} == {Outcome.FAILED, Outcome.NOT_RUN}
    assert "NotImplementedError: write lenet5" in outcomes["lenet_output_shape"].reason
    assert outcomes["conv_size_floor"].reason == "needs conv_size_formula"


def test_missing_functions_fail_their_checks_alone(grade: Grade) -> None:
    outcomes = grade(("def conv_parameter_count(", "def another("))
    assert not_passed(outcomes) == failed("conv_params_bias") | unrun("conv_params_nonsquare")
    assert "conv_parameter_count" in outcomes["conv_params_bias"].reason


# Convolution arithmetic


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (("// s + 1", "/ s + 1"), failed("conv_size_floor")),
        (("(i + 2 * p - k) // s + 1", "round((i + 2 * p - k) / s) + 1"), failed("conv_size_floor")),
        (("(i + 2 * p - k) // s + 1", "-(-(i + 2 * p - k) // s) + 1"), failed("conv_size_floor")),
        (("(i + 2 * p - k) // s + 1", "float((i + 2 * p - k) // s + 1)"), failed("conv_size_floor")),
        (("(i + 2 * p - k) // s + 1", "(i + 2 * p - k) // s"), failed("conv_size_formula")),
        (("(i + 2 * p - k) // s + 1", "(i + p - k) // s + 1"), failed("conv_size_formula")),
        (("return tuple(sizes) if any", "return sizes[0] if any"), failed("conv_size_pairs")),
        (("return tuple(sizes) if any", "return tuple(reversed(sizes)) if any"), failed("conv_size_pairs")),
        (("return tuple(sizes) if any", "return list(sizes) if any"), {}),
        (
            (
                "return tuple(sizes) if any(isinstance(a, tuple) for a in arguments)",
                "return tuple(sizes) if isinstance(input_size, tuple)",
            ),
            failed("conv_size_pairs"),
        ),
        (('raise ValueError("cannot be")', "pass"), failed("conv_size_impossible")),
        (('raise ValueError("cannot be")', "raise TypeError('no')"), failed("conv_size_impossible")),
        (("k > i + 2 * p", "k > i"), failed("conv_size_formula")),
        (("or k > i + 2 * p", ""), failed("conv_size_impossible")),
        (("min(i, k, s) < 1 or", "min(i, k) < 1 or"), failed("conv_size_impossible")),
        (("or p < 0", ""), failed("conv_size_impossible")),
        (body("conv_output_size", "return True"), failed("conv_size_formula")),
        (body("conv_output_size", "return '8'"), failed("conv_size_formula")),
        (body("conv_output_size", "return None"), failed("conv_size_formula")),
        (body("conv_output_size", "return 10**4000"), failed("conv_size_formula")),
        (body("conv_output_size", "return float('nan')"), failed("conv_size_formula")),
        (body("conv_output_size", "return torch.zeros(9, 9)"), failed("conv_size_formula")),
        (("(out_channels if bias else 0)", "out_channels"), failed("conv_params_bias")),
        (("(out_channels if bias else 0)", "(in_channels if bias else 0)"), failed("conv_params_bias")),
        (("height * width +", "height * height +"), failed("conv_params_nonsquare")),
    ],
)
def test_convolution_arithmetic(grade: Grade, change: tuple[str, str], lost: dict[str, str]) -> None:
    if "conv_size_formula" in lost:
        lost = lost | unrun("conv_size_floor", "conv_size_pairs", "conv_size_impossible")
    if "conv_params_bias" in lost:
        lost = lost | unrun("conv_params_nonsquare")
    outcomes = grade(change, only="conv")
    if change == ("k > i + 2 * p", "k > i"):  # whether a case shows it is up to chance
        assert set(not_passed(outcomes)) <= set(lost)
        return
    assert not_passed(outcomes) == lost


def test_a_failure_says_what_was_expected_what_came_and_a_hint(grade: Grade) -> None:
    floor = grade(("// s + 1", "/ s + 1"))["conv_size_floor"]
    assert floor.expected.isdigit()
    assert floor.actual.startswith("conv_output_size(") and "." in floor.actual
    assert (
        floor.reason
        == f"{floor.actual.split(' gave')[0]}: expected {floor.expected}, got {floor.actual.split()[-1]}"
    )
    assert "//" in floor.hint


def test_an_exception_is_told_with_the_call_that_it_came_from(grade: Grade) -> None:
    """`TypeError: '<' not supported …` said nothing of the pair that the function was asked for."""
    pairs = grade(("return value if isinstance(value, tuple) else (value, value)", "return value, value"))
    call, _, told = pairs["conv_size_pairs"].reason.partition(": expected ")
    assert call.startswith("conv_output_size((") and call.endswith(")")
    assert told.startswith(f"{pairs['conv_size_pairs'].expected}, got TypeError: ")
    assert "pair" in pairs["conv_size_pairs"].hint
    count = pairs["conv_params_nonsquare"]
    assert count.reason.startswith("conv_parameter_count(") and ", got TypeError: " in count.reason


def test_a_wrong_pair_is_told_as_it_came(grade: Grade) -> None:
    """A tuple was told as a list, as if that were what is wrong with it."""
    swapped = ("return tuple(sizes) if any", "return tuple(reversed(sizes)) if any")
    pairs = grade(swapped, only="conv")["conv_size_pairs"]
    height, width = pairs.expected.strip("()").split(", ")
    assert pairs.reason.endswith(f"expected ({height}, {width}), got ({width}, {height})")


# LeNet-5


# Each entry: texts of the reference and what stands there instead.
RELU1, RELU2, OUT, BUILT = (
    "F.relu(self.conv1(x))",
    "F.relu(self.fc2(x))",
    "return self.fc3(x)",
    "return LeNet5()",
)
POOL1, FLAT = "F.max_pool2d(F.relu(self.conv1(x)), 2)", "x = torch.flatten(x, 1)"
Change = tuple[str, str]


@pytest.mark.parametrize(
    "change",
    [
        (RELU1, "torch.sigmoid(self.conv1(x))"),
        (RELU2, "torch.sigmoid(self.fc2(x))"),
        ("F.relu(", "torch.sigmoid("),
        ("F.relu(", "torch.tanh("),
        ("F.relu(", "F.leaky_relu("),
        (RELU2, "F.leaky_relu(self.fc2(x))"),
        ("F.relu(", "F.gelu("),
        ("F.relu(", "F.silu("),
        ("F.relu(", "F.elu("),
        ("F.relu(", "F.relu6("),
        ("F.relu(", "F.softplus("),
        (RELU1, "self.conv1(x)"),
        ("F.relu(self.fc1(x))", "self.fc1(x)"),
        (RELU2, "self.fc2(x)"),
        ("F.max_pool2d", "F.avg_pool2d"),
        (POOL1, "F.avg_pool2d(F.relu(self.conv1(x)), 2)"),
        (POOL1, "F.max_pool2d(F.relu(self.conv1(x)), 1, 2)"),
        (POOL1, "F.max_pool2d(F.relu(self.conv1(x.clamp(-3, 3))), 2)"),
        (OUT, "return F.softmax(self.fc3(x), 1)"),
        (OUT, "return F.log_softmax(self.fc3(x), 1)"),
        (OUT, "return F.relu(self.fc3(x))"),
        (OUT, "return 1.01 * self.fc3(x)"),
        (FLAT, "x = F.dropout(torch.flatten(x, 1), 0.1)"),
        (FLAT, "x = x.transpose(2, 3).flatten(1)"),
        (FLAT, "x = F.normalize(torch.flatten(x, 1))"),
    ],
    ids=lambda change: change[1],
)
def test_every_other_function_is_told_from_lenet5(grade: Grade, change: Change) -> None:
    lost = not_passed(grade(change, only="lenet"))
    assert lost.pop("lenet_same_function") == "failed"
    assert lost in ({}, failed("lenet_gradients"))  # a sigmoid or a softmax may let none through


SEQUENTIAL = """return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(True), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))"""
LAZY = """return nn.Sequential(
        nn.LazyConv2d(6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.LazyConv2d(16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.LazyLinear(120), nn.ReLU(), nn.LazyLinear(84), nn.ReLU(), nn.LazyLinear(10))"""
INIT = "net = LeNet5(); [{} for p in net.parameters() if p.ndim {}]; return net"


@pytest.mark.parametrize(
    "changes",
    [
        [(POOL1, "F.relu(F.max_pool2d(self.conv1(x), 2))")],
        [(FLAT, "x = x.view(-1, 16 * 5 * 5)")],
        [(FLAT, "x = F.adaptive_avg_pool2d(x, 5).flatten(1)")],
        [(FLAT, "x = F.dropout(torch.flatten(x, 1), 0.5, self.training)")],
        [(RELU1, "self.conv1(x).clamp_min(0)")],
        [(BUILT, "return LeNet5().to(memory_format=torch.channels_last)")],
        [(BUILT, INIT.format("nn.init.kaiming_normal_(p)", "> 1"))],
        [(BUILT, INIT.format("nn.init.normal_(p, std=0.02)", "> 1"))],
        [(BUILT, INIT.format("nn.init.zeros_(p)", "== 1"))],
        [(BUILT, SEQUENTIAL)],
        [(BUILT, LAZY)],
        [(BUILT, INIT.format("nn.init.normal_(p, std=0.01)", "> 1"))],
        [("self.fc1(x)", "((self.fc1.weight @ x.T).T + self.fc1.bias)")],
        [("self.conv1", "self.z"), ("self.fc3", "self.a"), ("self.fc1", "self.conv1")],  # names mean nothing
    ],
    ids=lambda changes: changes[0][1][:60],
)
def test_every_way_to_write_lenet5_is_right(grade: Grade, changes: list[Change]) -> None:
    outcomes = grade(*changes, only="lenet")
    assert not_passed(outcomes) == {}, [o.reason for o in outcomes.values() if o.reason]


PADDED = [
    ("Conv2d(1, 6, 5)", "Conv2d(1, 6, 5, padding=2)"),
    ("Conv2d(6, 16, 5)", "Conv2d(6, 16, 5, padding=2)"),
]
HUGE = "net = LeNet5(); net.fc3.double().weight.data *= 1e307; return net"
SUM = "x.new_ones(len(x), 10) * 1e-3 * sum(p.sum() for p in self.parameters())"
SIZES = "[(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5)]"
DUMMY = [
    (
        "        x = F.max_pool2d(F.relu(self.conv1(x)), 2)\n",
        f"        [torch.zeros(len(x), *s).relu() for s in {SIZES}]\n",
    ),
    ("        x = F.max_pool2d(F.relu(self.conv2(x)), 2)\n", f"        return {SUM}\n"),
]
SHAPE, PARAMETERS, MAPS = "lenet_output_shape", "lenet_parameter_shapes", "lenet_feature_maps"
SAME, GRADIENTS = "lenet_same_function", "lenet_gradients"
CLAIM = [
    (POOL1, "F.max_pool2d(F.conv2d(x * 0, torch.zeros(6, 1, 5, 5)), 2)"),
    ("F.max_pool2d(F.relu(self.conv2(x)), 2)", "F.max_pool2d(F.conv2d(x, torch.zeros(16, 6, 5, 5)), 2)"),
    ("self.fc1(x)", "(x @ torch.zeros(400, 120))"),
    (OUT, OUT + " + sum(p.sum() for p in self.parameters()) * 1e-3"),
]
NO_LAYERS = failed(MAPS, SAME) | unrun(GRADIENTS)
NOTHING_OUT = failed(SHAPE) | unrun(MAPS, SAME, GRADIENTS)


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        # the tutorial's padding bug: the right parameters, but nothing comes out
        ([*PADDED, (FLAT, "x = x.view(x.shape[0], 400)")], NOTHING_OUT),
        # the same with a linear layer that fits
        ([*PADDED, ("Linear(400", "Linear(1024")], failed(PARAMETERS) | unrun(MAPS, SAME, GRADIENTS)),
        # padding, and the border cut off again: the right sizes at the end
        ([PADDED[0], (RELU1, RELU1 + "[..., 4:, 4:]")], NO_LAYERS),
        ([(OUT, OUT + ".squeeze()")], NOTHING_OUT),
        ([("Linear(84, 10)", "Linear(84, 11)")], NOTHING_OUT | failed(PARAMETERS)),
        (
            [("Conv2d(1, 6, 5)", "Conv2d(1, 6, 5, bias=False)")],
            failed(PARAMETERS) | unrun(MAPS, SAME, GRADIENTS),
        ),
        (
            [("self.fc3 = ", "self.more = nn.BatchNorm1d(84); self.fc3 = ")],
            failed(PARAMETERS) | unrun(MAPS, SAME, GRADIENTS),
        ),
        ([("self.fc1(x)", "self.fc1(x.detach())")], failed(GRADIENTS)),
        ([(BUILT, "net = LeNet5(); net.conv1.weight.requires_grad_(False); return net")], failed(GRADIENTS)),
        ([(OUT, OUT + " + float('nan')")], failed(SAME, GRADIENTS)),
        # weights that make every network look alike
        ([(BUILT, "net = LeNet5(); nn.init.zeros_(net.fc3.weight); return net")], failed(SAME)),
        (
            [(BUILT, "net = LeNet5(); net.fc2.weight.data.fill_(float('nan')); return net")],
            NO_LAYERS,
        ),
        # outputs that only a comparison with infinity or NaN takes for LeNet-5's
        ([(BUILT, "net = LeNet5(); net.fc3.weight.data *= 1e35; return net")], NO_LAYERS),
        ([("return self.fc3(x)", "return self.fc3(x.double())"), (BUILT, HUGE)], NO_LAYERS),
        # the right parameters and sizes, but beside a function that is no network
        (DUMMY, NO_LAYERS),
        # the same with operations of the right names and sizes, on nothing
        (CLAIM, NO_LAYERS),
        # every layer is there, but one is given zeros, or what it gives is thrown away
        ([("self.conv2(x)", "self.conv2(x * 0)")], NO_LAYERS),
        ([("self.fc2(x)", "(self.fc2(x) * 0 + x.mean(1, keepdim=True))")], failed(SAME, GRADIENTS)),
        # the right outputs, but other gradients
        ([(OUT, "y = self.fc3(x); return 2 * y - y.detach()")], failed(GRADIENTS)),
        ([(BUILT, "return 'net'")], NOTHING_OUT | failed(PARAMETERS)),
    ],
    ids=lambda value: value[-1][1][:60] if isinstance(value, list) else "",
)
def test_lenet_mistakes_cost_what_they_are_worth(
    grade: Grade, changes: list[Change], lost: dict[str, str]
) -> None:
    assert not_passed(grade(*changes, only="lenet")) == lost


# The classifier

READY = "return images.float() / 255 - 0.5"
CLASS = "class LeNet5("
ALWAYS = f"class Always(nn.Module):\n    def forward(self, x):\n        return F.dropout(x, 0.1)\n\n{CLASS}"
PREPROCESS, LOGITS = "classifier_preprocess", "classifier_logits"
TRAINS, WEIGHTS = "classifier_trains", "classifier_weights_load"
LOUD = [
    ("nn.Linear(576, 10))", "nn.Linear(576, 10), Loud())"),
    (
        CLASS,
        f"class Loud(nn.Module):\n    def forward(self, x):\n        return 3 * x\n\n{CLASS}",
    ),
]
COMMON = "model[-2].bias.data.copy_(F.one_hot(labels, 10).float().mean(0).log())"  # how common a class is


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ([(READY, "return images")], failed(PREPROCESS, LOGITS, TRAINS)),
        ([(READY, "images //= 2; " + READY)], failed(PREPROCESS)),
        ([(READY, "x = images.float(); return x - x.mean()")], failed(PREPROCESS, LOGITS)),
        (
            [(READY, "x = images.float() / 255; return x + 0.1 * torch.randn_like(x)")],
            failed(PREPROCESS, LOGITS),
        ),
        ([(READY, "return images.float() / 0")], failed(PREPROCESS, LOGITS, TRAINS)),
        ([(READY, "return images[:1].float() / 255")], failed(PREPROCESS, LOGITS, TRAINS)),
        ([(READY, "return F.interpolate(images.float() / 255, 32, mode='bilinear') - 0.5")], {}),
        ([("nn.Linear(576, 10))", "nn.Linear(576, 9))")], failed(LOGITS, TRAINS, WEIGHTS)),
        ([("nn.AvgPool2d(4),", "nn.AvgPool2d(4), nn.Identity(),")], failed(WEIGHTS)),
        ([("BatchNorm2d(16)", "BatchNorm2d(16, track_running_stats=False)")], failed(LOGITS, WEIGHTS)),
        ([("nn.Dropout(0.1)", "Always()"), (CLASS, ALWAYS)], failed(LOGITS)),
        ([("    optimizer.step()", "    pass")], failed(TRAINS)),
        ([("lr=0.05", "lr=-0.05")], failed(TRAINS)),
        ([body("train_classifier", "return {}")], failed(TRAINS)),
        # nothing learnt: the loss of guessing, which an untrained network may be above
        ([body("train_classifier", "[p.data.zero_() for p in model.parameters()]; return")], failed(TRAINS)),
        (
            [*LOUD, body("train_classifier", f"model[-2].weight.data.zero_(); {COMMON}; return")],
            failed(TRAINS),
        ),
        ([("nn.Flatten(), nn.Linear(576, 10)", "nn.Flatten(), nn.LazyLinear(10)")], {}),
        (
            [("return images.float() / 255 - 0.5", "return torch.zeros(len(images), *(1,) * 70)")],
            failed(PREPROCESS, LOGITS, TRAINS),
        ),
        ([(READY, "images.data = images.data.float() / 255; return images")], failed(PREPROCESS)),
        ([body("train_classifier", "raise RuntimeError('no GPU')")], failed(TRAINS)),
        ([body("train_classifier", "model = classifier()")], failed(TRAINS)),
        (
            [
                ("range(8)", "range(20)"),
                ("    optimizer.step()", "    optimizer.step(); time.sleep(seconds / 20)"),
            ],
            {},
        ),
    ],
    ids=lambda value: value[0][1][:60] if isinstance(value, list) else "",
)
def test_classifier_mistakes(grade: Grade, changes: list[Change], lost: dict[str, str]) -> None:
    assert not_passed(grade(*changes)) == lost


TABLE = """
KEPT = {}

def by_image(row, image):
    return image.sum().item()

def by_place(row, image):
    return row

def keep(images, labels):
    KEPT.update({KEY(row, image): y for row, (image, y) in enumerate(zip(images, labels.tolist()))})

class Table(nn.Sequential):
    def forward(self, x):
        found = [KEPT.get(KEY(row, image)) for row, image in enumerate(x)]
        known = [F.one_hot(torch.tensor(y or 0), 10) * (y is not None) for y in found]
        return super().forward(x) + 9 * torch.stack(known)

class LeNet5("""


def test_what_is_no_tensor_of_floats_is_told_with_what_is(grade: Grade) -> None:
    """`preprocess gave tensor of shape (8, 3, 32, 32), uint8` left open what is wrong with that."""
    kind = grade((READY, "return images"))[PREPROCESS]
    assert kind.reason == (
        "preprocess: expected a tensor of floats, got tensor of shape (8, 3, 32, 32), uint8"
    )
    shape = grade((READY, "return images[:1].float()"))[PREPROCESS]
    assert shape.reason.startswith("preprocess: expected a tensor whose shape begins with (8,), got tensor ")


@pytest.mark.parametrize("key", ["by_image", "by_place"])
def test_a_table_of_the_labels_is_no_training(grade: Grade, key: str) -> None:
    outcomes = grade(
        ("return nn.Sequential(nn.AvgPool2d(4)", "return Table(nn.AvgPool2d(4)"),
        (CLASS, TABLE.replace("KEY", key)),
        body("train_classifier", "return keep(preprocess(images), labels)"),
    )
    assert "left the model given as it was" in outcomes[TRAINS].reason


def test_weights_that_were_not_handed_in_cannot_be_claimed(grade: Grade) -> None:
    claim = """
    import sys
    worker = next(module for name, module in sys.modules.items() if name.endswith("boxed.worker"))
    worker._OPERATIONS["load_weights"] = lambda *_: {"missing": [], "unexpected": [], "mismatched": []}
    return images.float()"""
    outcomes = grade(body("preprocess", claim), weights=None)
    assert outcomes[WEIGHTS].reason == "no weights were handed in"


def test_no_weights_and_weights_of_another_net(grade: Grade, tmp_path: Path) -> None:
    outcomes = grade(weights=None)
    assert not_passed(outcomes) == failed("classifier_weights_load")
    torch.save({"strange\n\x1b[31mname": torch.zeros(3)}, tmp_path / "w.pt")
    other = grade(weights=Weights(filename="w.pt", path=tmp_path / "w.pt", format="torch"))[
        "classifier_weights_load"
    ]
    assert other.outcome is Outcome.FAILED and "missing" in other.reason and other.reason.isprintable()


# What students' code does to the grader


def test_an_endless_loop_costs_one_timeout_and_the_other_functions_nothing(grade: Grade) -> None:
    outcomes = grade(body("conv_output_size", "while True: pass"))
    assert not_passed(outcomes) == failed("conv_size_formula") | unrun(
        "conv_size_floor", "conv_size_pairs", "conv_size_impossible"
    )
    assert "5 seconds" in outcomes["conv_size_formula"].reason


def test_a_factory_that_never_returns_is_asked_twice(grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once more, for a single reading of a clock may be wrong; but not for each check."""
    builds = calls_of(monkeypatch, Student, "build")
    outcomes = grade(body("lenet5", "while True: pass"), only="lenet")
    assert [factory for _, factory in builds].count("lenet5") == 2
    assert not_passed(outcomes) == failed("lenet_output_shape", "lenet_parameter_shapes") | unrun(
        "lenet_feature_maps", "lenet_same_function", "lenet_gradients"
    )


@pytest.mark.parametrize("factory", ["lenet5", "classifier"])
def test_a_single_reading_of_a_clock_costs_no_point(
    grade: Grade, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    """A machine that halts, as a virtual one may, looks like code that takes too long."""
    build = Student.build
    halted: list[int] = []

    def halt_once(student: Student, name: str) -> Model:
        if name == factory and not halted:
            fields = Path(f"/proc/self/fdinfo/{first_process(sandbox)}").read_text().split()
            pid1 = fields[fields.index("Pid:") + 1]
            halted.append(int(Path(f"/proc/{pid1}/task/{pid1}/children").read_text()))
            os.kill(halted[0], signal.SIGSTOP)
        return build(student, name)

    monkeypatch.setattr(Student, "build", halt_once)
    assert not_passed(grade()) == {} and halted


def test_a_module_that_is_loaded_at_the_second_try_is_loaded(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = sandbox.start_worker
    halted: list[int] = []

    def halt_once(*some: Any) -> Any:
        worker = start(*some)
        fields = Path(f"/proc/self/fdinfo/{first_process(sandbox)}").read_text().split()
        pid1 = fields[fields.index("Pid:") + 1]
        while not halted:  # it is being forked
            if pids := Path(f"/proc/{pid1}/task/{pid1}/children").read_text().split():
                halted.append(int(pids[0]))
                os.kill(halted[0], signal.SIGSTOP)
        return worker

    monkeypatch.setattr(sandbox, "start_worker", halt_once)
    monkeypatch.setattr(sandbox, "limits", Limits(load_seconds=3.0))
    with sandbox.student(
        Submission(student_id="ada", code=Code(filename="lab8.py", cells=(REFERENCE,)))
    ) as ada:
        ada.load()
        assert ada.defines("lenet5") and halted


def test_a_crash_in_one_check_leaves_the_others_alone(grade: Grade) -> None:
    assert not_passed(grade(body("train_classifier", "import os; os._exit(3)"))) == failed(
        "classifier_trains"
    )


def test_nothing_is_printed(grade: Grade, capfd: pytest.CaptureFixture[str]) -> None:
    session_module._collected.cache_clear()
    grade(body("conv_output_size", "print('noise'); return 0"))
    assert capfd.readouterr() == ("", "")


class Broken:
    """A sandbox that fails on our side."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*args: object, **kwargs: object) -> None:
            raise self.error

        return fail


ODD: list[Any] = [
    *(torch.ones((1,) * 70), torch.zeros(8, 0), torch.zeros(0), torch.tensor(1.0)),
    *(
        torch.ones(10).to(kind)
        for kind in (torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64, torch.uint16)
    ),
    *(torch.full((8, 10), value, dtype=torch.float64) for value in (math.nan, math.inf, 1e307, -1e200)),
    *(torch.ones(8, 10).half(), torch.ones(8, 10).bool(), torch.ones(8, 10).bfloat16()),
    *(None, True, -1, 2**62, math.nan, math.inf, "text", "", [], (), {}, [[[]]], (1, (2, [None]))),
]


class Liar:
    """A student whose every answer is `odd`, or one of the right kind that holds nothing but `odd`."""

    seconds_used, seconds_left = 0.0, 600.0

    def __init__(self, odd: Any) -> None:
        self.odd = odd

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.odd

    def call_and_look_back(self, *args: Any, **kwargs: Any) -> Any:
        return torch.ones(8, 3), (self.odd if isinstance(self.odd, tuple) else (self.odd,))

    def build(self, factory: str) -> Liar:
        return self

    def build_small(self, images: Tensor) -> Liar:
        return self

    def _tensor(self, like: Tensor) -> Tensor:
        return self.odd if isinstance(self.odd, Tensor) else torch.zeros(len(like), 10)

    def forward(self, images: Tensor, *, training: bool = False) -> Tensor:
        return torch.zeros(len(images), 10) if len(images) < 8 else self._tensor(images)

    def classify(self, images: Tensor, *, seconds: float | None = None) -> Tensor:
        return self._tensor(images)

    def activations(self, images: Tensor) -> list[Activation]:
        if not isinstance(self.odd, Tensor):
            return [Activation(op="convolution", inputs=(), output=(3, -1, 2**62, 0))] * 3
        steps: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
            ((1, 32, 32), (6, 28, 28)),
            ((6, 28, 28), (6, 14, 14)),
            ((6, 14, 14), (16, 10, 10)),
        ]
        steps += [((16, 10, 10), (16, 5, 5)), ((400,), (120,)), ((120,), (84,)), ((84,), (10,))]
        return [Activation(op="convolution", inputs=(3, *a), output=(3, *b)) for a, b in steps]

    def outputs(self, images: Tensor) -> list[Tensor]:
        shapes = [(6, 28, 28), (6, 14, 14), (16, 10, 10), (400,), (120,), (84,), (10,)]
        if not self.odd.numel():
            return [self.odd]
        return [self.odd, *(self.odd.flatten()[:1].expand(3, *shape) for shape in shapes)]

    def parameters(self) -> dict[str, Tensor]:
        scale = (
            self.odd.flatten()[0].to(torch.complex128).real.item()
            if isinstance(self.odd, Tensor) and self.odd.numel()
            else 1.0
        )
        return {str(i): torch.full(shape, scale, dtype=torch.float64) for i, shape in enumerate(SHAPES)}

    def gradients(self, images: Tensor, labels: Tensor) -> dict[str, Tensor | None]:
        odd = self.odd if isinstance(self.odd, Tensor) else None
        return {} if self.odd == () else dict.fromkeys(map(str, range(10)), odd)

    def load_weights(self) -> LoadReport:
        return LoadReport(missing=(), unexpected=(), mismatched=("\x1b[2J",))

    def train(self, images: Tensor, labels: Tensor, **kwargs: Any) -> Any:
        self.trained = images, labels
        return self.odd


class Fickle(Liar):
    """A student who answers one time as it should be, and another time oddly, or as somebody else would."""

    def __init__(self, seed: int) -> None:
        super().__init__(None)
        self.random = random.Random(seed)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in ("odd", "random") or not callable(found):
            return found
        self.odd = self.random.choice(ODD)

        def answer(*args: Any, **kwargs: Any) -> Any:
            many = ("parameters", "gradients", "outputs", "activations")
            usual = name not in many or self.random.random() < 0.7
            if usual and (name != "outputs" or isinstance(self.odd, Tensor)):
                return found(*args, **kwargs)
            names = [str(i) for i in range(self.random.choice((0, 9, 10, 11)))]
            tensors = [torch.zeros(self.random.choice(SHAPES)) for _ in names]
            if name == "activations":
                return [Activation(op="linear", inputs=(), output=())] * len(names)
            return tensors if name == "outputs" else dict(zip(names, tensors, strict=True))

        return answer


@pytest.mark.parametrize("seed", range(40))
def test_answers_that_change_from_one_request_to_the_next_make_no_check_err(seed: int) -> None:
    outcomes = run_checks(LAB, Fickle(seed), seed)  # type: ignore[arg-type]
    assert [o for o in outcomes if o.outcome is Outcome.ERROR] == []


def test_arithmetic_that_is_wrong_is_never_right_by_luck(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a thousand draws had no padding anywhere, and a student may draw until it comes."""

    class Wrong(Liar):
        def __init__(self, size: Callable[[int, int, int, int], int], count: Callable[..., int]) -> None:
            super().__init__(None)
            self.size, self.count = size, count

        def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
            if function == "conv_parameter_count":
                return self.count(*args)
            return self.size(*args, *(1, 0)[len(args) - 2 :])

    items = {item.name: item.function for item in session_module._collected(LAB).items}
    sizes: list[Callable[[int, int, int, int], int]] = [
        lambda i, k, s, p: (i - k) // s + 1,
        lambda i, k, s, p: (i + p - k) // s + 1,
        lambda i, k, s, p: (i + p * p - k) // s + 1,
        lambda i, k, s, p: (i + 2 * min(p, 2) - k) // s + 1,
        lambda i, k, s, p: (i + 2 * p - k) // min(s, 3) + 1,
        lambda i, k, s, p: (i + 2 * p - 2 * (k // 2) - 1) // s + 1,
    ]
    counts: list[Callable[..., int]] = [
        lambda i, o, k, bias=True: o * i * k * k + i * bias,
        lambda i, o, k, bias=True: o * i * (k + k) + o * bias,
    ]
    for seed in range(150):
        for wrong in [*(Wrong(size, counts[0]) for size in sizes), Wrong(sizes[0], counts[1])]:
            for name in ("conv_size_formula", "conv_params_bias"):
                with pytest.raises(CheckFailed):
                    items[name](wrong, random.Random(f"{seed} {name}"))


def test_the_cases_are_drawn_from_all_that_the_code_can_see(tmp_path: Path) -> None:
    """The names of files were left out, and could tell the answers to the cases."""
    code = Code(filename="lab8.py", cells=("",))
    for name, content in (("w.pt", b"1"), ("other", b"1"), ("changed", b"2")):
        (tmp_path / name).write_bytes(content)
    weights = Weights(filename="w.pt", path=tmp_path / "w.pt", format="torch")
    work = Submission(student_id="ada", code=code, weights=weights)
    others = [
        work.model_copy(update={"code": code.model_copy(update={"cells": ("x",)})}),
        work.model_copy(update={"weights": weights.model_copy(update={"path": tmp_path / "changed"})}),
        work.model_copy(update={"code": code.model_copy(update={"filename": "lab8 (1).py"})}),
        work.model_copy(update={"weights": weights.model_copy(update={"filename": "v.pt"})}),
        work.model_copy(update={"weights": weights.model_copy(update={"format": "safetensors"})}),
    ]
    assert len({seed_of(one) for one in [work, *others]}) == 6
    elsewhere = {"student_id": "eve", "weights": weights.model_copy(update={"path": tmp_path / "other"})}
    assert seed_of(work.model_copy(update=elsewhere)) == seed_of(work)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: show(odd)[:40])
def test_no_answer_of_a_student_makes_a_check_err(odd: Any) -> None:
    outcomes = {outcome.id: outcome for outcome in run_on(Liar(odd))}
    assert [o for o in outcomes.values() if o.outcome is Outcome.ERROR] == []
    passed = {id for id, o in outcomes.items() if o.outcome is Outcome.PASSED}
    assert passed <= {"lenet_output_shape", "lenet_parameter_shapes", "classifier_logits"}
    assert all(o.reason.isprintable() and len(o.reason) < 500 for o in outcomes.values())


def test_no_gradients_at_all_are_no_gradients(grade: Grade) -> None:
    claim = """
    import sys
    sys.modules["boxed.worker"]._OPERATIONS["gradients"] = lambda *_: {}
    return LeNet5()"""
    outcomes = grade(body("lenet5", claim), only="lenet")
    assert outcomes["lenet_gradients"].outcome is Outcome.FAILED
    assert "not those of the parameters" in outcomes["lenet_gradients"].reason


def test_the_images_for_training_are_balanced_and_so_are_the_first_of_them() -> None:
    class Still(Liar):
        def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
            return torch.zeros(len(args[0]), 1) if function == "preprocess" else None

        def build_small(self, images: Tensor) -> Liar:
            raise StudentFailure("raised", "no other network")

    still = Still(None)
    run_on(still)
    images, labels = still.trained
    assert images.dtype == torch.uint8 and len({bytes(image.numpy()) for image in images}) == 250
    assert labels.bincount().tolist() == [25] * 10 and labels[:120].bincount().tolist() == [12] * 10


def run_on(student: Any) -> tuple[CheckOutcome, ...]:
    return run_checks(LAB, student, 1)


def test_a_fault_of_ours_is_an_error_and_no_failure() -> None:
    outcomes = run_on(Broken(OSError("the\nsocket is gone")))
    assert {o.outcome for o in outcomes} == {Outcome.ERROR, Outcome.NOT_RUN}
    assert outcomes[0].reason == "OSError: the\\nsocket is gone" or "\n" not in outcomes[0].reason


def test_keyboard_interrupt_passes_through_and_the_next_submission_is_graded(grade: Grade) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_on(Broken(KeyboardInterrupt()))
    assert not_passed(grade()) == {}


def test_the_backstop_is_our_fault_and_gives_an_outer_alarm_back(monkeypatch: pytest.MonkeyPatch) -> None:
    real = session_module._alarm
    monkeypatch.setattr(session_module, "_alarm", lambda seconds: real(0.2))

    class Stuck:
        def __getattr__(self, name: str) -> Callable[..., bool]:
            return lambda *args, **kwargs: threading.Event().wait(20)

    handler, outer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    outcomes = run_on(Stuck())
    assert outcomes[0].outcome is Outcome.ERROR and "backstop" in outcomes[0].reason
    assert {o.outcome for o in outcomes[1:]} == {Outcome.NOT_RUN}
    assert signal.getsignal(signal.SIGALRM) == handler
    assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) == (outer > 0)


def test_what_takes_too_long_to_judge_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the student's answers that take so long, and the grader's error would be no zero."""
    monkeypatch.setattr(session_module, "JUDGING_SECONDS", 0.1)

    class Endless(Liar):
        def _busy(self, *args: Any, **kwargs: Any) -> Any:
            while True:
                pass

        call = call_and_look_back = forward = classify = parameters = load_weights = _busy

    outcomes = {o.id: o for o in run_on(Endless(None))}
    assert {o.outcome for o in outcomes.values()} == {Outcome.FAILED, Outcome.NOT_RUN}
    assert "too long to look at" in outcomes["lenet_output_shape"].reason


def test_what_is_computed_on_the_answers_is_the_submissions_time(sandbox: Sandbox) -> None:
    class Slow(Student):
        def call(self, *args: Any, **kwargs: Any) -> Any:
            end = time.thread_time() + 0.1
            while time.thread_time() < end:
                pass
            return 0

    work = Submission(student_id="ada", code=Code(filename="lab8.py", cells=("",)))
    student = Slow(sandbox, work, ("conv_output_size",), 0, Limits())
    run_checks(LAB, student, 1)
    student.close()
    assert student.seconds_used > 0.2


def test_the_users_own_pytest_settings_do_not_matter(
    grade: Grade, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\npython_functions = nothing\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('a conftest of the user')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option -k nothing")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    session_module._collected.cache_clear()
    assert not_passed(grade()) == {}
    assert os.environ["PYTEST_PLUGINS"] == "no_such_plugin"


def test_a_submission_leaves_no_student_behind(sandbox: Sandbox) -> None:
    student: Student
    with sandbox.student(Submission(student_id="ada", code=Code(filename="lab8.py", cells=("",)))) as student:
        run_checks(LAB, student, 1)
    assert not hasattr(session_module._collected(LAB), "_student")
