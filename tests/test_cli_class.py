"""What `grader grade` says of a class as a whole: the class list, times, and whom it measured otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from test_gradebook import found, handed_in, keep

from grader.cli import main
from grader.gradebook import Gradebook

ANSWER = "Because a kernel is the same at every place and so needs far fewer numbers to be learnt."
POLICY = 'time_zone = "Asia/Shanghai"\ndeadline = 2026-11-20T23:59:59\n'


def run(*words: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == status, result.output
    return result


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_grading_says_what_concerns_the_whole_class(tmp_path: Path) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    for student in ("pb1", "pb2"):
        written(folder / student / "answers.md", f"## Question 1\n\n{ANSWER}\n")
    roster = written(tmp_path / "list.csv", "Username,name\nann,Ann\nbob,Bob\n")
    policy = written(tmp_path / "policy.toml", POLICY)
    words = ("grade", folder, "--out", out)
    told = run(*words, "--images", "mini", "--roster", roster, "--policy", policy).stderr
    assert "has none of the 2 ids" in told and "pb1" in told and "has ann." in told
    assert "2 without a time in the download: the deadline is not applied" in told

    images = tmp_path / "own.npz"
    np.savez(images, images=np.zeros((10, 3, 32, 32), np.uint8), labels=np.arange(10))
    told = run(*words, "--only", "pb1", "--images", images).stderr
    assert f"measured with --images {images}, and the class with mini" in told

    written(folder / "pb2" / "answers.md", f"## Question 2\n\n{ANSWER}\n")
    told = run(*words).stderr
    assert "1 with other answers only" in told and "unchanged" not in told, told
    with Gradebook.open(out) as book:
        assert {one.settings["images"] for one in book.runs()} == {"mini"}


def test_a_list_of_one_section_is_told_to_drop_the_other(tmp_path: Path) -> None:
    book = tmp_path / "results"
    with Gradebook.open_to_grade(book) as opened:
        keep(opened, *((handed_in(id), found(handed_in(id))) for id in ("001", "002", "003")))
    whole = written(tmp_path / "all.csv", "student_id,name\n001,Ann\n002,Bo\n003,Cy\n")
    one = written(tmp_path / "a.csv", "student_id,name\n001,Ann\n002,Bo\n")
    assert "warning" not in run("rescore", book, "--roster", whole).output
    told = run("rescore", book, "--roster", one).stderr
    assert "1 student of the last list, such as 003" in told
    assert "scored anew by another class list" in run("history", book, "003").output


@pytest.mark.parametrize("name", ["张三", "san zhang"])
def test_a_stranger_is_told_who_has_the_same_name(tmp_path: Path, name: str) -> None:
    book = tmp_path / "results"
    with Gradebook.open_to_grade(book) as opened:
        work = handed_in("40213").model_copy(update={"name": name})
        keep(opened, (work, found(work)))
    roster = written(tmp_path / "all.csv", f"student_id,name\nli_wei,Li Wei\nzs,{name}\n")
    told = run("rescore", book, "--roster", roster)
    assert "the nearest there: zs" in run("show", book, "40213", "--json").output
    assert "has none of the 1 ids" in told.stderr


def test_the_lists_name_stands_for_one_that_was_written_into_one(tmp_path: Path) -> None:
    book = tmp_path / "results"
    with Gradebook.open_to_grade(book) as opened:
        work = handed_in("5512").model_copy(update={"name": "sanzhang"})
        keep(opened, (work, found(work)))
    roster = written(tmp_path / "all.csv", "student_id,name\n5512,San Zhang\n5513,Bo\n")
    assert "San Zhang" in run("rescore", book, "--roster", roster, "--json").stdout
