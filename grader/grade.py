"""The spine: one submission's way through the rooms."""

from __future__ import annotations

import hashlib
from types import TracebackType

import torch

from grader import datasets
from grader.accuracy import Network, measure
from grader.checks import not_run, run_checks
from grader.errors import KitError
from grader.integrity.examine import control_images, examine
from grader.questions import assess_answers
from grader.rubric import score
from grader.sandbox import SandboxError, Slot, Student, StudentFailure
from grader.setup import Setup
from grader.text import safe_line
from grader.types import Accuracy, CheckOutcome, Problem, Status, Submission, Verdict

_STATUS_OF = {"timeout": Status.TIMEOUT, "out_of_memory": Status.OUT_OF_MEMORY}  # all else: crashed


class Bench:
    """A sandbox slot and the labelled images: what one job needs to grade submissions, one by one."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        torch.set_num_threads(1)  # the cores are the students'; what is computed here is small
        self.slot = Slot(
            mode=setup.sandbox, limits=setup.rubric.limits, device=setup.device, threads=setup.threads
        )
        self.images, self.labels = datasets.load_labelled(setup.images)
        self.control = control_images(setup.images)

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.slot.close()

    def grade(self, submission: Submission) -> Verdict:
        """Grade `submission`; what goes wrong on our side becomes a `grader_error`, never a zero.

        Raises `KitError` where nobody could be graded: no wall to be had, no GPU inside it.
        """
        try:
            try:
                return grade_one(submission, self)
            except SandboxError:  # its box died, maybe through others: once more in a new one
                return grade_one(submission, self)
        except KitError:
            raise
        except Exception as error:
            reason = safe_line(f"{type(error).__name__}: {error}", 500)
            problem = Problem(status=Status.GRADER_ERROR, reason=reason)
            return score(self.setup.rubric, submission, problem=problem)


def grade_one(submission: Submission, bench: Bench) -> Verdict:
    """One submission, from its files to its points."""
    rubric = bench.setup.rubric
    if submission.problem:
        return score(
            rubric, submission, problem=submission.problem, checks=not_run(submission.problem.reason)
        )
    wordings = [(question.text, question.text_zh) for question in rubric.questions]
    answers = assess_answers(submission.answer_texts, wordings)
    if why := submission.no_answers:
        answers = tuple(
            a if a.present else a.model_copy(update={"reason": f"{a.reason}; {why}"}) for a in answers
        )
    if not submission.code:
        reason = submission.no_code or "no lab8.py or lab8.ipynb was handed in"
        return score(
            rubric,
            submission,
            checks=not_run(reason),
            accuracy=Accuracy(images=len(bench.labels), reason=reason),
            answers=answers,
        )
    with bench.slot.student(submission) as student:
        checks, accuracy, network, problem = _examine(student, submission, bench)
        log = student.log  # before it is asked for more, which differs from run to run
        found = examine(
            submission,
            accuracy,
            network,
            (bench.images, bench.labels),
            bench.control,
            wall_seconds=student.limits.wall_seconds,
        )
    verdict = score(
        rubric,
        submission,
        problem=problem,
        checks=checks,
        accuracy=accuracy,
        answers=answers,
        remarks=(*student.remarks, *found.remarks),
        log=log,
        sandbox=bench.setup.sandbox,
    )
    return verdict.model_copy(update={"flags": found.flags, "fingerprint": found.fingerprint})


def _examine(
    student: Student, submission: Submission, bench: Bench
) -> tuple[tuple[CheckOutcome, ...], Accuracy, Network | None, Problem | None]:
    """Load the code, run the hidden checks, measure the accuracy."""
    try:
        student.load()
    except StudentFailure as failure:
        problem = _problem(failure, "the code could not be loaded: ")
        nothing = Accuracy(images=len(bench.labels), reason=problem.reason)
        return not_run(problem.reason), nothing, None, problem
    checks = run_checks(student, seed_of(submission))
    accuracy, network = measure(student, bench.images, bench.labels)
    if student.box_failure:  # which the checks have taken for a fault of their own
        raise student.box_failure
    return checks, accuracy, network, _problem(student.exhausted) if student.exhausted else None


def _problem(failure: StudentFailure, prefix: str = "") -> Problem:
    return Problem(status=_STATUS_OF.get(failure.kind, Status.CRASHED), reason=prefix + failure.message)


def seed_of(submission: Submission) -> int:
    """A seed that the same files get again, so that the same input graded twice gives the same file."""
    return int.from_bytes(hashlib.sha256(submission.digest.encode()).digest()[:6], "big")
