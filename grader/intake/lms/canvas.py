"""Canvas's download: flat names that carry a person and the numbers of the person and the file.

    <name>[_LATE]_<user>_<file>_<name of the file>    a file handed in
    <name>[_LATE]_<user>_text.html, …_link.html       what was typed instead
    [LATE_]anon_<letters>_<file>_<name of the file>   where grading is anonymous

The name is the sortable one in lower case, without blanks and marks; for a group's work it is the group's,
and the number one member's. Only the current attempt is there, and its time is not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from grader.intake.entries import Entry, is_junk
from grader.intake.limits import NAME_CHARACTERS
from grader.intake.lms.system import System
from grader.intake.lms.typed import typed_in
from grader.intake.names import is_code_name, is_exact_lab_name, is_weights_name
from grader.intake.upload import Upload, id_of
from grader.text import safe_line

_INLINE = ("text.html", "link.html")
_NUMBERED = re.compile(r"(?P<stem>[^.]+)-\d{1,3}(?P<suffix>(?:\.[A-Za-z]{1,12}){1,2})", re.ASCII)
_EXPECTED = ("classifier", "answers", "answers_zh")


class Part(NamedTuple):
    """A name in Canvas's download, taken apart."""

    name: str
    user: str  # a number; of somebody anonymous "anon_" and letters
    is_late: bool
    original: str  # the student's name for the file, or one of `_INLINE`
    is_inline: bool = False  # it is no file of the student's

    @property
    def is_anonymous(self) -> bool:
        return self.user.startswith("anon_")


def part_of(name: str) -> Part | None:
    """Take a name apart, or None where Canvas did not write it."""
    parts = name.split("_")
    if len(parts) < 3:
        return None
    late = parts[:2] == ["LATE", "anon"]
    if late or parts[0] == "anon":
        anonymous = _anonymous(parts[1:] if late else parts, late)
        if anonymous:
            return anonymous
    for at in range(1, len(parts) - 1):
        if not _is_number(parts[at]):
            continue
        rest = "_".join(parts[at + 1 :])
        is_file = _is_number(parts[at + 1]) and at + 2 < len(parts)
        if not is_file and rest not in _INLINE:
            continue
        is_late = at > 1 and parts[at - 1] == "LATE"
        who = "_".join(parts[: at - is_late])
        original = "_".join(parts[at + 2 :]) if is_file else rest
        return Part(who, parts[at], is_late, original, not is_file) if who and original else None
    return None


def _anonymous(parts: Sequence[str], late: bool) -> Part | None:
    if len(parts) < 3 or not parts[1]:
        return None
    user, rest = f"anon_{parts[1]}", "_".join(parts[2:])
    if rest in _INLINE:
        return Part("", user, late, rest, True)
    if _is_number(parts[2]) and (original := "_".join(parts[3:])):
        return Part("", user, late, original)
    return None


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) <= 20


def plain_name(original: str, others: Collection[str]) -> str:
    """Without the number that Canvas puts before the extension, where that gives the name that is asked for.

    Else it may be the student's own: `lab-1.py` is no second upload of `lab.py`.
    """
    match = _NUMBERED.fullmatch(original[:200])
    plain = match["stem"] + match["suffix"] if match else ""
    if match and plain not in others and (is_exact_lab_name(plain) or match["stem"].lower() in _EXPECTED):
        return plain
    return original


class _Canvas:
    word, kind, fewest = "canvas", "Canvas's download", 2
    basis = "files named after a person, the person's number and the file's"

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        """Only several people's are believed, and where work is among them: a run's pictures are named so."""
        folders = {entry.top for entry in entries if entry.is_folder or entry.depth}
        parts = {name: part for name in names if name not in folders and (part := part_of(name))}
        called = {part.name or part.user for part in parts.values()}
        is_work = any(is_code_name(name) or is_weights_name(name) for name in parts)
        return (
            {name: part.user for name, part in parts.items()} if sure or (is_work and len(called) > 1) else {}
        )

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        people: dict[str, list[tuple[Part, Entry]]] = defaultdict(list)
        for entry in entries:
            if not entry.is_folder and not entry.depth and (part := part_of(entry.path)):
                people[part.user].append((part, entry))
        return [self._hand_in(user, parts) for user, parts in sorted(people.items())]

    def _hand_in(self, user: str, parts: list[tuple[Part, Entry]]) -> Upload:
        first, _ = parts[0]
        originals = {part.original for part, _ in parts}
        upload = Upload(id_of(user), [], name=safe_line(first.name, NAME_CHARACTERS))
        upload.called = (user,) if first.is_anonymous else (user, first.name)
        upload.late = "LATE" if any(part.is_late for part, _ in parts) else ""
        if first.is_anonymous:
            upload.unclear = "grading is anonymous, and nothing in the download says who this is"
        elif len({part.name for part, _ in parts}) > 1:
            upload.unclear = "the download has this number under two names"
        seen: set[str] = set()
        for part, entry in parts:
            if not part.is_inline:
                if not is_junk(part.original):
                    # Of two files of one name each is read: what the first is called stays the second's.
                    name = plain_name(part.original, originals)
                    seen_twice = name in seen
                    seen.add(name)
                    upload.entries.append(replace(entry, path=entry.path if seen_twice else name))
            elif part.original == "text.html":
                upload.entries += typed_in(entry, "Canvas", upload.remarks)
            else:
                upload.remarks.append("a link was handed in, and links are not followed")
        return upload


CANVAS: System = _Canvas()
