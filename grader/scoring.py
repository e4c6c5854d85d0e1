"""Marks: pure arithmetic on evidence, a rubric, a policy and what people decided.

A mark is computed whenever somebody looks, and kept nowhere but where it was given out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from grader.rubric import Curve, Rubric, plain
from grader.types import (
    Accuracy,
    AnswerOutcome,
    CheckOutcome,
    Evidence,
    Fingerprint,
    Outcome,
    Problem,
    Row,
    Status,
    Verdict,
)

_ZERO = Decimal("0.00")
_NO_TOTAL = (Status.QUARANTINED, Status.GRADER_ERROR)


def score(rubric: Rubric, evidence: Evidence) -> Verdict:
    """Add up: one row a check, one for the accuracy, one a question, in the rubric's order.

    Where the submission came through whole its status is `graded`, and then every row must have a result. A
    row that ended in an internal error makes it all a `grader_error`: no total. `quarantined` has
    no rows and no total; `not_gradable` is 0.00 whatever was measured. Raises `ValueError` on results that
    the rubric does not know.
    """
    if evidence.given and not evidence.parts:
        return evidence.given
    attempt, problem = evidence.attempt, evidence.problem
    status, reason = (problem.status, problem.reason) if problem else (Status.GRADED, "")
    checks = evidence.checks.outcomes if evidence.checks else ()
    answers = evidence.answers.outcomes if evidence.answers else ()
    measured = evidence.accuracy
    rows: list[Row] = []
    if status is not Status.QUARANTINED:
        rows = _check_rows(rubric, checks, problem)
        rows.append(_accuracy_row(rubric.accuracy, measured.accuracy if measured else None, problem))
        rows += _question_rows(rubric, answers, problem)
    if status is Status.NOT_GRADABLE:
        nothing = {"points": _ZERO, "outcome": Outcome.NOT_RUN}
        known = {question.id for question in rubric.questions}
        rows = [
            row.model_copy(update=nothing if row.id in known and answers else nothing | {"reason": reason})
            for row in rows
        ]
    broken = next((row for row in rows if row.outcome is Outcome.ERROR), None)
    if broken and status is not Status.GRADER_ERROR:
        status, reason = Status.GRADER_ERROR, f"{broken.id}: {broken.reason}"
    parts = evidence.parts.values()
    total = None if status in _NO_TOTAL else sum((row.points for row in rows), _ZERO)
    return Verdict(
        student_id=attempt.student_id,
        name=attempt.name,
        section=attempt.section,
        attempt=attempt.attempt,
        submitted_at=attempt.submitted_at,
        late=attempt.late,
        group=attempt.group,
        status=status,
        reason=reason,
        total=total,
        machine_total=total,
        out_of=rubric.out_of,
        rows=tuple(rows),
        checks=checks,
        accuracy=measured.accuracy if measured else None,
        answers=answers,
        remarks=tuple(dict.fromkeys([*attempt.remarks, *(line for part in parts for line in part.remarks)])),
        log="".join(part.log for part in parts),
        sandbox=next((part.sandbox for part in parts if part.sandbox), ""),
        digest=attempt.digest,
        public=measured.public if measured else None,
        training=measured.training if measured else None,
        files=tuple((name, part.files) for name, part in evidence.parts.items() if part.files),  # type: ignore[misc]
        seconds=sum(times) if (times := [p.seconds for p in parts if p.seconds is not None]) else None,
        flags=measured.flags if measured else (),
        fingerprint=_fingerprint(evidence),
    )


def _fingerprint(evidence: Evidence) -> Fingerprint:
    code = evidence.checks.print if evidence.checks else ""
    text = evidence.answers.print if evidence.answers else ""
    network = evidence.accuracy.fingerprint if evidence.accuracy else Fingerprint()
    return network.model_copy(update={"code": code, "text": text})


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
    return _between(curve.knots, share)


@lru_cache(maxsize=10_000)  # a class is scored before a run and after it, and little changes
def _between(curve: tuple[tuple[Decimal, Decimal], ...], share: Fraction) -> Decimal:
    percent = 100 * share
    knots = [(Fraction(x), Fraction(y)) for x, y in curve]
    if percent <= knots[0][0]:
        return _cents(knots[0][1])
    for (x0, y0), (x1, y1) in pairwise(knots):
        if percent <= x1:
            return _cents(y0 + (y1 - y0) * (percent - x0) / (x1 - x0))
    return _cents(knots[-1][1])


def _cents(points: Fraction) -> Decimal:
    return Decimal(math.floor(points * 100 + Fraction(1, 2))).scaleb(-2)


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
    share = accuracy.share
    if share is None:
        outcome = Outcome.NOT_RUN if problem else Outcome.FAILED
        return _row("accuracy", curve.title, _ZERO, curve.points, outcome, accuracy.reason)
    earned = _on_curve(curve, share)
    title = f"{curve.title}: {_percent(share)}"
    if accuracy.correct is not None:
        title += f" ({accuracy.correct:,} of {accuracy.images:,})"
    if accuracy.low is not None and accuracy.high is not None:
        low, high = Fraction(accuracy.low), Fraction(accuracy.high)
        title += (
            f", 95 % interval {_percent(low)} to {_percent(high)}"
            f" = {_on_curve(curve, low)} to {_on_curve(curve, high)} points"
        )
    reason = ""
    if earned < curve.points:
        full = next(percent for percent, points in curve.knots if points == curve.points)
        reason = f"{_percent(share)} earns {earned}; all {plain(curve.points)} points from {plain(full)} % on"
        if not earned:
            reason = f"points begin above {plain(curve.knots[0][0])} %, {reason}"
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
