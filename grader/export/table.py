"""The score table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich import box
from rich.table import Table
from rich.text import Text

from grader.rubric import Rubric
from grader.text import safe_line
from grader.types import Accuracy, Outcome, Status, Verdict

_NOTHING = "–"
_COLOURS = {
    Status.GRADED: "green",
    Status.ABSENT: "yellow",
    Status.NOT_GRADABLE: "yellow",
    Status.QUARANTINED: "magenta",
    Status.GRADER_ERROR: "bold red",
}  # all else: red


def score_table(verdicts: Sequence[Verdict], rubric: Rubric) -> Table:
    """One line a student, sorted by id; fits 80 columns. Students' texts are never markup."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    checks = sum(rubric.checks.values(), Decimal(0))
    table.add_column("student", overflow="fold", min_width=10)
    table.add_column("name", overflow="fold", min_width=6)
    table.add_column("status", min_width=11)
    table.add_column(f"checks\n/{checks:.0f}" if checks else "checks\npassed", justify="right", no_wrap=True)
    table.add_column("accuracy %\n(95 % interval)", justify="right", no_wrap=True)
    table.add_column(f"points\n/{rubric.accuracy.points:.0f}", justify="right", no_wrap=True)
    table.add_column(f"Q1–{len(rubric.questions)}\n/{rubric.exercise_2:.0f}", justify="right", no_wrap=True)
    table.add_column(f"total\n/{rubric.out_of:.0f}", justify="right", no_wrap=True, style="bold")
    has_flags = any(verdict.open_flags for verdict in verdicts)
    if has_flags:
        # There is no room for the word in 80 columns.
        table.add_column("!", justify="right", no_wrap=True, style="yellow")
    for verdict in sorted(verdicts, key=lambda verdict: verdict.student_id):
        table.add_row(
            Text(safe_line(verdict.student_id, 60)),
            Text(safe_line(verdict.name, 60)),
            _status(verdict),
            _checks(verdict, rubric) if checks else _passed(verdict),
            _accuracy(verdict.accuracy),
            _points(verdict, ["accuracy"]),
            _points(verdict, [question.id for question in rubric.questions]),
            _NOTHING if verdict.total is None else f"{verdict.total:.2f}",
            *([str(len(verdict.open_flags) or "")] if has_flags else []),
        )
    return table


def _status(verdict: Verdict) -> Text:
    text = Text(verdict.status.value.replace("_", " "), style=_COLOURS.get(verdict.status, "red"))
    if verdict.standing != "counts":
        return Text(verdict.standing, style="yellow")
    return text.append("\ndecided", style="cyan") if verdict.decisions else text


def _checks(verdict: Verdict, rubric: Rubric) -> str:
    return _points(verdict, list(rubric.checks))


def _passed(verdict: Verdict) -> str:
    """For a rubric whose checks carry no points: how many passed."""
    if not verdict.checks:
        return _NOTHING
    passed = sum(check.outcome is Outcome.PASSED for check in verdict.checks)
    return f"{passed}/{len(verdict.checks)}"


def _points(verdict: Verdict, ids: Sequence[str]) -> str:
    """The sum over some rows, as they count; nothing where no mark may be given."""
    if verdict.total is None:
        return _NOTHING
    return f"{sum((row.counts for row in verdict.rows if row.id in ids), Decimal(0)):.2f}"


def _accuracy(accuracy: Accuracy | None) -> str:
    if accuracy is None or accuracy.accuracy is None:
        return "not measured"
    text = f"{100 * accuracy.accuracy:.1f}"
    if accuracy.low is None or accuracy.high is None:
        return text
    return f"{text} ({100 * accuracy.low:.1f}–{100 * accuracy.high:.1f})"
