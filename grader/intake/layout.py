"""Whose is what: parts a source's entries into one hand-in a student and attempt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath

from grader.intake.blackboard import parse_member, records_of
from grader.intake.entries import Entry, fingerprint
from grader.intake.limits import NAME_CHARACTERS
from grader.intake.names import is_code_name, is_lab_name, is_other_archive, is_weights_name
from grader.text import safe_line


@dataclass
class HandIn:
    """What one student handed in at one time; nothing in it has been opened yet."""

    student_id: str
    entries: list[Entry]
    name: str = ""
    time: str = ""  # sorts; "" where the source does not tell it
    submitted_at: datetime | None = None
    assignment: str = ""
    remarks: list[str] = field(default_factory=list)
    unclear: str = ""  # why nobody can tell whose it is
    is_whole_source: bool = False


def looks_like_blackboard(entries: Sequence[Entry]) -> bool:
    """Whether most files at the top carry Blackboard's names."""
    top = [entry for entry in entries if not entry.is_folder and not entry.depth]
    ours = sum(parse_member(entry.path) is not None for entry in top)
    return ours > 0 and ours >= len(top) - ours


def find_hand_ins(entries: Sequence[Entry], source_name: str) -> list[HandIn]:
    """Read a layout: Blackboard's flat names, one folder or zip a student, or one submission.

    A single folder around everything is seen through.
    """
    beside = [entry for entry in entries if _leads_out(entry)]
    entries = [entry for entry in entries if not _leads_out(entry)]
    while True:
        if looks_like_blackboard(entries):
            return _from_blackboard(entries) + _strays(beside)
        boxes = _boxes(entries)
        files = [
            entry for entry in entries if not entry.is_folder and not entry.depth and entry.path not in boxes
        ]
        if _is_one_submission(files, boxes):
            return [HandIn(_id(source_name), [*entries, *beside], is_whole_source=True)]
        beside += [entry for entry in files if _is_work(entry)]
        if len(boxes) > 1:
            ids = _ids([_stem(box) for box in boxes])
            found = [
                HandIn(student_id, _unboxed(box, inside))
                for student_id, (box, inside) in zip(ids, boxes.items(), strict=True)
            ]
            return found + _strays(beside)
        ((box, inside),) = boxes.items()
        name = source_name if _is_generic(_stem(box)) else _stem(box)
        entries, source_name = _unboxed(box, inside), name
        if _is_archive(box) or _is_hand_in_folder(entries):
            return [HandIn(_id(name), entries, is_whole_source=not beside), *_strays(beside)]


