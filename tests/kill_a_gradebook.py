"""Processes that grade, decide and merge, each killed at some moment; fails where something is lost or twice.

    python kill_a_gradebook.py FOLDER TIMES

A process records students one after the other, decides on each, takes in another gradebook, and says of each
student when that is done. After it was killed the gradebook has to open and to hold all that was said to be.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from test_gradebook import decision, found, handed_in, keep

from grader.gradebook import Gradebook
from grader.merge import take_in


def work(folder: Path, done: int, said: int) -> None:
    for number in range(done + 1, done + 1000):
        submission = handed_in(f"pb{number}")
        with Gradebook.open_to_grade(folder / "book") as book:
            keep(book, (submission, found(submission)))
            if not book.decisions(submission.student_id):
                book.decide([decision(submission.student_id)])
            with Gradebook.open(folder / "other") as theirs:
                take_in(book, theirs)
        os.write(said, b"%d\n" % number)


def killed(folder: Path, done: int, seconds: float) -> int:
    """How far it got."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(folder, done, write)
        finally:
            os._exit(1)
    os.close(write)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL, "it ended by itself"
    with os.fdopen(read, encoding="ascii") as pipe:
        return max([done, *map(int, pipe.read().split())])


def expect_whole(folder: Path, done: int) -> None:
    with Gradebook.open_to_grade(folder / "book") as book:
        attempts, decisions = book.attempts(), book.decisions()
    for number in range(1, done + 1):
        student = f"pb{number}"
        assert [len(one.evidence.parts) for one in attempts[student]] == [3], (
            f"{student}: {attempts[student]}"
        )
        assert len(decisions[student]) == 1, f"{student}: {decisions[student]}"
    theirs = [len(one.evidence.parts) for one in attempts.pop("theirs", [])]
    assert theirs in ([], [0], [3]) and len(decisions.get("theirs", [])) <= 1, theirs
    assert done == 0 or theirs == [3]
    assert len(attempts) in (done, done + 1), len(attempts)


def main(folder: Path, times: int) -> None:
    submission = handed_in("theirs")
    with Gradebook.open_to_grade(folder / "other") as book:
        keep(book, (submission, found(submission)))
        book.decide([decision("theirs")])
    chance, done = random.Random(8), 0
    for _ in range(times):
        done = killed(folder, done, 0.15 * chance.random())
        expect_whole(folder, done)
    print(f"killed {times} times, {done} students done")
    assert done > times / 10


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
