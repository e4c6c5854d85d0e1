"""Blackboard's names and text files, taken apart."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.intake.entries import Entry, is_junk
from grader.intake.lms.blackboard import parse_metadata, records_of
from grader.intake.names import parse_member

STEM = "Lab 2_new_li_wei_attempt_2024-03-05-23-59-07"

TEXT = f"""Name: Li Wei (Vivian) (li_wei)
Assignment: Lab 2_new
Date Submitted: Tuesday, 5 March 2024 23:59:07 o'clock CST
Current Grade: Needs Grading

Submission Field:
There is no student submission text data for this assignment.

Comments:
There are no student comments for this assignment.

Files:
\tOriginal filename: my_main (1).py
\tFilename: {STEM}_my_main (1).py

\tOriginal filename: 答案：终稿.md
\tFilename: {STEM}_____.md
"""


def entries(*names: str, text: str = "") -> list[Entry]:
    def opener() -> io.BytesIO:
        return io.BytesIO(text.encode())

    return [Entry(name, 1, 1, opener=opener) for name in names]


@pytest.mark.parametrize(
    ("name", "head", "time", "original"),
    [
        (f"{STEM}.txt", "Lab 2_new_li_wei", "2024-03-05-23-59-07", None),
        (f"{STEM}_my_main (1).py", "Lab 2_new_li_wei", "2024-03-05-23-59-07", "my_main (1).py"),
        ("实验二_pb21_尝试_2023-11-21-20-12-54_lab2.asm", "实验二_pb21", "2023-11-21-20-12-54", "lab2.asm"),
        ("Lab_u_poging_2023-11-21-20-12-54_a_b.py", "Lab_u", "2023-11-21-20-12-54", "a_b.py"),
        (
            "Lab_u_attempt_2023-11-21-20-12-54_Lab_v_attempt_2024-01-01-00-00-00.txt",
            "Lab_u",
            "2023-11-21-20-12-54",
            "Lab_v_attempt_2024-01-01-00-00-00.txt",
        ),
        ("Lab_u_attempt_2023-11-21-20-12-54_.txt", "Lab_u", "2023-11-21-20-12-54", ".txt"),
    ],
)
def test_names_are_taken_apart(name: str, head: str, time: str, original: str | None) -> None:
    member = parse_member(name)
    assert member and (member.head, member.time, member.original) == (head, time, original)


@pytest.mark.parametrize(
    "name", ["lab8.py", "a_b_c.txt", "Lab_u_attempt_2023-11-21.txt", "x_2023-11-21-20-12-54.txt"]
)
def test_other_names_are_left_alone(name: str) -> None:
    assert parse_member(name) is None


PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
UNDERSCORED = st.lists(
    st.sampled_from(["Lab", "li", "wei", "2024", "实验", "a-b", "8", "x y"]), min_size=1
).map("_".join)
WORD = st.sampled_from(["attempt", "poging", "尝试", "Versuch", "tentative"])
TIME = st.datetimes(min_value=datetime(1000, 1, 1)).map(lambda moment: moment.strftime("%Y-%m-%d-%H-%M-%S"))


@given(UNDERSCORED, UNDERSCORED, WORD, TIME, PART | UNDERSCORED)
def test_a_name_round_trips_once_the_user_is_known(
    assignment: str, username: str, word: str, time: str, original: str
) -> None:
    stem = f"{assignment}_{username}_{word}_{time}"
    (record,) = records_of(
        entries(f"{stem}.txt", f"{stem}_{original}", text=f"Name: 张三 ({username})\n\nFiles:\n")
    )
    assert (record.username, record.assignment, record.name) == (username, assignment, "张三")
    assert record.submitted_at and record.submitted_at.strftime("%Y-%m-%d-%H-%M-%S") == time
    assert not record.unclear
    if original.strip() == original and "\\" not in original and original not in (".", ".."):
        assert [entry.path for entry in record.files] == ([] if is_junk(original) else [original])


def test_metadata_is_read() -> None:
    metadata = parse_metadata(TEXT, STEM)
    assert metadata and (metadata.name, metadata.username) == ("Li Wei (Vivian)", "li_wei")
    assert metadata.originals == {
        f"{STEM}_my_main (1).py": "my_main (1).py",
        f"{STEM}_____.md": "答案：终稿.md",
    }


@pytest.mark.parametrize(
    "first",
    [
        "Naam: Li Wei (Vivian) (li_wei)",
        "姓名：Li Wei (Vivian) (li_wei)",
        "\ufeffName: Li Wei (Vivian) (li_wei) ",
    ],
)
def test_the_first_line_tells_the_user_in_any_language(first: str) -> None:
    metadata = parse_metadata(TEXT.replace("Name: Li Wei (Vivian) (li_wei)", first, 1), STEM)
    assert metadata and (metadata.name, metadata.username) == ("Li Wei (Vivian)", "li_wei")


def test_a_comment_cannot_pass_for_metadata() -> None:
    """A comment may hold a whole second text file; only the true first line and the true end count."""
    comment = (
        f"Name: Eve (eve)\nFiles:\n\tOriginal filename: forged.py\n\tFilename: {STEM}_my_main (1).py\n"
        f"\tOriginal filename: theirs.py\n\tFilename: Lab 2_new_zhang_attempt_2024-03-05-23-59-07_theirs.py\n"
    )
    metadata = parse_metadata(
        TEXT.replace("There are no student comments for this assignment.", comment), STEM
    )
    assert metadata and metadata.username == "li_wei"
    assert metadata.originals[f"{STEM}_my_main (1).py"] == "my_main (1).py"
    assert not any("zhang" in stored for stored in metadata.originals)


def test_a_text_file_without_a_user_tells_nothing() -> None:
    assert parse_metadata("", STEM) is None
    assert parse_metadata("hello\n" + TEXT, STEM) is None


@given(st.text(st.characters(), max_size=300))
def test_any_text_file_is_survived(text: str) -> None:
    parse_metadata(text, STEM)
    parse_metadata("Name: a (b)\nFiles:\n" + text, STEM)


def test_files_get_back_the_names_that_the_student_gave() -> None:
    (record,) = records_of(entries(f"{STEM}.txt", f"{STEM}_my_main (1).py", f"{STEM}_____.md", text=TEXT))
    assert {entry.path for entry in record.files} == {"my_main (1).py", "答案：终稿.md"}


TYPED = "<p>Question 1:</p><p>Yes &lt;i&gt;, an&nbsp;autoencoder.<br />Q2. Often&#8230;</p>"
UNTYPED = "There is no student submission text data for this assignment."


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("Submission Field:", "Submission Field:\n<br>"),
        lambda text: text.replace("Submission Field:", "提交字段：").replace("Comments:", "注释："),
        lambda text: text.replace("There are no student comments", "Comments:\n\nFiles:\n\tno"),
        lambda text: text[: text.index("Files:")],
        lambda text: text.replace("\n", "\r\n"),
    ],
    ids=["plain", "ultra", "chinese", "forged labels", "no files", "windows"],
)
def test_answers_typed_into_the_submission_field_are_read(change: Callable[[str], str]) -> None:
    text = change(TEXT.replace(UNTYPED, TYPED))
    (record,) = records_of(entries(f"{STEM}.txt", f"{STEM}_my_main (1).py", text=text))
    (typed,) = (entry for entry in record.files if "typed" in entry.path)
    read = typed.read(10_000).decode()
    assert read.startswith("Question 1:\n\nYes <i>, an autoencoder.\nQ2. Often…")
    assert "<p>" not in read


def test_a_number_of_a_character_that_python_does_not_read_is_survived() -> None:
    """It took the whole class's intake down: ints of more than 4,300 digits are refused."""
    typed = f"Q1: so &#{'9' * 5_000}; and &#{'0' * 5_000}65 &#65; it is\n\nQ2: yes"
    text = f"Name: Li Wei (pb21)\n\nSubmission Field:\n{typed}\n\nComments:\nnone\n\nFiles:\n"
    metadata = parse_metadata(text, "Lab 8_pb21_attempt_2024-03-05-23-59-07")
    assert metadata and "A it is" in metadata.typed


def test_without_answers_in_it_the_submission_field_is_no_file() -> None:
    for typed in (UNTYPED, "<p>see the file</p>", "本次作业没有学生提交的文本数据。", "", "<" * 200_000):
        text = TEXT.replace(UNTYPED, typed)
        (record,) = records_of(entries(f"{STEM}.txt", f"{STEM}_my_main (1).py", text=text))
        assert not any("typed" in entry.path for entry in record.files)


def test_a_file_that_the_download_lacks_is_told() -> None:
    (record,) = records_of(entries(f"{STEM}.txt", f"{STEM}_my_main (1).py", text=TEXT))
    assert any("lacks" in remark and "答案" in remark for remark in record.remarks)


def test_an_original_name_cannot_lead_elsewhere() -> None:
    text = TEXT.replace("Original filename: my_main (1).py", "Original filename: ../../etc/passwd")
    (record,) = records_of(entries(f"{STEM}.txt", f"{STEM}_my_main (1).py", text=text))
    assert [entry.path for entry in record.files] == ["passwd"]


def test_an_impossible_time_is_no_time() -> None:
    (record,) = records_of(entries("Lab_u_attempt_2024-13-99-00-00-00_a.py"))
    assert record.submitted_at is None and record.username == "u"
