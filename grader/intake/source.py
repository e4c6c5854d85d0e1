"""From a download to `Submission`s: who handed in, which attempt, when, which files. Executes nothing."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from grader.errors import UserError
from grader.intake.entries import (
    ARCHIVE_ERRORS,
    Allowance,
    Entry,
    SourceReadError,
    UnreadableError,
    open_zip,
    short,
    zip_entries,
)
from grader.intake.layout import Layout, RefusedError, read_layout
from grader.intake.limits import (
    ARCHIVES,
    SOURCE_DIRECTORY_BYTES,
    SOURCE_FILES,
    STUDENT_BYTES,
    WRAPPED_DOWNLOAD_BYTES,
)
from grader.intake.lms import DOWNLOADS, shape_of
from grader.intake.opened import open_source
from grader.intake.student import assemble, bounded, with_problem
from grader.intake.unpack import seekable
from grader.intake.upload import Upload, look
from grader.intake.whose import Known, attribute
from grader.types import Record, Status, Submission


class Intake(Record):
    """What was read of a source, and how: to be said before grading begins."""

    submissions: tuple[Submission, ...]  # sorted by `student_id`, a student's attempts by their times
    layout: str  # the layout that was recognised
    basis: str  # what that rests on
    unclaimed: tuple[str, ...] = ()  # paths that are in no student's place; made safe to show
    notes: tuple[str, ...] = ()  # on whose the hand-ins are

    @property
    def lines(self) -> list[str]:
        """A few lines for the person who grades."""
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
        return [*told, *self.notes]


def _listed(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def read_submissions(source: Path, workdir: Path, leave_out: Path | None = None) -> list[Submission]:
    """The submissions of `read_source`."""
    return list(read_source(source, workdir, leave_out).submissions)


def read_source(
    source: Path,
    workdir: Path,
    leave_out: Path | None = None,
    *,
    every_attempt: bool = False,
    layout: str = "",
    known: Known | None = None,
) -> Intake:
    """Read a download into one submission a student, and tell what it was taken for.

    `source` is a zip or a folder: an LMS's download, one folder or zip a student, several
    of these (sections, or downloads side by side), or a single submission; `layout`, one of
    `grader.intake.layout.WORDS`, says which where that is not to be found out. `known` tells
    whose is what no name tells. Of several attempts the latest is read, or with `every_attempt` each. The
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
            entries, name = open_source(source, allowance, stack, _path_within(source, leave_out), _is_member)
            found = _read_layout(source, entries, name, _Zips(workdir, allowance, stack), layout)
            uploads, notes = attribute(found.uploads, known or Known())
            by_student: dict[str, list[Upload]] = {}
            for upload in uploads:
                # Nothing but the same name is the same student: an id that only looks like another's may
                # have been chosen in order to be taken for it.
                same = unicodedata.normalize("NFC", upload.student_id)
                by_student.setdefault(same, []).append(upload)
            submissions: list[Submission] = []
            for number, group in enumerate(by_student.values()):
                allowance.start()
                # Not the student's name: file systems that ignore case would bring two students together.
                submissions += _survive(group, workdir / str(number), source, every_attempt)
    except OSError as error:  # what fails in a student's files was caught where they are read
        raise UserError(f"{workdir}: cannot be written to ({short(error)}); point TMPDIR elsewhere") from None
    submissions = sorted(_tell_look_alikes(submissions), key=lambda submission: submission.student_id)
    return Intake(
        submissions=tuple(submissions),
        layout=found.kind,
        basis=found.basis,
        unclaimed=tuple(entry.label + ("/" if entry.is_folder else "") for entry in found.unclaimed),
        notes=tuple(notes),
    )


def _is_member(name: str) -> bool:
    """Whether an LMS named this, with a student in it."""
    return any(system.claims({name}, sure=True) for system in DOWNLOADS)


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


def _read_layout(source: Path, entries: list[Entry], name: str, zips: _Zips, layout: str) -> Layout:
    try:
        return read_layout(entries, name, zips.open, layout)
    except RefusedError as error:
        raise UserError(f"{source}: {error}") from None
    except SourceReadError as error:
        raise UserError(f"{source}: {error}; give the grader the permission to read it") from None


