"""Whose a hand-in is, where its name does not settle that: by a person's map, and by the class list."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from grader.intake.hand_in import HandIn
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


def attribute(hand_ins: Sequence[HandIn], known: Known) -> tuple[list[HandIn], list[str]]:
    """The hand-ins, each with whose it is or why nobody can tell; a group's once for each member. And notes.

    The map comes first, being a person's word. The class list settles no more than what is beyond doubt: an
    id, a group's name, or where the download has no id an e-mail or a name that one person alone carries.
    """
    carriers: dict[str, set[str]] = defaultdict(set)
    for hand_in in hand_ins:
        for name in _names(hand_in):
            carriers[name].add(hand_in.student_id)
    class_list = _ClassList(known.roster)
    named = {_plain(name): ids for name, ids in known.named.items()}
    used: set[str] = set()
    found: list[HandIn] = []
    for hand_in in hand_ins:
        name = next((name for name in _names(hand_in) if name in named), "")
        used.add(name)
        if not name:
            found += class_list.attribute(hand_in) if known.roster else [hand_in]
            continue
        if len(carriers[name]) > 1:
            which = ", ".join(sorted(carriers[name])[:4])
            hand_in.unclear = f"--map names {safe_line(name, 60)}, which several carry here: {which}"
            found.append(hand_in)
        else:
            found += _members(replace(hand_in, unclear="", place=""), named[name])
    unclear = sum(bool(hand_in.unclear) for hand_in in found)
    for hand_in in found:
        flawed = hand_in.denied or any(entry.flaw for entry in hand_in.entries[:1])
        if hand_in.unclear and "--map" not in hand_in.unclear and not flawed:
            first = safe_line(_names(hand_in)[0], 60)
            hand_in.unclear = f"{hand_in.unclear}; {_RESOLVE}: {first},ID"
    notes = [f"nobody can tell whose {unclear} of these are: they get no mark; {_RESOLVE}"] if unclear else []
    if idle := sorted(named.keys() - used):
        shown = ", ".join(safe_line(name, 60) for name in idle[:6])
        notes.append(f"--map: nothing here is called {shown}{' …' if len(idle) > 6 else ''}")
    if late := sum(bool(hand_in.late) for hand_in in found):
        notes.append(f"{late} are marked late without a time: see `marked_late_days` in the policy")
    return found, notes


def _names(hand_in: HandIn) -> list[str]:
    """What a map may call it, the most telling first."""
    names = [*hand_in.called, hand_in.place, hand_in.student_id]
    return list(dict.fromkeys(plain for name in names if (plain := _plain(name))))


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _members(hand_in: HandIn, students: Sequence[str]) -> list[HandIn]:
    """The hand-in under the id of each of these."""
    group = hand_in.group or (hand_in.name or hand_in.student_id if len(students) > 1 else "")
    return [
        replace(
            hand_in,
            student_id=student,
            group=group,
            name="" if len(students) > 1 else hand_in.name,
            place="",
            entries=list(hand_in.entries),
            remarks=list(hand_in.remarks),
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
            self._groups[_squeezed(person.group)].append(person.student_id)
            self._names[_words(person.name)].append(person.student_id)
            self._emails[person.email.casefold()].append(person.student_id)

    def attribute(self, hand_in: HandIn) -> list[HandIn]:
        person = self._ids.get(hand_in.student_id)
        group = hand_in.group or hand_in.name
        members = self._groups.get(_squeezed(group), []) if any(map(str.isalpha, group)) else []
        if members and not (person and _words(person.name) == _words(hand_in.name)):
            return _members(replace(hand_in, unclear="", group=group), members)
        if hand_in.told_by == "blind":
            number = hand_in.student_id.rpartition(" ")[2]
            known = number in self._ids
            return [replace(hand_in, student_id=number, unclear="") if known else hand_in]
        if hand_in.told_by == "both" and person and not _agree(person.name, hand_in.name):
            of = safe_line(person.name, 60)
            reason = f"the class list has the name {of} for this number, so it may be a group's"
            return [replace(hand_in, unclear=reason, student_id=f"{hand_in.student_id} ({hand_in.name})")]
        if hand_in.told_by == "id" and person and person.name and hand_in.name == _squeezed(hand_in.name):
            return [_with_name(hand_in, person.name)]
        if hand_in.told_by == "name" and not hand_in.group:
            return [_only(hand_in, self._names.get(_words(hand_in.name), []), hand_in.name)]
        if hand_in.told_by == "email" and hand_in.email and not person:
            found = self._emails.get(hand_in.email.casefold(), [])
            if found or hand_in.student_id == hand_in.email:
                return [_only(hand_in, found, hand_in.email)]
        return [hand_in]


def _with_name(hand_in: HandIn, name: str) -> HandIn:
    """With the name as the class list has it, for a download that writes names into one."""
    remarks = list(hand_in.remarks)
    if hand_in.name and not any(word in hand_in.name for word in _words(name).split()):
        called = safe_line(hand_in.name, 60)
        remarks.append(f"the download calls it {called}: if that is a group, name its members with --map")
    return replace(hand_in, name=name, remarks=remarks)


def _only(hand_in: HandIn, found: Sequence[str], shown: str) -> HandIn:
    """The hand-in of the one student who was found; unclear where that is not one."""
    if len(found) == 1:
        # Two numbers under one name stay in doubt: one may be of somebody who is not on the list.
        is_doubtful = hand_in.unclear and hand_in.student_id != hand_in.name
        return hand_in if is_doubtful else replace(hand_in, student_id=found[0], unclear="")
    who = f"{len(found)} people" if found else "nobody"
    return replace(hand_in, unclear=f"{who} of the class list goes by {safe_line(shown, 60)}")


def _agree(one: str, other: str) -> bool:
    """Whether two names may be one person's: they share a word, or one is not known."""
    first, second = set(_words(one).split()), set(_words(other).split())
    return not first or not second or bool(first & second) or _squeezed(one) == _squeezed(other)


def _words(name: str) -> str:
    """A name's words, whatever their order: "Lee, Ann" is "Ann Lee"."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(sorted(folded.replace(",", " ").split()))


def _squeezed(name: str) -> str:
    """A name as Canvas and Moodle write it into one: without case, blanks and marks."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in folded if sign.isalnum()) or folded.strip()
