"""Decisions on marks: whether they can be, and reading them from a spreadsheet."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from grader.errors import UserError
from grader.export.cells import DECIDED, WRITTEN, decisions_cell, guarded
from grader.gradebook import Gradebook
from grader.marks import TOTAL, holding
from grader.policy import Policy, due, read_extension
from grader.roster import read_cells
from grader.text import safe_line
from grader.types import Decision, Verdict

KINDS = ("adjust", "excuse", "waive_late", "extend", "exclude", "remove")
_LISTED = 3  # students whose changed cells are named


class Read(NamedTuple):
    """What stands in a file of decisions."""

    decisions: list[Decision]
    ignored: list[str]  # cells that were changed and cannot be decisions, for people


def check(book: Gradebook, verdicts: Sequence[Verdict], decisions: Sequence[Decision]) -> None:
    """Raise `UserError` for the first decision that cannot be made on these marks."""
    by_id = {verdict.student_id: verdict for verdict in verdicts}
    for one in decisions:
        if one.kind == "undo":
            held = holding(book.decisions(one.student_id).get(one.student_id, ()))
            if one.undoes not in held.numbers:
                raise UserError(f"decision {one.undoes} no longer holds: there is nothing to undo")
        else:
            _check(one, by_id)


def _check(one: Decision, by_id: Mapping[str, Verdict]) -> None:
    verdict = by_id.get(one.student_id)
    if verdict is None:
        raise no_such_student(one.student_id, by_id)
    if one.kind == "adjust":
        _check_points(one, verdict)
    elif one.kind == "exclude" and one.points is not None and not 0 <= one.points <= verdict.out_of:
        raise UserError(f"{one.student_id}: a mark of {one.points} is outside 0 to {verdict.out_of}")
    elif one.kind == "extend":
        try:
            read_extension(one.until)
        except ValueError as error:
            raise UserError(f"{one.student_id}: {error}") from error


def no_such_student(student: str, ids: Iterable[str]) -> UserError:
    """The error, with the ids that are most like it."""
    known = list(ids)
    near = difflib.get_close_matches(student, known, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {len(known)} students in it"
    return UserError(f"{student or 'nobody'}: no such student in the gradebook; {hint}")


def _check_points(one: Decision, verdict: Verdict) -> None:
    most = {row.id: row.out_of for row in verdict.rows} | {TOTAL: verdict.out_of}
    if one.row not in most:
        raise UserError(f"{one.student_id}: no row is called {one.row}: one of {', '.join(most)}")
    if one.points is None or not 0 <= one.points <= most[one.row]:
        raise UserError(f"{one.student_id}: {one.row}: {one.points} is outside 0 to {most[one.row]}")


def decision(student: str, kind: str, *, by: str, why: str, **more: Any) -> Decision:
    """What `by` decides now. Raises `UserError` where there is no reason given."""
    if not why.strip():
        raise UserError("--why: is empty: say why, for the record")
    return Decision(
        made_at=datetime.now(timezone.utc),
        by=safe_line(by, 100),
        why=safe_line(why, 500),
        student_id=student,
        kind=kind,  # type: ignore[arg-type]
        **more,
    )


def find_attempt(book: Gradebook, student: str, attempt: str) -> str:
    """The digest of the attempt that is called by its number or by the beginning of its digest."""
    attempts = [one.evidence.attempt for one in book.attempts(student=student).get(student, ())]
    found = {
        one.digest
        for one in attempts
        if one.digest
        and (str(one.attempt) == attempt or (len(attempt) >= 6 and one.digest.startswith(attempt)))
    }
    if len(found) != 1:
        listed = ", ".join(f"{one.attempt} ({one.digest[:12]})" for one in attempts) or "none"
        told = f"{student}: {attempt} is {'no' if not found else 'more than one'} attempt: {listed}"
        if not found and attempt.isdecimal():
            told += (
                "; an earlier one is graded where the policy may let it count: `attempt` in policy.toml is"
                " latest_on_time, best or first, then `grader grade` on the same download"
            )
        raise UserError(told)
    return found.pop()


def read_decisions(path: Path, verdicts: Sequence[Verdict], *, by: str, why: str) -> Read:
    """The decisions in a CSV or XLSX: a line each, or as a spreadsheet of marks in which points were changed.

    The former has the columns `student`, `decision`, `row`, `value` and `why`. In the latter, by a column
    `student_id`, points that were changed since the sheet was written are new decisions, and `why` is for all
    of them. Raises `UserError` with the line of the first that cannot be read, cannot be made on these marks,
    contradicts another line, or changes what has become another since the sheet was written.
    """
    lines = read_cells(path)
    at = next((at for at, (_, cells) in enumerate(lines) if {"decision", "student_id"} & {*_keys(cells)}), 0)
    (header, first), *rest = lines[at:]
    keys = _keys(first)
    if not {"decision", "student_id"} & {*keys}:
        raise UserError(
            f"{path}: {header}: needs the columns student, decision, row, value, why; or, as a spreadsheet of"
            " marks, the column student id"
        )
    by_id = {verdict.student_id: verdict for verdict in verdicts}
    written = {} if "decision" in keys else _written(path)
    found: list[Decision] = []
    ignored: dict[str, list[str]] = {}
    places: dict[tuple[str, str, str], str] = {}
    for place, cells in rest:
        values = {key: cell.strip() for key, cell in zip_longest(keys, cells, fillvalue="") if key}
        if not any(values.values()):
            continue
        try:
            if "decision" in keys:
                made = [_from_line(values, by, why)]
            else:
                made, columns = _from_marks(values, by_id, written, by, why)
                for column in columns:
                    ignored.setdefault(column, []).append(values["student_id"])
            for one in made:
                _check(one, by_id)
                other = places.setdefault((one.student_id, one.kind, one.row), place)
                if other != place:
                    raise UserError(f"{one.student_id}: {one.row or one.kind} is decided in {other} already")
        except UserError as error:
            raise UserError(f"{path}: {place}: {error}") from error
        found += made
    return Read(found, [_ignored(column, students) for column, students in ignored.items()])


def _keys(cells: Sequence[str]) -> list[str]:
    """The names of columns: the workbook's are in words, `student id`, the CSV's are `student_id`."""
    return ["_".join(cell.casefold().split()) for cell in cells]


def _ignored(column: str, students: Sequence[str]) -> str:
    more = f" and {len(students) - _LISTED} more" if len(students) > _LISTED else ""
    return f"{column} was changed for {', '.join(students[:_LISTED])}{more}, which is ignored"


def _written(path: Path) -> dict[str, dict[str, str]]:
    """Each student's cells as the workbook was written with; empty where the file does not tell."""
    lines = read_cells(path, WRITTEN)
    keys = _keys(lines[0][1]) if lines else []
    rows = [dict(zip_longest(keys, cells, fillvalue="")) for _, cells in lines[1:]]
    return {row.get("student_id", ""): row for row in rows}


