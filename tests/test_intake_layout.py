"""What a source is taken for: downloads, sections, a class, one submission; and what is refused."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest
from hostile_uploads import listing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_intake import ANSWERS, FULL, TEMPLATE, WORK, Files, attempt, lay, remarks, status, zipped

from grader.errors import UserError
from grader.intake import Intake, read_folder, read_source, read_submissions
from grader.intake.entries import Allowance, OwnFile, SourceReadError, open_regular
from grader.intake.limits import STUDENT_FILES, STUDENT_MEMBERS
from grader.intake.lms import shape_of
from grader.intake.people import owner
from grader.types import Status, Submission

Take = Callable[[Files], Intake]


def work(who: str) -> str:
    """Somebody's own code."""
    return f"{WORK}# {who}\n"


def folders(*students: str, within: str = "") -> dict[str, str | bytes]:
    return {f"{within}{student}/lab8.py": work(student) for student in students}


def download(*students: str, time: str = "2024-03-05-23-59-07", **more: str) -> dict[str, str | bytes]:
    members: dict[str, str | bytes] = {}
    for student in students:
        members |= attempt(student, {"lab8.py": work(f"{student} {time}")}, time=time, **more)
    return members


def under(folder: str, files: Files) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


@pytest.fixture
def take(tmp_path: Path) -> Take:
    def read(files: Files) -> Intake:
        shutil.rmtree(tmp_path / "source", ignore_errors=True)
        return read_source(lay(tmp_path / "source", files), tmp_path / "work")

    return read


def by_id(intake: Intake) -> dict[str, Submission]:
    return {one.student_id: one for one in intake.submissions}


def all_fine(intake: Intake, *students: str) -> bool:
    found = by_id(intake)
    assert set(found) == set(students), intake.lines
    assert all(status(one) is None for one in found.values()), [one.problem for one in found.values()]
    return True


# --- downloads that lie in a folder ------------------------------------------------------------------

DOWNLOAD = "gradebook_ML2026_Lab8_2024-03-06-10-00-00.zip"
LATER = "gradebook_ML2026_Lab8_2024-03-09-10-00-00.zip"


@pytest.mark.parametrize(
    ("files", "unclaimed"),
    [
        ({DOWNLOAD: zipped(download("ann", "bob")), "roster.csv": "ann\nbob\n"}, ["roster.csv"]),
        (
            {"lab 8.zip": zipped(download("ann", "bob")), "notes.md": "x", "r.xlsx": "x"},
            ["notes.md", "r.xlsx"],
        ),
        ({"class.zip": zipped(folders("ann", "bob")), "roster.csv": "x"}, ["roster.csv"]),
        ({"class.zip": zipped(folders("ann", "bob", within="all/")), "roster.csv": "x"}, ["roster.csv"]),
        ({"class.zip": zipped({"ann.zip": zipped(FULL), "bob.zip": zipped(FULL)}), "r.csv": "x"}, ["r.csv"]),
        (under("saved", {DOWNLOAD: zipped(download("ann", "bob")), "roster.csv": "x"}), ["roster.csv"]),
        ({DOWNLOAD: zipped(download("ann", "bob")), "docs/plan.pdf": "x"}, ["docs/"]),
        ({"roster.csv": "x", **under("download", download("ann", "bob"))}, ["roster.csv"]),
        ({"roster.csv": "x", **download("ann", "bob")}, ["roster.csv"]),
    ],
    ids=["named", "renamed", "folders", "wrapped", "zips", "saved", "folder beside", "unpacked", "flat"],
)
def test_a_download_that_lies_beside_other_things_is_opened(
    take: Take, files: Files, unclaimed: list[str]
) -> None:
    intake = take(files)
    assert all_fine(intake, "ann", "bob")
    assert list(intake.unclaimed) == unclaimed
    assert "2 students" in intake.lines[0] and len(intake.lines) == 2
    assert all(name in intake.lines[1] for name in unclaimed)
    assert not any(one.section for one in intake.submissions)


