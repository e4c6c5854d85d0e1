"""Who gets which mark in the LMS's file, and what stands against it; nothing is written here."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple

from grader.errors import UserError
from grader.export.cells import acts_as_formula
from grader.rubric import plain
from grader.text import safe_line
from grader.types import Verdict

from .template import Lms, Person, Template, folded, number

_REMOVE = "`grader remove` takes out the one that is nobody's, such as an id that is not on the class list"


class Choices(NamedTuple):
    """What the person at the keyboard has decided."""

    existing: Literal["keep", "overwrite"] | None = None
    maximum: Literal["as-is", "scale", "cap"] | None = None
    leave_out: Collection[str] = ()


class Problem(NamedTuple):
    """Something that only a person may decide."""

    kind: str  # `existing`, `maximum`, `over-maximum`, or one that can be left out: see `cli_export`
    who: str
    told: str


@dataclass(frozen=True)
class Given:
    """A mark that is in the file when it is written, whether or not it was there before."""

    verdict: Verdict
    person: Person
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """What will be written, and what has to be decided first."""

    template: Template
    given: tuple[Given, ...]
    cells: Mapping[tuple[int, int], str]
    problems: tuple[Problem, ...]  # undecided ones: nothing is written while there are any
    notes: tuple[str, ...]

    def content(self) -> bytes:
        """The file's new bytes."""
        assert not self.problems
        return self.template.sheet.changed(self.cells)


def make_plan(
    lms: Lms,
    template: Template,
    verdicts: Sequence[Verdict],
    choices: Choices,
    *,
    emails: Mapping[str, str] | None = None,
    comments: Mapping[str, str] | None = None,
    published: Mapping[str, Verdict] | None = None,
    only: Collection[str] | None = None,
    removed: Mapping[str, int] | None = None,
) -> Plan:
    """Match the `verdicts` with the template's lines.

    `emails` and `comments` are by student id, the latter for the feedback column. A grade in the file that
    is the one `published` last is the grader's own, and is replaced without asking. With `only`, the
    others' lines are left alone. `removed` has the decision by which somebody was removed.
    """
    published = published or {}
    matched, problems = _matched(template, verdicts, emails or {}, removed or {})
    out_of = verdicts[0].out_of if verdicts else Decimal(0)
    most = template.item.maximum
    if most is not None and most != out_of and choices.maximum is None:
        told = f"is out of {plain(most)} there, and {plain(out_of)} here: say --maximum as-is, scale or cap"
        problems.append(Problem("maximum", template.item.title, told))
    if choices.maximum in ("scale", "cap") and not most:
        raise UserError(
            f"{template.sheet.path}: --maximum {choices.maximum}: the file does not say the column's maximum"
        )
    given: list[Given] = []
    cells: dict[tuple[int, int], str] = {}
    notes = list(template.notes)
    if most is None:
        notes.append(f"the file does not say the column's maximum: it has to be {plain(out_of)} there")
    for verdict, person in matched:
        if only is not None and verdict.student_id not in only:
            continue
        before, who = template.grade(person), _who(verdict)
        after = _written(lms, template, verdict, choices.maximum)
        if after is None:
            notes.append(_without_mark(verdict, before, lms))
            continue
        if lms.over != "taken" and _over(verdict, template, choices.maximum):
            does = "refuses" if lms.over == "refused" else "cuts"
            told = f"{after} is above the maximum of {plain(most or out_of)}, which {lms.name} {does}"
            problems.append(Problem("over-maximum", who, f"{told}: say --maximum scale or cap"))
        same = _same(before, after)
        if not same and person.locked:
            problems.append(Problem("locked", who, f"{person.locked} in {lms.name}"))
            continue
        old = published.get(verdict.student_id)
        own = old and _written(lms, template, old, choices.maximum)
        ours = bool(own) and _same(before, str(own))
        if not same and folded(before) not in {"", *lms.nothing} and not ours:
            if choices.existing == "keep":
                notes.append(f"{who}: keeps {safe_line(before, 40)} instead of {after}")
                continue
            if choices.existing is None:
                told = (
                    f"has {safe_line(before, 40)} there, and {after} here: say --existing keep or overwrite"
                )
                problems.append(Problem("existing", who, told))
        if not same:
            cells[person.row, template.item.column] = after
        given.append(Given(verdict, person, before, after))
        if comments is not None and verdict.student_id in comments:
            _comment(template, person, who, comments[verdict.student_id], choices, cells, problems)
    undecided = [problem for problem in problems if problem.kind not in choices.leave_out]
    left = [f"left out: {problem.who}: {problem.told}" for problem in problems if problem not in undecided]
    return Plan(template, tuple(given), cells, tuple(undecided), (*notes, *left))


