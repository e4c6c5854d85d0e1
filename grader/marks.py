"""From a student's attempts to the mark: which one counts, what lateness costs, what people decided.

Pure, like `scoring`: nothing is kept, so a changed rubric or policy, or a decision, holds at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from grader.gradebook import Gradebook, Run, Seen
from grader.intake.whose import squeezed
from grader.policy import Extension, accepted, counting, deduction, due, lateness, read_extension
from grader.roster import NEAREST, RosterEntry, unknown
from grader.scoring import score
from grader.text import counted
from grader.types import Decision, Evidence, Flag, Row, Status, Verdict

TOTAL = "total"  # the row by which a whole mark is decided
NO_COMMENT = "read at the desk"  # why a TA gave points without a comment; it tells a student nothing
_ZERO = Decimal("0.00")
_LOOK = ": look the time up"


class Holding(NamedTuple):
    """The decisions on one student that hold, each the newest of its kind."""

    points: Mapping[str, Decision]  # by row
    flags: Mapping[str, Decision]  # that settle a flag, by its digest
    others: Mapping[str, Decision]  # by kind

    @property
    def numbers(self) -> dict[int, Decision]:
        """All of them by number, the oldest first."""
        found = [one for some in self for one in some.values()]
        return {one.number: one for one in sorted(found, key=lambda one: one.number)}

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f"{number}: {one.line}" for number, one in self.numbers.items())


def holding(decisions: Iterable[Decision]) -> Holding:
    """Those that hold: not undone, and of two on the same the newer."""
    decisions = list(decisions)
    undone = {one.undoes for one in decisions if one.kind == "undo"}
    points: dict[str, Decision] = {}
    flags: dict[str, Decision] = {}
    others: dict[str, Decision] = {}
    for one in decisions:
        if one.number in undone or one.kind == "undo":
            continue
        if one.kind == "adjust":
            points[one.row] = one
        elif one.kind == "settle_flag":
            flags[one.digest] = one
        else:
            others[one.kind] = one
    return Holding(points, flags, others)


def mark(
    run: Run,
    attempts: Sequence[Evidence],
    decisions: Iterable[Decision],
    entry: RosterEntry | None,
    student: str,
    near: Sequence[str] = (),
) -> Verdict:
    """The mark of `student`, who is `entry` on the roster, if there is one; else these ids there are `near`.

    `attempts` stand in the order in which they came in. Without any the status is `absent`, with 0.00.
    """
    attempts = _newest(attempts)
    held = holding(decisions)
    if "waive_late" in held.others:
        run = run._replace(policy=run.policy.model_copy(update={"deadline": None}))
    extend = held.others.get("extend")
    extension = read_extension(extend.until) if extend else entry.extension if entry else None
    if not attempts:
        verdict = Verdict(
            student_id=student,
            status=Status.ABSENT,
            reason="nothing was handed in",
            total=_ZERO,
            out_of=run.rubric.out_of,
        )
    else:
        verdict = _counting(run, attempts, held.others.get("choose_attempt"), extension)
    if entry is not None:
        name = verdict.name
        if entry.name and name == squeezed(name):  # as Canvas writes names, into one
            name = entry.name
        known = {"name": name, "section": entry.section or verdict.section}
        verdict = verdict.model_copy(update=known)
    elif run.roster.entries:
        reason = "not on the class list" + (f"; the nearest there: {', '.join(near)}" if near else "")
        verdict = verdict.model_copy(update={"status": Status.QUARANTINED, "reason": reason, "total": None})
    return _decided(run, verdict, held, extension)


def _newest(attempts: Sequence[Evidence]) -> Sequence[Evidence]:
    """Of one attempt that was read twice, differently, the later one: a file could be read then, say."""
    found: dict[object, Evidence] = {}
    for at, one in enumerate(attempts):
        time = one.attempt.submitted_at
        key = at if time is None else (one.attempt.attempt, time)
        found.pop(key, None)
        found[key] = one
    return list(found.values())


def _counting(
    run: Run, attempts: Sequence[Evidence], chosen: Decision | None, extension: Extension | None
) -> Verdict:
    """The verdict on the attempt that counts, and how late that was."""
    digests = [one.attempt.digest for one in attempts]
    times = [one.attempt.submitted_at for one in attempts]
    marked = [bool(one.attempt.late) for one in attempts]
    if chosen and chosen.digest in digests:
        at = len(digests) - 1 - digests[::-1].index(chosen.digest)
    elif run.policy.attempt == "best":
        verdicts = [_scored(run, one) for one in attempts]
        marks = [one.total and one.total - _deduction(run, one, extension, one.total) for one in verdicts]
        at = counting(run.policy, times, extension, marks, marked)
    else:
        at = counting(run.policy, times, extension, marked=marked)
    verdict = _scored(run, attempts[at])
    late = lateness(run.policy, times[at], extension, marked[at])
    update: dict[str, object] = {"late_seconds": int(late.total_seconds())}
    if not accepted(run.policy, late):
        update["reason"] = f"{verdict.reason or 'handed in'}: too late to be accepted"
    if run.policy.deadline and times[at] is None:
        untimed = "when it was handed in is not known, so it does not count as late"
        if marked[at]:
            extended = due(run.policy, extension) != run.policy.deadline
            untimed = _marked_late(verdict.late, int(late.days), extended)
            update["flags"] = (*verdict.flags, Flag(kind="late", message=untimed))
        # The student reads remarks, and what is to be looked up is not for them.
        update["remarks"] = (*verdict.remarks, untimed.removesuffix(_LOOK))
    return verdict.model_copy(update=update)


def _marked_late(mark: str, days: int, extended: bool) -> str:
    """What a mark of lateness without a time comes to, for a person."""
    told = f"marked {mark} in the download, which tells no time: "
    if days:
        return f"{told}it counts as {counted(days, 'day')} late, as the policy says"
    if extended:
        return f"{told}it does not count as late, for the student has an extension{_LOOK}"
    return f"{told}it does not count as late, for the policy has no marked_late_days{_LOOK}"


def _scored(run: Run, evidence: Evidence) -> Verdict:
    try:
        return score(run.rubric, evidence)
    except ValueError as error:  # of an older set of checks, say
        failure = f"what was measured does not fit the rubric ({error}): grade it again"
        return score(run.rubric, Evidence(attempt=evidence.attempt, failure=failure))


def _deduction(run: Run, verdict: Verdict, extension: Extension | None, points: Decimal) -> Decimal:
    late = lateness(run.policy, verdict.submitted_at, extension, bool(verdict.late))
    return deduction(run.policy, late, points, verdict.out_of)


def _decided(run: Run, verdict: Verdict, held: Holding, extension: Extension | None) -> Verdict:
    """The verdict with what people decided, and with what lateness costs then."""

    def cost_of(total: Decimal | None) -> Decimal:
        return _ZERO if total is None else _deduction(run, verdict, extension, total)

    machine = None if verdict.total is None else verdict.total - cost_of(verdict.total)
    rows = tuple(_row(row, held.points.get(row.id)) for row in verdict.rows)
    total = verdict.total
    if total is not None:
        total += sum((row.counts - row.points for row in rows), _ZERO)
    cost = cost_of(total)
    total = None if total is None else total - cost
    if whole := held.points.get(TOTAL):
        total, cost = whole.points, _ZERO
    standing = "counts"
    if exclude := held.others.get("exclude"):
        standing, total, cost = "excluded", exclude.points, _ZERO
    if "excuse" in held.others:
        standing, total, cost = "excused", None, _ZERO
    if "remove" in held.others:
        standing = "removed"
    return verdict.model_copy(
        update={
            "rows": rows,
            "machine_total": machine,
            "total": total,
            "deduction": cost,
            "standing": standing,
            "decisions": held.lines,
            "settled": {digest: f"{one.why} ({one.by})" for digest, one in held.flags.items()},
        }
    )


def _row(row: Row, decision: Decision | None) -> Row:
    if decision is None:
        return row
    why = "" if decision.why == NO_COMMENT else f"{decision.why} ({decision.by})"
    return row.model_copy(update={"decided": decision.points, "why": why})


def class_marks(
    run: Run, attempts: Mapping[str, Sequence[Seen]], decisions: Mapping[str, Sequence[Decision]]
) -> list[Verdict]:
    """Everybody's mark, sorted by id: of those on the roster, and of all others who handed in."""
    entries = {entry.student_id: entry for entry in run.roster.entries}
    near = _near(run, attempts) if entries else {}
    found = []
    for student in sorted(entries.keys() | attempts.keys()):
        evidence, decided = [one.evidence for one in attempts.get(student, ())], decisions.get(student, ())
        verdict = mark(run, evidence, decided, entries.get(student), student, near.get(student, ()))
        if verdict.standing != "removed":
            found.append(verdict)
    return found


