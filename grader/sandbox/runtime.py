"""What of this system the sandbox shows: the interpreter, its packages, and what these are known to need.

Shared libraries are found as the dynamic loader finds them: each program and library names those
that it needs, and the loader's cache says where they lie. So it does not matter which distribution this is,
or whether the interpreter is the system's own, conda's, uv's or pyenv's.
"""

from __future__ import annotations

import functools
import importlib.util
import mmap
import os
import shutil
import site
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from grader.errors import UserError

# What code may call by os.system; each is there if the system has it.
PROGRAMS = """
    sh bash basename cat chmod clear cmp cp cut date df diff dirname du echo env expr false find grep
    gunzip gzip head hostname id ln ls md5sum mkdir mktemp mv nproc printf pwd realpath rm rmdir sed seq
    sha256sum sleep sort stat tail tar tee test timeout touch tr true uname uniq unzip wc which whoami
    xargs zip
"""
DATA = ("/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/zoneinfo", "/usr/lib/locale")
TOPS = ("/lib", "/lib64", "/lib32", "/bin", "/sbin")
SYSTEM = (Path("/usr"), Path("/usr/local"))  # prefixes that the machine's other software has, too
# torch.compile calls a C compiler there, and NVIDIA's libraries are opened by a name that no file says.
WITH_A_GPU = "/bin /lib /lib32 /lib64 /sbin /usr /etc/alternatives"
NO_LIBRARIES = {"include", "__pycache__", "test", "tests"}
LDCONFIG = ("/sbin/ldconfig", "/usr/sbin/ldconfig", "/usr/bin/ldconfig")
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


@functools.cache
def paths(device: str) -> list[Path]:
    """The files and folders to show, each at its own place; none lies in another.

    Raises UserError where the system does not say where its shared libraries lie.
    """
    runtime = [*_interpreter(), *_packages()]
    places = [shutil.which(name, path="/usr/bin:/bin") for name in PROGRAMS.split()]
    programs = [Path(place) for place in places if place]
    ldconfig = _ldconfig()
    cached = _cached_libraries(ldconfig)
    found = [*runtime, *programs, ldconfig, Path("/etc/ld.so.cache"), *map(Path, DATA)]
    found += _libraries([*_binaries(runtime), *programs, ldconfig], cached)
    if device == "cuda":
        found += [path for path in map(Path, WITH_A_GPU.split()) if not path.is_symlink()]
    return _without_doubles(found)


