"""Macro-F1 on sentences that no student has seen."""

from grader.sandbox import Sandbox
from grader.setup import Setup
from grader.types import AccuracyEvidence, Submission

from .selftest import measured

UNSEEN = {"the old man and the sea": "en", "you are not the one": "en", "where is the sun": "en"}
UNSEEN |= {"der Himmel und die Erde": "de", "ich bin nicht da": "de", "la mer et le ciel": "fr"}


class Measurement:
    def __init__(self, setup: Setup, sandbox: Sandbox) -> None:
        self._sandbox, self.inputs = sandbox, len(UNSEEN)
        self.seconds = setup.rubric.limits.call_seconds, 0.0

    def measure(self, submission: Submission) -> AccuracyEvidence:
        with self._sandbox.student(submission) as student:
            return AccuracyEvidence(accuracy=measured(student, UNSEEN), log=student.log)
