"""What `run_autograder` runs on Gradescope: one submission in, `results/results.json` out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Literal

from grader.errors import UserError
from grader.export.autograder import RUBRIC
from grader.export.files import replace_file
from grader.grade import Pipeline
from grader.gradebook import read_stored
from grader.intake import read_submissions
from grader.rubric import Rubric
from grader.scoring import score
from grader.setup import Setup
from grader.text import safe_line, safe_text, visible_json
from grader.types import CheckOutcome, Evidence, Outcome, Row, Submission, Verdict
from grader.workdir import Workdir

# A student may hand in again and again: what a hidden check compares is told after the deadline alone.
SHOWN = ("accuracy", "classifier_", "question_")
_OUTPUT_CHARACTERS = 4000
NO_SANDBOX = (
    "graded without a sandbox, for this container allows none: the submission's code ran with all rights in"
    " it, and could read the hidden checks. Grade the download with `grader grade` before the marks count"
)


def main(root: Path) -> int:
    """Grade what is in `submission`; the exit status. Where no mark may be given nothing is written."""
    file = root / "results" / "results.json"
    try:
        file.unlink(missing_ok=True)  # a mark of an earlier submission
        rubric = read_stored(Rubric, (root / "source" / RUBRIC).read_text("utf-8"))
        with Workdir() as folder:
            found = read_submissions(root / "submission", folder)
            if len(found) != 1:
                raise UserError(f"{len(found)} students' files are in one submission")
            evidence, sandbox = _measured(found[0], rubric)
        verdict = score(rubric, evidence)
    except (UserError, OSError, ValueError) as error:
        print(safe_line(f"no mark: {error}", 1000))
        return 3
    if verdict.total is None:
        print(safe_line(f"no mark: {verdict.status.value}: {verdict.reason}", 1000))
        return 3
    if sandbox == "none":
        print(NO_SANDBOX)
    replace_file(file, f"{visible_json(results(verdict, sandbox))}\n".encode())
    return 0


def _measured(submission: Submission, rubric: Rubric) -> tuple[Evidence, Literal["bubblewrap", "none"]]:
    """What was found, in a sandbox where there can be one, and in which."""
    setup = Setup(rubric=rubric, images="mini", threads=max(1, os.cpu_count() or 1))
    try:
        with Pipeline(setup) as pipeline:
            return pipeline.measure(submission), "bubblewrap"
    except UserError:
        with Pipeline(setup.model_copy(update={"sandbox": "none"})) as pipeline:
            return pipeline.measure(submission), "none"


def results(verdict: Verdict, sandbox: str) -> dict[str, Any]:
    """A verdict as Gradescope reads it: a test a row, whose scores add up to the mark.

    Without a sandbox there is one test more, without points, for the instructor alone.
    """
    checks = {check.id: check for check in verdict.checks}
    tests = [_test(row, checks.get(row.id)) for row in verdict.rows]
    if sandbox == "none":
        told = {"name": "sandbox: none", "status": "failed", "output": NO_SANDBOX}
        tests.append(told | {"visibility": "hidden"})
    content: dict[str, Any] = {
        "output": safe_text("\n".join([verdict.reason, *verdict.remarks]).strip(), _OUTPUT_CHARACTERS),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "visibility": "visible",
        "extra_data": {"status": verdict.status.value, "sandbox": sandbox, "digest": verdict.digest},
        "tests": tests,
    }
    if verdict.accuracy and verdict.accuracy.accuracy is not None:
        share = round(100 * verdict.accuracy.accuracy, 2)
        content["leaderboard"] = [{"name": "accuracy %", "value": share, "order": "desc"}]
    return content


def _test(row: Row, check: CheckOutcome | None) -> dict[str, Any]:
    told = [row.reason]
    if check and check.outcome is Outcome.FAILED:
        parts = {"expected": check.expected, "found": check.actual, "hint": check.hint}
        told += [f"{what}: {text}" for what, text in parts.items() if text]
    return {
        "name": safe_line(row.title, 300),
        "score": float(row.points),
        "max_score": float(row.out_of),
        "status": "passed" if row.outcome is Outcome.PASSED else "failed",
        "output": safe_text("\n".join(filter(None, told)), _OUTPUT_CHARACTERS),
        "output_format": "text",
        "visibility": "visible" if row.id.startswith(SHOWN) else "after_published",
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
