"""The hidden checks: pytest tests on the trusted side, run against a `Student` handle."""
