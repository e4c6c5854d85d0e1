"""Downloads of learning management systems, composed after their grammars, with the traps in them."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_intake import ANSWERS, WORK, Files, attempt, lay, remarks, status, zipped

from grader.errors import UserError
from grader.intake import Intake, read_source
from grader.intake.entries import Entry
from grader.intake.layout import WORDS
from grader.intake.lms import SYSTEMS, brightspace, canvas, git, gradescope, moodle
from grader.intake.lms.blackboard import BLACKBOARD
from grader.intake.people import owner
from grader.intake.whose import Known, Person
from grader.types import Status, Submission

TYPED = "<p>Question 1:</p><p>Yes, an autoencoder.<br>Q2. Often&#8230;</p>"
Take = Callable[..., dict[str, Submission]]


def work(who: str) -> str:
    return f"{WORK}# {who}\n"


def named(*ids: str, **also: list[str]) -> Known:
    """Nothing but a map."""
    return Known(named={**{one: [one] for one in ids}, **also})


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Intake]:
    def reading(
        files: Files | bytes, known: Known | None = None, layout: str = "", name: str = "s"
    ) -> Intake:
        source = tmp_path / name
        shutil.rmtree(source, ignore_errors=True)
        if isinstance(files, bytes):
            source = source.with_suffix(".zip")
            source.write_bytes(files)
        else:
            lay(source, files)
        return read_source(source, tmp_path / "work", layout=layout, known=known)

    return reading


@pytest.fixture
def take(read: Callable[..., Intake]) -> Take:
    def taking(*words: object, **more: object) -> dict[str, Submission]:
        intake = read(*words, **more)
        assert len({one.student_id for one in intake.submissions}) == len(intake.submissions)
        return {one.student_id: one for one in intake.submissions}

    return taking


def code(submission: Submission) -> str:
    assert submission.problem is None, submission.problem
    return "".join(submission.code.cells) if submission.code else ""


def quarantined(submission: Submission, *words: str) -> bool:
    reason = submission.problem.reason if submission.problem else ""
    assert all(word in reason for word in words), reason
    return status(submission) is Status.QUARANTINED and "--map" in reason


# --- Canvas ------------------------------------------------------------------------------------------

CANVAS: Files = {
    "doejane_12341_9876510_lab8.py": work("jane"),
    "doejane_12341_9876511_answers.md": ANSWERS,
    "smith_bob_LATE_12342_9876520_lab8-2.py": work("bob"),
    "smith_bob_LATE_12342_9876521_my_notes_1_2.txt": "x",
    "张三_12343_5_lab8.py": work("zhang"),
    "张三_12343_text.html": TYPED,
}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("zhangsan_LATE_5512_880123_main-1.py", ("zhangsan", "5512", True, "main-1.py")),
        ("张三_5512_880124_lab_2.c", ("张三", "5512", False, "lab_2.c")),
        ("a_b_c_5512_880124_1_2_x.py", ("a_b_c", "5512", False, "1_2_x.py")),
        ("anon_x9Yz1_880125_a.py", ("", "anon_x9Yz1", False, "a.py")),
        ("LATE_anon_x9Yz1_880125_a.py", ("", "anon_x9Yz1", True, "a.py")),
        ("zhangsan_5512_text.html", ("zhangsan", "5512", False, "text.html")),
        ("zhangsan_5512_1_text.html", ("zhangsan", "5512", False, "text.html")),
        ("x_LATE_y_5512_1_a.py", ("x_LATE_y", "5512", False, "a.py")),
    ],
)
def test_canvas_names(name: str, wanted: tuple[str, str, bool, str]) -> None:
    part = canvas.part_of(name)
    assert part is not None and part[:4] == wanted


@pytest.mark.parametrize("name", ["lab8.py", "a_1_b.py", "_1_2_x.py", "a_1_2_", "LATE_1", "run_٣_٤_x.py", ""])
def test_canvas_writes_no_such_names(name: str) -> None:
    assert canvas.part_of(name) is None


@pytest.mark.parametrize(
    ("original", "plain"),
    [
        ("lab8-1.py", "lab8.py"),
        ("Lab8-12.ipynb", "Lab8.ipynb"),
        ("classifier-1.safetensors", "classifier.safetensors"),
        ("classifier-1.pth.tar", "classifier.pth.tar"),
        ("answers-3.md", "answers.md"),
        ("lab-1.py", "lab-1.py"),
        ("my-lab8-1.py", "my-lab8-1.py"),
        ("report-1.md", "report-1.md"),
    ],
)
def test_canvas_number_is_taken_off_where_that_gives_what_is_asked_for(original: str, plain: str) -> None:
    assert canvas.plain_name(original, ()) == plain
    assert canvas.plain_name(original, (plain,)) == original


def test_canvas(read: Callable[..., Intake]) -> None:
    intake = read(CANVAS)
    found = {one.student_id: one for one in intake.submissions}
    assert set(found) == {"12341", "12342", "12343"}
    assert code(found["12341"]) == work("jane") and found["12341"].answer_texts == (ANSWERS,)
    assert found["12342"].late == "LATE" and found["12342"].submitted_at is None
    assert found["12342"].code and found["12342"].code.filename == "lab8.py"
    assert "autoencoder" in found["12343"].answer_texts[0] and found["12343"].name == "张三"
    assert intake.lines[0].startswith("3 students: Canvas's download (files named after a person, ")
    assert any("1 is marked late" in line for line in intake.lines)


def test_two_of_one_name_are_two_in_canvas(take: Take) -> None:
    found = take({"liwei_1_10_lab8.py": work("1"), "liwei_2_11_lab8.py": work("2"), "x_3_12_lab8.py": WORK})
    assert code(found["1"]) == work("1") and code(found["2"]) == work("2")


def test_anonymous_grading_needs_the_map(take: Take) -> None:
    files = {"anon_aaa11_5_lab8.py": work("a"), "LATE_anon_bbb22_6_lab8.py": work("b")}
    found = take(files)
    assert all(quarantined(one, "anonymous") for one in found.values())
    found = take(files, Known([Person("a1")], {"anon_aaa11": ["a1"]}))
    assert code(found["a1"]) == work("a") and quarantined(found["anon_bbb22"], "anon_bbb22,ID")


def test_a_canvas_groups_work_is_every_members(take: Take) -> None:
    files = {"team4_12341_5_lab8.py": work("team"), "doejane_12342_6_lab8.py": work("jane")}
    roster = [Person("12341", "Bo", group="Team 4"), Person("12343", group="team 4"), Person("12342")]
    for known in (Known(roster), Known(named={"team4": ["12341", "12343"]})):
        found = take(files, known)
        assert set(found) == {"12341", "12342", "12343"}
        assert found["12341"].digest == found["12343"].digest and found["12341"].group == "team4"
        assert found["12342"].group == ""


def test_canvas_names_are_the_class_lists(take: Take) -> None:
    files = {"doejane_1_5_lab8.py": WORK, "team4_2_6_lab8.py": work("team")}
    found = take(files, Known([Person("1", "Jane Doe"), Person("2", "Bo Li")]))
    assert found["1"].name == "Jane Doe" and "group" not in remarks(found["1"])
    assert found["2"].name == "Bo Li" and "calls it team4: if that is a group" in remarks(found["2"])


# --- Moodle ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["", "_"], ids=["4.1", "older"])
def test_moodle(take: Take, sign: str) -> None:
    found = take(
        {
            f"张 三_40213_assignsubmission_file{sign}/src/lab8.py": work("zhang"),
            f"张 三_40213_assignsubmission_onlinetext{sign}/onlinetext.html": TYPED,
            f"Ann Lee_40214_assignsubmission_file{sign}/lab8.zip": zipped({"lab8.py": work("ann")}),
            f"Ann Lee_40215_assignsubmission_file{sign}/lab8.py": work("another ann"),
        }
    )
    assert set(found) == {"40213", "40214", "40215"}
    assert code(found["40213"]) == work("zhang") and "autoencoder" in found["40213"].answer_texts[0]
    assert code(found["40214"]) == work("ann") and code(found["40215"]) == work("another ann")


def test_moodle_without_folders(take: Take) -> None:
    found = take(
        {
            "Ann Lee_1_assignsubmission_file_my_lab8.py": work("ann"),
            "Ann Lee_1_assignsubmission_file_Bob_2_assignsubmission_file_x.md": "x",  # an imitation
            "Bob_2_assignsubmission_file_lab8.py": work("bob"),
            "Bob_2_assignsubmission_onlinetext_onlinetext.html": TYPED,
        }
    )
    assert set(found) == {"1", "2"} and code(found["1"]) == work("ann")
    assert found["2"].answer_texts


@pytest.mark.parametrize("word", ["Participant", "参与者", "Teilnehmer"])
def test_blind_marking_needs_the_worksheet_or_the_map(take: Take, word: str) -> None:
    files = {f"{word}_{n}_assignsubmission_file/lab8.py": work(str(n)) for n in (7, 8, 9)}
    assert all(quarantined(one, "blind") for one in take(files).values())
    found = take(files, Known([Person("7"), Person("8")]))
    assert code(found["7"]) == work("7") and code(found["8"]) == work("8")
    assert quarantined(found[f"{word} 9"])
    assert code(take(files, Known(named={f"{word} 7": ["a"]}))["a"]) == work("7")


def test_moodle_groups(take: Take) -> None:
    files = {
        "Team A_88_assignsubmission_file/lab8.py": work("A"),
        "Default group_assignsubmission_file/lab8.py": work("nobody"),
        "Team B_89_assignsubmission_file/lab8.py": work("B"),
    }
    # The numbers are the groups', and may be somebody's in the class list too.
    roster = [
        Person("1", "Bo", group="Team A"),
        Person("2", "Cy", group="Team A"),
        Person("89", "Di"),
    ]
    found = take(files, Known(roster, {"Team B": ["3", "4"]}))
    assert {one: code(found[one]) for one in "1234"} == {
        **dict.fromkeys("12", work("A")),
        **dict.fromkeys("34", work("B")),
    }
    assert quarantined(found["Default group"], "no number")
    assert quarantined(take(files, Known(roster))["89 (Team B)"], "Di", "group")


# --- Gradescope --------------------------------------------------------------------------------------

METADATA = """---
submission_9001:
  :submitters:
  - :name: 张三
    :sid: '00123'
    :email: z@x.edu
  - :name: "Ann Lee\\nsubmission_9002:"
    :sid: 00124
    :email: a@x.edu
  :created_at: 2024-03-05 23:59:07.1 Z
  :score: 7.0
  :results: {tests: [{name: t1, score: 1, max_score: 2}]}
  :history:
  - :created_at: &at 2024-03-04 10:00:00 Z
    :score: 3.0
