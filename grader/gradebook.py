"""Verdicts, kept in one SQLite file: the one place with state.

Every verdict is committed when it is recorded, so that an interrupted run
loses nothing. A newer verdict supersedes an older one and never deletes it.
While a gradebook is open it is locked: a second grader on the same folder is
refused, and a grader that dies gives the lock back by dying.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from grader.errors import KitError
from grader.types import Status, Verdict

FILE_NAME = "gradebook.sqlite"

_APPLICATION = 0x4C414238  # "LAB8", in the file's header: tells our files from all others
_SCHEMA = 1
_TABLES = (
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE verdicts ("
    " number INTEGER PRIMARY KEY,"  # in the order of recording: a student's highest is the one that holds
    " recorded_at TEXT NOT NULL,"  # UTC
    " student_id TEXT NOT NULL,"
    " digest TEXT NOT NULL,"
    " status TEXT NOT NULL,"
    " verdict TEXT NOT NULL)",  # the whole Verdict as JSON
    "CREATE INDEX verdicts_of_student ON verdicts (student_id, number)",
)
_OTHERS_RESULTS = ("scores.csv", "scores.xlsx", "students")


class Gradebook:
    """An open gradebook; use it as a context manager, from one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, folder: Path, *, settings: Mapping[str, str]) -> Gradebook:
        """Open the gradebook of a results `folder`, or start one there.

        `settings` is all that makes verdicts comparable: the rubric's digest,
        the kit's version, images, weights, sandbox. Raises `KitError`, having
        changed nothing, where the folder holds results of other settings, or
        something that is not a gradebook, or another grader has it open.
        """
        path = folder / FILE_NAME
        try:
            _look(path)
            folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise KitError(
                f"{folder}: cannot hold results ({_words(error)}): choose another --out"
            ) from error
        try:
            with _explained(path):
                _lock_and_check(path, connection, settings)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection)

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give up the lock."""
        self._connection.close()

    def record(self, verdict: Verdict) -> None:
        """Keep `verdict`, at once and for good. One that already holds for its student is not kept twice."""
        text = _utf8(json.dumps(verdict.model_dump(mode="json"), ensure_ascii=False))
        values = (_utf8(verdict.student_id), verdict.digest, verdict.status.value, text)
        with _explained(self.path), _transaction(self._connection):
            holds = self._connection.execute(
                "SELECT verdict FROM verdicts WHERE student_id = ? ORDER BY number DESC LIMIT 1", values[:1]
            ).fetchone()
            if holds != (text,):
                now = datetime.now(timezone.utc).isoformat(timespec="seconds")
                self._connection.execute(
                    "INSERT INTO verdicts (recorded_at, student_id, digest, status, verdict)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (now, *values),
                )

    def latest(self) -> list[Verdict]:
        """The verdict that holds for each student, sorted by student id."""
        return self._verdicts(
            "SELECT verdict FROM verdicts WHERE number IN"
            " (SELECT max(number) FROM verdicts GROUP BY student_id) ORDER BY student_id"
        )

    def history(self, student_id: str) -> list[Verdict]:
        """All verdicts that a student was ever given, the oldest first."""
        return self._verdicts("SELECT verdict FROM verdicts WHERE student_id = ? ORDER BY number", student_id)

    def find(self, student_id: str, digest: str) -> Verdict | None:
        """The newest verdict on this very work of this student, to be used again; never a `grader_error`."""
        if not digest:
            return None
        found = self._verdicts(
            "SELECT verdict FROM verdicts WHERE student_id = ? AND digest = ? AND status != ?"
            " ORDER BY number DESC LIMIT 1",
            student_id,
            digest,
            Status.GRADER_ERROR.value,
        )
        return found[0] if found else None

    def _verdicts(self, query: str, *values: str) -> list[Verdict]:
        with _explained(self.path):
            rows = self._connection.execute(query, [_utf8(value) for value in values])
            return [Verdict.model_validate_json(text) for (text,) in rows]


def _look(path: Path) -> None:
    """Refuse, without opening it as a database, a file that is not ours, and results without a gradebook."""
    if not path.exists():
        for name in _OTHERS_RESULTS:
            if (path.parent / name).exists():
                raise KitError(
                    f"{path.parent}: has {name} but no {FILE_NAME}, so it is not this grader's to write to:"
                    " choose another --out; nothing was changed"
                )
        return
    with path.open("rb") as file:
        header = file.read(100)
    # SQLite's file format: the magic string at 0, the application id at 68. Nothing at all is a
    # file that was created a moment before its grader was killed.
    if header and (header[:16] != b"SQLite format 3\0" or header[68:72] != _APPLICATION.to_bytes(4, "big")):
        raise KitError(f"{path}: is not a gradebook: choose another --out; nothing was changed")


def _lock_and_check(path: Path, connection: sqlite3.Connection, settings: Mapping[str, str]) -> None:
    # Held from the first transaction until the connection closes, however it ends.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    with _transaction(connection):
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        if schema == 0:
            for statement in _TABLES:
                connection.execute(statement)
            connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_SCHEMA}")
            return
        if schema != _SCHEMA:
            raise KitError(
                f"{path}: was written by another version of the grader (layout {schema}, not {_SCHEMA}):"
                " choose another --out; nothing was changed"
            )
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(damage)
        if connection.execute("SELECT 1 FROM verdicts LIMIT 1").fetchone() is None:
            # Nothing was recorded under the old settings, as after a run that could not start.
            connection.execute("DELETE FROM settings")
            connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
            return
        before = dict(connection.execute("SELECT name, value FROM settings"))
        for name in sorted(before.keys() | settings.keys()):
            old, new = before.get(name, "nothing"), settings.get(name, "nothing")
            if old != new:
                raise KitError(
                    f"{path.parent}: holds results of another {name} ({_short(old)}, not {_short(new)}):"
                    " choose another --out; nothing was changed"
                )
    # A trial, undone: whether the file can be written is learnt now, not after an hour of grading.
    connection.execute("BEGIN")
    connection.execute(f"PRAGMA user_version = {_SCHEMA}")
    connection.execute("ROLLBACK")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN EXCLUSIVE")
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
            raise KitError(
                f"{path}: another grader is at work on it: wait for it, or choose another --out"
            ) from error
        raise KitError(f"{path}: cannot be used ({words}): make room or choose another --out") from error
    except (sqlite3.Error, ValidationError) as error:
        raise KitError(
            f"{path}: is damaged ({_words(error)}): restore a copy of it, or choose another --out;"
            " nothing was changed"
        ) from error


def _utf8(text: str) -> str:
    """Names from a file system may hold lone surrogates, which no file can: "?" in their place."""
    return text.encode(errors="replace").decode()


def _words(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return " ".join((text or type(error).__name__).split())[:200]


def _short(value: str) -> str:
    """A digest by its first digits: enough to tell two apart."""
    return value if len(value) <= 40 else f"{value[:12]}…"
