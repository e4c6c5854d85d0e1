"""The sample class, from Blackboard's zip to points: every submission gets what the table says."""

import importlib.util
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from students import verdicts_of

from grader.intake import read_submissions
from grader.integrity.copies import flag_copies
from grader.rubric import load_rubric
from grader.scoring import accuracy_points
from grader.setup import Setup
from grader.types import Row, Submission, Verdict

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CLASS = Path(__file__).parent / "submissions"
TABLE = tomllib.loads((CLASS / "expected.toml").read_text("utf-8"))
EXPECTED: dict[str, dict[str, Any]] = TABLE["students"]
GROUPS = {"conv": 6, "lenet": 5, "classifier": 4}  # checks, in the rubric's order


@pytest.fixture(scope="module")
def make_class() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_class", CLASS / "make_class.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_class"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def submissions(make_class: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[Submission]:
    return read_submissions(make_class.TARGET, tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def verdicts(submissions: list[Submission]) -> Iterator[dict[str, Verdict]]:
    setup = Setup(rubric=load_rubric(None), images="mini")
    yield {verdict.student_id: verdict for verdict in verdicts_of(submissions, setup, jobs=2)}


def test_the_bundled_zip_is_what_the_script_makes_of_the_solution(make_class: ModuleType) -> None:
    assert make_class.build() == make_class.TARGET.read_bytes(), "run: python tests/submissions/make_class.py"


def test_everybody_is_found_with_the_latest_attempt(submissions: list[Submission]) -> None:
    assert sorted(EXPECTED) == [submission.student_id for submission in submissions]
    for submission in submissions:
        assert submission.attempt == EXPECTED[submission.student_id].get("attempt", 1)
    names = {submission.student_id: submission.name for submission in submissions}
    assert names["li_wei"] == "Li Wei (Vivian)" and names["pb22000018"] == "张伟"


@pytest.mark.parametrize("student", EXPECTED)
def test_status_and_points_are_those_of_the_table(student: str, verdicts: dict[str, Verdict]) -> None:
    verdict, expected = verdicts[student], EXPECTED[student]
    assert verdict.status.value == expected["status"], verdict.reason
    points = [row.points for row in verdict.rows]
    want = [Decimal(number) for group in GROUPS for number in expected[group]]
    checks, accuracy, questions = points[: len(want)], verdict.rows[len(want)], points[len(want) + 1 :]
    assert [len(expected[group]) for group in GROUPS] == list(GROUPS.values())
    assert checks == want, _lost(verdict)
    assert questions == [Decimal(number) for number in expected["questions"]], _lost(verdict)
    _compare_accuracy(verdict, accuracy, expected.get("correct"))
    assert verdict.total == sum(points)


def test_nobody_is_flagged_but_for_what_two_others_have_copied(verdicts: dict[str, Verdict]) -> None:
    assert {student: verdict.flags for student, verdict in verdicts.items() if verdict.flags} == {}
    assert [
        verdict.remarks for verdict in verdicts.values() if "what it looks like" in str(verdict.remarks)
    ] == []
    flagged = {verdict.student_id: verdict.flags for verdict in flag_copies(list(verdicts.values()))}
    for kinds, pair, begins in (
        (["copy"], TABLE["same_weights"], "the same file of weights as 1 other student: "),
        (["copied_code", "copied_answers"], TABLE["same_texts"], "much the same "),
    ):
        for student, other in (pair, reversed(pair)):
            flags = flagged.pop(student)
            assert [flag.kind for flag in flags] == kinds
            assert all(flag.message.startswith(begins) and f": {other}" in flag.message for flag in flags)
    assert not any(flagged.values())


def _compare_accuracy(verdict: Verdict, row: Row, correct: int | None) -> None:
    measured = verdict.accuracy.correct if verdict.accuracy else None
    if correct is None:
        assert measured is None and row.points == 0 and row.reason
        return
    assert measured is not None and abs(measured - correct) <= TABLE["correct_within"]
    assert row.points == accuracy_points(load_rubric(None), measured, 1000)


def _lost(verdict: Verdict) -> str:
    """Where points were lost, for whoever reads the test's report."""
    return "; ".join(f"{row.id}: {row.reason}" for row in verdict.rows if row.points < row.out_of)
