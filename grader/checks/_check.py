"""The mark that makes a pytest function a hidden check."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

_Test = TypeVar("_Test", bound=Callable[..., None])


def check(*, seconds: float, needs: tuple[str, ...] = ()) -> Callable[[_Test], _Test]:
    """Mark a pytest function as a hidden check: its name is the id, its docstring the student's line.

    `needs` names the checks without which this one would say nothing. `seconds` is the backstop
    should the sandbox's own limits ever fail: when it fires, the fault is the grader's. So it lies
    well above what those limits let the slowest student take.
    """

    def mark(function: _Test) -> _Test:
        for name in needs:
            if not name.isidentifier():
                raise ValueError(f"{function.__name__} needs {name!r}, which is no check's name")
        marked: _Test = pytest.mark.check(needs=needs)(pytest.mark.timeout(seconds)(function))
        return marked

    return mark