def _tell_look_alikes(submissions: Sequence[Submission]) -> list[Submission]:
    """The submissions, with a remark at ids that differ in little; nobody's is named to another."""
    alike = Counter(look(student) for student in {submission.student_id for submission in submissions})
    remark = "another hand-in carries nearly the same student's name: they were graded apart"
    return [
        submission.model_copy(update={"remarks": bounded([remark, *submission.remarks])})
        if alike[look(submission.student_id)] > 1
        else submission
        for submission in submissions
    ]


# --- the source ------------------------------------------------------------------------------------


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


def _survive(group: Sequence[Upload], stem: Path, source: Path, every_attempt: bool) -> list[Submission]:
    """What came of a student's hand-ins; an error of ours costs this student's mark and stops nobody's."""
    try:
        return _one_student(group, stem, source, every_attempt)
    except Exception as error:
        if isinstance(error, UserError) and group[0].is_whole_source:
            raise
        reason = f"it could not be read: {str(error) or type(error).__name__}"
        if isinstance(error, SourceReadError):
            reason = f"{error}: give the grader the permission to read it, and grade again"
        last = max(group, key=lambda upload: upload.time)
        submission = Submission(
            student_id=last.student_id,
            name=last.name,
            section=last.section,
            submitted_at=last.submitted_at,
            late=last.late,
            group=last.group,
            remarks=bounded(last.remarks),
        )
        return [with_problem(submission, Status.GRADER_ERROR, reason)]


def _one_student(group: Sequence[Upload], stem: Path, source: Path, every_attempt: bool) -> list[Submission]:
    """The latest of all that carry a student's id, or every attempt, the latest last."""
    times = sorted({upload.time for upload in group})
    is_timed = all(times)
    latest = [upload for upload in group if upload.time == times[-1]] if is_timed else list(group)
    older = [next(h for h in group if h.time == time) for time in times[:-1]] if is_timed else []
    attempt = len(older) + 1 + max(upload.earlier for upload in group)
    set_aside = [
        f"attempt {number} of {attempt} ({upload.submitted_at or upload.time}) was set aside"
        for number, upload in enumerate([] if every_attempt else older, 1)
    ]
    origins = sorted({upload.origin for upload in group})
    if len(origins) > 1:
        places = _listed([origin or "the files of the source itself" for origin in origins])
        set_aside.append(f"this student is in {len(origins)} places: {places}")
    for upload in latest:
        upload.remarks[:0] = set_aside
        if is_timed and len({other.assignment for other in group}) > 1:
            upload.unclear = upload.unclear or "the download holds two assignments of this student"
        if strangers := _strangers(group):
            upload.unclear = upload.unclear or strangers
    before: list[Submission] = []
    if every_attempt:
        before = [
            assemble(one, n, stem.with_name(f"{stem.name}-attempt{n}"), source, shape_of)[0]
            for n, one in enumerate(older, 1)
        ]
    if len(latest) == 1:
        return [*before, assemble(latest[0], attempt, stem, source, shape_of)[0]]
    found = [
        assemble(upload, attempt, stem.with_name(f"{stem.name}-{n}"), source, shape_of)[0]
        for n, upload in enumerate(latest)
    ]
    first = found[0]
    if first.digest and all(other.digest == first.digest for other in found):
        again = [*first.remarks, f"this work was found {len(found)} times"]
        return [*before, first.model_copy(update={"remarks": bounded(again)})]
    what = "attempts of the same second" if is_timed else "different hand-ins"
    where = f" ({_listed(origins)})" if len(origins) > 1 else ""
    reason = f"{len(found)} {what} carry this student's name{where}, and nothing says which counts"
    return [*before, with_problem(first, Status.QUARANTINED, reason)]


def _strangers(group: Sequence[Upload]) -> str:
    """Why these may be two people of one id: in two downloads they have names that share no word."""
    names = {upload.origin: upload.name for upload in group if upload.name}
    words = [set(name.casefold().replace("(", " ").replace(")", " ").split()) for name in names.values()]
    if all(one & other for one in words for other in words if one and other):
        return ""
    shown = " and ".join(sorted(set(names.values()))[:2])
    return f"two downloads have this id for people of other names, {shown}: grade these downloads apart"
