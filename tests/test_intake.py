"""Whole downloads, as zips and folders made here, read into submissions."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import stat
import struct
import sys
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

import pytest
import torch
from hostile_uploads import LIGHT, UPLOADS, empty_blocks, with_stream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as to_safetensors

from grader.errors import UserError
from grader.intake import read_folder, read_submissions
from grader.intake.entries import ARCHIVE_ERRORS, Allowance, Entry, count_members, open_zip
from grader.intake.limits import ARCHIVES, STUDENT_FILES
from grader.types import Status, Submission

TEMPLATE = "".join(
    f'def {name}(*args):\n    raise NotImplementedError("{name}")\n\n'
    for name in ("conv_output_size", "conv_parameter_count", "lenet5", "preprocess", "classifier")
)
WORK = TEMPLATE.replace("raise NotImplementedError", "print")
ANSWERS = "## Question 1\nYes, an autoencoder.\n\n## Question 2\nWith much data.\n"
ANSWERS_ZH = "## 问题 1\n可以，自编码器就是一个例子。\n\n## 问题 2\n数据很多的时候。\n"
WEIGHTS = to_safetensors({"weight": torch.arange(4.0)})

Files = Mapping[str, str | bytes]  # a file's path: its content


def torch_file(value: object = None, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value or {"w": torch.ones(3)}, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def notebook(*cells: tuple[str, str], version: int = 4) -> str:
    key = {"code": "input" if version == 3 else "source", "markdown": "source"}
    made = [{"cell_type": kind, key[kind]: text.splitlines(keepends=True)} for kind, text in cells]
    content = {"nbformat": version, "metadata": {}}
    content |= {"worksheets": [{"cells": made}]} if version == 3 else {"cells": made}
    return json.dumps(content)


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def lay(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def metadata(username: str, name: str, stem: str, files: dict[str, str]) -> str:
    listed = "\n".join(f"\tOriginal filename: {o}\n\tFilename: {stem}_{s}\n" for s, o in files.items())
    return (
        f"Name: {name} ({username})\nAssignment: Lab 8\nDate Submitted: Tuesday, 5 March 2024 23:59:07"
        " o'clock CST\nCurrent Grade: Needs Grading\n\nSubmission Field:\nThere is no student submission"
        f" text data for this assignment.\n\nComments:\nThere are no student comments.\n\nFiles:\n{listed}"
    )


def attempt(
    username: str,
    files: Files,
    time: str = "2024-03-05-23-59-07",
    name: str = "Li Wei",
    assignment: str = "Lab 8",
    word: str = "attempt",
) -> dict[str, str | bytes]:
    """The members that Blackboard writes for one attempt."""
    stem = f"{assignment}_{username}_{word}_{time}"
    members = {f"{stem}_{original}": content for original, content in files.items()}
    return {f"{stem}.txt": metadata(username, name, stem, {o: o for o in files}), **members}


class Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workdir = folder / "work"

    def source(self, content: bytes | Files, name: str = "source") -> Path:
        if not isinstance(content, bytes):
            return lay(self.folder / name, content)
        path = self.folder / f"{name}.zip"
        path.write_bytes(content)
        return path

    def all(self, content: bytes | Files, name: str = "source") -> dict[str, Submission]:
        found = read_submissions(self.source(content, name), self.workdir)
        ids = [submission.student_id for submission in found]
        assert ids == sorted(ids)
        assert len(set(ids)) == len(ids)
        return {submission.student_id: submission for submission in found}

    def one(self, content: bytes | Files, name: str = "source") -> Submission:
        (submission,) = self.all(content, name).values()
        return submission


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def status(submission: Submission) -> Status | None:
    return submission.problem.status if submission.problem else None


def remarks(submission: Submission) -> str:
    return "\n".join(submission.remarks)


# --- layouts ---------------------------------------------------------------------------------------

FULL: Files = {"lab8.py": WORK, "classifier.safetensors": WEIGHTS, "answers.md": ANSWERS}


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        (FULL, "source"),
        (zipped(FULL), "source"),
        (zipped({f"pb21/{name}": content for name, content in FULL.items()}), "pb21"),
        (zipped({f"lab8/{name}": content for name, content in FULL.items()}), "source"),
        ({f"pb21/{name}": content for name, content in FULL.items()}, "pb21"),
        ({"pb21.zip": zipped(FULL)}, "pb21"),
        ({"pb21/my work.zip": zipped(FULL)}, "pb21"),
        ({"pb21/my work.zip": zipped({"deep/er.zip": zipped(FULL)})}, "pb21"),
        ({"class/week/pb21/lab8/" + name: content for name, content in FULL.items()}, "pb21"),
        (zipped(attempt("pb21", FULL)), "pb21"),
        (attempt("pb21", FULL), "pb21"),
        ({"gradebook_x.zip": zipped(attempt("pb21", FULL))}, "pb21"),
        (zipped({"gradebook_x.zip": zipped(attempt("pb21", FULL))}), "pb21"),
        ({"gradebook_x/" + name: content for name, content in attempt("pb21", FULL).items()}, "pb21"),
        (zipped(attempt("pb21", {"lab8.zip": zipped({"lab8/" + n: c for n, c in FULL.items()})})), "pb21"),
    ],
    ids=[
        "folder",
        "zip",
        "zip of a student's folder",
        "zip of a folder named after the work",
        "folder of one student's folder",
        "folder of one student's zip",
        "zip in a student's folder",
        "zip in a zip in a student's folder",
        "wrapped twice",
        "blackboard zip",
        "blackboard unpacked",
        "blackboard zip in a folder",
        "blackboard zip zipped again",
        "blackboard unpacked in a folder",
        "blackboard with the student's zip",
    ],
)
def test_one_submission_in_every_layout(reader: Reader, content: bytes | Files, id_: str) -> None:
    submission = reader.one(content)
    assert submission.student_id == id_
    assert submission.problem is None
    assert submission.code and submission.code.filename == "lab8.py" and submission.code.cells == (WORK,)
    assert submission.weights and submission.weights.format == "safetensors"
    assert submission.weights.path.read_bytes() == WEIGHTS
    assert submission.weights.path.is_relative_to(reader.workdir)
    assert submission.answer_texts == (ANSWERS,)


def test_the_same_work_has_the_same_digest_wherever_it_lies(reader: Reader) -> None:
    submissions = [
        reader.one(FULL, "a"),
        reader.one(zipped(FULL), "b"),
        reader.one(zipped(attempt("pb21", FULL)), "c"),
        reader.one({**FULL, "notes.pdf": b"%PDF"}, "d"),
    ]
    assert len({submission.digest for submission in submissions}) == 1
    assert len(submissions[0].digest) == 64
    for part, content in (
        ("lab8.py", WORK + "\n"),
        ("classifier.safetensors", to_safetensors({"weight": torch.arange(4.0) + 1})),
        ("answers.md", ANSWERS + "!"),
    ):
        assert reader.one({**FULL, part: content}, part).digest != submissions[0].digest


@pytest.mark.parametrize("pack", [lambda files: files, zipped], ids=["folder", "zip"])
def test_a_class_of_folders_and_zips(reader: Reader, pack: Callable[[Files], bytes | Files]) -> None:
    found = reader.all(
        pack(
            {
                "pb21/lab8.py": WORK,
                "pb22 张三/lab8/lab8.ipynb": notebook(("code", WORK)),
                "pb23.zip": zipped(FULL),
                "pb24.zip": zipped({}),
                "pb25/report.docx": b"PK\x03\x04 not opened",
                "grades.csv": "a,b",
                "__MACOSX/pb21/._lab8.py": "x",
                "pb21/.DS_Store": "x",
                "pb21/__pycache__/lab8.py": "x",
            }
        )
    )
    assert list(found) == ["pb21", "pb22 张三", "pb23", "pb24", "pb25"]
    assert [status(submission) for submission in found.values()] == [
        None,
        None,
        None,
        Status.NOT_GRADABLE,
        Status.NOT_GRADABLE,
    ]
    assert found["pb24"].problem and "pb24.zip is empty" in found["pb24"].problem.reason
    assert found["pb25"].problem and "report.docx" in found["pb25"].problem.reason
    assert remarks(found["pb21"]) == ""


def test_an_empty_folder_is_a_student_too(reader: Reader) -> None:
    source = reader.source({"pb21/lab8.py": WORK})
    (source / "pb22").mkdir()
    found = {s.student_id: s for s in read_submissions(source, reader.workdir)}
    assert found["pb22"].problem and found["pb22"].problem.reason == "nothing was handed in"


def test_work_that_lies_beside_the_students_is_set_apart(reader: Reader) -> None:
    found = reader.all({"pb21/lab8.py": WORK, "pb22/lab8.py": WORK, "solver.py": WORK})
    assert status(found["solver.py"]) is Status.QUARANTINED
    assert status(found["pb21"]) is status(found["pb22"]) is None


def test_parts_of_one_submission_are_not_students(reader: Reader) -> None:
    submission = reader.one({"src/lab8.py": WORK, "data/x.csv": "1", "weights/classifier.pt": torch_file()})
    assert submission.student_id == "source"
    assert submission.weights and submission.weights.format == "torch"


def test_two_hand_ins_under_one_name(reader: Reader) -> None:
    same = reader.one({"pb21/lab8.py": WORK, "pb21.zip": zipped({"lab8.py": WORK})}, "same")
    assert status(same) is None and "found 2 times" in remarks(same)
    other = reader.one({"pb21/lab8.py": WORK, "pb21.zip": zipped({"lab8.py": WORK + "x = 1\n"})}, "other")
    assert status(other) is Status.QUARANTINED and other.code is None


# --- names that are chosen to be taken for another's -------------------------------------------------

ALIKE = [
    ("strasse", "straße"),
    ("alice", "Alice"),
    ("alice", "aliCE"),
    ("fisher", "\ufb01sher"),
    ("wang8", "wang\uff18"),
    ("kim", "\u212aim"),
    ("\xe9mile", "e\u0301mile"),
    ("Kim", "\u212aim"),
    ("li wei", "li  wei"),
    ("li wei", "li\u3000wei"),
    ("alice", "alice "),
]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' folders cannot hold such names together")
@pytest.mark.parametrize("kind", ["folders", "folder of zips", "zip of folders", "zip of zips"])
@pytest.mark.parametrize(("victim", "other"), ALIKE, ids=ascii)
def test_a_name_that_looks_like_anothers_changes_nothing_for_them(
    reader: Reader, victim: str, other: str, kind: str
) -> None:
    attacks = WORK + "# the other's\n"
    content: dict[str, str | bytes] = {"pb22/lab8.py": WORK}
    if "of zips" in kind:
        content |= {
            f"{other}.zip": zipped({"lab8.py": attacks, "answers.md": ANSWERS_ZH}),
            f"{victim}.zip": zipped({"lab8.py": WORK, "answers.md": ANSWERS}),
        }
    else:
        content |= {f"{other}/lab8.py": attacks, f"{other}/answers.md": ANSWERS_ZH}
        content |= {f"{victim}/lab8.py": WORK, f"{victim}/answers.md": ANSWERS}
    found = reader.all(zipped(content) if kind.startswith("zip") else content)
    assert len(found) == 3 and all(status(one) is None for one in found.values())
    theirs = found[victim]
    assert theirs.code and theirs.code.cells == (WORK,) and theirs.answer_texts == (ANSWERS,)
    alike = [one for one in found.values() if "nearly the same student's name" in remarks(one)]
    assert len(alike) == 2 and theirs in alike


def test_a_bare_lab8_beside_the_others_zips_is_nobodys(reader: Reader) -> None:
    """It would make all of them parts of one hand-in."""
    found = reader.all({"pb21.zip": zipped(FULL), "pb22.zip": zipped(FULL), "lab8.py": WORK})
    assert status(found.pop("lab8.py")) is Status.QUARANTINED
    assert set(found) == {"pb21", "pb22"} and all(status(one) is None for one in found.values())


# --- what one hand-in may cost -----------------------------------------------------------------------


@pytest.fixture
def few_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_zips_without_number_leave_files_to_open(reader: Reader) -> None:
    """Each zip that was opened kept a file open to the end of its hand-in."""
    many = zipped({f"{n}.zip": zipped({"x.txt": "x"}) for n in range(300)} | {"lab8.py": WORK})
    found = reader.all({"pb21.zip": many, "pb22/lab8.py": WORK})
    assert [status(one) for one in found.values()] == [None, None]
    assert f"there are more than {ARCHIVES} zips" in remarks(found["pb21"])


@pytest.fixture
def small_disk() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_the_disk_is_full_one_hand_in_is_to_be_read_again(
    reader: Reader, request: pytest.FixtureRequest
) -> None:
    weights = to_safetensors({"weight": torch.zeros(1 << 19)})
    source = reader.source(
        {"pb21/lab8.py": WORK, "pb21/classifier.safetensors": weights, "pb22/lab8.py": WORK}
    )
    request.getfixturevalue("small_disk")
    found = {one.student_id: one for one in read_submissions(source, reader.workdir)}
    assert status(found["pb21"]) is Status.GRADER_ERROR and status(found["pb22"]) is None
    assert found["pb21"].problem and "free some space" in found["pb21"].problem.reason


def test_more_files_than_anybody_hands_in_are_one_students_matter(reader: Reader) -> None:
    source = reader.source({"pb21/lab8.py": WORK, "pb22/lab8.py": WORK})
    (source / "pb21" / "many").mkdir()
    for number in range(STUDENT_FILES + 1):
        (source / "pb21" / "many" / f"{number}").touch()
    found = {one.student_id: one for one in read_submissions(source, reader.workdir)}
    assert status(found["pb21"]) is Status.QUARANTINED and status(found["pb22"]) is None


def test_what_is_skipped_may_hold_as_many_files_as_it_likes(reader: Reader) -> None:
    """A student's own folder, with the pictures of the data set in it."""
    source = reader.source({"lab8.py": WORK, "data/labels.txt": "x", "src/model.py": "x = 1\n"})
    for number in range(STUDENT_FILES + 1):
        (source / "data" / f"{number}.png").touch()
    submission, _ = read_folder(source, reader.workdir, lambda path: path.startswith("data/"))
    assert status(submission) is None and submission.code