submission_9002:
  :submitters:
  - :name: Bob
    :sid: ~
    :email: Bob@x.edu
  :created_at: *at
"""
GRADESCOPE: Files = {
    "submission_metadata.yml": METADATA,
    "submission_9001/lab8.py": work("9001"),
    "submission_9001/submission_metadata.yml": METADATA.replace("00123", "00999"),  # an imitation
    "submission_9002/lab8.py": work("9002"),
    "submission_9003/lab8.py": work("9003"),
}


@pytest.mark.parametrize("within", ["", "assignment_12_export/"])
def test_gradescope(take: Take, within: str) -> None:
    found = take({within + name: content for name, content in GRADESCOPE.items()})
    assert set(found) == {"00123", "00124", "Bob@x.edu", "submission_9003"}
    assert code(found["00123"]) == code(found["00124"]) == work("9001")
    assert found["00123"].group == found["00124"].group != ""
    assert found["00123"].submitted_at == datetime(2024, 3, 5, 23, 59, 7, tzinfo=timezone.utc)
    assert found["00123"].attempt == 2 and found["00123"].name == "张三"
    assert quarantined(found["submission_9003"], "does not list it")
    found = take(GRADESCOPE, Known([Person("b1", email="bob@x.edu")], {"submission_9003": ["c1"]}))
    assert code(found["b1"]) == work("9002") and code(found["c1"]) == work("9003")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "a: [",
        "a: &a [*a, *a]\n",
        "{" * 10_000,
        "- " * 10_000,
        "".join(f"{' ' * n}a:\n" for n in range(1_000)),
        "a: &a [x]\n" + "".join(f"b{n}: &b{n} {{<<: [*a, *a]}}\n" for n in range(100)),
        "!!python/object/apply:os.system ['true']",
        "submission_9001: !!python/name:os.system x",
        "submission_9001: {':submitters': [[1], {2: 3}, x]}",
        "\x00",
        "submission_9001: 1" + "0" * 100_000,
    ],
)
def test_gradescope_metadata_that_is_hostile_is_survived(take: Take, text: str) -> None:
    found = take({**GRADESCOPE, "submission_metadata.yml": text})
    assert {one for one in found.values() if not quarantined(one)} == set()


def test_gradescope_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60))]
    assert len(gradescope.parse_metadata("\n".join(lines))) == 60


# --- Brightspace -------------------------------------------------------------------------------------

TEN = "Oct 10, 2025 1022 AM"
BRIGHTSPACE: Files = {
    f"39786-640693 - Ann Lee - {TEN}/lab8.py": work("new"),
    "39786-640693 - Ann Lee - Oct 9, 2025 922 PM/lab8.py": work("old"),
    f"39787-640693 - Bob - {TEN}/src/lab8.py": work("bob"),
    "index.html": "x",
}


def test_brightspace(take: Take, read: Callable[..., Intake]) -> None:
    found = take({f"Lab 8 Download/{name}": content for name, content in BRIGHTSPACE.items()})
    assert set(found) == {"Ann Lee", "Bob"} and code(found["Ann Lee"]) == work("new")
    assert found["Ann Lee"].attempt == 2 and found["Bob"].attempt == 1
    assert found["Ann Lee"].submitted_at == datetime(2025, 10, 10, 10, 22)
    assert "attempt 1 of 2 (2025-10-09 21:22:00) was set aside" in remarks(found["Ann Lee"])
    found = take(BRIGHTSPACE, Known([Person("a1", "Lee, Ann"), Person("b1", "Bob"), Person("b2", "bob")]))
    assert code(found["a1"]) == work("new") and quarantined(found["Bob"], "2 people", "Bob")
    assert not read(BRIGHTSPACE).unclaimed


def test_brightspace_without_folders(take: Take) -> None:
    found = take(
        {
            f"1-5 - Ann Lee - {TEN} - lab8 - v2.py": work("ann"),
            f"1-5 - Ann Lee - {TEN} - answers - Oct 9, 2025 922 PM - x.md": ANSWERS,
            f"2-5 - 王 五 - {TEN} - lab8.py": work("wang"),
        }
    )
    assert set(found) == {"Ann Lee", "王 五"} and code(found["王 五"]) == work("wang")
    assert found["Ann Lee"].answer_texts == (ANSWERS,)


def test_two_of_one_name_are_nobody_in_brightspace(take: Take) -> None:
    """Whether the number before the name is the person's is not known: so both cases stay in doubt."""
    numbers = {f"1-5 - Li - {TEN}/lab8.py": WORK, "2-5 - Li - Oct 9, 2025 922 PM/lab8.py": work("2")}
    assert all(quarantined(one, "several people") for one in take(numbers).values())
    shared = {f"9-5 - Li - {TEN}/lab8.py": WORK, "9-5 - Li - Oct 9, 2025 922 PM/lab8.py": work("2")}
    shared |= {f"9-5 - Bo - {TEN}/lab8.py": work("bo")}
    found = take(shared)
    assert quarantined(found["Li"], "two people") and code(found["Bo"])
    assert code(take(shared, Known([Person("l1", "Li"), Person("b1", "Bo")]))["l1"]) == WORK
    found = take(numbers, Known([Person("l1", "Li")], {"1-5": ["l1"]}))
    assert code(found["l1"]) == WORK and quarantined(found["2-5 - Li"])


