"""A student's feedback: one page with everything that is theirs to know, and nothing that is not.

Not theirs are flags, the hidden checks' inputs, private images, and what is about other students.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from grader.lab import Lab
from grader.marks import NO_COMMENT, TOTAL, Holding, holding
from grader.report.charts import curve_chart, training_charts
from grader.report.pictures import picture
from grader.report.render import render
from grader.report.words import Language, Words
from grader.rubric import Rubric, plain
from grader.scoring import accuracy_points
from grader.text import safe_line, safe_text
from grader.types import Accuracy, Attempt, CheckOutcome, Decision, Outcome, Row, Status, Verdict

LOG_LINES, LOG_CHARACTERS = 60, 6000  # of the log's end
TEXT_CHARACTERS = 600  # of a reason, an expected or an actual value
MOST_REMARKS, MOST_ATTEMPTS, MOST_FILES = 12, 20, 12
NAMED_PAIRS = 3  # of classes that are confused
SHADES = 8  # of the confusion matrix
# What `grader.expect` says before a value: a call, whose arguments are the hidden check's own, or in words.
_CALL = re.compile(r"[A-Za-z_]\w*\(.*\)(?: gave |: )", re.DOTALL)
_OF = re.compile(r"the [^:]{0,80}? gave ")

_WITHOUT_MARK = (Status.GRADER_ERROR, Status.QUARANTINED)


class Course(NamedTuple):
    """What the pages of a class share."""

    lab: Lab
    rubric: Rubric
    people: frozenset[str]  # ids and names of all students, to keep them out of each other's pages
    lang: Language = "en"


class Lost(NamedTuple):
    """A row that lost points, and why."""

    row: Row
    title: str
    lost: Decimal  # by it, and by what waits for it
    facts: list[tuple[str, str]]  # label and text
    waiting: list[Row]  # what was not checked because of it


class Next(NamedTuple):
    """What more points cost."""

    is_whole: bool  # whether it is one point, or what is left
    share: float
    images: int


class Tried(NamedTuple):
    """An attempt."""

    number: int  # as the LMS counts them, or in the order in which they came in
    at: datetime | None
    counts: bool


class Cell(NamedTuple):
    images: int
    shade: int  # 0 to SHADES
    is_right: bool


def course_of(lab: Lab, rubric: Rubric, verdicts: Iterable[Verdict], lang: Language = "en") -> Course:
    """What the pages of these students share."""
    people = {text for verdict in verdicts for text in (verdict.student_id, verdict.name)}
    return Course(lab, rubric, frozenset(text for text in people if len(text.strip()) > 1), lang)


def feedback_page(
    verdict: Verdict, course: Course, attempts: Sequence[Attempt] = (), decisions: Iterable[Decision] = ()
) -> str:
    """The page of the student whom `verdict` is on, in HTML.

    `attempts` are all of the student's, the oldest first; `decisions` those on the student, undone ones too.
    """
    say, rubric = Words(course.lang, course.lab), course.rubric
    mine = {verdict.student_id, verdict.name}
    others = [text for text in course.people if text not in mine]
    has_rows = verdict.status not in _WITHOUT_MARK and verdict.standing == "counts"
    rows = list(verdict.rows) if has_rows else []
    titles = {row.id: _title(say, rubric, row) for row in rows}
    lost = _lost(say, verdict, rows, titles, others)
    measured = verdict.accuracy if rows else None
    earned = next((row.points for row in rows if row.id == "accuracy"), Decimal(0))
    public = verdict.public if verdict.public else measured
    held = holding(decisions)
    return render(
        "feedback.html",
        course.lang,
        verdict=verdict,
        rubric=rubric,
        head=_head(say, verdict, others),
        rows=rows,
        titles=titles,
        groups=_groups(say, rubric, rows),
        lost=lost,
        accuracy=measured,
        why_unmeasured=_about(say, measured.reason, others) if measured else "",
        next=next_points(rubric, measured) if measured else None,
        earned=earned,
        curve=curve_chart(rubric.accuracy, measured, earned),
        matrix=_matrix(measured) if measured else [],
        pairs=_pairs(say, course.lab, measured) if measured else "",
        mistakes=_mistakes(course.lab, public) if public else [],
        classes=[say.label(name) for name in course.lab.classes],
        training=verdict.training,
        stopped=_about(say, verdict.training.reason, others) if verdict.training else "",
        lines=training_charts(verdict.training.history) if verdict.training and rows else [],
        answers=_answers(course, verdict, rows) if rows else [],
        files=[(name, files[:MOST_FILES]) for name, files in verdict.files],
        remarks=[_about(say, line, others) for line in _unnamed(verdict.remarks, others)[:MOST_REMARKS]],
        attempts=_tried(attempts, verdict)[-MOST_ATTEMPTS:],
        decisions=_decisions(say, held, titles, others),
        decides_points=bool(held.points),
        log=_tail(verdict.log),
        hours=f"{verdict.late_seconds / 3600:.1f}",
    )


def without_inputs(text: str) -> str:
    """A message about a hidden check without the call that it is about: that has the check's own numbers."""
    return text[call.end() :] if (call := _CALL.match(text)) else text


