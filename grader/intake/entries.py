"""One view of files, wherever they lie: in a folder or in a zip. Nothing here trusts a name or a size."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from grader.errors import KitError
from grader.intake.limits import BOMB_BYTES, BOMB_RATIO, MIB, PATH_CHARACTERS
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


@dataclass(frozen=True)
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
        chunks = []
        total = 0
        with self.open() as stream:
            for chunk in _chunks(stream):
                total += len(chunk)
                if total > limit:
                    raise UnreadableError(f"is larger than {megabytes(limit)}")
                chunks.append(chunk)
        return b"".join(chunks)

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
    """The name of a zip's member, NFC; where no encoding was declared, UTF-8, then GB18030 are tried."""
    name = info.orig_filename
    if not info.flag_bits & 0x800:  # bit 11 says UTF-8; without it zipfile read the bytes as cp437
        with contextlib.suppress(UnicodeError):
            name = _guess(name.encode("cp437"), name)
    if len(name) > PATH_CHARACTERS:
        return name  # is refused; to sort tens of thousands of combining marks takes NFC seconds
    return unicodedata.normalize("NFC", name)


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


# --- folders ---------------------------------------------------------------------------------------


def folder_entries(folder: Path, limit: int) -> list[Entry]:
    """Everything under `folder`, junk left out, sorted by path; links are named, never followed.

    At most `limit` + 1 entries come back: one too many tells the caller that there are more.
    Raises OSError only where `folder` itself cannot be listed.
    """
    found: list[Entry] = []
    pending: list[tuple[Path, str]] = [(folder, "")]
    while pending and len(found) <= limit:
        current, prefix = pending.pop()
        try:
            with os.scandir(current) as listing:
                items = sorted(listing, key=lambda item: item.name)
        except OSError as error:
            if not prefix:
                raise
            found.append(Entry(prefix + ".", flaw=f"is a folder that cannot be read ({short(error)})"))
            continue
        for item in items:
            path = prefix + decode_file_name(item.name)
            if is_junk(path):
                continue
            if len(path) > PATH_CHARACTERS:
                found.append(Entry(path[:PATH_CHARACTERS], flaw="has too long a path"))
            elif item.is_symlink():
                found.append(Entry(path, flaw="is a link, which is not followed"))
            elif item.is_dir(follow_symlinks=False):
                found.append(Entry(path, is_folder=True))
                pending.append((Path(item.path), path + "/"))
            elif item.is_file(follow_symlinks=False):
                try:
                    size = item.stat(follow_symlinks=False).st_size
                except OSError as error:
                    found.append(Entry(path, flaw=f"cannot be read ({short(error)})"))
                else:
                    found.append(Entry(path, size, size, opener=_file_opener(Path(item.path))))
            else:
                found.append(Entry(path, flaw="is not an ordinary file"))
    return sorted(found, key=lambda entry: entry.path)


def _file_opener(path: Path) -> Callable[[], IO[bytes]]:
    def open_regular() -> IO[bytes]:
        # The file may have changed since it was listed: follow no link, wait on no pipe.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError("not an ordinary file")
        return os.fdopen(descriptor, "rb")

    return open_regular


# --- zips ------------------------------------------------------------------------------------------

ENCRYPTED = "is encrypted"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


def open_zip(file: IO[bytes], directory_bytes: int) -> zipfile.ZipFile:
    """Open a zip whose list of members takes at most `directory_bytes`; raises one of `ARCHIVE_ERRORS`."""
    if _directory_size(file) > directory_bytes:
        raise zipfile.BadZipFile("its list of members is too long")
    file.seek(0)
    return zipfile.ZipFile(file)


def _directory_size(file: IO[bytes]) -> int:
    """The size of the list of members that zipfile is about to read whole, or an upper bound of it."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - 22 - 65_536))
    tail = file.read()
    at = len(tail) - 22
    if at < 0 or not (tail[at:].startswith(_END) and tail.endswith(b"\0\0")):
        at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("it is not a zip, or its end is missing")
    (size,) = struct.unpack_from("<L", tail, at + 12)
    # A zip64 end record stands just before, or where its locator says; Python's versions differ in
    # where they look.
    larger: list[int] = []
    locator = tail[max(at - 20, 0) : at]
    if locator.startswith(_LOCATOR64) and len(locator) == 20:
        end = length - len(tail) + at
        for position in (end - 20 - 56, struct.unpack_from("<Q", locator, 8)[0]):
            if 0 <= position < length:
                file.seek(position)
                record = file.read(56)
                if record.startswith(_END64) and len(record) == 56:
                    larger += struct.unpack_from("<Q", record, 40)
    if size == 0xFFFFFFFF and larger:  # "see the zip64 record"
        return int(max(larger))
    return int(max([size, *larger]))


def zip_entries(archive: zipfile.ZipFile) -> list[Entry]:
    """A zip's members, junk left out, sorted by path; of several with one name the last counts."""
    found: dict[str, Entry] = {}
    for info in archive.infolist():
        entry = _member(archive, info)
        earlier = found.get(entry.path)
        if not entry.path or is_junk(entry.path) or (earlier and earlier.hostile):
            continue
        repeated = earlier is not None and not earlier.is_folder
        found[entry.path] = replace(entry, repeated=True) if repeated else entry
    return sorted(found.values(), key=lambda entry: entry.path)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    path = decode_member_name(info).replace("\\", "/")
    flaw = _hostility(path, info)
    if flaw:
        return Entry(path[:PATH_CHARACTERS], flaw=flaw, hostile=True)
    is_folder = path.endswith("/")
    path = "/".join(part for part in path.split("/") if part not in ("", "."))
    if is_folder:
        return Entry(path, is_folder=True)
    if info.flag_bits & 0x1:
        flaw = ENCRYPTED
    elif info.compress_type not in _METHODS:
        # zipfile unpacks the other methods without a bound on memory.
        flaw = "is packed in a way that is not read: use an ordinary zip"
    opener = None if flaw else lambda: archive.open(info)
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
