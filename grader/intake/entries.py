"""One view of files, wherever they lie: in a folder or in a zip. Nothing here trusts a name or a size."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import re
import stat
import struct
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from grader.errors import KitError
from grader.intake.limits import (
    BOMB_BYTES,
    BOMB_RATIO,
    MEMBER_EXTRA_BYTES,
    MIB,
    PATH_CHARACTERS,
    STUDENT_DIRECTORY_BYTES,
    STUDENT_ENTRIES,
    STUDENT_FILES,
    STUDENT_MEMBERS,
    UNPACK_SECONDS,
)
from grader.intake.names import is_other_archive
from grader.text import safe_line

# All that reading a damaged or forged zip has been seen to raise: bad offsets, bad UTF-8, bad deflate
# streams, methods that zipfile does not know.
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RuntimeError,  # NotImplementedError and RecursionError are among its kinds
)


class UnreadableError(Exception):
    """A file cannot be read, or is larger than allowed. The message completes "lab8.py …"."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a hand-in.

    `path` is NFC with forward slashes; `size` and `packed` are what the
    container claims, in bytes. `flaw` says why it cannot be used; a `hostile`
    one is no accident, and its hand-in is set apart.
    """

    path: str
    size: int = 0
    packed: int = 0
    is_folder: bool = False
    opener: Callable[[], IO[bytes]] | None = None
    flaw: str = ""
    hostile: bool = False
    repeated: bool = False  # its zip holds the name more than once; this is the last

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()

    @property
    def depth(self) -> int:
        return self.path.count("/")

    @property
    def top(self) -> str:
        return self.path.split("/", 1)[0]

    @property
    def is_bomb(self) -> bool:
        """Whether it claims to unpack to far more than honest files do."""
        return self.size > BOMB_BYTES and self.size > BOMB_RATIO * max(self.packed, 1)

    @property
    def label(self) -> str:
        """The path as it may be shown."""
        return safe_line(self.path, 120) or "a file without a name"

    def below(self, folder: str) -> Entry:
        """The same entry seen from inside `folder`."""
        return replace(self, path=self.path[len(folder) + 1 :])

    def read(self, limit: int) -> bytes:
        """All bytes; raises `UnreadableError` if there are more than `limit` or they cannot be had."""
        content = io.BytesIO()  # whose value is no second copy
        self.copy(content, limit)
        return content.getvalue()

    def head(self, count: int) -> bytes:
        """The first bytes, at most `count`."""
        with self.open() as stream:
            try:
                return stream.read(count)
            except ARCHIVE_ERRORS as error:
                raise UnreadableError(f"cannot be read ({short(error)})") from None

    def copy(self, target: BinaryIO, limit: int) -> int:
        """Write all bytes to `target` and return their number; raises `UnreadableError` like `read`."""
        total = 0
        with self.open() as stream:
            for chunk in _chunks(stream):
                total += len(chunk)
                if total > limit:
                    raise UnreadableError(f"is larger than {megabytes(limit)}")
                try:
                    target.write(chunk)
                except OSError as error:  # ours, not the student's
                    problem = f"a submission's files cannot be unpacked ({short(error)})"
                    raise KitError(f"{problem}; free some space, or point TMPDIR to a larger disk") from None
        return total

    def open(self) -> IO[bytes]:
        if self.opener is None:
            raise UnreadableError(self.flaw or "is not a file")
        try:
            return self.opener()
        except ARCHIVE_ERRORS as error:
            raise UnreadableError(f"cannot be read ({short(error)})") from None


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            chunk = stream.read(MIB)
        except ARCHIVE_ERRORS as error:
            raise UnreadableError(f"cannot be read ({short(error)})") from None
        if not chunk:
            return
        yield chunk


def megabytes(count: int) -> str:
    return f"{count // MIB} MiB" if count >= MIB else f"{count // 1024} KiB"


def short(error: BaseException) -> str:
    """An exception's text as part of a line; what it quotes may be the student's."""
    text = (error.strerror or "") if isinstance(error, OSError) else str(error)
    return safe_line(text, 100) or type(error).__name__


# --- names -----------------------------------------------------------------------------------------

_JUNK = {
    "__macosx",
    ".ds_store",
    "thumbs.db",
    "desktop.ini",
    ".ipynb_checkpoints",
    ".git",
    "__pycache__",
    ".venv",
    "venv",
    ".pytest_cache",
    ".idea",
    ".vscode",
}


def is_junk(path: str) -> bool:
    """Whether a system or a tool left this behind, rather than a student handed it in."""
    return any(part.lower() in _JUNK or part.startswith(("._", "~$")) for part in path.split("/"))


def decode_member_name(info: zipfile.ZipInfo) -> str:
    """The name of a zip's member as it is spelt, with forward slashes.

    Where no encoding was declared, UTF-8, then GB18030 are tried.
    """
    name = info.orig_filename
    if not info.flag_bits & 0x800:  # bit 11 says UTF-8; without it zipfile read the bytes as cp437
        with contextlib.suppress(UnicodeError):
            name = _guess(name.encode("cp437"), name)
    return name.replace("\\", "/")


def decode_file_name(name: str) -> str:
    """A name that the file system gave, NFC; bytes that are not UTF-8 are tried as GB18030."""
    with contextlib.suppress(UnicodeError):
        name.encode("utf-8")
        return unicodedata.normalize("NFC", name)
    return unicodedata.normalize("NFC", _guess(os.fsencode(name), name))


def _guess(raw: bytes, otherwise: str) -> str:
    for encoding in ("utf-8", "gb18030"):
        with contextlib.suppress(UnicodeError):
            return raw.decode(encoding)
    return otherwise.encode("utf-8", "replace").decode("utf-8")


class _Spellings:
    """Keeps names apart that are equal in NFC: whoever chooses one must not get at the other's files."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def plain(self, folder: str, name: str, spelt: str) -> str:
        """`name`, or where it is taken in this folder by another spelling, one with a mark of its own."""
        if self._first.setdefault(f"{folder}/{name}", spelt) == spelt:
            return name
        path = PurePosixPath(name)
        return f"{path.stem}~{fingerprint(spelt)}{path.suffix}"

    def path(self, spelt: str) -> str:
        """A path in NFC, each of its parts as above."""
        path = ""
        for part in spelt.split("/"):
            name = self.plain(path, unicodedata.normalize("NFC", part), part)
            path = f"{path}/{name}" if path else name
        return path


