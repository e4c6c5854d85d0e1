"""GitHub Classroom's clones: a repository a student or team in `<assignment>-submissions`.

    <assignment>-submissions/<assignment>-<login>/<path>
    grades.csv    who that is in the class list, and when GitHub received it; beside the clones, if at all

What is checked out is graded; the repository itself is only asked for the time of its commit (see `git`).
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone

from grader.intake.decode import decode_text
from grader.intake.entries import Entry, UnreadableError
from grader.intake.limits import MIB, NAME_CHARACTERS
from grader.intake.lms.git import committed_at, is_clone
from grader.intake.lms.system import System
from grader.intake.upload import Upload, id_of
from grader.text import safe_line

_GRADES = re.compile(r"(?:.{0,80}[-_ ])?grades.{0,40}\.csv", re.IGNORECASE)
_GRADES_BYTES = 4 * MIB
_REPOSITORY = "student_repository_name"
_MOST_ROWS = 20_000


class _Classroom:
    word, kind, fewest = "classroom", "GitHub Classroom's clones", 2
    basis = "folders with a git repository each"

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        clones = {
            entry.path: entry.path
            for entry in entries
            if entry.is_folder and not entry.depth and entry.place and is_clone(entry.place)
        }
        grades = {name: "" for name in names if _GRADES.fullmatch(name)}
        if sure and not clones and len(names) > 1:  # the repositories themselves are lost in a zip
            clones = {entry.top: entry.top for entry in entries if entry.is_folder or entry.depth}
        return clones | grades if clones else {}

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        folders: dict[str, list[Entry]] = defaultdict(list)
        places: dict[str, str] = {}
        rows: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        for entry in entries:
            if entry.depth:
                folders[entry.top].append(entry.below(entry.top))
            elif entry.is_folder:
                folders[entry.top] += []
                places[entry.top] = entry.place
            elif _GRADES.fullmatch(entry.path):
                for row in _rows(entry):
                    rows[row[_REPOSITORY]].append(row)
        slug = box.removesuffix("-submissions") + "-" if box.endswith("-submissions") else ""
        return [
            upload
            for folder, inside in sorted(folders.items())
            for upload in _hand_ins(folder, inside, slug, rows[folder], places.get(folder, ""))
        ]


def _rows(entry: Entry) -> list[Mapping[str, str]]:
    """The lines of a grades.csv; a team's have a column more than the first line says."""
    try:
        text = decode_text(entry.read(_GRADES_BYTES))
    except UnreadableError:
        return []
    try:
        table = [row for _, row in zip(range(_MOST_ROWS), csv.reader(io.StringIO(text)), strict=False)]
    except csv.Error:
        return []
    head = [name.strip() for name in table[0]] if table else []
    if _REPOSITORY not in head:
        return []
    if "group_name" not in head:
        head.append("group_name")
    return [
        dict(zip([*head, *[""] * len(row)], row, strict=False))
        for row in table[1:]
        if len(row) > head.index(_REPOSITORY)
    ]


def _hand_ins(
    folder: str, inside: list[Entry], slug: str, rows: Sequence[Mapping[str, str]], place: str
) -> list[Upload]:
    """One, or of a team one for each member that the grades name."""
    login = folder[len(slug) :] if slug and folder.startswith(slug) and len(folder) > len(slug) else ""
    committed = committed_at(place) if place else None
    found = []
    for row in rows or ({},):
        user, identifier = (row.get(key, "").strip() for key in ("github_username", "roster_identifier"))
        at, remarks = _received(row.get("submission_timestamp", "")), []
        if at is None and committed:
            at = committed
            remarks.append("its time is the commit's own, which whoever made the commit could set")
        at = at and at.astimezone(timezone.utc)
        group = row.get("group_name", "").strip() or (login or folder if len(rows) > 1 else "")
        student = identifier or user or login or folder
        called = dict.fromkeys(filter(None, (identifier, user, *(() if len(rows) > 1 else (login, folder)))))
        found.append(
            Upload(
                id_of(student),
                list(inside),
                time=at.isoformat() if at else "",
                submitted_at=at,
                group=safe_line(group, NAME_CHARACTERS),
                called=tuple(called),
                remarks=remarks,
            )
        )
    return found


def _received(text: str) -> datetime | None:
    """GitHub's time, like 2024-03-05T23:59:07Z; it always has a zone."""
    text = text.strip()[:40]
    text = re.sub(r"(?: ?UTC|Z)\Z", "+00:00", text, flags=re.IGNORECASE)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


CLASSROOM: System = _Classroom()
