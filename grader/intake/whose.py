"""Whose a hand-in is, where its name does not settle that: by a person's map, and by the class list."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from grader.intake.upload import Upload
from grader.text import safe_line

_RESOLVE = "say whose it is with --map FILE, a CSV with the name here and the student's id in each line"


@dataclass(frozen=True)
class Person:
    """A student of the class list."""

    student_id: str
    name: str = ""
    email: str = ""
    group: str = ""


@dataclass(frozen=True)
class Known:
    """What is known beside the download."""

    roster: Sequence[Person] = ()
    named: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the map: of a group all its members


def attribute(uploads: Sequence[Upload], known: Known) -> tuple[list[Upload], list[str]]:
    """The hand-ins, each with whose it is or why nobody can tell; a group's once for each member. And notes.

    The map comes first, being a person's word. The class list settles no more than what is beyond doubt: an
    id, a group's name, or where the download has no id an e-mail or a name that one person alone carries.
    """
    carriers: dict[str, set[str]] = defaultdict(set)
    for upload in uploads:
        for name in _names(upload):
            carriers[name].add(upload.student_id)
    class_list = _ClassList(known.roster)
    named = {_plain(name): ids for name, ids in known.named.items()}
    used: set[str] = set()
    found: list[Upload] = []
    for upload in uploads:
        name = next((name for name in _names(upload) if name in named), "")
        used.add(name)
        if not name:
            found += class_list.attribute(upload) if known.roster else [upload]
            continue
        if len(carriers[name]) > 1:
            which = ", ".join(sorted(carriers[name])[:4])
            upload.unclear = f"--map names {safe_line(name, 60)}, which several carry here: {which}"
            found.append(upload)
        else:
            found += _members(replace(upload, unclear="", place=""), named[name])
    unclear = sum(bool(upload.unclear) for upload in found)
    for upload in found:
        flawed = upload.denied or any(entry.flaw for entry in upload.entries[:1])
        if upload.unclear and "--map" not in upload.unclear and not flawed:
            first = safe_line(_names(upload)[0], 60)
            upload.unclear = f"{upload.unclear}; {_RESOLVE}: {first},ID"
    these = "1 of these is: it gets" if unclear == 1 else f"{unclear} of these are: they get"
    notes = [f"nobody can tell whose {these} no mark; {_RESOLVE}"] if unclear else []
    if idle := sorted(named.keys() - used):
        shown = ", ".join(safe_line(name, 60) for name in idle[:6])
        notes.append(f"--map: nothing here is called {shown}{' …' if len(idle) > 6 else ''}")
    if late := sum(bool(upload.late) for upload in found):
        are = "is" if late == 1 else "are"
        notes.append(f"{late} {are} marked late without a time: see `marked_late_days` in the policy")
    return found, notes


def _names(upload: Upload) -> list[str]:
    """What a map may call it, the most telling first."""
    names = [*upload.called, upload.place, upload.student_id]
    return list(dict.fromkeys(plain for name in names if (plain := _plain(name))))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _members(upload: Upload, students: Sequence[str]) -> list[Upload]:
    """The hand-in under the id of each of these."""
    group = upload.group or (upload.name or upload.student_id if len(students) > 1 else "")
    return [
        replace(
            upload,
            student_id=student,
            group=group,
            name="" if len(students) > 1 else upload.name,
            place="",
            entries=list(upload.entries),
            remarks=list(upload.remarks),
        )
        for student in dict.fromkeys(students)
    ]


class _ClassList:
    """The class list, looked up by what downloads tell."""

    def __init__(self, roster: Sequence[Person]) -> None:
        self._ids = {person.student_id: person for person in roster}
        self._groups: dict[str, list[str]] = defaultdict(list)
        self._names: dict[str, list[str]] = defaultdict(list)
        self._emails: dict[str, list[str]] = defaultdict(list)
        for person in roster:
            self._groups[squeezed(person.group)].append(person.student_id)
            self._names[words_of(person.name)].append(person.student_id)
            self._emails[person.email.casefold()].append(person.student_id)

    def attribute(self, upload: Upload) -> list[Upload]:
        person = self._ids.get(upload.student_id)
        group = upload.group or upload.name
        members = self._groups.get(squeezed(group), []) if any(map(str.isalpha, group)) else []
        if members and not (person and words_of(person.name) == words_of(upload.name)):
            return _members(replace(upload, unclear="", group=group), members)
        if upload.told_by == "blind":
            number = upload.student_id.rpartition(" ")[2]
            known = number in self._ids
            return [replace(upload, student_id=number, unclear="") if known else upload]
        if upload.told_by == "both" and person and not _agree(person.name, upload.name):
            of = safe_line(person.name, 60)
            reason = f"the class list has the name {of} for this number, so it may be a group's"
            return [replace(upload, unclear=reason, student_id=f"{upload.student_id} ({upload.name})")]
        if upload.told_by == "id" and person and person.name and upload.name == squeezed(upload.name):
            return [_with_name(upload, person.name)]
        if upload.told_by == "name" and not upload.group:
            return [_only(upload, self._names.get(words_of(upload.name), []), upload.name)]
        if upload.told_by == "email" and upload.email and not person:
            found = self._emails.get(upload.email.casefold(), [])
            if found or upload.student_id == upload.email:
                return [_only(upload, found, upload.email)]
        return [upload]


def _with_name(upload: Upload, name: str) -> Upload:
    """With the name as the class list has it, for a download that writes names into one."""
    remarks = list(upload.remarks)
    if upload.name and not any(word in upload.name for word in words_of(name).split()):
        called = safe_line(upload.name, 60)
        remarks.append(f"the download calls it {called}: if that is a group, name its members with --map")
    return replace(upload, name=name, remarks=remarks)


def _only(upload: Upload, found: Sequence[str], shown: str) -> Upload:
    """The hand-in of the one student who was found; unclear where that is not one."""
    if len(found) == 1:
        # Two numbers under one name stay in doubt: one may be of somebody who is not on the list.
        is_doubtful = upload.unclear and upload.student_id != upload.name
        return upload if is_doubtful else replace(upload, student_id=found[0], unclear="")
    who = f"{len(found)} people" if found else "nobody"
    return replace(upload, unclear=f"{who} of the class list goes by {safe_line(shown, 60)}")


def _agree(one: str, other: str) -> bool:
    """Whether two names may be one person's: they share a word, or one is not known."""
    first, second = set(words_of(one).split()), set(words_of(other).split())
    return not first or not second or bool(first & second) or squeezed(one) == squeezed(other)


def words_of(name: str) -> str:
    """A name's words, whatever their order: "Lee, Ann" is "Ann Lee"."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(sorted(folded.replace(",", " ").split()))


def squeezed(name: str) -> str:
    """A name as Canvas and Moodle write it into one: without case, blanks and marks."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in folded if sign.isalnum()) or folded.strip()
