"""Whose is what: parts a source's entries into one hand-in a student and attempt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from grader.intake.entries import Entry
from grader.intake.limits import DOWNLOADS, NAME_CHARACTERS
from grader.intake.lms import SYSTEMS, recognised
from grader.intake.lms.system import System
from grader.intake.names import is_code_name, is_lab_name, is_other_archive, is_weights_name
from grader.intake.people import owner
from grader.intake.upload import Upload, give_ids, id_of
from grader.text import safe_line


@dataclass
class Layout:
    """How a source's files were parted, and what that rests on, in words for whoever starts the grader."""

    uploads: list[Upload]
    kind: str
    basis: str
    unclaimed: list[Entry] = field(default_factory=list)  # in no student's place, and no work


class RefusedError(Exception):
    """The source cannot be read as what it is, or as what it is said to be: the message says what to do."""


# Opens a zip that lies in the source, and lists it where the given function is true of the list; otherwise
# None. The flag says whether it is trusted to be no student's own: else less is spent on it.
Opener = Callable[[Entry, Callable[[list[Entry]], bool], bool], "list[Entry] | None"]


@dataclass
class _Part:
    """A download or a section that lies in the source: many people's hand-ins."""

    box: str
    entries: list[Entry]
    section: str = ""
    kind: str = ""  # of a section: what seems to lie in it
    system: System | None = None  # of the files of a download


_FOLDERS, _SINGLE, _SECTIONS = "folders", "single", "sections"
WORDS = (*(system.word for system in SYSTEMS), _FOLDERS, _SECTIONS, _SINGLE)


def read_layout(entries: Sequence[Entry], source_name: str, opened: Opener, word: str = "") -> Layout:
    """Read a layout: downloads, sections, one folder or zip a student, or one submission.

    A single folder around everything is seen through. With one of `WORDS` nothing is found out. Raises
    `RefusedError`.
    """
    if word:
        return _forced(word, entries, source_name, opened)
    beside = [entry for entry in entries if _leads_out(entry)]
    entries = [entry for entry in entries if not _leads_out(entry)]
    unclaimed: list[Entry] = []
    lone = ""  # the folder around everything
    while True:
        boxes = _boxes(entries)
        for box in [box for box, inside in boxes.items() if _is_results(_unboxed(box, inside))]:
            unclaimed.append(Entry(box, is_folder=True))
            del boxes[box]
            entries = [entry for entry in entries if entry.top != box]
        if not entries and unclaimed:
            raise RefusedError("holds results of the grader and nothing else; give the download")
        system, claims = recognised(entries, SYSTEMS) or (None, {})
        boxes = {box: inside for box, inside in boxes.items() if box not in claims}
        files = [entry for entry in _files(entries) if entry.path not in boxes and entry.path not in claims]
        claimed = [entry for entry in entries if entry.top in claims]
        if parts := _parts(files, boxes, _Part("", claimed, system=system) if system else None, opened):
            left = {box: inside for box, inside in boxes.items() if box not in {part.box for part in parts}}
            return _merged(parts, [*beside, *files], left, unclaimed, opened, source_name)
        if lone and _is_hand_in_folder(entries):
            whole = Upload(id_of(source_name), list(entries), place=source_name, is_whole_source=not beside)
            return Layout([whole, *_strays(beside)], "one submission", f"code or files in {lone}", unclaimed)
        if _is_one_submission(files, boxes):
            whole = Upload(id_of(source_name), [*entries, *beside], place=source_name, is_whole_source=True)
            return Layout([whole], "one submission", _why_one(files, boxes), unclaimed)
        beside += [entry for entry in files if _is_work(entry)]
        unclaimed += [entry for entry in files if not _is_work(entry)]
        if len(boxes) > 1:
            return _students(boxes, beside, unclaimed)
        ((box, inside),) = boxes.items()
        source_name = source_name if _is_generic(_stem(box)) else _stem(box)
        entries, lone = _unboxed(box, inside), lone + box
        if _is_archive(box):
            if _DOWNLOAD.fullmatch(_stem(box)):
                raise RefusedError(
                    f"holds {inside[0].label}, which is called like a download and cannot be read as one;"
                    " download it again, or unpack it and give the folder"
                )
            whole = Upload(id_of(source_name), entries, place=source_name, is_whole_source=not beside)
            return Layout([whole, *_strays(beside)], "one submission", f"one archive, {lone}", unclaimed)
        lone += "/"


