"""What of this system the box shows: the interpreter, its packages, and what these are known to need.

Shared libraries are found as the dynamic loader finds them: each program and library names those
that it needs, and the loader's cache says where they lie. So it does not matter which distribution this is,
or whether the interpreter is the system's own, conda's, uv's or pyenv's.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import site
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from grader.errors import KitError

# What code may call by os.system; each is there if the system has it.
PROGRAMS = """
    sh bash basename cat chmod clear cp cut date df dirname du echo env expr false find grep gunzip gzip head
    hostname id ln ls md5sum mkdir mktemp mv nproc printf pwd realpath rm rmdir sed seq sha256sum sleep sort
    stat tail tar tee test touch tr true uname uniq unzip wc which whoami xargs zip
"""
FOLDERS = "/usr/bin:/bin"
DATA = ("/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/zoneinfo", "/usr/lib/locale")
TOPS = ("/lib", "/lib64", "/lib32", "/bin", "/sbin")
SYSTEM = (
    Path("/usr"),
    Path("/usr/local"),
)  # as an interpreter's prefix: the machine's other software is there
# torch.compile calls a C compiler where there is a GPU: what that needs is all over these.
FOR_A_COMPILER = "/bin /lib /lib64 /usr/bin /usr/include /usr/lib /usr/lib64 /usr/libexec"
NO_LIBRARIES = {"include", "__pycache__", "test", "tests"}
DRIVER = re.compile(
    r"lib(cuda|nv)"
)  # NVIDIA's libraries are opened by name, and nothing says that it needs them
LDCONFIG = ("/sbin/ldconfig", "/usr/sbin/ldconfig", "/usr/bin/ldconfig")
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NEEDED, DT_STRTAB = 1, 5


@functools.cache
def paths(device: str) -> list[Path]:
    """The files and folders to show, each at its own place; none lies in another.

    Raises KitError where the system does not say where its shared libraries lie.
    """
    runtime = [*_interpreter(), *_packages()]
    programs = [
        Path(place) for name in PROGRAMS.split() if (place := shutil.which(name, path="/usr/bin:/bin"))
    ]
    ldconfig = _ldconfig()
    cached = _cached_libraries(ldconfig)
    found = [*runtime, *programs, ldconfig, Path("/etc/ld.so.cache"), *map(Path, DATA)]
    found += _libraries([*_binaries(runtime), *programs, ldconfig], cached)
    if device == "cuda":
        found += [path for path in map(Path, FOR_A_COMPILER.split()) if not path.is_symlink()]
        found += [path for places in cached.values() for path in places if DRIVER.match(path.name)]
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
    raise KitError(
        "there is no `ldconfig` here to say where the shared libraries lie: grade on a Linux with glibc, "
        "or use --sandbox container"
    )


def _cached_libraries(ldconfig: Path) -> dict[str, list[Path]]:
    """The system's shared libraries by name; one name may stand for several processors' libraries."""
    try:
        listed = subprocess.run([ldconfig, "-p"], capture_output=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise KitError(
            f"`ldconfig -p`, which is to say where the shared libraries lie, fails: {error}"
        ) from None
    found: dict[str, list[Path]] = {}
    for line in os.fsdecode(listed).splitlines():
        name, arrow, place = line.strip().partition(" => ")
        if arrow:
            found.setdefault(name.split(" ")[0], []).append(Path(place))
    return found


def _binaries(folders: list[Path]) -> Iterator[Path]:
    """The interpreter, and all shared libraries that its packages bring along."""
    yield Path(sys.executable)
    for top in folders:
        for folder, inner, names in os.walk(top):
            inner[:] = [name for name in inner if name not in NO_LIBRARIES]
            yield from (Path(folder, name) for name in names if ".so" in name)


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
        with path.open("rb") as file:
            head = file.read(64)
            if head[:6] != b"\x7fELF\x02\x01":
                return 0, []
            (machine,), (table,) = struct.unpack_from("<H", head, 18), struct.unpack_from("<Q", head, 32)
            size, count = struct.unpack_from("<HH", head, 54)

            def read(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            headers = read(table, size * count)
            segments = [struct.unpack_from("<IIQQQQ", headers, size * number) for number in range(count)]
            names = [read(offset, length) for kind, _, offset, _, _, length in segments if kind == PT_INTERP]
            for kind, _, offset, _, _, length in segments:
                if kind != PT_DYNAMIC:
                    continue
                facts = list(struct.iter_unpack("<qQ", read(offset, length // 16 * 16)))
                strings = next(value for tag, value in facts if tag == DT_STRTAB)
                for load, _, at, address, _, room in segments:
                    if load == PT_LOAD and address <= strings < address + room:
                        strings += at - address
                        break
                names += [read(strings + value, 256) for tag, value in facts if tag == DT_NEEDED]
    except (OSError, StopIteration, struct.error):  # cut off, or made for something else
        return 0, []
    return machine, [os.fsdecode(name.partition(b"\0")[0]) for name in names]