def fingerprint(name: str) -> str:
    """Eight hexadecimal digits by which names differ that look alike."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


# --- folders ---------------------------------------------------------------------------------------


def folder_entries(folder: Path, limit: int) -> list[Entry]:
    """Everything under `folder`, junk left out, sorted by path; links are named, never followed.

    At most `limit` + 1 entries come back: one too many tells the caller that there are more. A folder that
    may be one student's, and holds more than anybody may hand in, is one hostile entry instead.
    Raises OSError only where `folder` itself cannot be listed.
    """
    spellings = _Spellings()
    found: list[Entry] = []
    boxes = [(folder, "")]
    while len(boxes) == 1 and len(found) <= limit:  # a lone folder around everything is seen through
        ((current, prefix),) = boxes
        items = _listed(current, prefix, spellings, limit - len(found))
        found += [entry for entry, _ in items]
        boxes = _below(items)
        if any(_is_archive(entry.path) for entry, _ in items):
            break
    for current, prefix in boxes:
        if len(found) > limit:
            break
        found += _tree(current, prefix, spellings)
    return sorted(found[: limit + 1], key=lambda entry: entry.path)


def _is_archive(path: str) -> bool:
    return path.lower().endswith(".zip") or is_other_archive(path)


def _tree(folder: Path, prefix: str, spellings: _Spellings) -> list[Entry]:
    """All below a folder, or one hostile entry where that is more than a student may hand in."""
    found: list[Entry] = []
    pending = [(folder, prefix)]
    while pending:
        items = _listed(*pending.pop(), spellings, STUDENT_ENTRIES)
        found += [entry for entry, _ in items]
        pending += _below(items)
        files = sum(not entry.is_folder for entry in found)
        if files > STUDENT_FILES or len(found) > STUDENT_ENTRIES:
            return [Entry(prefix + "…", flaw=f"holds more than {STUDENT_FILES:,} files", hostile=True)]
    return found


def _below(items: list[tuple[Entry, str]]) -> list[tuple[Path, str]]:
    return [(Path(path), entry.path + "/") for entry, path in items if entry.is_folder]


def _listed(folder: Path, prefix: str, spellings: _Spellings, limit: int) -> list[tuple[Entry, str]]:
    """What a folder holds, at most `limit` + 1 entries of it, each with its path on this system."""
    try:
        with os.scandir(folder) as listing:
            wanted = (item for item in listing if not is_junk(decode_file_name(item.name)))
            items = list(islice(wanted, limit + 1))
    except OSError as error:
        if not prefix:
            raise
        return [(Entry(prefix + ".", flaw=f"is a folder that cannot be read ({short(error)})"), "")]
    named = [(decode_file_name(item.name), item) for item in items]
    named.sort(key=lambda pair: (pair[0] != pair[1].name, pair[1].name))  # the plain spelling is first
    return [
        (_file(prefix + spellings.plain(prefix, name, item.name), item), item.path) for name, item in named
    ]


def _file(path: str, item: os.DirEntry[str]) -> Entry:
    if len(path) > PATH_CHARACTERS:
        return Entry(path[:PATH_CHARACTERS], flaw="has too long a path")
    try:
        if item.is_symlink():
            return Entry(path, flaw="is a link, which is not followed")
        if item.is_dir(follow_symlinks=False):
            return Entry(path, is_folder=True)
        if not item.is_file(follow_symlinks=False):
            return Entry(path, flaw="is not an ordinary file")
        size = item.stat(follow_symlinks=False).st_size
    except OSError as error:
        return Entry(path, flaw=f"cannot be read ({short(error)})")
    return Entry(path, size, size, opener=partial(_open_regular, item.path))


def _open_regular(path: str) -> IO[bytes]:
    # The file may have changed since it was listed: follow no link, wait on no pipe.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not an ordinary file")
    return os.fdopen(descriptor, "rb")


# --- zips ------------------------------------------------------------------------------------------

ENCRYPTED = "is encrypted"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MEMBER = b"PK\x01\x02"
_END_BYTES = 22 + 65_536  # the record at a zip's end with the longest comment
_TOO_LONG = "its list of members is too long"


class Allowance:
    """What a source's or a submission's zips may cost their reader, all of them together."""

    def __init__(
        self, members: int = STUDENT_MEMBERS, directory_bytes: int = STUDENT_DIRECTORY_BYTES
    ) -> None:
        self.members, self.directory_bytes = members, directory_bytes
        self._until = math.inf

    def start(self) -> None:
        """From now on `UNPACK_SECONDS` of CPU time are left: another submission's turn begins."""
        self._until = time.thread_time() + UNPACK_SECONDS

    def expect_time(self) -> None:
        """Raise `BadZipFile` where the time is used up."""
        if time.thread_time() > self._until:
            raise zipfile.BadZipFile("reading the zips takes too long")

    def take(self, directory: bytes) -> None:
        """Take off what a list of members will cost; raises `BadZipFile` where there is no room for it."""
        self.directory_bytes -= len(directory)
        self.members -= count_members(directory)
        if min(self.directory_bytes, self.members) < 0:
            raise zipfile.BadZipFile(_TOO_LONG)


