"""A leaderboard for courses that want one: nicknames that students chose, or none, and nobody's name.

Places are shared as far as chance reaches: whoever has nobody above them whose interval lies wholly above
theirs is first, and so on. One image more moves nobody.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from grader.errors import UserError
from grader.intake.decode import decode_text
from grader.report.render import render
from grader.report.words import Language
from grader.rubric import Rubric
from grader.text import safe_line
from grader.types import Accuracy, Verdict

NICKNAME_CHARACTERS = 40
SCALE_STEP = 5  # percent
MOST_BYTES = 1 << 20  # of a list of nicknames
_ID, _NICKNAME = ("student", "student_id", "学号"), ("nickname", "昵称")


class Line(NamedTuple):
    """A place. `low` and `high` are the interval's ends, in percent."""

    place: int
    nickname: str  # empty where none was chosen
    accuracy: Accuracy
    low: float
    high: float
    public: Accuracy | None  # where other images decide


def leaderboard_page(
    verdicts: Sequence[Verdict],
    rubric: Rubric,
    nicknames: Mapping[str, str],
    lang: Language = "en",
    *,
    held_out: bool = False,
) -> str:
    """The page in HTML. With `held_out`, the images that no student has seen decide, else the public ones."""
    lines = standings(verdicts, nicknames, held_out=held_out)
    return render(
        "leaderboard.html", lang, rubric=rubric, lines=lines, scale=_scale(lines), held_out=held_out
    )


def standings(
    verdicts: Sequence[Verdict], nicknames: Mapping[str, str], *, held_out: bool = False
) -> list[Line]:
    """The best first; of equal accuracies, by nickname. Students without an accuracy have no place.

    A place is one more than the number of those whose interval lies wholly above.
    """
    found = []
    for verdict in verdicts:
        public = verdict.public or (None if held_out else verdict.accuracy)
        accuracy = verdict.accuracy if held_out and verdict.public else public
        if (
            verdict.standing == "counts"
            and verdict.total is not None
            and accuracy
            and accuracy.low is not None
        ):
            found.append((accuracy, nicknames.get(verdict.student_id, ""), public if held_out else None))
    found.sort(key=lambda one: (-(one[0].accuracy or 0), not one[1], one[1]))
    lines = []
    for accuracy, nickname, other in found:
        low, high = accuracy.low or 0.0, accuracy.high or 0.0
        place = 1 + sum((better.low or 0) > high for better, _, _ in found)
        lines.append(Line(place, nickname, accuracy, 100 * low, 100 * high, other))
    return lines


def _scale(lines: Sequence[Line]) -> tuple[int, int]:
    """From where to where the bars are drawn, in percent: multiples of SCALE_STEP that enclose them all."""
    low, high = min((line.low for line in lines), default=0), max((line.high for line in lines), default=100)
    return SCALE_STEP * math.floor(low / SCALE_STEP), SCALE_STEP * math.ceil(high / SCALE_STEP)


def read_nicknames(path: Path, students: Sequence[str]) -> dict[str, str]:
    """The nicknames in a CSV with the columns `student` and `nickname`, by student; an empty one is none.

    Raises `UserError` where it cannot be read, names somebody unknown or twice, or a nickname is taken.
    """
    try:
        with path.open("rb") as file:
            text = decode_text(file.read(MOST_BYTES))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}): give a CSV of student,nickname"
        ) from None
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read ({error}): give a CSV of student,nickname") from None
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    places = [next((at for at, cell in enumerate(head) if cell in names), None) for names in (_ID, _NICKNAME)]
    if places[0] is None or places[1] is None:
        raise UserError(f"{path}: the first line has to name the columns student and nickname")
    known, found, taken = set(students), dict[str, str](), dict[str, int]()
    for number, row in enumerate(rows[1:], 2):
        id, nickname = (row[at].strip() if at is not None and at < len(row) else "" for at in places)
        where, nickname = f"{path}, line {number}", safe_line(nickname, NICKNAME_CHARACTERS)
        if not id:
            continue
        if id not in known or id in found:
            raise UserError(
                f"{where}: {safe_line(id, 60)} is {'there twice' if id in found else 'no student here'}"
            )
        if nickname and nickname.casefold() in taken:
            raise UserError(f"{where}: the nickname {nickname} is taken in line {taken[nickname.casefold()]}")
        found[id] = nickname
        if nickname:
            taken[nickname.casefold()] = number
    return found
