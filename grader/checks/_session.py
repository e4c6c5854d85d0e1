"""Runs the hidden checks in a pytest session of their own, inside this process.

pytest collects the checks once a process (some 50 ms); its items are then run
again for each submission (some 4 ms), as the plugins that rerun flaky tests do.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Generator
from functools import cache
from types import FrameType
from typing import Any, Literal, NamedTuple

import pytest
import torch

from grader.expect import CheckFailed, show
from grader.lab import Lab
from grader.sandbox import Model, Student, StudentFailure
from grader.types import CheckOutcome, Outcome

# Of CPU time, for what a check itself computes on what came back. That is bounded, so that a few
# seconds are the most that it ever takes.
JUDGING_SECONDS = 60.0

# Only what collects and runs: no plugin that prints, writes, captures, or touches the process as a whole.
_WITHOUT = (
    *("terminal", "capture", "logging", "warnings", "faulthandler", "threadexception", "unraisableexception"),
    *("debugging", "assertion", "cacheprovider", "stepwise", "junitxml", "pastebin", "doctest", "unittest"),
    *("setuponly", "setupplan", "tmpdir"),
)
_ARGUMENTS = [
    *("-c", os.devnull, "--noconftest", "--import-mode=importlib"),
    *("-p", "pytest_timeout", "-o", "python_functions=*"),
    *(word for name in _WITHOUT for word in ("-p", f"no:{name}")),
]


class CheckInfo(NamedTuple):
    """What is known of a check without running it."""

    id: str
    title: str
    needs: tuple[str, ...]


def check_catalogue(lab: Lab) -> list[CheckInfo]:
    """All hidden checks of the lab in the order in which they run."""
    return [_info(item) for item in _collected(lab).items]


def not_run(lab: Lab, reason: str) -> tuple[CheckOutcome, ...]:
    """Every check as not run: for a submission without code that can be loaded."""
    return tuple(
        CheckOutcome(id=info.id, title=info.title, outcome=Outcome.NOT_RUN, reason=reason)
        for info in check_catalogue(lab)
    )


def run_checks(lab: Lab, student: Student, seed: int) -> tuple[CheckOutcome, ...]:
    """Run all hidden checks of the lab on `student`, in order, and print nothing.

    Whatever the student's code does is a failed check; what goes wrong on our side is an
    `error`. The random cases depend on `seed` alone. Call it from the main thread: the
    backstop needs SIGALRM. KeyboardInterrupt passes through.
    """
    session = _collected(lab)
    try:
        return session.run(student, seed)
    except BaseException:  # pytest's set-up stack is then no longer to be relied on
        _collected.cache_clear()
        raise


class _NotRun(Exception):  # noqa: N818 (an outcome, not a fault)
    pass


class _BackstopError(Exception):
    pass


class _TooMuchToJudge(CheckFailed):
    pass


class _Session:
    """The plugin in the checks' own pytest session, and the state of the submission at hand."""

    def __init__(self) -> None:
        self.items: list[pytest.Function] = []
        self.problems: list[str] = []

    def run(self, student: Student, seed: int) -> tuple[CheckOutcome, ...]:
        self._student, self._seed = student, seed
        self._outcomes: dict[str, CheckOutcome] = {}
        self._hopeless: dict[str, StudentFailure] = {}
        self._stopped = ""
        for item, following in zip(self.items, [*self.items[1:], None], strict=True):
            self._again = False
            self._run(item, following)
            if self._late:  # no single reading of a clock costs a point
                self._again = True
                self._run(item, following)
        del self._student
        return tuple(self._outcomes.values())

    def _run(self, item: pytest.Function, following: pytest.Function | None) -> None:
        self._late = False
        self._outcomes.pop(item.name, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _build(self, factory: str) -> Model:
        """A fresh model; a factory that ran out of time or memory is not asked again for each check."""
        if factory in self._hopeless:
            raise self._hopeless[factory]
        try:
            return self._student.build(factory)
        except StudentFailure as failure:
            if failure.kind == "out_of_memory" or (failure.kind == "timeout" and self._again):
                self._hopeless[factory] = failure
            raise

    # What a check may ask for

    @pytest.fixture
    def student(self) -> Student:
        return self._student

    @pytest.fixture
    def build(self) -> Callable[[str], Model]:
        """Builds what the student's function of this name returns."""
        return self._build

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> random.Random:
        """Fresh cases for each submission and check, the same again for the same submission."""
        return random.Random(f"{self._seed} {request.node.name}")

    @pytest.fixture
    def noise(self, rng: random.Random) -> torch.Generator:
        return torch.Generator().manual_seed(rng.getrandbits(60))

    # What pytest tells

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "check(needs): a hidden check")

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(
        self, collector: object, name: str, obj: object
    ) -> list[pytest.Item] | None:
        """Of all functions that a file holds or imports, those marked as checks."""
        marks = getattr(obj, "pytestmark", ())
        return None if any(mark.name == "check" for mark in marks) else []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.problems.append(str(report.longrepr))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = [item for item in session.items if isinstance(item, pytest.Function)]
        return True  # nothing is run yet: there is no student

    def pytest_runtest_setup(self, item: pytest.Function) -> None:
        if self._stopped:
            raise _NotRun(self._stopped)
        for name in _info(item).needs:
            if self._outcomes[name].outcome is not Outcome.PASSED:
                raise _NotRun(f"needs {name}")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Function) -> Generator[None, None, None]:
        """What it takes to judge what came back is the submission's time too."""
        began = time.thread_time()
        try:
            yield
        finally:
            if isinstance(self._student, Student):  # else a test's stand-in
                self._student.seconds_used += time.thread_time() - began

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Function, call: pytest.CallInfo[None]
    ) -> pytest.TestReport:
        """Note the outcome; the report, for pytest alone, has no traceback, which would take it 10 ms."""
        info, error = _info(item), call.excinfo.value if call.excinfo else None
        if error is not None or info.id not in self._outcomes:  # an error in the tear-down counts as well
            self._outcomes[info.id] = _outcome(info, error)
        self._late = self._late or _is_late(error)
        if isinstance(error, _TooMuchToJudge) and isinstance(self._student, Student):
            self._student.renew()  # the answer to a request may be under way still
        if isinstance(error, _BackstopError):
            self._stopped = "the grader stopped at an earlier check"
        how: Literal["passed", "failed"] = "passed" if error is None else "failed"
        assert call.when != "collect"
        return pytest.TestReport(item.nodeid, item.location, {}, how, None, call.when)

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Function, settings: Any) -> bool:
        """Raise in the check itself: pytest-timeout's own timers would print, or end the whole process."""
        if hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread():
            item.cancel_timeout = _alarm(settings.timeout)  # type: ignore[attr-defined]
        return True


