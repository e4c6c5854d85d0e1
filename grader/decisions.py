"""Decisions on marks: whether they can be, and reading them from a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence

from grader.errors import KitError
from grader.gradebook import Gradebook
from grader.marks import TOTAL, holding
from grader.policy import read_extension
from grader.types import Decision, Verdict


def check(book: Gradebook, verdicts: Sequence[Verdict], decisions: Sequence[Decision]) -> None:
    """Raise `KitError` for the first decision that cannot be made on these marks."""
    by_id = {verdict.student_id: verdict for verdict in verdicts}
    known = book.decisions()
    for one in decisions:
        verdict = by_id.get(one.student_id)
        if one.kind == "undo":
            held = holding(known.get(one.student_id, ()))
            if one.undoes not in {each.number for each in (*held.points.values(), *held.others.values())}:
                raise KitError(f"decision {one.undoes} does not hold any more: nothing is to be undone")
        elif verdict is None:
            raise KitError(f"{one.student_id}: no such student in the gradebook: see `grader show`")
        elif one.kind == "adjust":
            _check_points(one, verdict)
        elif one.kind == "exclude" and one.points is not None and not 0 <= one.points <= verdict.out_of:
            raise KitError(f"{one.student_id}: a mark of {one.points} is outside 0 to {verdict.out_of}")
        elif one.kind == "extend":
            try:
                read_extension(one.until)
            except ValueError as error:
                raise KitError(f"{one.student_id}: {error}") from error


def _check_points(one: Decision, verdict: Verdict) -> None:
    most = {row.id: row.out_of for row in verdict.rows} | {TOTAL: verdict.out_of}
    if one.row not in most:
        raise KitError(f"{one.student_id}: no row is called {one.row}: one of {', '.join(most)}")
    if one.points is None or not 0 <= one.points <= most[one.row]:
        raise KitError(f"{one.student_id}: {one.row}: {one.points} is outside 0 to {most[one.row]}")


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
        raise KitError(f"{student}: {attempt} is {'no' if not found else 'more than one'} attempt: {listed}")
    return found.pop()
