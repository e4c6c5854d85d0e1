"""One gradebook taken into another: sections that were graded apart, or on two machines."""

from __future__ import annotations

from pathlib import Path

from grader.errors import UserError
from grader.gradebook import Gradebook, Seen, lab_of
from grader.marks import holding
from grader.text import counted
from grader.types import Attempt, Decision

LISTED = 10


def take_in(book: Gradebook, theirs: Gradebook) -> str:
    """Take everything in `theirs` that `book` has not, as a run of its own; in a line, what that was.

    Raises `UserError`, having changed nothing, with what contradicts: other points for the same checks of the
    same work, or another decision on the same row.
    """
    our_runs, their_runs = book.runs(), theirs.runs()
    if not their_runs:
        return "nothing was graded into it yet"
    ours, others = book.attempts(), theirs.attempts()
    decided, their_decided = book.decisions(), theirs.decisions()
    conflicts = _conflicts(ours, others) + _contradictions(decided, their_decided)
    rules = [
        name
        for name in ("rubric", "policy")
        if our_runs and getattr(our_runs[-1], name) != getattr(their_runs[-1], name)
    ]
    if (
        our_runs
        and len(labs := {Path(lab_of(runs[-1].settings)).name for runs in (our_runs, their_runs)}) > 1
    ):
        conflicts.insert(0, f"they are of different labs: {' and '.join(sorted(labs))}")
    elif rules:
        options = " ".join(f"--{name} {name}.toml" for name in rules)
        conflicts.insert(
            0,
            f"they are marked by another {' and another '.join(rules)}: first give both the same, `grader"
            f" rescore {theirs.path.parent} {options}` and `grader rescore {book.path.parent} {options}`",
        )
    if conflicts:
        more = f"; and {len(conflicts) - LISTED} more" if len(conflicts) > LISTED else ""
        raise UserError(f"{theirs.path}: not taken in: {'; '.join(conflicts[:LISTED])}{more}")
    last = (our_runs or their_runs)[-1]
    rosters = [run[-1].roster for run in (our_runs, their_runs) if run]
    entries = {entry.student_id: entry for roster in reversed(rosters) for entry in roster.entries}
    roster = rosters[0].model_copy(update={"entries": tuple(entries.values())})
    new = [
        one
        for student, several in others.items()
        for one in several
        if not any(_has_all(known, one) for known in ours.get(student, ()))
    ]
    numbers = {_named(one): one.number for several in decided.values() for one in several}
    theirs_made = sorted((one for several in their_decided.values() for one in several), key=_number)
    made = [one for one in theirs_made if _named(one) not in numbers]
    attempts = [one.evidence.attempt for one in new]
    seen = book.begin_run(str(theirs.path), last.settings, last.rubric, last.policy, roster, attempts)
    for at, one in enumerate(new):
        book.record(seen[at], one.evidence)
    here = {one.number: numbers[_named(one)] for one in theirs_made if _named(one) in numbers}
    for decision in made:
        (kept,) = book.decide([decision.model_copy(update={"undoes": here.get(decision.undoes, 0)})])
        here[decision.number] = kept.number
    students = len({one.student_id for one in attempts})
    told = ((students, "student"), (len(new), "attempt"), (len(made), "decision"))
    return ", ".join(counted(number, noun) for number, noun in told)


def _same(one: Seen, other: Seen) -> bool:
    return _identity(one.evidence.attempt) == _identity(other.evidence.attempt)


def _has_all(known: Seen, one: Seen) -> bool:
    """Whether nothing is to be taken over: a merge that was interrupted is completed by the next."""
    return _same(known, one) and known.evidence.parts.keys() >= one.evidence.parts.keys()


def _number(decision: Decision) -> int:
    return decision.number


def _named(decision: Decision) -> tuple[object, ...]:
    """What tells it from all others, in whichever book it stands."""
    return decision.made_at, decision.student_id, decision.kind, decision.row, decision.digest, decision.by


def _identity(attempt: Attempt) -> tuple[object, ...]:
    return attempt.attempt, attempt.submitted_at, attempt.digest, attempt.problem


def _conflicts(ours: dict[str, list[Seen]], others: dict[str, list[Seen]]) -> list[str]:
    """Attempts that are in both and on which other things were found."""
    found = []
    for student, several in others.items():
        for one in several:
            for known in ours.get(student, ()):
                if _same(one, known):
                    parts, known_parts = one.evidence.parts, known.evidence.parts
                    differ = [
                        name
                        for name in parts.keys() & known_parts.keys()
                        if parts[name].found != known_parts[name].found
                    ]
                    found += [f"{student}: the {name} of one attempt came out differently" for name in differ]
    return found


def _contradictions(ours: dict[str, list[Decision]], others: dict[str, list[Decision]]) -> list[str]:
    found = []
    for student in ours.keys() & others.keys():
        mine, theirs = holding(ours[student]), holding(others[student])
        for was, is_now in ((mine.points, theirs.points), (mine.others, theirs.others)):
            for name in was.keys() & is_now.keys():
                if was[name].what != is_now[name].what:
                    found.append(f"{student}: {was[name].line}, but there {is_now[name].line}")
    return found