def _forced(word: str, entries: Sequence[Entry], source_name: str, opened: Opener) -> Layout:
    """The layout that somebody says it is. Folders and zips around everything are seen through."""
    if word == _SINGLE:
        whole = Upload(id_of(source_name), list(entries), place=source_name, is_whole_source=True)
        return Layout([whole], "one submission", "--layout")
    for _ in range(4):
        boxes = _boxes(entries)
        files = [entry for entry in _files(entries) if entry.path not in boxes]
        if word in (_FOLDERS, _SECTIONS):
            if len(boxes) > 1:
                break
        else:
            system = next(system for system in SYSTEMS if system.word == word)
            if claims := system.claims({entry.top for entry in entries}, entries, sure=True):
                part = _Part("", [entry for entry in entries if entry.top in claims], system=system)
                left = {box: inside for box, inside in boxes.items() if box not in claims}
                others = [entry for entry in files if entry.path not in claims]
                layout = _merged([part], others, left, [], opened, source_name)
                return replace(layout, basis="--layout")
        if len(boxes) != 1:
            break
        ((box, inside),) = boxes.items()
        within = opened(inside[0], lambda entries: True, True) if _is_archive(box) else _unboxed(box, inside)
        if within is None:
            break
        entries, source_name = within, _stem(box)
    if word == _SECTIONS and len(boxes) > 1:
        parts = [
            _Part(box, _unboxed(box, inside), _section(box), _ONE)
            for box, inside in boxes.items()
            if not _is_archive(box)
        ]
        archives = {box: inside for box, inside in boxes.items() if _is_archive(box)}
        return replace(_merged(parts, files, archives, [], opened, source_name), basis="--layout")
    if word == _FOLDERS and boxes:
        strays = [entry for entry in files if _is_work(entry)]
        rest = [entry for entry in files if not _is_work(entry)]
        return replace(_students(boxes, strays, rest), basis="--layout")
    raise RefusedError(f"--layout {word}: nothing here is named so; leave --layout out, or name another")


def _files(entries: Iterable[Entry]) -> list[Entry]:
    """The files at the top."""
    return [entry for entry in entries if not entry.is_folder and not entry.depth]


def _why_one(files: Sequence[Entry], boxes: dict[str, list[Entry]]) -> str:
    code = next((entry for entry in files if is_code_name(entry.path)), None)
    if code:
        return f"{code.label} lies at its top"
    return "its folders are named after the work" if boxes else "no folder or zip is in it"


def _students(boxes: dict[str, list[Entry]], beside: list[Entry], unclaimed: list[Entry]) -> Layout:
    found = [
        Upload(id_of(_stem(box)), _unboxed(box, inside), place=_stem(box)) for box, inside in boxes.items()
    ]
    give_ids(found)
    basis = "their names are taken as the ids"
    return Layout(found + _strays(beside), "one folder or zip a student", basis, unclaimed)


# --- downloads and sections --------------------------------------------------------------------------

_DOWNLOAD = re.compile(r"gradebook_.+", re.IGNORECASE | re.DOTALL)  # as Blackboard calls its zips
_A_DOWNLOAD, _STUDENTS = "a download", "students' folders or zips"
_CLASSES = (_A_DOWNLOAD, _STUDENTS)
_ONE, _EMPTY, _NO_CLASS = "perhaps one student's folder", "empty", "no class"


def _parts(
    files: Sequence[Entry], boxes: dict[str, list[Entry]], here: _Part | None, opened: Opener
) -> list[_Part]:
    """The downloads, or the sections, that lie at this level; none where it is one student's or students'.

    `here` is a download whose files lie at this level themselves. What is in a zip or a folder says little
    where it may be a student's, who could forge a class in it: so either what the LMS called it speaks for it
    too, or that all that lies here, or most, is of the kind.
    """
    filled = {box: inside for box, inside in boxes.items() if _is_archive(box) or len(inside) > 1}
    filled |= {box: inside for box, inside in boxes.items() if inside[0].depth}
    downloads = _downloads(files, filled, here is not None, opened)
    if here:
        return [here, *downloads]
    if len(downloads) == 1:
        downloads[0].section = ""
    return downloads or _zipped_class(files, filled, opened) or _sections(files, filled, opened)


