"""A lab of another kind, from its one folder: built, self-tested, graded, exported, or refused.

It classifies sentences, has no images and no network, is measured by macro-F1 and asks two questions.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from students import grader

from grader.cli import main
from grader.gradebook import Gradebook
from grader.lab import load_lab
from grader.merge import take_in
from grader.types import Contract

TOY = Path(__file__).parent / "labs" / "toy"
MOST_LINES = 150  # all of it together: a lab is small
FRENCH = ', "fr": {"la", "le", "et"}'  # what one student does not know


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course's folder: the lab, its solution, and the assignment that is built from them."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(TOY, folder / "toy", ignore=shutil.ignore_patterns("__pycache__", "solution"))
    shutil.copytree(TOY / "solution", folder / "solution")
    done = grader("build", "assignment", "--lab", "toy", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def graded(course: Path) -> Path:
    """The results of three students: all right; one function wrong; a language and an answer missing."""
    solution = (course / "solution" / "toy.py").read_text("utf-8")
    answers = (course / "solution" / "answers.md").read_text("utf-8")
    for student, code, text in (
        ("ann", solution, answers),
        ("bob", solution.replace("text.lower()", "text"), answers),
        ("eve", solution.replace(FRENCH, ""), answers.partition("## Question 2")[0]),
    ):
        folder = course / "class" / student
        folder.mkdir(parents=True)
        (folder / "toy.py").write_text(code, "utf-8")
        (folder / "answers.md").write_text(text, "utf-8")
    done = grader("grade", "class", "--lab", "toy", "--out", "out", cwd=course)
    if "no sandbox" in done.stderr.lower():
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return course / "out"


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """What the command says, called wrongly, from this folder: one line."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2, done.output
    return " ".join(done.output.split())


def test_the_lab_is_small() -> None:
    files = [file for file in TOY.rglob("*.*") if file.suffix in (".py", ".toml", ".md", ".txt")]
    assert sum(len(file.read_text("utf-8").splitlines()) for file in files) <= MOST_LINES


def test_all_that_students_get_comes_from_the_folder(course: Path) -> None:
    files = {path.name: path for path in (course / "assignment").iterdir()}
    assert sorted(files) == [
        *("README.md", "README.zh.md", "answers.md", "answers.zh.md", "requirements.txt", "selftest.py"),
        *("selftest.pyz", "toy.ipynb", "toy.py"),
    ]
    texts = {name: path.read_text("utf-8") for name, path in files.items() if name != "selftest.pyz"}
    assert "answer two questions" in texts["README.md"] and "回答两个问题" in texts["README.zh.md"]
    assert "| Macro-F1 on unseen sentences | 5 |" in texts["README.md"]
    assert "weights" not in texts["README.md"] and "test images" not in texts["README.md"]
    assert texts["answers.md"].count("## Question") == 2 and "哪两种语言" in texts["answers.zh.md"]
    assert 'raise NotImplementedError("Task 2: write language")' in texts["toy.py"]
    assert "one task: tokens, language or answers" in texts["selftest.py"]
    assert grader("build", "--check", "--lab", "toy", cwd=course).returncode == 0


def test_its_self_test_runs_and_scores(course: Path, tmp_path: Path) -> None:
    shutil.copytree(course / "assignment", tmp_path / "work")
    for name in ("toy.py", "answers.md"):
        shutil.copy(course / "solution" / name, tmp_path / "work")
    env = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "", "LANGUAGE": ""}
    command = [sys.executable, "selftest.py", "--score", "--pack"]
    done = subprocess.run(
        command, cwd=tmp_path / "work", env=env, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 checks ok, 0 failed, 0 open" in [line.strip() for line in lines]
    assert any(line.strip() == "5.00 / 5: macro-F1 on three sentences" for line in lines), lines
    assert any("macro-F1: 100.0%" in line for line in lines), lines
    assert any("12.00 of 12.00 points" in line for line in lines), lines
    assert (tmp_path / "work" / "toy.zip").is_file()


def test_wrong_work_loses_its_rows_and_no_other(graded: Path) -> None:
    with (graded / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    columns = ("tokens_words", "language_labels", "accuracy_points", "question_1", "question_2", "total")
    points = {
        student: [float(next(v for k, v in row.items() if k == name)) for name in columns]
        for student, row in rows.items()
    }
    assert points == {
        "ann": [3, 2, 5, 1, 1, 12],
        "bob": [0, 0, 5, 1, 1, 7],  # the words that tell a language are lower case anyway
        "eve": [3, 2, 2.19, 1, 0, 8.19],  # F1 of 6/7, 1 and 0: 13/21, 21.9 % above the curve's start
    }
    verdict = json.loads((graded / "students" / "eve.json").read_text("utf-8"))
    (row,) = (row for row in verdict["rows"] if row["id"] == "accuracy")
    assert row["title"] == "Macro-F1 on unseen sentences: 61.90 %"
    assert row["reason"] == "61.90 % earns 2.19; all 5 points from 90 % on"
    assert not verdict.get("flags")


def test_the_results_know_their_lab(graded: Path, course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gradebook.open(graded) as book:
        assert book.runs()[-1].settings["lab"] == str(course / "toy")
    again = grader("grade", "class", "--out", "out", cwd=course)
    assert again.returncode == 0 and "3 unchanged" in again.stderr, again.stderr
    told = run(course, monkeypatch, "grade", "class", "--out", "out", "--lab", "lab8")
    assert told == "error: these are results of toy, not of lab8: choose another --out"
    told = run(course, monkeypatch, "rescore", "out", "--rubric", str(load_lab().rubric))
    assert "checks.classifier_logits: there is no such check" in told


def test_gradebooks_of_two_labs_are_not_merged(graded: Path, tmp_path: Path) -> None:
    with Gradebook.open(graded) as theirs, Gradebook.open_to_grade(tmp_path / "other") as book:
        run = theirs.runs()[-1]
        book.begin_run("", {"lab": "lab8"}, run.rubric, run.policy, run.roster, [])
        with pytest.raises(Exception, match="they are of different labs: lab8 and toy"):
            take_in(book, theirs)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--images", "mini"), "--images mini: toy is not measured on images"),
        (("--weights", "train"), "--weights train: nothing is trained in toy"),
        (("--lab", "nowhere"), "lab nowhere: there is none: give a name (lab8) or the folder of another"),
    ],
)
def test_what_the_lab_has_not_is_refused(
    course: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    (course / "one").mkdir(exist_ok=True)
    (course / "one" / "toy.py").write_text("x = 1\n", "utf-8")
    assert told in run(course, monkeypatch, "grade", "one", "--lab", "toy", "--out", "new", *words)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("language_labels", "langage_labels", "r.toml:13: checks.langage_labels: there is no such check"),
        ("language_labels = 2", "", "exercise_1: says 10, but [checks] and [accuracy] add up to 8"),
        ("3\nlanguage_labels = 2", "5", "checks.py:19 is such a check: give it points"),
    ],
)
def test_a_rubric_that_has_other_checks_stops_the_command_before_grading(
    course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, told: str
) -> None:
    rubric = tmp_path / "r.toml"
    rubric.write_text((course / "toy" / "rubric.toml").read_text("utf-8").replace(old, new), "utf-8")
    for command in (("grade", "class", "--out", "new"), ("build", "assignment")):
        said = run(course, monkeypatch, *command, "--lab", "toy", "--rubric", str(rubric))
        assert told in said, said
    assert not (course / "new").exists()


