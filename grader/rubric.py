"""From outcomes and measurements to points: pure arithmetic on what `rubric.toml` says.

Points are `Decimal` with two places throughout. What decides a submission's
status is not here: `score` is told, and only adds up.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from pydantic import field_validator, model_validator

from grader.budget import Budget
from grader.errors import KitError
from grader.limits import Limits
from grader.toml_records import Line, Number, load_record, parse_record
from grader.types import (
    Accuracy,
    AnswerOutcome,
    CheckOutcome,
    Outcome,
    Problem,
    Record,
    Row,
    Status,
    Submission,
    Verdict,
)

RUBRIC = Path(__file__).with_name("rubric.toml")
_REMEDY = f", or start from {RUBRIC}"

_ZERO = Decimal("0.00")
_NO_TOTAL = (Status.QUARANTINED, Status.GRADER_ERROR)


class Question(Record):
    """A written question; `text` is the wording that students see, `text_zh` the same in Chinese."""

    id: Line
    text: Line
    text_zh: Line = ""
    points: Number


class Curve(Record):
    """Accuracy to points: straight lines between `knots`, pairs of (percent correct, points)."""

    title: Line
    points: Number
    knots: tuple[tuple[Number, Number], ...]

    @model_validator(mode="after")
    def _rises(self) -> Curve:
        if len(self.knots) < 2:
            raise ValueError("knots: there must be at least two pairs [percent, points]")
        for (percent, points), (next_percent, next_points) in pairwise(self.knots):
            if next_percent <= percent:
                raise ValueError(f"knots: {_plain(next_percent)} % does not come after {_plain(percent)} %")
            if next_points < points:
                raise ValueError(f"knots: {_plain(next_percent)} % earns less than {_plain(percent)} %")
        if self.knots[-1][0] > 100:
            raise ValueError(f"knots: {_plain(self.knots[-1][0])} % is more than all images")
        if self.knots[-1][1] != self.points:
            last = _plain(self.knots[-1][1])
            raise ValueError(f"knots: the last one earns {last}, but points = {_plain(self.points)}")
        return self


class Rubric(Record):
    """Every point of a lab. Exercise 1 is the checks and the accuracy, exercise 2 the questions."""

    title: Line
    out_of: Number
    exercise_1: Number
    exercise_2: Number
    checks: Mapping[str, Number]  # check id -> points, in the order of the rows
    accuracy: Curve
    questions: tuple[Question, ...] = ()
    limits: Limits = Limits()
    training: Budget = Budget()

    @field_validator("checks")
    @classmethod
    def _ids(cls, checks: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        for id in checks:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", id):
                raise ValueError(f"{id!r} is not a check's id")
        return checks

    @model_validator(mode="after")
    def _adds_up(self) -> Rubric:
        for number, question in enumerate(self.questions, 1):
            if question.id != f"question_{number}":
                raise ValueError(
                    f"questions[{number}].id: is {question.id!r}, but question_{number} is due there"
                )
        checks = sum(self.checks.values(), _ZERO)
        questions = sum((question.points for question in self.questions), _ZERO)
        for key, stated, found, parts in (
            ("exercise_1", self.exercise_1, checks + self.accuracy.points, "[checks] and [accuracy]"),
            ("exercise_2", self.exercise_2, questions, "[[questions]]"),
            ("out_of", self.out_of, self.exercise_1 + self.exercise_2, "exercise_1 and exercise_2"),
        ):
            if stated != found:
                raise ValueError(f"{key}: says {_plain(stated)}, but {parts} add up to {_plain(found)}")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of what the rubric means: comments, spacing and `2` or `2.00` make no difference."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_rubric(path: Path | None = None, catalogue: Collection[str] | None = None) -> Rubric:
    """Read a rubric file, by default the one that comes with the grader.

    `catalogue` holds the ids of the checks that exist; the rubric must give
    points, if only 0, to each of them and to nothing else. Raises `KitError`.
    """
    path = path or RUBRIC
    rubric = load_record(path, Rubric, what="rubric", remedy=_REMEDY)
    if catalogue is not None:
        _same_checks(path, rubric.checks, catalogue)
    return rubric


def parse_rubric(text: str, path: Path) -> Rubric:
    """The rubric that a file of this path holds. Raises `KitError`."""
    return parse_record(text, path, Rubric, remedy=_REMEDY)


def _same_checks(path: Path, rubric: Iterable[str], catalogue: Collection[str]) -> None:
    ids = set(rubric)
    for unknown in sorted(ids - set(catalogue)):
        raise KitError(f"{path}: checks.{unknown}: there is no such check: remove it, or mend its spelling")
    for missing in sorted(set(catalogue) - ids):
        raise KitError(f"{path}: checks.{missing}: is missing: give it points, 0 for none")


def accuracy_points(rubric: Rubric, correct: int, images: int) -> Decimal:
    """The points that `correct` of `images` earn.

    Exact on the two integers, then rounded once to 0.01 point, halves up; so
    50 of 100 earn what 500 of 1,000 do, and one image more never earns less.
    """
    if images < 1 or not 0 <= correct <= images:
        raise ValueError(f"{correct} correct of {images} images cannot be")
    return _on_curve(rubric.accuracy, Fraction(correct, images))


def _on_curve(curve: Curve, share: Fraction) -> Decimal:
    """The points for a `share` of correct images, 0 to 1; flat outside the knots."""
    percent = 100 * share
    knots = [(Fraction(x), Fraction(y)) for x, y in curve.knots]
    if percent <= knots[0][0]:
        return _cents(knots[0][1])
    for (x0, y0), (x1, y1) in pairwise(knots):
        if percent <= x1:
            return _cents(y0 + (y1 - y0) * (percent - x0) / (x1 - x0))
    return _cents(knots[-1][1])


def _cents(points: Fraction) -> Decimal:
    return Decimal(math.floor(points * 100 + Fraction(1, 2))).scaleb(-2)


def score(
    rubric: Rubric,
    submission: Submission,
    *,
    problem: Problem | None = None,
    checks: Sequence[CheckOutcome] = (),
    accuracy: Accuracy | None = None,
    answers: Sequence[AnswerOutcome] = (),
    remarks: Sequence[str] = (),
    log: str = "",
    sandbox: str = "",
) -> Verdict:
    """Add up: one row a check, one for the accuracy, one a question, in the rubric's order.

    `problem` is why the submission did not come through whole; without one its
    status is `graded`, and then every row must have a result. A row that
    ended in an error of the grader's own makes it all a `grader_error`: no
    total. `quarantined` has no rows and no total; `not_gradable` is 0.00
    whatever is passed in. Raises `ValueError` on results that the rubric does
    not know.
    """
    status, reason = (problem.status, problem.reason) if problem else (Status.GRADED, "")
    if status is Status.QUARANTINED:
        rows: list[Row] = []
    else:
        rows = _check_rows(rubric, checks, problem)
        rows.append(_accuracy_row(rubric.accuracy, accuracy, problem))
        rows += _question_rows(rubric, answers, problem)
    if status is Status.NOT_GRADABLE:
        nothing = {"points": _ZERO, "outcome": Outcome.NOT_RUN, "reason": reason}
        rows = [row.model_copy(update=nothing) for row in rows]
        if not submission.answer_texts:
            unanswered = {"reason": submission.no_answers or "no answers were handed in"}
            known = {question.id for question in rubric.questions}
            rows = [row.model_copy(update=unanswered) if row.id in known else row for row in rows]
    broken = next((row for row in rows if row.outcome is Outcome.ERROR), None)
    if broken and status is not Status.GRADER_ERROR:
        status, reason = Status.GRADER_ERROR, f"{broken.id}: {broken.reason}"
    return Verdict(
        student_id=submission.student_id,
        name=submission.name,
        attempt=submission.attempt,
        submitted_at=submission.submitted_at,
        status=status,
        reason=reason,
        total=None if status in _NO_TOTAL else sum((row.points for row in rows), _ZERO),
        out_of=rubric.out_of,
        rows=tuple(rows),
        checks=tuple(checks),
        accuracy=accuracy,
        answers=tuple(answers),
        remarks=(*submission.remarks, *remarks),
        log=log,
        sandbox=sandbox,
        digest=submission.digest,
    )


def _check_rows(rubric: Rubric, checks: Sequence[CheckOutcome], problem: Problem | None) -> list[Row]:
    found = {check.id: check for check in checks}
    if len(found) < len(checks) or found.keys() - rubric.checks.keys():
        raise ValueError(
            f"results of checks that the rubric does not know, or twice: {[c.id for c in checks]}"
        )
    rows = []
    for id, points in rubric.checks.items():
        if id in found:
            check = found[id]
            earned = points if check.outcome is Outcome.PASSED else _ZERO
            rows.append(_row(id, check.title, earned, points, check.outcome, check.reason))
        else:
            rows.append(_row_without_result(id, id, points, problem))
    return rows


def _accuracy_row(curve: Curve, accuracy: Accuracy | None, problem: Problem | None) -> Row:
    if accuracy is None:
        return _row_without_result("accuracy", curve.title, curve.points, problem)
    if accuracy.correct is None:
        outcome = Outcome.NOT_RUN if problem else Outcome.FAILED
        return _row("accuracy", curve.title, _ZERO, curve.points, outcome, accuracy.reason)
    share = Fraction(accuracy.correct, accuracy.images)
    earned = _on_curve(curve, share)
    title = f"{curve.title}: {_percent(share)} ({accuracy.correct:,} of {accuracy.images:,})"
    if accuracy.low is not None and accuracy.high is not None:
        low, high = Fraction(accuracy.low), Fraction(accuracy.high)
        title += (
            f", 95 % interval {_percent(low)} to {_percent(high)}"
            f" = {_on_curve(curve, low)} to {_on_curve(curve, high)} points"
        )
    reason = ""
    if earned < curve.points:
        full = next(percent for percent, points in curve.knots if points == curve.points)
        reason = f"all {_plain(curve.points)} points from {_plain(full)} % on, {earned} for this"
        if not earned:
            reason = f"points begin above {_plain(curve.knots[0][0])} %, {reason}"
    outcome = Outcome.PASSED if earned or not curve.points else Outcome.FAILED
    return _row("accuracy", title, earned, curve.points, outcome, reason)


def _question_rows(rubric: Rubric, answers: Sequence[AnswerOutcome], problem: Problem | None) -> list[Row]:
    found = {answer.number: answer for answer in answers}
    if len(found) < len(answers) or found.keys() - set(range(1, len(rubric.questions) + 1)):
        raise ValueError(f"answers that the rubric does not ask for, or twice: {[a.number for a in answers]}")
    rows = []
    for number, question in enumerate(rubric.questions, 1):
        title = f"{question.text} (presence only)"
        if number in found:
            answer = found[number]
            earned = question.points if answer.present else _ZERO
            outcome = Outcome.PASSED if answer.present else Outcome.FAILED
            rows.append(_row(question.id, title, earned, question.points, outcome, answer.reason))
        else:
            rows.append(_row_without_result(question.id, title, question.points, problem))
    return rows


def _row(id: str, title: str, points: Decimal, out_of: Decimal, outcome: Outcome, reason: str) -> Row:
    return Row(id=id, title=title, points=points, out_of=out_of, outcome=outcome, reason=reason)


def _row_without_result(id: str, title: str, out_of: Decimal, problem: Problem | None) -> Row:
    """Not run, where a problem says why; else the grader forgot it, which must not look like a zero."""
    if problem:
        return _row(id, title, _ZERO, out_of, Outcome.NOT_RUN, problem.reason)
    return _row(id, title, _ZERO, out_of, Outcome.ERROR, "the grader has no result for this row")


def _percent(share: Fraction) -> str:
    return f"{_cents(100 * share)} %"


def _plain(number: Decimal) -> str:
    """2.50 as "2.5", 70.00 as "70"."""
    return f"{number:f}".rstrip("0").rstrip(".")
