"""When the last commit of a clone was made, read without git.

A `.git` that came from elsewhere is hostile: its configuration and its hooks can make git start programs,
fetch from hosts, and read files outside it. So git is not run on it. What is read here are a reference, one
object and an index, within limits, no link followed; nothing is checked out. A repository in another form
(linked worktrees, alternates, reftables, a commit that is stored as a difference) tells no time.

The commit that is checked out is graded, not the last one before a deadline: a commit's date is what its
author says, so to choose by it would let anybody choose. Who wants another one checks it out before grading.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO

from grader.intake.entries import SourceReadError, open_regular

_TEXT_BYTES = 4 * 1024 * 1024  # of packed-refs: a reference a line
_COMMIT_BYTES = 256 * 1024
_PACKS = 50
_HASH = re.compile(r"[0-9a-f]{40}", re.ASCII)
_REFERENCE = re.compile(r"ref: (refs/heads/[\w.+@=-]{1,100}(?:/[\w.+@=-]{1,100}){0,8})", re.ASCII)
_COMMITTER = re.compile(rb"^committer [^\n]{0,2000}> (\d{1,11}) ([+-])(\d\d)([0-5]\d)$", re.MULTILINE)


def is_clone(folder: str) -> bool:
    """Whether a folder has a repository of its own, no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(Path(folder) / ".git").st_mode)
    except (OSError, ValueError):
        return False


def committed_at(folder: str) -> datetime | None:
    """When the commit that is checked out was made, by its author's clock; None where that is not told."""
    git = Path(folder) / ".git"
    try:
        name = _head(git)
        content = (_loose(git, name) or _packed(git, name)) if name else b""
    except (OSError, SourceReadError, ValueError, struct.error, zlib.error, OverflowError):
        return None
    # The object's name is the digest of what it says.
    if not name or hashlib.sha1(b"commit %d\0" % len(content) + content).hexdigest() != name:
        return None
    match = _COMMITTER.search(content.split(b"\n\n", 1)[0])
    if not match:
        return None
    offset = timedelta(hours=int(match[3]), minutes=int(match[4]))
    try:
        zone = timezone(-offset if match[2] == b"-" else offset)
        return datetime.fromtimestamp(int(match[1]), zone)
    except (ValueError, OverflowError, OSError):
        return None


def _read(git: Path, *parts: str, limit: int) -> bytes:
    """A file below `git`, no folder on the way to which is a link."""
    folder = git
    for part in parts[:-1]:
        folder = folder / part
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise OSError("not a folder")
    os.lstat(folder / parts[-1])  # raises FileNotFoundError
    with open_regular(str(folder / parts[-1])) as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise OSError("too large")
    return raw


def _head(git: Path) -> str:
    """The name of the commit that is checked out, or ""."""
    text = _read(git, "HEAD", limit=1_000).decode("ascii").strip()
    if match := _REFERENCE.fullmatch(text):
        parts = match[1].split("/")
        if any(part.startswith(".") or part.endswith(".lock") for part in parts):
            return ""
        try:
            text = _read(git, *parts, limit=100).decode("ascii").strip()
        except FileNotFoundError:
            lines = _read(git, "packed-refs", limit=_TEXT_BYTES).decode("utf-8", "replace").splitlines()
            text = next((line[:40] for line in lines if line[41:] == match[1]), "")
    return text if _HASH.fullmatch(text) else ""


def _inflated(raw: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj()
    return inflate.decompress(raw, limit)


def _loose(git: Path, name: str) -> bytes:
    try:
        raw = _read(git, "objects", name[:2], name[2:], limit=_COMMIT_BYTES)
    except FileNotFoundError:
        return b""
    head, _, content = _inflated(raw, _COMMIT_BYTES).partition(b"\0")
    return content if head.startswith(b"commit ") else b""


def _packed(git: Path, name: str) -> bytes:
    """The commit out of one of the packs, by its index of the second version."""
    packs = git / "objects" / "pack"
    if not stat.S_ISDIR(os.lstat(git / "objects").st_mode) or not stat.S_ISDIR(os.lstat(packs).st_mode):
        return b""
    with os.scandir(packs) as listing:
        found = [item.name for _, item in zip(range(10 * _PACKS), listing, strict=False)]
    wanted = bytes.fromhex(name)
    for index in sorted(one for one in found if one.endswith(".idx"))[:_PACKS]:
        with open_regular(str(packs / index)) as file:
            at = _offset(file, wanted)
        if at is not None:
            with open_regular(str(packs / f"{index[:-4]}.pack")) as file:
                file.seek(at)
                return _commit(file.read(_COMMIT_BYTES))
    return b""


def _offset(file: IO[bytes], wanted: bytes) -> int | None:
    """Where in its pack an object begins: a fan-out by the first byte, then names in order, then offsets."""

    def read_at(at: int, count: int) -> bytes:
        file.seek(at)
        raw = file.read(count)
        if len(raw) < count:
            raise ValueError("the index is torn")
        return raw

    if read_at(0, 8) != b"\xfftOc\0\0\0\2":
        return None
    fan = struct.unpack(">256I", read_at(8, 1024))
    low, high, count = (fan[wanted[0] - 1] if wanted[0] else 0), fan[wanted[0]], fan[255]
    names = 8 + 1024
    if not low <= high <= count:
        return None
    while low < high:
        middle = (low + high) // 2
        name = read_at(names + 20 * middle, 20)
        if name == wanted:
            offsets = names + 24 * count  # behind the names and their check sums
            (at,) = struct.unpack(">I", read_at(offsets + 4 * middle, 4))
            if at & 0x80000000:
                (at,) = struct.unpack(">Q", read_at(offsets + 4 * count + 8 * (at & 0x7FFFFFFF), 8))
            return int(at)
        low, high = (middle + 1, high) if name < wanted else (low, middle)
    return None


def _commit(raw: bytes) -> bytes:
    """A commit in a pack: its kind and size in a few bytes, then the content, deflated."""
    kind, at = (raw[0] >> 4) & 7 if raw else 0, 0
    while at < len(raw) and raw[at] & 0x80 and at < 10:
        at += 1
    return _inflated(raw[at + 1 :], _COMMIT_BYTES) if kind == 1 else b""
