"""The gradebook: nothing recorded is lost, nothing of others is touched, and no row is ever changed."""

from __future__ import annotations

import lzma
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from students import evidence

from grader.cli_marks import rules_for
from grader.errors import UserError
from grader.evidence import attempt_of
from grader.gradebook import FILE_NAME, Gradebook, Seen
from grader.integrity.copies import flag_copies
from grader.marks import current
from grader.policy import Policy
from grader.roster import Roster, RosterEntry
from grader.rubric import RUBRIC, load_rubric
from grader.types import (
    Accuracy,
    AnswerOutcome,
    CheckOutcome,
    Decision,
    Evidence,
    Fingerprint,
    Outcome,
    Submission,
    Verdict,
)

RULES = load_rubric(), Policy(), Roster(entries=())
LAYOUT_1 = Path(__file__).parent / "gradebooks" / "layout_1.sqlite.xz"  # of the sample class


def handed_in(student_id: str, digest: str = "d1", **more: object) -> Submission:
    return Submission(student_id=student_id, name="张三", digest=digest, **more)  # type: ignore[arg-type]


def found(
    submission: Submission, *, correct: int = 900, failed: tuple[str, ...] = (), log: str = "第一轮\n"
) -> Evidence:
    """Evidence on which all rests that a mark needs."""
    return evidence(
        submission,
        checks=[
            CheckOutcome(id=id, title=id, outcome=Outcome.FAILED if id in failed else Outcome.PASSED)
            for id in RULES[0].checks
        ],
        accuracy=Accuracy(images=1000, correct=correct, accuracy=correct / 1000, low=0.1, high=0.9),
        answers=[AnswerOutcome(number=number, present=True, amount=50) for number in range(1, 5)],
        log=log,
    )


def run(book: Gradebook, *submissions: Submission, source: str = "download.zip") -> list[Seen]:
    return book.begin_run(source, {"images": "mini"}, *RULES, [attempt_of(one) for one in submissions])


def keep(book: Gradebook, *several: tuple[Submission, Evidence]) -> None:
    """A run in which this was found."""
    seen = run(book, *(submission for submission, _ in several))
    for at, (_, one) in enumerate(several):
        book.record(seen[at], one)


def marks(folder: Path) -> dict[str, Decimal | None]:
    with Gradebook.open(folder) as book:
        return {verdict.student_id: verdict.total for verdict in current(book)}


def decision(student_id: str, kind: Any = "adjust", **more: Any) -> Decision:
    if kind == "adjust":
        more = {"row": "question_1", "points": Decimal("0.50")} | more
    return Decision(
        made_at=datetime.now(timezone.utc), by="Ann", why="想法", student_id=student_id, kind=kind, **more
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_recorded_is_read_back_by_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "成绩"
    ids = ("pb3", "pb1", "李四", "pb2")
    with Gradebook.open_to_grade(folder) as book:
        assert current(book) == []
        keep(book, *((handed_in(id), found(handed_in(id))) for id in ids))
    with Gradebook.open(folder) as book:
        verdicts = current(book)
        assert [verdict.student_id for verdict in verdicts] == ["pb1", "pb2", "pb3", "李四"]
        assert {str(verdict.total) for verdict in verdicts} == {"104.00"}
        assert [one.evidence for one in book.attempts()["pb1"]] == [found(handed_in("pb1"))]


def test_rules_are_read_back_as_they_were(tmp_path: Path) -> None:
    late = {"each": "day", "percent": Decimal("12.50"), "cap": Decimal(50)}
    policy = Policy(time_zone="Asia/Shanghai", deadline="2026-11-20 18:00", late=late)  # type: ignore[arg-type]
    entry = RosterEntry(student_id="001", name="张三", extension=2)
    literal = load_rubric(RUBRIC.with_name("accuracy_only.toml"))
    with Gradebook.open_to_grade(tmp_path) as book:
        book.begin_run("x", {}, literal, policy, Roster(entries=(entry,)), [])
    with Gradebook.open(tmp_path) as book:
        (last,) = book.runs()
    assert (last.rubric.digest, last.policy.digest) == (literal.digest, policy.digest)
    assert last.roster.entries == (entry,)


def test_only_what_is_new_is_written(tmp_path: Path) -> None:
    work = handed_in("pb1")
    with Gradebook.open_to_grade(tmp_path) as book:
        for _ in range(2):
            keep(book, (work, found(work)))
        keep(book, (work, found(work, failed=("conv_size_floor",))))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        rows = file.execute("SELECT part, run FROM evidence ORDER BY number").fetchall()
        assert rows == [("checks", 1), ("accuracy", 1), ("answers", 1), ("checks", 3)]
        assert file.execute("SELECT count(*) FROM submissions").fetchone() == (1,)
    assert marks(tmp_path) == {"pb1": Decimal("102.00")}


def test_evidence_of_each_run_stays(tmp_path: Path) -> None:
    first, second = handed_in("pb1"), handed_in("pb1", "d2")
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (first, found(first, correct=700)))
        keep(book, (second, found(second, correct=900)))
        keep(book, (first, found(first, correct=600)))
        known = [
            [one.evidence.accuracy and one.evidence.accuracy.accuracy.correct for one in several]
            for several in (book.attempts(until_run=at)["pb1"] for at in (1, 2, 3))
        ]
    assert known == [[700], [700, 900], [900, 600]]  # those that were seen last stand last


