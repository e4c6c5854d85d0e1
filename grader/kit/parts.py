"""Packs `selftest.pyz`: the modules of the grader that the students' self-test runs on, as they are."""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from grader.errors import UserError

ROOT = Path(__file__).parents[2]
START = "grader.selftest.run"  # what it imports, and what that imports, is packed
READ = ("grader/rubric.toml", "grader/selftest/images.webp", "grader/selftest/labels.txt")
OPEN = ("grader", "grader.intake", "grader.sandbox", "grader.selftest")  # no other package is for students
PYTHON = "grader/selftest/python.txt"
# The grader's own start sandboxes, and read a class's download.
WRITTEN = {
    "grader/intake/__init__.py": b"",
    "grader/sandbox/__init__.py": b"",
    "__main__.py": b'import sys\n\nsys.exit("start selftest.py, which lies beside this file")\n',
}


def pack_parts(python: str) -> bytes:
    """The zip, the same to the byte every time; `python` is the grader's version, like "3.11".

    Raises UserError where the self-test needs a module of a package that is not for students.
    """
    files = {name: (ROOT / name).read_bytes() for name in (*_modules(), *READ)}
    files |= WRITTEN | {PYTHON: python.encode()}
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


def _modules() -> set[str]:
    """The files of all modules that START needs."""
    found: dict[str, str] = {}
    waiting = {START}
    while waiting:
        name = waiting.pop()
        package = ROOT / name.replace(".", "/")
        is_package = package.is_dir()
        file = package / "__init__.py" if is_package else package.with_suffix(".py")
        if name in found or not file.is_file():
            continue  # `from grader.types import Code` names no module
        home = name if is_package else name.rpartition(".")[0]
        if home not in OPEN:
            raise UserError(f"{START} needs {name}: only modules of {', '.join(OPEN)} are for students")
        found[name] = file.relative_to(ROOT).as_posix()
        if found[name] not in WRITTEN:
            waiting |= set(_imported(ast.parse(file.read_bytes()).body, home))
        waiting |= {home}
    return set(found.values())


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
