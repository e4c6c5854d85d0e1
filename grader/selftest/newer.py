"""Whether a text is in a newer Python than the grader's, told by ruff, whose parser knows every version."""

from __future__ import annotations

import functools
import importlib.util
import json
import pkgutil
import subprocess
import sys


@functools.cache
def graders_python() -> tuple[int, int]:
    """The version of Python that graded the assignment when it was built."""
    major, minor = (pkgutil.get_data(__package__, "python.txt") or b"").split(b".")
    return int(major), int(minor)


def cannot_tell() -> bool:
    """Whether this Python reads more than the grader's, and ruff is not there to say what."""
    return sys.version_info[:2] > graders_python() and importlib.util.find_spec("ruff") is None


@functools.lru_cache(1000)
def complaint(text: str) -> SyntaxError | None:
    """What a text that this Python reads has that the grader's does not read, if anything."""
    if sys.version_info[:2] <= graders_python():
        return None
    version = "py" + "".join(map(str, graders_python()))
    words = ("check", "--isolated", "--no-cache", "--quiet", "--select", "E9", "--output-format", "json", "-")
    command = [sys.executable, "-m", "ruff", *words, "--target-version", version]
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)
    try:
        for one in json.loads(done.stdout):
            row, column = one["location"]["row"], one["location"]["column"]
            return SyntaxError(one["message"], (None, row, column, None))
    except ValueError:
        pass  # ruff is not there, which the student is told
    return None