def test_a_failure_of_the_graders_holds_until_something_is_measured(tmp_path: Path) -> None:
    work = handed_in("pb1")
    failed = Evidence(attempt=attempt_of(work), failure="no room")
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (work, failed))
        assert [verdict.total for verdict in current(book)] == [None]
        keep(book, (work, found(work)))
        keep(book, (work, failed))
        assert current(book)[0].reason == "no room"
        keep(book, (work, found(work)))  # the very same as before
        assert [verdict.total for verdict in current(book)] == [Decimal("104.00")]


@pytest.mark.parametrize(
    "what", ["UPDATE evidence SET body = '{}'", "DELETE FROM decisions", "DELETE FROM runs"]
)
def test_no_row_can_be_changed_or_removed(tmp_path: Path, what: str) -> None:
    work = handed_in("pb1")
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (work, found(work)))
        book.decide([decision("pb1")])
    with (
        closing(sqlite3.connect(tmp_path / FILE_NAME)) as file,
        pytest.raises(sqlite3.Error, match="ever changed"),
    ):
        file.execute(what)


@pytest.mark.parametrize(
    "hostile", ["'; DROP TABLE evidence; --", "=1+1", "\x00\x1b[31m", "\ud800", "🎓", ""]
)
def test_hostile_texts_are_only_data(tmp_path: Path, hostile: str) -> None:
    work = handed_in(hostile).model_copy(update={"name": hostile, "remarks": (hostile,)})
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (work, found(work, log=hostile)), (handed_in("pb1"), found(handed_in("pb1"))))
    with Gradebook.open(tmp_path) as book:
        (one,) = book.attempts(student=hostile).values()
        assert len(current(book)) == 2
        assert one[0].evidence.accuracy and one[0].evidence.accuracy.log == hostile.replace("\ud800", "?")


def test_decisions_are_kept_all_or_none(tmp_path: Path) -> None:
    work = handed_in("pb1")
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (work, found(work)))
        with pytest.raises(UserError, match="is damaged"):
            book.decide([decision("pb1"), decision("nobody")])
        assert book.decisions() == {}
        kept = book.decide([decision("pb1"), decision("pb1", "excuse")])
        assert [one.number for one in kept] == [1, 2]
        assert book.decisions() == {"pb1": kept}


def test_what_was_given_out_is_kept_as_it_was(tmp_path: Path) -> None:
    work = handed_in("pb1")
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (work, found(work)))
        given = current(book)
        book.publish("canvas", given)
        keep(book, (work, found(work, correct=100)))
        assert [(what, one) for _, what, one in book.published()] == [("canvas", given[0])]


# Layout 1, of the version before


