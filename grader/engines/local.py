"""The engine for one machine: a few processes, each with a sandbox of its own.

The processes are separate so that pytest, torch and their settings belong to
one submission at a time, and so that even an internal error costs one
submission and not the batch.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

from grader.errors import UserError
from grader.evidence import failed
from grader.sandbox.backend import Backend
from grader.sandbox.backends import BACKENDS
from grader.setup import Setup
from grader.types import Evidence, Submission
from grader.workdir import sockets_fit

Work = tuple[Submission, Evidence | None]  # with what is known of it already

TRIES = 2  # when a job process dies, the student is not to blame: once more in a fresh one


class Engine:
    """Processes that measure submissions, started as they are needed; use it as a context manager."""

    def __init__(self) -> None:
        self._expected = 0  # jobs, when it was started
        self._pool: list[_Job] = []

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        for job in self._pool:
            job.stop()

    def start(self, setup: Setup, jobs: int) -> None:
        """Start what takes long to start, before it is known what there is to be measured."""
        BACKENDS[setup.sandbox].prepare()
        self._expected, context = jobs, _context(jobs)
        if jobs == 1:
            self._pool.append(_Job(context, setup))
        elif context.get_start_method() == "forkserver":
            forkserver.ensure_running()

    def measure(self, works: Iterable[Work], setup: Setup, *, jobs: int) -> Iterator[Evidence]:
        """Measure submissions, at most `jobs` at a time; yield each one's `Evidence` as soon as it is there.

        What is known of one and still holds is not measured again. A submission whose job process dies twice
        ends as a failure of the grader's. Raises `UserError` where a job cannot set up its pipeline (no
        sandbox to be had, no data): then nobody could be graded.
        """
        todo = deque((work, 1) for work in works)
        tries: dict[int, int] = {}
        BACKENDS[setup.sandbox].prepare()
        for job in self._pool:
            _next(job, todo, tries)
        while todo or any(job.work for job in self._pool):
            while todo and len(self._pool) < jobs:
                self._pool.append(_Job(_context(self._expected or jobs), setup))
                _next(self._pool[-1], todo, tries)
            for connection in wait([job.connection for job in self._pool if job.work]):
                job = next(job for job in self._pool if job.connection is connection)
                work = job.work
                assert work is not None
                try:
                    answer: Any = job.connection.recv()
                except (EOFError, OSError):
                    job.process.join()
                    self._pool.remove(job)
                    tried = tries[id(work)]
                    if tried < TRIES:
                        todo.appendleft((work, tried + 1))
                    else:
                        exit_status = job.process.exitcode
                        reason = f"the grading process ended with exit status {exit_status}, {tried} times"
                        yield failed(work[0], reason)
                    continue
                job.work = None
                if isinstance(answer, UserError):
                    raise answer
                _next(job, todo, tries)
                yield answer


class _Job:
    """One process and the submission that it is working on."""

    def __init__(self, context: BaseContext, setup: Setup) -> None:
        self.connection, theirs = context.Pipe()
        # A fork has this end, too: unless it closes it, it would never see that we are gone.
        ours = self.connection if context.get_start_method() == "fork" else None
        self.process = context.Process(target=_work, args=(theirs, setup, ours))  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()
        self.work: Work | None = None

    def give(self, work: Work) -> None:
        self.work = work
        with suppress(OSError):  # a job that is already dead is noticed by the next receive
            self.connection.send(work)

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _next(job: _Job, todo: deque[tuple[Work, int]], tries: dict[int, int]) -> None:
    if todo:
        work, tried = todo.popleft()
        tries[id(work)] = tried
        job.give(work)


def _context(jobs: int) -> BaseContext:
    """How jobs are started: a single one at once, several by a fork server that has torch imported.

    The single one starts its sandbox and imports torch while the sandbox does so, too; several share the
    memory of what the fork server has imported.
    """
    methods = multiprocessing.get_all_start_methods()
    # The fork of a process with threads may hang, and on macOS any may.
    if jobs == 1 and sys.platform == "linux" and threading.active_count() == 1:
        return multiprocessing.get_context("fork")
    if jobs == 1 or "forkserver" not in methods or not sockets_fit():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grader.engines.preload"])
    return context


def _work(connection: Connection, setup: Setup, parents: Connection | None) -> None:
    """A job's life: set up the pipeline once, then measure what comes until nothing more comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it ends us
    if parents is not None:
        parents.close()
    backend = BACKENDS[setup.sandbox](setup.device)
    started: Backend | None = None
    with suppress(UserError):  # the pipeline tries again then, and the error is sent
        backend.start(setup.rubric.limits)  # first, for it imports torch while we do
        started = backend
    from grader.engines.preload import Pipeline

    pipeline = None
    with suppress(EOFError, ConnectionError):  # the parent has ended
        while True:
            submission, known = connection.recv()
            answer: Evidence | UserError
            try:
                pipeline = pipeline or Pipeline(setup, started)
                answer = pipeline.measure(submission, known)
            except UserError as error:
                answer = error
            except OSError as error:  # a disk without room, for instance
                answer = UserError(f"a grading process cannot be set up: {error}")
            connection.send(answer)