def test_a_zip_of_another_kind_beside_a_download_is_nobodys_and_is_told(take: Take) -> None:
    found = by_id(take({DOWNLOAD: zipped(download("ann", "bob")), "handouts.zip": zipped({"a.pdf": "x"})}))
    assert status(found.pop("handouts.zip")) is Status.QUARANTINED
    assert set(found) == {"ann", "bob"} and all(status(one) is None for one in found.values())


def test_a_torn_download_is_no_student(take: Take) -> None:
    torn = zipped(download("ann", "bob"))[:-30]
    with pytest.raises(UserError, match="download it again"):
        take({DOWNLOAD: torn, "roster.csv": "x"})
    found = by_id(take({DOWNLOAD: torn, LATER: zipped(download("ann", "bob"))}))
    assert status(found[DOWNLOAD]) is Status.QUARANTINED and status(found["ann"]) is None


def test_work_in_a_folder_beside_a_download_is_told(take: Take) -> None:
    """It vanished without a word."""
    found = by_id(take({**download("ann", "bob"), "late/cat/lab8.py": work("cat")}))
    assert status(found["late"]) is Status.QUARANTINED and status(found["ann"]) is None


@pytest.mark.parametrize("kind", ["zips", "renamed zips", "unpacked", "zip beside files", "zip in a zip"])
def test_downloads_are_read_together_and_the_newest_attempt_counts(take: Take, kind: str) -> None:
    first = download("ann", "bob", time="2024-03-05-00-00-00")
    later = download("ann", "cat", time="2024-03-08-00-00-00")
    if kind == "unpacked":
        intake = take({**under(DOWNLOAD[:-4], first), **under(LATER[:-4], later)})
    elif kind == "zip beside files":
        intake = take({**first, LATER: zipped(later)})
    elif kind == "zip in a zip":
        intake = take({"both.zip": zipped({DOWNLOAD: zipped(first), LATER: zipped(later)})})
    else:
        names = (DOWNLOAD, LATER) if kind == "zips" else ("old.zip", "new.zip")
        intake = take(dict(zip(names, (zipped(first), zipped(later)), strict=True)))
    assert all_fine(intake, "ann", "bob", "cat")
    ann = by_id(intake)["ann"]
    assert ann.attempt == 2 and ann.submitted_at == datetime(2024, 3, 8)
    assert ann.code and "2024-03-08" in ann.code.cells[0]
    assert "attempt 1 of 2 (2024-03-05 00:00:00) was set aside" in ann.remarks
    assert "this student is in 2 places" in remarks(ann)
    assert remarks(by_id(intake)["bob"]) == ""
    assert "2 downloads read together" in intake.layout


def test_the_same_attempt_in_two_downloads_is_one(take: Take) -> None:
    both = download("ann", time="2024-03-05-00-00-00")
    later = download("ann", "bob", time="2024-03-08-00-00-00")
    ann = by_id(take({DOWNLOAD: zipped(both), LATER: zipped(both | later)}))["ann"]
    assert status(ann) is None and ann.attempt == 2
    assert sum("was set aside" in remark for remark in ann.remarks) == 1
    ann = by_id(take({DOWNLOAD: zipped(both), LATER: zipped(both)}))["ann"]
    assert status(ann) is None and ann.attempt == 1 and "found 2 times" in remarks(ann)


def test_two_people_of_one_id_are_not_merged(take: Take) -> None:
    def ann(name: str, time: str) -> bytes:
        return zipped(attempt("ann", {"lab8.py": WORK}, name=name, time=time) | download("bob"))

    def read(name: str) -> Submission:
        earlier = ann("Ann Lee", "2024-03-05-00-00-00")
        return by_id(take({DOWNLOAD: earlier, LATER: ann(name, "2024-03-08-00-00-00")}))["ann"]

    assert status(read("Ann Lee (Annie)")) is None and status(read("Lee Ann")) is None
    stranger = read("Anna Kay")
    assert status(stranger) is Status.QUARANTINED
    assert stranger.problem and "Ann Lee and Anna Kay" in stranger.problem.reason


# --- sections ----------------------------------------------------------------------------------------


