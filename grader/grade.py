"""The spine: one submission's way through the rooms."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import torch
from torch import Tensor

from grader import datasets, training
from grader.accuracy import Network, accuracy_seconds, between_seconds, measure, measure_accuracy
from grader.checks import not_run, run_checks
from grader.errors import KitError
from grader.integrity.code import carries
from grader.integrity.examine import control_images, examine, examine_texts
from grader.integrity.network import Draw, draw, drawn_count
from grader.longest import few_seconds, longest
from grader.questions import assess_answers
from grader.rubric import score
from grader.sandbox import SandboxError, Slot, Student, StudentFailure
from grader.setup import Setup
from grader.text import safe_line
from grader.types import Accuracy, AnswerOutcome, CheckOutcome, Problem, Status, Submission, Training, Verdict
from grader.workdir import Workdir

_STATUS_OF = {"timeout": Status.TIMEOUT, "out_of_memory": Status.OUT_OF_MEMORY}  # all else: crashed


class Bench:
    """A sandbox slot and the labelled images: what one job needs to grade submissions, one by one."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        torch.set_num_threads(1)  # the cores are the students'; what is computed here is small
        limits = setup.rubric.limits
        if setup.weights != "submitted":
            self.training_set = datasets.load_training(setup.images)
        self.slot = Slot(mode=setup.sandbox, limits=limits, device=setup.device, threads=setup.threads)
        self.images, self.labels = datasets.load_labelled(setup.images)
        self.control = control_images(setup.images)
        self.accuracy_seconds = accuracy_seconds(limits, setup.device, len(self.images))
        between = drawn_count(len(self.labels), len(self.control[1]) if self.control else 0)
        self.between_seconds = between_seconds(self.accuracy_seconds, len(self.labels), between)
        seconds = self.accuracy_seconds, self.between_seconds
        self.private: tuple[Tensor, Tensor] | None = None
        self.private_seconds = 0.0
        if setup.private:
            self.private = datasets.load_images_file(Path(setup.private))
            self.private_seconds = accuracy_seconds(limits, setup.device, len(self.private[1]))
            seconds = seconds[0] + self.private_seconds, seconds[1]
        self.longest = longest(limits, setup.rubric.training, setup.weights, *seconds)

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.slot.close()

    @property
    def deciding(self) -> tuple[Tensor, Tensor]:
        """The labelled images that the points are for."""
        return self.private or (self.images, self.labels)

    def measure_pace(self) -> float:
        """`accuracy_seconds`, by the slowest pace of this machine so far; it is looked at again now."""
        limits, device = self.setup.rubric.limits, self.setup.device
        now = accuracy_seconds(limits, device, len(self.images))
        self.accuracy_seconds = max(self.accuracy_seconds, now)
        return self.accuracy_seconds

    def train(self, submission: Submission, folder: Path) -> tuple[Submission, Training]:
        """As `grader.training.train`, with the rubric's budget."""
        return training.train(self.slot, submission, self.setup.rubric.training, *self.training_set, folder)

    def grade(self, submission: Submission) -> Verdict:
        """Grade `submission`; what goes wrong on our side becomes a `grader_error`, never a zero.

        It takes no longer than `longest` says. Raises `KitError` where nobody could be graded: no wall to be
        had, no GPU inside it.
        """
        self.slot.deadline = time.monotonic() + self.longest.patience
        try:
            try:
                return grade_one(submission, self)
            except SandboxError:  # its box died, maybe through others: once more in a new one
                if time.monotonic() > self.slot.deadline:
                    raise
                return grade_one(submission, self)
        except KitError:
            raise
        except Exception as error:
            reason = safe_line(f"{type(error).__name__}: {error}", 500)
            problem = Problem(status=Status.GRADER_ERROR, reason=reason)
            return score(self.setup.rubric, submission, problem=problem)


def grade_one(submission: Submission, bench: Bench) -> Verdict:
    """One submission, from its files to its points, with what the class's texts are compared by."""
    verdict = _grade_one(submission, bench)
    wordings = [(question.text, question.text_zh) for question in bench.setup.rubric.questions]
    found = examine_texts(submission, wordings)
    fingerprint = verdict.fingerprint.model_copy(
        update=found.fingerprint.model_dump(include={"code", "text"})
    )
    remarks = (*verdict.remarks, *found.remarks)
    return verdict.model_copy(update={"fingerprint": fingerprint, "remarks": remarks})


def _grade_one(submission: Submission, bench: Bench) -> Verdict:
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
            accuracy=Accuracy(images=len(bench.deciding[1]), reason=reason),
            answers=answers,
        )
    verdict = _grade_work(submission, bench, answers)
    flag = carries(submission.code)
    return verdict.model_copy(update={"flags": (*verdict.flags, flag)}) if flag else verdict


