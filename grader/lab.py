"""A lab: all that is one assignment's, in one folder.

The folder is a Python package with a `Lab` in its `__init__.py`, and beside it, by these names:

- `rubric.toml`: points, questions, limits;
- the hidden checks, in the files that the record names;
- `measure.py`: a `Measurement`, which says what a submission is worth beside the checks;
- `selftest`: what students may see, see `grader.selftest.public`.

Only the trusted side imports it. A student's process is told what its module is called and which functions
it has; a student gets the modules that the record calls public, and the rubric.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from grader.errors import UserError
from grader.types import Contract, Record

if TYPE_CHECKING:
    from grader.sandbox import Sandbox
    from grader.setup import Setup
    from grader.types import AccuracyEvidence, Submission

LABS = Path(__file__).parent / "labs"
DEFAULT = "lab8"
_PACKAGE = "grader.labs"  # where every lab is imported, wherever its folder lies


class Lab(Record):
    """What is known of a lab before anything of it is run."""

    folder: Path
    title: str  # as in "Looks at your lab 8"
    title_zh: str
    contract: Contract
    checks: tuple[str, ...]  # the files with the hidden checks, from `folder`, in the order in which they run
    named: str = ""  # a pattern: what files of this lab are often called, beside the module's own name
    tools: str = ""  # a module of the course's own, handed out with the template
    public: tuple[str, ...] = ("selftest",)  # modules and packages in the folder that students get
    public_files: tuple[str, ...] = ()  # other files that they get, from `folder`
    measured: str = "accuracy"  # what the rubric's curve is for, in a word
    data: str = ""  # the data set that is measured on, see `grader.datasets`; empty where the lab has its own
    classes: tuple[str, ...] = ()  # their names, in the order of the labels
    input_shape: tuple[int, ...] = ()  # of one input
    chance: float = 0.0  # what guessing gives
    # A clause on the limits, in English and Chinese, about the time for what is measured: {minutes} for all.
    measure_minutes: tuple[str, str] = ("", "")

    @property
    def name(self) -> str:
        """By which results and messages call it."""
        return self.folder.name

    @property
    def package(self) -> str:
        """The name that it is imported by."""
        return f"{_PACKAGE}.{self.name}"

    @property
    def source(self) -> str:
        """By which `load_lab` finds it again."""
        return self.name if self.folder.parent == LABS else str(self.folder)

    @property
    def rubric(self) -> Path:
        """The lab's own rubric."""
        return self.folder / "rubric.toml"

    @property
    def handed_out(self) -> Path:
        """What all students were given, as hashes; `grader build` writes it."""
        return self.folder / "handed_out.json"

    def part(self, name: str) -> Any:
        """A module of the lab's, by its name in the folder. Raises ModuleNotFoundError."""
        _import(self.folder)
        return importlib.import_module(f"{self.package}.{name}")

    def measurement(self, setup: Setup, sandbox: Sandbox) -> Measurement:
        """What measures submissions there. Raises `UserError` where the setup asks for what cannot be."""
        made: Measurement = self.part("measure").Measurement(setup, sandbox)
        return made

    def check_places(self) -> dict[str, str]:
        """The ids of the hidden checks, in their order, and where each stands; found without running them."""
        places = {}
        for name in self.checks:
            file = self.folder / name
            for node in ast.parse(file.read_bytes(), str(file)).body:
                if isinstance(node, ast.FunctionDef) and any(map(_is_check, node.decorator_list)):
                    places[node.name] = f"{file}:{node.lineno}"
        return places


class Measurement(Protocol):
    """What is measured beside the checks, made once for all the submissions of a job."""

    inputs: int  # how many are asked for
    seconds: tuple[float, float]  # that the submission may take for them, and for others asked between them

    def measure(self, submission: Submission) -> AccuracyEvidence:
        """The share that the rubric's curve is for, or the reason why there is none. Raises SandboxError."""


def load_lab(which: str | Path = DEFAULT) -> Lab:
    """The lab of this name that comes with the grader, or that in a folder. Raises `UserError`."""
    if not LABS.is_dir():  # in the students' self-test: a zip that holds one
        return _lab_in(importlib.import_module(f"{_PACKAGE}.{which}"))
    folder = Path(which).expanduser().resolve()
    is_name = Path(which).name == str(which) and (LABS / which / "__init__.py").is_file()
    if is_name or folder.parent == LABS.resolve():
        folder = LABS / folder.name
    if not (folder / "__init__.py").is_file():
        names = ", ".join(sorted(file.parent.name for file in LABS.glob("*/__init__.py")))
        raise UserError(f"lab {which}: there is none: give a name ({names}) or the folder of another")
    return _lab_in(_import(folder))


def _lab_in(module: ModuleType) -> Lab:
    lab = getattr(module, "LAB", None)
    if not isinstance(lab, Lab):
        raise UserError(f"{module.__file__}: defines no LAB: see grader/docs/lab.md")
    return lab


def _import(folder: Path) -> ModuleType:
    """The package in this folder, as `grader.labs.NAME`. Raises `UserError`."""
    name = f"{_PACKAGE}.{folder.name}"
    file = folder / "__init__.py"
    if known := sys.modules.get(name):
        if known.__file__ != str(file):
            raise UserError(f"{folder}: another lab is called {folder.name} too: rename the folder")
        return known
    if not folder.name.isidentifier():
        raise UserError(f"{folder}: a lab's folder is imported by its name: use letters, digits and _ alone")
    importlib.import_module(_PACKAGE)
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(folder)])
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(
            f"{file}: cannot be imported ({type(error).__name__}: {error}): fix it there"
        ) from error
    setattr(sys.modules[_PACKAGE], folder.name, module)  # as an import by name does it
    return module


def _is_check(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Name) and called.id == "check"
