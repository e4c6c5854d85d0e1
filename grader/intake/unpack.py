"""Opens the zips that a student handed in, level by level and within limits."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from grader.errors import UserError
from grader.intake.entries import (
    ARCHIVE_ERRORS,
    Allowance,
    Entry,
    OwnFile,
    SourceReadError,
    UnreadableError,
    megabytes,
    open_zip,
    short,
    zip_entries,
)
from grader.intake.limits import (
    ARCHIVE_LEVELS,
    ARCHIVES,
    STUDENT_BYTES,
    STUDENT_FILES,
    WEIGHT_BYTES,
)
from grader.intake.names import is_other_archive

LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # pickle of torch's magic number


@dataclass
class Contents:
    """All files of one hand-in, those in its zips included."""

    files: list[Entry] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)  # what could not be opened, and why: remarks too
    hostile: str = ""  # why it is set apart
    is_bomb: bool = False  # ... because of its size rather than of a trick
    allowance: Allowance = field(default_factory=Allowance)  # what is left of it
    archives: int = 0  # that were opened


def unpack(entries: Iterable[Entry], workdir: Path, stack: ExitStack) -> Contents:
    """List a hand-in's files; zips opened on the way stay open until `stack` closes.

    A zip's path becomes a folder's: `work.zip/lab8.py`. Looking stops at the
    first sign of hostility.
    """
    contents = Contents()
    contents.allowance.start()
    pending = [(entry, 0) for entry in entries]
    count = total = 0
    too_deep = ""
    for entry, level in pending:  # grows while it is walked: zips append what is in them
        if entry.is_folder:
            continue
        count += 1
        total += entry.size
        if entry.hostile:
            contents.hostile = f"{entry.label} {entry.flaw}"
        elif count > STUDENT_FILES:
            contents.hostile, contents.is_bomb = f"it holds more than {STUDENT_FILES:,} files", True
        elif total > STUDENT_BYTES:
            contents.hostile, contents.is_bomb = f"it unpacks to more than {megabytes(STUDENT_BYTES)}", True
        elif entry.is_bomb:
            contents.hostile = f"{entry.label} unpacks from {entry.packed:,} to {entry.size:,} bytes"
            contents.is_bomb = True
        if contents.hostile:
            return contents
        if entry.repeated:
            contents.remarks.append(f"{entry.label} is in its zip more than once: the last was taken")
        if entry.denied:
            raise SourceReadError(f"{entry.label} {entry.flaw}")
        if entry.flaw:
            contents.closed.append(f"{entry.label} {entry.flaw}")
        elif is_other_archive(entry.path) and not _is_checkpoint(entry, workdir, contents.allowance):
            contents.closed.append(f"{entry.label} is an archive of a kind that is not opened: hand in a zip")
        elif not _may_be_zip(entry):
            contents.files.append(entry)
        elif level >= ARCHIVE_LEVELS:
            too_deep = too_deep or entry.label
            contents.closed.append(f"{entry.label} is a zip in a zip in a zip, and was not opened")
        elif contents.archives >= ARCHIVES:
            contents.closed.append(f"{entry.label} was not opened: there are more than {ARCHIVES} zips")
        else:
            pending += [(inner, level + 1) for inner in _open(entry, workdir, stack, contents)]
    contents.remarks += [*contents.closed, *_case_twins(contents.files)]
    if too_deep and not contents.files:
        contents.hostile, contents.is_bomb = f"it holds zips within zips and nothing else ({too_deep})", True
    return contents


def _may_be_zip(entry: Entry) -> bool:
    if entry.suffix == ".zip":
        return True
    if entry.suffix:  # office files, checkpoints and arrays are zips too, and stay closed
        return False
    try:
        return entry.head(4) == b"PK\x03\x04"
    except UnreadableError:
        return False


def _is_checkpoint(entry: Entry, workdir: Path, allowance: Allowance) -> bool:
    """Whether torch wrote this: people call checkpoints `model_best.pth.tar`, and they are no archives."""
    try:
        start = entry.head(len(LEGACY_TORCH))
        if not start.startswith(b"PK\x03\x04"):
            return start == LEGACY_TORCH
        with ExitStack() as stack:
            return is_torch_zip(seekable(entry, WEIGHT_BYTES, workdir, stack), allowance)
    except (UnreadableError, *ARCHIVE_ERRORS):
        return False


def _open(entry: Entry, workdir: Path, stack: ExitStack, contents: Contents) -> list[Entry]:
    """What a zip holds. A checkpoint renamed to .zip is a file; a damaged one leaves a remark."""
    with ExitStack() as own:  # what is not needed any more is closed
        try:
            file = seekable(entry, STUDENT_BYTES, workdir, own)
            archive = own.enter_context(open_zip(file, contents.allowance))
            if _is_torch(archive.namelist()):
                contents.files.append(entry)
                return []
            inside = zip_entries(archive)
        except UnreadableError as error:
            contents.closed.append(f"{entry.label} {error}")
            return []
        except ARCHIVE_ERRORS as error:
            contents.closed.append(f"{entry.label} cannot be opened as a zip ({short(error)})")
            return []
        contents.archives += 1
        stack.enter_context(own.pop_all())
    if not any(not inner.is_folder for inner in inside):
        contents.closed.append(f"{entry.label} is empty")
    return [replace(inner, path=f"{entry.path}/{inner.path}") for inner in inside]


def seekable(entry: Entry, limit: int, workdir: Path, stack: ExitStack) -> IO[bytes]:
    """The bytes in a form that can be read at random; a member of a zip is written to disk first.

    Raises `UnreadableError` where there are more than `limit`.
    """
    stream = stack.enter_context(entry.open())
    if isinstance(stream, io.BufferedReader):
        return stream
    spool = stack.enter_context(_temporary_file(workdir))
    entry.copy(spool, limit)
    spool.seek(0)
    return spool


def _temporary_file(workdir: Path) -> BinaryIO:
    try:
        with tempfile.TemporaryFile(dir=workdir) as file:
            own = OwnFile(os.dup(file.fileno()), "r+b", f"a file in {workdir}")
        return cast(BinaryIO, io.BufferedRandom(own))
    except OSError as error:
        raise UserError(f"{workdir}: cannot be written to ({short(error)}); point TMPDIR elsewhere") from None


def is_torch_zip(file: IO[bytes], allowance: Allowance) -> bool:
    """Whether this is a zip as `torch.save` writes it."""
    try:
        with open_zip(file, allowance) as archive:
            return _is_torch(archive.namelist())
    except ARCHIVE_ERRORS:
        return False
    finally:
        file.seek(0)


def _is_torch(names: list[str]) -> bool:
    """Whether there is one folder, with `data.pkl` and `version` in it."""
    folder = names[0].split("/", 1)[0] + "/" if names else "/"
    return {folder + "data.pkl", folder + "version"} <= set(names) and all(
        n.startswith(folder) for n in names
    )


def _case_twins(files: list[Entry]) -> list[str]:
    seen: dict[str, Entry] = {}
    remarks = []
    for entry in files:
        twin = seen.setdefault(entry.path.casefold(), entry)
        if twin.path != entry.path:
            remarks.append(f"{twin.label} and {entry.label} differ in case alone")
    return remarks
