"""From a download to `Submission`s: who handed in, which attempt, when, which files. Executes nothing."""

from __future__ import annotations

import hashlib
import stat
import struct
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from grader.errors import UserError
from grader.intake.entries import (
    ARCHIVE_ERRORS,
    ENCRYPTED,
    Allowance,
    Entry,
    SourceReadError,
    UnreadableError,
    decode_file_name,
    folder_entries,
    open_regular,
    open_zip,
    short,
    zip_entries,
)
from grader.intake.layout import HandIn, Layout, RefusedError, look, read_layout
from grader.intake.limits import (
    ARCHIVES,
    FOLDER_FILES,
    REMARK_CHARACTERS,
    REMARKS,
    SOURCE_DIRECTORY_BYTES,
    SOURCE_FILES,
    STUDENT_BYTES,
    WEIGHT_BYTES,
    WRAPPED_DOWNLOAD_BYTES,
)
from grader.intake.names import is_other_archive
from grader.intake.people import several_people
from grader.intake.pick import find_answers, find_code, find_weights
from grader.intake.unpack import Contents, seekable, unpack
from grader.text import safe_line
from grader.types import Code, Problem, Record, Status, Submission, Weights

__all__ = ["Intake", "read_folder", "read_source", "read_submissions"]


class Intake(Record):
    """What was read of a source, and how: to be said before grading begins."""

    submissions: tuple[Submission, ...]  # sorted by `student_id`, a student's attempts by their times
    layout: str  # the layout that was recognised
    basis: str  # what that rests on
    unclaimed: tuple[str, ...] = ()  # paths that are in no student's place; made safe to show

    @property
    def lines(self) -> list[str]:
        """One to three lines for the person who grades."""
        students = {one.student_id: one for one in self.submissions}
        found = "1 student" if len(students) == 1 else f"{len(students):,} students"
        if len(students) < len(self.submissions):
            found += f", {len(self.submissions):,} attempts"
        sections = Counter(one.section for one in students.values() if one.section)
        told = [f"{found}: {self.layout} ({self.basis})"]
        if sections:
            each = [f"{section} {number}" for section, number in sorted(sections.items())]
            told.append(f"students by section: {_listed(each)}")
        if self.unclaimed:
            told.append(f"in no student's place, and not graded: {_listed(self.unclaimed)}")
        return told


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def read_submissions(source: Path, workdir: Path, leave_out: Path | None = None) -> list[Submission]:
    """The submissions of `read_source`."""
    return list(read_source(source, workdir, leave_out).submissions)


def read_source(
    source: Path, workdir: Path, leave_out: Path | None = None, *, every_attempt: bool = False
) -> Intake:
    """Read a download into one submission a student, and tell what it was taken for.

    `source` is a zip or a folder: Blackboard's download, one folder or zip a
    student, several of these (sections, or downloads side by side), or a single
    submission. Of several attempts the latest is read, or with `every_attempt` each. The
    folder `leave_out`, for the results, is nobody's, wherever it lies. Checkpoints are copied below
    `workdir`, which must outlive the submissions' use; all else is read into memory.

    A student's damaged, hostile or empty files become that submission's
    `problem`, and so do files that the grader may not read; raises `UserError`
    where the source as a whole cannot be read.
    """
    try:
        with ExitStack() as stack:
            workdir.mkdir(parents=True, exist_ok=True)
            allowance = Allowance(SOURCE_FILES, SOURCE_DIRECTORY_BYTES)
            entries, name = _open_source(source, allowance, stack, _path_within(source, leave_out))
            layout = _read_layout(source, entries, name, _Zips(workdir, allowance, stack))
            by_student: dict[str, list[HandIn]] = {}
            for hand_in in layout.hand_ins:
                # Nothing but the same name is the same student: an id that only looks like another's may
                # have been chosen in order to be taken for it.
                same = unicodedata.normalize("NFC", hand_in.student_id)
                by_student.setdefault(same, []).append(hand_in)
            submissions: list[Submission] = []
            for number, group in enumerate(by_student.values()):
                allowance.start()
                # Not the student's name: file systems that ignore case would bring two students together.
                submissions += _survive(group, workdir / str(number), source, every_attempt)
    except OSError as error:  # what fails in a student's files was caught where they are read
        raise UserError(f"{workdir}: cannot be written to ({short(error)}); point TMPDIR elsewhere") from None
    submissions = sorted(_tell_look_alikes(submissions), key=lambda submission: submission.student_id)
    unclaimed = tuple(entry.label + ("/" if entry.is_folder else "") for entry in layout.unclaimed)
    return Intake(submissions=tuple(submissions), layout=layout.kind, basis=layout.basis, unclaimed=unclaimed)