def test_a_brightspace_groups_work_needs_its_members(take: Take) -> None:
    files = {f"9-5 - Team 4 - Ann Lee - {TEN}/lab8.py": work("team"), f"9-6 - Bo - {TEN}/lab8.py": WORK}
    assert quarantined(take(files)["Team 4 - Ann Lee"], "group")
    roster = [Person("a", "Ann Lee", group="Team 4"), Person("b", "Bo"), Person("c", group="Team 4")]
    found = take(files, Known(roster))
    assert code(found["a"]) == code(found["c"]) == work("team") and found["a"].group == "Team 4"
    assert code(take(files, named(**{"Team 4": ["a", "c"]}))["c"]) == work("team")


# --- GitHub Classroom --------------------------------------------------------------------------------

GRADES = (
    "assignment_name,assignment_url,starter_code_url,github_username,roster_identifier,"
    "student_repository_name,student_repository_url,submission_timestamp,points_awarded,points_available\n"
    "Lab 8,u,u,ann-a,12210001,lab8-ann-a,u,2024-03-05T23:59:07Z,1,1\n"
    "Lab 8,u,u,bob,12210002,lab8-team,u,,1,1,Team 1\n"
    "Lab 8,u,u,cy,12210003,lab8-team,u,,1,1,Team 1\n"
)


