"""The course's side: makes `assignment/`, what students receive, from `solution/`, the one source."""

from grader.kit.build import build, check

__all__ = ["build", "check"]