def _near(run: Run, attempts: Mapping[str, Sequence[Seen]]) -> dict[str, tuple[str, ...]]:
    """For each id that is nobody's of the class those of the same name, else the most similar ones."""
    named: dict[str, list[str]] = {}
    for entry in run.roster.entries:
        named.setdefault(squeezed(entry.name), []).append(entry.student_id)
    found = unknown(run.roster, attempts)
    for id in found:
        names = {squeezed(one.evidence.attempt.name) for one in attempts[id]} - {""}
        if same := [of for name in sorted(names) for of in named.get(name, ())]:
            found[id] = tuple(same[:NEAREST])
    return found


def removed(decisions: Mapping[str, Sequence[Decision]]) -> dict[str, int]:
    """The students who are in no table, each with the number of the decision."""
    held = {student: holding(several).others for student, several in decisions.items()}
    return {student: others["remove"].number for student, others in held.items() if "remove" in others}


class Standing(NamedTuple):
    """What everybody's mark rests on at some moment."""

    run: Run | None
    attempts: Mapping[str, Sequence[Seen]]
    decisions: Mapping[str, Sequence[Decision]]

    @property
    def marks(self) -> list[Verdict]:
        """Everybody's. Empty where there was no run."""
        return class_marks(self.run, self.attempts, self.decisions) if self.run else []

    def gives_as(self, other: Standing) -> bool:
        """Whether all marks are the same as `other`'s, for what they rest on is."""
        return self._basis == other._basis

    @property
    def _basis(self) -> object:
        rules = self.run and (self.run.rubric, self.run.policy, self.run.roster)
        evidence = {id_: [one.evidence for one in several] for id_, several in self.attempts.items()}
        return rules, evidence, self.decisions