def test_folders_of_students_folders_are_sections(take: Take) -> None:
    intake = take(
        {
            **folders("ann", "bob", "cat", within="A/"),
            **folders("dan", "eve", within="B/"),
            "C/fay/my work/lab8.py": work("fay"),
            "A/roster.csv": "x",
            "plan.pdf": "x",
        }
    )
    assert all_fine(intake, "ann", "bob", "cat", "dan", "eve", "fay")
    assert [one.section for one in intake.submissions] == ["A"] * 3 + ["B"] * 2 + ["C"]
    assert "3 sections" in intake.layout
    assert intake.lines[1] == "students by section: A 3, B 2, C 1"
    assert set(intake.unclaimed) == {"A/roster.csv", "plan.pdf"}


def test_sections_may_hold_zips_or_downloads(take: Take) -> None:
    zips = {f"A/{one}.zip": zipped({"lab8.py": work(one)}) for one in ("ann", "bob")}
    found = take(
        {**zips, f"B/{DOWNLOAD}": zipped(download("cat", "dan")), **under("C", download("eve", "fay"))}
    )
    assert all_fine(found, "ann", "bob", "cat", "dan", "eve", "fay")
    assert [one.section for one in found.submissions] == ["A", "A", "B", "B", "C", "C"]
    assert by_id(found)["cat"].submitted_at


