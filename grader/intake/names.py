"""What a file's name suggests about what is in it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_LAB = re.compile(r"(?:lab|实验)[\s_-]*(?:0*8(?!\d)|八)", re.IGNORECASE)
_SELFTEST = re.compile(r"self[\s_-]*test", re.IGNORECASE)
_CODE_SUFFIXES = (".py", ".ipynb")
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".tgz", ".txz", ".tbz2", ".tar.zst", ".zipx", ".xz", ".bz2", ".gz")
_DATA_SETS = re.compile(r"cifar|mnist|idx\d-ubyte", re.IGNORECASE)
WEIGHTS_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def _name(path: str) -> str:
    return PurePosixPath(path).name


def is_code_name(path: str) -> bool:
    """Whether this may be the student's module: Python or a notebook, but not the kit's self-test."""
    name = _name(path)
    return name.lower().endswith(_CODE_SUFFIXES) and not _SELFTEST.match(name)


def is_lab_name(path: str) -> bool:
    """Whether the name says lab 8: `lab8.py`, `Lab8 (1).ipynb`, `pb21_lab_08.py`, `实验八.py`."""
    return _LAB.search(_name(path)) is not None


def is_exact_lab_name(path: str) -> bool:
    """Whether it is named as the assignment asks."""
    return _name(path).lower() in ("lab8.py", "lab8.ipynb")


def is_other_archive(path: str) -> bool:
    """Whether this is an archive that is no zip. Data sets, which come packed so too, are none."""
    name = _name(path)
    return name.lower().endswith(OTHER_ARCHIVES) and not _DATA_SETS.search(name)


def is_weights_name(path: str) -> bool:
    """Whether the extension is one that checkpoints carry."""
    return _name(path).lower().endswith(WEIGHTS_SUFFIXES)
