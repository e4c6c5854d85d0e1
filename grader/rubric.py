"""What `rubric.toml` says: every point of a lab, the limits, and a training's budget.

Points are `Decimal` with two places throughout.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from pydantic import field_validator, model_validator

from grader.budget import Budget
from grader.errors import UserError
from grader.lab import DEFAULT, LABS
from grader.limits import Limits
from grader.toml_records import Line, Number, load_record, parse_record
from grader.types import Record

RUBRIC = LABS / DEFAULT / "rubric.toml"
_REMEDY = f", or start from {RUBRIC}"

_ZERO = Decimal("0.00")


class Question(Record):
    """A written question; `text` is the wording that students see, `text_zh` the same in Chinese."""

    id: Line
    text: Line
    text_zh: Line = ""
    points: Number


class Curve(Record):
    """Accuracy to points: straight lines between `knots`, pairs of (percent correct, points)."""

    title: Line
    points: Number
    knots: tuple[tuple[Number, Number], ...]

    @model_validator(mode="after")
    def _rises(self) -> Curve:
        if len(self.knots) < 2:
            raise ValueError("knots: there must be at least two pairs [percent, points]")
        for (percent, points), (next_percent, next_points) in pairwise(self.knots):
            if next_percent <= percent:
                raise ValueError(f"knots: {plain(next_percent)} % does not come after {plain(percent)} %")
            if next_points < points:
                raise ValueError(f"knots: {plain(next_percent)} % earns less than {plain(percent)} %")
        if self.knots[-1][0] > 100:
            raise ValueError(f"knots: {plain(self.knots[-1][0])} % is more than all images")
        if self.knots[-1][1] != self.points:
            last = plain(self.knots[-1][1])
            raise ValueError(f"knots: the last one earns {last}, but points = {plain(self.points)}")
        return self


class Rubric(Record):
    """Every point of a lab. Exercise 1 is the checks and the accuracy, exercise 2 the questions."""

    title: Line
    out_of: Number
    exercise_1: Number
    exercise_2: Number
    checks: Mapping[str, Number]  # check id -> points, in the order of the rows
    accuracy: Curve
    questions: tuple[Question, ...] = ()
    limits: Limits = Limits()
    training: Budget = Budget()

    @field_validator("checks")
    @classmethod
    def _ids(cls, checks: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        for id in checks:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", id):
                raise ValueError(f"{id!r} is not a check's id")
        return checks

    @model_validator(mode="after")
    def _adds_up(self) -> Rubric:
        for number, question in enumerate(self.questions, 1):
            if question.id != f"question_{number}":
                raise ValueError(
                    f"questions[{number}].id: is {question.id!r}, but question_{number} is due there"
                )
        checks = sum(self.checks.values(), _ZERO)
        questions = sum((question.points for question in self.questions), _ZERO)
        for key, stated, found, parts in (
            ("exercise_1", self.exercise_1, checks + self.accuracy.points, "[checks] and [accuracy]"),
            ("exercise_2", self.exercise_2, questions, "[[questions]]"),
            ("out_of", self.out_of, self.exercise_1 + self.exercise_2, "exercise_1 and exercise_2"),
        ):
            if stated != found:
                raise ValueError(f"{key}: says {plain(stated)}, but {parts} add up to {plain(found)}")
        return self

    @property
    def wordings(self) -> list[tuple[str, str]]:
        """The questions as students see them, in English and in Chinese."""
        return [(question.text, question.text_zh) for question in self.questions]

    @property
    def digest(self) -> str:
        """SHA-256 of what the rubric means: comments, spacing and `2` or `2.00` make no difference."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_rubric(path: Path | None = None, checks: Mapping[str, str] | None = None) -> Rubric:
    """Read a rubric file, by default the default lab's own.

    `checks` holds the ids of the checks that exist, and where each stands; the rubric must give
    points, if only 0, to each of them and to nothing else. Raises `UserError`.
    """
    path = path or RUBRIC
    rubric = load_record(path, Rubric, what="rubric", remedy=_REMEDY)
    if checks is not None:
        same_checks(path, rubric, checks)
    return rubric


def parse_rubric(text: str, path: Path) -> Rubric:
    """The rubric that a file of this path holds. Raises `UserError`."""
    return parse_record(text, path, Rubric, remedy=_REMEDY)


def same_checks(path: Path, rubric: Rubric, checks: Mapping[str, str]) -> None:
    """Raise `UserError` where the rubric of this file has points for other checks than there are."""
    for unknown in sorted(rubric.checks.keys() - checks.keys()):
        where = place_of(path, rf"{unknown}\s*=")
        raise UserError(f"{where}: checks.{unknown}: there is no such check: remove it, or fix its spelling")
    for missing in sorted(checks.keys() - rubric.checks.keys()):
        raise UserError(
            f"{path}: checks.{missing}: is missing, and {checks[missing]} is such a check: "
            "give it points, 0 for none"
        )


def place_of(file: Path, pattern: str) -> str:
    """The file with the number of the first line that begins so, as far as there is one."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return str(file)
    found = next((number for number, line in enumerate(lines, 1) if re.match(pattern, line.strip())), None)
    return str(file) if found is None else f"{file}:{found}"


def plain(number: Decimal) -> str:
    """2.50 as "2.5", 70.00 as "70"."""
    return f"{number.normalize():f}"
