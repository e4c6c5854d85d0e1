"""One view of files, wherever they lie: in a folder or in a zip. Nothing here trusts a name or a size."""

from __future__ import annotations

import contextlib
import errno
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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from grader.errors import UserError
from grader.intake.limits import (
    BOMB_BYTES,
    BOMB_RATIO,
    MEMBER_EXTRA_BYTES,
    MIB,
    PATH_CHARACTERS,
    SECTION_ENTRIES,
    STUDENT_DIRECTORY_BYTES,
    STUDENT_ENTRIES,
    STUDENT_FILES,
    STUDENT_MEMBERS,
    UNPACK_SECONDS,
)
from grader.intake.names import is_code_name, is_other_archive, parse_member
from grader.text import safe_line

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

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
    """A file cannot be read, or is larger than allowed. The message completes the file's name."""


class SourceReadError(Exception):
    """The grader may not or cannot read a file that is there: its own trouble, which costs nobody a point.

    The message says which file, and why. It is none of `ARCHIVE_ERRORS`, so that nothing takes it for damage.
    """


# What the system says where a path is not one that an honest student has; all else is the grader's trouble.
_THEIRS = (errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.ENODEV)


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
    denied: bool = False  # the flaw is the grader's: it may not read what is there
    place: str = ""  # of a folder on this system: where it lies

    # As pathlib has them, but that is slow where a class's files are asked again and again.

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return self.name[: self._dot()]

    @property
    def suffix(self) -> str:
        return self.name[self._dot() :].lower()

    def _dot(self) -> int:
        """Where in the name the extension begins, or its end."""
        name = self.name
        at = name.rfind(".")
        return at if 0 < at < len(name) - 1 else len(name)

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
        path = self.path[len(folder) + 1 :]
        return Entry(
            path,
            self.size,
            self.packed,
            self.is_folder,
            self.opener,
            self.flaw,
            self.hostile,
            self.repeated,
            self.denied,
            self.place,
        )

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
                with _full_disk():
                    target.write(chunk)
        with _full_disk():  # what is still in memory is written now, not in a later step
            target.flush()
        return total

    def open(self) -> IO[bytes]:
        if self.denied:
            raise SourceReadError(f"{self.label} {self.flaw}")
        if self.opener is None:
            raise UnreadableError(self.flaw or "is not a file")
        try:
            return self.opener()
        except ARCHIVE_ERRORS as error:
            raise UnreadableError(f"cannot be read ({short(error)})") from None


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """What cannot be written is ours, not the student's."""
    try:
        yield
    except OSError as error:
        problem = f"a submission's files cannot be unpacked ({short(error)})"
        raise UserError(f"{problem}; free some space, or point TMPDIR to a larger disk") from None


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

# What a virtual environment consists of, whatever its folder is called; somebody's work may lie beside it.
_ENVIRONMENT = {"pyvenv.cfg", "lib", "lib64", "bin", "scripts", "include", "share", "etc"}


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


def folder_entries(
    folder: Path,
    limit: int,
    leave_out: str = "",
    is_member: Callable[[str], bool] = lambda name: parse_member(name) is not None,
) -> list[Entry]:
    """Everything under `folder`, junk left out, sorted by path; links are named, never followed.

    What lies in the folder `leave_out`, a path as this system spells it, is left out too. At most `limit` + 1
    entries come back: one too many tells the caller that there are more. A folder that may be one student's,
    and holds more than anybody may hand in, is one hostile entry instead. `is_member` knows the names that a
    learning management system gives to students' files.
    Raises OSError only where `folder` itself cannot be listed.
    """
    tree = _Tree(leave_out)
    found: list[Entry] = []
    boxes = [(folder, "")]
    while len(boxes) == 1 and len(found) <= limit:  # a lone folder around everything is seen through
        ((current, prefix),) = boxes
        items = tree.listed(current, prefix, limit - len(found))
        found += [entry for entry, _ in items]
        boxes = _below(items)
        if any(_is_archive(entry.path) for entry, _ in items):
            break
    walk = tree.section if _may_be_sections([path for path, _ in boxes], is_member) else tree.student
    for current, prefix in boxes:
        if len(found) > limit:
            break
        found += walk(current, prefix)
    return sorted(found[: limit + 1], key=lambda entry: entry.path)


def _may_be_sections(folders: Sequence[Path], is_member: Callable[[str], bool]) -> bool:
    """Whether most folders seem to hold several people's folders, zips or files, and none somebody's code.

    Then what lies in one of them is not one student's.
    """
    many = few = 0
    for folder in folders:
        parts, is_empty = 0, True
        with contextlib.suppress(OSError), os.scandir(folder) as listing:
            for item in islice(listing, STUDENT_ENTRIES):
                name = decode_file_name(item.name)
                if is_junk(name):
                    continue
                is_empty, is_one = False, is_member(name)
                if is_code_name(name) and not is_one and not item.is_dir(follow_symlinks=False):
                    return False
                parts += is_one or _is_archive(name) or item.is_dir(follow_symlinks=False)
        many += parts > 1
        few += parts <= 1 and not is_empty
    return many > few


def _is_archive(path: str) -> bool:
    return path.lower().endswith(".zip") or is_other_archive(path)


_Items = list[tuple[Entry, str]]  # what a folder holds, each with its path on this system


def _below(items: _Items) -> list[tuple[Path, str]]:
    return [(Path(path), entry.path + "/") for entry, path in items if entry.is_folder]


