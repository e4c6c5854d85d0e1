"""Packs `selftest.pyz`: the modules of the grader that the students' self-test runs on, as they are."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
# No hidden check, and nothing that builds a sandbox.
PARTS = (
    *(
        "__init__.py",
        "accuracy.py",
        "budget.py",
        "errors.py",
        "expect.py",
        "learning.py",
        "limits.py",
        "questions.py",
    ),
    *("rubric.py", "rubric.toml", "sheets.py", "text.py", "torchvision_shim.py", "types.py"),
    *(f"intake/{name}.py" for name in ("__init__", "blackboard", "decode", "entries", "layout", "limits")),
    *(f"intake/{name}.py" for name in ("names", "notebook", "outputs", "pick", "unpack")),
    *(f"sandbox/{name}.py" for name in ("cells", "checkpoints", "definitions", "effects", "helpers")),
    *(
        f"sandbox/{name}.py"
        for name in ("device", "notebook", "pace", "protocol", "rules", "student", "worker")
    ),
    *(f"selftest/{name}.py" for name in ("__init__", "checks", "chinese", "host", "lenet", "newer")),
    *("selftest/process.py", "selftest/run.py", "selftest/images.webp", "selftest/labels.txt"),
)
PYTHON = "grader/selftest/python.txt"


def pack_parts(python: str) -> bytes:
    """The zip, the same to the byte every time; `python` is the grader's version, like "3.11"."""
    files = {f"grader/{name}": (ROOT / name).read_bytes() for name in PARTS}
    files["grader/sandbox/__init__.py"] = b""  # the grader's own starts sandboxes
    files["__main__.py"] = b'import sys\n\nsys.exit("start selftest.py, which lies beside this file")\n'
    files[PYTHON] = python.encode()
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
