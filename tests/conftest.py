"""What the tests share: boxes, and how many examples property tests try.

A few hundred here, ten thousand in `benchmarks/fuzz.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from grader.errors import KitError

settings.register_profile("tests", max_examples=300, deadline=None)
settings.register_profile(
    "fuzz", settings.get_profile("tests"), max_examples=10_000, suppress_health_check=list(HealthCheck)
)
settings.load_profile("tests")


@pytest.fixture(scope="module")
def walled_slot() -> Iterator[Callable[..., Any]]:
    """Starts a `Slot` that lives as long as the module's tests; skips them where no wall can be had."""
    from grader.sandbox import Slot  # here, for it imports torch

    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> Slot:
            try:
                return stack.enter_context(Slot(**options))
            except KitError as error:
                pytest.skip(str(error))

        yield start