def value_of(actual: str) -> str:
    """An actual value without what it is the value of: the row's line says that."""
    return text[of.end() :] if (of := _OF.match(text := without_inputs(actual))) else text


def next_points(rubric: Rubric, accuracy: Accuracy) -> Next | None:
    """What the next point for the accuracy costs, or what is left of them; None where there is none left."""
    if accuracy.correct is None:
        return None
    correct, images = accuracy.correct, accuracy.images
    now = accuracy_points(rubric, correct, images)
    wanted = min(now + 1, rubric.accuracy.points)
    if now >= rubric.accuracy.points:
        return None
    low, high = correct + 1, images  # the fewest right that earn what is wanted lie between
    while low < high:
        middle = (low + high) // 2
        if accuracy_points(rubric, middle, images) >= wanted:
            high = middle
        else:
            low = middle + 1
    more = low - correct
    return Next(wanted == now + 1, more / images, more)


def _title(say: Words, rubric: Rubric, row: Row) -> str:
    for question in rubric.questions:
        if question.id == row.id:
            return (question.text_zh if say.lang == "zh" else "") or question.text
    if row.id == "accuracy":
        return say.title("accuracy", rubric.accuracy.title)
    return say.title(row.id, row.title)


def _head(say: Words, verdict: Verdict, others: Sequence[str]) -> str:
    """What is to be said before all else, where the mark is not simply the sum of its rows."""
    if verdict.standing == "excused":
        return say("You are excused: there is no mark, and nothing counts against you.")
    if verdict.standing == "excluded":
        return say("Your work was excluded by a decision of the course. Ask your instructor about it.")
    if verdict.status is Status.GRADER_ERROR:
        return say(
            "Something went wrong on the grader's side. That is not your fault and costs you nothing: "
            "your work will be graded again."
        )
    if verdict.status is Status.QUARANTINED:
        return say(
            "Your hand-in was set aside, because the program could not tell how to grade it. "
            "A person will look at it; until then there is no mark."
        )
    if verdict.status is Status.ABSENT:
        return say("Nothing was handed in.")
    if not verdict.reason:
        return ""
    reason = _about(say, verdict.reason, others)
    if verdict.status is Status.NOT_GRADABLE:
        return say("What you handed in cannot be graded: {reason}", reason=reason)
    return (
        reason if verdict.status is Status.GRADED else say("Your code was stopped: {reason}", reason=reason)
    )


def _lost(
    say: Words, verdict: Verdict, rows: Sequence[Row], titles: Mapping[str, str], others: Sequence[str]
) -> list[Lost]:
    """What lost points, the most expensive first, each with what was not checked because of it."""
    checks = {check.id: check for check in verdict.checks}
    lacking = {row.id: row for row in rows if row.counts < row.out_of}
    waiting: dict[str, list[Row]] = {}
    for row in lacking.values():
        cause = row
        while cause.outcome is Outcome.NOT_RUN and _needed(cause) in lacking:
            cause = lacking[_needed(cause)]
        waiting.setdefault(cause.id, [])
        if cause is not row:
            waiting[cause.id].append(row)
    found = []
    for id, behind in waiting.items():
        lost = sum((row.out_of - row.counts for row in [lacking[id], *behind]), Decimal(0))
        facts = _facts(say, lacking[id], checks.get(id), others)
        found.append(Lost(lacking[id], titles[id], lost, facts, behind))
    return sorted(found, key=lambda one: -one.lost)


def _needed(row: Row) -> str:
    """The check without which this one says nothing."""
    return row.reason.removeprefix("needs ")


def _facts(say: Words, row: Row, check: CheckOutcome | None, others: Sequence[str]) -> list[tuple[str, str]]:
    """Label and text of what is known of a row that lost points."""
    found: list[tuple[str, str]] = []
    if row.decided is not None:
        given = say("{points} of {out_of} points", points=plain(row.decided), out_of=plain(row.out_of))
        told = f"{given}: {_told(row.why, others)}" if row.why else given
        found.append((say("decided by a person"), told))
    if row.id == "accuracy":
        return found
    if check and check.expected and check.actual:  # the reason says the same, with the check's own numbers
        found.append((say("expected"), _about(say, check.expected, others)))
        found.append((say("got"), _about(say, value_of(check.actual), others)))
    elif row.reason:
        found.append((say("why"), _about(say, without_inputs(row.reason), others)))
    if check and check.hint:
        found.append((say("hint"), _about(say, check.hint, others)))
    return found


def _about(say: Words, text: str, others: Sequence[str]) -> str:
    return _told(say.message(safe_line(text, TEXT_CHARACTERS)), others)


def _told(text: str, others: Sequence[str]) -> str:
    """A text that may be told, but for who else is named in it."""
    for name in others:
        if name in text:
            text = text.replace(name, "…")
    return text


def _unnamed(lines: Iterable[str], others: Sequence[str]) -> list[str]:
    """The lines that name nobody else."""
    return [line for line in lines if not any(name in line for name in others)]