def test_another_rubric_makes_another_assignment_or_says_what_disagrees(
    course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(course / "solution", tmp_path / "solution")
    text = (course / "toy" / "rubric.toml").read_text("utf-8").replace("out_of = 12", "out_of = 11")
    text = "".join(line for line in text.splitlines(True) if "question_2" not in line)
    (tmp_path / "one.toml").write_text(text.replace("exercise_2 = 2", "exercise_2 = 1"), "utf-8")
    words = ("build", "assignment", "--lab", str(course / "toy"), "--rubric", "one.toml")
    readme = tmp_path / "solution" / "student_readme.zh.md"
    told = run(tmp_path, monkeypatch, *words)
    assert "student_readme.zh.md:7: <!-- points: question_2 -->: one.toml has no such row: remove it" in told
    readme.write_text(readme.read_text("utf-8").replace("，<!-- points: question_2 -->", ""), "utf-8")
    answers = tmp_path / "solution" / "answers.md"
    answers.write_text(f"> Why not?\n\n{answers.read_text('utf-8')}", "utf-8")
    told = run(tmp_path, monkeypatch, *words)
    assert "answers.md:1: one.toml asks no such question: make them one" in told
    answers.write_text(answers.read_text("utf-8").partition("\n\n")[2], "utf-8")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "answer one questions" in (tmp_path / "assignment" / "README.md").read_text("utf-8")
    assert (tmp_path / "assignment" / "answers.md").read_text("utf-8").count("## Question") == 1


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("empty", "", "defines no LAB"),
        ("broken", "import nothing_there", r"cannot be imported \(ModuleNotFoundError: No module named"),
        ("a-b", "", "imported by its name: use letters, digits and _ alone"),
        ("toy", "", "another lab is called toy too: rename the folder"),
    ],
)
def test_a_folder_that_is_no_lab_is_refused(
    course: Path, tmp_path: Path, name: str, text: str, told: str
) -> None:
    load_lab(course / "toy")
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(text, "utf-8")
    with pytest.raises(Exception, match=told):
        load_lab(tmp_path / name)


def test_a_self_test_of_other_checks_is_refused(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    selftest = load_lab(course / "toy").part("selftest")
    first, second = selftest.CHECKS
    words = ("build", "assignment", "--lab", "toy")
    monkeypatch.setattr(selftest, "CHECKS", [first._replace(id="tokens_word"), second])
    told = run(course, monkeypatch, *words)
    assert "selftest.py:16: no hidden check is called tokens_word: fix its spelling" in told
    monkeypatch.setattr(selftest, "CHECKS", [second])
    assert "checks.py:11: the self-test has no check for tokens_words" in run(course, monkeypatch, *words)


def test_pictures_make_no_test_set_for_it(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = run(course, monkeypatch, "images", "make", ".", "--out", "own.npz", "--lab", "toy")
    assert told == "error: toy has no own_images.py: its test sets are not made from pictures"


def test_a_sandbox_is_told_the_contract_and_no_more(course: Path) -> None:
    lab = load_lab(course / "toy")
    assert lab.contract == Contract(module="toy", functions=("tokens", "language"))
    assert list(lab.check_places()) == ["tokens_words", "language_labels"]
