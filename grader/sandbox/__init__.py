"""From a submission to a `Student`: the trusted handle on a process that nobody trusts."""

from grader.limits import Limits
from grader.sandbox.protocol import Value
from grader.sandbox.sandbox import Sandbox
from grader.sandbox.student import (
    Activation,
    LoadReport,
    Model,
    SandboxError,
    Student,
    StudentFailure,
)

__all__ = [
    "Activation",
    "Limits",
    "LoadReport",
    "Model",
    "Sandbox",
    "SandboxError",
    "Student",
    "StudentFailure",
    "Value",
]