def _groups(say: Words, rubric: Rubric, rows: Sequence[Row]) -> list[tuple[str, Decimal, Decimal, float]]:
    """Label, points, out of how many, and the share, of each part of the lab."""
    questions = {question.id for question in rubric.questions}
    parts = [
        (say("checks"), [row for row in rows if row.id in rubric.checks]),
        (say("accuracy"), [row for row in rows if row.id == "accuracy"]),
        (say("written answers"), [row for row in rows if row.id in questions]),
    ]
    found = []
    for label, some in parts:
        of = sum((row.out_of for row in some), Decimal(0))
        counts = sum((row.counts for row in some), Decimal(0))
        if of:
            found.append((label, counts, of, float(min(max(counts / of, Decimal(0)), Decimal(1)))))
    return found


def _matrix(accuracy: Accuracy) -> list[list[Cell]]:
    """The confusion matrix; a cell's shade is its share of the images of the class."""
    return [
        [
            Cell(count, round(SHADES * (count / (sum(row) or 1)) ** 0.5), at == to)
            for to, count in enumerate(row)
        ]
        for at, row in enumerate(accuracy.confusion)
    ]


def _pairs(say: Words, lab: Lab, accuracy: Accuracy) -> str:
    """The classes that are most often taken for others, in words."""
    found = [
        (count, at, to, sum(row))
        for at, row in enumerate(accuracy.confusion)
        for to, count in enumerate(row)
        if at != to and count
    ]
    found.sort(key=lambda pair: -pair[0])
    names = [say.label(name) for name in lab.classes]
    return say("; ").join(
        say(
            "{label} taken for {answered} ({count} of {of})",
            label=names[at],
            answered=names[to],
            count=count,
            of=of,
        )
        for count, at, to, of in found[:NAMED_PAIRS]
    )


def _mistakes(lab: Lab, accuracy: Accuracy) -> list[tuple[str, int, int, float, int]]:
    """The picture's data URL, the class shown, the one answered, with what probability, and the index."""
    return [
        (picture(lab.data, one.index, accuracy.images), one.label, one.answered, one.probability, one.index)
        for one in accuracy.mistakes
        if max(one.label, one.answered) < len(lab.classes)
    ]


def _answers(course: Course, verdict: Verdict, rows: Sequence[Row]) -> list[dict[str, object]]:
    say, of_row = Words(course.lang, course.lab), {row.id: row for row in rows}
    found = {answer.number: answer for answer in verdict.answers}
    return [
        {
            "question": (question.text_zh if course.lang == "zh" else "") or question.text,
            "row": of_row[question.id],
            "answer": found.get(number),
            "reason": say.message(found[number].reason) if number in found else "",
        }
        for number, question in enumerate(course.rubric.questions, 1)
        if question.id in of_row
    ]


def _tried(attempts: Sequence[Attempt], verdict: Verdict) -> list[Tried]:
    """All attempts. Downloads without numbers each have a first one: then they are counted anew."""
    numbers = [one.attempt for one in attempts]
    if len(set(numbers)) < len(numbers):
        numbers = list(range(1, len(numbers) + 1))
    counting = (verdict.attempt, verdict.submitted_at, verdict.digest)
    return [
        Tried(number, one.submitted_at, (one.attempt, one.submitted_at, one.digest) == counting)
        for number, one in zip(numbers, attempts, strict=True)
    ]


def _decisions(
    say: Words, held: Holding, titles: Mapping[str, str], others: Sequence[str]
) -> list[tuple[str, str, str]]:
    """What was decided, by whom and when, and why: but why somebody was excluded is no matter for a page."""
    found = []
    for one in sorted([*held.points.values(), *held.others.values()], key=lambda one: one.number):
        why = say("the reason is for you to ask") if one.kind == "exclude" else _told(one.why, others)
        if one.why == NO_COMMENT:
            why = ""
        found.append((_what(say, one, titles), f"{one.by}, {one.made_at:%Y-%m-%d}", why))
    return found


def _what(say: Words, one: Decision, titles: Mapping[str, str]) -> str:
    points = "" if one.points is None else plain(one.points)
    if one.kind == "adjust" and one.row == TOTAL:
        return say("the whole mark is {points} points", points=points)
    if one.kind == "adjust":
        return say("{row} is {points} points", row=titles.get(one.row, one.row), points=points)
    if one.kind == "extend":
        if one.days is None:
            return say("extended to {until}", until=one.until)
        return say("extended by 1 day") if one.days == 1 else say("extended by {days} days", days=one.days)
    if one.kind == "choose_attempt":
        return say("this attempt counts: {attempt}", attempt=one.digest[:12])
    return say(
        {"excuse": "excused", "exclude": "excluded", "waive_late": "not counted as late"}.get(
            one.kind, "excused"
        )
    )


def _tail(log: str) -> list[str]:
    """The last lines."""
    text = safe_text(log[-4 * LOG_CHARACTERS :], 4 * LOG_CHARACTERS)
    return text[-LOG_CHARACTERS:].strip("\n").split("\n")[-LOG_LINES:] if text.strip() else []
