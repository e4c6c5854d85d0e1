"""Opens what is to be graded: a folder or a zip."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from grader.errors import UserError
from grader.intake.entries import (
    ARCHIVE_ERRORS,
    ENCRYPTED,
    Allowance,
    Entry,
    SourceReadError,
    decode_file_name,
    folder_entries,
    open_regular,
    open_zip,
    short,
    zip_entries,
)
from grader.intake.limits import FOLDER_FILES, SOURCE_FILES
from grader.intake.names import is_other_archive, parse_member
from grader.text import safe_line


def open_source(
    source: Path,
    allowance: Allowance,
    stack: ExitStack,
    leave_out: str = "",
    is_member: Callable[[str], bool] = lambda name: parse_member(name) is not None,
) -> tuple[list[Entry], str]:
    """The source's entries and the name that a single submission in it would go by."""
    try:
        kind = source.stat().st_mode
    except FileNotFoundError:
        raise UserError(
            f"{source}: there is no such file or folder; give the download's zip or folder"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{source}: cannot be read ({short(error)}); check the path and its permissions"
        ) from None
    most = SOURCE_FILES
    if stat.S_ISDIR(kind):
        most = FOLDER_FILES
        try:
            entries = folder_entries(source, most, leave_out, is_member)
        except OSError as error:
            raise UserError(f"{source}: cannot be read ({short(error)}); check its permissions") from None
        name = decode_file_name(source.resolve().name)
    elif stat.S_ISREG(kind) and source.suffix.lower() not in (".py", ".ipynb"):
        entries, name = _open_source_zip(source, allowance, stack), decode_file_name(source.stem)
    else:
        raise UserError(
            f"{source}: is neither a zip nor a folder; give the download, or the folder it lies in"
        )
    if not entries:
        raise UserError(f"{source}: holds no files; give the download's zip or folder")
    if len(entries) > most:
        (fullest, _), *_ = Counter(entry.path.rpartition("/")[0] for entry in entries).most_common(1)
        raise UserError(
            f"{source}: holds more than {most:,} files, most of them in "
            f"{safe_line(fullest, 200) or 'its top'}; move that away, or give one class's download at a time"
        )
    return entries, name


def _open_source_zip(source: Path, allowance: Allowance, stack: ExitStack) -> list[Entry]:
    try:
        file = stack.enter_context(open_regular(str(source.resolve())))
        entries = zip_entries(stack.enter_context(open_zip(file, allowance)))
    except SourceReadError as error:
        raise UserError(f"{source}: {error}; check its permissions") from None
    except ARCHIVE_ERRORS as error:
        if is_other_archive(source.name):
            raise UserError(f"{source}: is no zip; unpack it and give the folder") from None
        fix = "download it again, or unpack it and give the folder"
        raise UserError(f"{source}: cannot be read as a zip ({short(error)}); {fix}") from None
    if any(entry.flaw == ENCRYPTED for entry in entries):
        raise UserError(f"{source}: is encrypted; unpack it with its password and give the folder")
    return entries
