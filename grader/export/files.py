"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from grader.errors import UserError


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
