"""What a notebook's code finds in Jupyter without further ado: `display`, `get_ipython`, the package IPython.

This file runs inside the sandbox.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from typing import Any


class Shell:
    """Stands in for IPython's shell and for what its package holds: it does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _do_nothing


def _do_nothing(*args: object, **kwargs: object) -> None:
    pass


def display(*values: object, **kwargs: object) -> None:
    """Print the values, as Jupyter's `display` does where there is no page."""
    for value in values:
        print(value)


def get_ipython() -> Shell:
    return Shell()


class IPythonFinder(MetaPathFinder, Loader):
    """Imports an IPython that does nothing. It comes last on the path: one that is installed goes before."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in ("IPython", "IPython.display"):
            return importlib.util.spec_from_loader(fullname, self, is_package=fullname == "IPython")
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__.update(display=display, get_ipython=get_ipython, __getattr__=Shell().__getattr__)
