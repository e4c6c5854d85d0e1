"""The class on one page, for its instructor: how it went, what was hard, what needs a person."""

from __future__ import annotations

import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from grader.export.files import replace_file
from grader.export.scores import by_stem
from grader.report.charts import histogram
from grader.report.feedback import value_of, without_inputs
from grader.report.render import of_templates, render
from grader.rubric import Rubric
from grader.text import safe_text
from grader.types import Outcome, Row, Status, Verdict

FILE_NAME, FEEDBACK = "class.html", "feedback"
MOST_VALUES = 3  # of a check, that are wrong
MOST_PAIRS, MOST_FLAGGED, MOST_FAILED, SLOWEST = 100, 300, 100, 10
LOG_CHARACTERS = 1200
VALUE_CHARACTERS, REASON_CHARACTERS, MESSAGE_CHARACTERS = 120, 300, 500
ACCURACY_STEP = 5  # percent, a bar of the histogram
BARS = 11  # of the totals
_NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
_FOR_PEOPLE = (Status.GRADER_ERROR, Status.QUARANTINED)  # who have to do something about it
_STAMP = "made-of"


class Student(NamedTuple):
    """A line of the table."""

    verdict: Verdict
    page: str  # the address of the student's own, or empty
    checks: Decimal | None
    accuracy: Decimal | None
    questions: Decimal | None


class CheckLine(NamedTuple):
    """How a check, or a question, went in the class."""

    id: str
    title: str
    passed: int
    failed: int
    not_run: int
    share: float  # that passed, of all who were graded
    values: list[tuple[int, str]]  # how often, and the value or reason; the most frequent first


class Pair(NamedTuple):
    """Two whose work is alike."""

    one: Verdict
    other: Verdict
    messages: list[tuple[str, str]]  # kind and message


def write_class_page(verdicts: Sequence[Verdict], rubric: Rubric, folder: Path, digest: str) -> None:
    """Write `class.html` into a results `folder`, unless the one there was made of the same.

    `digest` is that of the results' other files, which tell whether a mark or a flag is another. Students are
    linked to their pages where these are in the folder already. Raises `UserError`.
    """
    path = folder / FILE_NAME
    pages = {file.name for file in (folder / FEEDBACK).glob("*.html")}
    of = [digest, rubric.digest, of_templates(), sorted(pages), [verdict.seconds for verdict in verdicts]]
    stamp = hashlib.sha256(repr(of).encode("utf-8", "replace")).hexdigest()
    if not _is_stamped(path, stamp):
        replace_file(path, class_page(verdicts, rubric, pages, stamp).encode())


def class_page(
    verdicts: Sequence[Verdict], rubric: Rubric, pages: Collection[str] = (), stamp: str = ""
) -> str:
    """The page in HTML; `pages` are the names of the files in `feedback/`."""
    totals = [float(v.total) for v in verdicts if v.total is not None]
    accuracies = [
        100 * v.accuracy.accuracy for v in verdicts if v.accuracy and v.accuracy.accuracy is not None
    ]
    top = float(rubric.out_of)
    flagged = [v for v in verdicts if v.flags]
    failed = [v for v in verdicts if v.status not in (Status.GRADED, Status.ABSENT)]
    failed.sort(key=lambda v: v.status not in _FOR_PEOPLE)
    timed = sorted((v for v in verdicts if v.seconds is not None), key=lambda v: -(v.seconds or 0))
    students = _students(verdicts, rubric, pages)
    return render(
        "class.html",
        "en",
        script="table.js",
        stamp=stamp,
        rubric=rubric,
        statuses=_statuses(verdicts),
        students=students,
        links={one.verdict.student_id: one.page for one in students},
        has_pages=bool(pages),
        decided=sum(bool(v.decisions) for v in verdicts),
        late=sum(bool(v.late_seconds) for v in verdicts),
        median=statistics.median(totals) if totals else None,
        median_accuracy=statistics.median(accuracies) / 100 if accuracies else None,
        totals=histogram(totals, top, top / BARS if top < BARS else _step(top)),
        counted=len(totals),
        accuracies=histogram(accuracies, 100, ACCURACY_STEP, rubric.accuracy),
        measured=len(accuracies),
        checks=_check_lines(verdicts, rubric),
        flagged=flagged[:MOST_FLAGGED],
        more_flagged=max(len(flagged) - MOST_FLAGGED, 0),
        pairs=(pairs := _pairs(flagged, verdicts))[:MOST_PAIRS],
        more_pairs=max(len(pairs) - MOST_PAIRS, 0),
        failed=[(v, _tail(v.log)) for v in failed[:MOST_FAILED]],
        more_failed=max(len(failed) - MOST_FAILED, 0),
        slowest=[(v, _tail(v.log)) for v in timed[:SLOWEST]],
        has_sections=any(v.section for v in verdicts),
        has_times=bool(timed),
        limits=(MESSAGE_CHARACTERS, REASON_CHARACTERS),
    )