def test_a_section_may_hold_more_files_than_a_student(take: Take, tmp_path: Path) -> None:
    source = lay(
        tmp_path / "many", {**folders("ann", "bob", within="A/"), **folders("cat", "dan", within="B/")}
    )
    for student in ("A/ann", "A/bob"):
        for number in range(STUDENT_FILES // 2 + 10):
            (source / student / f"{number}.png").touch()
    for number in range(STUDENT_FILES + 1):
        (source / "B" / "dan" / f"{number}.png").touch()
    found = {one.student_id: one for one in read_submissions(source, tmp_path / "work")}
    assert [status(found[one]) for one in ("ann", "bob", "cat")] == [None] * 3
    assert status(found["dan"]) is Status.QUARANTINED


def test_one_id_in_two_sections_is_no_ones_mark(take: Take) -> None:
    found = by_id(
        take(
            {"A/ann/lab8.py": work("one"), "B/ann/lab8.py": work("another"), **folders("bob", within="A/")}
            | folders("cat", within="B/")
        )
    )
    assert status(found["ann"]) is Status.QUARANTINED
    assert found["ann"].problem and "(A, B)" in found["ann"].problem.reason
    assert status(found["bob"]) is status(found["cat"]) is None


def test_a_students_folders_are_no_sections(take: Take) -> None:
    """Eve lays folders with others' names into her own: nobody's work is taken from there."""
    intake = take({**folders("ann", "bob"), **folders("ann", "bob", within="eve/")})
    found = by_id(intake)
    assert set(found) == {"ann", "bob", "eve"}
    assert status(found["eve"]) is Status.QUARANTINED
    assert found["eve"].problem and "2 people (ann, bob)" in found["eve"].problem.reason
    assert status(found["ann"]) is status(found["bob"]) is None


def test_most_of_what_lies_here_decides_whether_it_is_sections(take: Take) -> None:
    zips = {f"{one}/lab8.zip": zipped({"lab8.py": work(one)}) for one in ("ann", "bob")}
    found = by_id(take({**zips, **folders("ann", "bob", within="eve/")}))
    assert set(found) == {"ann", "bob", "eve"} and status(found["eve"]) is Status.QUARANTINED
    sections = {**folders("ann", "bob", within="A/"), **folders("cat", "dan", within="B/")}
    found = by_id(take({**sections, **folders("eve")}))
    assert [status(found[one]) for one in ("A", "B", "eve")] == [Status.QUARANTINED] * 2 + [None]


def test_a_section_may_lie_in_a_folder_of_its_own(take: Take) -> None:
    sections = {
        **folders("ann", "bob", within="A/lab 8/"),
        **folders("cat", "dan", within="B/"),
        "A/r.csv": "x",
    }
    intake = take(sections)
    assert all_fine(intake, "ann", "bob", "cat", "dan")
    assert [one.section for one in intake.submissions] == ["A", "A", "B", "B"]
    assert intake.unclaimed == ("A/r.csv",)


def test_blackboards_files_sorted_into_a_folder_a_student_are_no_downloads(take: Take) -> None:
    """Without the text files nothing tells where a username begins; the folders' names do."""
    named = {
        f"{one}/{name}": content
        for one in ("li_wei", "ann")
        for name, content in attempt(one, {"lab8.py": work(one)}, assignment="Lab_8").items()
        if not name.endswith("07.txt")
    }
    intake = take(named)
    assert all_fine(intake, "ann", "li_wei") and not any(one.section for one in intake.submissions)


def test_a_section_that_cannot_be_listed_is_the_graders_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections = {
        **folders("ann", "bob", within="A/"),
        **folders("cat", "dan", within="B/"),
        "C/eve/lab8.py": "",
    }
    source = lay(tmp_path / "class", sections)
    real = os.scandir

    def refuse(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "C":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = {one.student_id: one for one in read_submissions(source, tmp_path / "work")}
    assert set(found) == {"ann", "bob", "cat", "dan", "C"}
    assert status(found["C"]) is Status.GRADER_ERROR and status(found["ann"]) is None


def test_folders_without_end_take_no_time(tmp_path: Path) -> None:
    deep = "/".join("d" * 400)
    zips = zipped({f"{deep}/{n}.txt": "x" for n in range(300)})
    source = lay(tmp_path / "class", {f"{one}/my.zip": zips for one in "abc"} | {"roster.csv": "x"})
    began = time.process_time()
    assert len(read_submissions(source, tmp_path / "work")) == 3
    assert time.process_time() - began < 5


def test_names_that_look_alike_in_two_sections_are_two_students(take: Take) -> None:
    sections = {**folders("li wei", "bob", within="A/"), **folders("li  wei", "dan", within="B/")}
    intake = take(sections)
    assert len(intake.submissions) == 4 and "li wei" in by_id(intake)
    assert all(status(one) is None for one in intake.submissions)


@pytest.mark.parametrize("name", ["eve.zip", DOWNLOAD])
def test_a_student_cannot_pass_for_a_download(take: Take, name: str) -> None:
    forged = zipped(download("ann", "bob", time="2025-01-01-00-00-00"))
    found = by_id(take({"ann.zip": zipped(FULL), "bob.zip": zipped({"lab8.py": WORK}), name: forged}))
    assert found["ann"].code and found["ann"].code.cells == (WORK,)
    forger = found[name[:-4]]
    assert status(forger) is Status.QUARANTINED
    assert forger.problem and "Blackboard's download of 2 people" in forger.problem.reason


# --- several people's work as one hand-in ------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        folders("ann", "bob"),
        folders("12210002", "12210003", within="work/"),
        {"ann.zip": zipped(FULL), "bob.zip": zipped({"lab8.py": work("bob")})},
        {"ann_lab8.py": WORK, "bob_lab8.py": work("bob"), "cat_lab8.py": work("cat")},
        {"ann_lab8.py": WORK, "bob_lab8.py": work("bob"), "ann_answers.md": "x", "bob answers.md": "y"},
        {f"lab8 ({n})/{name}": f"{text!r}\n{WORK}# {n}" for n in range(3) for name, text in FULL.items()},
        {f"lab8 ({n}).zip": zipped({**FULL, "lab8.py": work(str(n))}) for n in range(3)},
        download("ann", "bob"),
        {"x_101_2001_lab8.py": WORK, "y_102_2002_lab8.py": work("y")},
        {
            "a/Ann Lee_101_assignsubmission_file_/lab8.py": WORK,
            "a/Bob_102_assignsubmission_file_/lab8.py": "",
        },
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_hand_in_of_several_people_is_refused(take: Take, files: Files, packed: bool) -> None:
    pb21 = {"pb21.zip": zipped(files)} if packed else under("pb21", files)
    found = by_id(take({**pb21, **folders("pb22", "pb23")}))
    assert set(found) == {"pb21", "pb22", "pb23"}
    assert status(found["pb21"]) is Status.QUARANTINED and found["pb21"].code is None
    problem = found["pb21"].problem
    assert problem and "looks like" in problem.reason and ": " in problem.reason
    assert status(found["pb22"]) is None


@pytest.mark.parametrize(
    "files",
    [
        {"lab8.py": WORK, "old/lab8.py": work("old"), "ann's/lab8.py": work("ann")},
        {"v1/lab8.py": WORK, "v2/lab8.py": work("2")},
        {"2024-03-01/lab8.py": WORK, "2024-03-02/lab8.py": work("2")},
        {"template/lab8.py": TEMPLATE, "mine/lab8.py": WORK},
        {"from the teacher/lab8.py": TEMPLATE, "pb21/lab8.py": WORK},
        {"pb21/lab8.py": WORK, "pb21 v2/lab8.py": work("2")},
        {"pb21/lab8.py": WORK, "李四_pb21/lab8.py": work("2")},
        {"pb21/lab8.py": WORK, "desktop/lab8.py": WORK},
        {"code/lab8.py": WORK, "notebook/lab8.ipynb": work("x")},
        {"lab8_v1.py": WORK, "lab8_v2.py": work("2"), "lab8_v3.py": work("3")},
        {"lab8_cnn.py": WORK, "lab8_resnet.py": work("2")},
        {"pb21_lab8.py": WORK, "pb21_lab8_final.py": work("2"), "pb21_answers.md": ANSWERS},
        {"arith/sizes.py": "def conv_output_size(x):\n    return x\n", "nets/lab8.py": WORK},
        {"doe_101_2001_lab8.py": WORK, "doe_101_2002_answers.md": ANSWERS},
        {"lab8.py": WORK, "run_1_20_loss.png": b"x", "run_2_20_loss.png": b"x", "runs_3_20_a.png": b"x"},
        {"Ann Lee_101_assignsubmission_file_/lab8.py": WORK},
        attempt("pb21", FULL),
    ],
    ids=lambda files: " ".join(files)[:60],
)
def test_one_persons_versions_are_one_hand_in(take: Take, files: Files) -> None:
    found = by_id(take({**under("pb21", files), **folders("pb22", "pb23")}))
    assert set(found) == {"pb21", "pb22", "pb23"}
    assert status(found["pb21"]) is None and found["pb21"].code, found["pb21"].problem


def test_a_class_in_flat_files_is_no_student(take: Take) -> None:
    intake = take({f"lab8 {name}.py": work(name) for name in ("ann", "bob", "cat")})
    (only,) = intake.submissions
    assert status(only) is Status.QUARANTINED and only.problem and "3 people" in only.problem.reason


# --- other systems' downloads ------------------------------------------------------------------------

CANVAS: Files = {
    "doejane_12341_9876510_lab8.py": WORK,
    "doejane_12341_9876511_answers.md": ANSWERS,
    "smithbob_LATE_12342_9876520_lab8.py": work("bob"),
    "wongamy_12343_5_text.html": "x",
    "anon_x9Yz1_880125_a.py": "",
}
MOODLE: Files = {
    "Ann Lee_40213_assignsubmission_file_/lab8.py": WORK,
    "张 三_40214_assignsubmission_file/lab8.py": work("z"),
}
OTHERS: dict[str, Files] = {
    "Canvas": CANVAS,
    "Moodle": MOODLE,
    "Moodle, one": {
        **dict(list(MOODLE.items())[:1]),
        "Ann Lee_40213_assignsubmission_onlinetext_/o.html": "x",
    },
    "Moodle, flat": {f"{n}_assignsubmission_file_lab8.py": work(n) for n in ("Ann Lee_1", "Bob_2")},
    "Gradescope": {
        "submission_metadata.yml": "x",
        "submission_9001/lab8.py": WORK,
        "submission_9002/lab8.py": work("2"),
    },
    "Brightspace": {
        "39786-640693 - Ann Lee - Oct 10, 2025 1022 AM/lab8.py": WORK,
        "39786-640694 - Bob Lee - Oct 9, 2025 922 PM/lab8.py": work("b"),
        "index.html": "x",
    },
}


@pytest.mark.parametrize("where", ["here", "in a zip", "in a folder", "beside a roster"])
@pytest.mark.parametrize("system", OTHERS)
def test_another_systems_download_is_recognised_wherever_it_lies(take: Take, system: str, where: str) -> None:
    files = OTHERS[system]
    if where == "in a folder":
        files = under("download", files)
    elif where == "in a zip":
        files = {"submissions.zip": zipped(files)}
    elif where == "beside a roster":
        files = {"roster.csv": "x", **files}
    assert f"{system.split(',')[0]}'s " in take(files).lines[0]


@pytest.mark.parametrize("case", ["lms_canvas_flat", "lms_moodle"])
def test_downloads_that_once_were_one_student_are_three(case: str, tmp_path: Path) -> None:
    source = Path(__file__).parents[2] / "shared" / "cases" / case
    if not source.is_dir():
        pytest.skip("the collected cases are not here")
    intake = read_source(source, tmp_path)
    assert len(intake.submissions) == 3 and not any(map(status, intake.submissions))


def test_their_files_sorted_into_a_folder_a_student_are_read(take: Take) -> None:
    sorted_ = {f"{name.split('_')[0]}/{name}": content for name, content in CANVAS.items() if "_1234" in name}
    found = by_id(take(sorted_))
    assert status(found["doejane"]) is status(found["smithbob"]) is None
    assert found["doejane"].answer_texts == (ANSWERS,)


_WORDS = st.sampled_from(
    ["ann", "lab8", "12", "9876", "_", " ", ".py", "assignsubmission", "file", "LATE", "-"]
)
_NAMES = st.lists(_WORDS, min_size=1, max_size=10).map("".join) | st.text(max_size=40)


@given(st.sets(_NAMES, max_size=8))
def test_any_names_have_a_shape_or_none(names: set[str]) -> None:
    shape = shape_of(names)
    assert shape is None or 1 <= shape.people <= len(names)
    for name in names:
        assert owner(owner(name)) == owner(name)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("lab8 (1)", ""),
        ("lab8-final_v2", ""),
        ("2024-03-01", ""),
        ("实验八", ""),
        ("最终版2", ""),
        ("ann_lab8", "ann"),
        ("12210002", "12210002"),
        ("实验八_张三", "张三"),
        ("张三", "张三"),
        ("pb21", "pb21"),
    ],
)
def test_a_name_without_the_words_for_the_work(name: str, wanted: str) -> None:
    assert owner(name) == wanted


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    names=st.lists(st.sampled_from(["ann", "bob", "A", "lab8", DOWNLOAD[:-4], "x_1_2_y"]), max_size=3),
    inner=st.lists(
        st.sampled_from(["lab8.py", "eve/lab8.py", "bob/lab8.py", *download("ann", "bob")]), max_size=4
    ),
    packed=st.booleans(),
    others=st.sampled_from(["folders", "zips", "zips in folders"]),
)
def test_what_a_student_hands_in_changes_nothing_for_three_others(
    tmp_path: Path, names: list[str], inner: list[str], packed: bool, others: str
) -> None:
    """Their names are taken as the LMS gave them; what lies in a folder or a zip is the student's."""
    hand_in: Files = {"/".join([*names, name]): work("eve") for name in inner}
    mine = {"eve.zip": zipped(hand_in)} if packed else under("eve", hand_in)
    theirs: Files = folders("ann", "bob", "cat")
    if others != "folders":
        name = ".zip" if others == "zips" else "/my lab8.zip"
        theirs = {one + name: zipped({"lab8.py": work(one)}) for one in ("ann", "bob", "cat")}
    source = lay(tmp_path / "source", {**theirs, **mine})
    found = {one.student_id: one for one in read_submissions(source, tmp_path / "work")}
    for student in ("ann", "bob", "cat"):
        one = found[student]
        assert status(one) is None and one.code and one.code.cells == (work(student),)
    assert set(found) <= {"ann", "bob", "cat", "eve"}
    shutil.rmtree(source)
    shutil.rmtree(tmp_path / "work")


