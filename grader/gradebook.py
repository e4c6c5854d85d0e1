"""The gradebook: what was handed in, what was measured, what people decided, in one SQLite file.

It is the one place with state, and no row in it is ever changed or removed: what is newer holds. Every
record is committed at once, so an interrupted run loses nothing. Others may read it, and decisions may be
made, while a grader is at work on it; a second grader on the same folder is refused.

Tables, for whoever opens the file with other tools: `students`, `roster` (as it was read for a run), `runs`,
`submissions` (every attempt), `sightings` (in which run an attempt was in the download), `evidence` (part by
part; the highest number of a part holds), `decisions`, `published` (marks that were given out). All times are
UTC, but for `submitted_at`, which is the LMS's.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from filelock import FileLock, Timeout
from pydantic import ValidationError

from grader import __version__
from grader.errors import UserError
from grader.lab import DEFAULT
from grader.policy import Policy
from grader.roster import Roster, RosterEntry
from grader.rubric import Rubric
from grader.types import (
    AccuracyEvidence,
    AnswerEvidence,
    Attempt,
    CheckEvidence,
    Decision,
    Evidence,
    Problem,
    Record,
    Status,
    Verdict,
)

FILE_NAME, LOCK_NAME = "gradebook.sqlite", "gradebook.lock"

RUBRIC_DIGEST = "rubric_digest"  # a setting of a run whose rubric is not known otherwise
_APPLICATION = 0x4C414238  # in the file's header: tells our files from all others
_SCHEMA = 2
_BUSY_SECONDS = 10.0  # that a write waits for another one
_LOCK_SECONDS = 0.5  # that a grader waits for another one: a look whether one is at work takes far less
_TABLES = {
    "runs": "number INTEGER PRIMARY KEY, began_at TEXT NOT NULL, source TEXT NOT NULL,"
    " settings TEXT NOT NULL, rubric TEXT NOT NULL, policy TEXT NOT NULL",
    "students": "student_id TEXT PRIMARY KEY, name TEXT NOT NULL",
    "roster": "number INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, student_id TEXT NOT NULL"
    " REFERENCES students, entry TEXT NOT NULL",
    "submissions": "number INTEGER PRIMARY KEY, student_id TEXT NOT NULL REFERENCES students,"
    " attempt INTEGER NOT NULL, submitted_at TEXT, digest TEXT NOT NULL, body TEXT NOT NULL,"
    " UNIQUE (student_id, attempt, submitted_at, digest, body)",
    "sightings": "run INTEGER NOT NULL REFERENCES runs, submission INTEGER NOT NULL REFERENCES submissions,"
    " PRIMARY KEY (run, submission)",
    "evidence": "number INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs,"
    " submission INTEGER NOT NULL REFERENCES submissions, part TEXT NOT NULL, rests_on TEXT NOT NULL,"
    " measured_at TEXT NOT NULL, version TEXT NOT NULL, body TEXT NOT NULL",
    "decisions": "number INTEGER PRIMARY KEY, made_at TEXT NOT NULL, made_by TEXT NOT NULL,"
    " why TEXT NOT NULL, student_id TEXT NOT NULL REFERENCES students, kind TEXT NOT NULL,"
    " body TEXT NOT NULL",
    "published": "number INTEGER PRIMARY KEY, published_at TEXT NOT NULL, what TEXT NOT NULL,"
    " student_id TEXT NOT NULL REFERENCES students, total TEXT, verdict TEXT NOT NULL",
}
_INDEXES = ("submissions (student_id)", "evidence (submission, number)", "decisions (student_id)")
_PARTS: dict[str, type[Record]] = {
    "checks": CheckEvidence,
    "accuracy": AccuracyEvidence,
    "answers": AnswerEvidence,
    "given": Verdict,
}  # and "failure", a text
_OTHERS_RESULTS = ("scores.csv", "scores.xlsx", "students")


_Kept = TypeVar("_Kept", Rubric, Policy)


class Run(NamedTuple):
    """What was graded with: the newest run's rubric, policy and roster are those that marks rest on."""

    number: int
    began_at: str
    source: str
    settings: dict[str, str]
    rubric: Rubric
    policy: Policy
    roster: Roster


class Seen(NamedTuple):
    """An attempt with what was measured on it."""

    submission: int
    evidence: Evidence
    last_run: int  # in which it was seen


class Published(NamedTuple):
    """A mark as it was given out."""

    at: str
    what: str
    verdict: Verdict