def clone(folder: Path, who: str, *, packed: bool = True, branch: str = "main") -> Path:
    """A repository as `git clone` leaves it, with one commit."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environment |= {"GIT_AUTHOR_DATE": "1700000000 +0800", "GIT_COMMITTER_DATE": "1700000060 +0800"}
    for who_is in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who_is}_NAME": "张 三 > 1 +0000", f"GIT_{who_is}_EMAIL": "z@x.edu"}
    lay(folder, {"lab8.py": work(who)})
    for words in (
        ["init", "--quiet", f"--initial-branch={branch}"],
        ["add", "."],
        ["commit", "--quiet", "--message", "x\n\ncommitter a <b> 1 +0000"],
        *([["gc", "--quiet"]] if packed else []),
    ):
        subprocess.run(["git", *words], cwd=folder, env=environment, check=True)
    return folder


COMMITTED = datetime.fromtimestamp(1700000060, timezone.utc)
needs_git = pytest.mark.skipif(not shutil.which("git"), reason="makes repositories")


@needs_git
@pytest.mark.parametrize("packed", [True, False])
def test_the_time_of_a_commit_is_read_without_git(tmp_path: Path, packed: bool) -> None:
    folder = clone(tmp_path / "a", "ann", packed=packed, branch="feature/x.y")
    assert git.is_clone(str(folder)) and git.committed_at(str(folder)) == COMMITTED
    (head,) = (folder / ".git" / "HEAD").read_text().split()[1:]
    name = git._head(folder / ".git")
    (folder / ".git" / "HEAD").write_text(name)  # detached
    assert git.committed_at(str(folder)) == COMMITTED
    for hostile in (
        f"ref: refs/heads/../../../{head}",
        "ref: /etc/passwd",
        "0" * 40,
        "",
        "\xff",
        "x" * 5_000,
    ):
        (folder / ".git" / "HEAD").write_text(hostile, "latin-1")
        assert git.committed_at(str(folder)) is None
    (folder / ".git" / "HEAD").write_text(name)
    moved = tmp_path / "objects"
    (folder / ".git" / "objects").rename(moved)
    (folder / ".git" / "objects").symlink_to(moved)
    assert git.committed_at(str(folder)) is None  # no link is followed


@needs_git
def test_damage_in_a_repository_is_survived(tmp_path: Path) -> None:
    folder = clone(tmp_path / "a", "ann")
    for file in [*(folder / ".git" / "objects" / "pack").iterdir(), folder / ".git" / "packed-refs"]:
        raw = file.read_bytes()
        file.chmod(0o600)
        for at in range(0, len(raw), max(len(raw) // 60, 1)):
            file.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
            assert git.committed_at(str(folder)) in (None, COMMITTED)  # its name is its digest
            file.write_bytes(raw[:at])
            assert git.committed_at(str(folder)) in (None, COMMITTED)
        file.write_bytes(raw)
    assert git.committed_at(str(folder)) == COMMITTED


@needs_git
def test_classroom_clones(tmp_path: Path) -> None:
    source = tmp_path / "lab8-submissions"
    for who in ("ann-a", "ann-b", "team"):
        clone(source / f"lab8-{who}", who)
    config = source / "lab8-ann-a" / ".git" / "config"
    config.write_text(f"[core]\n\tfsmonitor = touch {tmp_path}/ran\n[include]\n\tpath = /etc/passwd\n")
    intake = read_source(source, tmp_path / "work")
    found = {one.student_id: one for one in intake.submissions}
    assert set(found) == {"ann-a", "ann-b", "team"} and code(found["ann-a"]) == work("ann-a")
    assert found["ann-a"].submitted_at == COMMITTED
    assert "whoever made the commit could set" in remarks(found["ann-a"])
    assert "GitHub Classroom's clones" in intake.lines[0] and not (tmp_path / "ran").exists()
    (source / "grades.csv").write_text(GRADES)
    intake = read_source(source, tmp_path / "work2")
    found = {one.student_id: one for one in intake.submissions}
    assert set(found) == {"12210001", "12210002", "12210003", "ann-b"}
    assert found["12210001"].submitted_at == datetime(2024, 3, 5, 23, 59, 7, tzinfo=timezone.utc)
    assert code(found["12210002"]) == code(found["12210003"]) == work("team")
    assert found["12210003"].group == "Team 1"


@needs_git
def test_without_its_folders_name_a_clone_keeps_its_whole_name(tmp_path: Path) -> None:
    """What the names share need not be the assignment's: lab8-ann-a and lab8-ann-b are no `a` and `b`."""
    for who in ("a", "b"):
        clone(tmp_path / "clones" / f"lab8-ann-{who}", who)
    found = read_source(tmp_path / "clones", tmp_path / "work").submissions
    assert [one.student_id for one in found] == ["lab8-ann-a", "lab8-ann-b"]