def test_looking_into_students_zips_costs_the_source_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One with a list of members as long as may be, and many beside it that are looked into first."""
    monkeypatch.setattr("grader.intake.source.SOURCE_DIRECTORY_BYTES", 100_000)
    long = listing(2_000, b"a")
    zips = {f"{n}/lab8.zip": long for n in range(8)}
    source = lay(tmp_path / "class", {**zips, "ann/my.zip": zipped(FULL)})
    found = {one.student_id: one for one in read_submissions(source, tmp_path / "work")}
    assert len(found) == 9 and status(found["ann"]) is None
    allowance = Allowance(100_000, 32 << 20)
    for keeps in (False, True):
        with allowance.trial(hurried=True) as keep:
            assert allowance.members == STUDENT_MEMBERS
            allowance.take(listing(5)[:-22])
            if keeps:
                keep()
        assert allowance.members == 100_000 - 5 * keeps
        allowance.expect_time()


# --- the results' folder -----------------------------------------------------------------------------


def test_results_inside_the_source_are_no_student(tmp_path: Path) -> None:
    source = lay(tmp_path / "class", folders("ann", "bob"))
    out = lay(source / "out", {"students/ann.json": "{}", "scores.csv": "x", "lab8.py": WORK})
    for given_as in (out, tmp_path / "class" / ".." / "class" / "out"):
        intake = read_source(source, tmp_path / "work", leave_out=given_as)
        assert all_fine(intake, "ann", "bob") and not intake.unclaimed
    link = tmp_path / "link"
    link.symlink_to(source)
    assert all_fine(read_source(link, tmp_path / "work", leave_out=out), "ann", "bob")
    assert len(read_submissions(source, tmp_path / "work", leave_out=tmp_path / "elsewhere")) == 3


def test_results_of_an_earlier_run_are_no_student(take: Take) -> None:
    intake = take({**folders("ann", "bob"), "old/gradebook.sqlite": "x", "old/scores.csv": "x"})
    assert all_fine(intake, "ann", "bob") and intake.unclaimed == ("old/",)
    with pytest.raises(UserError, match="nothing else"):
        take({"old/gradebook.sqlite": "x", "old/scores.csv": "x"})


def test_the_source_itself_is_not_for_results(tmp_path: Path) -> None:
    source = lay(tmp_path / "class", folders("ann", "bob"))
    with pytest.raises(UserError, match="choose another --out"):
        read_source(source, tmp_path / "work", leave_out=source / "." / "ann" / "..")


# --- what the grader cannot read ---------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The system cannot read the file of this name."""

    class Failing(io.FileIO):
        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            if str(Path(f"/proc/self/fd/{self.fileno()}").readlink()).endswith(name):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().readinto(buffer)

    class FailingOwnFile(OwnFile, Failing):  # type: ignore[misc]
        """Whose `super().readinto` is the failing one."""

    monkeypatch.setattr("grader.intake.entries.OwnFile", FailingOwnFile)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that fails where it begins")
