"""Runs a lab's hidden checks: pytest tests on the trusted side, against a `Student` handle."""

from grader.checks._check import check
from grader.checks._session import CheckInfo, check_catalogue, not_run, run_checks

__all__ = ["CheckInfo", "check", "check_catalogue", "not_run", "run_checks"]