def _downloads(
    files: Sequence[Entry], boxes: dict[str, list[Entry]], is_flat: bool, opened: Opener, trusted: bool = True
) -> list[_Part]:
    """Downloads that lie here, unpacked or not; `is_flat`: beside the files of one."""
    named = {box for box in boxes if _DOWNLOAD.fullmatch(_stem(box))}
    if named:
        others = [box for box, inside in boxes.items() if box not in named and _is_hand_in_box(box, inside)]
        if is_flat or len(others) < 2:
            parts = [_download(box, boxes[box], opened, trusted) for box in sorted(named)]
            if any(parts):
                return [part for part in parts if part]
    if is_flat or any(map(_is_lab_code, files)) or len(boxes) > DOWNLOADS:
        return []
    found = []
    for box in sorted(boxes, key=_is_archive):  # no zip is opened in vain where a folder says enough
        is_lone = len(boxes) == 1
        part = _download(box, boxes[box], opened, trusted and is_lone, least=1 if is_lone else 2)
        if part is None:
            return []
        found.append(part)
    return found


def _download(box: str, inside: list[Entry], opened: Opener, trusted: bool, least: int = 1) -> _Part | None:
    """The download in a folder or zip, where it is one of at least so many people."""

    def is_one(entries: Sequence[Entry]) -> bool:
        return recognised(entries, least=least) is not None

    if not _is_archive(box):
        entries = _unboxed(box, inside)
        return _Part(box, entries, _section(box)) if is_one(entries) else None
    return _Part(box, found) if (found := opened(inside[0], is_one, trusted)) else None


def _section(box: str) -> str:
    """A folder's name as a section's; a folder that is called as the LMS called its zip is none."""
    return "" if _DOWNLOAD.fullmatch(box) else safe_line(box, NAME_CHARACTERS)


def _zipped_class(files: Sequence[Entry], boxes: dict[str, list[Entry]], opened: Opener) -> list[_Part]:
    """A lone zip, perhaps beside a roster, that holds students' folders or zips."""
    if len(boxes) != 1 or any(map(_is_lab_code, files)):
        return []
    ((box, inside),) = boxes.items()
    if not _is_archive(box):
        return []
    found = opened(inside[0], lambda entries: _kind(entries, opened) in _CLASSES, True)
    return [_Part(box, found)] if found else []


def _sections(files: Sequence[Entry], boxes: dict[str, list[Entry]], opened: Opener) -> list[_Part]:
    """Folders of students' folders or of downloads, where most of what lies here is of that kind."""
    if len(boxes) < 2 or any(map(_is_lab_code, files)):
        return []
    folders = {box: _unboxed(box, inside) for box, inside in boxes.items() if not _is_archive(box)}
    tops = [entry for entries in folders.values() for entry in _files(entries)]
    claims = (recognised(entries) for entries in folders.values())
    claimed = {name for found in claims if found for name in found[1]}
    if any(is_code_name(entry.path) and entry.path not in claimed for entry in tops):
        return []  # this is the level where the students' folders lie
    kinds = {box: _kind(entries, opened) for box, entries in folders.items()}
    sure = [box for box, kind in kinds.items() if kind in _CLASSES]
    others = len(boxes) - len(sure) - list(kinds.values()).count(_EMPTY)
    if len(sure) <= others:
        return []
    read = [box for box in kinds if box in sure or kinds[box] == _ONE]
    return [_Part(box, folders[box], _section(box), kinds[box]) for box in read]


def _kind(entries: Sequence[Entry], opened: Opener, wrappers: int = 3) -> str:
    """What a folder or zip seems to hold that is perhaps a section's, perhaps a student's.

    At most so many folders that lie around everything are seen through.
    """
    if recognised(entries, least=2):
        return _A_DOWNLOAD
    boxes, files = _boxes(entries), _files(entries)
    if not (boxes or files) or (len(entries) == 1 and entries[0].denied):
        return _EMPTY
    if any(is_code_name(entry.path) for entry in files):
        return _NO_CLASS
    if _downloads(files, boxes, False, opened, trusted=False):
        return _A_DOWNLOAD
    if len(boxes) == 1 and not _is_archive(next(iter(boxes))) and wrappers:
        ((box, inside),) = boxes.items()
        within = _kind(_unboxed(box, inside), opened, wrappers - 1)
        if within in _CLASSES:
            return within
    people: set[str] = set()
    for box, inside in boxes.items():
        if (name := owner(_stem(box))) and name not in people and _holds_code(box, inside, opened):
            people.add(name)
            if len(people) > 1:
                return _STUDENTS
    return _ONE if people else _NO_CLASS


def _holds_code(box: str, inside: list[Entry], opened: Opener) -> bool:
    """Whether code for this lab is in a folder, or in a zip, which is closed again."""

    def holds(entries: Iterable[Entry]) -> bool:
        return any(_is_lab_code(entry) or entry.hostile for entry in entries)

    if not _is_archive(box):
        return holds(inside)
    found: list[bool] = []

    def looked(entries: list[Entry]) -> bool:
        found.append(holds(entries))
        return False

    opened(inside[0], looked, False)
    return any(found)


