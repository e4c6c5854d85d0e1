"""Scheduling: submissions in, verdicts out, in the order in which they come to an end."""
