"""What a student is told about a mark, as plain text; and files under the names that an LMS takes back."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from grader.errors import UserError
from grader.export.cells import acts_as_formula
from grader.export.lms.template import Person, folded
from grader.export.scores import by_stem
from grader.gradebook import Published
from grader.marks import TOTAL, holding
from grader.text import safe_line, safe_text
from grader.types import Decision, Outcome, Verdict

_COLUMN_CHARACTERS = 2000
_TEXT_CHARACTERS = 20_000
_NAMES = 200_000  # of a download that are looked at
_WRITTEN = (2000, 1, 1, 0, 0, 0)  # any fixed date: the same files give the same zip
_CANVAS = re.compile(r"(?:.+?_)?(?P<user>\d+)_(?P<attachment>\d+)_.+", re.DOTALL | re.ASCII)
_BRIGHTSPACE = re.compile(
    r"\d+-\d+ - (?:.+ - )?(?P<person>[^/]+?) - [A-Z][a-z]{2} \d{1,2}, \d{4} \d{3,4} [AP]M", re.ASCII
)


def feedback_text(verdict: Verdict, decisions: Iterable[Decision] = ()) -> str:
    """The mark row by row, with why points are missing; nothing that is for the instructor alone.

    `decisions` are all on the student, undone ones too.
    """
    lines = [safe_line(f"{verdict.name} ({verdict.student_id})" if verdict.name else verdict.student_id, 300)]
    lines += [*_head(verdict, decisions), ""]
    known = {check.id: check for check in verdict.checks}
    for row in verdict.rows:
        lines.append(f"{row.counts} of {row.out_of}  {safe_line(row.title, 500)}")
        why = [row.why, row.reason] if row.decided is not None else [row.reason]
        lines += [f"    {safe_line(text, 1000)}" for text in why if text]
        check = known.get(row.id)
        if check and check.outcome is Outcome.FAILED:
            told = {"expected": check.expected, "found": check.actual, "hint": check.hint}
            lines += [f"    {what}: {safe_line(text, 1000)}" for what, text in told.items() if text]
    lines += [f"Remark: {safe_line(remark, 500)}" for remark in verdict.remarks]
    return safe_text("\n".join(lines) + "\n", _TEXT_CHARACTERS)


def feedback_line(verdict: Verdict, decisions: Iterable[Decision] = ()) -> str:
    """It on one line, for a column: the mark, and the rows that lost points.

    It can stand in any spreadsheet: it begins with a word, and holds no separator of lists.
    """
    parts = _head(verdict, decisions)
    for row in verdict.rows:
        if row.counts < row.out_of:
            why = row.why if row.decided is not None and row.why else row.reason
            told = f"{row.id} {row.counts} of {row.out_of}"
            parts.append(f"{told}: {why}" if why else told)
    line = safe_line(" · ".join(parts), _COLUMN_CHARACTERS).replace(";", ",")
    return f"Feedback: {line}" if acts_as_formula(line) else line


def _head(verdict: Verdict, decisions: Iterable[Decision]) -> list[str]:
    if verdict.total is not None:
        lines = [f"Mark: {verdict.total} of {verdict.out_of}"]
    else:
        lines = [f"No mark: {verdict.standing if verdict.standing != 'counts' else verdict.status.value}"]
    if verdict.reason:
        lines.append(safe_line(verdict.reason, 1000))
    if verdict.deduction:
        lines.append(f"{verdict.late_seconds / 3600:.1f} hours late: {verdict.deduction} less")
    return lines + [
        safe_line(_decided(one), 1000) for one in holding(decisions).numbers.values() if _told(one)
    ]


def _told(decision: Decision) -> bool:
    """Whether it is told beside the mark: points of a row stand at the row, and flags are no student's."""
    return decision.row == TOTAL or decision.kind not in ("adjust", "settle_flag", "remove")


def _decided(one: Decision) -> str:
    """A decision as the student may know it: not why somebody was excluded, which may name another."""
    what = f"the whole mark is {one.points}" if one.row == TOTAL else one.what
    why = "ask for the reason" if one.kind == "exclude" else one.why
    return f"Decided by {one.by}, {one.made_at:%Y-%m-%d}: {what}: {why}"


def pages_or_texts(
    results: Path,
    verdicts: Sequence[Verdict],
    shown: Mapping[str, Published],
    decisions: Mapping[str, Sequence[Decision]],
) -> dict[str, tuple[str, bytes]]:
    """A file for each student of the class, by id: the page in RESULTS, else plain text.

    `shown` has the mark for which each page was written: a page that shows another is left out, and so is
    one that a later decision is not on.
    """
    found = {}
    for stem, verdict in by_stem(sorted(verdicts, key=lambda one: one.student_id)).items():
        page, told = results / "feedback" / f"{stem}.html", shown.get(verdict.student_id)
        same = told is not None and (told.verdict.total, told.verdict.rows) == (verdict.total, verdict.rows)
        if same and page.is_file():
            found[verdict.student_id] = ("feedback.html", page.read_bytes())
        else:
            text = feedback_text(verdict, decisions.get(verdict.student_id, ()))
            found[verdict.student_id] = ("feedback.txt", text.encode())
    return found


