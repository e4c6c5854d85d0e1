"""What evidence consists of, and what each part rests on: a part is measured again when that has changed.

The grader's version does not count: after an upgrade nothing is measured again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from grader.digests import file_digest
from grader.integrity import texts
from grader.questions import assess_answers
from grader.setup import Setup
from grader.text import safe_line
from grader.types import (
    AccuracyEvidence,
    AnswerEvidence,
    AnswerOutcome,
    Attempt,
    CheckEvidence,
    Evidence,
    Part,
    Problem,
    Status,
    Submission,
)

if TYPE_CHECKING:
    from grader.lab import Lab
    from grader.sandbox import StudentFailure

HERE = Path(__file__).parent
_STATUS_OF = {"timeout": Status.TIMEOUT, "out_of_memory": Status.OUT_OF_MEMORY}  # all else: crashed


class Basis(NamedTuple):
    """What the parts of one submission's evidence rest on."""

    checks: str
    accuracy: str
    answers: str


class Kept(NamedTuple):
    """The parts that are not to be measured again."""

    checks: CheckEvidence | None = None
    accuracy: AccuracyEvidence | None = None
    answers: AnswerEvidence | None = None


def rests_on(submission: Submission, setup: Setup) -> Basis:
    """What `submission`'s evidence rests on when it is measured with `setup`."""
    run = [_of_code(submission), setup.sandbox, setup.device, setup.rubric.limits.model_dump(mode="json")]
    trained = None if setup.weights == "submitted" else setup.rubric.training.model_dump(mode="json")
    return Basis(
        checks=_digest("checks", *run, _of_checks(setup.lab)),
        accuracy=_digest("accuracy", *run, setup.image_digests, setup.weights, trained, submission.claims),
        answers=_digest(
            "answers with texts", submission.answer_texts, submission.no_answers, setup.rubric.wordings
        ),
    )


def still_holds(known: Iterable[Evidence], basis: Basis) -> Kept:
    """The newest parts of what is `known`, the oldest first, that rest on the same."""
    found: dict[str, Part] = {}
    for evidence in known:
        for name, part in evidence.parts.items():
            if part.rests_on == getattr(basis, name) and not evidence.failure:
                found[name] = part
    return Kept(**found)  # type: ignore[arg-type]


def seed_of(submission: Submission) -> int:
    """A seed that the same code and weights get again, so that the same work gets the same cases.

    It is drawn from all that the code can see of its submission, names of files included, so that answers
    to the cases drawn by it can stand nowhere: to write them down would change the cases.
    """
    return int(_digest("seed", _of_code(submission))[:12], 16)


def _of_code(submission: Submission) -> list[object]:
    """The files that the student's process gets, with their names."""
    code, weights = submission.code, submission.weights
    return [
        submission.no_code,
        code.model_dump(mode="json") if code else None,
        [weights.filename, weights.format, file_digest(weights.path)] if weights else submission.no_weights,
    ]


def attempt_of(submission: Submission) -> Attempt:
    """The submission without its files."""
    return Attempt.model_validate(submission.model_dump(include=set(Attempt.model_fields)))


def failed(submission: Submission, reason: str) -> Evidence:
    """Nothing, through no fault of the student's."""
    return Evidence(attempt=attempt_of(submission), failure=safe_line(reason, 500))


def problem_of(failure: StudentFailure, prefix: str = "") -> Problem:
    """Why the code did not come through, as the submission's problem."""
    return Problem(status=_STATUS_OF.get(failure.kind, Status.CRASHED), reason=prefix + failure.message)


def answered(submission: Submission, setup: Setup, basis: Basis) -> AnswerEvidence:
    """Which of the rubric's questions are answered, and where one is not, what else may be the reason."""
    rubric = setup.rubric
    if not submission.answer_texts:
        reason = submission.no_answers or "no answers were handed in"
        count = len(rubric.questions)
        outcomes = tuple(
            AnswerOutcome(number=n, present=False, amount=0, reason=reason) for n in range(1, count + 1)
        )
    else:
        outcomes = assess_answers(submission.answer_texts, rubric.wordings)
        if why := submission.no_answers:
            outcomes = tuple(
                a if a.present else a.model_copy(update={"reason": f"{a.reason}; {why}"}) for a in outcomes
            )
    printed = texts.printed_answers(submission.answer_texts, rubric.wordings, setup.lab.handed_out)
    return AnswerEvidence(
        outcomes=outcomes,
        print=printed.text,
        remarks=printed.remarks,
        files=submission.answer_files,
        rests_on=basis.answers,
    )


@cache
def _of_checks(lab: Lab) -> str:
    """What decides how a check ends, beside the sandbox: the lab but for its self-test, and what runs it."""
    ours = [HERE / "expect.py", *(HERE / "checks").glob("*.py")]
    theirs = {*lab.folder.glob("*.py"), *(lab.folder / "checks").rglob("*.py")}
    files = [
        *sorted(ours),
        *sorted(theirs - {lab.folder / "selftest.py"} | {lab.folder / name for name in lab.checks}),
    ]
    return _digest(*((file.name, file_digest(file)) for file in files))


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()