def test_students_files_together_may_be_many(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of files in a zip is bounded, since they are listed before anybody's are told apart."""
    monkeypatch.setattr("grader.intake.source.SOURCE_FILES", 50)
    students = {f"pb{one}/{number}.txt": "x" for one in range(10) for number in range(10)}
    found = reader.all(students | {"pb1/lab8.py": WORK})
    assert len(found) == 10 and status(found["pb1"]) is None
    with pytest.raises(UserError, match="too long"):
        reader.all(zipped(students), "zip")


def test_zips_that_take_too_long_are_left_and_the_rest_is_read(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream of empty blocks: a second of work in twenty megabytes."""
    monkeypatch.setattr("grader.intake.entries.UNPACK_SECONDS", 0.2)
    stream = with_stream("lab8.zip", empty_blocks(20 << 20), 20 << 20)
    found = reader.all({"pb21/a.zip": stream, "pb21/lab8.py": WORK, "pb22.zip": zipped(FULL)})
    assert [status(one) for one in found.values()] == [None, None]
    assert "reading the zips takes too long" in remarks(found["pb21"])
    assert remarks(found["pb22"]) == ""


@st.composite
def lists_of_members(draw: st.DrawFn) -> bytes:
    """A list as it stands in a zip, mostly right; names, extra fields and comments of any length."""
    lengths = st.integers(0, 40) | st.integers(4_000, 4_200)
    records = b""
    for _ in range(draw(st.integers(0, 6))):
        name, extra, comment = draw(lengths), draw(lengths), draw(lengths)
        mark = draw(st.sampled_from([b"PK\1\2"] * 9 + [b"PK\3\4"]))
        fields = (20, 20, 0, 0, 0, 0, 0, 0, 0, name, extra, comment, 0, 0, 0, 0)
        records += struct.pack("<4s6H3L5H2L", mark, *fields)
        records += b"n" * name + bytes(extra) + b"c" * comment
    end = draw(st.integers(0, len(records))) if draw(st.integers(0, 3)) == 0 else len(records)
    return records[:end]


@given(lists_of_members(), st.integers(0, 8), st.integers(0, 10_000))
def test_no_list_of_members_is_read_that_there_is_no_room_for(
    directory: bytes, members: int, directory_bytes: int
) -> None:
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), 0, 0)
    try:
        with zipfile.ZipFile(io.BytesIO(directory + end)) as archive:
            there = len(archive.namelist())
    except ARCHIVE_ERRORS:
        there = None
    allowance = Allowance(members, directory_bytes)
    try:
        with open_zip(io.BytesIO(directory + end), allowance) as archive:
            assert len(archive.namelist()) == there == count_members(directory) <= members
            assert len(directory) <= directory_bytes
            assert allowance.members == members - there
            assert allowance.directory_bytes == directory_bytes - len(directory)
    except ARCHIVE_ERRORS:
        fits = there is None or there > members or len(directory) > directory_bytes
        assert (
            fits or max(struct.unpack_from("<H", directory, at + 30)[0] for at in _starts(directory)) > 4096
        )


def _starts(directory: bytes) -> Iterator[int]:
    at = 0
    while at < len(directory):
        yield at
        at += 46 + sum(struct.unpack_from("<HHH", directory, at + 28))


# --- blackboard ------------------------------------------------------------------------------------


def test_blackboards_facts_reach_the_submission(reader: Reader) -> None:
    found = reader.all(
        zipped(
            attempt("li_wei", {"my_main (1).py": WORK}, name="Li Wei (Vivian)", assignment="Lab 2_new")
            | attempt(
                "pb21000001",
                FULL,
                name="张三",
                word="尝试",
                time="2023-11-21-20-12-54",
                assignment="Lab 2_new",
            )
            | attempt("jan", FULL, word="poging", assignment="Lab 2_new")
        )
    )
    assert list(found) == ["jan", "li_wei", "pb21000001"]
    li_wei = found["li_wei"]
    assert li_wei.name == "Li Wei (Vivian)"
    assert li_wei.submitted_at == datetime(2024, 3, 5, 23, 59, 7)
    assert li_wei.code and li_wei.code.filename == "my_main (1).py"
    assert found["pb21000001"].name == "张三"


def test_the_latest_attempt_counts_with_all_its_files(reader: Reader) -> None:
    submission = reader.one(
        zipped(
            attempt("pb21", {"lab8.py": WORK, "classifier.pt": torch_file()}, time="2024-03-01-00-00-00")
            | attempt("pb21", {"lab8.py": WORK + "# third\n"}, time="2024-03-03-00-00-00")
            | attempt("pb21", {"lab8.py": WORK + "# second\n"}, time="2024-03-02-00-00-00", word="尝试")
        )
    )
    assert submission.attempt == 3
    assert submission.code and submission.code.cells[0].endswith("# third\n")
    assert submission.weights is None, "an older attempt's file got in"
    assert "attempt 1 of 3 (2024-03-01 00:00:00) was set aside" in submission.remarks
    assert submission.submitted_at == datetime(2024, 3, 3)


def test_nothing_but_metadata_is_an_empty_hand_in(reader: Reader) -> None:
    submission = reader.one(zipped(attempt("pb21", {})))
    assert status(submission) is Status.NOT_GRADABLE
    assert submission.problem and submission.problem.reason == "nothing was handed in"


def test_metadata_of_another_user_is_set_apart(reader: Reader) -> None:
    members = attempt("pb21", FULL)
    (text,) = (name for name in members if name.endswith("07.txt"))
    members[text] = metadata("pb99", "Eve", text[:-4], {})
    submission = reader.one(zipped(members))
    assert status(submission) is Status.QUARANTINED
    assert submission.student_id == "Lab 8_pb21"


def test_without_metadata_the_other_names_tell_the_user(reader: Reader) -> None:
    members = attempt("li_wei", FULL) | attempt("zhang_san", FULL)
    del members["Lab 8_zhang_san_attempt_2024-03-05-23-59-07.txt"]
    found = reader.all(zipped(members), "known assignment")
    assert list(found) == ["li_wei", "zhang_san"]
    assert "text file is missing" in remarks(found["zhang_san"])

    bare = {name: content for name, content in members.items() if not name.endswith("07.txt")}
    assert list(reader.all(zipped(bare), "common assignment")) == ["li_wei", "zhang_san"]
    alone = {name: content for name, content in bare.items() if "zhang" in name}
    assert status(reader.one(zipped(alone), "ambiguous")) is Status.QUARANTINED


def test_one_hostile_or_broken_member_leaves_the_others_alone(reader: Reader) -> None:
    bomb = zipped({"zeros.bin": bytes(64 << 20)})
    trick = zipped({"../../evil.py": WORK, "lab8.py": WORK})
    found = reader.all(
        zipped(
            attempt("a", FULL)
            | attempt("b", {"lab8.zip": bomb})
            | attempt("c", {"lab8.zip": trick})
            | attempt("d", {"lab8.zip": b"PK\x03\x04 broken"})
            | attempt("e", {"lab8.ipynb": "[" * 1_000_000})
            | attempt("f", {"zeros.bin": bytes(64 << 20), "lab8.py": WORK})
        )
    )
    assert [status(found[id_]) for id_ in "abcdef"] == [
        None,
        Status.QUARANTINED,
        Status.QUARANTINED,
        Status.NOT_GRADABLE,
        Status.NOT_GRADABLE,
        Status.QUARANTINED,
    ]
    assert all(found[id_].code is None and found[id_].digest == "" for id_ in "bcdef")


# --- hostile and damaged archives ------------------------------------------------------------------


def with_link(target: str) -> bytes:
    link = zipfile.ZipInfo("lab8.py")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, target)
    return buffer.getvalue()


def with_nul() -> bytes:
    return zipped({"lab8.py#.txt": WORK, "lab8.py": WORK}).replace(b"lab8.py#.txt", b"lab8.py\0.txt")


def nested(levels: int) -> bytes:
    inner = zipped({"lab8.py": WORK})
    for _ in range(levels):
        inner = zipped({"inner.zip": inner})
    return inner


@pytest.mark.parametrize(
    ("hand_in", "reason"),
    [
        (zipped({"../lab8.py": WORK}), "leads out"),
        (zipped({"a/../../lab8.py": WORK}), "leads out"),
        (zipped({"..\\lab8.py": WORK}), "leads out"),
        (zipped({"/etc/lab8.py": WORK}), "absolute"),
        (zipped({"C:\\lab8.py": WORK}), "absolute"),
        (with_link("/etc/passwd"), "symbolic link"),
        (with_nul(), "NUL"),
        (zipped({"lab8.py": WORK, "x" * 5000: "x"}), "too long"),
        (zipped({"lab8.py": WORK, "zeros": bytes(32 << 20)}), "unpacks from"),
        (zipped({"lab8.py": WORK} | {f"{n}.txt": "" for n in range(2001)}), "2,000 files"),
        (nested(4), "zips within zips"),
    ],
    ids=[
        "parent",
        "parent inside",
        "parent, backslash",
        "absolute",
        "drive",
        "link",
        "nul",
        "long name",
        "ratio",
        "count",
        "nesting",
    ],
)
def test_a_hostile_archive_is_set_apart(reader: Reader, hand_in: bytes, reason: str) -> None:
    found = reader.all({"pb21.zip": hand_in, "pb22/lab8.py": WORK})
    bad = found["pb21"]
    assert status(bad) is Status.QUARANTINED
    assert bad.problem and reason in bad.problem.reason and "\n" not in bad.problem.reason
    assert bad.code is None and bad.weights is None and not bad.answer_texts
    assert status(found["pb22"]) is None


def test_a_zip_that_claims_a_gibibyte_in_many_files_is_set_apart(reader: Reader) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("lab8.py", WORK)
        for number in range(70):
            archive.writestr(f"{number}.bin", b"x")
    raw = bytearray(buffer.getvalue())
    at = 0
    while (at := raw.find(b"PK\x01\x02", at)) >= 0:  # forge the sizes in the list of members
        if raw[at + 46 : at + 53] != b"lab8.py":
            struct.pack_into("<LL", raw, at + 20, 16 << 20, 16 << 20)
        at += 4
    found = reader.all({"pb21.zip": bytes(raw), "pb22/lab8.py": WORK})
    assert found["pb21"].problem and "1024 MiB" in found["pb21"].problem.reason


def test_a_member_longer_than_it_claims_is_not_believed(reader: Reader) -> None:
    raw = bytearray(zipped({"lab8.py": WORK * 1000, "answers.md": ANSWERS}))
    at = raw.find(b"PK\x01\x02")
    struct.pack_into("<L", raw, at + 24, 100)
    submission = reader.one({"pb21.zip": bytes(raw)})
    assert submission.code is None and "lab8.py cannot be read" in remarks(submission)
    assert submission.answer_texts == (ANSWERS,)


def test_damaged_bytes_are_told_and_the_rest_is_read(reader: Reader) -> None:
    raw = zipped(
        {"lab8.py": WORK, "classifier.safetensors": WEIGHTS, "answers.md": ANSWERS}, zipfile.ZIP_STORED
    )
    submission = reader.one({"pb21.zip": raw.replace(WEIGHTS[-8:], b"12345678", 1)})
    assert submission.code and submission.weights is None
    assert "classifier.safetensors cannot be read" in remarks(submission)


def encrypted() -> bytes:
    raw = bytearray(zipped({"lab8.py": WORK}))
    raw[6] |= 1
    raw[raw.find(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


def test_an_encrypted_hand_in_is_named_as_such(reader: Reader) -> None:
    submission = reader.one({"pb21.zip": encrypted()})
    assert status(submission) is Status.NOT_GRADABLE
    assert submission.problem and "is encrypted" in submission.problem.reason


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_limit_are_refused(reader: Reader, method: int) -> None:
    submission = reader.one({"pb21.zip": zipped({"lab8.py": WORK}, method)})
    assert status(submission) is Status.NOT_GRADABLE
    assert submission.problem and "use an ordinary zip" in submission.problem.reason


@pytest.mark.parametrize("name", ["work.rar", "work.7z", "work.tar.gz"])
def test_other_archives_are_named(reader: Reader, name: str) -> None:
    submission = reader.one({"pb21/" + name: b"Rar!\x1a\x07"})
    assert submission.problem and "hand in a zip" in submission.problem.reason


def test_the_last_of_members_with_one_name_is_taken(reader: Reader) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("lab8.py", WORK)
            archive.writestr("lab8.py", WORK + "# again\n")
    submission = reader.one({"pb21.zip": buffer.getvalue()})
    assert submission.code and submission.code.cells[0].endswith("# again\n")
    assert "more than once" in remarks(submission)


def test_names_that_differ_in_case_alone_are_told(reader: Reader) -> None:
    submission = reader.one({"pb21.zip": zipped({"lab8.py": WORK, "Lab8.py": TEMPLATE})})
    assert submission.code and submission.code.cells == (WORK,)
    assert "differ in case alone" in remarks(submission)


def test_control_characters_in_names_do_not_reach_remarks(reader: Reader) -> None:
    submission = reader.one(zipped(attempt("pb21", {"\x1b[31mlab8\u202e.py": WORK})))
    assert submission.code and submission.code.filename == "lab8.py"
    assert "\x1b" not in remarks(submission) and "\u202e" not in remarks(submission)


def test_a_name_of_combining_marks_alone_takes_no_time(reader: Reader) -> None:
    """Sorting them, as NFC does, takes the square of their number."""
    work = zipped({"a" + "\u0300\u0316" * 16_000: "x"})
    began = time.process_time()
    submission = reader.all({"pb1/work.zip": work, "pb2/lab8.py": WORK})["pb1"]
    assert time.process_time() - began < 0.5
    assert submission.problem and "too long a name" in submission.problem.reason


def test_a_garbled_chinese_name_is_read(reader: Reader) -> None:
    raw = zipped({"AAAA/lab8.py": WORK, "BBBB/lab8.py": WORK})
    raw = raw.replace(b"AAAA", "张三".encode("gb18030")).replace(b"BBBB", "李四".encode("gb18030"))
    assert set(reader.all(raw)) == {"张三", "李四"}
    decomposed = zipped({unicodedata.normalize("NFD", "José") + "/lab8.py": WORK, "b/lab8.py": WORK})
    assert "José" in reader.all(decomposed, "nfd")


def test_links_in_folders_are_not_followed(reader: Reader) -> None:
    secret = reader.folder / "secret.py"
    secret.write_text(WORK)
    source = reader.source({"pb21/answers.md": ANSWERS, "pb22/lab8.py": WORK})
    (source / "pb21" / "lab8.py").symlink_to(secret)
    (source / "pb21" / "loop").symlink_to(source)
    (source / "pb23").symlink_to(source / "pb22")
    if hasattr(os, "mkfifo"):
        os.mkfifo(source / "pb21" / "lab8.ipynb")
    found = {s.student_id: s for s in read_submissions(source, reader.workdir)}
    assert found["pb21"].code is None
    assert "lab8.py is a link" in remarks(found["pb21"])
    assert status(found["pb23"]) is Status.QUARANTINED
    assert status(found["pb22"]) is None


@pytest.mark.parametrize(
    ("files", "field", "reason"),
    [
        ({"lab8.py": ""}, "no_code", "no code can be graded: lab8.py is empty"),
        (
            {"lab8.ipynb": '{"cells": [', "main.py": "", "x.txt": "x"},
            "no_code",
            "lab8.ipynb is not a notebook",
        ),
        ({"lab8.ipynb": notebook(("markdown", "# only text"))}, "no_code", "lab8.ipynb holds no code"),
        ({"work.rar": b"Rar!"}, "no_code", "work.rar is an archive of a kind"),
        ({"notes.txt": "x"}, "no_code", "no lab8.py or lab8.ipynb was found among"),
        ({"lab8.py": WORK, "classifier.pt": b""}, "no_weights", "classifier.pt is empty"),
        ({"lab8.py": WORK, "classifier.safetensors": b"version https://git-lfs"}, "no_weights", "Git LFS"),
        ({"lab8.py": WORK, "weights.7z": b"7z"}, "no_weights", "weights.7z is an archive of a kind"),
        ({"lab8.py": WORK, "report.docx": b"PK"}, "no_answers", "report.docx cannot be read"),
        ({"lab8.py": WORK, "answers.pdf": b"%PDF"}, "no_answers", "answers.pdf cannot be read"),
        ({"lab8.py": WORK, "answers.md": "x" * (2 << 20)}, "no_answers", "answers.md is larger than 1 MiB"),
        (
            {"lab8.ipynb": notebook(("markdown", "## Question 1"), ("code", WORK)), "a.docx": b"PK"},
            "no_answers",
            "a.docx cannot be read",
        ),
    ],
)
def test_what_is_missing_is_missing_for_a_reason(
    reader: Reader, files: dict[str, str | bytes], field: str, reason: str
) -> None:
    """The rows once said that nothing was handed in, where something was that could not be used."""
    submission = reader.one(files | {"answers.txt": ANSWERS} if field == "no_code" else files)
    assert reason in getattr(submission, field)
    assert reader.one(FULL, "whole").model_dump(include={"no_code", "no_weights", "no_answers"}) == {
        "no_code": "",
        "no_weights": "",
        "no_answers": "",
    }


def test_archives_that_are_not_opened_are_told_of_beside_those_that_are(reader: Reader) -> None:
    """A student's .rar among the others' zips once vanished without a verdict."""
    found = reader.all(
        {"pb1.rar": b"Rar!", "pb2.zip": zipped(FULL), "pb3.tar.gz": b"\x1f\x8b", "pb4/lab8.py": WORK}
    )
    assert list(found) == ["pb1", "pb2", "pb3", "pb4"]
    assert [status(found[id_]) for id_ in found] == [Status.NOT_GRADABLE, None] * 2
    assert found["pb3"].problem and "pb3.tar.gz is an archive of a kind" in found["pb3"].problem.reason
    data = reader.one({"pb5/lab8.py": WORK, "pb5/cifar-10-python.tar.gz": b"\x1f\x8b"}, "data")
    assert data.remarks == ()


def test_attempts_of_the_same_second_are_not_told_apart_by_their_names(reader: Reader) -> None:
    older = attempt("pb21", {"lab8.py": TEMPLATE}, time="2024-03-01-00-00-00")
    first, second = attempt("pb21", {"lab8.py": WORK}), attempt("pb21", {"lab8.py": WORK + "#"}, word="尝试")
    submission = reader.one(zipped(older | first | second))
    assert status(submission) is Status.QUARANTINED
    assert submission.problem and "2 attempts of the same second" in submission.problem.reason
    same = reader.one(zipped(older | first | attempt("pb21", {"lab8.py": WORK}, word="尝试")), "same")
    assert status(same) is None and same.attempt == 2 and "was set aside" in remarks(same)


def test_a_zip_whose_members_overlap_is_bounded_by_what_they_claim(reader: Reader) -> None:
    """Many members share one compressed stream: 60 kB that unpack to gigabytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.bin", bytes(15 << 20))
    raw = buffer.getvalue()
    at = raw.find(b"PK\x01\x02")
    record = raw[at : raw.find(b"PK\x05\x06")]
    records = b"".join(record.replace(b"0.bin", b"%05d" % number) for number in range(500))
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 500, 500, len(records), at, 0)
    found = reader.all({"pb21.zip": raw[:at] + records + end, "pb22/lab8.py": WORK})
    assert found["pb21"].problem and "1024 MiB" in found["pb21"].problem.reason
    assert status(found["pb22"]) is None


def test_a_zip_that_streams_is_read_and_one_with_a_false_zip64_record_is_not_believed(reader: Reader) -> None:
    class Pipe(io.RawIOBase):  # cannot be sought in, so that sizes follow their data
        def __init__(self) -> None:
            self.raw = b""

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.raw += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lab8.py", WORK)
    assert struct.unpack_from("<H", pipe.raw, 6)[0] & 8
    submission = reader.one({"pb21.zip": pipe.raw})
    assert submission.code and submission.code.cells == (WORK,)

    at = pipe.raw.find(b"PK\x05\x06")
    liar = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 2**40, 2**50, 2**60)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    lies = reader.one({"pb22.zip": pipe.raw[:at] + liar + locator + end}, "lies")
    assert status(lies) is Status.NOT_GRADABLE
    assert lies.problem and "cannot be opened as a zip" in lies.problem.reason


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a POSIX file system")
def test_what_is_no_ordinary_file_or_cannot_be_read_is_a_remark(reader: Reader) -> None:
    source = reader.source({"pb21/lab8.py": WORK, "pb22/lab8.py": WORK, "pb22/sub/notes.md": "x"})
    for name in ("classifier.pt", "answers.md", "data.zip"):
        os.mkfifo(source / "pb21" / name)
    if os.geteuid() == 0:
        os.mknod(source / "pb21" / "null.pt", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(source / "pb21" / "zero.py", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    (source / "pb21" / ("x" * 250)).mkdir()
    bottom = source / "pb21"
    for _ in range(4):  # 1,004 characters
        bottom = bottom / ("y" * 250)
        bottom.mkdir()
    (bottom / "lab8.py").touch()
    found = {s.student_id: s for s in read_submissions(source, reader.workdir)}
    text = remarks(found["pb21"])
    assert "classifier.pt is not an ordinary file" in text and "data.zip is not an ordinary file" in text
    assert "has too long a path" in text
    assert os.geteuid() or "zero.py is not an ordinary file" in text
    assert all(status(submission) is None for submission in found.values())


def test_a_file_that_the_grader_may_not_read_makes_no_zero(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = reader.source({"pb21/lab8.py": WORK, "pb21/answers.md": ANSWERS, "pb22/lab8.py": WORK})

    real = os.open

    def refuse(path: str, *more: int) -> int:  # as root every file can be read
        if str(path).endswith("answers.md"):
            raise PermissionError(13, "Permission denied")
        return real(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    found = {s.student_id: s for s in read_submissions(source, reader.workdir)}
    problem = found["pb21"].problem
    assert problem and problem.status is Status.GRADER_ERROR
    assert problem.reason.startswith("answers.md cannot be read (Permission denied): give the grader")
    assert status(found["pb22"]) is None


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        ("con", "con"),
        ("aux.zip", "aux"),
        ("张三", "张三"),
        ("名" * 80, "名" * 80),
        ("a\nb\x1b[31m", "a b~31fa7c64"),
    ],
    ids=["reserved", "reserved zip", "chinese", "long", "newline and escape"],
)
def test_students_folders_may_have_any_name(reader: Reader, name: str, id_: str) -> None:
    content: dict[str, str | bytes] = {"other/lab8.py": WORK, "other/classifier.pt": torch_file()}
    if name.endswith(".zip"):
        content[name] = zipped(FULL)
    else:
        content |= {f"{name}/{file}": text for file, text in FULL.items()}
    found = reader.all(content)
    assert list(found) == sorted([id_, "other"])
    weights = found[id_].weights
    assert weights and weights.path.is_file() and weights.path.resolve().is_relative_to(reader.workdir)


def test_names_that_differ_in_what_does_not_show_are_two_students(reader: Reader) -> None:
    """Found by fuzzing: a later attempt of "pb22" with an escape character behind it replaced pb22's own."""
    later = attempt("pb22\x1b", {"lab8.py": TEMPLATE}, time="2024-03-06-00-00-00")
    found = reader.all(zipped(attempt("pb22", {"lab8.py": WORK}) | later))
    assert len(found) == 2 and found["pb22"].code and found["pb22"].code.cells == (WORK,)
    long = {f"{'x' * 150}{letter}/lab8.py": WORK + letter for letter in "ab"}
    assert [status(one) for one in reader.all(zipped(long), "long").values()] == [None, None]


def test_a_name_whose_bytes_are_in_no_encoding_is_survived(reader: Reader) -> None:
    source = reader.source({"pb22/lab8.py": WORK})
    bad = os.path.join(os.fsencode(source), b"pb\xff\xfe21")  # noqa: PTH118
    os.mkdir(bad)  # noqa: PTH102
    with open(os.path.join(bad, b"lab8\xff.py"), "w") as file:  # noqa: PTH118, PTH123
        file.write(WORK)
    found = {s.student_id: s for s in read_submissions(source, reader.workdir)}
    assert len(found) == 2 and all(status(submission) is None for submission in found.values())
    for submission in found.values():
        submission.model_dump_json().encode("utf-8")


def test_a_hundred_megabytes_of_notebook_are_one_line(reader: Reader) -> None:
    cell = {"cell_type": "code", "source": WORK, "outputs": [{"data": {"image/png": "A" * (100 << 20)}}]}
    began = time.process_time()
    submission = reader.one({"lab8.ipynb": json.dumps({"nbformat": 4, "cells": [cell]})})
    assert submission.no_code == "no code can be graded: lab8.ipynb is larger than 64 MiB: clear its outputs"
    assert time.process_time() - began < 10


@pytest.mark.slow
def test_sixty_hostile_hand_ins_change_nothing_for_the_one_beside_them(reader: Reader) -> None:
    """A thousand of them: `tests/benchmarks/intake.py --batch 1000`."""
    honest = {f"honest/{name}": content for name, content in FULL.items()}
    alone = reader.one(honest, "alone")
    source = reader.source(honest)
    for number in range(60):
        folder = lay(source / f"hostile{number}", FULL)
        UPLOADS[LIGHT[number % len(LIGHT)]].make(folder)
    found = {one.student_id: one for one in read_submissions(source, reader.workdir)}
    assert len(found) == 61
    theirs = found["honest"]
    assert theirs.weights and alone.weights
    assert theirs == alone.model_copy(update={"weights": theirs.weights})
    for one in found.values():
        wanted = (None, Status.QUARANTINED, Status.NOT_GRADABLE)
        assert status(one) in wanted, one.problem
        assert not one.problem or "\n" not in one.problem.reason


# --- the source as a whole -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as a zip"),
        (b"not a zip at all", "cannot be read as a zip"),
        (zipped(FULL)[:-30], "or unpack it and give the folder"),
        (zipped({}), "holds no files"),
        (zipped({"__MACOSX/x": "x"}), "holds no files"),
        ({}, "holds no files"),
        (encrypted(), "is encrypted"),
        (zipped({"zeros": bytes(64 << 20)}), "unpacks from"),
        (nested(5), "zips within zips"),
    ],
    ids=["no bytes", "text", "torn", "empty zip", "junk", "empty folder", "encrypted", "bomb", "nested bomb"],
)
def test_a_source_that_cannot_be_read_is_one_line(
    reader: Reader, content: bytes | Files, reason: str
) -> None:
    source = reader.source(content)
    with pytest.raises(UserError) as caught:
        read_submissions(source, reader.workdir)
    message = str(caught.value)
    assert reason in message and message.startswith(str(source)) and ";" in message and "\n" not in message