def test_what_the_system_cannot_read_is_no_damage() -> None:
    with open_regular("/proc/self/mem") as file, pytest.raises(SourceReadError, match="mem cannot be read"):
        file.read(10)


@pytest.mark.skipif(sys.platform != "linux", reason="looks files up in /proc")
@pytest.mark.parametrize("name", ["lab8.py", "classifier.safetensors", "answers.md", "more.zip", "README"])
def test_a_disk_that_fails_makes_no_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    files = {**FULL, "more.zip": zipped({"x.txt": "x"}), "README": "x"}
    source = lay(tmp_path / "class", {**under("pb21", files), **folders("pb22")})
    failing(monkeypatch, f"pb21/{name}")
    found = {one.student_id: one for one in read_submissions(source, tmp_path / "work")}
    problem = found["pb21"].problem
    assert problem and problem.status is Status.GRADER_ERROR
    assert name in problem.reason and "Input/output error" in problem.reason
    assert status(found["pb22"]) is None
    with pytest.raises(UserError, match="Input/output error"):
        read_folder(source / "pb21", tmp_path / "own")


@pytest.mark.skipif(sys.platform != "linux", reason="looks files up in /proc")
def test_a_download_that_cannot_be_read_is_one_line(take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, DOWNLOAD)
    with pytest.raises(UserError, match="Input/output error"):
        take({DOWNLOAD: zipped(download("ann", "bob")), "roster.csv": "x"})