# --- files named after students, and folders ---------------------------------------------------------


def test_flat_files(take: Take) -> None:
    found = take(
        {
            "12210001_lab8.py": work("1"),
            "12210001_classifier.safetensors": b"\x02" + bytes(7) + b"{}",
            "12210001_answers.md": ANSWERS,
            "li_wei_lab8.ipynb": "{}",
            "li_lab8.py": work("li"),
            "li_answers.md": ANSWERS,
            "li_wei_answers.md": ANSWERS,
            "notes.txt": "x",
        }
    )
    assert {"12210001", "li", "li_wei"} <= set(found) and code(found["12210001"]) == work("1")
    assert found["12210001"].weights and found["12210001"].answer_texts == (ANSWERS,)
    assert code(found["li"]) == work("li") and found["li"].answer_texts == (ANSWERS,)
    assert quarantined(found["li_wei_answers.md"], "li or li_wei")


@pytest.mark.parametrize(
    "files",
    [
        {"v1_lab8.py": WORK, "v2_lab8.py": work("2")},
        {"cnn_lab8.py": WORK, "resnet_lab8.py": work("2")},
        {"lab8.py": WORK, "ann_lab8.py": work("2"), "bob_lab8.py": work("3")},
        {"12210001_lab8.py": WORK},
    ],
)
def test_one_persons_files_are_no_class(take: Take, files: Files) -> None:
    assert len(take(files)) == 1