def _from_line(values: dict[str, str], by: str, why: str) -> Decision:
    kind = values.get("decision", "").casefold().replace("-", "_").replace(" ", "_")
    value, row = values.get("value", ""), values.get("row", "")
    if kind not in KINDS:
        raise UserError(f"{kind or 'nothing'} is not a decision: one of {', '.join(KINDS)}")
    reason = values.get("why") or why
    if not reason:
        raise UserError("why is missing: fill it in, or give --why for all")
    if row and kind != "adjust":
        raise UserError(f"{kind} is for no row: leave out {row}, or make it adjust")
    if value and kind not in ("adjust", "exclude", "extend"):
        raise UserError(f"{kind} takes no value: leave out {value}, or make it adjust")
    return decision(
        values.get("student") or values.get("student_id", ""),
        kind,
        by=by,
        why=reason,
        row=row,
        points=number_of_points(value) if kind == "adjust" or (kind == "exclude" and value) else None,
        until=value if kind == "extend" else "",
    )


def _from_marks(
    values: dict[str, str],
    by_id: Mapping[str, Verdict],
    written: Mapping[str, Mapping[str, str]],
    by: str,
    why: str,
) -> tuple[list[Decision], list[str]]:
    """What was changed in a line of the spreadsheet of marks, and the columns whose change is no decision."""
    said = values["student_id"]
    verdict = by_id.get(said) or next((one for id, one in by_id.items() if said == guarded(id)), None)
    if verdict is None:
        raise no_such_student(said, by_id)
    now, decided = _shown(verdict), _decided(verdict)
    known = written.get(said)
    before = now if known is None else known
    found, ignored = [], []
    for column, old in before.items():
        text = values.get(column)
        if column in ("student_id", DECIDED) or text is None or _same(text, old):
            continue
        row = "accuracy" if column == "accuracy_points" else column
        if not text or column not in now:
            if known is not None:
                ignored.append(column)
            continue
        new = number_of_points(text)
        if new == (verdict.total if row == TOTAL else decided.get(row)):
            continue  # it is decided so already
        if known is None:
            _check_age(values, verdict)
        elif not _same(old, now[column]) or _row_of(known.get(DECIDED, ""), row) != decided.get(row):
            was, is_now = old or "blank", str(decided.get(row, now[column])) or "blank"
            raise UserError(
                f"{verdict.student_id}: {column} was {was} when this sheet was written, is {is_now} now, and"
                f" {new} here: change it in the newest scores.xlsx"
            )
        if not why:
            raise UserError(f"{column} was changed: say why with --why")
        found.append(decision(verdict.student_id, "adjust", by=by, why=why, row=row, points=new))
    return found, ignored