def test_a_gradebook_of_the_version_before_opens_and_keeps_its_marks(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(lzma.decompress(LAYOUT_1.read_bytes()))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file:
        rows = file.execute("SELECT verdict FROM verdicts ORDER BY student_id, number").fetchall()
    old = {(one := Verdict.model_validate_json(text)).student_id: one for (text,) in rows}
    assert len(old) == 24
    with Gradebook.open(tmp_path) as book:
        verdicts = {verdict.student_id: verdict for verdict in current(book)}
        assert {id: (v.status, v.total, v.rows, v.flags) for id, v in verdicts.items()} == {
            id: (v.status, v.total, v.rows, v.flags) for id, v in old.items()
        }
        book.decide([decision("li_wei")])
        assert {v.student_id: v.total for v in current(book)}["li_wei"] == Decimal("103.08")
        assert book.runs()[-1].settings["images"] == "mini"
        assert rules_for(book.runs()[-1], None, None, None).rubric == load_rubric()
        other = book.runs()[-1].settings | {"rubric_digest": "of another"}
        with pytest.raises(UserError, match="--rubric"):
            rules_for(book.runs()[-1]._replace(settings=other), None, None, None)
    with Gradebook.open_to_grade(tmp_path) as book:  # and is measured again, like what is new
        work = handed_in("li_wei", old["li_wei"].digest)
        keep(book, (work, found(work)))
    assert marks(tmp_path)["li_wei"] == Decimal("103.50")


def test_copies_are_found_between_what_both_fingerprints_have(tmp_path: Path) -> None:
    known = Fingerprint(weights_sha256="a" * 64, ranks="0123456789" * 100)
    with Gradebook.open_to_grade(tmp_path) as book:
        for id in ("pb1", "pb2"):
            one = found(handed_in(id))
            assert one.accuracy
            print_ = known.model_copy(update={"sketch": "QUJD" if id == "pb2" else ""})
            accuracy = one.accuracy.model_copy(update={"fingerprint": print_})
            keep(book, (handed_in(id), one.model_copy(update={"accuracy": accuracy})))
        assert all(verdict.flags for verdict in flag_copies(current(book)))


# Files that are none, and other graders


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE verdicts (theirs TEXT)")


def filled(path: Path, students: int = 1) -> None:
    with Gradebook.open_to_grade(path.parent) as book:
        keep(book, *((handed_in(f"pb{n}"), found(handed_in(f"pb{n}"))) for n in range(students)))


def damaged(path: Path) -> None:
    filled(path, 50)
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)


def torn(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes()[:5000])


def from_the_future(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")


def no_evidence_inside(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER no_update_of_evidence")
        connection.execute("UPDATE evidence SET body = '{}'")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.write_text("my own notes"), "is not a gradebook"),
        (foreign_database, "is not a gradebook"),
        (lambda path: path.mkdir(), "cannot hold results"),
        (damaged, "is damaged"),
        (torn, "is damaged"),
        (from_the_future, "a newer version of the grader"),
        (no_evidence_inside, "is damaged"),
    ],
    ids=["text", "foreign database", "folder", "damaged", "torn", "from the future", "no evidence inside"],
)
def test_what_is_no_sound_gradebook_is_refused_and_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None], problem: str
) -> None:
    spoil(tmp_path / FILE_NAME)
    before = everything_in(tmp_path)
    with (
        pytest.raises(UserError, match=problem) as caught,
        Gradebook.open_to_grade(tmp_path) as book,
    ):
        current(book)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("name", ["scores.csv", "scores.xlsx", "students"])
def test_results_without_a_gradebook_are_somebody_elses(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="nothing was changed"):
        Gradebook.open_to_grade(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_empty_file_of_a_grader_that_was_killed_at_once_is_filled(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (handed_in("pb1"), found(handed_in("pb1"))))
        assert len(current(book)) == 1


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot hold results"):
        Gradebook.open_to_grade(tmp_path / "file" / "results")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind this user")
def test_a_file_or_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    Gradebook.open_to_grade(tmp_path).close()
    for path in (tmp_path / FILE_NAME, tmp_path):
        mode = path.stat().st_mode
        path.chmod(0o500)
        with pytest.raises(UserError, match="cannot be used"):
            Gradebook.open_to_grade(tmp_path)
        path.chmod(mode)
    Gradebook.open_to_grade(tmp_path).close()


def test_a_second_grader_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (handed_in("pb1"), found(handed_in("pb1"))))
        code = textwrap.dedent(f"""
            from pathlib import Path
            from grader.gradebook import Gradebook
            Gradebook.open_to_grade(Path({str(tmp_path)!r}))
        """)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "another grader is at work" in other.stderr
        keep(book, (handed_in("pb2"), found(handed_in("pb2"))))
        assert len(current(book)) == 2


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_whoever_is_killed_at_any_moment_leaves_all_that_was_done_and_no_lock(tmp_path: Path) -> None:
    program = Path(__file__).with_name("kill_a_gradebook.py")
    words = [sys.executable, str(program), str(tmp_path), "25"]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_reading_and_deciding_go_on_while_it_is_graded(tmp_path: Path) -> None:
    work = handed_in("pb1")
    with Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (work, found(work)))
        assert marks(tmp_path) == {"pb1": Decimal("104.00")}
        with Gradebook.open(tmp_path) as desk:
            desk.decide([decision("pb1")])
        keep(book, (handed_in("pb2"), found(handed_in("pb2"))))
        assert marks(tmp_path) == {"pb1": Decimal("103.50"), "pb2": Decimal("104.00")}


def test_an_interrupt_in_the_middle_leaves_what_was_done(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Gradebook.open_to_grade(tmp_path) as book:
        keep(book, (handed_in("pb1"), found(handed_in("pb1"))))
        raise KeyboardInterrupt
    assert marks(tmp_path) == {"pb1": Decimal("104.00")}