@pytest.mark.skipif(sys.platform != "linux", reason="looks files up in /proc")
def test_blackboards_text_that_cannot_be_read_makes_no_zero(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "Lab 8_ann_attempt_2024-03-08-00-00-00.txt")
    older, newer = (download("ann", "bob", time=f"2024-03-0{day}-00-00-00") for day in (5, 8))
    found = by_id(take(older | newer))
    assert status(found["ann"]) is Status.GRADER_ERROR and status(found["bob"]) is None


AS_NOBODY = """
import sys
from pathlib import Path
from grader.intake import read_submissions
for one in read_submissions(Path(sys.argv[1]), Path(sys.argv[2])):
    print(one.student_id, one.problem.status.value + ": " + one.problem.reason if one.problem else "fine")
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs to become somebody else")
def test_without_permission_to_read_there_is_no_zero(tmp_path: Path) -> None:
    source = lay(tmp_path / "class", {**under("pb21", FULL), **folders("pb22", "pb23", "pb24")})
    (source / "pb21" / "classifier.safetensors").chmod(0)
    (source / "pb23").chmod(0)
    (source / "pb24" / "sub").mkdir(mode=0)
    for folder in [tmp_path, *tmp_path.parents][:-2]:
        folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "work").mkdir()
    (tmp_path / "work").chmod(0o777)
    who = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    command = (*who, sys.executable, "-c", AS_NOBODY, source, tmp_path / "work")
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    if "ModuleNotFoundError" in done.stderr or "Permission denied: '/" in done.stderr:
        pytest.skip("the kit lies where nobody else can read it")
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert told["pb22"] == "fine", done.stderr
    for student in ("pb21", "pb23", "pb24"):
        assert told[student].startswith("grader_error: ") and "Permission denied" in told[student]


# --- what is said before grading ---------------------------------------------------------------------


def test_the_lines_are_few_and_safe(take: Take) -> None:
    rubbish = {f"notes{n}\x1b[31m.txt": "x" for n in range(30)}
    intake = take({**folders("ann", "bob", "cat"), **rubbish})
    assert intake.lines[0] == "3 students: one folder or zip a student (their names are taken as the ids)"
    assert len(intake.lines) == 2 and intake.lines[1].endswith("and 24 more")
    assert all("\x1b" not in line and len(line) < 1_000 for line in intake.lines)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (FULL, "1 student: one submission (lab8.py lies at its top)"),
        ({"notes.txt": "x"}, "1 student: one submission (no folder or zip is in it)"),
        ({"src/lab8.py": WORK, "data/x.csv": "x"}, "1 student: one submission (its folders are named after"),
        ({"pb21.zip": zipped(FULL)}, "1 student: one submission (one archive, pb21.zip)"),
        (download("ann", "bob"), "2 students: Blackboard's download (the names of its files)"),
        ({DOWNLOAD: zipped(download("ann"))}, f"1 student: Blackboard's download in {DOWNLOAD} ("),
    ],
)
def test_the_layout_is_said(take: Take, files: Mapping[str, str | bytes], words: str) -> None:
    assert take(files).lines[0].startswith(words)


@pytest.mark.parametrize("packed", ["", "each", "all"])
def test_a_virtual_environment_is_left_out_whatever_it_is_called(take: Take, packed: str) -> None:
    library = {f"lib/python3.11/site-packages/p/{n}.py": "" for n in range(STUDENT_FILES + 1)}
    environment = {"pyvenv.cfg": "home = /usr/bin\n", "bin/python": "", **library}
    files: dict[str, str | bytes] = dict(folders("ann", "bob"))
    files |= {f"ann/my env/{name}": content for name, content in environment.items()}
    files |= {f"bob/{name}": content for name, content in environment.items()}  # around the work
    if packed == "each":
        parts = {who: {n[4:]: c for n, c in files.items() if n.startswith(who)} for who in ("ann", "bob")}
        files = {f"{who}.zip": zipped(part) for who, part in parts.items()}
    found = take({"class.zip": zipped(files)} if packed == "all" else files).submissions
    assert [(one.student_id, one.problem, bool(one.code)) for one in found] == [
        ("ann", None, True),
        ("bob", None, True),
    ]


def test_an_environment_hides_no_hostile_name(take: Take) -> None:
    hostile = zipped({"pyvenv.cfg": "", "lib/../../x": "", "lab8.py": WORK})
    (only,) = take({"ann.zip": hostile}).submissions
    assert status(only) is Status.QUARANTINED and "leads out" in remarks(only) + str(only.problem)