def test_a_wrong_path_is_one_line(reader: Reader) -> None:
    for path in (reader.folder / "nowhere", reader.folder / ("x" * 300), reader.folder / "a\0b"):
        with pytest.raises(UserError, match=r"no such file|cannot be read"):
            read_submissions(path, reader.workdir)
    rar = lay(reader.folder, {"class.tar.gz": b"\x1f\x8b"}) / "class.tar.gz"
    with pytest.raises(UserError, match=r"class\.tar\.gz: is no zip; unpack it"):
        read_submissions(rar, reader.workdir)
    file = lay(reader.folder, {"lab8.py": WORK}) / "lab8.py"
    with pytest.raises(UserError, match="neither a zip nor a folder"):
        read_submissions(file, reader.workdir)


def test_a_source_of_too_many_files_names_the_folder(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.intake.opened.FOLDER_FILES", 50)
    many = {f"pb21/data/{number}.png": "x" for number in range(60)}
    with pytest.raises(UserError, match=r"more than 50 files, most of them in pb21/data; move that away"):
        reader.all({"pb22/lab8.py": WORK} | many)


def test_a_working_folder_that_cannot_be_written_is_ours(reader: Reader) -> None:
    source = reader.source(FULL)
    blocker = lay(reader.folder, {"file": "x"}) / "file"
    with pytest.raises(UserError, match="cannot be written"):
        read_submissions(source, blocker / "work")


# --- fuzzing ---------------------------------------------------------------------------------------

_SEEDS = [
    zipped({"a/lab8.py": WORK, "答案.md": ANSWERS_ZH, "classifier.pt": torch_file()}),
    zipped(
        {"lab8.ipynb": notebook(("markdown", ANSWERS), ("code", WORK)), "classifier.safetensors": WEIGHTS}
    ),
    zipped({"work/in.zip": zipped({"lab8.py": WORK}), "BBBB/lab8.py": WORK}).replace(
        b"BBBB", "实验".encode("gbk")
    ),
    zipped({f"{n}/lab8.py": WORK for n in range(3)}, zipfile.ZIP_STORED),
]
_FIELDS = [b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"]
_NUMBERS = [
    b"\0\0",
    b"\1\0",
    b"\x08\0",
    b"\x0c\0",
    b"\x63\0",
    b"\xff\xff",
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"../",
]


@st.composite
def damaged_zips(draw: st.DrawFn) -> bytes:
    """A real zip, changed: bytes anywhere, numbers in its records' fields, pieces moved, its end cut off."""
    raw = bytearray(draw(st.sampled_from(_SEEDS)))
    records = [at for mark in _FIELDS for at in range(len(raw)) if raw.startswith(mark, at)]
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["byte", "field", "field", "move", "insert"]))
        if kind == "byte":
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
        elif kind == "field":
            at = draw(st.sampled_from(records)) + draw(st.integers(4, 60))
            number = draw(st.sampled_from(_NUMBERS))
            raw[at : at + len(number)] = number
        elif kind == "move":
            start, length = draw(st.integers(0, len(raw))), draw(st.integers(1, 200))
            piece = raw[start : start + length]
            del raw[start : start + draw(st.sampled_from([0, length]))]
            at = draw(st.integers(0, len(raw)))
            raw[at:at] = piece
        else:
            at = draw(st.integers(0, len(raw)))
            raw[at:at] = draw(st.sampled_from(_FIELDS) | st.binary(max_size=30))
        raw = raw or bytearray(b"P")
    return bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 4)) == 0 else raw)


