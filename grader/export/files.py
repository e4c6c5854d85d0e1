"""Files that are there whole or not at all, and the names of students' own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from grader.errors import UserError
from grader.text import file_stem
from grader.types import Verdict


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`; whatever happens, what was there before stays until the new is complete.

    A file that already says so is left alone. Raises `UserError`.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        if path.is_file() and path.read_bytes() == content:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}): close it if it is open elsewhere and make room,"
            " then run the command again; what was there is kept"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def stems(verdicts: Sequence[Verdict]) -> dict[str, Verdict]:
    """The verdicts by file names that differ even where a file system takes `A` for `a`."""
    found: dict[str, Verdict] = {}
    taken: set[str] = set()
    for verdict in verdicts:
        stem, again = file_stem(verdict.student_id), 2
        while stem.casefold() in taken:
            stem, again = f"{file_stem(verdict.student_id)}~{again}", again + 1
        taken.add(stem.casefold())
        found[stem] = verdict
    return found
