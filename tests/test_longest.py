"""How long one submission can keep a sandbox: no more than `longest` says, whatever its code does."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from students import submission

from grader import grade as grade_module
from grader import longest as longest_module
from grader import training as training_module
from grader.accuracy import accuracy_seconds, between_seconds
from grader.budget import Budget
from grader.errors import UserError
from grader.grade import Pipeline
from grader.limits import Limits
from grader.longest import TRAININGS, TRIES, longest
from grader.rubric import load_rubric
from grader.sandbox import SandboxError, Student
from grader.setup import Setup
from grader.types import Evidence, Status, Submission, Weights

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="bubblewrap is Linux's")

LIMITS = Limits(
    wall_seconds=8, call_seconds=1, batch_seconds=1.5, load_seconds=2.5, accuracy_seconds=60, deaths=20
)
BUDGET = Budget(seconds=2, images_per_second=1e6, least_seconds=2, most_seconds=2)
# Everything takes as long as it may, or a little longer; the images are looked at again and again.
SLOW = """
import time, torch
from torch import nn

time.sleep(1)
ASKED = []

def conv_output_size(*arguments, **more):
    time.sleep(0.8)
    return 0

conv_parameter_count = conv_output_size

def lenet5():
    time.sleep(9)

def preprocess(images):
    if len(images) > 16:
        ASKED.append(len(images))
        time.sleep(0.004 * len(images))
        if sum(ASKED) > 500 and ASKED[0] > 4:
            raise MemoryError
    return images.float()

def classifier():
    ASKED.clear()
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))

def train_classifier(model, images, labels, *, device, seconds, seed):
    while True:
        time.sleep(0.1)
"""


class Seen:
    """The submission's handles, in the order in which they were had."""

    def __init__(self) -> None:
        self.students: list[Student] = []

    def own_seconds(self) -> float:
        return sum(student.seconds_used for student in self.students)


@contextmanager
def pipeline(
    weights: Any, patch: pytest.MonkeyPatch, limits: Limits = LIMITS
) -> Iterator[tuple[Pipeline, Seen]]:
    patch.setattr(training_module, "PACE_SECONDS", 0.06)
    rubric = load_rubric().model_copy(update={"limits": limits, "training": BUDGET})
    seen = Seen()
    try:
        with Pipeline(Setup(rubric=rubric, images="mini", weights=weights)) as made:
            student = made.sandbox.student

            @contextmanager
            def noted(work: Submission, **more: Any) -> Iterator[Student]:
                with student(work, **more) as handle:
                    if work is not training_module.NOBODY:
                        seen.students.append(handle)
                    yield handle

            patch.setattr(made.sandbox, "student", noted)
            yield made, seen
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture
def work(tmp_path: Path) -> Submission:
    path = tmp_path / "classifier.safetensors"
    save_file({"1.weight": torch.zeros(10, 3072), "1.bias": torch.zeros(10)}, path)
    return submission(SLOW, Weights(filename=path.name, path=path, format="safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize(("weights", "tries"), [("submitted", 2), ("train", 3), ("verify", 4)])
def test_who_uses_up_everything_keeps_to_the_limit(
    work: Submission, weights: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = LIMITS
    if weights == "verify" and work.code:  # without an accuracy there would be nothing to verify
        limits = LIMITS.model_copy(update={"wall_seconds": 30.0})
        cells = (work.code.cells[0].replace("raise MemoryError", "time.sleep(0.1)"),)
        work = work.model_copy(update={"code": work.code.model_copy(update={"cells": cells})})
    with pipeline(weights, monkeypatch, limits) as (made, seen):
        began = time.monotonic()
        verdict = made.grade(work)
        wall = time.monotonic() - began
    assert verdict.status is not Status.GRADER_ERROR, verdict.reason
    repeated = (
        0 if weights == "submitted" else TRAININGS - 1
    )  # if the machine's load changed during the first
    assert tries <= len(seen.students) <= tries + repeated, verdict.accuracy
    assert seen.own_seconds() > LIMITS.wall_seconds  # it did what it could
    assert seen.own_seconds() <= made.longest.own and wall <= made.longest.wall


@pytest.mark.slow
def test_a_sandbox_that_fails_gives_the_time_once_more(
    work: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade_one = grade_module.grade_one

    def fails(work: Submission, pipeline: Pipeline, known: Evidence | None) -> Evidence:
        grade_one(work, pipeline, known)
        raise SandboxError("the sandbox ended by itself")

    monkeypatch.setattr(grade_module, "grade_one", fails)
    with pipeline("submitted", monkeypatch) as (made, seen):
        began = time.monotonic()
        verdict = made.grade(work)
        wall = time.monotonic() - began
    assert verdict.status is Status.GRADER_ERROR and len(seen.students) == 2 * TRIES == 4
    assert seen.own_seconds() <= TRIES * made.longest.own and wall <= made.longest.wall


def test_a_machine_that_stays_too_busy_is_not_tried_again(
    work: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(longest_module, "BUSY_IN_ALL", 0)
    monkeypatch.setattr(longest_module, "BUSY_SECONDS", 0.5)
    with pipeline("submitted", monkeypatch) as (made, seen):
        made.sandbox._wait_ready()
        verdict = made.grade(work)
    assert verdict.status is Status.GRADER_ERROR and "too busy" in verdict.reason
    assert len(seen.students) == 1


def test_the_limit_with_what_comes_with_the_grader() -> None:
    """For 10,000 images on a machine of the pace that the limits are meant for, as submissions.md says."""
    limits, budget = Limits(), Budget()
    seconds = limits.accuracy_seconds, between_seconds(limits.accuracy_seconds, 10_000, 4_600)
    found = {w: longest(limits, budget, w, *seconds) for w in ("submitted", "train", "verify")}
    assert [round(one.own / 60) for one in found.values()] == [49, 139, 164]
    assert [round(one.wall / 3600, 1) for one in found.values()] == [4.2, 7.7, 9.8]
    told = " ".join(
        (Path(longest_module.__file__).parent / "docs" / "submissions.md").read_text("utf-8").split()
    )
    assert "is 49 minutes of its own time; with `--weights train` 139, with `verify` 164" in told
    assert "after 4.2, 7.7 or 9.8 hours" in told
    assert accuracy_seconds(limits, "cuda", 10_000) == limits.accuracy_seconds