def package_folders() -> list[Path]:
    """Where torch and its companions are installed, which need not be a folder of this interpreter's own."""
    folders = []
    for name in ("torch", "numpy", "torchvision", "safetensors"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folders.append(Path(spec.origin).resolve().parent.parent)
    return list(dict.fromkeys(folders))


def _packages() -> list[Path]:
    return [*map(Path, site.getsitepackages()), *package_folders()]


def _interpreter() -> list[Path]:
    """The interpreter with every hop on the way to it, and its standard library."""
    found: list[Path] = []
    prefixes = [Path(p) for p in (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)]
    for prefix in dict.fromkeys([*prefixes, *(p.resolve() for p in prefixes)]):
        if prefix not in SYSTEM:
            # Not the prefix as a whole: a virtual environment may have been made in a folder of work.
            found += [prefix / name for name in ("bin", "lib", "pyvenv.cfg")]
            if not (prefix / "lib64").is_symlink():
                found.append(prefix / "lib64")
    program = Path(sys.executable)
    found.append(program)
    while program.is_symlink():
        program = Path(os.path.normpath(program.parent / program.readlink()))
        found.append(program)
    return found + [Path(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib", "purelib", "platlib")]


def _without_doubles(found: Iterable[Path]) -> list[Path]:
    """What is there, without what lies in another one's folder."""
    kept: dict[Path, None] = {}
    for path in sorted({behind_links(path) for path in found}, key=lambda path: (len(path.parts), path)):
        if path.exists() and not kept.keys() & set(path.parents):
            kept[path] = None
    return list(kept)


def links() -> dict[Path, Path]:
    """The system's links in the root folder, from /lib to usr/lib and the like."""
    return {path: path.readlink() for path in map(Path, TOPS) if path.is_symlink()}


def behind_links(path: Path) -> Path:
    """The place of a file that the system names by way of one of those links."""
    top = Path(*path.parts[:2])
    return Path(top.resolve(), *path.parts[2:]) if top in links() else path


def _ldconfig() -> Path:
    for place in map(Path, LDCONFIG):
        if place.exists():
            return place
    raise UserError(
        "there is no `ldconfig` here to say where the shared libraries lie: grade on a Linux with glibc, "
        "or use --sandbox container"
    )


def _cached_libraries(ldconfig: Path) -> dict[str, list[Path]]:
    """The system's shared libraries by name; one name may stand for several processors' libraries."""
    try:
        listed = subprocess.run([ldconfig, "-p"], capture_output=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"`ldconfig -p` does not say where the shared libraries lie: {error}") from None
    found: dict[str, list[Path]] = {}
    for line in os.fsdecode(listed).splitlines():
        name, arrow, place = line.strip().partition(" => ")
        if arrow:
            found.setdefault(name.split(" ")[0], []).append(Path(place))
    return found


def _binaries(folders: list[Path]) -> Iterator[Path]:
    """The interpreter, and all shared libraries that its packages bring along; each once."""
    yield Path(sys.executable)
    tops = {folder.resolve() for folder in folders}
    waiting = [str(folder) for folder in tops if not tops & set(folder.parents)]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:  # a file, or one that this user may not read
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in NO_LIBRARIES:
                        waiting.append(entry.path)
                elif ".so" in entry.name:
                    yield Path(entry.path)


def _libraries(binaries: Iterable[Path], cached: dict[str, list[Path]]) -> set[Path]:
    """The system's libraries that these need, those that they need in turn, and the loader itself."""
    machine = _read_elf(Path(sys.executable))[0]
    found: set[Path] = set()
    waiting = list(binaries)
    while waiting:
        _, names = _read_elf(waiting.pop())
        for name in names:
            for place in [Path(name)] if "/" in name else cached.get(name, []):
                if place not in found and _read_elf(place)[0] == machine:
                    found.add(place)
                    waiting.append(place)
    return found


def _read_elf(path: Path) -> tuple[int, list[str]]:
    """The processor that a program or library is for, and the names of the libraries that it needs.

    A program needs the loader as well, by its path. 0 and nothing where this is no file of 64-bit machine
    code.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:6] != b"\x7fELF\x02\x01":
                return 0, []
            (machine,), (table,) = struct.unpack_from("<H", data, 18), struct.unpack_from("<Q", data, 32)
            size, count = struct.unpack_from("<HH", data, 54)
            segments = [struct.unpack_from("<IIQQQQ", data, table + size * number) for number in range(count)]
            starts = [offset for kind, _, offset, *_ in segments if kind == PT_INTERP]
            for kind, _, offset, _, _, length in segments:
                if kind == PT_DYNAMIC:
                    facts = list(struct.iter_unpack("<qQ", data[offset : offset + length // 16 * 16]))
                    address = next(value for tag, value in facts if tag == DT_STRTAB)
                    strings = _place(segments, address)
                    starts += [strings + value for tag, value in facts if tag == DT_NEEDED]
            names = [os.fsdecode(data[start : data.find(b"\0", start)]) for start in starts]
    except (OSError, ValueError, OverflowError, StopIteration, struct.error):  # cut off, or of another kind
        return 0, []
    return machine, names


def _place(segments: list[tuple[int, ...]], address: int) -> int:
    """Where in the file stands what is loaded to an address. Raises StopIteration."""
    return next(
        address - start + offset
        for kind, _, offset, start, _, length in segments
        if kind == PT_LOAD and start <= address < start + length
    )
