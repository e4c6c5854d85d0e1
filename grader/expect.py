"""What a check is written with: the ways to say what was expected, in one line that is safe to print."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

TEXT_LIMIT = 200  # characters of an expected or actual value that a report shows
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LARGEST = 1e30  # no network's number is larger, and our own arithmetic on such numbers stays finite


class CheckFailed(Exception):  # noqa: N818 (an outcome, not a fault)
    """The student's result is not what it should be. All texts are one line and safe to print."""

    def __init__(self, reason: str, *, expected: str = "", actual: str = "", hint: str = "") -> None:
        super().__init__(reason)
        self.reason, self.expected, self.actual, self.hint = reason, expected, actual, hint


def expect(condition: bool, reason: str, *, expected: str = "", actual: str = "", hint: str = "") -> None:
    """Fail with `reason` unless `condition` holds."""
    if not condition:
        raise CheckFailed(reason, expected=expected, actual=actual, hint=hint)


def expect_equal(actual: object, expected: object, *, of: str, hint: str = "") -> None:
    """`actual` has the value and the type of `expected`; a list passes for a tuple.

    A bool is no int here and 2.0 is not 2, although Python calls them equal.
    """
    if not _same(actual, expected):
        wanted, got = show(expected), show(actual)
        raise CheckFailed(
            f"{of}: expected {wanted}, got {got}", expected=wanted, actual=f"{of} gave {got}", hint=hint
        )


def floats(value: object, shape: tuple[int, ...], *, of: str, more: int = 0) -> Tensor:
    """`value`, once it is known to be a tensor that torch can safely compute with.

    Its numbers are floats of a usual kind, finite and at most 1e30 in magnitude, and there are some;
    it has `shape`, and up to `more` dimensions of any size after it. Every tensor that comes from a
    student passes through here before anything is computed: torch raises on odd kinds and on more than
    64 dimensions, and NaN and infinity make any comparison come out as the student likes.
    """
    if not isinstance(value, Tensor) or value.dtype not in FLOATS:
        wanted = "a tensor of floats"
        raise CheckFailed(f"{of}: expected {wanted}, got {show(value)}", expected=wanted, actual=show(value))
    if more == 0 or value.ndim > len(shape) + more:
        expect_equal(tuple(value.shape), shape, of=f"the shape of {of}")
    else:
        start = tuple(value.shape[: len(shape)])
        wanted = f"a tensor whose shape begins with {show(shape)}"
        reason = f"{of}: expected {wanted}, got {show(value)}"
        expect(start == shape, reason, expected=wanted, actual=show(value))
    expect(value.numel() > 0, f"{of} gave a tensor without numbers", actual=show(value))
    low, high = (end.item() for end in value.aminmax())  # NaN, if there is any
    expect(-math.inf < low <= high < math.inf, f"{of} gave numbers that are not finite", actual=show(value))
    expect(-LARGEST <= low <= high <= LARGEST, f"{of} gave numbers beyond {LARGEST:g}", actual=show(value))
    return value


def expect_close(
    actual: Tensor, expected: Tensor, *, atol: float, rtol: float = 0.0, of: str, hint: str = ""
) -> None:
    """Two tensors that `floats` let through have one shape and agree within the tolerance."""
    expect_equal(tuple(actual.shape), tuple(expected.shape), of=f"the shape of {of}", hint=hint)
    a, b = actual.detach().double(), expected.detach().double()
    # torch.testing.assert_close decides in the same way, but its first call imports for over a second.
    if not torch.isclose(a, b, rtol=rtol, atol=atol).all():
        off = (a - b).abs().max().item()
        gap = f"off by up to {off:.2g}, where {atol:.1g} is rounding"
        raise CheckFailed(
            f"{of}: {gap}", expected=f"values up to {b.abs().max().item():.3g}", actual=gap, hint=hint
        )


def show(value: object) -> str:
    """`value` in one short, printable line: student's values are never trusted to be either."""
    if isinstance(value, str):
        text = repr(value[:TEXT_LIMIT])  # escapes all that is not printable
    elif isinstance(value, Tensor):
        text = f"tensor of shape {tuple(value.shape)}, {str(value.dtype).removeprefix('torch.')}"
    elif isinstance(value, int) and value.bit_length() > 200:  # repr of a huge int raises
        text = f"an integer of {value.bit_length()} bits"
    elif isinstance(value, (list, tuple)):
        text = ", ".join(show(part) for part in value[:20]) + (", …" if len(value) > 20 else "")
        text = f"[{text}]" if isinstance(value, list) else f"({text}{',' if len(value) == 1 else ''})"
    else:
        text = repr(value) if not isinstance(value, dict) else f"a dict of {len(value)} entries"
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def whole(value: Any) -> Any:
    """15.0 as 15, also in a list or tuple: that a size is an int is one check's business alone."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return type(value)(map(whole, value)) if isinstance(value, (list, tuple)) else value


def _same(actual: Any, expected: Any) -> bool:
    if isinstance(expected, (tuple, list)):
        return (
            isinstance(actual, (tuple, list))
            and len(actual) == len(expected)
            and all(_same(a, b) for a, b in zip(actual, expected, strict=True))
        )
    return type(actual) is type(expected) and bool(actual == expected)
