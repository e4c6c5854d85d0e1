"""What stands in the spreadsheet: its columns, a verdict's cells, and the guard against formulas."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Literal

from grader.rubric import Rubric
from grader.text import safe_line
from grader.types import Outcome, Record, Verdict

Cell = str | int | Decimal | float | datetime | None  # None: blank

WRITTEN = "Written"  # the workbook's hidden sheet: its cells as they were written, for `grader decide`
DECIDED = "decided"  # a column of it: the rows that were decided, with their points

_TEXT_CHARACTERS = 200
_REASON_CHARACTERS = 1000
_FLAGS_CHARACTERS = 3000


class Column(Record):
    """A column's header, and the type of its cells."""

    name: str
    kind: Literal["text", "count", "points", "hours", "share", "time"]


def columns(rubric: Rubric) -> list[Column]:
    """The columns, in order.

    The points, from the first check to the last question, are the grader's and add up to `machine_total` with
    the deduction; `total` has people's decisions in it, which `decisions` tells.
    """
    return [
        Column(name="student_id", kind="text"),
        Column(name="name", kind="text"),
        Column(name="section", kind="text"),
        Column(name="attempt", kind="count"),
        Column(name="submitted_at", kind="time"),
        Column(name="status", kind="text"),
        Column(name="total", kind="points"),
        Column(name="out_of", kind="points"),
        Column(name="machine_total", kind="points"),
        Column(name="late_hours", kind="hours"),
        Column(name="deduction", kind="points"),
        Column(name="decisions", kind="text"),
        *(Column(name=id, kind="points") for id in rubric.checks),
        Column(name="accuracy_points", kind="points"),
        Column(name="correct", kind="count"),
        Column(name="images", kind="count"),
        Column(name="accuracy", kind="share"),
        Column(name="accuracy_low", kind="share"),
        Column(name="accuracy_high", kind="share"),
        Column(name="public_accuracy", kind="share"),
        *(Column(name=question.id, kind="points") for question in rubric.questions),
        Column(name="reason", kind="text"),
        Column(name="flags", kind="text"),
        Column(name="remarks", kind="text"),
    ]


def cells(verdict: Verdict, rubric: Rubric) -> list[Cell]:
    """A verdict's cells, one a column. Where no total may be given, no row's points are shown either."""
    earned: dict[str, Decimal] = {}
    if verdict.machine_total is not None:
        earned = {row.id: row.points for row in verdict.rows}
    accuracy = verdict.accuracy
    measured: list[Cell] = [None] * 5
    if accuracy is not None and accuracy.share is not None:
        measured = [accuracy.correct, accuracy.images, accuracy.accuracy, accuracy.low, accuracy.high]
    return [
        safe_line(verdict.student_id, _TEXT_CHARACTERS),
        safe_line(verdict.name, _TEXT_CHARACTERS),
        safe_line(verdict.section, _TEXT_CHARACTERS),
        verdict.attempt,
        verdict.submitted_at,
        verdict.status.value,
        verdict.total,
        verdict.out_of,
        verdict.machine_total,
        round(verdict.late_seconds / 3600, 2) if verdict.late_seconds else None,
        verdict.deduction or None,
        decisions_cell(verdict),
        *(earned.get(id) for id in rubric.checks),
        earned.get("accuracy"),
        *measured,
        verdict.public.accuracy if verdict.public else None,
        *(earned.get(question.id) for question in rubric.questions),
        safe_line(_why(verdict), _REASON_CHARACTERS),
        safe_line(" · ".join(flag_lines(verdict)), _FLAGS_CHARACTERS),
        safe_line(" · ".join(verdict.remarks), _FLAGS_CHARACTERS),
    ]


def decisions_cell(verdict: Verdict) -> str:
    """The decisions that hold."""
    return safe_line(" · ".join([*_standing(verdict), *verdict.decisions]), _REASON_CHARACTERS)


def flag_lines(verdict: Verdict) -> list[str]:
    """Each flag, and how it was settled."""
    found = []
    for flag in verdict.flags:
        settled = verdict.settled.get(flag.digest)
        found.append(f"{flag.kind}: {flag.message}" + (f" [settled: {settled}]" if settled else ""))
    return found


def _standing(verdict: Verdict) -> list[str]:
    return [] if verdict.standing == "counts" else [verdict.standing]


def _why(verdict: Verdict) -> str:
    """The verdict's reason, then each row that failed with its own; a row that was not run has another's."""
    failed = [
        f"{row.id}: {row.reason}" if row.reason else row.id
        for row in verdict.rows
        if row.outcome is Outcome.FAILED
    ]
    return " · ".join(filter(None, [verdict.reason, *failed]))


def acts_as_formula(text: str) -> bool:
    """Whether a spreadsheet might run `text` as a formula.

    By its first character that shows: = + - @ in any width, or a tab or
    carriage return before it.
    """
    for character in text:
        if character in "\t\r\0":
            return True
        if unicodedata.category(character)[0] not in "CZ":
            return unicodedata.normalize("NFKC", character)[0] in "=+-@\u2212"
    return False


def guarded(text: str) -> str:
    """`text` for a CSV cell: an apostrophe stands before what might be run as a formula.

    Also after a semicolon: where that is the list separator, as in much of
    Europe, a spreadsheet starts a new cell there, quotes or not.
    """
    return ";".join(f"'{part}" if acts_as_formula(part) else part for part in text.split(";"))