def feedback_zip(files: Mapping[str, tuple[str, bytes]], prefixes: Mapping[str, str]) -> bytes:
    """The zip to upload: each student's file behind the prefix by which the LMS tells whose it is."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, (name, raw) in files.items():
            if student in prefixes:
                archive.writestr(
                    zipfile.ZipInfo(prefixes[student] + name, _WRITTEN), raw, zipfile.ZIP_DEFLATED
                )
    return content.getvalue()


def moodle_prefixes(people: Mapping[str, Person]) -> dict[str, str]:
    """As Moodle's downloads name files, by student id: name, participant, plugin.

    All that Moodle reads is the number and the plugin; an underscore in the name would shift them, and a
    file that begins with a dot or a tilde is passed over.
    """
    found = {}
    for student, person in people.items():
        name = " ".join(re.sub(r'[_/\\:*?"<>|]', " ", safe_line(person.name, 80)).split()).lstrip(".~ ")
        found[student] = f"{name or 'Participant'}_{person.ids[0]}_assignsubmission_file_"
    return found


def canvas_prefixes(people: Mapping[str, Person], names: Iterable[str]) -> dict[str, str]:
    """As Canvas's downloads name files: it takes a comment only behind a user's and an attachment's id.

    The latter stands in the `names` of the submissions' download alone.
    """
    attachments: dict[str, str] = {}
    for name in names:
        match = _CANVAS.fullmatch(PurePosixPath(name).name)
        if match:
            attachments.setdefault(match["user"], match["attachment"])
    found = {}
    for student, person in people.items():
        if person.ids[0] in attachments:
            letters = "".join(sign for sign in safe_line(person.name, 80).casefold() if sign.isalpha())
            found[student] = f"{letters or 'student'}_{person.ids[0]}_{attachments[person.ids[0]]}_"
    return found


def brightspace_prefixes(
    people: Mapping[str, Person], names: Iterable[str], called: Mapping[str, str]
) -> dict[str, str]:
    """The folders of Brightspace's download, untouched; its numbers name nobody, so the names have to.

    Names are the template's where it has them, else as the results have them: `called`, by student id. Who
    shares a name with another gets no folder.
    """
    folders: dict[str, set[str]] = {}
    for name in names:
        for part in PurePosixPath(name).parts[:-1]:
            if match := _BRIGHTSPACE.fullmatch(part):
                folders.setdefault(folded(match["person"]), set()).add(part)
    owners: dict[str, list[str]] = {}
    for student, person in people.items():
        last, _, first = person.name.partition(", ")
        name = f"{first} {last}" if person.name else called.get(student, "")
        owners.setdefault(folded(name), []).append(student)
    found = {}
    for name, students in owners.items():
        parts = folders.get(name, set())
        prefixes = {part.partition(" - ")[0] for part in parts}
        if len(students) == 1 and len(prefixes) == 1:
            found[students[0]] = f"{max(parts)}/"
    return found


def names_in(download: Path) -> list[str]:
    """The names of the files in the submissions' download, a zip or a folder; nothing is unpacked."""
    try:
        if download.is_dir():
            return [str(path.relative_to(download)) for path in download.rglob("*") if path.is_file()][
                :_NAMES
            ]
        with zipfile.ZipFile(download) as archive:
            return archive.namelist()[:_NAMES]
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{download}: cannot be read: name the submissions' download with --download"
        ) from error


def prefixes_for(
    lms: str, people: Mapping[str, Person], download: Path | None, called: Mapping[str, str], tried: str
) -> dict[str, str]:
    """By which the LMS tells whose a file is, by student id; who is missing there cannot be given one.

    `called` are the names that the results have, by student id; `tried` is where no download was. Raises
    `UserError` where there is nobody to whom a file could be given.
    """
    if lms == "moodle":
        return moodle_prefixes(people)
    if lms not in ("canvas", "brightspace"):
        raise UserError(
            f"--feedback: {lms} takes no zip of files: --comments fills the column where its file has one"
        )
    if download is None:
        gone = f"; the last run's is not there any more: {tried}" if tried else ""
        raise UserError(
            f"--feedback: name the submissions' download with --download: its names are needed{gone}"
        )
    names = names_in(download)
    by, more = "numbers", ""
    if lms == "canvas":
        found = canvas_prefixes(people, names)
    else:
        found = brightspace_prefixes(people, names, called)
        by, more = "names", ", or export the grades with first and last names"
    if people and not found:
        raise UserError(
            f"--feedback: {download}: has none of the {len(people)} students by their {by}: name the download"
            f" of these submissions with --download{more}"
        )
    return found
