"""The pipeline: one submission's way from its files to the evidence on it."""

from __future__ import annotations

import time
from types import TracebackType

import torch

from grader.checks import not_run, run_checks
from grader.errors import UserError
from grader.evidence import answered, attempt_of, failed, problem_of, rests_on, seed_of, still_holds
from grader.integrity import texts
from grader.longest import longest
from grader.sandbox import Sandbox, SandboxError, StudentFailure
from grader.sandbox.backend import Backend
from grader.scoring import score
from grader.setup import Setup
from grader.types import (
    Accuracy,
    AccuracyEvidence,
    CheckEvidence,
    Evidence,
    Outcome,
    Submission,
    Verdict,
)


class Pipeline:
    """A sandbox and what the lab measures in it: what one job needs to grade submissions one by one."""

    def __init__(self, setup: Setup, started: Backend | None = None) -> None:
        """`started`: a sandbox as `setup` wants it that is starting already."""
        self.setup = setup
        torch.set_num_threads(1)  # the cores are the students'; what is computed here is small
        limits, contract = setup.rubric.limits, setup.lab.contract
        self.sandbox = Sandbox(
            backend=started or setup.sandbox,
            limits=limits,
            device=setup.device,
            threads=setup.threads,
            contract=contract,
        )
        self.measurement = setup.lab.measurement(setup, self.sandbox)
        self.longest = longest(limits, setup.rubric.training, setup.weights, *self.measurement.seconds)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sandbox.close()

    def measure(self, submission: Submission, known: Evidence | None = None) -> Evidence:
        """The evidence on `submission`; what goes wrong on our side is its `failure`, never a zero.

        What is `known` already and still holds is not measured again. It takes no longer than `longest`
        says. Raises `UserError` where nobody could be measured: no sandbox to be had, no GPU inside it.
        """
        self.sandbox.deadline = time.monotonic() + self.longest.patience
        try:
            try:
                return grade_one(submission, self, known)
            except SandboxError:  # its sandbox died, perhaps by others' doing: once more in a new one
                if time.monotonic() > self.sandbox.deadline:
                    raise
                return grade_one(submission, self, known)
        except UserError:
            raise
        except Exception as error:
            return failed(submission, f"{type(error).__name__}: {error}")

    def grade(self, submission: Submission) -> Verdict:
        """What `measure` finds out, as points."""
        return score(self.setup.rubric, self.measure(submission))


def grade_one(submission: Submission, pipeline: Pipeline, known: Evidence | None = None) -> Evidence:
    """One submission, from its files to the evidence on it."""
    basis = rests_on(submission, pipeline.setup)
    kept = still_holds([known] if known else [], basis)
    checks = kept.checks or _check(submission, pipeline)
    accuracy = kept.accuracy or _network(submission, pipeline, checks)
    if submission.code and not kept.checks:
        printed = texts.printed_code(submission.code.texts, pipeline.setup.lab.handed_out)
        told = {"print": printed.text, "remarks": (*checks.remarks, *printed.remarks)}
        told |= {"files": (submission.code.filename, *(helper.path for helper in submission.code.helpers))}
        checks = checks.model_copy(update=told)
    broken = any(check.outcome is Outcome.ERROR for check in checks.outcomes)  # to be run again
    sandbox = {"sandbox": pipeline.setup.sandbox}
    return Evidence(
        attempt=attempt_of(submission),
        checks=checks.model_copy(update=sandbox | {"rests_on": "" if broken else basis.checks}),
        accuracy=accuracy.model_copy(update=sandbox | {"rests_on": basis.accuracy}),
        answers=kept.answers or answered(submission, pipeline.setup, basis),
    )


def _check(submission: Submission, pipeline: Pipeline) -> CheckEvidence:
    """Load the code and run the hidden checks."""
    lab = pipeline.setup.lab
    if submission.problem or submission.code is None:
        return CheckEvidence(outcomes=not_run(lab, _why_no_code(submission, pipeline)), loaded=False)
    with pipeline.sandbox.student(submission) as student:
        try:
            student.load()
        except StudentFailure as failure:
            problem = problem_of(failure, "the code could not be loaded: ")
            outcomes = not_run(lab, problem.reason)
            return CheckEvidence(outcomes=outcomes, problem=problem, log=student.log, loaded=False)
        outcomes = run_checks(lab, student, seed_of(submission))
        if student.sandbox_failure:  # which the checks have taken for an error of their own
            raise student.sandbox_failure
        return CheckEvidence(
            outcomes=outcomes,
            problem=problem_of(student.exhausted) if student.exhausted else None,
            remarks=tuple(student.remarks),
            log=student.log,
            seconds=round(student.seconds_used, 3),
        )


def _network(submission: Submission, pipeline: Pipeline, checks: CheckEvidence) -> AccuracyEvidence:
    """What the lab measures, where there is code that can be loaded."""
    if submission.code is None or not checks.loaded:
        reason = checks.problem.reason if checks.problem else _why_no_code(submission, pipeline)
        return AccuracyEvidence(accuracy=Accuracy(images=pipeline.measurement.inputs, reason=reason))
    return pipeline.measurement.measure(submission)


def _why_no_code(submission: Submission, pipeline: Pipeline) -> str:
    if submission.problem:
        return submission.problem.reason
    module = pipeline.setup.lab.contract.module
    return submission.no_code or f"no {module}.py or {module}.ipynb was handed in"
