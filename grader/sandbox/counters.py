"""Counters in a sandbox that keep counting from submission to submission, and could carry a note to the next.

Linux numbers processes and threads, the files of a file system and the names of a folder in the order in
which they are made, and wiping does not reset that. So after each submission every counter is moved on to
the end of a block. Each submission then finds it one block further than the one before found it, whatever
happened in between; otherwise the sandbox is replaced.

This file runs inside the sandbox and imports nothing of the kit but its neighbours.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from . import waiting

BLOCK = 64  # a submission that does not train uses 4; to move on by as many takes some milliseconds


class Counters:
    """The counters of this process namespace and of these folders, each of which is a file system.

    Makes the folders' files and threads of its own, which are gone again when a function returns. Raises
    OSError where it may not.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._folders = folders
        before, now = self._fill_up(), self._fill_up()
        # Others, as on an older Linux, count for the whole machine, or count nothing that lasts.
        self._at = {name: number for name, number in now.items() if number == before[name] + BLOCK}

    def next_block(self) -> bool:
        """Move each counter on to its block's end. False where that is not the block after the one before."""
        now, before = self._fill_up(), self._at
        self._at = {name: now[name] for name in before}
        return all(self._at[name] == number + BLOCK for name, number in before.items())

    def _fill_up(self) -> dict[str, int]:
        """Move each counter to its block's end, or the next one's where it is there; and say where it is."""
        found = {"processes": _fill_up_processes()}
        for folder in self._folders:
            found[f"names in {folder}"], found[f"files in {folder}"] = _fill_up_folder(folder)
        return found


def _left(number: int) -> int:
    return -(number + 1) % BLOCK


def _fill_up_processes() -> int:
    """By threads that do nothing, which cost less than processes."""
    first = waiting.newest_id() + 1
    libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
    for _ in range(1 + _left(first)):
        if libc.pthread_create(ctypes.byref(thread), None, libc.getpid, None) != 0:
            raise OSError("no thread can be made")
        libc.pthread_join(thread, None)
    return first + _left(first)


def _fill_up_folder(folder: Path) -> tuple[int, int]:
    """The folder has to be empty: nothing but the first name's place tells how many there have been."""
    inner = folder / "inner"
    inner.mkdir()
    name, number = _first_place(folder), inner.stat().st_ino + 1
    file, other, link = inner / "file", inner / "other", folder / "link"
    file.touch()
    for _ in range(_left(name)):
        link.hardlink_to(file)  # a further name for a file is not a further file
        link.unlink()
    for _ in range(_left(number)):
        os.mknod(other)
        other.unlink()
    file.unlink()
    inner.rmdir()
    return name + _left(name), number + _left(number)


def _first_place(folder: Path) -> int:
    """Where in a folder its first entry stands, after the two that all folders have."""
    libc = ctypes.CDLL(None)
    libc.opendir.restype, libc.telldir.restype = ctypes.c_void_p, ctypes.c_long
    stream = ctypes.c_void_p(libc.opendir(os.fsencode(folder)))
    if not stream:
        raise OSError(f"{folder} cannot be read")
    libc.readdir(stream)
    libc.readdir(stream)
    place: int = libc.telldir(stream)
    libc.closedir(stream)
    return place
