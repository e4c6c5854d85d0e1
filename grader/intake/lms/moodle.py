"""Moodle's download: a folder a person, or flat names where "download in folders" is off.

    <name>_<number>_assignsubmission_file/<path>           since 4.1; before, with an underscore at the end
    <name>_<number>_assignsubmission_file_<name>           without folders
    <name>_<number>_assignsubmission_onlinetext/onlinetext.html
    <word>_<number>_…                                      blind marking: "Participant", in any language
    <group>_<number>_…, Default group_…                    a group's work; who is in no group has no number

Names have no underscore. The number is the person's in this assignment, as the grading worksheet has it.
Only the current attempt is there, and its time is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from grader.intake.entries import Entry, is_junk
from grader.intake.limits import NAME_CHARACTERS
from grader.intake.lms.system import System
from grader.intake.lms.typed import typed_in
from grader.intake.upload import Upload, id_of
from grader.text import safe_line

_MARK = "assignsubmission"
_PARTICIPANT = ("participant", "参与者", "参与人", "參與者")


class Part(NamedTuple):
    """A name in Moodle's download, taken apart."""

    name: str
    number: str  # "" of the default group
    kind: str  # "file", "onlinetext"
    original: str  # of a flat file; "" of a folder

    @property
    def who(self) -> str:
        return f"{self.name}_{self.number}" if self.number else self.name


def part_of(name: str) -> Part | None:
    """Take the name of a folder or a file at the top apart, or None where Moodle did not write it."""
    parts = name.split("_", 4)
    if len(parts) > 1 and parts[1] == _MARK:  # a group without a number
        parts = [parts[0], "", *name.split("_", 3)[1:]]
    if len(parts) < 4 or parts[2] != _MARK or not parts[0].strip():
        return None
    number, kind = parts[1], parts[3]
    is_number = number.isascii() and number.isdecimal() and len(number) <= 20
    if (number and not is_number) or not (kind.isascii() and kind.isalnum() and kind.islower()):
        return None
    return Part(parts[0], number, kind, parts[4] if len(parts) > 4 else "")


class _Moodle:
    word, kind, fewest = "moodle", "Moodle's download", 1
    basis = "names with a number and assignsubmission"

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        parts = {name: part_of(name) for name in names if _MARK in name}
        return {name: part.who for name, part in parts.items() if part}

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        people: dict[tuple[str, str], list[tuple[Part, Entry]]] = defaultdict(list)
        for entry in entries:
            if part := part_of(entry.top):
                people[part.name, part.number].append((part, entry))
        named: dict[str, int] = defaultdict(int)
        numbered: dict[str, int] = defaultdict(int)
        for name, number in people:
            named[name] += 1
            numbered[number] += 1
        found = []
        for (name, number), parts in sorted(people.items()):
            upload = self._hand_in(parts)
            is_blind = name.strip().casefold() in _PARTICIPANT or (
                len(people) > 2 and named[name] == len(people)  # the word in another language
            )
            if not number:
                upload.student_id = id_of(name)
                upload.unclear = "it carries a group's name and no number, so nothing says whose it is"
            elif numbered[number] > 1:
                upload.student_id = id_of(f"{name}_{number}")
                upload.unclear = f"{numbered[number]} names in the download have the number {number}"
            elif is_blind:
                upload.name, upload.told_by = "", "blind"
                upload.student_id = id_of(f"{name} {number}")
                upload.unclear = f"marking is blind: the grading worksheet as --roster tells who is {number}"
            found.append(upload)
        return found

    def _hand_in(self, parts: list[tuple[Part, Entry]]) -> Upload:
        part, _ = parts[0]
        upload = Upload(id_of(part.number), [], name=safe_line(part.name, NAME_CHARACTERS), told_by="both")
        upload.called = (part.who, f"{part.name} {part.number}".strip(), part.number, part.name)
        for part, entry in parts:
            if entry.depth:
                inner = entry.below(entry.top)
            elif entry.is_folder:
                continue
            else:
                inner = replace(entry, path=part.original or entry.path)
            if part.kind == "onlinetext" and inner.suffix in (".html", ".htm") and not inner.depth:
                upload.entries += typed_in(inner, "Moodle", upload.remarks)
            elif not is_junk(inner.path):
                upload.entries.append(inner)
        return upload


MOODLE: System = _Moodle()
