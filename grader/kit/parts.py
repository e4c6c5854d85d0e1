"""Packs `selftest.pyz`: the modules of the grader that the students' self-test runs on, as they are."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grader.errors import UserError
from grader.lab import Lab

ROOT = Path(__file__).parents[2]
START = "grader.selftest.run"  # what it imports, and what that imports, is packed
# No other package is for students, and of a lab what its record calls public.
OPEN = ("grader", "grader.intake", "grader.labs", "grader.sandbox", "grader.selftest")
LAB = "grader/selftest/lab.txt"
PYTHON = "grader/selftest/python.txt"
# The grader's own start sandboxes, and read a class's download.
WRITTEN = {
    "grader/intake/__init__.py": b"",
    "grader/sandbox/__init__.py": b"",
    "__main__.py": b'import sys\n\nsys.exit("start selftest.py, which lies beside this file")\n',
}


def pack_parts(python: str, lab: Lab, rubric: Path | None = None) -> bytes:
    """The zip, the same to the byte every time; `python` is the grader's version, like "3.11".

    It holds the rubric in this file, by default the lab's own. Raises UserError where the self-test needs a
    module that is not for students.
    """
    home = lab.package.replace(".", "/")
    files = {name: file.read_bytes() for name, file in modules_for(lab).items()}
    files |= {f"{home}/{name}": (lab.folder / name).read_bytes() for name in lab.public_files}
    files |= {f"{home}/rubric.toml": (rubric or lab.rubric).read_bytes()}
    files |= WRITTEN | {PYTHON: python.encode(), LAB: lab.name.encode()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # deflate's bytes depend on its version
        for name, content in sorted(files.items()):
            archive.writestr(
                zipfile.ZipInfo(name), content.replace(b"\r\n", b"\n") if name.endswith(".py") else content
            )
    return packed.getvalue()


def python_of(file: Path) -> str:
    """The version that an earlier build has put into this file. Raises OSError, KeyError, BadZipFile."""
    with zipfile.ZipFile(file) as archive:
        return archive.read(PYTHON).decode()


def modules_for(lab: Lab) -> dict[str, Path]:
    """The files of all modules that START needs, and the lab's self-test, by their names in the zip."""
    found: dict[str, Path] = {}
    seen: set[str] = set()
    waiting = {START, "grader.labs", lab.package, f"{lab.package}.selftest"}
    while waiting:
        name = waiting.pop()
        package = _place(name, lab)
        is_package = package.is_dir()
        file = package / "__init__.py" if is_package else package.with_suffix(".py")
        if name in seen or not file.is_file():
            continue  # `from grader.types import Code` names no module
        home = name if is_package else name.rpartition(".")[0]
        if not _is_open(name, home, lab):
            raise UserError(
                f"{START} needs {name}: only modules of {', '.join(OPEN)} are for students, and of "
                f"{lab.name} what it calls public: {', '.join(lab.public)}"
            )
        seen.add(name)
        packed = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
        found[packed] = file
        if packed not in WRITTEN:
            waiting |= set(_imported(ast.parse(file.read_bytes()).body, home))
        waiting |= {home}
    return found


def _place(name: str, lab: Lab) -> Path:
    """Where a module or package lies, without `.py`."""
    if name == lab.package or name.startswith(f"{lab.package}."):
        return lab.folder.joinpath(*name.removeprefix(lab.package).split(".")[1:])
    return ROOT / name.replace(".", "/")


def _is_open(name: str, home: str, lab: Lab) -> bool:
    if name == lab.package:
        return True
    if name.startswith(f"{lab.package}."):
        return name.removeprefix(f"{lab.package}.").partition(".")[0] in lab.public
    return home in OPEN


def _imported(body: list[ast.stmt], home: str) -> Iterator[str]:
    """All that a module of the package `home` may import of the grader, be it modules or what is in them."""
    for node in (node for statement in body if not _is_for_types(statement) for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = ".".join(filter(None, [home if node.level else "", node.module]))
            names = [source, *(f"{source}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "grader")


def _is_for_types(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING"
