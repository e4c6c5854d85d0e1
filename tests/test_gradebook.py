"""The gradebook: nothing recorded is lost, nothing of others is touched."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from grader.errors import KitError
from grader.gradebook import FILE_NAME, Gradebook
from grader.integrity.copies import flag_copies
from grader.rubric import load_rubric, score
from grader.types import Fingerprint, Problem, Status, Submission, Verdict

SETTINGS = {
    "rubric": "a" * 64,
    "kit": "0.1.0",
    "images": "mini",
    "weights": "submitted",
    "sandbox": "bubblewrap",
}


def verdict(
    student_id: str, total: str | None = "71.34", *, digest: str = "d1", status: Status = Status.GRADED
) -> Verdict:
    return Verdict(
        student_id=student_id,
        name="张三",
        status=status,
        total=None if total is None else Decimal(total),
        out_of=Decimal(104),
        digest=digest,
        log="第一轮\n",
    )


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_recorded_is_read_back_by_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "成绩"
    with Gradebook.open(folder, settings=SETTINGS) as book:
        assert book.latest() == []
        for id in ("pb3", "pb1", "李四", "pb2"):
            book.record(verdict(id))
    with Gradebook.open(folder, settings=SETTINGS) as book:
        assert book.latest() == [verdict(id) for id in ("pb1", "pb2", "pb3", "李四")]
        assert str(book.latest()[0].total) == "71.34"


def test_a_gradebook_from_before_the_weights_were_sketched_opens(tmp_path: Path) -> None:
    known = {"weights_sha256": "a" * 64, "ranks": "0123456789" * 100}
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(verdict("pb1"))
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file, file:
        text = json.loads(file.execute("SELECT verdict FROM verdicts").fetchone()[0])
        file.execute("UPDATE verdicts SET verdict = ?", (json.dumps({**text, "fingerprint": known}),))
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        (old,) = book.latest()
        assert old.fingerprint == Fingerprint(**known)
        book.record(verdict("pb2").model_copy(update={"fingerprint": Fingerprint(**known, sketch="QUJD")}))
        assert [v.fingerprint.sketch for v in book.latest()] == ["", "QUJD"]
        assert all(v.flags for v in flag_copies(book.latest())), "compared by what both have"


def test_a_gradebook_without_verdicts_takes_on_new_settings(tmp_path: Path) -> None:
    with Gradebook.open(tmp_path, settings=SETTINGS):
        pass
    with Gradebook.open(tmp_path, settings=SETTINGS | {"sandbox": "none"}) as book:
        book.record(verdict("pb1"))
    with pytest.raises(KitError, match="another sandbox"):
        Gradebook.open(tmp_path, settings=SETTINGS)


def test_a_whole_verdict_survives_unchanged(tmp_path: Path) -> None:
    whole = score(
        load_rubric(),
        Submission(student_id="pb1", remarks=("改名",), digest="d1"),
        problem=Problem(status=Status.NOT_GRADABLE, reason="压缩包是空的"),
    )
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(whole)
        assert book.latest() == [whole]


def test_a_newer_verdict_supersedes_the_older_and_keeps_it(tmp_path: Path) -> None:
    first, second, third = verdict("pb1", "10"), verdict("pb1", "20", digest="d2"), verdict("pb1", "10")
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        for each in (first, second, second, third):
            book.record(each)
        assert book.latest() == [third]
        assert book.history("pb1") == [first, second, third]  # what already held is not kept twice
        assert book.history("pb2") == []


def test_unchanged_work_is_found_again_but_never_an_error_of_ours(tmp_path: Path) -> None:
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(verdict("pb1", "10"))
        book.record(verdict("pb1", "20", digest="d2"))
        book.record(verdict("pb1", None, status=Status.GRADER_ERROR))
        book.record(verdict("pb2", "0", digest=""))
        assert book.find("pb1", "d1") == verdict("pb1", "10")
        assert book.find("pb1", "d2") == verdict("pb1", "20", digest="d2")
        assert book.find("pb1", "d3") is None
        assert book.find("pb2", "d1") is None
        assert book.find("pb2", "") is None


@pytest.mark.parametrize(
    "hostile", ["'; DROP TABLE verdicts; --", "=1+1", "\x00\x1b[31m", "\ud800", "🎓", ""]
)
def test_hostile_texts_are_only_data(tmp_path: Path, hostile: str) -> None:
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(verdict(hostile).model_copy(update={"log": hostile}))
        book.record(verdict("pb1"))
        assert len(book.latest()) == 2
        assert book.find(hostile, "d1") is not None
        assert {each.log for each in book.latest()} == {hostile.replace("\ud800", "?"), "第一轮\n"}


@pytest.mark.parametrize("setting", sorted(SETTINGS))
def test_results_of_other_settings_are_refused_and_left_alone(tmp_path: Path, setting: str) -> None:
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(verdict("pb1"))
    before = everything_in(tmp_path)
    with pytest.raises(
        KitError, match=f"another {setting} .*choose another --out; nothing was changed"
    ) as caught:
        Gradebook.open(tmp_path, settings={**SETTINGS, setting: "other"})
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert everything_in(tmp_path) == before
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:  # and the refusal left no lock
        assert book.latest() == [verdict("pb1")]


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE verdicts (theirs TEXT)")
    connection.close()


def damaged(path: Path) -> None:
    with Gradebook.open(path.parent, settings=SETTINGS) as book:
        for number in range(50):
            book.record(verdict(f"pb{number}"))
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)


def torn(path: Path) -> None:
    with Gradebook.open(path.parent, settings=SETTINGS) as book:
        book.record(verdict("pb1"))
    path.write_bytes(path.read_bytes()[:5000])


def from_the_future(path: Path) -> None:
    Gradebook.open(path.parent, settings=SETTINGS).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def no_verdict_inside(path: Path) -> None:
    with Gradebook.open(path.parent, settings=SETTINGS) as book:
        book.record(verdict("pb1"))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE verdicts SET verdict = '{}'")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.write_text("my own notes"), "is not a gradebook"),
        (foreign_database, "is not a gradebook"),
        (lambda path: path.mkdir(), "cannot hold results"),
        (damaged, "is damaged"),
        (torn, "is damaged"),
        (from_the_future, "another version of the grader"),
        (no_verdict_inside, "is damaged"),
    ],
    ids=["text", "foreign database", "folder", "damaged", "torn", "from the future", "no verdict inside"],
)
def test_what_is_no_sound_gradebook_is_refused_and_left_alone(
    tmp_path: Path, spoil: Callable[[Path], None], problem: str
) -> None:
    spoil(tmp_path / FILE_NAME)
    before = everything_in(tmp_path)
    with (
        pytest.raises(KitError, match=problem) as caught,
        Gradebook.open(tmp_path, settings=SETTINGS) as book,
    ):
        book.latest()
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("name", ["scores.csv", "scores.xlsx", "students"])
def test_results_without_a_gradebook_are_somebody_elses(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(KitError, match="nothing was changed"):
        Gradebook.open(tmp_path, settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_empty_file_of_a_grader_that_was_killed_at_once_is_filled(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(verdict("pb1"))
        assert len(book.latest()) == 1


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KitError, match="cannot hold results"):
        Gradebook.open(tmp_path / "file" / "results", settings=SETTINGS)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind this user")
def test_a_file_or_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    Gradebook.open(tmp_path, settings=SETTINGS).close()
    for path in (tmp_path / FILE_NAME, tmp_path):
        mode = path.stat().st_mode
        path.chmod(0o500)
        with pytest.raises(KitError, match="cannot be used"):
            Gradebook.open(tmp_path, settings=SETTINGS)
        path.chmod(mode)
    Gradebook.open(tmp_path, settings=SETTINGS).close()


def test_a_second_grader_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(verdict("pb1"))
        code = textwrap.dedent(f"""
            from pathlib import Path
            from grader.gradebook import Gradebook
            Gradebook.open(Path({str(tmp_path)!r}), settings={SETTINGS!r})
        """)
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "another grader is at work" in other.stderr
        book.record(verdict("pb2"))
        assert len(book.latest()) == 2


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_grader_that_is_killed_loses_nothing_and_leaves_no_lock(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os, signal
        from decimal import Decimal
        from pathlib import Path
        from grader.gradebook import Gradebook
        from grader.types import Status, Verdict
        book = Gradebook.open(Path({str(tmp_path)!r}), settings={SETTINGS!r})
        for id in ("pb1", "pb2"):
            book.record(Verdict(student_id=id, status=Status.GRADED, total=Decimal(1), out_of=Decimal(2)))
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        assert [each.student_id for each in book.latest()] == ["pb1", "pb2"]


def test_an_interrupt_in_the_middle_leaves_the_earlier_verdicts(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Gradebook.open(tmp_path, settings=SETTINGS) as book:
        book.record(verdict("pb1"))
        raise KeyboardInterrupt
    with Gradebook.open(tmp_path, settings=SETTINGS) as book:
        assert book.latest() == [verdict("pb1")]
