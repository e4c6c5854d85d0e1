"""The engine for one machine: a few processes, each with a sandbox of its own.

The processes are separate so that pytest, torch and their settings belong to
one submission at a time, and so that even an internal error costs one
submission and not the batch.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

from grader.errors import UserError
from grader.evidence import failed
from grader.sandbox.backends import BACKENDS
from grader.setup import Setup
from grader.types import Evidence, Submission
from grader.workdir import sockets_fit

Work = tuple[Submission, Evidence | None]  # with what is known of it already

TRIES = 2  # when a job process dies, the student is not to blame: once more in a fresh one


class _Job:
    """One process and the submission that it is working on."""

    def __init__(self, context: BaseContext, setup: Setup) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, setup))  # type: ignore[attr-defined]
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


def grade_all(works: Iterable[Work], setup: Setup, *, jobs: int) -> Iterator[Evidence]:
    """Measure submissions, at most `jobs` at a time; yield each one's `Evidence` as soon as it is there.

    What is known of one and still holds is not measured again. A submission whose job process dies twice
    ends as a failure of the grader's. Raises `UserError` where a job cannot set up its bench (no sandbox to
    be had, no data): then nobody could be graded.
    """
    BACKENDS[setup.sandbox].prepare()
    context = _context()
    todo = deque((work, 1) for work in works)
    tries: dict[int, int] = {}
    pool: list[_Job] = []
    try:
        while todo or any(job.work for job in pool):
            while todo and len(pool) < jobs:
                pool.append(_Job(context, setup))
                _next(pool[-1], todo, tries)
            for connection in wait([job.connection for job in pool if job.work]):
                job = next(job for job in pool if job.connection is connection)
                work = job.work
                assert work is not None
                try:
                    answer: Any = job.connection.recv()
                except (EOFError, OSError):
                    job.process.join()
                    pool.remove(job)
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
    finally:
        for job in pool:
            job.stop()


def _next(job: _Job, todo: deque[tuple[Work, int]], tries: dict[int, int]) -> None:
    if todo:
        work, tried = todo.popleft()
        tries[id(work)] = tried
        job.give(work)


def _context() -> BaseContext:
    """A fork server that has torch imported, where there can be one: each job then starts at once."""
    if "forkserver" not in multiprocessing.get_all_start_methods() or not sockets_fit():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grader.grade"])
    return context


def _work(connection: Connection, setup: Setup) -> None:
    """A job's life: open the bench once, then grade what comes until nothing more comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it ends us
    from grader.grade import Bench  # here, for it imports torch, which the parent does without

    bench = None
    with suppress(EOFError, ConnectionError):  # the parent has ended
        while True:
            submission, known = connection.recv()
            answer: Evidence | UserError
            try:
                bench = bench or Bench(setup)
                answer = bench.measure(submission, known)
            except UserError as error:
                answer = error
            except OSError as error:  # a disk without room, for instance
                answer = UserError(f"a grading process cannot be set up: {error}")
            connection.send(answer)
