"""What the packages hand to each other: a step knows these types, not the other steps.

All are frozen: a submission, once read, and a verdict, once given, do not change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

DAYS = re.compile(r"(\d{1,9})\s*(?:d|days?|天|日)?", re.ASCII | re.IGNORECASE)  # of an extension


class Record(BaseModel):
    """A frozen value with checked fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Contract(Record):
    """What a student's module has to be called and to define. This much of a lab a sandbox is told."""

    module: str  # "lab8": it is handed in as lab8.py or lab8.ipynb
    functions: tuple[str, ...]
    # Where a network is handed in:
    weights: str = ""  # the name of its file of weights, without the extension
    network: str = ""  # the function that builds it
    preprocess: str = ""  # the function that makes what it takes
    train: str = ""  # the function that trains it
    outputs: int = 0  # numbers that it gives for each input


Seconds = Annotated[float, Field(gt=0, le=10**6, strict=True)]  # TOML knows `inf`, and no clock does


def _two_places(points: Decimal) -> Decimal:
    return points.quantize(Decimal("0.01"))  # which JSON has lost


Points = Annotated[
    Decimal, AfterValidator(_two_places), PlainSerializer(float, return_type=float, when_used="json")
]


class Status(str, Enum):
    """How a submission's way through the grader ended. No zero stands without one."""

    GRADED = "graded"  # every row was decided
    ABSENT = "absent"  # on the roster, and nothing was handed in
    NOT_GRADABLE = "not_gradable"  # nothing usable was handed in
    TIMEOUT = "timeout"  # the code, while being loaded or in all, used up its time
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"  # the code could not be loaded, or took its process down again and again
    QUARANTINED = "quarantined"  # nobody can tell whose it is, or the archive is hostile
    GRADER_ERROR = "grader_error"  # ours: no zero is given, it is to be run again