def last_run(folder: Path) -> Run | None:
    """The newest run of the gradebook in a results `folder`; None where there is none yet."""
    if not (folder / FILE_NAME).is_file():
        return None
    with Gradebook.open(folder) as book:
        return next(iter(book.runs()[-1:]), None)


def lab_of(settings: Mapping[str, str]) -> str:
    """The lab that a run was for, as `load_lab` finds it; before there were others it was not noted."""
    return settings.get("lab", DEFAULT)


class Stand(NamedTuple):
    """How far a gradebook has got: the newest number of each."""

    run: int
    evidence: int
    decision: int


def is_at_work(folder: Path) -> bool:
    """Whether a grader is at work on a results `folder`."""
    lock = FileLock(folder / LOCK_NAME)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


class Gradebook:
    """An open gradebook; use it as a context manager, from one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: FileLock | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._run = 0  # that is going on
        self._parts: dict[int, object] = {}  # read before, by number: no row ever changes
        self._attempts: dict[int, Attempt] = {}
        self._runs: list[Run] = []

    @classmethod
    def open(cls, folder: Path) -> Gradebook:
        """The gradebook of a results `folder`, to read it and to decide. Raises `UserError` without one."""
        if not (folder / FILE_NAME).is_file():
            raise UserError(f"{folder}: no {FILE_NAME} is in it: name the folder that --out was given")
        return cls._opened(folder, None)

    @classmethod
    def open_to_grade(cls, folder: Path) -> Gradebook:
        """The gradebook of a results `folder`, or a new one there, for one grader at a time.

        Raises `UserError`, having changed nothing, where the folder holds something that is not a gradebook,
        or another grader is at work there.
        """
        try:
            _look(folder / FILE_NAME)
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / LOCK_NAME)
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            raise UserError(
                f"{folder}: another grader is at work on it: wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise UserError(
                f"{folder}: cannot hold results ({_words(error)}): choose another --out"
            ) from error
        try:
            return cls._opened(folder, lock)
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _opened(cls, folder: Path, lock: FileLock | None) -> Gradebook:
        path = folder / FILE_NAME
        with _explained(path):
            _look(path)
            connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            with _explained(path):
                _prepare(path, connection)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, lock)

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give up the lock."""
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    # Writing

    def begin_run(
        self,
        source: str,
        settings: dict[str, str],
        rubric: Rubric,
        policy: Policy,
        roster: Roster,
        attempts: Sequence[Attempt],
    ) -> list[Seen]:
        """Note a run with what it is done with and the attempts that it sees; these, as they are known.

        From then on all marks rest on its rubric, policy and roster.
        """
        with self._transaction():
            self._run = self._insert(
                "runs",
                began_at=_now(),
                source=_utf8(source),
                settings=json.dumps(settings),
                rubric=stored(rubric),
                policy=stored(policy),
            )
            for entry in roster.entries:
                self._know(entry.student_id, entry.name)
                self._insert(
                    "roster",
                    run=self._run,
                    student_id=_utf8(entry.student_id),
                    entry=_json(entry),
                )
            numbers = [self._see(attempt) for attempt in attempts]
        seen = {one.submission: one for several in self.attempts().values() for one in several}
        return [seen[number] for number in numbers]

    def _see(self, attempt: Attempt) -> int:
        """The number of an attempt, a new one or one that is known, and that it was seen in this run."""
        self._know(attempt.student_id, attempt.name)
        # Without what is seldom there, as it stands in books that are older than these fields.
        empty = {name for name in ("late", "group") if not getattr(attempt, name)}
        body = attempt.model_dump(mode="json", exclude=empty)
        values = {
            "student_id": _utf8(attempt.student_id),
            "attempt": attempt.attempt,
            "submitted_at": attempt.submitted_at and attempt.submitted_at.isoformat(),
            "digest": attempt.digest,
            "body": _utf8(json.dumps(body, ensure_ascii=False)),
        }
        known = self._connection.execute(
            "SELECT number FROM submissions WHERE student_id = ? AND attempt = ? AND submitted_at IS ?"
            " AND digest = ? AND body = ?",
            [*values.values()],
        ).fetchone()
        number: int = known[0] if known else self._insert("submissions", **values)
        self._connection.execute("INSERT OR IGNORE INTO sightings VALUES (?, ?)", (self._run, number))
        return number

    def _know(self, student_id: str, name: str) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO students VALUES (?, ?)", (_utf8(student_id), _utf8(name))
        )

    def record(self, seen: Seen, evidence: Evidence) -> None:
        """Keep what of `evidence` was not known of the attempt before, at once and for good."""
        old = {} if seen.evidence.failure else seen.evidence.parts
        new = {name: part for name, part in evidence.parts.items() if old.get(name) != part}
        if not new and not evidence.failure:
            return
        with self._transaction():
            for name, part in new.items():
                self._add(seen.submission, name, part.rests_on, _json(part))
            if evidence.failure:
                self._add(seen.submission, "failure", "", json.dumps(evidence.failure))

    def _add(self, submission: int, part: str, rests_on: str, body: str) -> None:
        self._insert(
            "evidence",
            run=self._run,
            submission=submission,
            part=part,
            rests_on=rests_on,
            measured_at=_now(),
            version=__version__,
            body=body,
        )

    def decide(
        self, decisions: Sequence[Decision], unless: Callable[[], None] = lambda: None
    ) -> list[Decision]:
        """Keep decisions, all or none; as they stand in the book then.

        None is kept where `unless` raises an error: while it looks, nobody else can decide.
        """
        with self._transaction():
            unless()
            kept = []
            for one in decisions:
                number = self._insert(
                    "decisions",
                    made_at=one.made_at.isoformat(),
                    made_by=_utf8(one.by),
                    why=_utf8(one.why),
                    student_id=_utf8(one.student_id),
                    kind=one.kind,
                    body=_json(one),
                )
                kept.append(one.model_copy(update={"number": number}))
        return kept

    def publish(self, what: str, verdicts: Sequence[Verdict]) -> None:
        """Keep the marks that were given out."""
        now = _now()
        with self._transaction():
            for verdict in verdicts:
                self._know(verdict.student_id, verdict.name)
                self._insert(
                    "published",
                    published_at=now,
                    what=_utf8(what),
                    student_id=_utf8(verdict.student_id),
                    total=None if verdict.total is None else str(verdict.total),
                    verdict=_json(verdict),
                )

    def _insert(self, table: str, **values: object) -> int:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()]
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    # Reading

    def runs(self) -> list[Run]:
        """All runs, the oldest first."""
        with _explained(self.path):
            known = self._runs[-1].number if self._runs else 0  # read before: no row ever changes
            rosters: dict[int, list[RosterEntry]] = {}
            for run, text in self._connection.execute(
                "SELECT run, entry FROM roster WHERE run > ? ORDER BY number", (known,)
            ):
                rosters.setdefault(run, []).append(RosterEntry.model_validate_json(text))
            self._runs += [
                Run(
                    number,
                    began_at,
                    source,
                    json.loads(settings),
                    read_stored(Rubric, rubric),
                    read_stored(Policy, policy),
                    Roster(entries=tuple(rosters.get(number, ()))),
                )
                for number, began_at, source, settings, rubric, policy in self._connection.execute(
                    "SELECT number, began_at, source, settings, rubric, policy FROM runs"
                    " WHERE number > ? ORDER BY number",
                    (known,),
                )
            ]
            return list(self._runs)

    def stand(self) -> Stand:
        """How far the book has got, by whoever wrote to it."""
        tables = ("runs", "evidence", "decisions")
        with _explained(self.path):
            numbers = [f"(SELECT ifnull(max(number), 0) FROM {table})" for table in tables]
            return Stand(*self._connection.execute(f"SELECT {', '.join(numbers)}").fetchone())

    def touched(self, since: Stand) -> set[str]:
        """The students on whom something was measured or decided since."""
        with _explained(self.path):
            return {
                student
                for (student,) in self._connection.execute(
                    "SELECT s.student_id FROM evidence e JOIN submissions s ON s.number = e.submission"
                    " WHERE e.number > ? UNION SELECT student_id FROM decisions WHERE number > ?",
                    (since.evidence, since.decision),
                )
            }

    def attempts(self, *, until_run: int | None = None, student: str | None = None) -> dict[str, list[Seen]]:
        """The attempts of each student, or of one, with the newest evidence on them, in the order of seeing.

        With `until_run`, as they were known after that run.
        """
        until = 2**62 if until_run is None else until_run
        only, values = ("", []) if student is None else (" AND s.student_id = ?", [_utf8(student)])
        with _explained(self.path):
            last_run = dict(
                self._connection.execute(
                    "SELECT submission, max(run) FROM sightings WHERE run <= ? GROUP BY submission", (until,)
                )
            )
            parts: dict[int, dict[str, int]] = {}
            for number, submission, part in self._connection.execute(
                "SELECT e.number, e.submission, e.part FROM evidence e JOIN submissions s"
                f" ON s.number = e.submission WHERE e.run <= ?{only} ORDER BY e.number",
                [until, *values],
            ):
                known = parts.setdefault(submission, {})
                known.pop("failure", None)  # which holds until something is measured
                known[part] = number
            found: dict[str, list[Seen]] = {}
            for number, text in self._connection.execute(
                "SELECT s.number, s.body FROM submissions s"
                f" WHERE TRUE{only} ORDER BY s.student_id, s.number",
                values,
            ):
                if number in last_run:
                    if number not in self._attempts:
                        self._attempts[number] = Attempt.model_validate_json(text)
                    newest = {part: self._part(part, at) for part, at in parts.get(number, {}).items()}
                    evidence = Evidence(attempt=self._attempts[number], **newest)
                    found.setdefault(evidence.attempt.student_id, []).append(
                        Seen(number, evidence, last_run[number])
                    )
            for several in found.values():
                several.sort(key=lambda one: (one.last_run, one.submission))
            return found

    def _part(self, name: str, number: int) -> Any:
        if number not in self._parts:
            query = "SELECT body FROM evidence WHERE number = ?"
            (text,) = self._connection.execute(query, (number,)).fetchone()
            kind = _PARTS.get(name)
            self._parts[number] = kind.model_validate_json(text) if kind else json.loads(text)
        return self._parts[number]

    def decisions(self, student: str | None = None) -> dict[str, list[Decision]]:
        """All decisions on each student's mark, or on one's, the oldest first, undone ones included."""
        only, values = ("", []) if student is None else (" WHERE student_id = ?", [_utf8(student)])
        found: dict[str, list[Decision]] = {}
        with _explained(self.path):
            for number, text in self._connection.execute(
                f"SELECT number, body FROM decisions{only} ORDER BY number", values
            ):
                one = Decision.model_validate_json(text).model_copy(update={"number": number})
                found.setdefault(one.student_id, []).append(one)
        return found

    def decision(self, number: int) -> Decision | None:
        """A decision by its number."""
        with _explained(self.path):
            query = "SELECT body FROM decisions WHERE number = ?"
            found = self._connection.execute(query, (number,)).fetchone()
            return found and Decision.model_validate_json(found[0]).model_copy(update={"number": number})

    def published(self, student: str | None = None) -> list[tuple[str, str, Verdict]]:
        """All marks that were given out, or one student's, the oldest first: when, as what, and the mark."""
        only, values = ("", []) if student is None else (" WHERE student_id = ?", [_utf8(student)])
        with _explained(self.path):
            return [
                (at, what, Verdict.model_validate_json(text))
                for at, what, text in self._connection.execute(
                    f"SELECT published_at, what, verdict FROM published{only} ORDER BY number", values
                )
            ]

    def last_published(self, what: str | None = None) -> dict[str, Published]:
        """The mark that each student was given last, as anything or as `what`, by student id."""
        only, values = ("", []) if what is None else (" WHERE what = ?", [_utf8(what)])
        with _explained(self.path):
            return {
                student: Published(at, as_what, Verdict.model_validate_json(text))
                for student, at, as_what, text in self._connection.execute(
                    "SELECT student_id, published_at, what, verdict FROM published WHERE number IN"
                    f" (SELECT max(number) FROM published{only} GROUP BY student_id)",
                    values,
                )
            }

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _explained(self.path), _transaction(self._connection):
            yield


