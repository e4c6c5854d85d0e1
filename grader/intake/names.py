"""What a file's name suggests about what is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from grader.lab import Lab, load_lab

_EXPECTED: ContextVar[Lab] = ContextVar("expected")
_ANSWERS = re.compile(r"answer|question|exercise[\s_-]*2|答案|回答|问答|问题|简答", re.IGNORECASE)
_SELFTEST = re.compile(r"self[\s_-]*test", re.IGNORECASE)
_CODE_SUFFIXES = (".py", ".ipynb")
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".tgz", ".txz", ".tbz2", ".tar.zst", ".zipx", ".xz", ".bz2", ".gz")
_DATA_SETS = re.compile(r"cifar|mnist|idx\d-ubyte", re.IGNORECASE)
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_BLACKBOARD = re.compile(
    r"(?P<stem>(?P<head>.+?)_(?P<word>[^_\d]+)_(?P<time>\d{4}(?:-\d\d){5}))(?:_(?P<original>.+)|(?P<meta>\.txt))",
    re.ASCII | re.DOTALL,
)


@contextmanager
def expecting(lab: Lab) -> Iterator[None]:
    """Within it files are read as work for `lab`, elsewhere as work for the default one."""
    token = _EXPECTED.set(lab)
    try:
        yield
    finally:
        _EXPECTED.reset(token)


def expected() -> Lab:
    """The lab that files are read for."""
    return _EXPECTED.get(None) or _default()


@cache
def _default() -> Lab:
    return load_lab()


@cache
def _lab_name(lab: Lab) -> re.Pattern[str]:
    return re.compile("|".join(filter(None, [lab.named, re.escape(lab.contract.module)])), re.IGNORECASE)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def is_code_name(path: str) -> bool:
    """Whether this may be the student's module: Python or a notebook, but not the kit's self-test."""
    name = _name(path)
    return name.lower().endswith(_CODE_SUFFIXES) and not _SELFTEST.match(name)


def is_lab_name(path: str) -> bool:
    """Whether the name says which lab it is: `lab8.py`, `Lab8 (1).ipynb`, `pb21_lab_08.py`, `实验八.py`."""
    return _lab_name(expected()).search(_name(path)) is not None


def is_exact_lab_name(path: str) -> bool:
    """Whether it is named as the assignment asks."""
    module = expected().contract.module.lower()
    return _name(path).lower() in (f"{module}.py", f"{module}.ipynb")


def is_other_archive(path: str) -> bool:
    """Whether this is an archive that is no zip. Data sets, which come packed so too, are none."""
    name = _name(path)
    return name.lower().endswith(OTHER_ARCHIVES) and not _DATA_SETS.search(name)


def is_weights_name(path: str) -> bool:
    """Whether the extension is one that checkpoints carry."""
    return _name(path).lower().endswith(WEIGHTS_SUFFIXES)


def is_answers_name(path: str) -> bool:
    """Whether this is called answers, whatever its extension."""
    return _ANSWERS.search(PurePosixPath(path).stem) is not None


@dataclass(frozen=True)
class Member:
    """A name in Blackboard's download, taken apart as far as it can be without knowing the usernames."""

    stem: str  # all up to the time: what an attempt's members share
    head: str  # <assignment>_<username>
    time: str
    original: str | None  # None: this is the metadata


def parse_member(name: str) -> Member | None:
    """Take a member's name apart, or None if Blackboard did not write it."""
    match = _BLACKBOARD.fullmatch(name)
    if not match:
        return None
    return Member(match["stem"], match["head"], match["time"], match["original"])