def _grade_work(submission: Submission, bench: Bench, answers: tuple[AnswerOutcome, ...]) -> Verdict:
    """The verdict on the weights that were handed in, or on what training gives, as is asked for."""
    if bench.setup.weights == "submitted":
        return _grade_weights(submission, bench, answers)
    with Workdir() as folder:
        if bench.setup.weights == "verify":
            return _verify(_grade_weights(submission, bench, answers), submission, bench, folder)
        trained, record = bench.train(submission, folder)
        verdict = _grade_weights(trained, bench, answers)
    flag = training.instant(record, verdict.accuracy)
    flags = (*verdict.flags, flag) if flag else verdict.flags
    remarks = (*verdict.remarks, training.summary(record))
    return verdict.model_copy(update={"training": record, "remarks": remarks, "flags": flags})


def _verify(verdict: Verdict, submission: Submission, bench: Bench, folder: Path) -> Verdict:
    """The verdict on the weights that were handed in, with what training anew says of them."""
    if verdict.accuracy is None or verdict.accuracy.correct is None:
        return verdict  # there is nothing to compare with
    trained, record = bench.train(submission, folder)
    few = few_seconds(bench.slot.limits)
    seconds = bench.private_seconds if bench.private else bench.accuracy_seconds
    with bench.slot.student(trained, wall_seconds=few, accuracy_seconds=seconds) as student:
        accuracy = measure_accuracy(student, *bench.deciding, seconds=seconds)
        if student.box_failure:
            raise student.box_failure
    source = {"source": "trained" if accuracy.correct is not None else ""}
    record = record.model_copy(update={"accuracy": accuracy.model_copy(update=source)})
    found = (
        training.compare(verdict.accuracy, record, bench.setup.rubric.training),
        training.instant(record, record.accuracy),
    )
    flags = (*verdict.flags, *filter(None, found))
    remarks = (*verdict.remarks, training.summary(record))
    return verdict.model_copy(update={"training": record, "remarks": remarks, "flags": flags})


def _grade_weights(submission: Submission, bench: Bench, answers: tuple[AnswerOutcome, ...]) -> Verdict:
    """Check the code, and measure its network with the submission's weights, whoever trained them."""
    rubric = bench.setup.rubric
    drawn = draw((bench.images, bench.labels), bench.control)
    seconds = bench.accuracy_seconds + bench.between_seconds + bench.private_seconds
    with bench.slot.student(submission, accuracy_seconds=seconds) as student:
        measured = _measure(student, submission, bench, drawn)
        log = student.log
        found = examine(submission, measured.public, measured.network, bench.labels, drawn, student=student)
    verdict = score(
        rubric,
        submission,
        problem=measured.problem,
        checks=measured.checks,
        accuracy=measured.accuracy,
        answers=answers,
        remarks=(*student.remarks, *found.remarks),
        log=log,
        sandbox=bench.setup.sandbox,
    )
    update = {"flags": found.flags, "fingerprint": found.fingerprint}
    return verdict.model_copy(update=update | ({"public": measured.public} if bench.private else {}))


class _Measured(NamedTuple):
    """What came of a submission's code and weights."""

    checks: tuple[CheckOutcome, ...]
    public: Accuracy
    accuracy: Accuracy  # on the images that decide
    network: Network | None  # what it answered of the public ones
    problem: Problem | None


def _measure(student: Student, submission: Submission, bench: Bench, drawn: Draw) -> _Measured:
    """Load the code, run the hidden checks, measure the accuracy."""
    try:
        student.load()
    except StudentFailure as failure:
        problem = _problem(failure, "the code could not be loaded: ")
        nothing = Accuracy(images=len(bench.deciding[1]), reason=problem.reason)
        return _Measured(not_run(problem.reason), nothing, nothing, None, problem)
    checks = run_checks(student, seed_of(submission))
    seconds, again = bench.accuracy_seconds, bench.measure_pace
    public, network = measure(
        student, bench.images, bench.labels, seconds=seconds, between=drawn.images, again=again
    )
    accuracy = public
    if bench.private:
        accuracy = measure_accuracy(student, *bench.private, seconds=bench.private_seconds)
    if student.box_failure:  # which the checks have taken for a fault of their own
        raise student.box_failure
    exhausted = _problem(student.exhausted) if student.exhausted else None
    return _Measured(checks, public, accuracy, network, exhausted)


def _problem(failure: StudentFailure, prefix: str = "") -> Problem:
    return Problem(status=_STATUS_OF.get(failure.kind, Status.CRASHED), reason=prefix + failure.message)


def seed_of(submission: Submission) -> int:
    """A seed that the same files get again, so that the same input graded twice gives the same file.

    It is drawn from all that the code can see of its submission, names of files included, so that answers
    to the cases drawn by it can stand nowhere: to write them down would change the cases.
    """
    code, weights = submission.code, submission.weights
    seen = [submission.digest, code and code.filename, weights and [weights.filename, weights.format]]
    return int.from_bytes(hashlib.sha256(json.dumps(seen).encode()).digest()[:6], "big")