def _path_within(source: Path, folder: Path | None) -> str:
    """The path of `folder` as it is met when `source` is walked; "" where it is not in it.

    Raises `UserError` where they are the same, so that the next run would read these results as students'.
    """
    try:
        inside = folder.resolve().relative_to(source.resolve()) if folder else None
    except (OSError, ValueError, RuntimeError):
        return ""
    if inside == Path():
        raise UserError(f"{folder}: is the folder to be graded too; choose another --out, in it or elsewhere")
    return str(source / inside) if inside else ""


def _read_layout(source: Path, entries: list[Entry], name: str, zips: _Zips) -> Layout:
    try:
        return read_layout(entries, name, zips.open)
    except RefusedError as error:
        raise UserError(f"{source}: {error}") from None
    except SourceReadError as error:
        raise UserError(f"{source}: {error}; give the grader the permission to read it") from None


def read_folder(
    folder: Path, workdir: Path, skip: Callable[[str], bool] = lambda path: False
) -> tuple[Submission, dict[str, bytes]]:
    """Read a folder that is one student's own; the files that were taken come with it, by their paths.

    Paths below `folder` that `skip` is true of are not looked at. Raises `UserError` as above.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        entries, name = _open_source(folder, Allowance(SOURCE_FILES, SOURCE_DIRECTORY_BYTES), stack)
        entries = [entry for entry in entries if not skip(entry.path)]
        try:
            submission, taken = _assemble(HandIn(name, entries, is_whole_source=True), 1, workdir, folder)
            return submission, {entry.path: entry.read(WEIGHT_BYTES) for entry in taken}
        except SourceReadError as error:
            raise UserError(f"{error}; check its permissions") from None


def _tell_look_alikes(submissions: Sequence[Submission]) -> list[Submission]:
    """The submissions, with a remark at ids that differ in little; nobody's is named to another."""
    alike = Counter(look(student) for student in {submission.student_id for submission in submissions})
    remark = "another hand-in carries nearly the same student's name: they were graded apart"
    return [
        submission.model_copy(update={"remarks": _bounded([remark, *submission.remarks])})
        if alike[look(submission.student_id)] > 1
        else submission
        for submission in submissions
    ]


# --- the source ------------------------------------------------------------------------------------


def _open_source(
    source: Path, allowance: Allowance, stack: ExitStack, leave_out: str = ""
) -> tuple[list[Entry], str]:
    """The source's entries and the name that a single submission in it would go by."""
    try:
        kind = source.stat().st_mode
    except FileNotFoundError:
        raise UserError(
            f"{source}: there is no such file or folder; give the download's zip or folder"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{source}: cannot be read ({short(error)}); check the path and its permissions"
        ) from None
    most = SOURCE_FILES
    if stat.S_ISDIR(kind):
        most = FOLDER_FILES
        try:
            entries = folder_entries(source, most, leave_out)
        except OSError as error:
            raise UserError(f"{source}: cannot be read ({short(error)}); check its permissions") from None
        name = decode_file_name(source.resolve().name)
    elif stat.S_ISREG(kind) and source.suffix.lower() not in (".py", ".ipynb"):
        entries, name = _open_source_zip(source, allowance, stack), decode_file_name(source.stem)
    else:
        raise UserError(
            f"{source}: is neither a zip nor a folder; give the download, or the folder it lies in"
        )
    if not entries:
        raise UserError(f"{source}: holds no files; give the download's zip or folder")
    if len(entries) > most:
        (fullest, _), *_ = Counter(entry.path.rpartition("/")[0] for entry in entries).most_common(1)
        raise UserError(
            f"{source}: holds more than {most:,} files, most of them in "
            f"{safe_line(fullest, 200) or 'its top'}; move that away, or give one class's download at a time"
        )
    return entries, name


