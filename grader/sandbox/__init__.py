"""From a submission to a `Student`: the trusted handle on a process that nobody trusts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grader.limits import Limits as Limits
    from grader.sandbox.protocol import Value as Value
    from grader.sandbox.sandbox import Sandbox as Sandbox
    from grader.sandbox.student import Activation as Activation
    from grader.sandbox.student import LoadReport as LoadReport
    from grader.sandbox.student import Model as Model
    from grader.sandbox.student import SandboxError as SandboxError
    from grader.sandbox.student import Student as Student
    from grader.sandbox.student import StudentFailure as StudentFailure

_HOMES = {
    "grader.limits": ("Limits",),
    "grader.sandbox.protocol": ("Value",),
    "grader.sandbox.sandbox": ("Sandbox",),
    "grader.sandbox.student": (
        *("Activation", "LoadReport", "Model", "SandboxError", "Student", "StudentFailure"),
    ),
}


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: torch is slow to import, and `backends` goes without it."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