class Outcome(str, Enum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not_run"  # what it needs failed
    ERROR = "error"  # ours


class Helper(Record):
    """A module that was handed in beside the code, and that the code may import."""

    path: str  # from the code's folder: "model.py", "models/resnet.py"; all parts are Python's names
    text: str


class Code(Record):
    """The module as it was handed in. Never parsed, let alone run, on the trusted side."""

    filename: str
    cells: tuple[str, ...]  # a .py file is one cell; a notebook's code cells stand in order, magics still in
    # Names that seem to be defined in a notebook's cells which are no code, and which cells these are.
    elsewhere: tuple[tuple[str, str], ...] = ()
    helpers: tuple[Helper, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """All that was written: the cells and the helpers."""
        return (*self.cells, *(helper.text for helper in self.helpers))


class Weights(Record):
    """A checkpoint as it was handed in. Opened on the untrusted side alone."""

    filename: str
    path: Path  # where intake laid the bytes
    format: Literal["safetensors", "torch"]
    source: Literal["submitted", "trained"] = "submitted"


class Problem(Record):
    """Why a submission ends before it is run."""

    status: Status
    reason: str


class Submission(Record):
    """One student's one attempt, as intake found it."""

    student_id: str
    name: str = ""
    section: str = ""  # the folder of a section's students, where the source has such
    attempt: int = 1
    submitted_at: datetime | None = None
    late: str = ""  # the LMS's mark of lateness, where it tells no time
    group: str = ""  # that handed it in together, and gets the same mark
    code: Code | None = None
    weights: Weights | None = None
    answer_texts: tuple[str, ...] = ()  # answers.md, or a notebook's Markdown cells in order
    answer_files: tuple[str, ...] = ()  # where they are from
    no_code: str = ""  # why what was handed in as code, weights or answers cannot be used
    no_weights: str = ""
    no_answers: str = ""
    claims: tuple[str, ...] = ()  # lines with an accuracy in them, among a notebook's saved outputs
    remarks: tuple[str, ...] = ()  # for people: what was renamed, ambiguous, left aside
    problem: Problem | None = None
    digest: str = ""  # SHA-256 over all that is graded: the same digest, the same work


class CheckOutcome(Record):
    """One hidden check's end. Texts are bounded and safe to print."""

    id: str
    title: str  # the check's docstring: the line that the student sees
    outcome: Outcome
    expected: str = ""
    actual: str = ""
    hint: str = ""
    reason: str = ""  # why it failed or was not run, in one line


class Mistake(Record):
    """A labelled image that the network answered with another class."""

    index: int  # of the image, in the order of the set
    label: int
    answered: int
    probability: float  # of the class that was answered: the softmax of the logits


class Accuracy(Record):
    """What the rubric's curve is for: correct answers on labelled images, with the 95 % Wilson interval.

    A lab may measure something else, of 0 to 1, on its `images` inputs; then `correct` is None. Where nothing
    could be measured `accuracy` is, too, and `reason` says why.
    """

    images: int
    correct: int | None = None
    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    source: Literal["submitted", "trained", ""] = ""
    reason: str = ""
    confusion: tuple[tuple[int, ...], ...] = ()  # images by their class, then by the class answered
    mistakes: tuple[Mistake, ...] = ()  # the most confident ones; of public images alone

    @property
    def share(self) -> Fraction | None:
        """What points are for, exactly; None where nothing was measured."""
        if self.correct is not None:
            return Fraction(self.correct, self.images)
        return None if self.accuracy is None else Fraction(self.accuracy)


class Training(Record):
    """How a training of the student's code went. Texts are bounded and safe to print."""

    budget_seconds: float  # as scaled to this machine
    pace: float  # of this machine, images a second
    seed: int
    seconds: float | None = None  # as the worker says; None where nothing came out
    reason: str = ""  # why it did not come to its own end
    history: dict[str, tuple[float, ...]] = {}  # as train_classifier returned it, where that was numbers
    log: str = ""  # the tail of what was printed meanwhile, made safe
    accuracy: Accuracy | None = None  # of what came out, where the points rest on other weights


class AnswerOutcome(Record):
    """Whether a written question was answered. Presence only: nobody judged the content."""

    number: int
    present: bool
    amount: int  # words, or characters where the text is Chinese
    reason: str = ""
    text: str = ""  # what stands there, bounded and made safe; line feeds stay


class Flag(Record):
    """Something that a person should look at, with its figures. It never changes points by itself."""

    kind: Literal[
        "accuracy",
        "changed_images",
        "test_above_training",
        "copy",
        "copied_code",
        "copied_answers",
        "claim",
        "retraining",
        "training_time",
        "code_size",
        "late",
    ]
    message: str
    others: tuple[str, ...] = ()  # students whose work is alike; some of them, where they are many

    @property
    def digest(self) -> str:
        """By which it is settled: with other figures it is another flag."""
        return hashlib.sha256(f"{self.kind}: {self.message}".encode(errors="replace")).hexdigest()[:16]


class Fingerprint(Record):
    """By what the class's work is compared; see `grader.integrity`."""

    weights_sha256: str = ""  # of the file as it was handed in
    ranks: str = ""  # for some images, the ten classes from the likeliest to the least, a digit each
    errors: str = ""  # for the first test images, the class that is answered, or a dot where it is right
    answers: str = ""  # to images unlike the training's: bytes in base64
    sketch: str = ""  # of the weights in the file: bytes in base64
    code: str = ""  # hashes of parts of the code, and of the written answers: bytes in base64
    text: str = ""


class Attempt(Record):
    """What is known of one student's one attempt beside its files."""

    student_id: str
    name: str = ""
    section: str = ""
    attempt: int = 1
    submitted_at: datetime | None = None
    late: str = ""  # as in `Submission`
    group: str = ""
    digest: str = ""
    remarks: tuple[str, ...] = ()
    problem: Problem | None = None  # why it cannot be measured


class Part(Record):
    """Something that was measured on an attempt. It is measured again when what it rests on has changed."""

    rests_on: str = ""  # a digest of that, see `grader.evidence`; empty where it is to be measured again
    problem: Problem | None = None  # why the code did not come through
    remarks: tuple[str, ...] = ()
    log: str = ""  # the tail of what the student's code printed, made safe
    sandbox: str = ""  # "bubblewrap", or "none" where the instructor asked for none
    files: tuple[str, ...] = ()  # on which it was measured, as they were called when they were handed in
    seconds: float | None = None  # of the submission's own time

    @property
    def found(self) -> object:
        """What points may depend on: by this two measurements of the same are compared."""
        raise NotImplementedError


class CheckEvidence(Part):
    """How the hidden checks ended."""

    loaded: bool = True  # whether the code could be loaded at all
    print: str = ""  # by which the code is compared, see `Fingerprint`
    outcomes: tuple[CheckOutcome, ...]

    @property
    def found(self) -> object:
        return [(check.id, check.outcome) for check in self.outcomes]


class AccuracyEvidence(Part):
    """What the network can do."""

    accuracy: Accuracy  # on the images that decide
    public: Accuracy | None = None  # on the public test images, where private ones decide
    training: Training | None = None
    flags: tuple[Flag, ...] = ()
    fingerprint: Fingerprint = Fingerprint()

    @property
    def found(self) -> object:
        measured = self.accuracy
        return measured.images, measured.accuracy if measured.correct is None else measured.correct


class AnswerEvidence(Part):
    """Which questions were answered."""

    print: str = ""  # by which the answers are compared, see `Fingerprint`
    outcomes: tuple[AnswerOutcome, ...]

    @property
    def found(self) -> object:
        return [(answer.number, answer.present) for answer in self.outcomes]


class Evidence(Record):
    """All that was measured on an attempt; no points, which are computed from it whenever somebody looks."""

    attempt: Attempt
    checks: CheckEvidence | None = None
    accuracy: AccuracyEvidence | None = None
    answers: AnswerEvidence | None = None
    failure: str = ""  # why the grader itself could not measure it
    given: Verdict | None = None  # from a gradebook that kept no evidence, until it is measured again

    @property
    def parts(self) -> dict[str, Part]:
        """Those that are there, by name."""
        parts = {"checks": self.checks, "accuracy": self.accuracy, "answers": self.answers}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def problem(self) -> Problem | None:
        """Why it did not come through whole."""
        if self.failure:
            return Problem(status=Status.GRADER_ERROR, reason=self.failure)
        found = [self.attempt.problem, *(part.problem for part in self.parts.values())]
        return next((problem for problem in found if problem), None)


class Decision(Record):
    """What a person decided on a student's mark."""

    number: int = 0  # in the gradebook
    made_at: datetime
    by: str
    why: str
    student_id: str
    kind: Literal[
        "adjust",
        "excuse",
        "exclude",
        "waive_late",
        "extend",
        "choose_attempt",
        "remove",
        "settle_flag",
        "undo",
    ]
    row: str = ""  # adjust: whose points; settle_flag: the flag's kind
    points: Points | None = None  # adjust; exclude, where a mark is given all the same
    until: str = ""  # extend: days, or a date
    digest: str = ""  # choose_attempt: of the attempt that counts; settle_flag: of the flag
    undoes: int = 0  # undo: the number of the decision that no longer holds

    @property
    def days(self) -> int | None:
        """How many an extension is for; None where it names a date."""
        found = DAYS.fullmatch(self.until.strip()[:100])
        return int(found[1]) if found else None

    @property
    def what(self) -> str:
        """It in words."""
        to = f"to {self.until}" if self.days is None else f"by {self.days} day{'s' * (self.days != 1)}"
        return {
            "adjust": f"{self.row} is {self.points}",
            "excuse": "excused",
            "exclude": "excluded" + ("" if self.points is None else f", the mark is {self.points}"),
            "waive_late": "not late",
            "extend": f"extended {to}",
            "choose_attempt": f"the attempt {self.digest[:12]} counts",
            "remove": "removed",
            "settle_flag": f"flag {self.row} settled",
            "undo": f"decision {self.undoes} undone",
        }[self.kind]

    @property
    def line(self) -> str:
        """It with who, when and why."""
        return f"{self.what} ({self.by}, {self.made_at:%Y-%m-%d}: {self.why})"


class Row(Record):
    """One line of the score table."""

    id: str
    title: str
    points: Points  # the grader's
    out_of: Points
    outcome: Outcome
    reason: str = ""
    decided: Points | None = None  # a person's, which then counts
    why: str = ""  # it was decided so

    @property
    def counts(self) -> Decimal:
        """The points that the total is made of."""
        return self.points if self.decided is None else self.decided


class Verdict(Record):
    """All that is known of a student's mark; text, CSV, XLSX and JSON are renderings of it."""

    student_id: str
    name: str = ""
    section: str = ""
    attempt: int = 1
    submitted_at: datetime | None = None
    late: str = ""  # the LMS's mark of lateness, where it tells no time
    group: str = ""  # that handed it in together
    status: Status
    reason: str = ""
    total: Points | None  # None where no mark may be given: quarantined, grader_error, excused, excluded
    out_of: Points
    machine_total: Points | None = None  # what it would be without people's decisions on points
    late_seconds: int = 0  # after the deadline, with its grace and extension
    deduction: Points = Decimal("0.00")  # for that; the total is without it
    standing: Literal["counts", "excused", "excluded", "removed"] = "counts"
    decisions: tuple[str, ...] = ()  # those that hold, a line each
    rows: tuple[Row, ...] = ()  # checks, accuracy, questions, in the rubric's order
    checks: tuple[CheckOutcome, ...] = ()
    accuracy: Accuracy | None = None  # that the points are for
    public: Accuracy | None = None  # on the public test images, where private ones decide
    training: Training | None = None
    answers: tuple[AnswerOutcome, ...] = ()
    remarks: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()  # for the instructor alone
    settled: Mapping[str, str] = {}  # by a flag's digest, what a person found; for the instructor alone
    fingerprint: Fingerprint = Fingerprint()
    log: str = ""  # the tail of what the student's code printed, made safe
    sandbox: str = ""  # "bubblewrap", or "none" where the instructor asked for none
    files: tuple[tuple[Literal["checks", "accuracy", "answers"], tuple[str, ...]], ...] = ()  # see `Part`
    seconds: float | None = Field(default=None, exclude=True)  # of its own time, which differs each run
    digest: str = ""

    @property
    def open_flags(self) -> tuple[Flag, ...]:
        """Those that nobody has settled."""
        return tuple(flag for flag in self.flags if flag.digest not in self.settled)


Evidence.model_rebuild()