def _open_source_zip(source: Path, allowance: Allowance, stack: ExitStack) -> list[Entry]:
    try:
        file = stack.enter_context(open_regular(str(source.resolve())))
        entries = zip_entries(stack.enter_context(open_zip(file, allowance)))
    except SourceReadError as error:
        raise UserError(f"{source}: {error}; check its permissions") from None
    except ARCHIVE_ERRORS as error:
        if is_other_archive(source.name):
            raise UserError(f"{source}: is no zip; unpack it and give the folder") from None
        fix = "download it again, or unpack it and give the folder"
        raise UserError(f"{source}: cannot be read as a zip ({short(error)}); {fix}") from None
    if any(entry.flaw == ENCRYPTED for entry in entries):
        raise UserError(f"{source}: is encrypted; unpack it with its password and give the folder")
    return entries


class _Zips:
    """Opens the zips that lie in a source, to see what they are."""

    def __init__(self, workdir: Path, allowance: Allowance, stack: ExitStack) -> None:
        self._workdir, self._allowance, self._stack = workdir, allowance, stack
        self._kept: dict[object, list[Entry]] = {}
        self._tries = 0

    def open(self, entry: Entry, wanted: Callable[[list[Entry]], bool], trusted: bool) -> list[Entry] | None:
        """See `grader.intake.layout.Opener`. The zips that are wanted stay open until the stack closes.

        What is not wanted costs the source's allowance nothing: it may be a student's.
        """
        if (kept := self._kept.get(entry.opener)) is not None:
            return kept if wanted(kept) else None
        self._tries += 1
        most = WRAPPED_DOWNLOAD_BYTES if trusted else STUDENT_BYTES
        if entry.is_bomb or entry.suffix != ".zip" or entry.size > most or self._tries > 2 * ARCHIVES:
            return None
        with self._allowance.trial(hurried=not trusted) as keep, ExitStack() as own:
            try:
                file = seekable(entry, most, self._workdir, own)
                inner = zip_entries(own.enter_context(open_zip(file, self._allowance)))
                if not wanted(inner):
                    return None
            except (UnreadableError, *ARCHIVE_ERRORS):
                return None
            except SourceReadError:
                if trusted:
                    raise
                return None
            keep()
            self._stack.enter_context(own.pop_all())
        if len(self._kept) >= ARCHIVES:
            raise RefusedError(f"holds more than {ARCHIVES} downloads; give fewer at a time")
        self._kept[entry.opener] = inner
        return inner


# --- a student -------------------------------------------------------------------------------------


def _survive(group: Sequence[HandIn], folder: Path, source: Path, every_attempt: bool) -> list[Submission]:
    """What came of a student's hand-ins; an error of ours costs this student's mark and stops nobody's."""
    try:
        return _one_student(group, folder, source, every_attempt)
    except Exception as error:
        if isinstance(error, UserError) and group[0].is_whole_source:
            raise
        reason = f"it could not be read: {str(error) or type(error).__name__}"
        if isinstance(error, SourceReadError):
            reason = f"{error}: give the grader the permission to read it, and grade again"
        last = max(group, key=lambda hand_in: hand_in.time)
        submission = Submission(
            student_id=last.student_id,
            name=last.name,
            section=last.section,
            submitted_at=last.submitted_at,
            remarks=_bounded(last.remarks),
        )
        return [_with_problem(submission, Status.GRADER_ERROR, reason)]