def stored(record: Rubric | Policy) -> str:
    """As JSON, in which numbers are numbers, so that `_read` gets exact ones back."""

    def as_json(value: object) -> object:
        return float(value) if isinstance(value, Decimal) else str(value)

    return json.dumps(record.model_dump(exclude_unset=True), default=as_json, ensure_ascii=False)


def read_stored(kind: type[_Kept], text: str) -> _Kept:
    return kind.model_validate(json.loads(text, parse_float=Decimal))


def _look(path: Path) -> None:
    """Refuse, without opening it as a database, a file that is not ours, and results without a gradebook."""
    if not path.exists():
        for name in _OTHERS_RESULTS:
            if (path.parent / name).exists():
                raise UserError(
                    f"{path.parent}: has {name} but no {FILE_NAME}, so it is not this grader's to write to:"
                    " choose another --out; nothing was changed"
                )
        return
    with path.open("rb") as file:
        header = file.read(100)
    # SQLite's file format: the magic string at 0, the application id at 68. Nothing at all is a
    # file that was created a moment before its grader was killed.
    if header and (header[:16] != b"SQLite format 3\0" or header[68:72] != _APPLICATION.to_bytes(4, "big")):
        raise UserError(f"{path}: is not a gradebook: choose another --out; nothing was changed")


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Make the tables of a new file, bring those of an older layout up to date, and try to write."""
    schema = connection.execute("PRAGMA user_version").fetchone()[0]
    if schema > _SCHEMA:
        raise UserError(
            f"{path}: was written by a newer version of the grader (layout {schema}, not {_SCHEMA}):"
            " upgrade the grader, or choose another --out; nothing was changed"
        )
    damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != "ok":
        raise sqlite3.DatabaseError(damage)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if schema < _SCHEMA:
        _make_tables(path, connection)
    connection.execute("PRAGMA journal_mode = WAL")  # only now: what tells our files is in the file itself
    # A trial, undone: whether the file can be written is learnt now, not after an hour of grading.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _make_tables(path: Path, connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema == _SCHEMA:
            return  # another process was faster
        old, settings = _layout_1(connection) if schema == 1 else ([], {})
        for table, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            for what in ("UPDATE", "DELETE"):
                connection.execute(
                    f"CREATE TRIGGER no_{what.lower()}_of_{table} BEFORE {what} ON {table}"
                    " BEGIN SELECT RAISE(ABORT, 'no row of a gradebook is ever changed'); END"
                )
        for index in _INDEXES:
            connection.execute(f"CREATE INDEX by_{index.split()[0]} ON {index}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        if old:
            _take_over(path, connection, old, settings)


def _layout_1(connection: sqlite3.Connection) -> tuple[list[tuple[str, Verdict]], dict[str, str]]:
    """Its verdicts with their times, and its settings as layout 2 has them."""
    rows = connection.execute("SELECT recorded_at, verdict FROM verdicts ORDER BY number")
    verdicts = [(at, Verdict.model_validate_json(text)) for at, text in rows]
    old = dict(connection.execute("SELECT name, value FROM settings"))
    images = old.get("images", "")
    settings = {
        "version": old.get("version", ""),
        "images": images if images in ("mini", "full") else "",
        "weights": old.get("weights", "").partition(" ")[0],
        RUBRIC_DIGEST: old.get("rubric", ""),
    }
    return verdicts, settings


def _take_over(
    path: Path, connection: sqlite3.Connection, verdicts: list[tuple[str, Verdict]], settings: dict[str, str]
) -> None:
    """Layout 1 kept whole verdicts: each becomes evidence on an attempt, and holds as it was given."""
    from grader.rubric import load_rubric

    book = Gradebook(path, connection, None)
    for at, verdict in verdicts:
        problem = None
        if verdict.status in (Status.QUARANTINED, Status.NOT_GRADABLE):
            problem = Problem(status=verdict.status, reason=verdict.reason)
        attempt = Attempt(
            **verdict.model_dump(
                include={"student_id", "name", "attempt", "submitted_at", "digest", "remarks"}
            ),
            problem=problem,
        )
        book._run = book._insert(
            "runs",
            began_at=at,
            source=str(path),
            settings=json.dumps(settings),
            rubric=stored(load_rubric()),
            policy=stored(Policy()),
        )
        book._add(book._see(attempt), "given", "", _json(verdict))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as lines for a person. Python 3.10 has no error codes to tell them by, only words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        words = _words(error)
        if "locked" in words:
            raise UserError(f"{path}: another program keeps it locked: close that, then try again") from error
        raise UserError(f"{path}: cannot be used ({words}): make room or choose another --out") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be used ({_words(error)}): choose another --out") from error
    except (sqlite3.Error, ValidationError, json.JSONDecodeError) as error:
        raise UserError(
            f"{path}: is damaged ({_words(error)}): restore a copy of it, or choose another --out;"
            " nothing was changed"
        ) from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def _json(record: Record) -> str:
    return _utf8(json.dumps(record.model_dump(mode="json"), ensure_ascii=False))


def _utf8(text: str) -> str:
    """Names from a file system may hold lone surrogates, which no file can: "?" in their place."""
    return text.encode(errors="replace").decode()


def _words(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return " ".join((text or type(error).__name__).split())[:200]