def test_a_map_may_name_folders_zips_and_strays(take: Take) -> None:
    files: Files = {
        "Ann (1).zip": zipped({"lab8.py": work("a")}),
        "Bob/lab8.py": work("b"),
        "x lab8.py": WORK,
    }
    found = take(files, named(**{"Ann (1)": ["a"], "Bob": ["b", "c"], "x lab8.py": ["d"]}))
    assert {one: code(found[one]) for one in found} == {
        **{"a": work("a"), "b": work("b")},
        **{"c": work("b"), "d": WORK},
    }
    assert found["b"].group == "Bob"


def test_a_map_is_no_guess(read: Callable[..., Intake]) -> None:
    """A name that two carry, and one that nobody carries, are told."""
    files = {"liwei_1_10_lab8.py": work("1"), "liwei_2_11_lab8.py": work("2"), "x_3_12_lab8.py": WORK}
    intake = read(files, named(**{"liwei": ["a"], "nobody": ["b"]}))
    found = {one.student_id: one for one in intake.submissions}
    assert quarantined(found["1"], "several carry", "1, 2") and quarantined(found["2"])
    assert any("nothing here is called nobody" in line for line in intake.lines)
    assert any("nobody can tell whose 2 of these are" in line for line in intake.lines)


def test_two_hand_ins_that_the_map_gives_to_one_are_in_doubt(take: Take) -> None:
    found = take({"a/lab8.py": WORK, "b/lab8.py": work("b")}, named(a=["x"], b=["x"]))
    assert status(found["x"]) is Status.QUARANTINED