def is_whole(submission: Submission) -> bool:
    """Whether a submission has all that a later step and a person rely on."""
    problem = submission.problem
    lines = [*submission.remarks, submission.no_code, submission.no_weights, submission.no_answers]
    acting = {c for line in lines for c in line if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert acting <= {"\u200c", "\u200d"}, acting
    assert submission.weights is None or submission.weights.path.is_file()
    if problem:
        assert problem.reason and problem.status in (Status.QUARANTINED, Status.NOT_GRADABLE)
        return not (submission.code or submission.weights or submission.answer_texts or submission.digest)
    return bool(submission.digest) and bool(submission.code or submission.answer_texts)


@given(damaged_zips())
def test_of_a_damaged_zip_all_members_are_counted(raw: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            there = len(archive.namelist())
    except ARCHIVE_ERRORS:
        return
    allowance = Allowance()
    before = allowance.members
    with contextlib.suppress(*ARCHIVE_ERRORS), open_zip(io.BytesIO(raw), allowance) as archive:
        assert len(archive.namelist()) == there <= before - allowance.members


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged_zips())
def test_a_damaged_zip_never_stops_the_class(tmp_path: Path, hand_in: bytes) -> None:
    reader = Reader(tmp_path)
    began = time.process_time()
    found = reader.all(zipped({"pb21.zip": hand_in, "pb22/lab8.py": WORK}))
    assert status(found["pb22"]) is None and set(found) == {"pb21", "pb22"} and is_whole(found["pb21"])
    try:
        assert all(map(is_whole, reader.all(hand_in).values()))
    except UserError as error:
        assert "\n" not in str(error)
    assert time.process_time() - began < 10
    shutil.rmtree(reader.workdir)


_PIECES = st.sampled_from(
    [
        "_",
        " ",
        "attempt",
        "尝试",
        "2024-03-05-23-59-07",
        "pb22",
        "pb21",
        "Lab 8",
        ".txt",
        ".py",
        "lab8",
        "(",
        ")",
        ":",
    ]
) | st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=4)
_NAMES = st.lists(_PIECES, min_size=1, max_size=8).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    username=_NAMES.filter(lambda name: name.strip() and "/" not in name),
    name=_NAMES,
    files=st.dictionaries(_NAMES, st.sampled_from([WORK, "", ANSWERS]), max_size=3),
    comment=st.lists(_PIECES | st.sampled_from(["\n", "\n\t", "\n\nFiles:\n", "Filename: Lab 8_pb22_"])).map(
        "".join
    ),
)
def test_what_one_student_writes_changes_nothing_for_another(
    tmp_path: Path, username: str, name: str, files: dict[str, str | bytes], comment: str
) -> None:
    """A student chooses names of files, a comment and a text, in the worst case the name of the user too."""
    members = attempt(username, files, name=name)
    text = next(iter(members))
    members[text] = str(members[text]).replace("There are no student comments.", comment)
    honest = attempt("pb22", {"lab8.py": WORK, "answers.md": ANSWERS})
    reader = Reader(tmp_path)
    if {key.casefold() for key in members} & {key.casefold() for key in honest}:
        return  # the LMS itself could not tell these two apart
    found = reader.all(zipped(honest | members))
    assert all(map(is_whole, found.values()))
    theirs = found["pb22"]
    assert theirs.problem is None or " ".join(username.split()) == "pb22", theirs
    if theirs.problem is None:
        assert theirs.code and theirs.code.cells == (WORK,) and theirs.answer_texts == (ANSWERS,)
    shutil.rmtree(reader.workdir)


@given(st.text(alphabet=st.sampled_from("aB.é/İ "), max_size=12).filter(lambda path: path.strip("/.") != ""))
def test_names_come_apart_as_pathlib_has_it(path: str) -> None:
    path = "/".join(part for part in path.split("/") if part not in ("", ".", ".."))
    entry, pure = Entry(path), PurePosixPath(path)
    assert (entry.name, entry.stem) == (pure.name, pure.stem)
    assert entry.suffix == pure.suffix.lower()
