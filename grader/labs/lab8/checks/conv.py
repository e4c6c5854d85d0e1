"""Convolution arithmetic, 10 points. The oracle is `torch.nn` itself, on cases fresh for each submission."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from grader.checks import check
from grader.expect import CheckFailed, expect_equal, show, whole
from grader.sandbox import Student, StudentFailure, Value

Whole = int | tuple[int, int]
Case = tuple[Whole, ...]  # input size, kernel size, and perhaps stride and padding

CALL_SECONDS = 5.0  # arithmetic takes microseconds; whoever needs longer is in an endless loop


@check()
def conv_size_formula(student: Student, rng: random.Random) -> None:
    """`conv_output_size` gives the right size where the stride divides evenly."""
    for case in [_even(rng)[:2], *_even_cases(rng), (227, 11, 4)]:
        hint = "(input + 2 · padding − kernel) / stride + 1; stride is 1 and padding 0 where not given"
        _expect_size(student, case, hint)


@check(needs=("conv_size_formula",))
def conv_size_floor(student: Student, rng: random.Random) -> None:
    """A stride that does not divide evenly rounds down, and a size is always an int."""
    for case in [_uneven(rng, 3, 2), _uneven(rng, 2, 1), _uneven(rng, 4, 1), _uneven(rng, 5, 4), _even(rng)]:
        hint = "the last partial step is dropped: divide with //"
        _expect_size(student, case, hint, is_int=True)


@check(needs=("conv_size_formula",))
def conv_size_pairs(student: Student, rng: random.Random) -> None:
    """Pairs (height, width) are taken for any argument, mixed with ints, and then give a pair."""
    for which in [(0, 1, 2, 3), (0,), (1,), (2,), (3,), (0, 2)]:
        case = _with_pairs(rng, which)
        hint = "an int stands for both height and width; one pair among the arguments makes the result a pair"
        _expect_size(student, case, hint)


@check(needs=("conv_size_formula",))
def conv_size_impossible(student: Student, rng: random.Random) -> None:
    """A size that cannot be is refused with ValueError."""
    n, p = rng.randint(8, 40), rng.randint(1, 3)
    too_large: list[Case] = [(n, n + 1), (n, n + 2 * p + 1, 1, p)]
    no_size: list[Case] = [(n, 0), (n, -3), (n, 3, 0), (n, 3, -1), (0, 1), (-n, 3), (n, 3, 1, -1)]
    for case in [*too_large, *no_size]:
        _expect_refused(student, case)
    call, hint = (n, n), "a kernel as large as the padded input fits once"
    expect_equal(whole(_size(student, call)), 1, of=_text(call), hint=hint)


@check()
def conv_params_bias(student: Student, rng: random.Random) -> None:
    """`conv_parameter_count` counts weights and biases, and leaves the biases out where there are none."""
    biases = [(), (True,), (False,), (True,), (False,)]
    for kernel, bias in zip(rng.sample(range(2, 8), len(biases)), biases, strict=True):
        case = (*rng.sample(range(2, 33), 2), kernel, *bias)
        hint = "out · in · kernel · kernel weights, and one bias for each output channel: an int"
        _expect_count(student, case, hint)


@check(needs=("conv_params_bias",))
def conv_params_nonsquare(student: Student, rng: random.Random) -> None:
    """`conv_parameter_count` counts right for a kernel that is not square."""
    for _ in range(3):
        height, width = rng.sample(range(2, 9), 2)
        case = (rng.randint(2, 32), rng.randint(2, 32), (height, width))
        hint = "a kernel of (height, width) has height · width weights a channel"
        _expect_count(student, case, hint)


# The cases


def _even_cases(rng: random.Random) -> list[Case]:
    """One for each stride and each padding, with even and odd kernels, or luck would hide what is wrong."""
    kernels = rng.sample(range(2, 8), 6)
    strides = [*rng.sample(range(1, 5), 4), 1, rng.randint(3, 4)]
    paddings = [*rng.sample(range(4), 4), rng.randint(1, 3), 3]  # the last two: by the stride it is no other
    return [_case(rng, *one) for one in zip(kernels, strides, paddings, strict=True)]


def _even(rng: random.Random, remainder: int = 0, stride: int | None = None) -> tuple[int, int, int, int]:
    """Input, kernel, stride and padding whose last step leaves `remainder` pixels over."""
    kernel, padding = rng.randint(2, 7), rng.randint(0, 3)
    return _case(rng, kernel, rng.randint(1, 4) if stride is None else stride, padding, remainder)


def _case(
    rng: random.Random, kernel: int, stride: int, padding: int, remainder: int = 0
) -> tuple[int, int, int, int]:
    return (rng.randint(7, 30) * stride + kernel - 2 * padding + remainder, kernel, stride, padding)


def _uneven(rng: random.Random, stride: int, remainder: int) -> tuple[int, int, int, int]:
    return _even(rng, remainder, stride)


def _with_pairs(rng: random.Random, which: tuple[int, ...]) -> Case:
    """A case with a pair of different numbers for each argument in `which`; all steps are whole."""
    while True:
        drawn = [rng.sample(numbers, 2) for numbers in (range(16, 65), range(1, 8), range(1, 4), range(4))]
        pairs = [(a, b) if place in which else (a, a) for place, (a, b) in enumerate(drawn)]
        if all(
            (size + 2 * padding - kernel) % stride == 0
            for size, kernel, stride, padding in zip(*pairs, strict=True)
        ):
            return tuple(pair if place in which else pair[0] for place, pair in enumerate(pairs))


# The oracle


def _torch_size(case: Case) -> Whole:
    """The size that `nn.Conv2d` gives."""
    height, width = case[0] if isinstance(case[0], tuple) else (case[0], case[0])
    numbers: Any = case[1:]
    layer = nn.Conv2d(1, 1, *numbers)
    size = layer(torch.zeros(1, 1, height, width)).shape
    return (size[2], size[3]) if any(isinstance(number, tuple) for number in case) else size[2]


def _torch_count(case: tuple[Any, ...]) -> int:
    inputs, outputs, kernel, *bias = case
    layer = nn.Conv2d(inputs, outputs, kernel, bias=bias != [False])
    return sum(parameter.numel() for parameter in layer.parameters())


# The student's functions


def _size(student: Student, case: Case) -> Value:
    return student.call("conv_output_size", *case, seconds=CALL_SECONDS)


def _expect_size(student: Student, case: Case, hint: str, *, is_int: bool = False) -> None:
    of, right = _text(case), _torch_size(case)
    with _naming(of, right, hint):
        value = _size(student, case)
    expect_equal(value if is_int else whole(value), right, of=of, hint=hint)


def _expect_count(student: Student, case: tuple[Any, ...], hint: str) -> None:
    of, right = _text(case, "parameter_count"), _torch_count(case)
    with _naming(of, right, hint):
        value = student.call("conv_parameter_count", *case, seconds=CALL_SECONDS)
    expect_equal(value, right, of=of, hint=hint)


@contextmanager
def _naming(call: str, right: object, hint: str) -> Iterator[None]:
    """Have an exception of the student's tell which call it came from; a task not yet written says enough."""
    try:
        yield
    except StudentFailure as failure:
        if failure.kind != "raised" or "NotImplementedError" in failure.types:
            raise
        raised = f"{call}: expected {show(right)}, got {failure.message}"
        raise CheckFailed(raised, expected=show(right), actual=failure.message, hint=hint) from None


def _expect_refused(student: Student, case: Case) -> None:
    call, hint = (
        _text(case),
        "look for sizes, kernels and strides below 1, padding below 0, kernels that do not fit",
    )
    try:
        value = show(_size(student, case))
    except StudentFailure as failure:
        if failure.kind != "raised":
            raise
        if "ValueError" not in failure.types:
            raised = f"{call}: expected ValueError, got {failure.message}"
            raise CheckFailed(raised, expected="ValueError", actual=failure.message, hint=hint) from None
    else:
        returned = f"{call}: expected ValueError, got {value}"
        raise CheckFailed(returned, expected="ValueError", actual=f"{call} gave {value}", hint=hint)


def _text(case: tuple[object, ...], function: str = "output_size") -> str:
    return f"conv_{function}({', '.join(map(show, case))})"