def _boxes(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """What can hold a student's files: each folder and archive at the top, with what lies in it."""
    boxes: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.is_folder or entry.depth:
            boxes.setdefault(entry.top, []).append(entry)
        elif _is_archive(entry.path) and not entry.hostile:
            boxes.setdefault(entry.path, []).append(entry)
    return boxes


def _unboxed(box: str, inside: list[Entry]) -> list[Entry]:
    """A folder's entries as seen from inside it; a zip stays one entry, to be unpacked later."""
    return [
        entry.below(box) if entry.depth else entry
        for entry in inside
        if not (entry.path == box and entry.is_folder)
    ]


def _is_one_submission(files: list[Entry], boxes: dict[str, list[Entry]]) -> bool:
    if not boxes:
        return True
    if any(map(_is_lab_code, files)):  # unless somebody laid it beside the others' hand-ins
        return sum(_is_hand_in_box(box, inside) for box, inside in boxes.items()) < 2
    has_code = any(is_code_name(entry.path) for entry in files)
    filled = [
        box for box, inside in boxes.items() if _is_archive(box) or any(is_code_name(e.path) for e in inside)
    ]
    if has_code and not filled:  # main.py beside a folder of data
        return True
    # src/ and data/ are parts of one submission, not two students.
    return (has_code or len(boxes) > 1) and all(_is_generic(_stem(box)) for box in boxes)


def _is_lab_code(entry: Entry) -> bool:
    return is_code_name(entry.path) and is_lab_name(entry.path)


def _is_hand_in_box(box: str, inside: list[Entry]) -> bool:
    """Whether this looks like a student's own, rather than like a part of one hand-in."""
    return not _is_generic(_stem(box)) and (_is_archive(box) or any(map(_is_lab_code, inside)))


def _is_hand_in_folder(entries: list[Entry]) -> bool:
    """Whether a lone folder is a student's, rather than a wrapper around the students'."""
    files = [entry for entry in entries if not entry.is_folder and not entry.depth]
    folders = [entry for entry in entries if entry.is_folder or entry.depth]
    return not looks_like_blackboard(entries) and (
        any(is_code_name(entry.path) for entry in files)
        or (not folders and sum(_is_archive(entry.path) for entry in files) < 2)
    )


def _from_blackboard(entries: Sequence[Entry]) -> list[HandIn]:
    found = [
        HandIn(
            _id(record.username or record.head),
            record.files,
            name=record.name,
            time=record.time,
            submitted_at=record.submitted_at,
            assignment=record.assignment,
            remarks=record.remarks,
            unclear=record.unclear,
        )
        for record in records_of(entry for entry in entries if not entry.is_folder and not entry.depth)
    ]
    others = [
        entry for entry in entries if not entry.is_folder and not entry.depth and not parse_member(entry.path)
    ]
    return found + _strays(others)


def _strays(entries: Sequence[Entry]) -> list[HandIn]:
    """Work that lies beside the students' own places: nobody can tell whose it is."""
    reason = "it lies beside the students' hand-ins and carries no student's name"
    return [
        HandIn(_id(entry.path), [entry], unclear=f"it {entry.flaw}" if entry.flaw else reason)
        for entry in entries
        if _is_work(entry)
    ]


def _is_work(entry: Entry) -> bool:
    names = (is_code_name, is_weights_name, _is_archive)
    return bool(entry.flaw) or any(is_one(entry.path) for is_one in names)


def _leads_out(entry: Entry) -> bool:
    """Whether a hostile name begins outside every student's place."""
    return entry.hostile and (
        entry.path.startswith(("/", "../")) or re.match(r"[A-Za-z]:/", entry.path) is not None
    )


def _is_archive(path: str) -> bool:
    """Whether this holds a student's files; one that is not opened has to be told of too."""
    return path.lower().endswith(".zip") or is_other_archive(path)


def _stem(box: str) -> str:
    """A box's name without the extension of an archive."""
    stem = PurePosixPath(box).stem if _is_archive(box) else box
    return stem.removesuffix(".tar")


def _id(name: str) -> str:
    """A name as an id: safe to show, and another one for another name, but for white space."""
    shown = safe_line(name, NAME_CHARACTERS)
    if shown and shown == " ".join(name.split()):
        return shown
    return _marked(name)


def _marked(name: str) -> str:
    return f"{safe_line(name, NAME_CHARACTERS - 9) or '(no name)'}~{fingerprint(name)}"


def _ids(names: Sequence[str]) -> list[str]:
    """An id for each name. One with more white space does not get the id of one that is plain."""
    plain = {name for name in names if _id(name) == name}
    return [_marked(name) if name not in plain and _id(name) in plain else _id(name) for name in names]


def look(student_id: str) -> str:
    """What ids share that people may take for one: case, forms of letters and marks for twins apart."""
    folded = unicodedata.normalize("NFKC", re.sub(r"~[0-9a-f]{8}\Z", "", student_id)).casefold()
    return unicodedata.normalize("NFKC", folded)


_GENERIC = re.compile(
    r"(?:lab[\s_-]*0*8|实验[八8]|作业|代码|源码|新建文件夹|new folder|src|source|code|files|old|backup|final"
    r"|submissions?|assignment|solution|homework|hw\d*|project|uploads?|data|datasets?|images?|models?|weights"
    r"|checkpoints?|outputs?|results|docs?|reports?|cifar-?10\S{0,20}|mnist|runs|logs|figures?)"
    r"(?:[\s_-]*(?:\(\d+\)|\d+|final|submission|copy|v\d+))?",
    re.IGNORECASE,
)


def _is_generic(name: str) -> bool:
    """Whether a folder or zip is named after the work rather than after a student."""
    return _GENERIC.fullmatch(name.strip()[:60]) is not None
