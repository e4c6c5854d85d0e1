"""What is known beside a download: the class list, and a person's map from its names to students."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from grader.errors import UserError
from grader.intake.upload import id_of
from grader.intake.whose import Known, Person
from grader.roster import Roster, is_id_header, read_cells


def known_of(roster: Roster, map_file: Path | None = None) -> Known:
    """Both together. Raises `UserError` where the map cannot be read."""
    people = [
        Person(unicodedata.normalize("NFC", entry.student_id), entry.name, entry.email, entry.group)
        for entry in roster.entries
    ]
    return Known(people, read_map(map_file) if map_file else {})


def read_map(path: Path) -> dict[str, list[str]]:
    """A CSV or XLSX with a name as the download has it and a student's id in each line.

    A header may stand above. A name that stands in several lines is a group's. Raises `UserError` with the
    line.
    """
    named: dict[str, list[str]] = {}
    for number, (place, cells) in enumerate(read_cells(path)):
        name, student = ([cell.strip() for cell in cells] + ["", ""])[:2]
        if (number == 0 and is_id_header(student)) or not (name or student):
            continue
        if not name or not student:
            raise UserError(f"{path}: {place}: needs a name and a student's id, with a comma between them")
        named.setdefault(name, []).append(id_of(unicodedata.normalize("NFC", student)))
    return named