def _merged(
    parts: Sequence[_Part],
    files: Sequence[Entry],
    boxes: dict[str, list[Entry]],
    unclaimed: list[Entry],
    opened: Opener,
    source_name: str,
) -> Layout:
    """The hand-ins of all the parts, and of the files and boxes beside them what looks like work."""
    layouts = []
    for part in parts:
        layout = _layout_of(part, opened, source_name)
        for upload in layout.uploads:
            upload.section = upload.section or part.section
            upload.origin = upload.origin or part.box
            upload.is_whole_source = False
        layouts.append(layout)
    work = [box for box, inside in boxes.items() if any(map(_is_work, inside))]
    found = [upload for layout in layouts for upload in layout.uploads] + _strays(files)
    for box in work:
        if not _is_archive(box):
            denied = next((f"{e.label} {e.flaw}" for e in boxes[box] if e.denied), "")
            found.append(Upload(id_of(box), _unboxed(box, boxes[box]), unclear=_BESIDE, denied=denied))
    found += _strays([boxes[box][0] for box in work if _is_archive(box)])
    unclaimed = [
        *unclaimed,
        *(entry for entry in files if not _is_work(entry)),
        *(Entry(box, is_folder=True) for box in boxes if box not in work),
    ]
    for part, layout in zip(parts, layouts, strict=True):
        unclaimed += [_within(part.box, entry) for entry in layout.unclaimed]
    give_ids(found)
    return Layout(found, *_told(parts, layouts), unclaimed)


def _layout_of(part: _Part, opened: Opener, source_name: str) -> Layout:
    if part.system:
        found = part.system.read(part.entries, source_name)
        return Layout(found, part.system.kind, part.system.basis)
    if part.kind not in (_STUDENTS, _ONE):
        return read_layout(part.entries, _stem(part.box), opened)
    boxes = _boxes(part.entries)
    files = [entry for entry in _files(part.entries) if entry.path not in boxes]
    while part.kind == _STUDENTS and len(boxes) == 1:  # a folder around all of them
        ((box, inside),) = boxes.items()
        boxes = _boxes(_unboxed(box, inside))
        files += [entry for entry in _files(_unboxed(box, inside)) if entry.path not in boxes]
    beside = [entry for entry in files if _is_work(entry)]
    return _students(boxes, beside, [entry for entry in files if not _is_work(entry)])


def _within(box: str, entry: Entry) -> Entry:
    return replace(entry, path=f"{box}/{entry.path}") if box else entry


def _told(parts: Sequence[_Part], layouts: Sequence[Layout]) -> tuple[str, str]:
    """The kind and the basis of what was read together."""
    if len(parts) == 1 and not parts[0].section:
        box = safe_line(parts[0].box, 60)
        return layouts[0].kind + (f" in {box}" if box else ""), layouts[0].basis
    names = [safe_line(part.box, 60) or "the files here" for part in parts]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    what = "sections" if all(part.section for part in parts) else "downloads"
    kinds = dict.fromkeys((layout.kind, layout.basis) for layout in layouts)
    basis = "; ".join(f"{kind}: {basis}" for kind, basis in list(kinds)[:3])
    return f"{len(parts)} {what} read together, {shown}", basis


def _is_results(entries: Sequence[Entry]) -> bool:
    """Whether an earlier run of the grader left this folder here."""
    names = {entry.path for entry in _files(entries)}
    return {"gradebook.sqlite", "scores.csv"} <= names and not any(is_code_name(e.path) for e in entries)


# --- one level ---------------------------------------------------------------------------------------


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
    files = _files(entries)
    folders = [entry for entry in entries if entry.is_folder or entry.depth]
    return not recognised(entries) and (
        any(is_code_name(entry.path) for entry in files)
        or (not folders and sum(_is_archive(entry.path) for entry in files) < 2)
    )


_BESIDE = "it lies beside the students' hand-ins and carries no student's name"


def _strays(entries: Sequence[Entry]) -> list[Upload]:
    """Work that lies beside the students' own places: nobody can tell whose it is."""
    return [
        Upload(
            id_of(entry.path),
            [entry],
            unclear=f"it {entry.flaw}" if entry.flaw else _BESIDE,
            denied=f"{entry.label} {entry.flaw}" if entry.denied else "",
        )
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
