"""The mark that makes a pytest function a hidden check."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

# Of a check, should the sandbox's own limits ever fail: when it is over, the fault is the grader's. It is
# more than what those limits let a student's checks take on the busiest machine, 6,030 seconds.
BACKSTOP_SECONDS = 7200.0

_Test = TypeVar("_Test", bound=Callable[..., None])


def check(*, needs: tuple[str, ...] = ()) -> Callable[[_Test], _Test]:
    """Mark a pytest function as a hidden check: its name is the id, its docstring the student's line.

    `needs` names the checks without which this one would say nothing.
    """

    def mark(function: _Test) -> _Test:
        for name in needs:
            if not name.isidentifier():
                raise ValueError(f"{function.__name__} needs {name!r}, which is no check's name")
        marked: _Test = pytest.mark.check(needs=needs)(pytest.mark.timeout(BACKSTOP_SECONDS)(function))
        return marked

    return mark