class _Tree:
    """Lists folders. It knows how their names are spelt, and what is to be left out."""

    def __init__(self, leave_out: str) -> None:
        self._spellings, self._leave_out = _Spellings(), leave_out

    def section(self, folder: Path, prefix: str) -> list[Entry]:
        """All below a folder of students' folders, each of which may be as large as a student's."""
        items = self.listed(folder, prefix, SECTION_ENTRIES)
        found = [entry for entry, _ in items]
        for path, inner in _below(items):
            if len(found) <= SECTION_ENTRIES:
                found += self.student(path, inner)
        return found if len(found) <= SECTION_ENTRIES else [_too_many(prefix, SECTION_ENTRIES)]

    def student(self, folder: Path, prefix: str) -> list[Entry]:
        """All below a folder, or one hostile entry where that is more than a student may hand in."""
        found: list[Entry] = []
        pending = [(folder, prefix)]
        while pending:
            items = self.listed(*pending.pop(), STUDENT_ENTRIES)
            found += [entry for entry, _ in items]
            pending += _below(items)
            files = sum(not entry.is_folder for entry in found)
            if files > STUDENT_FILES or len(found) > STUDENT_ENTRIES:
                return [_too_many(prefix, STUDENT_FILES)]
        return found

    def listed(self, folder: Path, prefix: str, limit: int) -> _Items:
        """What a folder holds, at most `limit` + 1 entries of it."""
        try:
            with os.scandir(folder) as listing:
                items = list(islice(filter(self._is_wanted, listing), limit + 1))
        except OSError as error:
            if not prefix:
                raise
            flaw = f"is a folder that cannot be read ({short(error)})"
            return [(Entry(prefix + ".", flaw=flaw, denied=error.errno not in _THEIRS), "")]
        if any(item.name == "pyvenv.cfg" for item in items):
            items = [item for item in items if item.name.lower() not in _ENVIRONMENT]
        named = [(decode_file_name(item.name), item) for item in items]
        named.sort(key=lambda pair: (pair[0] != pair[1].name, pair[1].name))  # the plain spelling is first
        return [
            (_file(prefix + self._spellings.plain(prefix, name, item.name), item), item.path)
            for name, item in named
        ]

    def _is_wanted(self, item: os.DirEntry[str]) -> bool:
        return item.path != self._leave_out and not is_junk(decode_file_name(item.name))


def _too_many(prefix: str, most: int) -> Entry:
    return Entry(prefix + "…", flaw=f"holds more than {most:,} files", hostile=True)


def _file(path: str, item: os.DirEntry[str]) -> Entry:
    if len(path) > PATH_CHARACTERS:
        return Entry(path[:PATH_CHARACTERS], flaw="has too long a path")
    try:
        if item.is_symlink():
            return Entry(path, flaw="is a link, which is not followed")
        if item.is_dir(follow_symlinks=False):
            return Entry(path, is_folder=True, place=item.path)
        if not item.is_file(follow_symlinks=False):
            return Entry(path, flaw="is not an ordinary file")
        size = item.stat(follow_symlinks=False).st_size
    except OSError as error:
        return Entry(path, flaw=f"cannot be read ({short(error)})", denied=error.errno not in _THEIRS)
    return Entry(path, size, size, opener=partial(open_regular, item.path))


class OwnFile(io.FileIO):
    """A file on the grader's own disk: where it cannot be read, that says nothing of what is in it."""

    def __init__(self, descriptor: int, mode: str, label: str) -> None:
        super().__init__(descriptor, mode)
        self._label = label

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise _not_read(self._label, error) from None

    def readall(self) -> bytes:
        try:
            return super().readall()
        except OSError as error:
            raise _not_read(self._label, error) from None


def _not_read(label: str, error: OSError) -> SourceReadError:
    return SourceReadError(f"{label} cannot be read ({short(error)})")


def open_regular(path: str) -> io.BufferedReader:
    """Open an ordinary file. Raises `SourceReadError` where it may not be read, OSError where it is another.

    The file may have changed since it was listed: no link is followed, no pipe waited on.
    """
    label = safe_line(decode_file_name(os.path.basename(path)), 120)  # noqa: PTH119
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if error.errno in _THEIRS:
            raise
        raise _not_read(label, error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not an ordinary file")
    return io.BufferedReader(OwnFile(descriptor, "rb", label))


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

    @contextlib.contextmanager
    def trial(self, hurried: bool) -> Iterator[Callable[[], None]]:
        """What is taken within is given back at the end, unless the function that comes is called.

        `hurried`: within there is no more of anything than a submission may take.
        """
        members, directory_bytes, until = self.members, self.directory_bytes, self._until
        kept: list[bool] = []
        if hurried:
            self.start()
            self.members = min(members, STUDENT_MEMBERS)
            self.directory_bytes = min(directory_bytes, STUDENT_DIRECTORY_BYTES)
        lent = self.members, self.directory_bytes
        try:
            yield lambda: kept.append(True)
        finally:
            self._until = until
            self.members = members - (lent[0] - self.members) * bool(kept)
            self.directory_bytes = directory_bytes - (lent[1] - self.directory_bytes) * bool(kept)

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
    """A zip's members, sorted by path, without junk and environments; of one name the last counts."""
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
    return sorted(_without_environments(found), key=lambda entry: entry.path)


def _without_environments(entries: dict[str, Entry]) -> Iterator[Entry]:
    """What is in no virtual environment, as in folders; hostile names stay, which set a hand-in apart."""
    homes = {path.rpartition("/")[0] for path in entries if path.rpartition("/")[2] == "pyvenv.cfg"}
    for path, entry in entries.items():
        parts = path.split("/") if homes else []
        inside = any(
            part.lower() in _ENVIRONMENT and "/".join(parts[:at]) in homes for at, part in enumerate(parts)
        )
        if entry.hostile or not inside:
            yield entry


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
        # zipfile unpacks the other methods without a limit on memory.
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