def _one_student(
    group: Sequence[HandIn], folder: Path, source: Path, every_attempt: bool
) -> list[Submission]:
    """The latest of all that carry a student's id, or every attempt, the latest last."""
    times = sorted({hand_in.time for hand_in in group})
    is_timed = all(times)
    latest = [hand_in for hand_in in group if hand_in.time == times[-1]] if is_timed else list(group)
    older = [next(h for h in group if h.time == time) for time in times[:-1]] if is_timed else []
    attempt = len(older) + 1
    set_aside = [
        f"attempt {number} of {attempt} ({hand_in.submitted_at or hand_in.time}) was set aside"
        for number, hand_in in enumerate([] if every_attempt else older, 1)
    ]
    origins = sorted({hand_in.origin for hand_in in group})
    if len(origins) > 1:
        places = _listed([origin or "the files of the source itself" for origin in origins])
        set_aside.append(f"this student is in {len(origins)} places: {places}")
    for hand_in in latest:
        hand_in.remarks[:0] = set_aside
        if is_timed and len({other.assignment for other in group}) > 1:
            hand_in.unclear = hand_in.unclear or "the download holds two assignments of this student"
        if strangers := _strangers(group):
            hand_in.unclear = hand_in.unclear or strangers
    before = []
    if every_attempt:
        before = [_assemble(one, n, folder / f"attempt{n}", source)[0] for n, one in enumerate(older, 1)]
    if len(latest) == 1:
        return [*before, _assemble(latest[0], attempt, folder, source)[0]]
    found = [_assemble(hand_in, attempt, folder / str(n), source)[0] for n, hand_in in enumerate(latest)]
    first = found[0]
    if first.digest and all(other.digest == first.digest for other in found):
        again = [*first.remarks, f"this work was found {len(found)} times"]
        return [*before, first.model_copy(update={"remarks": _bounded(again)})]
    what = "attempts of the same second" if is_timed else "different hand-ins"
    where = f" ({_listed(origins)})" if len(origins) > 1 else ""
    reason = f"{len(found)} {what} carry this student's name{where}, and nothing says which counts"
    return [*before, _with_problem(first, Status.QUARANTINED, reason)]


def _strangers(group: Sequence[HandIn]) -> str:
    """Why these may be two people of one id: in two downloads they have names that share no word."""
    names = {hand_in.origin: hand_in.name for hand_in in group if hand_in.name}
    words = [set(name.casefold().replace("(", " ").replace(")", " ").split()) for name in names.values()]
    if all(one & other for one in words for other in words if one and other):
        return ""
    shown = " and ".join(sorted(set(names.values()))[:2])
    return f"two downloads have this id for people of other names, {shown}: grade these downloads apart"


def _assemble(
    hand_in: HandIn, attempt: int, folder: Path, source: Path
) -> tuple[Submission, tuple[Entry, ...]]:
    """Open one hand-in, find what is graded, in which files, and say what is not.

    A checkpoint is laid into `folder`.
    """
    submission = Submission(
        student_id=hand_in.student_id,
        name=hand_in.name,
        section=hand_in.section,
        attempt=attempt,
        submitted_at=hand_in.submitted_at,
        remarks=_bounded(hand_in.remarks),
    )
    if hand_in.denied:
        raise SourceReadError(hand_in.denied)
    if hand_in.unclear:
        return _with_problem(submission, Status.QUARANTINED, hand_in.unclear), ()
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        contents = unpack(hand_in.entries, folder, stack)
        if contents.hostile:
            if contents.is_bomb and hand_in.is_whole_source and source.is_file():
                raise UserError(f"{source}: {contents.hostile}; it is not opened, look at it by hand")
            return _with_problem(submission, Status.QUARANTINED, contents.hostile), ()
        code = find_code(contents.files)
        if reason := several_people(contents.files, code.whole):
            return _with_problem(submission, Status.QUARANTINED, reason), ()
        weights, about_weights, weights_file = find_weights(contents.files, folder, contents.allowance)
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
            "remarks": _bounded([*submission.remarks, *notes]),
            "digest": _digest(code.code, weights, answers, [*reasons.values(), *code.claims]),
            **{name: safe_line(reason, REMARK_CHARACTERS) for name, reason in reasons.items()},
        }
    )
    if code.code is None and not answers:
        return _with_problem(submission, Status.NOT_GRADABLE, submission.no_code), ()
    return submission, taken


def _answer_files(answers: Sequence[str], files: Sequence[Entry], code: Code | None) -> tuple[str, ...]:
    """What the answers are from: files of their own, or else the notebook."""
    if not files and answers and code:
        return (code.filename,)
    return tuple(entry.label for entry in files)


def _with_problem(submission: Submission, status: Status, reason: str) -> Submission:
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
    return f"no lab8.py or lab8.ipynb was found{among}" + "".join(f": {why}" for why in contents.closed[:1])


def _bounded(remarks: Iterable[str]) -> tuple[str, ...]:
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