def standing(book: Gradebook) -> Standing:
    """As the book is now."""
    return Standing(next(iter(book.runs()[-1:]), None), book.attempts(), book.decisions())


def current(book: Gradebook) -> list[Verdict]:
    """Everybody's mark as the book stands now. Empty where there was no run."""
    return standing(book).marks


class Change(NamedTuple):
    """A row of somebody's mark that is another than before."""

    student_id: str
    row: str  # or "total", where no single row tells it
    before: str
    after: str
    why: str


def changes(before: Sequence[Verdict], after: Sequence[Verdict]) -> list[Change]:
    """What is different now, by student and row; of a student who is new, nothing."""
    old = {verdict.student_id: verdict for verdict in before}
    found = []
    for verdict in after:
        if (known := old.get(verdict.student_id)) and (known.total, known.rows) != (
            verdict.total,
            verdict.rows,
        ):
            found += _changes_of(known, verdict)
    return found


def _changes_of(old: Verdict, new: Verdict) -> list[Change]:
    was = {row.id: row for row in old.rows}
    found = []
    for row in new.rows:
        known = was.get(row.id)
        if known and known.counts != row.counts:
            why = _why(old, new, known, row)
            found.append(Change(new.student_id, row.id, str(known.counts), str(row.counts), why))
    if old.total != new.total:
        why = found[0].why if found else _why(old, new, None, None)
        found.append(Change(new.student_id, TOTAL, _told(old), _told(new), why))
    return found


def _why(old: Verdict, new: Verdict, was: Row | None, now: Row | None) -> str:
    if old.decisions != new.decisions:
        return "decision"
    if old.status is Status.ABSENT and new.status is not Status.ABSENT:
        return "handed in"
    if (old.digest, old.submitted_at, old.attempt) != (new.digest, new.submitted_at, new.attempt):
        return "another attempt counts"
    if was and now and (was.outcome, was.reason) != (now.outcome, now.reason) and now.id != "accuracy":
        return "measured again"
    if old.accuracy != new.accuracy and (now is None or now.id == "accuracy"):
        return "measured again"
    if old.status != new.status:
        return new.reason or f"{old.status.value} before"
    if (old.late_seconds, old.deduction) != (new.late_seconds, new.deduction):
        return "lateness"
    return "rubric"


def _told(verdict: Verdict) -> str:
    if verdict.total is not None:
        return str(verdict.total)
    return "no mark" if verdict.standing == "counts" else verdict.standing


def _anew(before: Run | None, run: Run) -> str:
    """That marks were computed anew, by what that was not so before."""
    rules = {"rubric": "rubric", "policy": "policy", "roster": "class list"}
    other = [told for name, told in rules.items() if before and getattr(before, name) != getattr(run, name)]
    return f"scored anew by another {' and '.join(other)}" if other else "scored anew"


def history(book: Gradebook, student: str) -> list[tuple[str, Verdict, str]]:
    """Every mark that `student` had: since when, the mark, and what made it so; the oldest first."""
    decisions = book.decisions(student).get(student, [])
    runs = book.runs()
    last = [None, *runs]
    moments = [
        (run.began_at, f"run {run.number}: {run.source or _anew(before, run)}")
        for before, run in zip(last, runs, strict=False)
    ]
    moments += [(one.made_at.isoformat(), f"decision {one.number}: {one.line}") for one in decisions]
    found: list[tuple[str, Verdict, str]] = []
    for at, what in sorted(moments):
        run = [run for run in runs if run.began_at <= at]
        if not run:
            continue
        known = book.attempts(until_run=run[-1].number, student=student)
        made = [one for one in decisions if one.made_at.isoformat() <= at]
        entry = next((entry for entry in run[-1].roster.entries if entry.student_id == student), None)
        if student not in known and entry is None:
            continue
        evidence = [one.evidence for one in known.get(student, ())]
        verdict = mark(run[-1], evidence, made, entry, student)
        if not found or changes([found[-1][1]], [verdict]) or found[-1][1].decisions != verdict.decisions:
            found.append((at, verdict, what))
    return found
