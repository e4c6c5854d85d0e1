"""Gradescope's export of submissions: a folder each, and one file that says whose they are.

    submission_metadata.yml
    submission_9001/<path>

The file's keys are the folders' names; below them stand all submitters with their ids (a group has several),
when it was handed in, and earlier attempts, of which there are no files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from grader.intake.decode import decode_text
from grader.intake.entries import Entry, UnreadableError
from grader.intake.limits import MIB, NAME_CHARACTERS
from grader.intake.lms.system import System
from grader.intake.upload import Upload, id_of
from grader.text import safe_line

METADATA = "submission_metadata.yml"
METADATA_BYTES = 64 * MIB  # every test's output may be in it
_DEPTH = 30  # of its lists and maps; honest ones have six
_VALUES = 3_000_000
_FOLDER = re.compile(r"submission_\d{1,20}", re.ASCII)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d{1,9})? ?(Z|[+-]\d\d:?\d\d|)", re.ASCII | re.IGNORECASE
)
_MOST_SUBMITTERS = 100


class MetadataError(ValueError):
    """The file is not as Gradescope writes it. The message completes "submission_metadata.yml …"."""


def parse_metadata(text: str) -> dict[str, Any]:
    """The file's maps, lists and texts; every number and date stays a text, as ids need.

    Built from the parser's events, so that neither depth nor aliases cost more than what is written: PyYAML's
    own loaders recurse, and merge keys that refer to each other. Raises `MetadataError`.
    """
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    root: list[Any] = []
    stack: list[tuple[Any, list[str]]] = [(root, [])]  # what is open; of a map, the key that waits
    anchors: dict[str, Any] = {}
    count = 0

    def put(value: Any) -> None:
        parent, key = stack[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif key:
            parent[key.pop()] = value
        else:
            key.append(value if isinstance(value, str) else "")

    try:
        for event in yaml.parse(text, Loader=loader):
            count += 1
            if count > _VALUES or len(stack) > _DEPTH:
                raise MetadataError("holds more than any class's submissions")
            if isinstance(event, yaml.ScalarEvent):
                value: Any = event.value
                put(value)
            elif isinstance(event, yaml.AliasEvent):
                put(anchors.get(event.anchor, ""))
                continue
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                value = {} if isinstance(event, yaml.MappingStartEvent) else []
                put(value)
                stack.append((value, []))
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                stack.pop()
                continue
            else:
                continue
            if event.anchor:
                anchors[event.anchor] = value
    except yaml.YAMLError as error:
        raise MetadataError(f"cannot be read ({safe_line(str(error), 100)})") from None
    if not root or not isinstance(root[0], dict):
        raise MetadataError("lists no submissions")
    return root[0]


def _get(record: object, key: str) -> Any:
    """What stands under Ruby's `:key`, or under `key`."""
    return (record.get(f":{key}") or record.get(key)) if isinstance(record, Mapping) else None


def _text(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return "" if text in ("~", "null") else text


def _moment(value: object) -> datetime | None:
    match = _TIME.fullmatch(_text(value))
    if not match:
        return None
    zone = match[3].upper().replace("Z", "+00:00") or "+00:00"
    zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}{zone}").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


class _Gradescope:
    word, kind, fewest = "gradescope", "Gradescope's export", 1
    basis = f"{METADATA} and folders named after it"

    def claims(
        self, names: Collection[str], entries: Sequence[Entry] = (), sure: bool = False
    ) -> dict[str, str]:
        found = {name: name for name in names if _FOLDER.fullmatch(name)}
        if METADATA in names:
            return found | {METADATA: ""} if found else {}
        return found if sure or (len(found) > 1 and all(len(name) > 14 for name in found)) else {}

    def read(self, entries: Sequence[Entry], box: str) -> list[Upload]:
        folders: dict[str, list[Entry]] = defaultdict(list)
        listed, missing = {}, f"{METADATA} is missing"
        for entry in entries:
            if entry.path == METADATA and not entry.is_folder:
                try:
                    listed = parse_metadata(decode_text(entry.read(METADATA_BYTES)))
                    missing = f"{METADATA} does not list it"
                except (UnreadableError, MetadataError) as error:
                    missing = f"{METADATA} {error}"
            elif _FOLDER.fullmatch(entry.top) and (entry.is_folder or entry.depth):
                folders[entry.top] += [entry.below(entry.top)] if entry.depth else []
        found: list[Upload] = []
        for folder, inside in sorted(folders.items()):
            found += _hand_ins(folder, inside, listed.get(folder), missing)
        return found


def _hand_ins(folder: str, inside: list[Entry], record: object, missing: str) -> list[Upload]:
    """One for each submitter."""
    whole = Upload(folder, inside, called=(folder,))
    submitters = _get(record, "submitters")
    people = [one for one in submitters if isinstance(one, dict)] if isinstance(submitters, list) else []
    if not people or len(people) > _MOST_SUBMITTERS:
        whole.unclear = missing if record is None else f"{METADATA} names no submitter of it"
        return [whole]
    whole.submitted_at = _moment(_get(record, "created_at"))
    whole.time = whole.submitted_at.isoformat() if whole.submitted_at else ""
    history = _get(record, "history")
    times = [_moment(_get(one, "created_at")) for one in (history if isinstance(history, list) else [])]
    at = whole.submitted_at
    whole.earlier = min(sum(bool(at and time and time < at) for time in times), 1_000)
    if any(at and time and time > at for time in times):
        whole.remarks.append("Gradescope tells of later attempts, and the export holds the active one alone")
    names = [safe_line(_text(_get(one, "name")), NAME_CHARACTERS) for one in people]
    group = ", ".join(names)[:NAME_CHARACTERS] if len(people) > 1 else ""
    found = []
    for person, name in zip(people, names, strict=True):
        sid, email = (_text(_get(person, key)) for key in ("sid", "email"))
        # Without a number of its own in the class list, the address tells the person.
        upload = replace(
            whole,
            entries=list(inside),
            remarks=list(whole.remarks),
            student_id=id_of(sid or email or f"{folder} {name}".strip()),
            name=name,
            email=email[:300],
            group=group,
            called=tuple(dict.fromkeys(filter(None, (sid, email, *(() if group else (folder,)), name)))),
            told_by="email",
        )
        if not sid and not email:
            upload.unclear = f"{METADATA} has neither a student ID nor an e-mail of its submitter"
        found.append(upload)
    return found


GRADESCOPE: System = _Gradescope()
