"""What is measured again, and what is not, when something of what evidence rests on has changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from students import calls_of, grader, submission

from grader import evidence as evidence_module
from grader import grade as grade_module
from grader.errors import UserError
from grader.evidence import rests_on
from grader.grade import Pipeline
from grader.gradebook import FILE_NAME
from grader.lab import load_lab
from grader.labs.lab8 import measure as measure_module
from grader.rubric import Rubric, load_rubric
from grader.setup import Setup
from grader.types import Submission, Weights

Change = Callable[[Submission, Setup, Path], tuple[Submission, Setup]]
RUBRIC = load_rubric()


def work(tmp_path: Path) -> Submission:
    (tmp_path / "w.pt").write_bytes(b"weights")
    weights = Weights(filename="w.pt", path=tmp_path / "w.pt", format="torch")
    return submission("x = 1", weights).model_copy(update={"answer_texts": ("## Question 1\n\nYes.",)})


def of_work(**update: object) -> Change:
    return lambda work, setup, _: (work.model_copy(update=update), setup)


def of_setup(**update: object) -> Change:
    return lambda work, setup, _: (work, setup.model_copy(update=update))


def of_rubric(**update: object) -> Change:
    return of_setup(rubric=RUBRIC.model_copy(update=update))


def of_weights(work: Submission, setup: Setup, folder: Path) -> tuple[Submission, Setup]:
    (folder / "w.pt").write_bytes(b"others")
    return work, setup


def points(rubric: Rubric) -> dict[str, object]:
    """Other points for everything."""
    curve = rubric.accuracy.model_copy(
        update={"knots": ((Decimal(0), Decimal(0)), (Decimal(100), Decimal(70)))}
    )
    return {"checks": {id: Decimal(1) for id in rubric.checks}, "accuracy": curve, "title": "another"}


OTHER_QUESTION = (RUBRIC.questions[0].model_copy(update={"text": "Why?"}), *RUBRIC.questions[1:])
CHANGES: dict[str, tuple[Change, set[str]]] = {
    "nothing": (of_work(), set()),
    "code": (of_work(code=submission("x = 2").code), {"checks", "accuracy"}),
    "weights": (of_weights, {"checks", "accuracy"}),
    "answers": (of_work(answer_texts=("No.",)), {"answers"}),
    "remarks and attempt": (of_work(remarks=("late",), attempt=2, name="Ann", digest="x"), set()),
    "points": (of_rubric(**points(RUBRIC)), set()),
    "a question's text": (of_rubric(questions=OTHER_QUESTION), {"answers"}),
    "limits": (
        of_rubric(limits=RUBRIC.limits.model_copy(update={"call_seconds": 1.0})),
        {"checks", "accuracy"},
    ),
    "images": (of_setup(images="full"), {"accuracy"}),
    "training": (of_setup(weights="train"), {"accuracy"}),
    "device": (of_setup(device="cuda"), {"checks", "accuracy"}),
    "sandbox": (of_setup(sandbox="none"), {"checks", "accuracy"}),
    "threads": (of_setup(threads=4), set()),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_part_rests_on_this_and_on_nothing_else(what: str, tmp_path: Path) -> None:
    change, wanted = CHANGES[what]
    before = rests_on(work(tmp_path), Setup(rubric=RUBRIC, images="mini"))
    after = rests_on(*change(work(tmp_path), Setup(rubric=RUBRIC, images="mini"), tmp_path))
    assert {name for name in before._fields if getattr(before, name) != getattr(after, name)} == wanted


def test_a_corrected_check_measures_the_checks_and_no_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = calls_of(monkeypatch, grade_module, "run_checks")
    accuracies = calls_of(monkeypatch, measure_module, "measure")
    one = submission("def conv_output_size(input_size, kernel_size, stride=1, padding=0):\n    return 1")
    try:
        with Pipeline(Setup(rubric=RUBRIC, images="mini")) as pipeline:
            first = pipeline.measure(one)
            assert (len(checks), len(accuracies)) == (1, 1)
            assert pipeline.measure(one, first) == first and (len(checks), len(accuracies)) == (1, 1)
            monkeypatch.setattr(evidence_module, "_of_checks", lambda lab: "corrected")
            second = pipeline.measure(one, first)
    except UserError as error:
        pytest.skip(str(error))
    assert (len(checks), len(accuracies)) == (2, 1)
    assert second.accuracy == first.accuracy and second.checks != first.checks


def test_the_digest_of_the_checks_is_that_of_their_files(tmp_path: Path) -> None:
    lab = load_lab().model_copy(update={"folder": tmp_path, "checks": ("checks/conv.py",)})
    for name in ("checks/", "selftest/"):
        (tmp_path / name).mkdir()
    names = ("checks/conv.py", "lenet.py", "selftest/checks.py", "unrelated.txt")
    for name in names:
        (tmp_path / name).write_text("1", "utf-8")
    digests = []
    for name in names:
        digests.append(evidence_module._of_checks.__wrapped__(lab))
        (tmp_path / name).write_text("2", "utf-8")
    assert len(set(digests)) == 3 and digests[2:] == digests[2:][:1] * 2
    assert evidence_module._of_checks.__wrapped__(lab) == digests[-1], "another file changes nothing"


@pytest.mark.slow
def test_changed_answers_run_no_code(tmp_path: Path) -> None:
    folder, out = tmp_path / "class" / "ann", tmp_path / "out"
    folder.mkdir(parents=True)
    (folder / "lab8.py").write_text("def lenet5():\n    return 1\n", "utf-8")
    words = ("grade", folder.parent, "--out", out)
    assert grader(*words, "--images", "mini").returncode == 0
    answer = "Because a kernel is the same at every place and so needs far fewer numbers to be learnt."
    (folder / "answers.md").write_text(f"## Question 1\n\n{answer}\n", "utf-8")
    again = grader(*words)
    assert again.returncode == 0 and "1 with other answers only" in again.stderr, again.stderr
    assert "question_1" in again.stderr and "another attempt counts" in again.stderr
    with closing(sqlite3.connect(out / FILE_NAME)) as file:
        rows = file.execute("SELECT run, part, version FROM evidence ORDER BY number").fetchall()
        same = file.execute(
            "SELECT count(DISTINCT body), count(*) FROM evidence WHERE part = 'accuracy'"
        ).fetchone()
    assert [row[:2] for row in rows[:3]] == [(1, "checks"), (1, "accuracy"), (1, "answers")]
    assert same == (1, 2), "the new attempt has the accuracy of the old one"
