"""Students as they stand in a gradebook after grading, made of a few words: for the tests of pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from grader.accuracy import wilson_interval
from grader.cli_marks import rules_for
from grader.evidence import attempt_of
from grader.expect import CheckFailed, expect_equal
from grader.gradebook import Gradebook
from grader.lab import load_lab
from grader.rubric import load_rubric
from grader.scoring import score
from grader.types import (
    Accuracy,
    AccuracyEvidence,
    AnswerEvidence,
    AnswerOutcome,
    CheckEvidence,
    CheckOutcome,
    Code,
    Evidence,
    Mistake,
    Outcome,
    Submission,
    Verdict,
)

LAB = load_lab()
RUBRIC = load_rubric()
MONDAY = datetime(2026, 11, 16, 9, 30)
ANSWER = "Kernels look for edges, and a pooling forgets where exactly they were."
CALL = "conv_output_size(4711, 13, 7)"  # a hidden check's own case
# As the checks themselves are named, all with the outcome and the words of a check that compares.
WRONG = {
    "conv_size_formula": (673, 672, "look at the last step"),
    "lenet_output_shape": ((9, 10), (9, 12), ""),
}


def measured(correct: int = 420, images: int = 1000, *, mistakes: int = 12) -> Accuracy:
    """An accuracy with what was confused."""
    low, high = wilson_interval(correct, images)
    each, of = correct // 10, images // 10
    rows = [[each if at == to else (of - each) // 9 for to in range(10)] for at in range(10)]
    for at, row in enumerate(rows):
        row[(at + 1) % 10] += of - sum(row)
    return Accuracy(
        images=images,
        correct=correct,
        accuracy=correct / images,
        low=low,
        high=high,
        source="submitted",
        confusion=tuple(map(tuple, rows)),
        mistakes=tuple(
            Mistake(index=7 * n, label=n % 10, answered=(n + 1) % 10, probability=0.99 - n / 100)
            for n in range(mistakes)
        ),
    )


def check(id: str, wrong: Sequence[str] = (), waiting: Sequence[str] = ()) -> CheckOutcome:
    """How a check ended: one that is wrong in the words of `grader.expect`."""
    title = f"`{id}` does what it should."
    if id in waiting:
        return CheckOutcome(id=id, title=title, outcome=Outcome.NOT_RUN, reason=f"needs {wrong[0]}")
    if id not in wrong:
        return CheckOutcome(id=id, title=title, outcome=Outcome.PASSED)
    right, given, hint = WRONG[id]
    try:
        expect_equal(given, right, of=CALL if id.startswith("conv") else "the output's shape", hint=hint)
    except CheckFailed as failed:
        texts = {"expected": failed.expected, "actual": failed.actual, "hint": failed.hint}
        return CheckOutcome(id=id, title=title, outcome=Outcome.FAILED, reason=failed.reason, **texts)
    raise AssertionError("is right")


def evidence(
    student_id: str = "pb1",
    name: str = "Ann Lee",
    *,
    number: int = 0,
    wrong: Sequence[str] = (),
    waiting: Sequence[str] = (),
    accuracy: Accuracy | None = None,
    public: Accuracy | None = None,
    text: str = ANSWER,
    log: str = "epoch 1: loss 1.234\n",
    code: str = "lab8.py",
    remarks: Sequence[str] = (),
    **more: Any,
) -> Evidence:
    """What was measured on an attempt; `more` are fields of its accuracy's part."""
    at = MONDAY + timedelta(minutes=number)
    submission = Submission(
        student_id=student_id,
        name=name,
        submitted_at=at,
        digest=f"{number:064}",
        code=Code(filename=code, cells=()),
    )
    return Evidence(
        attempt=attempt_of(submission),
        checks=CheckEvidence(
            outcomes=tuple(check(id, wrong, waiting) for id in RUBRIC.checks),
            log=log,
            files=(code,),
            seconds=1.5 + number % 7,
            remarks=tuple(remarks),
        ),
        accuracy=AccuracyEvidence(
            accuracy=accuracy or measured(300 + 37 * number % 600), public=public, files=("net.pt",), **more
        ),
        answers=AnswerEvidence(
            outcomes=tuple(AnswerOutcome(number=n, present=True, amount=12, text=text) for n in range(1, 5)),
            files=("answers.md",),
        ),
    )


def verdict(student_id: str = "pb1", name: str = "Ann Lee", **more: Any) -> Verdict:
    """The mark for that."""
    return score(RUBRIC, evidence(student_id, name, **more))


def a_class(students: int) -> list[Verdict]:
    """So many, each a little different."""
    return [
        verdict(
            f"pb{number:05}",
            f"Student {number}",
            number=number,
            wrong=[["conv_size_formula"], ["lenet_output_shape"], []][number % 3],
        )
        for number in range(students)
    ]


def keep(folder: Path, found: Sequence[Evidence], settings: dict[str, str] | None = None) -> Path:
    """A results folder with a gradebook in which these are."""
    with Gradebook.open_to_grade(folder) as book:
        rules = rules_for(None, None, None, None)
        seen = book.begin_run(
            "a test", settings or {}, rules.rubric, rules.policy, rules.roster, [one.attempt for one in found]
        )
        for place, one in zip(seen, found, strict=True):
            book.record(place, one)
    return folder
