"""The hidden checks: pytest tests on the trusted side, run against a `Student` handle."""

from grader.checks._session import CheckInfo, check_catalogue, not_run, run_checks

__all__ = ["CheckInfo", "check_catalogue", "not_run", "run_checks"]