# --- what is said, and forced ------------------------------------------------------------------------


def test_the_command_knows_the_layouts() -> None:
    from grader.cli import LAYOUTS

    assert sorted(LAYOUTS) == sorted(WORDS)


@pytest.mark.parametrize("where", ["", "a/b/"])
def test_a_layout_can_be_forced(read: Callable[..., Intake], where: str) -> None:
    files = {where + "doejane_1_2_lab8.py": work("jane"), where + "roster.csv": "x", where + "b.txt": "x"}
    assert read(files).layout == "one submission"
    intake = read(files, layout="canvas")
    assert [one.student_id for one in intake.submissions] == ["1"]
    assert intake.lines[0].startswith("1 student: Canvas's download (--layout)")
    with pytest.raises(UserError, match="--layout moodle: nothing here"):
        read(files, layout="moodle")


def test_folders_sections_and_one_submission_can_be_forced(read: Callable[..., Intake]) -> None:
    files = {"src/lab8.py": work("1"), "old/lab8.py": work("2"), "x.txt": "x"}

    def ids(layout: str) -> list[str]:
        return [one.student_id for one in read(files, layout=layout).submissions]

    assert ids("") == ids("single") == ["s"]
    assert ids("folders") == ["old", "src"]
    files = {
        "A/ann/lab8.py": work("1"),
        "A/bob/lab8.py": work("2"),
        "B/cy/lab8.py": work("3"),
        "C/x.txt": "x",
    }
    assert ids("sections") == ["ann", "bob", "cy"]
    assert ids("folders") == ["A", "B", "C"]


