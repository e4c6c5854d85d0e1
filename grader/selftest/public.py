"""What a lab's `selftest` module brings: the checks that students may see, their wording, what can be scored.

It holds

- `CHECKS`: a check for each of the rubric's, with inputs of its own, made with `checks_into`;
- `CHINESE`: the lab's wordings in Chinese, see `grader.selftest.chinese`;
- `measure(student, folder, progress)`: what the rubric's curve is for, as far as public inputs can tell, and
  what these are, for the row's title; `progress(done, all)` may be told how far it is;
- `notes(student, passed)`: what else there is to say, given the checks that passed, as the arguments of
  `grader.selftest.run.Speaker`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from grader.expect import CheckFailed
from grader.sandbox.student import SandboxError, Student, StudentFailure
from grader.types import CheckOutcome, Outcome

STUB = re.compile(r"NotImplementedError(?:: Task \w+: write \w+)?(?: \(|$)")  # the template's, or a bare one
ANSWERS, WEIGHTS = "answers", "weights"  # tasks that there may be in any lab

Run = Callable[[Student], str | None]  # a function: raises CheckFailed; may return a hint on what is right


class Check(NamedTuple):
    """One check: the rubric's id of its row, the word that selects it, its title, and what it does."""

    id: str
    task: str
    title: str
    run: Run
    needs: tuple[str, ...]  # the ids of checks without which this one says nothing, as in the grader


def checks_into(checks: list[Check]) -> Callable[..., Callable[[Run], Run]]:
    """The decorator that adds a function to `checks`, in the order in which they stand in their file.

    It takes the task, the title and, where there are such, the ids of the checks that it needs.
    """

    def check(task: str, title: str, needs: tuple[str, ...] = ()) -> Callable[[Run], Run]:
        def add(run: Run) -> Run:
            checks.append(Check(run.__name__, task, title, run, needs))
            return run

        return add

    return check


def tasks_of(checks: Iterable[Check], questions: bool = True) -> tuple[str, ...]:
    """The words that select a part, in their order."""
    return (*dict.fromkeys(check.task for check in checks), *([ANSWERS] if questions else []))


def look(
    checks: Sequence[Check],
    student: Student,
    tasks: Container[str] | None = None,
    begin: Callable[[str], None] = lambda title: None,
) -> Iterator[CheckOutcome]:
    """Run the checks, or those of these tasks, one after the other, and tell `begin` which one begins.

    A task that is not written yet is `not_run`. What passed may have a hint all the same.
    """
    titles = {check.id: check.title for check in checks}
    passed: set[str] = set()
    for check in checks:
        if tasks is not None and check.task not in tasks:
            continue
        begin(check.title)
        outcome, reason, hint = _ends(check, student, passed, titles)
        if outcome is Outcome.PASSED:
            passed.add(check.id)
        yield CheckOutcome(id=check.id, title=check.title, outcome=outcome, reason=reason, hint=hint)


def _ends(
    check: Check, student: Student, passed: set[str], titles: dict[str, str]
) -> tuple[Outcome, str, str]:
    """How a check ends, why, and a hint."""
    for name in check.needs:
        if name not in passed:
            return Outcome.NOT_RUN, f"waiting for: {titles[name]}", ""
    try:
        advice = check.run(student) or ""
    except CheckFailed as failed:
        return Outcome.FAILED, failed.reason, failed.hint
    except StudentFailure as failure:
        unwritten = STUB.match(failure.message)  # torch, too, raises NotImplementedError, for other reasons
        is_open = unwritten or (failure.kind == "missing" and check.task == WEIGHTS)
        reason = failure.message.removeprefix("NotImplementedError: " if unwritten else "")
        return Outcome.NOT_RUN if is_open else Outcome.FAILED, reason, _hint(failure)
    except SandboxError as error:
        return Outcome.ERROR, str(error), ""
    return Outcome.PASSED, "", advice


def _hint(failure: StudentFailure) -> str:
    """What to do about a failure whose own words do not say it."""
    if failure.kind == "timeout":
        return "look for a loop that never ends"
    if "of type NoneType" in failure.message:
        return "return the result"
    if "of type type" in failure.message:
        return "return an object of the class: call it"
    return ""
