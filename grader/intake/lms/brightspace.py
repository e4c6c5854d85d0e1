"""Brightspace's download: a folder an attempt, with the person's name and the time; older ones are flat.

    <number>-<number> - <name> - Oct 10, 2025 1022 AM/<path>
    <number>-<number> - <group> - <name> - Oct 10, 2025 1022 AM/<path>
    <number>-<number> - <name> - Oct 9, 2025 922 PM - <name of the file>

The last two digits of the time are minutes. Whether the numbers name the person is not known, so the name has
to: what two people could share is left unclear.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from grader.intake.entries import Entry, is_junk
from grader.intake.limits import NAME_CHARACTERS
from grader.intake.lms.system import System
from grader.intake.upload import Upload, id_of
from grader.text import safe_line

_NUMBERS = re.compile(r"(\d{1,20}-\d{1,20}) - ", re.ASCII)
_TIME = re.compile(
    r" - (?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2}), (?P<year>\d{4}) (?P<hour>\d{1,2})(?P<minute>\d\d) "
    r"(?P<half>[AP]M)(?= - |\Z)",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Part(NamedTuple):
    """A name in Brightspace's download, taken apart."""

    numbers: str
    who: str  # a name, or a group and a name
    time: datetime | None
    original: str  # of a flat file; "" of a folder

    @property
    def group(self) -> str:
        return self.who.rpartition(" - ")[0]


def part_of(name: str) -> Part | None:
    """Take the name of a folder or a file at the top apart, or None where Brightspace did not write it."""
    numbers = _NUMBERS.match(name)
    time = (
        _TIME.search(name, numbers.end() - 3) if numbers else None
    )  # the first: what follows is a student's
    if not numbers or not time:
        return None
    who = name[numbers.end() : time.start()].strip()
    rest = name[time.end() :]
    return Part(numbers[1], who, _time(time), rest.removeprefix(" - ")) if who else None


def _time(match: re.Match[str]) -> datetime | None:
    try:
        hour = int(match["hour"]) % 12 + 12 * (match["half"] == "PM")
        month = _MONTHS.index(match["month"]) + 1
        return datetime(int(match["year"]), month, int(match["day"]), hour, int(match["minute"]))
    except ValueError:
        return None


class _Brightspace:
    word, kind, fewest = "brightspace", "Brightspace's download", 1
    basis = "names with a person and a time"

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        parts = {name: part_of(name) for name in names}
        found = {name: part.who for name, part in parts.items() if part}
        return found | dict.fromkeys({"index.html"} & set(names), "") if found else {}

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        attempts: dict[str, dict[tuple[str, datetime | None], list[tuple[Part, Entry]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for entry in entries:
            if part := part_of(entry.top):
                attempts[part.who][part.numbers, part.time].append((part, entry))
        numbers = {part.numbers for some in attempts.values() for parts in some.values() for part, _ in parts}
        found = []
        for who, some in sorted(attempts.items()):
            own = {number for number, _ in some}
            unclear = ""
            if len(own) > 1:
                unclear = f"{len(own)} numbers carry this name: these may be several people"
            elif len(some) > 1 and len(attempts) > 1 and len(numbers) == 1:
                unclear = f"{len(some)} hand-ins carry this name: two people may be called so"
            for (number, _), parts in some.items():
                upload = self._hand_in(parts)
                if unclear:
                    upload.unclear = unclear
                    if len(own) > 1:
                        upload.student_id = id_of(f"{number} - {who}")
                found.append(upload)
        return found

    def _hand_in(self, parts: list[tuple[Part, Entry]]) -> Upload:
        part, _ = parts[0]
        upload = Upload(
            id_of(part.who),
            [],
            name=safe_line(part.who, NAME_CHARACTERS),
            time=part.time.isoformat() if part.time else "",
            submitted_at=part.time,
            called=(f"{part.numbers} - {part.who}", part.numbers, part.who),
            told_by="name",
        )
        if part.group:
            upload.name, upload.group = "", safe_line(part.group, NAME_CHARACTERS)
            upload.called = (*upload.called, part.group)
            upload.unclear = "it is a group's work, and the download does not say who is in the group"
        for part, entry in parts:
            if entry.depth:
                inner = entry.below(entry.top)
            elif entry.is_folder:
                continue
            else:
                inner = replace(entry, path=part.original or entry.path)
            if not is_junk(inner.path):
                upload.entries.append(inner)
        return upload


BRIGHTSPACE: System = _Brightspace()
