"""What the network that was handed in can do: its accuracy on labelled images, and whether it is what it
looks like; with `--weights train` and `verify`, what a training by the grader gives.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from grader import datasets, training
from grader.accuracy import accuracy_seconds, between_seconds, measure, measure_accuracy
from grader.evidence import problem_of
from grader.integrity.code import carries
from grader.integrity.examine import control_images, examine
from grader.integrity.network import draw, drawn_count
from grader.labs.lab8 import DATA, LAB
from grader.longest import few_seconds
from grader.sandbox import Sandbox
from grader.setup import Setup
from grader.types import AccuracyEvidence, Flag, Submission, Training
from grader.workdir import Workdir


class Measurement:
    """See `grader.lab.Measurement`. Raises `UserError` where there are no such images."""

    def __init__(self, setup: Setup, sandbox: Sandbox) -> None:
        self._setup, self._sandbox = setup, sandbox
        limits, device = setup.rubric.limits, setup.device
        if setup.weights != "submitted":
            self._training_set = datasets.load_training(DATA, setup.images)
        self._images, self._labels = datasets.load_labelled(DATA, setup.images)
        self._control = control_images(DATA, setup.images)
        self._seconds = accuracy_seconds(limits, device, len(self._images))
        between = drawn_count(len(self._labels), len(self._control[1]) if self._control else 0)
        self._between_seconds = between_seconds(self._seconds, len(self._labels), between)
        self._private: tuple[Tensor, Tensor] | None = None
        self._private_seconds = 0.0
        if setup.private:
            self._private = datasets.load_images_file(DATA, Path(setup.private))
            self._private_seconds = accuracy_seconds(limits, device, len(self._private[1]))
        self.seconds = self._seconds + self._private_seconds, self._between_seconds
        self._deciding = self._private or (self._images, self._labels)
        self.inputs = len(self._deciding[1])

    def measure(self, submission: Submission) -> AccuracyEvidence:
        """Measure the weights that were handed in, or what training gives, as is asked for."""
        if self._setup.weights == "submitted":
            found = self._measure(submission)
        else:
            with Workdir() as folder:
                if self._setup.weights == "verify":
                    found = self._verify(self._measure(submission), submission, folder)
                else:
                    trained, record = self._train(submission, folder)
                    found = self._measure(trained)
                    found = _with_training(found, record, training.instant(record, found.accuracy))
        return _flagged(found, carries(submission.code) if submission.code else None)

    def _train(self, submission: Submission, folder: Path) -> tuple[Submission, Training]:
        """As `grader.training.train`, with the rubric's budget."""
        budget = self._setup.rubric.training
        return training.train(self._sandbox, submission, budget, *self._training_set, folder)

    def _pace(self) -> float:
        """The seconds for the images, by the slowest pace of this machine so far; it is looked at anew."""
        now = accuracy_seconds(self._setup.rubric.limits, self._setup.device, len(self._images))
        self._seconds = max(self._seconds, now)
        return self._seconds

    def _verify(self, found: AccuracyEvidence, submission: Submission, folder: Path) -> AccuracyEvidence:
        """What was found of the weights that were handed in, with what training anew says of them."""
        if found.accuracy.correct is None:
            return found  # there is nothing to compare with
        trained, record = self._train(submission, folder)
        few = few_seconds(self._sandbox.limits)
        seconds = self._private_seconds if self._private else self._seconds
        with self._sandbox.student(trained, wall_seconds=few, accuracy_seconds=seconds) as student:
            accuracy = measure_accuracy(student, *self._deciding, seconds=seconds)
            if student.sandbox_failure:
                raise student.sandbox_failure
        source = {"source": "trained" if accuracy.correct is not None else ""}
        record = record.model_copy(update={"accuracy": accuracy.model_copy(update=source)})
        compared = training.compare(found.accuracy, record, self._setup.rubric.training)
        return _with_training(found, record, compared, training.instant(record, record.accuracy))

    def _measure(self, submission: Submission) -> AccuracyEvidence:
        """The accuracy of the submission's weights, whoever trained them, and what is to be said of them."""
        drawn = draw((self._images, self._labels), self._control)
        seconds = self._seconds + self._between_seconds + self._private_seconds
        few = few_seconds(self._sandbox.limits)
        with self._sandbox.student(submission, wall_seconds=few, accuracy_seconds=seconds) as student:
            public, network = measure(
                student,
                self._images,
                self._labels,
                seconds=self._seconds,
                between=drawn.images,
                again=self._pace,
            )
            accuracy = public
            if self._private:
                accuracy = measure_accuracy(student, *self._private, seconds=self._private_seconds)
            if student.sandbox_failure:
                raise student.sandbox_failure
            log, exhausted = student.log, student.exhausted
            found = examine(
                submission, public, network, self._labels, drawn, chance=LAB.chance, student=student
            )
            return AccuracyEvidence(
                accuracy=accuracy,
                public=public if self._private else None,
                problem=problem_of(exhausted) if exhausted else None,
                flags=found.flags,
                fingerprint=found.fingerprint,
                remarks=(*student.remarks, *found.remarks),
                log=log,
            )


def _with_training(found: AccuracyEvidence, record: Training, *flags: Flag | None) -> AccuracyEvidence:
    told = {"training": record, "remarks": (*found.remarks, training.summary(record))}
    return _flagged(found.model_copy(update=told), *flags)


def _flagged(found: AccuracyEvidence, *flags: Flag | None) -> AccuracyEvidence:
    return found.model_copy(update={"flags": (*found.flags, *filter(None, flags))})