def _is_stamped(path: Path, stamp: str) -> bool:
    try:
        with path.open("rb") as file:
            return f'name="{_STAMP}" content="{stamp}"'.encode() in file.read(4096)
    except OSError:
        return False


def _step(top: float) -> float:
    """Of a histogram to `top`: 1, 2, 5, 10, 20 …, so that there are about BARS bars."""
    size = 1.0
    while True:
        for factor in (1, 2, 5):
            if top / (size * factor) <= BARS:
                return size * factor
        size *= 10


def _statuses(verdicts: Sequence[Verdict]) -> list[tuple[str, int, bool]]:
    """What it is called, how many, and whether somebody has to do something: that first."""
    counts = Counter(v.status for v in verdicts if v.standing == "counts")
    found = [(s.value.replace("_", " "), counts[s], s in _FOR_PEOPLE) for s in Status if counts[s]]
    others = Counter(v.standing for v in verdicts if v.standing != "counts")
    return sorted(
        [*found, *((name, count, False) for name, count in others.items())], key=lambda one: not one[2]
    )


def _students(verdicts: Sequence[Verdict], rubric: Rubric, pages: Collection[str]) -> list[Student]:
    questions = {question.id for question in rubric.questions}
    found = []
    for stem, verdict in by_stem(sorted(verdicts, key=lambda v: v.student_id)).items():
        name = f"{stem}.html"
        sums: list[Decimal | None] = [None] * 3
        if verdict.total is not None:
            parts: list[list[Row]] = [[], [], []]
            for row in verdict.rows:
                parts[1 if row.id == "accuracy" else 2 if row.id in questions else 0].append(row)
            sums = [sum((row.counts for row in part), Decimal(0)) for part in parts]
        found.append(Student(verdict, f"{FEEDBACK}/{quote(name)}" if name in pages else "", *sums))
    return found


def _check_lines(verdicts: Sequence[Verdict], rubric: Rubric) -> list[CheckLine]:
    """The checks and the questions, those that fewest passed first."""
    questions = {question.id: question.text for question in rubric.questions}
    of_row: dict[str, list[Verdict]] = {id: [] for id in (*rubric.checks, *questions)}
    titles = dict(questions)
    outcomes: dict[str, Counter[Outcome]] = {id: Counter() for id in of_row}
    values: dict[str, list[str]] = {id: [] for id in of_row}
    for verdict in verdicts:
        if verdict.status in (Status.ABSENT, Status.NOT_GRADABLE, *_FOR_PEOPLE):
            continue
        checks = {check.id: check for check in verdict.checks}
        for row in verdict.rows:
            if row.id not in of_row:
                continue
            titles.setdefault(row.id, row.title)
            outcomes[row.id][row.outcome] += 1
            if row.outcome is Outcome.FAILED:
                check = checks.get(row.id)
                both = check and check.expected and check.actual
                told = (
                    f"{value_of(check.actual)} (expected {check.expected})" if check and both else row.reason
                )
                values[row.id].append(without_inputs(told))
    found = []
    for id in of_row:
        passed, failed = outcomes[id][Outcome.PASSED], outcomes[id][Outcome.FAILED]
        all_ = sum(outcomes[id].values())
        line = CheckLine(
            id,
            titles.get(id, id),
            passed,
            failed,
            all_ - passed - failed,
            passed / (all_ or 1),
            _common(values[id]),
        )
        found.append(line)
    return sorted(found, key=lambda line: line.share)


def _common(values: Sequence[str]) -> list[tuple[int, str]]:
    """The commonest, told by the first of its kind: the inputs differ, so numbers are not looked at."""
    kinds: dict[str, list[str]] = {}
    for value in values:
        kinds.setdefault(_NUMBERS.sub("0", value), []).append(value)
    found = sorted(((len(some), some[0]) for some in kinds.values() if some[0]), key=lambda one: -one[0])
    return [(count, value[:VALUE_CHARACTERS]) for count, value in found[:MOST_VALUES]]


def _pairs(flagged: Sequence[Verdict], verdicts: Sequence[Verdict]) -> list[Pair]:
    """Each two whose work is alike, once."""
    known = {verdict.student_id: verdict for verdict in verdicts}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for verdict in flagged:
        for flag in verdict.flags:
            for other in flag.others:
                if other in known:
                    first, second = sorted((verdict.student_id, other))
                    found.setdefault((first, second), {}).setdefault(flag.kind, flag.message)
    return [Pair(known[one], known[other], list(kinds.items())) for (one, other), kinds in found.items()]


def _tail(log: str) -> str:
    text = safe_text(log[-4 * LOG_CHARACTERS :], 4 * LOG_CHARACTERS).strip()
    return text[-LOG_CHARACTERS:]
