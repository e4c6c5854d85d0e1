"""Lets a student's code import the modules that were handed in beside it: `model.py`, `models/resnet.py`.

They are read as the code itself is: of each what others may refer to is run, and nothing else. A module
never takes the place of one of Python's, of torch's or of what these need. This file runs inside the sandbox.
"""

from __future__ import annotations

import ast
import functools
import importlib.machinery
import importlib.util
import re
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder

from .cells import read_cell

Run = Callable[[str, str, Iterable[str], types.ModuleType], None]  # a text, its name, what of it, into what
_LIBRARIES = frozenset(("torch", "torchvision", "numpy", "PIL", "safetensors"))


class Helpers(MetaPathFinder, Loader):
    """Finds and loads these files, given as {"models/resnet.py": text}, when code imports them."""

    def __init__(self, files: Mapping[str, str], cells: Sequence[str], run: Run, own: str) -> None:
        """`own` is what the module that imports them is called."""
        self.refused: dict[str, str] = {}  # by the name that it would be imported by: why not
        self._run = run
        self._modules: dict[str, tuple[str, str]] = {}  # by dotted name: the file and its text
        taken = (
            _LIBRARIES | {own} | sys.stdlib_module_names | {name.partition(".")[0] for name in sys.modules}
        )
        for path, text in {**written(cells), **files}.items():
            name = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            if (top := name.partition(".")[0]) in taken:
                whose = "the module that is handed in" if top == own else "a library"
                self.refused[top] = f"{path} is not read, because {whose} is called {top}: rename it"
            else:
                self._modules[name] = path, text
        self._packages = {n for n, (path, _) in self._modules.items() if path.endswith("__init__.py")}
        self._packages |= {name[: dot.start()] for name in self._modules for dot in re.finditer(r"\.", name)}
        self._cells = cells

    @functools.cached_property
    def _wanted(self) -> set[str]:
        return _mentioned([*self._cells, *(text for _, text in self._modules.values())])

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self._modules.values())

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname in self._modules or fullname in self._packages:
            is_package = fullname in self._packages
            return importlib.util.spec_from_loader(fullname, self, is_package=is_package)
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        if found := self._modules.get(module.__name__):
            path, text = found
            module.__file__ = path
            self._run(text, path, self._wanted, module)


def written(cells: Iterable[str]) -> dict[str, str]:
    """The modules that a notebook writes by `%%writefile model.py`."""
    return dict(helper for cell in cells for helper in read_cell(cell, "").helpers)


def _mentioned(texts: Iterable[str]) -> set[str]:
    """What any of these texts may want of a module: what it imports, attributes, names in strings.

    After a star import that is every name.
    """
    wanted: set[str] = set()
    names: set[str] = set()
    star = False
    for text in texts:
        for node in ast.walk(read_cell(text, "").tree):
            if isinstance(node, ast.ImportFrom):
                wanted |= {alias.name for alias in node.names}
                star = star or any(alias.name == "*" for alias in node.names)
            elif isinstance(node, ast.Attribute):
                wanted.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                wanted.add(node.value)
            elif isinstance(node, ast.Name):
                names.add(node.id)
    return wanted | names if star else wanted
