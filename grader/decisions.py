"""Decisions on marks: whether they can be, and reading them from a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from grader.errors import UserError
from grader.export.cells import guarded
from grader.gradebook import Gradebook
from grader.marks import TOTAL, holding
from grader.policy import read_extension
from grader.roster import read_cells
from grader.text import safe_line
from grader.types import Decision, Verdict

KINDS = ("adjust", "excuse", "waive_late", "extend", "exclude", "remove")


def check(book: Gradebook, verdicts: Sequence[Verdict], decisions: Sequence[Decision]) -> None:
    """Raise `UserError` for the first decision that cannot be made on these marks."""
    by_id = {verdict.student_id: verdict for verdict in verdicts}
    for one in decisions:
        verdict = by_id.get(one.student_id)
        if one.kind == "undo":
            held = holding(book.decisions(one.student_id).get(one.student_id, ()))
            if one.undoes not in held.numbers:
                raise UserError(f"decision {one.undoes} no longer holds: there is nothing to undo")
        elif verdict is None:
            raise UserError(f"{one.student_id}: no such student in the gradebook: see `grader show`")
        elif one.kind == "adjust":
            _check_points(one, verdict)
        elif one.kind == "exclude" and one.points is not None and not 0 <= one.points <= verdict.out_of:
            raise UserError(f"{one.student_id}: a mark of {one.points} is outside 0 to {verdict.out_of}")
        elif one.kind == "extend":
            try:
                read_extension(one.until)
            except ValueError as error:
                raise UserError(f"{one.student_id}: {error}") from error


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
        raise UserError(f"{student}: {attempt} is {'no' if not found else 'more than one'} attempt: {listed}")
    return found.pop()


def read_decisions(path: Path, verdicts: Sequence[Verdict], *, by: str, why: str) -> list[Decision]:
    """The decisions in a CSV or XLSX: a line each, or as a spreadsheet of marks in which points were changed.

    The former has the columns `student`, `decision`, `row`, `value` and `why`. In the latter, by a column
    `student_id`, points that are not the grader's and not decided already are new decisions, and `why` is
    for all of them. Raises `UserError` with the line of the first that cannot be read.
    """
    lines = read_cells(path)
    at = next((at for at, (_, cells) in enumerate(lines) if {"decision", "student_id"} & {*_keys(cells)}), 0)
    (header, first), *rest = lines[at:]
    keys = _keys(first)
    found = []
    for place, cells in rest:
        values = {key: cell.strip() for key, cell in zip(keys, cells, strict=False) if key}
        if not any(values.values()):
            continue
        if "decision" in keys:
            found.append(_from_line(f"{path}: {place}", values, by, why))
        elif "student_id" in keys:
            found += _from_marks(f"{path}: {place}", values, verdicts, by, why)
        else:
            raise UserError(f"{path}: {header}: needs the columns student, decision, row, value, why")
    return found


def _keys(cells: Sequence[str]) -> list[str]:
    """The names of columns: the workbook's are in words, `student id`, the CSV's are `student_id`."""
    return ["_".join(cell.casefold().split()) for cell in cells]


def _from_line(place: str, values: dict[str, str], by: str, why: str) -> Decision:
    kind = values.get("decision", "").casefold().replace("-", "_").replace(" ", "_")
    value, row = values.get("value", ""), values.get("row", "")
    if kind not in KINDS:
        raise UserError(f"{place}: {kind or 'nothing'} is not a decision: one of {', '.join(KINDS)}")
    reason = values.get("why") or why
    if not reason:
        raise UserError(f"{place}: why is missing: fill it in, or give --why for all")
    return decision(
        values.get("student") or values.get("student_id", ""),
        kind,
        by=by,
        why=reason,
        row=row if kind == "adjust" else "",
        points=_points(place, value) if kind == "adjust" or (kind == "exclude" and value) else None,
        until=value if kind == "extend" else "",
    )


def _from_marks(
    place: str, values: dict[str, str], verdicts: Sequence[Verdict], by: str, why: str
) -> list[Decision]:
    """What was changed in a line of the spreadsheet of marks."""
    said = values["student_id"]
    verdict = next((one for one in verdicts if said in (one.student_id, guarded(one.student_id))), None)
    if verdict is None:
        raise UserError(f"{place}: {said or 'nobody'}: no such student in the gradebook")
    stated = {row.id: row.points for row in verdict.rows}
    stated["accuracy_points"] = stated.pop("accuracy", Decimal(0))
    if verdict.total is not None:
        stated[TOTAL] = verdict.total
    found = []
    for column, points in stated.items():
        if not values.get(column) or (new := _points(place, values[column])) == points:
            continue
        if not why:
            raise UserError(f"{place}: {column} was changed: say why with --why")
        row = "accuracy" if column == "accuracy_points" else column
        found.append(decision(verdict.student_id, "adjust", by=by, why=why, row=row, points=new))
    return found


def _points(place: str, text: str) -> Decimal:
    try:
        return number_of_points(text)
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def number_of_points(text: str) -> Decimal:
    """Points as people write them. Raises `UserError`."""
    try:
        number = Decimal(text)
        if number.is_finite() and number == number.quantize(Decimal("0.01")):
            return number.quantize(Decimal("0.01"))
    except InvalidOperation:
        pass
    raise UserError(f"{safe_line(text, 40)}: is not a number of points with at most two decimals")