def test_sections_may_hold_any_download(read: Callable[..., Intake], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.intake.entries.STUDENT_FILES", 3)
    intake = read(
        {f"A/{name}": text for name, text in CANVAS.items()}
        | {
            "B/Ann Lee_1_assignsubmission_file/lab8.py": work("ann"),
            "B/Bo_2_assignsubmission_file/lab8.py": work("bo"),
        }
    )
    found = {one.student_id: one for one in intake.submissions}
    assert set(found) == {"12341", "12342", "12343", "1", "2"} and not any(map(status, found.values()))
    assert found["1"].section == "B" and found["12341"].section == "A"


# --- names that are hostile --------------------------------------------------------------------------


class _Gbk(zipfile.ZipInfo):
    """A member as Chinese Windows writes it: its name in GBK, and no mark of UTF-8."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802
        return self.filename.encode("gbk"), self.flag_bits & ~0x800


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ({"张三_1_2_lab8.py": WORK, "李四_2_3_lab8.py": work("2")}, {"1", "2"}),
        ({"张三_1_assignsubmission_file/lab8.py": WORK}, {"1"}),
        ({f"1-2 - 张三 - {TEN}/lab8.py": WORK}, {"张三"}),
        ({"张三_lab8.py": WORK, "李四_lab8.py": work("2")}, {"张三", "李四"}),
        (attempt("pb21", {"lab8.py": WORK}, word="尝试", assignment="实验_八"), {"pb21"}),
    ],
)
def test_gbk_names_in_a_zip_are_read(take: Take, files: Mapping[str, str | bytes], ids: set[str]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(_Gbk(name), content)
    with zipfile.ZipFile(buffer) as archive:
        assert not set(archive.namelist()) & set(files)
    found = take(buffer.getvalue())
    assert set(found) == ids and not any(map(status, found.values()))


UGLY = ["_" * 100_000, " - " * 40_000, "a_1" * 30_000, "_1" * 50_000, "1-1 - " + " - Oct 1, 2025 1" * 20_000]
UGLY += ["LATE_" * 20_000, "anon_" * 20_000, "_assignsubmission_" * 6_000, "a-1" * 30_000, "1" * 100_000]


@pytest.mark.parametrize("name", UGLY, ids=lambda name: name[:12])
def test_names_take_linear_time(name: str) -> None:
    began = time.process_time()
    for system in SYSTEMS:
        system.claims({name, name + "_lab8.py"})
    canvas.plain_name(name, ())
    owner(name)
    assert time.process_time() - began < 5  # what is quadratic in these takes minutes


_WORDS = st.sampled_from(
    [
        *("_", "-", " ", ".", "~", "/", " - ", "ann", "张三", "lab8.py", "12", "9876", "1-2", "LATE", "anon"),
        *("assignsubmission", "file", "attempt", "2024-03-05-23-59-07", TEN, "text.html"),
        *("submission_9001", "submission_metadata.yml", "grades.csv", "\u202e", "\x00", "\ud800"),
        *("é", "e\u0301", "=1+1", "ß", "Ⅷ"),
    ]
)
NAMES = st.lists(_WORDS, min_size=1, max_size=12).map("".join) | st.text(max_size=60)


@given(names=st.lists(NAMES, max_size=8), text=st.text(max_size=200), word=st.sampled_from(["", *WORDS]))
def test_any_names_and_texts_through_every_import(names: list[str], text: str, word: str) -> None:
    entries = []
    for name in dict.fromkeys(names):
        raw = text.encode("utf-8", "replace")
        entries.append(Entry(name, len(raw), len(raw), opener=partial(io.BytesIO, raw)))
    for system in SYSTEMS:
        tops = {entry.top for entry in entries}
        claims = system.claims(tops, entries)
        assert set(claims) <= tops
        for hand_in in system.read([entry for entry in entries if entry.top in claims], word):
            assert hand_in.student_id and hand_in.student_id.isprintable()


def archive_of(names: list[str], text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in dict.fromkeys(names):
            archive.writestr(zipfile.ZipInfo(name.replace("\0", "?") or "x"), text)
    return buffer.getvalue()


@given(
    names=st.lists(NAMES.filter(lambda name: name.isprintable()), min_size=1, max_size=6),
    text=st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace").decode()),
    word=st.sampled_from(["", *WORDS]),
)
def test_any_zip_is_read_or_refused_in_a_line(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], text: str, word: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "s.zip").write_bytes(archive_of(names, text))
    try:
        intake = read_source(folder / "s.zip", folder / "work", layout=word, known=Known([Person("ann")]))
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert all(one.student_id.isprintable() for one in intake.submissions)
        assert all("\n" not in line for line in intake.lines)
    shutil.rmtree(folder)


def test_blackboard_is_found_in_any_language(take: Take) -> None:
    found = take(attempt("pb21_1", {"lab8.py": WORK}, word="尝试", assignment="实验_八"))
    assert code(found["pb21_1"]) == WORK
    assert BLACKBOARD.claims({"实验_pb21_尝试_2023-11-21-20-12-54_a.py"})


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("张 三_40213_assignsubmission_file_my_lab8.py", "张 三_40213"),
        ("Default group_assignsubmission_file", "Default group"),
        ("x_1_assignsubmission_FILE", None),
        ("x_y_1_assignsubmission_file", None),
        ("_1_assignsubmission_file", None),
        ("x_٣_assignsubmission_file", None),
    ],
)
def test_moodle_names(name: str, who: str | None) -> None:
    part = moodle.part_of(name)
    assert (part.who if part else None) == who


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("1-2 - Ann - Oct 9, 2025 922 PM", datetime(2025, 10, 9, 21, 22)),
        ("1-2 - Ann - Oct 9, 2025 1200 AM - x", datetime(2025, 10, 9, 0, 0)),
        ("1-2 - Ann - Feb 30, 2025 922 PM", None),
        ("1-2 - Ann - Xxx 3, 2025 922 PM", None),
    ],
)
def test_brightspace_times(name: str, at: datetime | None) -> None:
    part = brightspace.part_of(name)
    assert part is not None and part.time == at
