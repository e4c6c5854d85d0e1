"""Points: the shipped rubrics, what a rubric file may not say, and the arithmetic."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from students import evidence

from grader.errors import UserError
from grader.evidence import Basis, answered
from grader.rubric import RUBRIC, Rubric, load_rubric
from grader.scoring import accuracy_points, score
from grader.setup import Setup
from grader.types import (
    Accuracy,
    AnswerOutcome,
    CheckOutcome,
    Outcome,
    Problem,
    Status,
    Submission,
    Verdict,
)

DEFAULT = load_rubric()
LITERAL = load_rubric(RUBRIC.with_name("accuracy_only.toml"))
STUDENT = Submission(student_id="pb21000001", name="张三", digest="d" * 64)


def outcomes(rubric: Rubric, *, failed: tuple[str, ...] = ()) -> list[CheckOutcome]:
    return [
        CheckOutcome(
            id=id,
            title=f"about {id}",
            outcome=Outcome.FAILED if id in failed else Outcome.PASSED,
            reason="why" if id in failed else "",
        )
        for id in rubric.checks
    ]


def answers(*present: bool) -> list[AnswerOutcome]:
    return [AnswerOutcome(number=n, present=p, amount=50) for n, p in enumerate(present, 1)]


def measured(correct: int, images: int) -> Accuracy:
    share = correct / images
    return Accuracy(
        images=images,
        correct=correct,
        accuracy=share,
        low=max(share - 0.01, 0.0),
        high=min(share + 0.01, 1.0),
        source="submitted",
    )


def full_marks(rubric: Rubric) -> Verdict:
    return score(
        rubric,
        evidence(
            STUDENT,
            checks=outcomes(rubric),
            accuracy=measured(100, 100),
            answers=answers(True, True, True, True),
        ),
    )


# The shipped files


def test_default_rubric_splits_the_points_as_announced() -> None:
    assert sum(points for id, points in DEFAULT.checks.items() if id.startswith("conv_")) == 10
    assert sum(points for id, points in DEFAULT.checks.items() if id.startswith("lenet_")) == 15
    assert sum(points for id, points in DEFAULT.checks.items() if id.startswith("classifier_")) == 5
    assert DEFAULT.accuracy.points == 70
    assert [question.points for question in DEFAULT.questions] == [1, 1, 1, 1]
    assert [DEFAULT.exercise_1, DEFAULT.exercise_2, DEFAULT.out_of] == [100, 4, 104]


@pytest.mark.parametrize(
    ("correct", "points"),
    [(0, 0), (1000, 0), (3600, 14), (5500, 35), (7000, 49), (8500, 63), (9000, 70), (10_000, 70)],
)
def test_curve_is_exact_at_its_knots(correct: int, points: int) -> None:
    assert accuracy_points(DEFAULT, correct, 10_000) == points


def test_curve_between_knots_is_a_straight_line_rounded_half_up() -> None:
    assert str(accuracy_points(DEFAULT, 2300, 10_000)) == "7.00"  # half way from 10 to 36 %
    assert str(accuracy_points(DEFAULT, 1001, 10_000)) == "0.01"  # 0.00538…
    assert str(accuracy_points(LITERAL, 1, 8)) == "12.50"
    assert str(accuracy_points(LITERAL, 1, 32)) == "3.13"  # 3.125 exactly


def test_literal_rubric_is_a_hundred_times_the_accuracy_plus_four() -> None:
    assert accuracy_points(LITERAL, 7134, 10_000) == Decimal("71.34")
    assert sum(LITERAL.checks.values()) == 0
    assert full_marks(LITERAL).total == LITERAL.out_of == 104


def test_both_rubrics_name_the_same_checks_and_ask_the_same_questions() -> None:
    assert list(LITERAL.checks) == list(DEFAULT.checks)
    assert LITERAL.questions == DEFAULT.questions
    assert LITERAL.digest != DEFAULT.digest


# Reading a file

GOOD = """
title = "A lab"
out_of = 12
exercise_1 = 11
exercise_2 = 1
[checks]
shape = 1.5
floor = 0.5
[accuracy]
title = "Accuracy"
points = 9
knots = [[10, 0], [50.5, 4], [90, 9]]
[[questions]]
id = "question_1"
text = "为什么？"
points = 1
[limits]
wall_seconds = 30.5
"""


def load(tmp_path: Path, text: str | bytes, catalogue: tuple[str, ...] | None = None) -> Rubric:
    path = tmp_path / "评分.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    places = None if catalogue is None else dict.fromkeys(catalogue, "checks.py:1")
    return load_rubric(path, places)


def test_a_rubric_of_ones_own_is_read(tmp_path: Path) -> None:
    rubric = load(tmp_path, GOOD, ("floor", "shape"))
    assert rubric.checks == {"shape": Decimal("1.5"), "floor": Decimal("0.5")}
    assert rubric.questions[0].text == "为什么？"
    assert rubric.limits.wall_seconds == 30.5


def test_digest_knows_the_meaning_not_the_writing(tmp_path: Path) -> None:
    digest = load(tmp_path, GOOD).digest
    rewritten = "\ufeff# mine\n" + GOOD
    for old, new in [("= 1.5", "=   1.50 # why"), ("[10, 0]", "[10.0, -0.0]"), ("\n", "\r\n")]:
        rewritten = rewritten.replace(old, new)
    assert load(tmp_path, rewritten).digest == digest
    for old, new in [
        ("shape = 1.5\nfloor = 0.5", "shape = 0.5\nfloor = 1.5"),
        ("[50.5, 4]", "[50.5, 4.01]"),
        ("为什么", "为何"),
        ("30.5", "31"),
    ]:
        assert load(tmp_path, GOOD.replace(old, new)).digest != digest


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("title = ", "titel = ", "title", "is missing"),
        ("[limits]", "[late]\n[limits]", "late", "unknown key"),
        ("points = 9", "points = 9\ncurve = 1", "accuracy.curve", "unknown key"),
        ("wall_seconds", "wall_minutes", "limits.wall_minutes", "unknown key"),
        ("= 30.5", "= -1", "limits.wall_seconds", "greater than 0"),
        ("out_of = 12", "out_of = 13", "out_of", "says 13, but exercise_1 and exercise_2 add up to 12"),
        ("floor = 0.5", "floor = 0.75", "exercise_1", "says 11, but .* add up to 11.25"),
        ("exercise_2 = 1", "exercise_2 = 2", "exercise_2", "says 2, but .* add up to 1"),
        ("floor = 0.5", "floor = -0.5", "checks.floor", "-0.5 is outside"),
        ("floor = 0.5", "floor = nan", "checks.floor", "not a number"),
        ("floor = 0.5", "floor = inf", "checks.floor", "not a number"),
        ("floor = 0.5", "floor = 1e400", "checks.floor", "outside"),
        ("floor = 0.5", "floor = true", "checks.floor", "not a number"),
        ("floor = 0.5", 'floor = "0.5"', "checks.floor", "not a number"),
        ("floor = 0.5", "floor = 0.505", "checks.floor", "more than two decimals"),
        ("floor = 0.5", '"=1+1" = 0.5', "checks", "not a check's id"),
        ("[checks]\nshape = 1.5\nfloor = 0.5", "checks = 2", "checks", "should be a valid table"),
        ("[50.5, 4]", "[10, 4]", "accuracy: knots", "10 % does not come after 10 %"),
        ("[50.5, 4]", "[50.5, 10]", "accuracy: knots", "90 % earns less than 50.5 %"),
        ("[90, 9]", "[90, 8]", "accuracy: knots", "the last one earns 8, but points = 9"),
        ("[90, 9]", "[101, 9]", "accuracy: knots", "101 %"),
        ("[10, 0], [50.5, 4], ", "", "accuracy: knots", "at least two"),
        ("[50.5, 4]", "[50.5]", "accuracy.knots[2][2]", "is missing"),
        ("[50.5, 4]", "[50.5, -4]", "accuracy.knots[2][2]", "outside"),
        ("question_1", "question_2", "questions[1].id", "question_1 is due"),
        ('"为什么？"', '""', "questions[1].text", "not a line of text"),
    ],
)
def test_a_faulty_rubric_is_refused_in_one_line_that_names_file_and_key(
    tmp_path: Path, old: str, new: str, key: str, problem: str
) -> None:
    assert old in GOOD
    with pytest.raises(UserError, match=problem) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path / '评分.toml'}: {key}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = ", "is not TOML: .*end of document"),
        ('title = "twice"' + GOOD, "is not TOML: .*line 2"),
        ("a = " + "9" * 5000, "is not TOML"),
        ("a = " + "[" * 5000, "is not TOML"),
        (b"title = '\xb4\xf3'", "is not UTF-8"),
        ("", "title: is missing"),
    ],
    ids=["unfinished", "twice", "endless number", "deep", "GB18030", "empty"],
)
def test_what_is_no_rubric_file_is_refused(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            load_rubric(path)


def test_checks_must_be_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"checks\.floor: there is no such check"):
        load(tmp_path, GOOD, ("shape",))
    with pytest.raises(UserError, match=r"checks\.pairs: is missing"):
        load(tmp_path, GOOD, ("shape", "floor", "pairs"))


# The arithmetic of the curve


@given(st.integers(1, 20_000), st.data())
@settings(max_examples=200, deadline=None)
def test_one_image_more_never_earns_less_and_points_stay_in_bounds(images: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, images - 1))
    for rubric in (DEFAULT, LITERAL):
        less, more = accuracy_points(rubric, correct, images), accuracy_points(rubric, correct + 1, images)
        assert 0 <= less <= more <= rubric.accuracy.points
        assert less.as_tuple().exponent == -2


@given(st.integers(1, 1000), st.integers(1, 1000), st.data())
@settings(max_examples=200, deadline=None)
def test_the_same_share_earns_the_same(images: int, factor: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, images))
    for rubric in (DEFAULT, LITERAL):
        assert accuracy_points(rubric, correct, images) == accuracy_points(
            rubric, correct * factor, images * factor
        )


@pytest.mark.parametrize(("correct", "images"), [(-1, 10), (11, 10), (0, 0)])
def test_impossible_counts_are_refused(correct: int, images: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        accuracy_points(DEFAULT, correct, images)


# Adding up


def test_full_marks() -> None:
    verdict = full_marks(DEFAULT)
    assert (verdict.status, verdict.reason) == (Status.GRADED, "")
    assert str(verdict.total) == "104.00"
    assert [row.id for row in verdict.rows] == [
        *DEFAULT.checks,
        "accuracy",
        "question_1",
        "question_2",
        "question_3",
        "question_4",
    ]
    assert all(row.outcome is Outcome.PASSED and not row.reason for row in verdict.rows)
    assert (verdict.student_id, verdict.name, verdict.digest) == ("pb21000001", "张三", "d" * 64)


def test_accuracy_row_says_its_interval_and_what_it_is_worth() -> None:
    verdict = score(
        DEFAULT,
        evidence(
            STUDENT,
            checks=outcomes(DEFAULT),
            accuracy=measured(7100, 10_000),
            answers=answers(*[True] * 4),
        ),
    )
    row = next(row for row in verdict.rows if row.id == "accuracy")
    assert "71.00 % (7,100 of 10,000), 95 % interval 70.00 % to 72.00 % = 49.00 to 50.87 points" in row.title
    assert (str(row.points), row.reason) == ("49.93", "71.00 % earns 49.93; all 70 points from 90 % on")


def test_question_rows_say_that_only_presence_counts() -> None:
    rows = full_marks(DEFAULT).rows[-4:]
    assert [row.title for row in rows] == [f"{q.text} (presence only)" for q in DEFAULT.questions]


@given(
    st.sets(st.sampled_from(sorted(DEFAULT.checks))),
    st.integers(0, 1000),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
@settings(max_examples=100, deadline=None)
def test_total_is_the_sum_of_the_rows(failed: set[str], correct: int, present: list[bool]) -> None:
    verdict = score(
        DEFAULT,
        evidence(
            STUDENT,
            checks=outcomes(DEFAULT, failed=tuple(failed)),
            accuracy=measured(correct, 1000),
            answers=answers(*present),
        ),
    )
    expected = accuracy_points(DEFAULT, correct, 1000) + sum(present)
    expected += sum(points for id, points in DEFAULT.checks.items() if id not in failed)
    assert verdict.total == sum(row.points for row in verdict.rows) == expected
    assert 0 <= verdict.total <= verdict.out_of == sum(row.out_of for row in verdict.rows)
    assert all(0 <= row.points <= row.out_of for row in verdict.rows)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_accuracy_that_could_not_be_measured_is_a_failed_row_with_its_reason() -> None:
    verdict = score(
        DEFAULT,
        evidence(
            STUDENT,
            checks=outcomes(DEFAULT),
            accuracy=Accuracy(images=1000, reason="the logits are NaN"),
            answers=answers(True, True, False, True),
        ),
    )
    row = next(row for row in verdict.rows if row.id == "accuracy")
    assert (row.outcome, row.points, row.reason) == (Outcome.FAILED, Decimal(0), "the logits are NaN")
    assert verdict.total == 33 and verdict.status is Status.GRADED


def test_a_timeout_keeps_what_was_earned_before_it() -> None:
    problem = Problem(status=Status.TIMEOUT, reason="600 s were used up")
    verdict = score(
        DEFAULT,
        evidence(
            STUDENT,
            problem=problem,
            checks=outcomes(DEFAULT)[:3],
            accuracy=Accuracy(images=1000, reason="no time was left"),
            answers=answers(True, True, True, True),
        ),
    )
    assert (verdict.status, verdict.reason, verdict.total) == (
        Status.TIMEOUT,
        "600 s were used up",
        Decimal(10),
    )
    assert verdict.rows[3].outcome is Outcome.NOT_RUN
    assert verdict.rows[3].reason == "600 s were used up"
    assert verdict.rows[15].outcome is Outcome.NOT_RUN


def test_an_error_of_the_graders_own_gives_no_total() -> None:
    checks = outcomes(DEFAULT)
    checks[4] = checks[4].model_copy(update={"outcome": Outcome.ERROR, "reason": "torch fell over"})
    verdict = score(
        DEFAULT,
        evidence(
            STUDENT, checks=checks, accuracy=measured(900, 1000), answers=answers(True, True, True, True)
        ),
    )
    assert (verdict.status, verdict.total) == (Status.GRADER_ERROR, None)
    assert verdict.reason == "conv_params_bias: torch fell over"


def test_a_forgotten_result_is_an_error_not_a_zero() -> None:
    for missing in ("checks", "accuracy", "answers"):
        results = {
            "checks": outcomes(DEFAULT),
            "accuracy": measured(9, 10),
            "answers": answers(True, True, True, True),
        }
        del results[missing]
        verdict = score(DEFAULT, evidence(STUDENT, **results))  # type: ignore[arg-type]
        assert (verdict.status, verdict.total) == (Status.GRADER_ERROR, None)


def test_nothing_gradable_is_zero_with_a_status_and_a_reason() -> None:
    problem = Problem(status=Status.NOT_GRADABLE, reason="the zip is empty")
    nothing = answered(STUDENT, Setup(rubric=DEFAULT, images="mini"), Basis("", "", "")).outcomes
    verdict = score(DEFAULT, evidence(STUDENT, problem=problem, answers=nothing))
    assert (verdict.status, verdict.reason, str(verdict.total)) == (problem.status, problem.reason, "0.00")
    assert {(row.outcome, row.points) for row in verdict.rows} == {(Outcome.NOT_RUN, Decimal(0))}
    assert {row.reason for row in verdict.rows[:-4]} == {"the zip is empty"}
    assert {row.reason for row in verdict.rows[-4:]} == {"no answers were handed in"}


@pytest.mark.parametrize("status", [Status.QUARANTINED, Status.GRADER_ERROR])
def test_no_mark_may_be_given_to_the_unknown_or_for_our_own_faults(status: Status) -> None:
    verdict = score(
        DEFAULT, evidence(STUDENT, problem=Problem(status=status, reason="a bomb"), checks=outcomes(DEFAULT))
    )
    assert (verdict.status, verdict.reason, verdict.total) == (status, "a bomb", None)


def test_results_that_the_rubric_does_not_know_are_refused() -> None:
    stray = CheckOutcome(id="stray", title="", outcome=Outcome.PASSED)
    with pytest.raises(ValueError, match="does not know"):
        score(DEFAULT, evidence(STUDENT, checks=[*outcomes(DEFAULT), stray]))
    with pytest.raises(ValueError, match="twice"):
        score(DEFAULT, evidence(STUDENT, checks=[*outcomes(DEFAULT), outcomes(DEFAULT)[0]]))
    with pytest.raises(ValueError, match="does not ask"):
        score(
            DEFAULT,
            evidence(STUDENT, checks=outcomes(DEFAULT), answers=answers(*[True] * 5)),
        )


def test_remarks_of_intake_and_of_the_run_are_kept_in_order() -> None:
    submission = STUDENT.model_copy(update={"remarks": ("renamed",)})
    verdict = score(
        DEFAULT,
        evidence(
            submission,
            checks=outcomes(DEFAULT),
            accuracy=measured(1, 2),
            answers=answers(True, True, True, True),
            remarks=["slow"],
            log="epoch 1",
            sandbox="bubblewrap",
        ),
    )
    assert (verdict.remarks, verdict.log, verdict.sandbox) == (("renamed", "slow"), "epoch 1", "bubblewrap")
