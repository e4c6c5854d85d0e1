"""What one student handed in at one time, before anything in it is opened; and the ids that names make."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from grader.intake.entries import Entry, fingerprint
from grader.intake.limits import NAME_CHARACTERS
from grader.text import safe_line


@dataclass
class Upload:
    """What one student, or one group, handed in at one time; nothing in it has been opened yet."""

    student_id: str
    entries: list[Entry]
    name: str = ""
    section: str = ""
    time: str = ""  # sorts; "" where the source does not tell it
    submitted_at: datetime | None = None
    late: str = ""  # the LMS's mark of lateness, where it tells no time
    earlier: int = 0  # attempts before this one that the source tells of and does not hold
    group: str = ""  # whose work it is, where that is not one person's
    email: str = ""
    called: tuple[str, ...] = ()  # what a map may call it, the most telling first; else its id
    # By what the class list tells whose it is. "both": the name has to agree with the id, which may be a
    # group's; "blind": the id says nothing but there.
    told_by: Literal["id", "both", "blind", "name", "email"] = "id"
    assignment: str = ""
    remarks: list[str] = field(default_factory=list)
    unclear: str = ""  # why nobody can tell whose it is
    denied: str = ""  # what of it the grader could not read
    origin: str = ""  # the download or section that it came in, where the source holds several
    place: str = ""  # the folder or zip whose name the id is
    is_whole_source: bool = False


def id_of(name: str) -> str:
    """A name as an id: safe to show, and another one for another name, but for white space."""
    shown = safe_line(name, NAME_CHARACTERS)
    if shown and shown == " ".join(name.split()):
        return shown
    return _marked(name)


def _marked(name: str) -> str:
    return f"{safe_line(name, NAME_CHARACTERS - 9) or '(no name)'}~{fingerprint(name)}"


def give_ids(uploads: Sequence[Upload]) -> None:
    """Set the ids that are names of folders and zips, apart where they only look alike."""
    placed = [upload for upload in uploads if upload.place]
    for upload, student_id in zip(placed, _ids([upload.place for upload in placed]), strict=True):
        upload.student_id = student_id


def _ids(names: Sequence[str]) -> list[str]:
    """An id for each name. One with more white space does not get the id of one that is plain."""
    plain = {name for name in names if id_of(name) == name}
    return [_marked(name) if name not in plain and id_of(name) in plain else id_of(name) for name in names]


def look(student_id: str) -> str:
    """What ids share that people may take for one: case, forms of letters and marks for twins apart."""
    folded = unicodedata.normalize("NFKC", re.sub(r"~[0-9a-f]{8}\Z", "", student_id)).casefold()
    return unicodedata.normalize("NFKC", folded)
