"""Blackboard's download: flat names that carry student and time, and a text file an attempt.

    <assignment>_<username>_<word>_<YYYY-MM-DD-HH-MM-SS>.txt         the attempt's metadata
    <assignment>_<username>_<word>_<YYYY-MM-DD-HH-MM-SS>_<name>      a file handed in

`<word>` is "attempt" in the interface's language. Assignment, username and
file name may all hold underscores, so where the username begins is learnt
from the metadata, or from the other names where that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from grader.intake.decode import decode_text
from grader.intake.entries import Entry, SourceReadError, UnreadableError, is_junk
from grader.intake.limits import METADATA_BYTES, NAME_CHARACTERS
from grader.intake.lms.system import System
from grader.intake.lms.typed import text_of, typed
from grader.intake.names import parse_member
from grader.intake.upload import Upload, id_of
from grader.text import safe_line

_NAME_LINE = re.compile(r"[^:：()]{1,40}[:：](?P<name>.*)\((?P<username>[^()]+)\)")
_FILE_LINE = re.compile(r"\s+[^:：]{1,60}[:：] ?(?P<value>.*)")


@dataclass(frozen=True)
class Metadata:
    """What is believed of an attempt's text file."""

    name: str
    username: str
    originals: dict[str, str]  # member's name -> the name that the student gave the file
    typed: str = ""  # what the student typed into the submission field instead of handing in a file


def parse_metadata(text: str, stem: str) -> Metadata | None:
    """Read the text file of the attempt `stem`; None if its first line names no user.

    Students write parts of it (their comments, their file names), so only the
    first line says who, and only the indented lines that end the text say
    which files; there, only names that start with this attempt's own stem count.
    """
    lines = text.strip("\ufeff\n ").split("\n")
    end = 0  # the line above those that name the files
    first = _NAME_LINE.fullmatch(lines[0].strip()[:1_000])
    if not first:
        return None
    originals: dict[str, str] = {}
    stored: str | None = None
    for end, line in reversed(list(enumerate(lines))):  # noqa: B007
        match = _FILE_LINE.fullmatch(line[:2_000])
        if line.strip() and not match:
            break
        if not match:
            continue
        value = match["value"].rstrip("\n")
        if stored is None and value.startswith(stem + "_"):
            stored = value
        elif stored is not None:  # the line above a stored name gives the original one
            originals.setdefault(stored, value)
            stored = None
    return Metadata(first["name"].strip(), first["username"].strip(), originals, _typed(lines[: end + 1]))


def _typed(lines: list[str]) -> str:
    """The submission field's text, without HTML: between the first label and the last.

    A label stands after an empty line and ends in a colon, whatever the interface's language. What else
    looks like one is the student's own, in the text or in the comment: so much more or less is read.
    """
    labels = [
        at
        for at in range(1, len(lines))
        if not lines[at - 1].strip() and len(lines[at]) <= 60 and re.search(r"\S[:：]\s*\Z", lines[at])
    ]
    if labels and labels[-1] == len(lines) - 1:  # that of the files
        labels.pop()
    if not labels:
        return ""
    within = lines[labels[0] + 1 : labels[-1] if len(labels) > 1 else len(lines)]
    return text_of("\n".join(within))


@dataclass
class Record:
    """One attempt: its members, and whose it is once that is known."""

    stem: str
    head: str
    time: str
    username: str = ""  # "" until known
    assignment: str = ""
    name: str = ""
    files: list[Entry] = field(default_factory=list)  # under their original names
    remarks: list[str] = field(default_factory=list)
    unclear: str = ""  # why nobody can tell whose it is
    denied: str = ""  # what the grader could not read of it

    @property
    def submitted_at(self) -> datetime | None:
        """The server's local time; it carries no zone."""
        try:
            return datetime.strptime(self.time, "%Y-%m-%d-%H-%M-%S")
        except ValueError:
            return None


