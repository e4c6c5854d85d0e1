"""The process that the student's code runs in, as far as possible without a sandbox like the grader's.

No network, no GPU, no caches, no file of the student's but what is handed in. It keeps honest code from
passing here and failing there; it keeps nobody in who wants out.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch

from grader.sandbox import cells, worker
from grader.sandbox.rules import PACKAGES
from grader.selftest import newer
from grader.torchvision_shim import prepare_torchvision

HOMES = ("HOME", "USERPROFILE", "TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR")


def main(port: int, token: str, closed: Sequence[str], limits: dict[str, Any]) -> None:
    """Serve the self-test, which listens on this port of this machine. Files below `closed` are not there."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(token.encode())
    prepare_torchvision()  # as the grader does, where the two packages' builds do not fit
    cells.newer_syntax, cells.python = newer.complaint, newer.graders_python()
    torch.backends.mps.is_available = functools.cache(lambda: False)  # torch wants a cached one
    os.environ.update(dict.fromkeys(HOMES, str(Path.cwd())))
    _close_network()
    sys.addaudithook(_file_guard(closed))
    sys.meta_path.insert(0, _PackageGuard())
    worker.serve(connection, limits)


def _close_network() -> None:
    """Have every connection fail as it does where there is no network."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        connect(self, address)

    def no_name(*args: object, **options: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    socket.socket.connect = refuse  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = no_name


class _PackageGuard(MetaPathFinder):
    """Has the student's code find no package that the grader may lack, however many are installed here."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        top = fullname.partition(".")[0]
        if top in sys.stdlib_module_names or top in {*PACKAGES, "IPython"}:
            return
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
            frame = frame.f_back
        name = frame.f_code.co_filename if frame else ""
        if not name.startswith("<") and not Path(name).is_absolute():  # as the student's own files are called
            raise ModuleNotFoundError(f"No module named {top!r}", name=top)


def _file_guard(closed: Sequence[str]) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that lets no file below `closed` be opened, but for Python's own and its packages'."""
    inside = [os.path.realpath(folder) + os.sep for folder in closed]
    python = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, str(Path.cwd())} - {""}
    allowed = [os.path.realpath(folder) for folder in python]

    def guard(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if path.startswith(tuple(inside)) and not path.startswith(tuple(allowed)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), Path(path).name)

    return guard