def count_members(directory: bytes) -> int:
    """How many members a list holds for zipfile, or more where it is damaged; raises `BadZipFile`."""
    count = at = 0
    while at < len(directory):
        if at + 46 > len(directory):
            raise zipfile.BadZipFile("its list of members is torn")
        name, extra, comment = struct.unpack_from("<HHH", directory, at + 28)
        if extra > MEMBER_EXTRA_BYTES:
            raise zipfile.BadZipFile(_TOO_LONG)
        at += 46 + name + extra + comment
        count += 1
    return count


class _Metered:
    """A zip's file for zipfile, which reads no more of it than there is an allowance for.

    zipfile reads the end of the file, which says how long the list of members is, and then the list as a
    whole. What says so, and where, differs between Python's versions; that it is read does not.
    """

    def __init__(self, file: IO[bytes], allowance: Allowance) -> None:
        self._file, self._allowance = file, allowance
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.is_open = False

    def read(self, count: int = -1) -> bytes:
        self._allowance.expect_time()
        if self.is_open:
            return self._file.read(count)
        room = max(self._allowance.directory_bytes, _END_BYTES)
        if count > room:
            raise zipfile.BadZipFile(_TOO_LONG)
        data = self._file.read(count if count >= 0 else room)
        if data.startswith(_MEMBER):
            self._allowance.take(data)
        return data


def open_zip(file: IO[bytes], allowance: Allowance) -> zipfile.ZipFile:
    """Open a zip whose list of members the allowance has room for; raises one of `ARCHIVE_ERRORS`."""
    metered = _Metered(file, allowance)
    archive = zipfile.ZipFile(cast(IO[bytes], metered))
    metered.is_open = True
    return archive


def zip_entries(archive: zipfile.ZipFile) -> list[Entry]:
    """A zip's members, junk left out, sorted by path; of several with one name the last counts."""
    found: dict[str, Entry] = {}
    spellings = _Spellings()
    members = [(decode_member_name(info), info) for info in archive.infolist()]
    members.sort(key=lambda member: not unicodedata.is_normalized("NFC", member[0][:PATH_CHARACTERS]))
    for spelt, info in members:
        entry = _member(archive, info, spelt, spellings)
        earlier = found.get(entry.path)
        if not entry.path or is_junk(entry.path) or (earlier and earlier.hostile):
            continue
        repeated = earlier is not None and not earlier.is_folder
        found[entry.path] = replace(entry, repeated=True) if repeated else entry
    return sorted(found.values(), key=lambda entry: entry.path)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, spelt: str, spellings: _Spellings) -> Entry:
    flaw = _hostility(spelt, info)
    if flaw:
        return Entry(spelt[:PATH_CHARACTERS], flaw=flaw, hostile=True)
    is_folder = spelt.endswith("/")
    path = spellings.path("/".join(part for part in spelt.split("/") if part not in ("", ".")))
    if is_folder:
        return Entry(path, is_folder=True)
    if info.flag_bits & 0x1:
        flaw = ENCRYPTED
    elif info.compress_type not in _METHODS:
        # zipfile unpacks the other methods without a bound on memory.
        flaw = "is packed in a way that is not read: use an ordinary zip"
    opener = None if flaw else partial(archive.open, info)
    return Entry(path, info.file_size, info.compress_size, opener=opener, flaw=flaw)


def _hostility(path: str, info: zipfile.ZipInfo) -> str:
    """Why no honest tool writes this member, or ""."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if path.startswith("/") or re.match(r"[A-Za-z]:/", path):
        return "has an absolute name"
    if ".." in path.split("/"):
        return "has a name that leads out of its folder"
    if "\0" in path:
        return "has a NUL character in its name"
    if len(path) > PATH_CHARACTERS:
        return "has too long a name"
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a device"
    return ""
