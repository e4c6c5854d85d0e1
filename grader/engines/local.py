"""The engine for one machine: a few processes, each with a sandbox slot of its own.

The processes are separate so that pytest, torch and their settings belong to
one submission at a time, and so that even a fault of the grader's own costs
one submission and not the batch.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any

from grader import cgroup
from grader.errors import KitError
from grader.rubric import score
from grader.setup import Setup
from grader.types import Problem, Status, Submission, Verdict
from grader.workdir import sockets_fit

TRIES = 2  # a job process that dies is no fault of the student's: once more on a fresh one


class _Job:
    """One process and the submission that it is working on."""

    def __init__(self, context: BaseContext, setup: Setup) -> None:
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, setup))  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()
        self.submission: Submission | None = None

    def give(self, submission: Submission) -> None:
        self.submission = submission
        with suppress(OSError):  # a job that is already dead is noticed by the next receive
            self.connection.send(submission)

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def grade_all(submissions: Sequence[Submission], setup: Setup, *, jobs: int) -> Iterator[Verdict]:
    """Grade `submissions`, at most `jobs` at a time; yield each `Verdict` as soon as it is there.

    A submission whose job process dies twice ends as `grader_error`. Raises `KitError` where a
    job cannot set up its bench (no sandbox to be had, no data): then nobody could be graded.
    """
    if setup.sandbox == "bubblewrap":
        cgroup.place()  # here, before there are other processes: it may move this one
    context = _context()
    todo = deque((submission, 1) for submission in submissions)
    tries: dict[int, int] = {}
    pool: list[_Job] = []
    try:
        while todo or any(job.submission for job in pool):
            while todo and len(pool) < jobs:
                pool.append(_Job(context, setup))
                _next(pool[-1], todo, tries)
            for connection in wait([job.connection for job in pool if job.submission]):
                job = next(job for job in pool if job.connection is connection)
                submission = job.submission
                assert submission is not None
                try:
                    answer: Any = job.connection.recv()
                except (EOFError, OSError):
                    job.process.join()
                    pool.remove(job)
                    tried = tries[id(submission)]
                    if tried < TRIES:
                        todo.appendleft((submission, tried + 1))
                    else:
                        exit_status = job.process.exitcode
                        reason = f"the grading process ended with exit status {exit_status}, {tried} times"
                        problem = Problem(status=Status.GRADER_ERROR, reason=reason)
                        yield score(setup.rubric, submission, problem=problem)
                    continue
                job.submission = None
                if isinstance(answer, KitError):
                    raise answer
                _next(job, todo, tries)
                yield answer
    finally:
        for job in pool:
            job.stop()


def _next(job: _Job, todo: deque[tuple[Submission, int]], tries: dict[int, int]) -> None:
    if todo:
        submission, tried = todo.popleft()
        tries[id(submission)] = tried
        job.give(submission)


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
            submission = connection.recv()
            answer: Verdict | KitError
            try:
                bench = bench or Bench(setup)
                answer = bench.grade(submission)
            except KitError as error:
                answer = error
            except OSError as error:  # a disk without room, for instance
                answer = KitError(f"a grading process cannot be set up: {error}")
            connection.send(answer)
