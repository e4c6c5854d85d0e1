"""From one student's files to a `Submission`: what is graded, in which files, and what is not."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from grader.errors import UserError
from grader.intake.entries import Allowance, Entry, SourceReadError
from grader.intake.limits import (
    NAME_CHARACTERS,
    REMARK_CHARACTERS,
    REMARKS,
    SOURCE_DIRECTORY_BYTES,
    SOURCE_FILES,
    WEIGHT_BYTES,
)
from grader.intake.names import expected
from grader.intake.opened import open_source
from grader.intake.people import ShapeOf, several_people
from grader.intake.pick import find_answers, find_code, find_weights
from grader.intake.unpack import Contents, unpack
from grader.intake.upload import Upload
from grader.text import safe_line
from grader.types import Code, Problem, Status, Submission, Weights


def read_folder(
    folder: Path, workdir: Path, skip: Callable[[str], bool] = lambda path: False
) -> tuple[Submission, dict[str, bytes]]:
    """Read a folder or zip that is one student's own; the files that were taken come with it, by their paths.

    Paths below `folder` that `skip` is true of are not looked at. Raises `UserError` where it cannot be read.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        entries, name = open_source(folder, Allowance(SOURCE_FILES, SOURCE_DIRECTORY_BYTES), stack)
        entries = [entry for entry in entries if not skip(entry.path)]
        try:
            submission, taken = assemble(
                Upload(name, entries, is_whole_source=True), 1, workdir / "submission", folder
            )
            return submission, {entry.path: entry.read(WEIGHT_BYTES) for entry in taken}
        except SourceReadError as error:
            raise UserError(f"{error}; check its permissions") from None


def assemble(
    upload: Upload, attempt: int, stem: Path, source: Path, shape_of: ShapeOf | None = None
) -> tuple[Submission, tuple[Entry, ...]]:
    """Open one hand-in, find what is graded, in which files, and say what is not.

    A checkpoint is laid into a file called `stem` and an extension; its folder exists.
    """
    submission = Submission(
        student_id=upload.student_id,
        name=upload.name,
        section=upload.section,
        attempt=attempt,
        submitted_at=upload.submitted_at,
        late=safe_line(upload.late, NAME_CHARACTERS),
        group=upload.group,
        remarks=bounded(upload.remarks),
    )
    if upload.denied:
        raise SourceReadError(upload.denied)
    if upload.unclear:
        return with_problem(submission, Status.QUARANTINED, upload.unclear), ()
    with ExitStack() as stack:
        contents = unpack(upload.entries, stem.parent, stack)
        if contents.hostile:
            if contents.is_bomb and upload.is_whole_source and source.is_file():
                raise UserError(f"{source}: {contents.hostile}; it is not opened, look at it by hand")
            return with_problem(submission, Status.QUARANTINED, contents.hostile), ()
        code = find_code(contents.files)
        if reason := several_people(contents.files, code.whole, shape_of):
            return with_problem(submission, Status.QUARANTINED, reason), ()
        weights, about_weights, weights_file = find_weights(
            contents.files, stem.parent, contents.allowance, stem.name
        )
        answers, about_answers, answer_files = find_answers(contents.files, code.markdown)
        taken = tuple(dict.fromkeys([*code.entries, *filter(None, [weights_file]), *answer_files]))
    notes = [*contents.remarks, *code.remarks, *about_weights, *about_answers]
    closed = contents.closed[:1]  # what was not opened may be what is missed
    from_notebook = answers[:1] == code.markdown[:1]
    reasons = {
        "no_code": "" if code.code else _why_no_code(contents, code.missing),
        "no_weights": "" if weights else "; ".join((about_weights or closed)[:1]),
        "no_answers": "; ".join((about_answers or closed)[:1]) if not answers or from_notebook else "",
    }
    submission = submission.model_copy(
        update={
            "code": code.code,
            "weights": weights,
            "answer_texts": answers,
            "answer_files": _answer_files(answers, answer_files, code.code),
            "claims": code.claims,
            "remarks": bounded([*submission.remarks, *notes]),
            "digest": _digest(code.code, weights, answers, [*reasons.values(), *code.claims]),
            **{name: safe_line(reason, REMARK_CHARACTERS) for name, reason in reasons.items()},
        }
    )
    if code.code is None and not answers:
        return with_problem(submission, Status.NOT_GRADABLE, submission.no_code), ()
    return submission, taken


def _answer_files(answers: Sequence[str], files: Sequence[Entry], code: Code | None) -> tuple[str, ...]:
    """What the answers are from: files of their own, or else the notebook."""
    if not files and answers and code:
        return (code.filename,)
    return tuple(entry.label for entry in files)


def with_problem(submission: Submission, status: Status, reason: str) -> Submission:
    """The submission without its parts: none of them is to be run."""
    problem = Problem(status=status, reason=safe_line(reason, REMARK_CHARACTERS))
    return submission.model_copy(
        update={"problem": problem, "code": None, "weights": None, "answer_texts": (), "digest": ""}
    )


def _why_no_code(contents: Contents, missing: str) -> str:
    if missing:
        return f"no code can be graded: {missing}"
    if not contents.files and not contents.closed:
        return "nothing was handed in"
    labels = [entry.label for entry in contents.files]
    among = f" among {', '.join(labels[:5])}{' …' if len(labels) > 5 else ''}" if labels else ""
    module = expected().contract.module
    closed = "".join(f": {why}" for why in contents.closed[:1])
    return f"no {module}.py or {module}.ipynb was found{among}{closed}"


def bounded(remarks: Iterable[str]) -> tuple[str, ...]:
    lines = [safe_line(remark, REMARK_CHARACTERS) for remark in remarks]
    if len(lines) <= REMARKS:
        return tuple(lines)
    return (*lines[: REMARKS - 1], f"… and {len(lines) - REMARKS + 1} remarks more")


def _digest(
    code: Code | None, weights: Weights | None, answers: Sequence[str], reasons: Iterable[str]
) -> str:
    """SHA-256 over all that is graded and why there is not more, each part with its kind and length."""
    digest = hashlib.sha256()

    def add(kind: bytes, length: int) -> None:
        digest.update(kind + struct.pack("<Q", length))

    aside = [f"{name}\0{where}" for name, where in code.elsewhere] if code else []
    helpers = [text for helper in code.helpers for text in (helper.path, helper.text)] if code else []
    parts: Sequence[tuple[bytes, Iterable[str]]] = (
        *((b"code", code.cells if code else ()), (b"helper", helpers)),
        *((b"answer", answers), (b"reason", filter(None, reasons)), (b"aside", aside)),
    )
    for kind, texts in parts:
        for text in texts:
            raw = text.encode("utf-8", "replace")
            add(kind, len(raw))
            digest.update(raw)
    if weights:
        add(b"weights", weights.path.stat().st_size)
        with weights.path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
