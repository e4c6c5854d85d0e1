"""What several test modules hand in and ask for: submissions made of a few lines, and how they end."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from grader.engines.local import Engine
from grader.evidence import attempt_of
from grader.sandbox import Sandbox, StudentFailure
from grader.sandbox.bubblewrap import Bubblewrap
from grader.scoring import score
from grader.setup import Setup
from grader.types import (
    Accuracy,
    AccuracyEvidence,
    AnswerEvidence,
    AnswerOutcome,
    CheckEvidence,
    CheckOutcome,
    Code,
    Evidence,
    Problem,
    Submission,
    Verdict,
    Weights,
)

# LeNet-5 as many write it.
LENET_CODE = """\
class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def lenet5():
    return LeNet5()
"""


def submission(code: str, weights: Weights | None = None, student: str = "s1") -> Submission:
    """A student's lab8.py with this text."""
    cell = textwrap.dedent(code)
    return Submission(student_id=student, code=Code(filename="lab8.py", cells=(cell,)), weights=weights)


def function(body: str, top: str = "", arguments: str = "x=None") -> Submission:
    """A submission whose conv_output_size has this body, below these lines at the top of the module.

    With the usual arguments it answers "well" when it is asked for that.
    """
    head = textwrap.dedent(top) + "\n" if top else ""
    head += f"import os, socket, sys, time\ndef conv_output_size({arguments}):\n"
    if arguments == "x=None":
        head += "    if x == 'well': return x\n"
    return submission(head + textwrap.indent(textwrap.dedent(body), "    "))


def answer(sandbox: Sandbox, body: str, top: str = "") -> Any:
    """What a function with this body returns, in a submission of its own."""
    with sandbox.student(function(body, top)) as student:
        return student.call("conv_output_size")


def failure(sandbox: Sandbox, body: str, seconds: float | None = None) -> StudentFailure:
    """How a function with this body fails; the submission can be asked again, and so can the next."""
    with sandbox.student(function(body)) as student:
        with pytest.raises(StudentFailure) as caught:
            student.call("conv_output_size", seconds=seconds)
        assert student.call("conv_output_size", "well") == "well"
    assert answer(sandbox, "return 'next'") == "next"
    return caught.value


def evidence(
    submission: Submission,
    *,
    problem: Problem | None = None,
    checks: Sequence[CheckOutcome] = (),
    accuracy: Accuracy | None = None,
    answers: Sequence[AnswerOutcome] = (),
    remarks: Sequence[str] = (),
    log: str = "",
    sandbox: str = "",
) -> Evidence:
    """Evidence on `submission` in which this was found."""
    attempt = attempt_of(submission)
    measured = None
    if accuracy:
        measured = AccuracyEvidence(accuracy=accuracy, remarks=tuple(remarks), log=log, sandbox=sandbox)
    return Evidence(
        attempt=attempt.model_copy(update={"problem": problem or attempt.problem}),
        checks=CheckEvidence(outcomes=tuple(checks)),
        accuracy=measured,
        answers=AnswerEvidence(outcomes=tuple(answers)),
    )


def verdicts_of(submissions: Sequence[Submission], setup: Setup, *, jobs: int) -> Iterator[Verdict]:
    """The submissions graded by the local engine."""
    with Engine() as engine:
        for one in engine.measure([(submission, None) for submission in submissions], setup, jobs=jobs):
            yield score(setup.rubric, one)


def calls_of(patch: pytest.MonkeyPatch, owner: object, name: str) -> list[tuple[Any, ...]]:
    """A list of the positional arguments of each call that `owner`'s function `name` gets from now on."""
    function, calls = getattr(owner, name), list[tuple[Any, ...]]()

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return function(*arguments, **options)

    patch.setattr(owner, name, counted)
    return calls


def command(*words: object) -> list[str]:
    """The words that start the command `grader` in a process of its own."""
    return [sys.executable, "-m", "grader", *map(str, words)]


def grader(*words: object, seconds: float = 240, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command `grader`, run to its end."""
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=seconds, **options)


def first_process(sandbox: Sandbox) -> int:
    """A descriptor of pid 1 in a sandbox of bubblewrap's."""
    assert isinstance(sandbox.backend, Bubblewrap) and sandbox.backend.pid1 is not None
    return sandbox.backend.pid1
