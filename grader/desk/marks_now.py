"""Everybody's mark as the gradebook stands, in memory: only who was touched since is computed anew."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from grader.decisions import check
from grader.errors import UserError
from grader.gradebook import Gradebook, Run, Seen, Stand
from grader.marks import TOTAL, mark
from grader.roster import RosterEntry, unknown
from grader.types import AnswerOutcome, Decision, Flag, Row, Status, Verdict

COPIES = ("copy", "copied_code", "copied_answers")  # which only the whole class together can tell
_LOOKED_AT_SECONDS = 120.0  # that an answer on somebody's screen is left to them


class Progress(NamedTuple):
    """How many of the attempts that the newest run saw are measured."""

    done: int
    of: int


class Newer(Exception):  # noqa: N818  # no error: somebody else was faster
    """Decisions on the same that whoever decides now has not seen."""

    def __init__(self, decisions: Sequence[Decision]) -> None:
        super().__init__("decided by somebody else meanwhile")
        self.decisions = decisions


class Answer(NamedTuple):
    """What a student answered to a question, and its row."""

    student: str
    outcome: AnswerOutcome
    row: Row
    is_open: bool  # nobody has marked it


def opened(folder: Path) -> Gradebook:
    """The gradebook of a results folder. Raises `UserError`, also where nothing was graded into it."""
    book = Gradebook.open(folder)
    if not book.stand().run:
        book.close()
        raise UserError(f"{folder}: nothing was graded into it yet: see `grader grade`")
    return book


class MarksNow:
    """The marks of one results folder; from one thread, like the gradebook."""

    def __init__(self, folder: Path) -> None:
        """Read everything. Raises `UserError`."""
        self.book = opened(folder)
        self.verdicts: dict[str, Verdict] = {}  # by student, removed ones too
        self.unmeasured: set[str] = set()  # with an attempt that the newest run has yet to measure
        self._progress: dict[str, Progress] = {}
        self._answers: dict[str, list[Answer | None]] = {}  # to each question
        self._copies: Mapping[str, Sequence[Flag]] = {}
        self._near: Mapping[str, Sequence[str]] = {}
        self._entries: dict[str, RosterEntry] = {}
        # What stands for a student in addresses: any id fits into one, and none shows in blind mode.
        self.key_of: dict[str, str] = {}
        self._ids: dict[str, str] = {}  # by key
        self._stand = Stand(0, 0, 0)
        self.run: Run  # the newest
        self._open: dict[tuple[int, str], tuple[str, float]] = {}  # question and student: by whom, until when
        try:
            self.look()
        except BaseException:
            self.book.close()
            raise

    def look(self) -> int:
        """Take in what was written since, by whoever; the number of the newest decision that is in."""
        stand = self.book.stand()  # first: what is written from here on is seen at the next look
        if stand.run != self._stand.run:
            self._read_all()
        elif stand != self._stand:
            for student in self.book.touched(self._stand):
                known = self.book.attempts(student=student).get(student, ())
                self._read(student, known, self.book.decisions(student).get(student, ()))
        self._stand = stand
        return stand.decision

    def _read_all(self) -> None:
        runs = self.book.runs()
        self.run = runs[-1]
        attempts, decisions = self.book.attempts(), self.book.decisions()
        self._entries = {entry.student_id: entry for entry in self.run.roster.entries}
        self._near = unknown(self.run.roster, attempts) if self._entries else {}
        self.verdicts, self._progress, self._answers = {}, {}, {}
        self.unmeasured.clear()
        for student in sorted(self._entries.keys() | attempts.keys()):
            self._read(student, attempts.get(student, ()), decisions.get(student, ()))
        self.key_of = {student: _key(runs[0], student) for student in self.verdicts}
        self._ids = {key: student for student, key in self.key_of.items()}

    def _read(self, student: str, attempts: Sequence[Seen], decisions: Sequence[Decision]) -> None:
        evidence = [one.evidence for one in attempts]
        verdict = mark(
            self.run,
            evidence,
            decisions,
            self._entries.get(student),
            student,
            self._near.get(student, ()),
        )
        self.verdicts[student] = self._with_copies(verdict)
        rows = {row.id: row for row in verdict.rows}
        outcomes = {outcome.number: outcome for outcome in verdict.answers}
        self._answers[student] = [
            _answer(student, outcomes.get(number), rows.get(question.id))
            for number, question in enumerate(self.run.rubric.questions, 1)
        ]
        of_run = [one.evidence for one in attempts if one.last_run == self.run.number]
        done = sum(bool(one.parts or one.problem or one.given) for one in of_run)
        self._progress[student] = Progress(done, len(of_run))
        (self.unmeasured.add if done < len(of_run) else self.unmeasured.discard)(student)

    def _with_copies(self, verdict: Verdict) -> Verdict:
        own = [flag for flag in verdict.flags if flag.kind not in COPIES]
        flags = (*own, *self._copies.get(verdict.student_id, ()))
        return verdict if flags == verdict.flags else verdict.model_copy(update={"flags": flags})

    def set_copies(self, copies: Mapping[str, Sequence[Flag]]) -> None:
        """The flags that the class together gave."""
        self._copies = copies
        self.verdicts = {student: self._with_copies(verdict) for student, verdict in self.verdicts.items()}

    @property
    def progress(self) -> Progress:
        """Of the newest run."""
        counts = self._progress.values()
        return Progress(sum(one.done for one in counts), sum(one.of for one in counts))

    def source(self, attempts: Sequence[Seen]) -> Run | None:
        """The newest run that saw one of a student's attempts in a download."""
        last = max((one.last_run for one in attempts), default=0)
        return next((run for run in self.book.runs() if run.number == last and run.source), None)

    def student(self, key: str) -> str | None:
        """Whose key it is."""
        return self._ids.get(key)

    def in_class(self) -> Iterator[Verdict]:
        """All who are not removed, by id."""
        return (verdict for verdict in self.verdicts.values() if verdict.standing != "removed")

    # What is to be done

    def answers(self, number: int) -> list[Answer]:
        """What everybody wrote on a question, by id; of those whose mark is still asked for."""
        return [
            answer
            for student, verdict in self.verdicts.items()
            if verdict.standing == "counts" and (answer := self._answers[student][number - 1])
        ]

    def answers_of(self, verdict: Verdict) -> list[Answer]:
        """A student's, to each question."""
        return [answer for answer in self._answers[verdict.student_id] if answer]

    def answer(self, number: int, verdict: Verdict) -> Answer | None:
        """A student's answer to a question; None where there is none at all to be marked."""
        return self._answers[verdict.student_id][number - 1]

    def open_questions(self, verdict: Verdict) -> int:
        """How many answers of a student nobody has marked."""
        return sum(one.is_open for one in self.answers_of(verdict)) if verdict.standing == "counts" else 0

    def needs_a_person(self, verdict: Verdict) -> bool:
        """Whether there is no mark though one is asked for."""
        return (
            verdict.total is None
            and verdict.standing == "counts"
            and verdict.status in (Status.QUARANTINED, Status.GRADER_ERROR)
            and verdict.student_id not in self.unmeasured
        )

    def look_at(self, number: int, student: str, who: str) -> None:
        """Note that an answer is on somebody's screen."""
        self._open = {at: by for at, by in self._open.items() if by[0] != who}
        self._open[number, student] = who, time.monotonic() + _LOOKED_AT_SECONDS

    def looked_at_by(self, number: int, student: str, who: str) -> str:
        """Who else has an answer on the screen; empty for nobody."""
        by, until = self._open.get((number, student), ("", 0.0))
        return by if by != who and until > time.monotonic() else ""

    # Deciding

    def decide(self, decision: Decision, seen: int) -> Decision:
        """Keep a decision of somebody who has seen all decisions up to the number `seen`.

        Raises `Newer` where there is a newer one on the same, and `UserError` where it cannot be.
        """
        self.look()
        student = decision.student_id
        verdict = self.verdicts.get(student)
        check(self.book, [verdict] if verdict else [], [decision])

        def unless() -> None:
            made = self.book.decisions(student).get(student, ())
            newer = [one for one in on_the_same(decision, made) if one.number > seen]
            if newer:
                raise Newer(newer)

        (kept,) = self.book.decide([decision], unless)
        return kept


