"""What the tests share: sandboxes, the order of their modules, and how many examples property tests try.

Some three hundred examples here, a few in `make test`, ten thousand in `benchmarks/fuzz.py`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from grader.errors import UserError
from grader.limits import Limits

if TYPE_CHECKING:
    from grader.sandbox import Sandbox

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests' processes share the processors already

settings.register_profile("tests", max_examples=300, deadline=None)
settings.register_profile("few", settings.get_profile("tests"), max_examples=25)
settings.register_profile(
    "fuzz", settings.get_profile("tests"), max_examples=10_000, suppress_health_check=list(HealthCheck)
)
settings.load_profile("tests")

# The modules that take longest, longest first: begun last, one of them would keep a single process busy.
LONGEST = (
    "test_training",
    "test_mistakes",
    "test_attacks",
    "test_files",
    "test_recovery",
    "test_selftest",
    "test_cli",
    "test_solution",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the longest modules come first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A module's tests run in one process, for they share what is slow to set up; all attacks do.

    Attacks without a sandbox reach for whatever canary they find, be it of attacks beside them.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return "attacks" if "/attacks/" in module else module

    return ByModule(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `-n auto`: one a processor, but each has sandboxes that hold torch, so four are enough."""
    return min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.fixture(scope="session", autouse=True)
def _coverage_inside() -> Iterator[None]:
    """Where coverage is measured, measure it without a sandbox, too: nothing gets out of one."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_PROCESS")}
    if not settings:
        yield
        return
    from grader.sandbox import backend, unconfined
    from grader.sandbox.sandbox import Sandbox, Worker

    environment, end_worker = backend.environment, Sandbox.end_worker

    def measured(scratch: Path, device: str) -> dict[str, str]:
        return environment(scratch, device) | settings

    def end(sandbox: Sandbox, worker: Worker) -> bool:
        if not sandbox.backend.isolates:
            worker.close()
            time.sleep(0.1)  # for it to end by itself, and to write down what it ran
        return end_worker(sandbox, worker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unconfined, "environment", measured)
        patch.setattr(Sandbox, "end_worker", end)
        yield


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Callable[..., Sandbox]]:
    """Gives a running sandbox of the kind and with the limits asked for; all tests share one of each kind.

    Limits of the sandbox itself make another kind; the others are set for each submission.
    """
    from grader.sandbox import Sandbox  # here, for it imports torch

    kinds: dict[tuple[object, ...], Sandbox] = {}
    with contextlib.ExitStack() as stack:

        def started(backend: str = "bubblewrap", limits: Limits | None = None, threads: int = 1) -> Sandbox:
            limits = limits or Limits()
            sizes = limits.memory_mib, limits.processes, limits.scratch_mib, limits.shared_memory_mib
            kind = (backend, threads, *sizes)
            if kind not in kinds:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("A_SECRET", "of the person at the keyboard")  # which no sandbox may hand on
                    kinds[kind] = stack.enter_context(
                        Sandbox(backend=backend, limits=limits, threads=threads)
                    )
            kinds[kind].limits = limits
            return kinds[kind]

        yield started


@pytest.fixture(scope="module")
def isolated_sandbox(sandboxes: Callable[..., Sandbox]) -> Callable[..., Sandbox]:
    """As `sandboxes`, with a sandbox; skips the tests where none can be set up."""

    def start(**options: Any) -> Sandbox:
        try:
            return sandboxes(**options)
        except UserError as error:
            pytest.skip(str(error))

    return start
