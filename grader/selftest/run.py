"""`python selftest.py`: looks at a student's work as the grader does, tells what it finds, and packs it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pkgutil
import sys
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grader.errors import UserError
from grader.intake.names import expecting
from grader.intake.student import read_folder
from grader.lab import Lab, load_lab
from grader.questions import assess_answers
from grader.rubric import Rubric, parse_rubric
from grader.sandbox.rules import PACKAGE
from grader.sandbox.student import Student, StudentFailure
from grader.scoring import score
from grader.selftest import newer
from grader.selftest.arguments import arguments
from grader.selftest.chinese import Translator
from grader.selftest.process import LocalPlace
from grader.selftest.public import look, tasks_of
from grader.types import (
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

# The kit's own files beside the student's.
KIT = ("selftest.py", "selftest.pyz", "requirements.txt", "README.md", "README.zh.md")
DATA = "data"
LAB = "lab.txt"  # beside this file, where it is packed: the lab's name


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
    lab = load_lab((pkgutil.get_data(__package__, LAB) or b"").decode())
    run = Run(lab, folder, program)
    words = arguments(lab, run.tasks, run.chinese)
    run.say = Speaker(run.chinese if words.language == "zh" else str)
    say = run.say
    try:
        with tempfile.TemporaryDirectory(prefix="selftest-") as work, expecting(lab):
            return run.run(Path(work), words.tasks or run.tasks, words.score, words.pack)
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

    def __init__(self, say: Callable[[str], str]) -> None:
        self._say = say
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

    def __init__(self, lab: Lab, folder: Path, program: Path) -> None:
        self._lab, self._folder, self._program = lab, folder, program
        self._public = lab.part("selftest")
        text = (pkgutil.get_data(lab.package, "rubric.toml") or b"").decode()
        self._rubric: Rubric = parse_rubric(text, Path("rubric.toml"))
        self.tasks = tasks_of(self._public.CHECKS, bool(self._rubric.questions))
        self.chinese = Translator(self._public.CHINESE)
        self.say = Speaker(str)
        self._zip = f"{lab.contract.module}.zip"
        self._outcomes: dict[str, CheckOutcome] = {}
        self._answers: tuple[AnswerOutcome, ...] = ()
        self._packages_told = False
        self._unusable = False  # whether there is no code that can be run

    def run(self, work: Path, tasks: Sequence[str], score: bool, pack: bool) -> int:
        """Look at these tasks, and then measure or pack; the exit status. Files may be laid into `work`."""
        if newer.cannot_tell():
            fix = "pip install ruff, so that what only newer versions read is found"
            self.say("note", f"this Python is newer than the grader's: {fix}")
        submission, files = read_folder(self._folder, work / "read", self._is_ours)
        if submission.problem:
            raise UserError(submission.problem.reason)
        self._tell_files(submission, files)
        if pack:
            submission = self._packed(files, work)
        with self._student(submission) as student:
            if submission.code is None:
                self.say("FAIL", submission.no_code)
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
            LocalPlace(self._program, closed, self._rubric.limits, self._lab.contract) as place,
            place.student(submission) as student,
        ):
            yield student

    def _tell_files(self, submission: Submission, files: dict[str, bytes]) -> None:
        self.say("look", ", ".join(files) or "nothing that can be graded")
        for remark in submission.remarks:
            self.say("note", remark)

    # The code

    def _look_at_code(self, student: Student, tasks: Sequence[str]) -> None:
        try:
            student.load()
        except StudentFailure as failure:
            self.say("FAIL", "the code could not be loaded", failure.message)
            self._unusable = True
            return
        for remark in student.remarks:
            self.say("note", self._once(remark))
        for outcome in look(self._public.CHECKS, student, tasks, self.say.progress):
            self._outcomes[outcome.id] = outcome
            word = {"passed": "ok", "not_run": "open"}.get(outcome.outcome.value, "FAIL")
            self.say(word, outcome.title, self._once(outcome.reason), outcome.hint)
        passed = {id for id, one in self._outcomes.items() if one.outcome is Outcome.PASSED}
        for note in self._public.notes(student, passed):
            self.say(*note)

    def _once(self, text: str) -> str:
        """`text` without the list of the packages that there are, where it has been told: it is long."""
        if self._packages_told:
            return text.replace(f"; {PACKAGE}", "")
        self._packages_told = PACKAGE in text
        return text

    # The answers

    def _look_at_answers(self, submission: Submission) -> None:
        self._answers = assess_answers(submission.answer_texts, self._rubric.wordings)
        for answer in self._answers:
            word = "ok" if answer.present else "open"
            self.say(word, f"question {answer.number}", answer.reason)
        if submission.no_answers:
            self.say("note", submission.no_answers)

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
            self.say("", f"{checks} ok, {failed} failed, {waiting} open")
        if self._answers:
            answered = sum(answer.present for answer in self._answers)
            self.say("", f"{answered} of {len(self._answers)} questions answered")

    def _score(self, student: Student) -> None:
        """The points by row, as far as public images can tell them."""
        began = time.monotonic()

        def progress(done: int, of_all: int) -> None:
            left = (time.monotonic() - began) / done * (of_all - done)
            if left > 1:
                self.say.progress(f"{done:,} of {of_all:,} images, {left:.0f} seconds left")

        accuracy, which = self._public.measure(student, self._folder, progress)
        checks_there = self._public.CHECKS
        missing = [check.id for check in checks_there if check.id not in self._outcomes]
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
        titles = {check.id: check.title for check in checks_there}
        for row in verdict.rows:
            title = titles.get(row.id) or (which if row.id == "accuracy" else row.id.replace("_", " "))
            self.say("", f"{row.points:.2f} / {row.out_of:.0f}", title)
        if accuracy.accuracy is not None:
            told = f"{accuracy.accuracy:.1%}"
            if accuracy.low is not None and accuracy.high is not None:
                told += f", probably between {accuracy.low:.1%} and {accuracy.high:.1%}"
            self.say("", self._lab.measured, told)
        else:
            self.say("note", f"no {self._lab.measured}", accuracy.reason)
        self.say("", f"{verdict.total} of {verdict.out_of} points, if the grader's own inputs say the same")

    # Packing

    def _packed(self, files: dict[str, bytes], work: Path) -> Submission:
        """Write the zip, and read it as the grader will."""
        target = self._folder / self._zip
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        submission, _ = read_folder(target, work / "packed")
        return submission

    def _tell_packed(self, files: dict[str, bytes]) -> None:
        _, failed, waiting = self._counts()
        unanswered = sum(not answer.present for answer in self._answers)
        names = f"{self._zip} holds {', '.join(files)}"
        checks, questions = len(self._outcomes), len(self._answers)
        parts = ["the code cannot be run"] if self._unusable else []
        parts += [f"{failed} of {checks} checks failed"] if failed else []
        parts += [f"{waiting} of {checks} checks open"] if waiting else []
        parts += [f"{unanswered} of {questions} questions open"] if unanswered else []
        if not parts:
            self.say("ok", names, "hand it in")
        else:
            self.say("FAIL" if failed or self._unusable else "open", names)
            self.say("", f"{', '.join(parts)}: go on, or hand it in as it is")

    def _is_ours(self, path: str) -> bool:
        """Whether a file below the student's folder is the kit's, what an earlier look left, or data."""
        return path in (*KIT, self._zip) or path.split("/")[0] == DATA
