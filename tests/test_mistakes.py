"""One mistake in work that is right otherwise costs the rows that it concerns, and no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mistakes import MISTAKES, QUESTIONS, REST_ON, Mistake

from grader.checks import check_catalogue, not_run, run_checks
from grader.evidence import seed_of
from grader.intake import read_submissions
from grader.lab import load_lab
from grader.labs.lab8.selftest import CHECKS, CHINESE
from grader.questions import assess_answers
from grader.rubric import load_rubric
from grader.sandbox import Limits, Sandbox, Student, StudentFailure
from grader.selftest.chinese import Translator
from grader.selftest.public import look
from grader.types import CheckOutcome, Outcome, Submission

LAB = load_lab()
chinese = Translator(CHINESE)

# One or two of each task: the others are for `make test-all`.
COMMON = {
    *("size-true-division", "size-no-pairs", "count-bias-always"),
    *("lenet-softmax", "lenet-layers-in-a-list", "lenet-reshape"),
    *("preprocess-not-float", "classifier-nine-classes", "train-a-copy", "top-chinese-colon"),
    *("import-of-a-helper-left-at-home", "file-nothing-wrong", "file-gbk", "weights-data-parallel"),
    *("notebook-beside-the-untouched-module", "answers-same-four-times"),
}


def marks(one: Mistake) -> Iterator[pytest.MarkDecorator]:
    if one.id not in COMMON:
        yield pytest.mark.slow


@pytest.fixture(scope="module")
def sandbox(isolated_sandbox: Callable[..., Sandbox]) -> Sandbox:
    torch.set_num_threads(1)
    return isolated_sandbox(limits=Limits(call_seconds=3.0))


@pytest.fixture(scope="module")
def wordings() -> list[tuple[str, str]]:
    rubric = load_rubric()
    assert [question.id for question in rubric.questions] == list(QUESTIONS)
    return [(question.text, question.text_zh) for question in rubric.questions]


def test_the_table_is_in_order() -> None:
    ids = [one.id for one in MISTAKES]
    assert len(ids) == len(set(ids)) and set(ids) >= COMMON
    rows = {info.id for info in check_catalogue(LAB)} | set(QUESTIONS)
    assert all(one.lost <= rows for one in MISTAKES)
    needs = {(need, info.id) for info in check_catalogue(LAB) for need in info.needs}
    assert {(need, row) for need, rest in REST_ON.items() for row in rest} == needs


@pytest.mark.parametrize("mistake", [pytest.param(one, id=one.id, marks=[*marks(one)]) for one in MISTAKES])
def test_a_mistake_costs_its_own_rows_and_the_selftest_says_so(
    mistake: Mistake, sandbox: Sandbox, wordings: list[tuple[str, str]], tmp_path: Path
) -> None:
    mistake.write(tmp_path / "class" / "12210001")
    (submission,) = read_submissions(tmp_path / "class", tmp_path / "work")
    answers = assess_answers(submission.answer_texts, wordings)
    unanswered = {f"question_{one.number}": one.reason for one in answers if not one.present}
    for checks in (hidden(submission, sandbox), public(submission, sandbox)):
        reasons = {one.id: one.reason for one in checks if one.outcome is not Outcome.PASSED} | unanswered
        assert not [one for one in checks if one.outcome is Outcome.ERROR]
        assert set(reasons) == mistake.lost, reasons
        assert all(reasons.values())
    told = [*submission.remarks, *unanswered.values()]
    told += [text for one in checks for text in (one.reason, one.hint)]
    assert [text for text in told if text and not is_told_in_chinese(text)] == []


def is_told_in_chinese(text: str) -> bool:
    """Whether some of it is, or it is an exception's own."""
    return bool(re.search(r"[\u4e00-\u9fff]|\w(?:Error|Exception)\b", chinese(text)))


def hidden(submission: Submission, sandbox: Sandbox) -> tuple[CheckOutcome, ...]:
    """The grader's checks. What cannot be loaded is not run."""
    return outcomes(submission, sandbox, lambda student: run_checks(LAB, student, seed_of(submission)))


def public(submission: Submission, sandbox: Sandbox) -> tuple[CheckOutcome, ...]:
    """The self-test's, in the grader's sandbox: a process of its own for each would take too long here."""
    return outcomes(submission, sandbox, lambda student: tuple(look(CHECKS, student)))


def outcomes(
    submission: Submission, sandbox: Sandbox, ask: Callable[[Student], tuple[CheckOutcome, ...]]
) -> tuple[CheckOutcome, ...]:
    if submission.code is None:
        return not_run(LAB, submission.no_code)
    with sandbox.student(submission) as student:
        try:
            student.load()
        except StudentFailure as failure:
            return not_run(LAB, failure.message)
        return ask(student)