class _Blackboard:
    word, kind, basis, fewest = "blackboard", "Blackboard's download", "the names of its files", 1

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        folders = {entry.top for entry in entries if entry.is_folder or entry.depth}
        members = {name: parse_member(name) for name in names if name not in folders}
        return {name: member.head for name, member in members.items() if member}

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        return [
            Upload(
                id_of(record.username or record.head),
                record.files,
                name=record.name,
                time=record.time,
                submitted_at=record.submitted_at,
                assignment=record.assignment,
                remarks=record.remarks,
                unclear=record.unclear,
                denied=record.denied,
            )
            for record in records_of(entries)
        ]


BLACKBOARD: System = _Blackboard()


def records_of(entries: Iterable[Entry]) -> list[Record]:
    """Group a download's members into attempts and find each attempt's student."""
    records: dict[str, Record] = {}
    metadata_entries: dict[str, Entry] = {}
    for entry in entries:
        member = parse_member(entry.path)
        if member is None:
            continue
        record = records.setdefault(member.stem, Record(member.stem, member.head, member.time))
        if member.original is None:
            metadata_entries[member.stem] = entry
        elif not is_junk(member.original):
            record.files.append(entry)
    for stem, record in records.items():
        _apply_metadata(record, metadata_entries.get(stem))
    _guess_the_rest(list(records.values()))
    return [records[stem] for stem in sorted(records)]


def _apply_metadata(record: Record, entry: Entry | None) -> None:
    metadata = None
    if entry is not None:
        try:
            metadata = parse_metadata(decode_text(entry.read(METADATA_BYTES)), record.stem)
        except SourceReadError as error:
            record.denied = str(error)
        except UnreadableError as error:
            record.remarks.append(f"Blackboard's text file {error}")
    originals = {}
    if metadata is not None:
        end = "_" + metadata.username
        if record.head.casefold().endswith(end.casefold()) and len(record.head) > len(end):
            record.username = metadata.username
            record.assignment = record.head[: -len(end)]
            record.name = safe_line(metadata.name, NAME_CHARACTERS)
        else:
            record.unclear = "Blackboard's text file names another user than the file names do"
        originals = metadata.originals
    present = {entry.path for entry in record.files}
    for missing in sorted(set(originals) - present):
        if not is_junk(originals[missing]):
            record.remarks.append(f"Blackboard lists a file that the download lacks: {originals[missing]}")
    record.files = [_renamed(entry, record.stem, originals) for entry in record.files]
    if metadata is not None:
        record.files += typed(metadata.typed, "Blackboard")


def _renamed(entry: Entry, stem: str, originals: dict[str, str]) -> Entry:
    """The entry under the name that the student gave it."""
    stored = entry.path[len(stem) + 1 :]
    original = originals.get(entry.path, stored).replace("\\", "/").rsplit("/", 1)[-1].strip()
    usable = original not in ("", ".", "..") and "\0" not in original and not is_junk(original)
    return replace(entry, path=original if usable else stored)


def _guess_the_rest(records: list[Record]) -> None:
    """Find the username where no metadata told it: by known users, known assignments, then common splits."""
    users = {record.username.casefold() for record in records if record.username}
    assignments = {record.assignment for record in records if record.assignment}
    unknown = [record for record in records if not record.username and not record.unclear]
    if not unknown:
        return
    known = assignments or _common_assignments(record.head for record in unknown)
    for record in unknown:
        splits = _splits(record.head)
        by_user = {cut for cut, user in splits.items() if user.casefold() in users}
        by_assignment = {cut for cut in splits if cut in known}
        for found in (by_user & by_assignment, by_assignment, by_user):
            if len(found) == 1:
                (record.assignment,) = found
                record.username = splits[record.assignment]
                record.remarks.append(
                    "Blackboard's text file is missing: the user was read from the file names"
                )
                break
        else:
            record.unclear = (
                "Blackboard's text file is missing, and the file names can be read in several ways"
            )


def _splits(head: str) -> dict[str, str]:
    """Every way to part a head: assignment -> username."""
    cuts = [at for at, character in enumerate(head) if character == "_" and 0 < at < len(head) - 1]
    return {head[:at]: head[at + 1 :] for at in cuts}


def _common_assignments(heads: Iterable[str]) -> set[str]:
    """The assignments that all heads can be split to."""
    common: set[str] | None = None
    for head in set(heads):
        cuts = set(_splits(head))
        common = cuts if common is None else common & cuts
    return common or set()
