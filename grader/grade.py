"""The pipeline: one submission's way from its files to the evidence on it."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from grader import datasets, training
from grader.accuracy import (
    accuracy_seconds,
    between_seconds,
    confident_mistakes,
    measure,
    measure_accuracy,
)
from grader.checks import not_run, run_checks
from grader.errors import UserError
from grader.evidence import answered, attempt_of, failed, rests_on, seed_of, still_holds
from grader.integrity import texts
from grader.integrity.code import carries
from grader.integrity.examine import control_images, examine
from grader.integrity.network import draw, drawn_count
from grader.longest import few_seconds, longest
from grader.sandbox import SandboxError, Slot, StudentFailure
from grader.scoring import score
from grader.setup import Setup
from grader.types import (
    Accuracy,
    AccuracyEvidence,
    CheckEvidence,
    Evidence,
    Flag,
    Outcome,
    Problem,
    Status,
    Submission,
    Training,
    Verdict,
)
from grader.workdir import Workdir

PUBLIC = ("mini", "full")  # images that everybody may see; an instructor's own file may be kept from students
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

    def measure(self, submission: Submission, known: Evidence | None = None) -> Evidence:
        """The evidence on `submission`; what goes wrong on our side is its `failure`, never a zero.

        What is `known` already and still holds is not measured again. It takes no longer than `longest`
        says. Raises `UserError` where nobody could be measured: no sandbox to be had, no GPU inside it.
        """
        self.slot.deadline = time.monotonic() + self.longest.patience
        try:
            try:
                return grade_one(submission, self, known)
            except SandboxError:  # its sandbox died, perhaps by others' doing: once more in a new one
                if time.monotonic() > self.slot.deadline:
                    raise
                return grade_one(submission, self, known)
        except UserError:
            raise
        except Exception as error:
            return failed(submission, f"{type(error).__name__}: {error}")

    def grade(self, submission: Submission) -> Verdict:
        """What `measure` finds out, as points."""
        return score(self.setup.rubric, self.measure(submission))


def grade_one(submission: Submission, bench: Bench, known: Evidence | None = None) -> Evidence:
    """One submission, from its files to the evidence on it."""
    basis = rests_on(submission, bench.setup)
    kept = still_holds([known] if known else [], basis)
    checks = kept.checks or _check(submission, bench)
    accuracy = kept.accuracy or _network(submission, bench, checks)
    if submission.code and not kept.checks:
        printed = texts.printed_code(submission.code.texts)
        told = {"print": printed.text, "remarks": (*checks.remarks, *printed.remarks)}
        told |= {"files": (submission.code.filename, *(helper.path for helper in submission.code.helpers))}
        checks = checks.model_copy(update=told)
    broken = any(check.outcome is Outcome.ERROR for check in checks.outcomes)  # to be run again
    sandbox = {"sandbox": bench.setup.sandbox}
    return Evidence(
        attempt=attempt_of(submission),
        checks=checks.model_copy(update=sandbox | {"rests_on": "" if broken else basis.checks}),
        accuracy=accuracy.model_copy(update=sandbox | {"rests_on": basis.accuracy}),
        answers=kept.answers or answered(submission, bench.setup.rubric, basis),
    )


def _check(submission: Submission, bench: Bench) -> CheckEvidence:
    """Load the code and run the hidden checks."""
    if submission.problem or submission.code is None:
        return CheckEvidence(outcomes=not_run(_why_no_code(submission)), loaded=False)
    with bench.slot.student(submission) as student:
        try:
            student.load()
        except StudentFailure as failure:
            problem = _problem(failure, "the code could not be loaded: ")
            outcomes = not_run(problem.reason)
            return CheckEvidence(outcomes=outcomes, problem=problem, log=student.log, loaded=False)
        outcomes = run_checks(student, seed_of(submission))
        if student.sandbox_failure:  # which the checks have taken for an error of their own
            raise student.sandbox_failure
        return CheckEvidence(
            outcomes=outcomes,
            problem=_problem(student.exhausted) if student.exhausted else None,
            remarks=tuple(student.remarks),
            log=student.log,
            seconds=round(student.seconds_used, 3),
        )


def _network(submission: Submission, bench: Bench, checks: CheckEvidence) -> AccuracyEvidence:
    """Measure the weights that were handed in, or what training gives, as is asked for."""
    if submission.code is None or not checks.loaded:
        reason = checks.problem.reason if checks.problem else _why_no_code(submission)
        return AccuracyEvidence(accuracy=Accuracy(images=len(bench.deciding[1]), reason=reason))
    if bench.setup.weights == "submitted":
        found = _measure(submission, bench)
    else:
        with Workdir() as folder:
            if bench.setup.weights == "verify":
                found = _verify(_measure(submission, bench), submission, bench, folder)
            else:
                trained, record = bench.train(submission, folder)
                found = _measure(trained, bench)
                found = _with_training(found, record, training.instant(record, found.accuracy))
    return _flagged(found, carries(submission.code))


def _verify(found: AccuracyEvidence, submission: Submission, bench: Bench, folder: Path) -> AccuracyEvidence:
    """What was found of the weights that were handed in, with what training anew says of them."""
    if found.accuracy.correct is None:
        return found  # there is nothing to compare with
    trained, record = bench.train(submission, folder)
    few = few_seconds(bench.slot.limits)
    seconds = bench.private_seconds if bench.private else bench.accuracy_seconds
    with bench.slot.student(trained, wall_seconds=few, accuracy_seconds=seconds) as student:
        accuracy = measure_accuracy(student, *bench.deciding, seconds=seconds)
        if student.sandbox_failure:
            raise student.sandbox_failure
    source = {"source": "trained" if accuracy.correct is not None else ""}
    record = record.model_copy(update={"accuracy": accuracy.model_copy(update=source)})
    compared = training.compare(found.accuracy, record, bench.setup.rubric.training)
    return _with_training(found, record, compared, training.instant(record, record.accuracy))


def _measure(submission: Submission, bench: Bench) -> AccuracyEvidence:
    """The accuracy of the submission's weights, whoever trained them, and what is to be said of them."""
    drawn = draw((bench.images, bench.labels), bench.control)
    seconds = bench.accuracy_seconds + bench.between_seconds + bench.private_seconds
    few = few_seconds(bench.slot.limits)
    with bench.slot.student(submission, wall_seconds=few, accuracy_seconds=seconds) as student:
        public, network = measure(
            student,
            bench.images,
            bench.labels,
            seconds=bench.accuracy_seconds,
            between=drawn.images,
            again=bench.measure_pace,
        )
        accuracy = public
        if bench.private:
            accuracy = measure_accuracy(student, *bench.private, seconds=bench.private_seconds)
        if student.sandbox_failure:
            raise student.sandbox_failure
        log, exhausted = student.log, student.exhausted
        seconds = round(student.seconds_used, 3)
        found = examine(submission, public, network, bench.labels, drawn, student=student)
        if network and bench.setup.images in PUBLIC:
            public = public.model_copy(update={"mistakes": confident_mistakes(network.logits, bench.labels)})
        weights = submission.weights
        return AccuracyEvidence(
            accuracy=accuracy if bench.private else public,
            public=public if bench.private else None,
            problem=_problem(exhausted) if exhausted else None,
            flags=found.flags,
            fingerprint=found.fingerprint,
            remarks=(*student.remarks, *found.remarks),
            log=log,
            files=(weights.filename,) if weights and weights.source == "submitted" else (),
            seconds=seconds,
        )


def _with_training(found: AccuracyEvidence, record: Training, *flags: Flag | None) -> AccuracyEvidence:
    told = {"training": record, "remarks": (*found.remarks, training.summary(record))}
    return _flagged(found.model_copy(update=told), *flags)


def _flagged(found: AccuracyEvidence, *flags: Flag | None) -> AccuracyEvidence:
    return found.model_copy(update={"flags": (*found.flags, *filter(None, flags))})


def _why_no_code(submission: Submission) -> str:
    if submission.problem:
        return submission.problem.reason
    return submission.no_code or "no lab8.py or lab8.ipynb was handed in"


def _problem(failure: StudentFailure, prefix: str = "") -> Problem:
    return Problem(status=_STATUS_OF.get(failure.kind, Status.CRASHED), reason=prefix + failure.message)
