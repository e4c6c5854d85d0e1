"""`python selftest.py`: looks at a student's work as the grader does, tells what it finds, and packs it."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import pkgutil
import sys
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from grader.accuracy import measure_accuracy
from grader.errors import UserError
from grader.intake.student import read_folder
from grader.questions import assess_answers
from grader.rubric import Rubric, parse_rubric
from grader.sandbox import pace
from grader.sandbox.rules import PACKAGE
from grader.sandbox.student import Student, StudentFailure
from grader.scoring import score
from grader.selftest import newer
from grader.selftest.arguments import arguments
from grader.selftest.checks import CHECKS, TASKS, Lab, look
from grader.selftest.chinese import chinese
from grader.selftest.process import LocalSlot
from grader.sheets import from_sheet
from grader.types import (
    Accuracy,
    AccuracyEvidence,
    AnswerEvidence,
    AnswerOutcome,
    Attempt,
    CheckEvidence,
    CheckOutcome,
    Evidence,
    Outcome,
    Submission,
)

ZIP = "lab8.zip"
# The kit's own files beside the student's, and what a self-test has left there.
KIT = ("selftest.py", "selftest.pyz", "requirements.txt", "README.md", "README.zh.md", ZIP)
DATA = "data"


def main(folder: Path, program: Path) -> int:
    """Do what the command line says with the work in `folder`; the exit status.

    `program` is the file that was started; it is started again for the student's code.
    """
    if sys.argv[1:2] == ["--host"]:
        from grader.selftest import host

        port, token, closed, limits = sys.argv[2:]
        host.main(int(port), token, json.loads(closed), json.loads(limits))
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)  # a console may lack a character
    words = arguments()
    say = Speaker(words.language)
    try:
        with tempfile.TemporaryDirectory(prefix="selftest-") as work:
            return Run(folder, program, Path(work), say).run(words.tasks or TASKS, words.score, words.pack)
    except UserError as error:
        say("FAIL", str(error))
        return 1
    except KeyboardInterrupt:
        say("", "stopped")
        return 130
    except BrokenPipeError:  # as in `python selftest.py | head -3`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


class Speaker:
    """Prints a line at a time, in the language that was asked for."""

    def __init__(self, language: str) -> None:
        self._say = chinese if language == "zh" else str
        self._columns = 0  # of the terminal that hold progress

    def progress(self, text: str) -> None:
        """A line that the next one takes the place of, where there is somebody to look at it."""
        if sys.stderr.isatty():
            told = self._say(text)
            columns = sum(1 + (unicodedata.east_asian_width(sign) in "WF") for sign in told)
            print(f"\r{told}{' ' * (self._columns - columns)}", end="\r", file=sys.stderr, flush=True)
            self._columns = columns

    def __call__(self, word: str, text: str, why: str = "", hint: str = "") -> None:
        """A line: a word for what kind it is, a text, and what more there is to say of it."""
        line = self._say(text)
        if why:
            line += (": " if self._say is str else "：") + self._say(why)
        if hint:
            line += ("; hint: " if self._say is str else "；提示：") + self._say(hint)
        line = " ".join(line.split())
        self.progress("")
        print(f"{self._say(word):<5} {line}" if word else line)


class Run:
    """One look at the work in a folder."""

    def __init__(self, folder: Path, program: Path, work: Path, say: Speaker) -> None:
        self._folder, self._program, self._work, self._say = folder, program, work, say
        text = (pkgutil.get_data("grader", "rubric.toml") or b"").decode()
        self._rubric: Rubric = parse_rubric(text, Path("rubric.toml"))
        self._outcomes: dict[str, CheckOutcome] = {}
        self._answers: tuple[AnswerOutcome, ...] = ()
        self._packages_told = False
        self._unusable = False  # whether there is no code that can be run

    def run(self, tasks: Sequence[str], score: bool, pack: bool) -> int:
        """Look at these tasks, and then measure or pack; the exit status."""
        if newer.cannot_tell():
            fix = "pip install ruff, so that what only newer versions read is found"
            self._say("note", f"this Python is newer than the grader's: {fix}")
        submission, files = read_folder(self._folder, self._work / "read", _is_ours)
        if submission.problem:
            raise UserError(submission.problem.reason)
        self._tell_files(submission, files)
        if pack:
            submission = self._packed(files)
        with self._student(submission) as student:
            if submission.code is None:
                self._say("FAIL", submission.no_code)
                self._unusable = True
            elif set(tasks) - {"answers"}:
                self._look_at_code(student, tasks)
            if "answers" in tasks:
                self._look_at_answers(submission)
            self._sum_up()
            if score:
                self._score(student)
        if pack:
            self._tell_packed(files)
        return 0 if self._is_complete() else 1

    @contextlib.contextmanager
    def _student(self, submission: Submission) -> Iterator[Student]:
        closed = [str(self._folder), str(Path.home())]
        with (
            LocalSlot(self._program, closed, self._rubric.limits) as slot,
            slot.student(submission) as student,
        ):
            yield student

    def _tell_files(self, submission: Submission, files: dict[str, bytes]) -> None:
        self._say("look", ", ".join(files) or "nothing that can be graded")
        for remark in submission.remarks:
            self._say("note", remark)

    # The code

    def _look_at_code(self, student: Student, tasks: Sequence[str]) -> None:
        try:
            student.load()
        except StudentFailure as failure:
            self._say("FAIL", "the code could not be loaded", failure.message)
            self._unusable = True
            return
        for remark in student.remarks:
            self._say("note", self._once(remark))
        lab = Lab(student, *selftest_images())
        for outcome in look(lab, tasks, self._say.progress):
            self._outcomes[outcome.id] = outcome
            word = {"passed": "ok", "not_run": "open"}.get(outcome.outcome.value, "FAIL")
            self._say(word, outcome.title, self._once(outcome.reason), outcome.hint)
        if self._passed("classifier_logits"):
            self._tell_speed(lab)

    def _once(self, text: str) -> str:
        """`text` without the list of the packages that there are, where it has been told: it is long."""
        if self._packages_told:
            return text.replace(f"; {PACKAGE}", "")
        self._packages_told = PACKAGE in text
        return text

    def _passed(self, id: str) -> bool:
        return id in self._outcomes and self._outcomes[id].outcome is Outcome.PASSED

    def _tell_speed(self, lab: Lab) -> None:
        """How long the test images will take, where that is much of what they may take."""
        student, images = lab.student, lab.images[: pace.BATCH]
        try:
            model = student.build("classifier")
            model.classify(images[:4])  # what is slow the first time
            before = student.seconds_used
            model.classify(images, seconds=student.limits.batch_seconds)
        except StudentFailure:
            return  # the checks have told more
        needed = pace.needed_seconds(student.seconds_used - before, len(images)) / 60
        allowed = pace.allowed_seconds(pace.small_seconds(), student.limits.accuracy_seconds) / 60
        if needed > allowed / 2:
            told = f"10,000 images take some {needed:.0f} minutes on one core here, "
            told += f"and may take {allowed:.0f}"
            word = "FAIL" if needed > allowed else "note"
            self._say(word, "the speed of classifier", told, "a smaller network, or smaller images")

    # The answers

    def _look_at_answers(self, submission: Submission) -> None:
        wordings = [(question.text, question.text_zh) for question in self._rubric.questions]
        self._answers = assess_answers(submission.answer_texts, wordings)
        for answer in self._answers:
            word = "ok" if answer.present else "open"
            self._say(word, f"question {answer.number}", answer.reason)
        if submission.no_answers:
            self._say("note", submission.no_answers)

    # The sum

    def _is_complete(self) -> bool:
        passed = all(outcome.outcome is Outcome.PASSED for outcome in self._outcomes.values())
        return passed and not self._unusable and all(one.present for one in self._answers)

    def _counts(self) -> tuple[int, int, int]:
        """How many checks passed, failed and are open."""
        kinds = [outcome.outcome for outcome in self._outcomes.values()]
        passed, waiting = kinds.count(Outcome.PASSED), kinds.count(Outcome.NOT_RUN)
        return passed, len(kinds) - passed - waiting, waiting

    def _sum_up(self) -> None:
        passed, failed, waiting = self._counts()
        if self._outcomes:
            checks = f"{passed} of {len(self._outcomes)} checks"
            self._say("", f"{checks} ok, {failed} failed, {waiting} open")
        if self._answers:
            answered = sum(answer.present for answer in self._answers)
            self._say("", f"{answered} of {len(self._answers)} questions answered")

    def _score(self, student: Student) -> None:
        """The points by row, as far as public images can tell them."""
        images, labels, which = self._test_images()
        accuracy = self._accuracy(student, images, labels)
        missing = [check.id for check in CHECKS if check.id not in self._outcomes]
        checks = [*self._outcomes.values()] + [
            CheckOutcome(id=id, title="", outcome=Outcome.NOT_RUN, reason="") for id in missing
        ]
        evidence = Evidence(
            attempt=Attempt(student_id=""),
            checks=CheckEvidence(outcomes=tuple(checks)),
            accuracy=AccuracyEvidence(accuracy=accuracy),
            answers=AnswerEvidence(outcomes=tuple(self._answers)),
        )
        verdict = score(self._rubric, evidence)
        titles = {check.id: check.title for check in CHECKS}
        for row in verdict.rows:
            title = titles.get(row.id) or (which if row.id == "accuracy" else row.id.replace("_", " "))
            self._say("", f"{row.points:.2f} / {row.out_of:.0f}", title)
        if accuracy.accuracy is not None:
            told = f"{accuracy.accuracy:.1%}, probably between {accuracy.low:.1%} and {accuracy.high:.1%}"
            self._say("", "accuracy", told)
        else:
            self._say("note", "no accuracy", accuracy.reason)
        self._say("", f"{verdict.total} of {verdict.out_of} points, if the grader's own inputs say the same")

    def _test_images(self) -> tuple[Tensor, Tensor, str]:
        """The test set where it lies in `data/`, else the few images that come with the self-test."""
        data = self._folder / DATA
        arrays = [data / f"cifar10-test-{part}.npy" for part in ("images", "labels")]
        if (
            all(array.is_file() for array in arrays)
            or (data / "cifar-10-batches-py" / "test_batch").is_file()
        ):
            sys.path.append(str(self._folder))
            import lab8_tools

            return *lab8_tools.load_cifar10(data, train=False), "accuracy on the test images in data/"
        images, labels = selftest_images()
        return images, labels, f"accuracy on only {len(images)} test images: for all, put them into data/"

    def _accuracy(self, student: Student, images: Tensor, labels: Tensor) -> Accuracy:
        began = time.monotonic()

        def progress(done: int) -> None:
            left = (time.monotonic() - began) / done * (len(images) - done)
            if left > 1:
                self._say.progress(f"{done:,} of {len(images):,} images, {left:.0f} seconds left")

        return measure_accuracy(student, images, labels, progress=progress)

    # Packing

    def _packed(self, files: dict[str, bytes]) -> Submission:
        """Write the zip, and read it as the grader will."""
        target = self._folder / ZIP
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        submission, _ = read_folder(target, self._work / "packed")
        return submission

    def _tell_packed(self, files: dict[str, bytes]) -> None:
        _, failed, waiting = self._counts()
        unanswered = sum(not answer.present for answer in self._answers)
        names = f"{ZIP} holds {', '.join(files)}"
        checks, questions = len(self._outcomes), len(self._answers)
        parts = ["the code cannot be run"] if self._unusable else []
        parts += [f"{failed} of {checks} checks failed"] if failed else []
        parts += [f"{waiting} of {checks} checks open"] if waiting else []
        parts += [f"{unanswered} of {questions} questions open"] if unanswered else []
        if not parts:
            self._say("ok", names, "hand it in")
        else:
            self._say("FAIL" if failed or self._unusable else "open", names)
            self._say("", f"{', '.join(parts)}: go on, or hand it in as it is")


def _is_ours(path: str) -> bool:
    """Whether a file below the student's folder is the kit's, or data."""
    return path in KIT or path.split("/")[0] == DATA


@functools.cache
def selftest_images() -> tuple[Tensor, Tensor]:
    """Some of CIFAR-10's test images, uint8 (400, 3, 32, 32), as many of each class; and their labels."""
    packed = pkgutil.get_data(__package__, "images.webp") or b""
    digits = (pkgutil.get_data(__package__, "labels.txt") or b"").decode()
    with Image.open(io.BytesIO(packed)) as picture:
        images = from_sheet(np.asarray(picture.convert("RGB")), (3, 32, 32))
    return torch.from_numpy(images), torch.tensor([int(digit) for digit in digits])
