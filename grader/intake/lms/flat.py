"""Files of many students in one folder, each with its student's id before the name that the lab asks for.

12210003_lab8.py  12210003_classifier.safetensors  12210003_answers.md
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from grader.intake.entries import Entry
from grader.intake.lms.system import System
from grader.intake.names import is_code_name, is_exact_lab_name
from grader.intake.people import owner
from grader.intake.upload import Upload, id_of


def _owner_of_code(name: str) -> str:
    """The id before `_lab8.py`, or ""."""
    student, _, rest = name.rpartition("_")
    return student if is_exact_lab_name(rest) and owner(student) else ""


class _Flat:
    word, kind, fewest = "flat", "files named after students", 2
    basis = "an id, an underscore, and the name that the lab asks for"

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        folders = {entry.top for entry in entries if entry.is_folder or entry.depth}
        files = [name for name in names if name not in folders]
        students = {student for name in files if (student := _owner_of_code(name))}
        if not students or (len(students) < 2 and not sure) or any(is_exact_lab_name(name) for name in files):
            return {}
        found = {}
        for name in files:
            owners = _starts(name, students)
            if owners:
                found[name] = owners[-1]
        return found

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        files = [entry for entry in entries if not entry.is_folder and not entry.depth]
        students = {student for entry in files if (student := _owner_of_code(entry.path))}
        people: dict[str, list[Entry]] = defaultdict(list)
        strays = []
        for entry in files:
            exact = _owner_of_code(entry.path)
            owners = [exact] if exact else _starts(entry.path, students)
            if len(owners) == 1:
                people[owners[0]].append(replace(entry, path=entry.path[len(owners[0]) + 1 :]))
            elif owners:
                shown = " or ".join(id_of(one) for one in owners)
                stray = Upload(id_of(entry.path), [entry], unclear=f"it may be a file of {shown}")
                strays.append(stray)
            elif is_code_name(entry.path):
                strays.append(Upload(id_of(entry.path), [entry], unclear="no student's id begins its name"))
        return [
            Upload(id_of(student), own, place=student) for student, own in sorted(people.items())
        ] + strays


def _starts(name: str, students: Collection[str]) -> list[str]:
    """The ids that the name begins with, the shortest first."""
    found, at = [], name.find("_")
    while 0 < at < len(name) - 1 and at <= 100:
        if name[:at] in students:
            found.append(name[:at])
        at = name.find("_", at + 1)
    return found


FLAT: System = _Flat()