def _shown(verdict: Verdict) -> dict[str, str]:
    """The points as the spreadsheet shows them now, those that can be decided, by column."""
    has_rows = verdict.machine_total is not None
    found = {row.id: str(row.points) if has_rows else "" for row in verdict.rows}
    if "accuracy" in found:
        found["accuracy_points"] = found.pop("accuracy")
    return found | {TOTAL: "" if verdict.total is None else str(verdict.total)}


def _decided(verdict: Verdict) -> dict[str, Decimal]:
    return {row.id: row.decided for row in verdict.rows if row.decided is not None}


def _row_of(text: str, row: str) -> Decimal | None:
    """What was decided on a row, in a cell like `question_1=0.50 question_2=1.00`."""
    return next((Decimal(one.partition("=")[2]) for one in text.split() if one.startswith(f"{row}=")), None)


def _same(one: str, other: str) -> bool:
    """Whether two cells hold the same; a spreadsheet writes a number as it likes."""
    try:
        return abs(Decimal(one) - Decimal(other)) < Decimal("0.00005")
    except InvalidOperation:
        return one == other


def _check_age(values: Mapping[str, str], verdict: Verdict) -> None:
    """Raise `UserError` where a sheet that does not tell what it was written with shows older marks."""
    now = {
        "machine_total": "" if verdict.machine_total is None else str(verdict.machine_total),
        "decisions": decisions_cell(verdict),
    }
    for column, text in now.items():
        if not _same(values.get(column, text), text):
            raise UserError(
                f"{verdict.student_id}: {column} is {values[column] or 'blank'} here and {text or 'blank'}"
                " now: the marks have changed since this sheet was written; change the newest one"
            )


def without_effect(
    one: Decision, before: Verdict, after: Verdict, decisions: Iterable[Decision], policy: Policy
) -> str:
    """Why a decision that was just made changed nothing; empty where it did, or where that is no surprise."""
    if (before.total, before.standing) != (after.total, after.standing):
        return ""
    held = holding(decisions)
    if one.kind not in ("adjust", "extend", "waive_late"):
        return "" if one.kind in ("undo", "choose_attempt", "settle_flag") else "it was so already"
    if after.standing != "counts":
        return f"the student is {after.standing}"
    if one.row != TOTAL and (whole := held.points.get(TOTAL)):
        return f"decision {whole.number} says what the total is"
    if one.kind == "adjust":
        old, new = ({row.id: row.counts for row in verdict.rows} for verdict in (before, after))
        if old.get(one.row) == new.get(one.row):  # the total, which is no row, is as it was
            return "it was so already"
        return "there is no mark: give one with total=POINTS" if after.total is None else ""
    if policy.deadline is None:
        return "there is no deadline"
    if one.kind == "extend" and due(policy, read_extension(one.until)) == policy.deadline:
        return f"it ends no later than the deadline, {policy.deadline:%Y-%m-%d %H:%M}"
    if one.kind == "extend" and "waive_late" in held.others:
        return "the deadline is waived for this student"
    return "nothing was deducted for lateness" if not before.deduction else "it is late all the same"


def number_of_points(text: str) -> Decimal:
    """Points as people write them. Raises `UserError`."""
    try:
        number = Decimal(text)
        if number.is_finite() and number == number.quantize(Decimal("0.01")):
            return number.quantize(Decimal("0.01"))
    except InvalidOperation:
        if re.fullmatch(r"\d+,\d{1,2}", text, re.ASCII):
            raise UserError(f"{text}: write {text.replace(',', '.')}") from None
    raise UserError(f"{safe_line(text, 40)}: is not a number of points with at most two decimals")