def _answer(student: str, outcome: AnswerOutcome | None, row: Row | None) -> Answer | None:
    if outcome is None or row is None:
        return None
    return Answer(student, outcome, row, outcome.present and row.decided is None)


def on_the_same(decision: Decision, made: Sequence[Decision]) -> list[Decision]:
    """Those of a student's decisions, undone ones and their undoing included, that `decision` competes with.

    On a row's points those on that row, on a flag those on that flag, on all else every one; an undoing as
    what it undoes.
    """
    if decision.kind == "undo":
        undone = next((one for one in made if one.number == decision.undoes), None)
        return on_the_same(undone, made) if undone else list(made)
    if decision.kind not in ("adjust", "settle_flag"):
        return list(made)
    same = (decision.kind, decision.row, decision.digest)
    found = {one.number for one in made if (one.kind, one.row, one.digest) == same}
    return [one for one in made if one.number in found or one.undoes in found]


def _key(first: Run, student: str) -> str:
    return hashlib.sha256(f"{first.began_at}|{student}".encode(errors="replace")).hexdigest()[:16]


def most_points(verdict: Verdict) -> dict[str, Decimal]:
    """The rows that can be given points, with the most for each."""
    return {row.id: row.out_of for row in verdict.rows} | {TOTAL: verdict.out_of}