def _alarm(seconds: float) -> Any:
    """Raise `_BackstopError` here in `seconds` unless the function returned is called first.

    Or `_TooMuchToJudge`, where until then JUDGING_SECONDS were computed here: that is the student's failure.
    """
    end, computed = time.monotonic() + seconds, time.thread_time() + JUDGING_SECONDS
    often = min(seconds, JUDGING_SECONDS / 4)

    def ring(signum: int, frame: FrameType | None) -> None:
        if time.thread_time() >= computed:
            raise _TooMuchToJudge("what the code gave back takes the grader too long to look at")
        if time.monotonic() >= end:
            raise _BackstopError(f"the grader's backstop of {seconds:g} s fired")

    handler = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, often, often)

    def cancel() -> None:
        signal.setitimer(signal.ITIMER_REAL, left)  # an outer test run's own alarm goes on
        signal.signal(signal.SIGALRM, handler)

    return cancel


def _is_late(error: BaseException | None) -> bool:
    """Whether a check failed by a timeout, be it in words of its own."""
    causes = (error, error.__context__ if error else None)
    return any(isinstance(cause, StudentFailure) and cause.kind == "timeout" for cause in causes)


def _outcome(info: CheckInfo, error: BaseException | None) -> CheckOutcome:
    def outcome(kind: Outcome, reason: str = "", **texts: str) -> CheckOutcome:
        return CheckOutcome(id=info.id, title=info.title, outcome=kind, reason=reason, **texts)

    if error is None:
        return outcome(Outcome.PASSED)
    if isinstance(error, CheckFailed):
        texts = {"expected": error.expected, "actual": error.actual, "hint": error.hint}
        return outcome(Outcome.FAILED, error.reason, **texts)
    if isinstance(error, StudentFailure):
        return outcome(Outcome.FAILED, error.message)
    if isinstance(error, _NotRun):
        return outcome(Outcome.NOT_RUN, str(error))
    return outcome(Outcome.ERROR, show(f"{type(error).__name__}: {error}"))


def _info(item: pytest.Function) -> CheckInfo:
    marker = item.get_closest_marker("check")
    title = (item.function.__doc__ or "").strip()
    if marker is None or not title or "\n" in title:
        raise RuntimeError(f"{item.name} has to be a @check with a docstring of one line")
    return CheckInfo(id=item.name, title=title, needs=marker.kwargs["needs"])


@cache
def _collected(lab: Lab) -> _Session:
    session = _Session()
    files = [str(lab.folder / name) for name in lab.checks]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_TIMEOUT"):  # the user's, for other tests
            patch.delenv(name, raising=False)
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        pytest.main(["--rootdir", str(lab.folder), *_ARGUMENTS, *files], plugins=[session])
    if session.problems or not session.items:
        raise RuntimeError(
            f"the hidden checks of {lab.name} could not be collected: {' '.join(session.problems)}"
        )
    seen: set[str] = set()
    for info in map(_info, session.items):
        if not seen.issuperset(info.needs):
            raise RuntimeError(f"{info.id} has to come after what it needs: {', '.join(info.needs)}")
        seen.add(info.id)
    return session