def _comment(
    template: Template,
    person: Person,
    who: str,
    text: str,
    choices: Choices,
    cells: dict[tuple[int, int], str],
    problems: list[Problem],
) -> None:
    assert template.feedback is not None
    before = template.sheet.value(person.row, template.feedback)
    if before == text or (before and choices.existing == "keep"):
        return
    if before and choices.existing is None:
        told = "has another comment there: say --existing keep or overwrite"
        problems.append(Problem("existing", who, told))
    cells[person.row, template.feedback] = text
    column = template.feedback_format
    if column is not None and not template.sheet.value(person.row, column):
        cells[person.row, column] = "SMART_TEXT"


def _matched(
    template: Template, verdicts: Sequence[Verdict], emails: Mapping[str, str], removed: Mapping[str, int]
) -> tuple[list[tuple[Verdict, Person]], list[Problem]]:
    """Who is which line. What is not beyond doubt is a problem."""
    lines: dict[str, list[Person]] = {}
    for person in template.people:
        for id in person.ids:
            lines.setdefault(folded(id), []).append(person)
    claims: dict[int, list[Verdict]] = {}
    found: list[tuple[Verdict, Person]] = []
    problems: list[Problem] = []
    doubtful: set[int] = set()
    for verdict in verdicts:
        own = lines.get(folded(verdict.student_id)) or lines.get(folded(emails.get(verdict.student_id, "")))
        who = _who(verdict)
        if not own:
            if verdict.total is not None:
                problems.append(Problem("not-in-template", who, "is not in the LMS's file"))
        elif len({person.row for person in own}) > 1:
            places = " and ".join(str(template.sheet.places[person.row]) for person in own)
            problems.append(Problem("ambiguous", who, f"could be the one on line {places}"))
            doubtful.update(person.row for person in own)
        else:
            claims.setdefault(own[0].row, []).append(verdict)
    for person in template.people:
        claimed = claims.get(person.row, [])
        who = safe_line(" ".join(filter(None, [person.ids[0] if person.ids else "", person.name])), 120)
        if len(claimed) > 1:
            ids = " and ".join(verdict.student_id for verdict in claimed)
            problems.append(Problem("ambiguous", who, f"could be {safe_line(ids, 200)}: {_REMOVE}"))
        elif not claimed:
            if person.row not in doubtful:
                problems.append(Problem("not-in-results", who, _no_result(person, removed)))
        elif any(acts_as_formula(id) for id in person.ids):
            problems.append(Problem("unsafe-id", who, "a spreadsheet would run the id as a formula"))
        else:
            found.append((claimed[0], person))
    return found, problems


def _no_result(person: Person, removed: Mapping[str, int]) -> str:
    by_id = {folded(id): number for id, number in removed.items()}
    number = next((by_id[folded(id)] for id in person.ids if folded(id) in by_id), None)
    if number is None:
        return "has no result"
    return f"was removed by decision {number}: `grader undo` takes that back"


def _written(lms: Lms, template: Template, verdict: Verdict, how: str | None) -> str | None:
    """What stands for a verdict in the LMS's file; None where nothing may."""
    if verdict.standing == "excused":
        return lms.excused
    if verdict.total is None:
        return None
    text = f"{_points(verdict, template.item.maximum, how):.2f}"
    return text.replace(".", ",") if template.decimal_comma else text


def _points(verdict: Verdict, most: Decimal | None, how: str | None) -> Decimal:
    """The total by the column's maximum. Scaled, it is exact and then rounded once to 0.01, halves up."""
    assert verdict.total is not None
    if how == "cap" and most is not None:
        return min(verdict.total, most)
    if how == "scale" and most is not None and verdict.out_of:
        exact = Fraction(verdict.total) * Fraction(most) / Fraction(verdict.out_of)
        return Decimal(math.floor(exact * 100 + Fraction(1, 2))).scaleb(-2)
    return verdict.total


def _over(verdict: Verdict, template: Template, how: str | None) -> bool:
    most = template.item.maximum
    return most is not None and verdict.total is not None and _points(verdict, most, how) > most


def _same(before: str, after: str) -> bool:
    one, other = number(before), number(after)
    return one == other if one is not None and other is not None else folded(before) == folded(after)


def _without_mark(verdict: Verdict, before: str, lms: Lms) -> str:
    why = verdict.standing if verdict.standing != "counts" else verdict.status.value
    kept = f"; {safe_line(before, 40)} stays in {lms.name}" if before else ""
    return f"{_who(verdict)}: no mark ({why}), so nothing is written{kept}"


def _who(verdict: Verdict) -> str:
    return safe_line(f"{verdict.student_id} {verdict.name}", 120)
